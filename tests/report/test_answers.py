"""Which graded answers are shown, and in which order."""

from typing import Any

from hypothesis import given, strategies as st

from tests.helpers.run_folders import TRACES, predictions, right, wrong
from tunix_rt_nb import report
from tunix_rt_nb.evaluate import outcome
from tunix_rt_nb.report import answers

N = len(TRACES)


def graded(n_right: int) -> list[Any]:
    """Return answers to all traces, so many of which are right: one of each task in turn."""
    order = [n // 2 if n % 2 else N // 2 + n // 2 for n in range(N)]
    good = set(order[:n_right])
    return predictions([right(t) if n in good else wrong(t) for n, t in enumerate(TRACES)])


@given(st.integers(0, N), st.integers(1, N + 3))
def test_wrong_answers_come_first_and_right_ones_fill_up(n_right: int, n: int) -> None:
    shown = [outcome(p) == "right" for p in report.telling(graded(n_right), n)]
    assert len(shown) == min(n, N)
    assert shown == sorted(shown)
    n_wrong = shown.count(False)
    assert n_wrong == min(N - n_right, max(n // 2, n - n_right))


def test_right_answers_are_of_each_task_in_turn() -> None:
    tasks = [p["task"] for p in answers.best(graded(N))]
    assert tasks == ["arithmetic", "high_card_duel"] * (N // 2)


def test_an_item_with_several_right_answers_is_shown_once() -> None:
    several = [{**p, "sample": k} for k in range(3) for p in graded(N)]
    assert len(answers.best(several)) == N


def test_the_worst_answer_to_an_item_stands_for_it_and_the_worst_come_first() -> None:
    bad, good = graded(0)[0], graded(N)[0]
    none = {**graded(0)[1], "steps_right": 0.0}
    assert answers.worst([good, bad, none]) == [none, bad]
    assert answers.worst([good]) == []


def test_beside_each_wrong_answer_stands_another_right_one_of_its_task() -> None:
    after = graded(9)
    pairs = answers.beside(answers.worst(after), after)
    assert len(pairs) == 3
    beside = [good["id"] for _, good in pairs if good]
    assert len(set(beside)) == len(beside)
    assert all(good["task"] == bad["task"] for bad, good in pairs if good)


def test_without_a_wrong_answer_right_ones_stand_side_by_side() -> None:
    after = graded(N)
    one, two, three, four, *_ = answers.best(after)
    assert answers.beside([], after) == [(one, two), (three, four)]
    assert answers.beside([], after[:1]) == [(after[0], None)]
    assert answers.beside([], []) == []


def test_a_wrong_answer_of_a_task_without_right_ones_stands_alone() -> None:
    assert [good for _, good in answers.beside(graded(0), graded(0))] == [None] * N


def test_a_long_text_is_cut_and_says_by_how_much() -> None:
    assert answers.shorten("a" * 2_000) == "a" * 2_000
    assert answers.shorten("a" * 3_234).endswith("aaa ... (1,234 characters more)")
