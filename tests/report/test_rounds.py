"""The rounds of an improved model: their figures as a table, and pass rates by task."""

from typing import Any

from tests.helpers.run_folders import TRACES, predictions, right, wrong
from tunix_rt_nb import report
from tunix_rt_nb.report.rounds import spread, watched


def line(round: int, **figures: Any) -> dict[str, Any]:
    told = {"step": 40 * (round - 1), "round": round, "reward": 0.12, "answer": 0.25, "steps": 0.5}
    told |= {"form": 1.0, "right": 0.125, "wrong_reasons": 0.0625, "lessons": 1_234}
    told |= {"informative": 0.75, "tokens": 55.31, "stopped": 1.0, "too_long": 2}
    return {**told, "distance": 0.07742, **figures}


def test_each_round_is_a_row_of_texts() -> None:
    metrics = [{"step": 0, "eval_loss": 0.1}, line(1), {"step": 1, "loss": 0.2}, line(2, lessons=0)]
    rows = report.rounds_table(metrics)
    assert " | ".join(map(": ".join, rows[0].items())) == (
        "round: 1 | reward: 0.12 | answer: 25.0 % | steps: 50.0 % | form: 100.0 % | right: 12.5 %"
        " | right for wrong reasons: 6.2 % | lessons: 1,234 | informative: 75.0 % | tokens: 55.3"
        " | stopped: 100.0 % | too long: 2 | distance: 0.0774"
    )
    assert [(row["round"], row["lessons"]) for row in rows] == [("1", "1,234"), ("2", "0")]


def test_a_round_that_was_begun_twice_is_one_row_and_a_training_without_rounds_has_none() -> None:
    assert [row["lessons"] for row in report.rounds_table([line(1), line(1, lessons=7)])] == ["7"]
    assert report.rounds_table([{"step": 1, "loss": 0.2}]) == []


def test_pass_rates_are_shares_of_answers_right_in_every_step_by_task_and_difficulty() -> None:
    first = predictions([wrong(t) if k % 2 else right(t) for k, t in enumerate(TRACES)])
    lucky = [{**p, "outcome": "right_answer_wrong_reasons"} for p in first[:3]]
    hard = [{**p, "difficulty": "hard"} for p in predictions([*map(right, TRACES)])[:6]]
    assert report.pass_rates([first, [*lucky, *hard]]) == [
        {
            "task": "arithmetic",
            "difficulty": "easy",
            "round 1": "50.0 % of 6",
            "round 2": "0.0 % of 3",
        },
        {"task": "arithmetic", "difficulty": "hard", "round 1": "", "round 2": "100.0 % of 6"},
        {"task": "high_card_duel", "difficulty": "easy", "round 1": "50.0 % of 6", "round 2": ""},
    ]


def test_of_many_rounds_and_tasks_some_are_shown() -> None:
    [one] = predictions([right(TRACES[0])], TRACES[:1])
    often = [{**one, "task": "often"}] * 2
    rounds = [[{**one, "task": f"{k:03}"} for k in range(99)] + often for _ in range(20)]
    rows = report.pass_rates(rounds)
    assert len(rows) == 40 and rows[-1]["task"] == "often"
    assert [*rows[0]][2:] == [f"round {n}" for n in (1, 4, 6, 9, 12, 15, 17, 20)]


def test_the_first_answer_of_each_round_is_watched() -> None:
    answers = predictions([*map(right, TRACES)])
    assert watched([answers[:2], [], answers[2:]]) == {1: answers[0], 3: answers[2]}
    assert watched([]) == {} and spread(0) == []
    for n in range(1, 50):
        assert spread(n)[0] == 0 and spread(n)[-1] == n - 1 and len(spread(n)) == min(n, 8)
