from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from tests.conftest import some
from tests.helpers.run_folders import TRACES, predictions, right, wrong
from tunix_rt_nb import report
from tunix_rt_nb.common import InputError
from tunix_rt_nb.evaluate import STRICT, sum_up
from tunix_rt_nb.evaluate.uncertainty import wilson

BEFORE = sum_up(predictions([""] * 12))
AFTER = sum_up(predictions([right(t) if n < 9 else wrong(t) for n, t in enumerate(TRACES)]))
TEXTS = [*map(right, TRACES)]
IMPROVED = sum_up(predictions(TEXTS))
SUMS = some("arithmetic", 60, seed=3)


def row(task: str, items: int, *shares: str) -> dict[str, str]:
    names = "answers before", "answers after", "steps before", "steps after"
    return {"task": task, "held-out items": str(items), **dict(zip(names, shares, strict=True))}


def test_shares_of_answers_and_steps_are_told_by_task_for_all_and_strictly() -> None:
    assert report.before_after(BEFORE, AFTER) == [
        row("arithmetic", 6, "0.0 %", "100.0 %", "0.0 %", "100.0 %"),
        row("high_card_duel", 6, "0.0 %", "50.0 %", "0.0 %", "66.7 %"),
        row("all", 12, "0.0 %", "75.0 %", "0.0 %", "83.3 %"),
        row("all, every step right", 12, "0.0 %", "75.0 %", "", ""),
        row("all, in the style exactly", 12, "0.0 %", "75.0 %", "", ""),
    ]


def test_before_and_after_are_told_apart() -> None:
    swapped = report.before_after(AFTER, BEFORE)
    for one, two in zip(report.before_after(BEFORE, AFTER), swapped, strict=True):
        for what in ("answers", "steps"):
            assert one[f"{what} before"] == two[f"{what} after"]
            assert one[f"{what} after"] == two[f"{what} before"]


def test_right_answers_with_a_wrong_step_count_in_all_but_one_row() -> None:
    lucky = [{**p, "outcome": "right_answer_wrong_reasons"} for p in predictions(TEXTS)]
    *_, whole, sound, strict = report.before_after(BEFORE, sum_up(lucky))
    told = [found["answers after"] for found in (whole, sound, strict)]
    assert told == ["100.0 %", "0.0 %", "100.0 %"]


def test_scorecards_of_older_runs_have_no_row_for_what_they_do_not_tell() -> None:
    older = {name: value for name, value in AFTER.items() if not name.startswith("all_right")}
    assert [found["task"] for found in report.before_after(BEFORE, older)][-2:] == ["all", STRICT]
    assert "all_right" not in report.summary(BEFORE, older)["after"]


def test_with_an_improved_model_each_share_has_a_row_and_each_model_a_column() -> None:
    names = ["task", "before", "after", "improved", "held-out items"]
    rows = report.before_after(BEFORE, AFTER, IMPROVED)
    assert [*map(list, rows)] == [names] * 8
    assert [[*found.values()] for found in rows] == [
        ["arithmetic: answers", "0.0 %", "100.0 %", "100.0 %", "6"],
        ["arithmetic: steps", "0.0 %", "100.0 %", "100.0 %", "6"],
        ["high_card_duel: answers", "0.0 %", "50.0 %", "100.0 %", "6"],
        ["high_card_duel: steps", "0.0 %", "66.7 %", "100.0 %", "6"],
        ["all: answers", "0.0 %", "75.0 %", "100.0 %", "12"],
        ["all: steps", "0.0 %", "83.3 %", "100.0 %", "12"],
        ["all, every step right", "0.0 %", "75.0 %", "100.0 %", "12"],
        ["all, in the style exactly", "0.0 %", "75.0 %", "100.0 %", "12"],
    ]
    text = report.before_after_text(BEFORE, AFTER, IMPROVED)
    assert max(map(len, text.splitlines()[:10])) <= 80
    assert "answers after, 95 % interval: 46.8 % to 91.1 %" in text
    assert "answers improved, 95 % interval: 75.8 % to 100.0 %" in text


def test_steps_that_nobody_can_check_have_no_row_beside_an_improved_model() -> None:
    card = sum_up([{**p, "steps_right": None} for p in predictions(TEXTS)])
    tasks = [found["task"] for found in report.before_after(card, card, card)]
    assert not [task for task in tasks if task.endswith("steps")]


def test_an_improved_model_that_was_asked_other_tasks_is_refused() -> None:
    other = sum_up(predictions(TEXTS[:1], TRACES[:1]))
    with pytest.raises(InputError, match="improved: are of other categories"):
        report.before_after(BEFORE, AFTER, other)


def test_json_tells_who_is_right_in_every_step_and_of_an_improved_model_if_there_is_one() -> None:
    told = report.summary(BEFORE, AFTER, IMPROVED)
    assert [told[when]["all_right"] for when in ("before", "after", "improved")] == [0, 0.75, 1]
    assert told["after"]["all_right_interval"] == pytest.approx(wilson(9, 12))
    assert told["improved"]["accuracy"] == told["improved"]["steps_right"] == 1.0
    assert told["improved"]["n"] == 12
    assert told["by_task"]["high_card_duel"]["improved"] == 1.0
    plain = report.summary(BEFORE, AFTER)
    assert "improved" not in plain and "improved" not in plain["by_task"]["arithmetic"]


def test_an_answer_that_is_right_but_not_in_the_style_counts_in_all_but_the_last_row() -> None:
    texts = [f"{right(t)}\nThat is it." for t in TRACES]
    *_, whole, _, strict = report.before_after(BEFORE, sum_up(predictions(texts)))
    assert (whole["task"], whole["answers after"]) == ("all", "100.0 %")
    assert (strict["task"], strict["answers after"]) == (STRICT, "0.0 %")


def test_one_task_has_a_row_and_so_have_all() -> None:
    card = sum_up(predictions([right(TRACES[0])], TRACES[:1]))
    shares = ["100.0 %"] * 4
    assert report.before_after(card, card) == [
        row("arithmetic", 1, *shares),
        row("all", 1, *shares),
        row("all, every step right", 1, *shares[:2], "", ""),
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
            "  all, every step right                  12           0.0 %         75.0 %",
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
    assert len(told) == 1 + 5 + 1 + 1


@pytest.mark.parametrize("n_right", [0, 1, 12])
def test_the_doubts_are_about_the_model_after_training(n_right: int) -> None:
    after = sum_up(predictions([right(t) if n < n_right else "" for n, t in enumerate(TRACES)]))
    told = report.before_after_text(AFTER, after)
    assert ("are in the style that was trained" in told) is (n_right < 6)
    assert "are in the style" not in report.before_after_text(after, AFTER)
