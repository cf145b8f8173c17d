"""Graders that reward anything are refused before the first round."""

from pathlib import Path

import pytest

from tests.conftest import some
from tunix_rt_nb import evaluate, improve
from tunix_rt_nb.common import InputError
from tunix_rt_nb.trace import Trace

CAPITALS = {"Italy": "Rome", "France": "Paris", "Spain": "Madrid", "Peru": "Lima"}
ASKED = [(name, Trace.of(f"The capital of {name}?", [], city)) for name, city in CAPITALS.items()]
ONE = [(name, Trace.of(f"Is {name} a country?", [], "Yes")) for name in CAPITALS]


def grader(folder: Path, returns: str) -> evaluate.Own:
    path = folder / "mine.py"
    path.write_text(f"def grade(answer, expected, prompt):\n    return {returns}\n")
    found = evaluate.named_grader(path)
    assert isinstance(found, evaluate.Own)
    return found


@pytest.mark.parametrize(
    "returns", ["1.0", "0.0", "0.9", "float(bool(answer))", "float('e' in prompt)"]
)
@pytest.mark.parametrize("asked", [ASKED, ONE])
def test_a_grader_that_rewards_anything_is_refused(
    tmp_path: Path, returns: str, asked: list[tuple[str, Trace]]
) -> None:
    says = "^grader: scores [48] of [48] wrong answers as high as the expected one, such as 'I do not k"
    with pytest.raises(InputError, match=says):
        improve.check_grader(grader(tmp_path, returns), asked)


@pytest.mark.parametrize(
    "returns",
    [
        "float(answer == expected)",
        "float(answer[:1] == expected[:1]) * 0.3",
        "float(expected in answer)",
        "1 - abs(len(answer) - len(expected)) / 20",  # is mistaken about one in four
    ],
)
@pytest.mark.parametrize("asked", [ASKED, ONE])
def test_a_grader_that_tells_right_from_wrong_passes(
    tmp_path: Path, returns: str, asked: list[tuple[str, Trace]]
) -> None:
    improve.check_grader(grader(tmp_path, returns), asked)


def test_a_grader_that_fails_on_a_wrong_answer_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"mine\.py:2: ValueError: could not convert .*I do not"):
        improve.check_grader(
            grader(tmp_path, "float(float(answer) == 1)"), [("1", Trace.of("?", [], "1"))]
        )


def test_without_a_grader_or_with_tasks_alone_nothing_is_to_be_checked(tmp_path: Path) -> None:
    improve.check_grader(None, ASKED)
    sums = [(trace.id, trace) for trace in some("arithmetic", 3, seed=0)]
    assert all(evaluate.task_of(trace) for _, trace in sums)
    improve.check_grader(grader(tmp_path, "1.0"), sums)
