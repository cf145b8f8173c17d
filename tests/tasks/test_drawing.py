"""The catalogue of tasks: what it says of each is true of what the task draws."""

from itertools import islice
from typing import Any

import pytest

from tunix_rt_nb import tasks
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.trace import Trace

FIELDS = ("task", "source", "about", "problems", "prompt", "steps", "answer")


@pytest.fixture(scope="module")
def every() -> list[dict[str, Any]]:
    return list(tasks.catalogue())


def test_it_describes_every_task_once_in_their_order(every: list[dict[str, Any]]) -> None:
    assert [row["task"] for row in every] == list(tasks.TASKS)
    assert {tuple(row) for row in every} == {FIELDS}
    assert all(row["source"] and row["about"] for row in every)
    assert len({row["about"] for row in every}) == len(every)


def test_each_example_is_right_step_by_step(every: list[dict[str, Any]]) -> None:
    for row in every:
        steps = [("step", text) for text in row["steps"]]
        meta = {"task": row["task"], "difficulty": "easy"}
        trace = Trace.of(row["prompt"], steps, row["answer"], meta)
        assert trace.task in tasks.TASKS
        assert tasks.problems(trace) == []


def test_it_has_as_many_problems_as_it_says(every: list[dict[str, Any]]) -> None:
    counted = [
        (row["task"], level, n)
        for row in every
        for level, n in row["problems"].items()
        if n is not None and n <= 160
    ]
    assert len(counted) >= 3
    for name, level, n in counted:
        drawn = list(tasks.draw(name, n, seed=1, difficulty=level))
        assert len({trace.prompt for trace in drawn}) == n
        with pytest.raises(InputError, match=f"expected 1 to {n}, the number of its distinct"):
            next(tasks.draw(name, n + 1, seed=1, difficulty=level))


def test_problems_are_told_for_each_difficulty(every: list[dict[str, Any]]) -> None:
    assert {tuple(row["problems"]) for row in every} == {tasks.DIFFICULTIES}
    known = {row["task"]: row["problems"] for row in every}
    assert known["products"] == {"easy": 1_000, "medium": 8_100, "hard": 810_000}
    assert known["word_sorting"] == dict.fromkeys(tasks.DIFFICULTIES)


def test_the_named_tasks_are_described_in_the_order_of_the_names(
    every: list[dict[str, Any]],
) -> None:
    names = ["products", "aiw", "arithmetic"]
    of_all = {row["task"]: row for row in every}
    assert list(tasks.catalogue(names)) == [of_all[name] for name in names]
    assert list(islice(tasks.catalogue(), 1)) == every[:1]


def test_a_task_is_described_without_an_example_too(every: list[dict[str, Any]]) -> None:
    for row, whole in zip(tasks.catalogue(examples=False), every, strict=True):
        assert row == {name: whole[name] for name in ("task", "source", "about", "problems")}


def test_an_unknown_name_is_refused_before_any_task_is_described() -> None:
    with pytest.raises(InputError, match="task: unknown 'arithmetics', did you mean arithmetic?"):
        next(tasks.catalogue(["products", "arithmetics"]))
