"""The figures of a round."""

import pytest

from tests.improve.attempts import attempt, response
from tunix_rt_nb import improve

RIGHT, LUCKY, WRONG_END = response(), response(wrong=2), response(answer="2")
FIRST = [attempt(text, 0) for text in (RIGHT, LUCKY, WRONG_END, "Hm.")]
ALIKE = [attempt(RIGHT, 1) for _ in range(4)]


def test_the_figures_are_means_over_attempts_and_split_the_reward() -> None:
    told = improve.figures([*FIRST, *ALIKE], "gated")
    assert told["answer"] == 6 / 8
    assert told["form"] == 7 / 8
    assert told["right"] == 5 / 8
    assert told["wrong_reasons"] == 1 / 8
    assert told["stopped"] == 1.0
    assert told["informative"] == 1 / 2
    assert told["reward"] == pytest.approx(5 / 8 + 0.1 * 7 / 8)
    assert told["tokens"] == sum(len(one.said) for one in [*FIRST, *ALIKE]) / 8


def test_by_answers_alone_a_right_answer_for_wrong_reasons_is_right_and_still_counted() -> None:
    told = improve.figures(FIRST, "answer")
    assert (told["right"], told["wrong_reasons"]) == (2 / 4, 1 / 4)
    assert told["reward"] == pytest.approx(2 / 4 + 0.1 * 3 / 4)


def test_pass_rates_are_told_for_each_cell() -> None:
    other = [one._replace(asked=one.asked._replace(cell="own")) for one in FIRST[:2]]
    assert improve.rates([*FIRST, *ALIKE, *other], "gated") == {
        "arithmetic easy": 5 / 8,
        "own": 1 / 2,
    }
