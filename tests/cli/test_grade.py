import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tunix_rt_nb.cli import main


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["grade", *map(str, arguments)])


def test_each_grader_says_what_it_makes_of_an_answer() -> None:
    result = run(r"\boxed{1{,}000}", "1000")
    assert result.exit_code == 0
    head, titles, *rows, blank, verdict = result.output.splitlines()
    assert head == "Read as: 1{,}000"
    assert titles.split() == ["grader", "score", "why"]
    assert [row.split()[:2] for row in rows] == [
        ["exact", "passes"],
        ["text", "passes"],
        ["number", "1"],
        ["choice", "passes"],
        ["maths", "passes"],
    ]
    assert (blank, verdict) == ("", "1 by number, 0 as it stands: 1000 = 1000")


def test_the_choices_of_a_prompt_are_known() -> None:
    prompt = "Which city? (A) Paris (B) Rome"
    told = json.loads(run("Rome", "B", "--prompt", prompt, "--json").output)
    assert (told["score"], told["strict_score"], told["grader"]) == (1.0, 1.0, "choice")
    assert [rung["grader"] for rung in told["rungs"]] == [
        "exact",
        "text",
        "number",
        "choice",
        "maths",
    ]
    assert json.loads(run("Rome", "B", "--json").output)["score"] == 0.0


def test_a_negative_number_is_an_answer_and_no_option() -> None:
    assert "1 by number" in run("-5.0", "-5").output


def test_an_own_grader_decides_and_who_disagrees_is_told(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text("def grade(answer, expected, prompt):\n    return 0.5\n")
    lines = run("4", "4", "--grader", mine).output.splitlines()
    assert "0.5 by own, 0.5 as it stands: mine.py says 0.5" in lines
    assert lines[-3:] == ["exact disagrees: 1", "text disagrees: 1", "number disagrees: 1"]


def test_each_line_of_a_file_has_a_mark(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    pairs = [
        {"answer": "The answer is 4.", "expected": "4"},
        {"answer": "5", "expected": "4", "prompt": "2 + 2?"},
        {"answer": "Rom\u00e9\x1b[31m", "expected": "Paris"},
    ]
    path.write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    told = [json.loads(line) for line in run("--file", path, "--json").output.splitlines()]
    assert told == [
        {"score": 1.0, "strict_score": 0.0, "grader": "exact"},
        {"score": 0.0, "strict_score": 0.0, "grader": "number"},
        {"score": 0.0, "strict_score": 0.0, "grader": "none"},
    ]
    shown = run("--file", path).output.splitlines()
    assert shown[0] == "1    exact   The answer is 4."
    assert len(shown) == 3
    assert "\x1b" not in shown[2]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "pairs.jsonl:2: not a JSON object: "),
        ("", "pairs.jsonl:2: not a JSON object: "),
        ("[]", "pairs.jsonl:2: expected a JSON object, found list"),
        ('{"answer": "4"}', "pairs.jsonl:2: expected: Field required"),
        ('{"answer": 4, "expected": "4"}', "pairs.jsonl:2: answer: Input should be a valid string"),
        ('{"answer": "4", "expected": "4", "promt": ""}', "pairs.jsonl:2: promt: Extra inputs are"),
    ],
)
def test_a_wrong_line_ends_it_before_any_mark(tmp_path: Path, line: str, told: str) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"answer": "4", "expected": "4"}\n' + line + "\n")
    result = run("--file", path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "grade: expected ANSWER and EXPECTED, or --file"),
        (("4",), "grade: expected ANSWER and EXPECTED, or --file"),
        (("4", "4", "--file", "x.jsonl"), "--file: expected no ANSWER, EXPECTED or --prompt"),
        (("--file", "nowhere.jsonl"), "nowhere.jsonl: cannot be read: No such file"),
        (("4", "4", "--grader", "nowhere.py"), "nowhere.py: is no Python file, expected `def gra"),
    ],
)
def test_wrong_arguments_are_told_in_one_line(arguments: tuple[str, ...], told: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert told in result.stderr


def test_an_empty_file_holds_no_pairs(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text("")
    assert "holds no pairs" in run("--file", tmp_path / "x.jsonl").stderr
