"""Checks of traces: by their task, or by the sums in their steps."""

from hypothesis import given, strategies as st

from tests.conftest import some, with_step
from tests.helpers.sums import OPEN, RIGHT, WRONG
from tunix_rt_nb import tasks
from tunix_rt_nb.trace.trace import Trace


def own(*steps: str) -> Trace:
    """A trace that no task made."""
    return Trace.of("How many?", [("s", text) for text in steps], "25")


def test_all_steps_of_a_known_task_are_checked_and_so_is_the_answer() -> None:
    [trace] = some("arithmetic", 1, seed=0)
    checks = tasks.check(trace)
    assert checks.known
    assert checks.unchecked == frozenset()
    assert checks.counts == tasks.Counts(len(trace.steps), 0, 0)
    assert (checks.share, checks.answer) == (1.0, True)
    wrong = tasks.check(with_step(trace, 1, "I guess."))
    assert wrong.counts == (len(trace.steps) - 1, 1, 0)
    assert wrong.right[:2] == [True, False]


def test_a_missing_step_of_a_known_task_counts_as_wrong() -> None:
    [trace] = some("arithmetic", 1, seed=0)
    steps = [(step.type, step.content) for step in trace.steps[:-1]]
    checks = tasks.check(Trace.of(trace.prompt, steps, trace.final_answer, trace.meta))
    assert checks.share == len(steps) / len(trace.steps)
    assert checks.counts == (len(steps), 0, 0)


def test_other_traces_are_checked_by_their_sums_and_their_answer_is_not_judged() -> None:
    checks = tasks.check(own("48/2 = 24 clips", "Add both.", "24 + 48 = 73", "x + 1 = 3"))
    assert checks.steps == [None, None, "24 + 48 is 72, not 73", None]
    assert checks.right == [True, None, False, None]
    assert checks.unchecked == {1, 3}
    assert checks.counts == tasks.Counts(right=1, wrong=1, unchecked=2)
    assert (checks.share, checks.answer, checks.known) == (0.5, None, False)
    assert checks.problems == ["step 3: 24 + 48 is 72, not 73"]


def test_without_any_sum_there_is_no_share() -> None:
    checks = tasks.check(own("Add both.", "x = 5"))
    assert (checks.share, checks.counts, checks.problems) == (None, (0, 0, 2), [])


def test_only_traces_of_known_tasks_have_problems_for_which_they_are_refused() -> None:
    assert tasks.problems(own("2 + 2 = 5")) == []
    assert tasks.problems(Trace.of("p", [("s", "2 + 2 = 5")], "5", {"task": "mine"})) == []
    assert tasks.problems(Trace.of("p", [("s", "2 + 2 = 4")], "4", {"task": "arithmetic"}))


@given(st.lists(st.sampled_from([*RIGHT, *OPEN, *WRONG]), min_size=1, max_size=8))
def test_counts_and_share_agree_with_each_step(steps: list[str]) -> None:
    checks = tasks.check(own(*steps))
    right, wrong, unchecked = checks.counts
    assert right + wrong + unchecked == len(steps)
    assert unchecked == len(checks.unchecked)
    assert wrong == len(checks.problems) == sum(reason is not None for reason in checks.steps)
    assert checks.share == (right / (right + wrong) if right + wrong else None)
