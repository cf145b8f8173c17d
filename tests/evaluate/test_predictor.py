from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from tests.conftest import some
from tunix_rt_nb import evaluate, tasks
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.evaluate import sum_up
from tunix_rt_nb.evaluate.grade import grade
from tunix_rt_nb.trace.response import STYLES, Generation, respond
from tunix_rt_nb.trace.trace import Trace


def graded(trace: Trace, text: str, style: str = "numbered") -> Any:
    return grade("id", trace, Generation(text, 9, True), style)


SLOW = {"countdown": 60, "products": 60}  # whose problems take long to draw


def of_a_level(name: str) -> int:
    return SLOW.get(name, 300)


def test_twenty_thousand_traces_are_graded() -> None:
    levels = [(name, level) for name in tasks.TASKS for level in tasks.DIFFICULTIES]
    sizes = [min(of_a_level(name), tasks.get(name, level).space() or 300) for name, level in levels]
    assert sum(sizes) >= 20_000


@pytest.mark.slow
@pytest.mark.parametrize("name", tasks.TASKS)
def test_a_traces_own_rendering_is_all_right(name: str) -> None:
    for level in tasks.DIFFICULTIES:
        drawn = some(name, of_a_level(name), 11, level, mistakes=0.2)
        for trace, style in zip(drawn, cycle(STYLES)):
            prediction = graded(trace, respond(trace, style), style)
            assert (prediction["score"], prediction["steps_right"]) == (1.0, 1.0)
            assert prediction["strict_score"] == 1.0
            assert prediction["wrong_steps"] == {}


SUM = Trace.of(
    "What is 12 + 34 - 20?",
    [
        ("units", "Units: 2+4=6."),
        ("tens", "Tens: 1+3=4, so 12+34=46."),
        ("units", "Units: 6-0=6."),
        ("tens", "Tens: 4-2=2, so 46-20=26."),
    ],
    "26",
    {"task": "arithmetic", "difficulty": "easy"},
)
RIGHT = respond(SUM)


@pytest.mark.parametrize(
    ("text", "score", "steps_right"),
    [
        (RIGHT, 1.0, 1.0),
        (RIGHT.replace("Answer: 26", "Answer: 27"), 0.0, 1.0),  # right steps, wrong answer
        (RIGHT.replace("2+4=6", "2+4=7"), 1.0, 0.75),  # right answer for wrong reasons
        ("Answer: 26", 1.0, 0.0),
        ("Reasoning:\n1. Units: 2+4=6.\nAnswer: 26", 1.0, 0.25),
        (RIGHT.replace("Answer: 26", "5. Units: 6-0=6.\nAnswer: 26"), 1.0, 0.8),
        ("", 0.0, 0.0),
        ("Answer: " + "9" * 100_000, 0.0, 0.0),
        ("1. \n" * 5000, 0.0, 0.0),
        ("Reasoning:\n1. \n2. Units: 2+4=6.\nAnswer: 26", 1.0, 0.0),
        ("Reasoning:\n" + "".join(f"{n}. x\n" for n in range(1, 5001)) + "Answer: 26", 1.0, 0.0),
        ("2" * 30_000 + ". x\n1. " + "y" * 30_000, 0.0, 0.0),
    ],
)
def test_answers_and_steps_are_graded_apart(text: str, score: float, steps_right: float) -> None:
    prediction = graded(SUM, text)
    assert (prediction["score"], prediction["steps_right"]) == (score, steps_right)


def test_every_wrong_step_says_why() -> None:
    assert graded(SUM, RIGHT.replace("2+4=6", "2+4=7"))["wrong_steps"] == {
        "1": "expected 'Units: 2+4=6.'"
    }


@given(st.text(max_size=300))
def test_no_text_breaks_the_grader(text: str) -> None:
    assert 0.0 <= graded(SUM, text)["steps_right"] <= 1.0


def test_items_are_chosen_evenly_of_each_known_task(traces: list[Trace]) -> None:
    chosen, skipped = evaluate.choose([("x", t) for t in traces], 5)
    assert [t.task for _, t in chosen] == [name for name in sorted(tasks.TASKS) for _ in range(5)]
    assert skipped == {"beyond 5 of a task": len(traces) - len(chosen)}
    assert evaluate.choose(chosen, 5) == (chosen, {})


def test_items_of_no_known_task_are_chosen_by_their_category() -> None:
    metas: list[dict[str, Any] | None] = [
        *({"category": "riddles", "task": "chess"},) * 3,
        {"task": "chess"},
        {"category": 7},
        None,
        {"task": "arithmetic"},  # whose prompt is none of that task
    ]
    items = [(f"{k}", Trace.of(f"p{k}", [("s", "t")], "a", meta)) for k, meta in enumerate(metas)]
    chosen, skipped = evaluate.choose(items, 2)
    assert [name for name, _ in chosen] == ["6", "3", "4", "5", "0", "1"]
    assert skipped == {"beyond 2 of a task": 1}
    groups = [grade(name, trace, Generation("", 9, True))["task"] for name, trace in chosen]
    assert groups == ["arithmetic", "chess", "own", "own", "riddles", "riddles"]


def test_items_have_the_hash_that_the_card_of_their_answers_has(traces: list[Trace]) -> None:
    items = [(trace.id, trace) for trace in traces[:50]]
    rows = [grade(name, trace, Generation("", 9, True)) for name, trace in items]
    assert evaluate.digest(items) == sum_up(rows)["items_sha256"]


def test_a_wrong_grader_is_told_before_the_model_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def grade(answer, expected, prompt):\n    return 2\n")
    with pytest.raises(InputError, match=r"mine.py:1: grade: returned 2 "):
        evaluate.predict(
            tmp_path, [("x", SUM)], {}, grader=evaluate.named_grader(tmp_path / "mine.py")
        )
    with pytest.raises(InputError, match=r"nowhere.py: is no Python file"):
        evaluate.predict(tmp_path, [("x", SUM)], {}, grader=evaluate.named_grader("nowhere.py"))
