from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from tests.conftest import some
from tests.helpers.run_folders import TRACES, predictions, right, wrong
from tunix_rt_nb import report
from tunix_rt_nb.evaluate import STRICT, sum_up
from tunix_rt_nb.evaluate.uncertainty import wilson

BEFORE = sum_up(predictions([""] * 12))
AFTER = sum_up(predictions([right(t) if n < 9 else wrong(t) for n, t in enumerate(TRACES)]))
SUMS = some("arithmetic", 60, seed=3)


def row(task: str, items: int, *shares: str) -> dict[str, str]:
    names = "answers before", "answers after", "steps before", "steps after"
    return {"task": task, "held-out items": str(items), **dict(zip(names, shares, strict=True))}


def test_shares_of_answers_and_steps_are_told_by_task_for_all_and_strictly() -> None:
    assert report.before_after(BEFORE, AFTER) == [
        row("arithmetic", 6, "0.0 %", "100.0 %", "0.0 %", "100.0 %"),
        row("high_card_duel", 6, "0.0 %", "50.0 %", "0.0 %", "66.7 %"),
        row("all", 12, "0.0 %", "75.0 %", "0.0 %", "83.3 %"),
        row("all, in the style exactly", 12, "0.0 %", "75.0 %", "", ""),
    ]


def test_before_and_after_are_told_apart() -> None:
    swapped = report.before_after(AFTER, BEFORE)
    for one, two in zip(report.before_after(BEFORE, AFTER), swapped, strict=True):
        for what in ("answers", "steps"):
            assert one[f"{what} before"] == two[f"{what} after"]
            assert one[f"{what} after"] == two[f"{what} before"]


def test_an_answer_that_is_right_but_not_in_the_style_counts_in_all_but_the_last_row() -> None:
    texts = [f"{right(t)}\nThat is it." for t in TRACES]
    *_, whole, strict = report.before_after(BEFORE, sum_up(predictions(texts)))
    assert (whole["task"], whole["answers after"]) == ("all", "100.0 %")
    assert (strict["task"], strict["answers after"]) == (STRICT, "0.0 %")


def test_one_task_has_a_row_and_so_have_all() -> None:
    card = sum_up(predictions([right(TRACES[0])], TRACES[:1]))
    shares = ["100.0 %"] * 4
    assert report.before_after(card, card) == [
        row("arithmetic", 1, *shares),
        row("all", 1, *shares),
        row(STRICT, 1, *shares[:2], "", ""),
    ]


@settings(max_examples=50)
@given(st.lists(st.tuples(st.booleans(), st.sampled_from("ab")), min_size=1, max_size=20))
def test_every_share_is_that_of_the_items_of_its_row(told: list[tuple[bool, str]]) -> None:
    base: Any = {"difficulty": "easy", "strict_score": 0.0}
    rows = [
        {**base, "id": str(k), "task": task, "score": float(right), "steps_right": right / 2}
        for k, (right, task) in enumerate(told)
    ]
    *tasks, whole, _ = report.before_after(sum_up(rows), sum_up(rows))
    for found in [*tasks, whole]:
        of = [right for right, task in told if found["task"] in (task, "all")]
        share = sum(of) / len(of)
        assert found["held-out items"] == str(len(of))
        assert found["answers after"] == f"{100 * share:.1f} %"
        assert found["steps before"] == f"{50 * share:.1f} %"
    assert [found["task"] for found in tasks] == sorted({task for _, task in told})


def test_where_no_step_can_be_checked_its_cell_is_empty() -> None:
    base: Any = {"difficulty": "easy", "strict_score": 0.0, "score": 1.0}
    unknown = {**base, "id": "1", "task": "a", "steps_right": None}
    card = sum_up([unknown, {**base, "id": "2", "task": "b", "steps_right": 0.5}])
    rows = report.before_after(card, card)
    assert [found["steps after"] for found in rows] == ["", "50.0 %", "50.0 %", ""]
    alone = sum_up([unknown])
    assert report.before_after_text(alone, alone)
    assert report.summary(alone, alone)["after"]["steps_right"] is None


def test_the_table_is_aligned_text_with_the_interval_and_doubts_below() -> None:
    head = (
        "  task                       held-out items  answers before  answers after"
        "  steps before  steps after"
    )
    assert report.before_after_text(BEFORE, AFTER) == "\n".join(
        [
            "",
            head,
            "  arithmetic                              6           0.0 %        100.0 %"
            "         0.0 %      100.0 %",
            "  high_card_duel                          6           0.0 %         50.0 %"
            "         0.0 %       66.7 %",
            "  all                                    12           0.0 %         75.0 %"
            "         0.0 %       83.3 %",
            "  all, in the style exactly              12           0.0 %         75.0 %",
            "  answers after, 95 % interval: 46.8 % to 91.1 %",
            "  12 items are few: the interval is 44 points wide, 50 items and more decide better",
            "",
        ]
    )


def test_a_card_without_doubts_has_the_interval_alone_below() -> None:
    after = sum_up(predictions(list(map(right, SUMS)), SUMS))
    before = sum_up(predictions([""] * 60, SUMS))
    low, high = (f"{100 * share:.1f} %" for share in wilson(60, 60))
    told = report.before_after_text(before, after).split("\n")
    assert told[-2:] == [f"  answers after, 95 % interval: {low} to {high}", ""]
    assert len(told) == 1 + 4 + 1 + 1


@pytest.mark.parametrize("n_right", [0, 1, 12])
def test_the_doubts_are_about_the_model_after_training(n_right: int) -> None:
    after = sum_up(predictions([right(t) if n < n_right else "" for n, t in enumerate(TRACES)]))
    told = report.before_after_text(AFTER, after)
    assert ("are in the style that was trained" in told) is (n_right < 6)
    assert "are in the style" not in report.before_after_text(after, AFTER)
