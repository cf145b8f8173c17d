import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from tests.conftest import some
from tests.helpers.run_folders import (
    TRACES,
    evaluated,
    finished,
    predictions,
    right,
    trained,
    wrong,
)
from tunix_rt_nb import evaluate, tasks
from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.evaluate import by_item, headline, scorecards, sum_up, warnings
from tunix_rt_nb.evaluate.grade import grade
from tunix_rt_nb.evaluate.samples import majority, pass_at
from tunix_rt_nb.evaluate.scorecard import improved_scorecard
from tunix_rt_nb.evaluate.uncertainty import wilson
from tunix_rt_nb.trace.response import Generation, respond

SPEC_KEYS = (
    *("n_items", "n_scored", "n_skipped", "primary_score", "stddev", "min_score", "max_score"),
    *("section_scores", "category_scores", "difficulty_scores"),
)


def one(name: str, task: str, score: float, **more: Any) -> Any:
    return {
        "id": name,
        "task": task,
        "difficulty": "easy",
        "score": score,
        "steps_right": 0.5,
        **more,
    }


ROWS = [one("1", "a", 1.0), one("2", "a", 0.0), one("3", "b", 1.0), one("4", "b", 1.0)]


def test_it_has_the_figures_of_all_items_and_of_each_task() -> None:
    card = sum_up(ROWS)
    assert set(SPEC_KEYS) <= card.keys()
    assert (card["n_items"], card["primary_score"], card["steps_right"]) == (4, 0.75, 0.5)
    assert card["interval"] == wilson(3, 4)
    half = {"score": 0.5, "interval": wilson(1, 2), "steps_right": 0.5, "n": 2}
    assert card["category_scores"]["a"] == half
    assert card["stddev"] == pytest.approx(0.4330127)
    assert (card["min_score"], card["max_score"]) == (0.0, 1.0)


def test_an_item_is_all_right_if_its_answer_is_right_and_no_step_is_wrong() -> None:
    names = ["right", "right_answer_wrong_reasons", "right", "wrong"]
    rows = [{**row, "outcome": name} for row, name in zip(ROWS, names, strict=True)]
    card = sum_up(rows)
    assert (card["all_right"], card["all_right_interval"]) == (0.5, wilson(2, 4))
    asked = {"answer": "7", "sample": 0}
    twice = [{**row, **asked, "outcome": name} for row in ROWS for name in names[:2]]
    assert sum_up(twice)["all_right"] == 0.5
    assert "all_right" not in sum_up([*rows[1:], ROWS[0]])  # an older one tells no outcome


def test_the_order_of_predictions_does_not_matter() -> None:
    rows = [one(str(k), "ab"[k % 2], k % 3 / 2, section="core") for k in range(200)]
    shuffled = random.Random(0).sample(rows, len(rows))
    assert files.digest(sum_up(shuffled)) == files.digest(sum_up(rows))


def test_the_scorecard_of_an_improvement_is_read_and_checked(tmp_path: Path) -> None:
    run = evaluated(tmp_path)
    card = scorecards(run / "5_evaluate")[1]
    improved = finished(run, "improve", {}, improved=card)
    assert improved_scorecard(improved) == card
    damaged = finished(run, "improve", {}, improved={**card, "all_right": 2.0})
    with pytest.raises(InputError, match=r"6_improve/result.json: improved.all_right: "):
        improved_scorecard(damaged)


def test_items_that_were_not_answered_are_counted_as_skipped() -> None:
    card = sum_up(ROWS, {"of no known task": 2, "beyond 2 of a task": 1})
    assert (card["n_items"], card["n_scored"], card["n_skipped"]) == (7, 4, 3)
    assert card["skipped"] == {"of no known task": 2, "beyond 2 of a task": 1}
    assert sum_up(ROWS)["n_skipped"] == 0


def test_it_says_how_items_were_asked_where_all_were_asked_alike() -> None:
    asked = {"form_sha256": "f", "temperature": 0.5, "max_new_tokens": 64}
    card = sum_up([{**row, **asked} for row in ROWS])
    assert {**card, **asked} == card
    assert sum_up([{**ROWS[0], **asked}, ROWS[1]])["form_sha256"] is None


def test_other_answers_make_other_items() -> None:
    rows = [{**row, "prompt": "p", "expected_answer": "7"} for row in ROWS]
    told = sum_up(rows)["items_sha256"]
    assert sum_up(rows[::-1])["items_sha256"] == told
    for field in ("id", "prompt", "expected_answer"):
        other = [{**rows[0], field: "x"}, *rows[1:]]
        assert sum_up(other)["items_sha256"] != told


def test_graded_answers_are_summed_up_by_section_and_by_how_they_were_written() -> None:
    rows = []
    for k, trace in enumerate(some("arithmetic", 4, seed=0)):
        said = respond(trace)
        texts = [said, said.replace(". ", ") "), f"{said}\nThat is it.", "I do not know"]
        rows.append(grade(str(k), trace, Generation(texts[k], 10 * k, k != 3)))
    card = sum_up(rows)
    assert card["section_scores"].keys() == {"held_out"}
    assert (card["primary_score"], card["strict_score"]) == (0.75, 0.25)
    assert (card["strict_format"], card["ran_on"], card["stopped"]) == (0.25, 0.25, 0.75)
    assert card["mean_tokens"] == 15
    assert card["outcomes"] == {
        "right": 3,
        "right_answer_wrong_reasons": 0,
        "right_reasons_wrong_answer": 0,
        "wrong": 0,
        "no_answer": 1,
    }


def test_several_answers_to_an_item_are_one_item_with_a_majority() -> None:
    answers: dict[str, list[str | None]] = {"x": ["7", "7", "8", None], "y": ["1", "2", "2", "3"]}
    rows = [
        one(name, "a", float(text in ("7", "1")), answer=text, sample=k)
        for name, texts in answers.items()
        for k, text in enumerate(texts)
    ]
    card = sum_up(rows)
    assert (card["n_items"], card["samples"], card["primary_score"]) == (2, 4, 0.375)
    assert card["majority_score"] == 0.5
    assert card["pass_at"] == {"1": 0.375, "2": pytest.approx((5 / 6 + 1 / 2) / 2), "4": 1.0}
    low, high = card["interval"]
    assert (low, high) == wilson(0.75, 2)  # of items, not of answers: there are but two
    [low, high] = sum_up(rows[:4])["interval"]
    assert low < 0.2 < 0.8 < high  # of one item, whatever its mean


def test_marks_around_an_answer_do_not_split_the_vote() -> None:
    told = ["9", "8.", "**8**", "9 "]
    assert majority([{"answer": text} for text in ["7", *told, "8"]])["answer"] == "8."


def test_what_should_make_one_doubt_a_card_is_said() -> None:
    few = sum_up([one(str(k), "a", 1.0, strict_format=True, stopped=True) for k in range(49)])
    [line] = warnings(few)
    assert "49 items are few: the interval is 7 points wide" in line
    rows = [one(str(k), "a", 1.0, strict_format=True, stopped=True) for k in range(50)]
    assert warnings(sum_up(rows)) == []
    bad = [{**row, "strict_format": False, "stopped": False} for row in rows]
    style, stop = warnings(sum_up(bad))
    assert "0% of the answers are in the style that was trained" in style
    assert "0% of the answers end with the stop token" in stop


@pytest.mark.parametrize("value", [float("nan"), 1.5, -0.1, None, "1"])
def test_a_score_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(InputError, match="prediction 2: score: .* is not from 0 to 1"):
        sum_up([ROWS[0], {**ROWS[1], "score": value}])
    with pytest.raises(InputError, match="there are none, expected one for each item"):
        sum_up([])


def test_pass_at_k_is_what_drawing_gives() -> None:
    rng, n, right = random.Random(0), 6, 2
    for k in (1, 3, 5, 6):
        hits = sum(min(rng.sample(range(n), k)) < right for _ in range(4000))
        assert pass_at(k, n, right) == pytest.approx(hits / 4000, abs=0.03)


def test_all_tasks_are_there() -> None:
    rows = [
        grade(f"{name}{k}", trace, Generation(respond(trace), 9, True))
        for name in tasks.TASKS
        for k, trace in enumerate(some(name, 2, seed=1))
    ]
    card = sum_up(rows)
    assert card["category_scores"].keys() == tasks.TASKS.keys()
    assert card["primary_score"] == card["steps_right"] == card["strict_score"] == 1.0


def test_answers_are_grouped_by_item_and_sorted_in_it_by_sample() -> None:
    told = [("b", 1), ("a", 2), ("b", 0), ("a", 0), ("a", 1)]
    found = by_item([one(name, "t", 1.0, sample=sample) for name, sample in told])
    assert list(found) == ["a", "b"]
    assert [answer["sample"] for answer in found["a"]] == [0, 1, 2]
    assert [answer["sample"] for answer in found["b"]] == [0, 1]


def test_one_answer_an_item_needs_no_sample() -> None:
    assert by_item(ROWS[::-1]) == {row["id"]: [row] for row in ROWS}
    first, second = ROWS[0], {**ROWS[0], "sample": 1}
    assert by_item([second, first]) == {"1": [first, second]}


names = st.sampled_from(["", "a", "b", "B", "10", "9"])


@given(st.sets(st.tuples(names, st.integers(0, 5)), min_size=1), st.randoms())
def test_every_answer_is_in_one_group_whatever_their_order(
    told: set[tuple[str, int]], rng: random.Random
) -> None:
    rows = [one(name, "t", 0.5, sample=sample) for name, sample in told]
    found = by_item(rows)
    again = [(name, answer["sample"]) for name, answers in found.items() for answer in answers]
    assert again == sorted(told)
    shuffled = rng.sample(rows, len(rows))
    assert list(by_item(shuffled).items()) == list(found.items())


def test_steps_that_nobody_can_check_count_in_no_mean() -> None:
    unknown = [one("5", "c", 1.0, steps_right=None), one("6", "b", 0.0, steps_right=None)]
    card = sum_up([*ROWS, *unknown, one("7", "b", 1.0, steps_right=1.0)])
    assert card["steps_right"] == (4 * 0.5 + 1.0) / 5
    shares = {task: scores["steps_right"] for task, scores in card["category_scores"].items()}
    assert shares == {"a": 0.5, "b": 2 / 3, "c": None}
    assert "of the steps" not in headline(sum_up(unknown))
    assert sum_up(unknown)["steps_right"] is None


ODD = [float("nan"), float("inf"), -0.01, 1.01, "1", [1]]


@pytest.mark.parametrize(
    ("field", "value"),
    [("score", None), *((field, value) for field in ("score", "steps_right") for value in ODD)],
)
def test_no_group_is_made_of_a_share_that_is_none(field: str, value: Any) -> None:
    with pytest.raises(InputError) as error:
        by_item([*ROWS, {**one("\x1b[31m", "a", 1.0), field: value}])
    assert str(error.value) == f"prediction \ufffd[31m: {field}: {value!r} is not from 0 to 1"
    with pytest.raises(InputError, match="there are none"):
        by_item([])


def test_a_card_in_one_line_tells_its_shares_and_how_sure_they_are() -> None:
    rows = [one(str(k), "a", float(k < 900), strict_score=float(k < 300)) for k in range(1200)]
    assert headline(sum_up(rows)) == (
        "75.0% of 1,200 answers right (72.5% to 77.4%), 25.0% in the style exactly,"
        " 50.0% of the steps"
    )


def test_what_was_skipped_is_not_among_the_answers_of_the_line() -> None:
    assert headline(sum_up(ROWS, {"beyond 2 of a task": 96})) == headline(sum_up(ROWS))
    assert headline(sum_up(ROWS)).startswith("75.0% of 4 answers right (30.1% to 95.4%)")


def test_an_evaluation_holds_the_card_of_before_and_that_of_after(tmp_path: Path) -> None:
    run = evaluated(tmp_path, n_right=9)
    before, after = scorecards(run / "5_evaluate")
    texts = [right(t) if n < 9 else wrong(t) for n, t in enumerate(TRACES)]
    assert files.digest(before) == files.digest(sum_up(predictions([""] * 12)))
    assert files.digest(after) == files.digest(sum_up(predictions(texts)))
    assert (before["primary_score"], after["primary_score"]) == (0.0, 0.75)


def test_an_evaluation_that_is_not_complete_has_no_cards(tmp_path: Path) -> None:
    run = trained(tmp_path)
    with pytest.raises(InputError, match=r"5_evaluate/result\.json: is missing, run 5_evaluate"):
        scorecards(run / "5_evaluate")


@given(st.lists(st.tuples(names, st.integers())))
def test_groups_are_sorted_by_their_key_and_keep_the_order_in_them(
    told: list[tuple[str, int]],
) -> None:
    found = evaluate.grouped(told, lambda pair: pair[0])
    assert list(found) == sorted({name for name, _ in told})
    assert all(found[name] == [pair for pair in told if pair[0] == name] for name in found)


def test_a_card_of_own_questions_says_how_they_were_graded() -> None:
    one = {
        **PREDICTION,
        "grader": "number",
        "step_counts": {"right": 2, "wrong": 1, "unchecked": 3},
    }
    other = {**one, "id": "y", "grader": "text", "disagree": {"number": 0.0}}
    card = evaluate.sum_up([one, other])
    assert card["graders"] == {"number": 1, "text": 1}
    assert evaluate.notes(card) == [
        "own questions, answers graded by: number 1, text 1",
        "all their steps: 4 right, 2 wrong, 6 not checkable",
        "graders disagree on 1 of the answers: see `disagree` in the predictions",
    ]
    assert evaluate.notes(evaluate.sum_up([{**PREDICTION, "grader": "task"}])) == []


def test_a_card_says_which_answers_only_the_same_words_match() -> None:
    one = {**PREDICTION, "grader": "none", "expected_answer": "Air scatters the blue light most."}
    card = evaluate.sum_up([one, {**one, "id": "y", "expected_answer": "5"}])
    assert card["verbatim"] == 1
    assert evaluate.notes(card)[0] == (
        "own questions, answers graded by: no grader; 2 that no grader could decide count as wrong"
    )
    assert evaluate.notes(card)[2] == f"1 of the expected answers are {evaluate.VERBATIM}"
    assert "verbatim" not in evaluate.sum_up([{**one, "grader": "judge"}])


PREDICTION: Any = {"id": "x", "task": "own", "score": 1.0, "steps_right": 1.0}
