"""The improved model of a run, on the page of the run."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.helpers.run_folders import (
    TRACES,
    complete,
    evaluated,
    finished,
    predictions,
    right,
    wrong,
)
from tests.report.test_page import Reader, told
from tests.report.test_rounds import line
from tunix_rt_nb import report, runs
from tunix_rt_nb.cli import main
from tunix_rt_nb.common import InputError
from tunix_rt_nb.evaluate import sum_up
from tunix_rt_nb.report import page

ODD = "<script>alert(1)</script>"


def improved(run: Path, odd: str = "") -> Path:
    """Improve the model of a run: all its answers are right then."""
    answers = predictions([*map(right, TRACES)])
    first = [{**p, "sample": 0, "ids": [1]} for p in predictions([wrong(t) for t in TRACES])]
    first[0] |= {"response": f"Reasoning:\n1. {odd}\nAnswer: {odd}", "answer": odd} if odd else {}
    rounds = {f"rounds/round-{n:02}.jsonl": [{"run": "x"}, *some] for n, some in [(1, first)]}
    rounds["rounds/round-02.jsonl"] = [{"run": "x"}, *answers]
    metrics = [line(1), {"step": 1, "loss": 0.5}, line(2)]
    contents = {"predictions-improved.jsonl": answers, "metrics.jsonl": metrics, **rounds}
    return finished(run, "improve", contents, improved=sum_up(answers), kept=9)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = evaluated(tmp_path_factory.mktemp("home"), n_right=4)
    improved(run)
    return run


def test_the_page_tells_of_the_improved_model(run: Path) -> None:
    text = told(page.page(run))
    assert "100.0 % of the answers are right after the model learned" in text
    assert (
        "(95 % interval 75.8 % to 100.0 %). Of all, 100.0 % are right in every step, too." in text
    )
    assert "Against the fine-tuned model, answers: better: +66.7 points" in text
    assert "Against the base model, every step right: better: +100.0 points" in text
    assert "all: answers 0.0 % 33.3 % 100.0 %" in text
    assert "1 0.12 25.0 % 50.0 % 100.0 % 12.5 % 6.2 % 1,234" in text
    assert "arithmetic easy 0.0 % of 6 100.0 % of 6" in text
    assert "Round 1 ✗ Wrong step, wrong answer" in text and "Round 2 ✓ Right answer" in text
    assert runs.content_hash(run / "6_improve") in text and "kept: 9" in text


def test_each_model_has_a_bar_for_each_share(run: Path) -> None:
    _, chart = re.findall('<div class="chart".*?</div>', page.page(run), re.DOTALL)
    assert told(chart).startswith("arithmetic: answers 0.0 % 66.7 % 100.0 %")
    assert re.findall('class="improved" style="width: (.*?)%"', chart) == ["100.0"] * 6


def test_the_scorecards_of_a_run_are_two_or_three(run: Path, tmp_path: Path) -> None:
    assert [card and card["primary_score"] for card in report.cards(run)] == [0.0, 4 / 12, 1.0]
    assert report.cards(evaluated(tmp_path))[2] is None


def test_the_command_line_shows_all_three_models(run: Path) -> None:
    shown = CliRunner().invoke(main, ["runs", "show", str(run)])
    assert shown.exit_code == 0, shown.output
    assert re.search(r"\n +all: answers +0\.0 % +33\.3 % +100\.0 % +12\n", shown.output)
    assert "answers improved, 95 % interval: 75.8 % to 100.0 %" in shown.output


def test_a_model_may_answer_worse_and_yet_be_right_in_more_steps() -> None:
    lucky = [
        {**p, "outcome": "right_answer_wrong_reasons"} for p in predictions([*map(right, TRACES)])
    ]
    sound = predictions([right(t) if n < 8 else wrong(t) for n, t in enumerate(TRACES)])
    answers, steps = report.verdicts(lucky, sound)
    assert answers.startswith("answers: cannot tell") and ": -33.3 points" in answers
    assert steps.startswith("every step right: better: +66.7 points")


def test_a_page_without_an_improved_model_does_not_mention_one(tmp_path: Path) -> None:
    assert "mproved" not in page.page(evaluated(tmp_path))


def test_a_model_that_was_compared_with_another_evaluation_is_not_shown(tmp_path: Path) -> None:
    run = evaluated(tmp_path)
    improved(run)
    answers = predictions([*map(right, TRACES)])
    complete(run, answers, answers)
    assert report.cards(run)[2] is None
    assert "compared with another evaluation: run 6_improve again" in told(page.page(run))


def test_an_improvement_of_another_run_has_a_page_with_the_evaluation_that_it_read(
    tmp_path: Path,
) -> None:
    made = improved(evaluated(tmp_path))
    alone = tmp_path / "runs" / "notebook"
    taken = runs.take("improve", alone, runs.lineage("evaluate", made.parent / "5_evaluate"))
    for path in made.glob("*.jsonl"):
        shutil.copy(path, taken.folder)
    taken.finish({"improved": runs.result(made)["improved"]})
    text = told(page.page(alone))
    assert "+25.0 points" in text and "Against the fine-tuned model, answers: cannot tell" in text
    assert "One prompt over the rounds" not in text  # the rounds were not kept


def test_whatever_an_attempt_says_is_text(run: Path, tmp_path: Path) -> None:
    other = evaluated(tmp_path, n_right=4)
    improved(other, ODD)
    found: Any = Reader(page.page(other))
    assert not {"script", "a"} & found.elements.keys()
    assert ODD in found.text


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("metrics.jsonl", '{"round": 1}\n', r"metrics.jsonl:1: reward: "),
        ("rounds/round-02.jsonl", '{}\n{"id": ""}\n', r"round-02.jsonl:2: id: "),
        ("predictions-improved.jsonl", "", "predictions-improved.jsonl: was altered"),
    ],
)
def test_a_damaged_file_is_told_with_its_line(
    name: str, text: str, said: str, tmp_path: Path
) -> None:
    run = evaluated(tmp_path)
    (improved(run) / name).write_text(text)
    with pytest.raises(InputError, match=said):
        page.page(run)
