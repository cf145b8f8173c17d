import json
from pathlib import Path

from click.testing import CliRunner

from tunix_rt_nb import evaluate
from tunix_rt_nb.cli import main


def check(path: Path, *options: str) -> str:
    result = CliRunner().invoke(main, ["evalsets", "check", str(path), *options])
    assert (result.exit_code, result.exception) == (0, None), result.output
    return result.output


def written(path: Path, *answers: str) -> Path:
    lines = [{"question": f"Question {n}?", "answer": answer} for n, answer in enumerate(answers)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_questions_of_ones_own_can_be_graded(tmp_path: Path) -> None:
    path = written(tmp_path / "mine.jsonl", "Paris", "5")
    assert check(path) == f"{path}: 2 items, 0 of known tasks; all can be graded\n"
    assert check(written(path, "5")) == f"{path}: 1 item, 0 of known tasks; all can be graded\n"


def test_expected_answers_that_only_the_same_words_match_are_counted(tmp_path: Path) -> None:
    path = written(tmp_path / "mine.jsonl", "5", "Air scatters the blue light most.")
    told = f"2 items, 0 of known tasks; 1 of the expected answers are {evaluate.VERBATIM}\n"
    assert check(path) == f"{path}: {told}"
    [found] = json.loads(check(path, "--json"))
    assert (found["items"], found["verbatim"]) == (2, 1)
