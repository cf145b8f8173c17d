"""Rewards, advantages, and which tokens are blamed."""

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st

from tests.improve.attempts import WRONG, attempt, response, tokenizer
from tunix_rt_nb.improve.attempts import Attempt
from tunix_rt_nb.improve.credit import _span, advantages, blamed, is_right, parts, reward
from tunix_rt_nb.trace import Trace, respond

KINDS = [attempt(text) for text in (response(), response(answer="2"), response(1), "Hm.")]
STYLES = ("numbered", "tags")
CREDITS = ("answer", "gated", "first_wrong")


def accused(one: Attempt) -> str:
    """The text of the tokens that are blamed."""
    return tokenizer().decode(np.array(one.said)[blamed(one, tokenizer())])


@pytest.mark.parametrize("style", STYLES)
def test_a_right_attempt_has_all_parts_and_is_right_by_any_credit(style: str) -> None:
    right = attempt(response(style=style), style=style)
    assert parts(right) == (1.0, 1.0, 1.0)
    assert [reward(right, credit) for credit in CREDITS] == [1.1] * 3
    assert all(is_right(right, credit) for credit in CREDITS)


@pytest.mark.parametrize(
    ("credit", "expected"), [("answer", 1.1), ("gated", 0.1), ("first_wrong", 0.1)]
)
def test_a_right_answer_for_wrong_reasons_counts_by_the_answer_alone(
    credit: str, expected: float
) -> None:
    lucky = attempt(response(wrong=2))
    assert parts(lucky) == (1.0, 0.0, 1.0)
    assert reward(lucky, credit) == pytest.approx(expected)
    assert is_right(lucky, credit) is (credit == "answer")


def test_more_steps_earn_no_more() -> None:
    """A sum over steps would pay for length."""
    few, many = attempt(response(wrong=2, steps=2)), attempt(response(wrong=4))
    assert reward(few, "gated") == reward(many, "gated") == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("text", "stopped"),
    [(response(), False), (f"Sure!\n{response()}", True), (f"{response()}\nAnswer: 1", True)],
)
def test_what_does_not_stop_or_leaves_the_style_is_never_right(text: str, stopped: bool) -> None:
    one = attempt(text, stopped=stopped)
    assert parts(one).form == 0.0
    assert not any(is_right(one, credit) for credit in CREDITS)


@given(st.lists(st.lists(st.integers(0, 3), min_size=3, max_size=3), min_size=1, max_size=6))
def test_advantages_of_a_group_sum_to_zero_and_follow_the_rewards(groups: list[list[int]]) -> None:
    made = [KINDS[kind]._replace(number=n) for n, group in enumerate(groups) for kind in group]
    for credit in CREDITS:
        found = advantages(made, credit).reshape(-1, 3)
        rewards = np.array([reward(one, credit) for one in made]).reshape(-1, 3)
        np.testing.assert_allclose(found.sum(axis=1), 0, atol=1e-12)
        np.testing.assert_allclose(np.diff(found, axis=1), np.diff(rewards, axis=1), atol=1e-12)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_the_blamed_tokens_spell_the_first_wrong_step(step: int, style: str) -> None:
    one = attempt(response(step, style=style), style=style)
    assert one.graded["first_wrong"] == step
    assert accused(one).strip() == f"{step}. {WRONG[step - 1]}"


@pytest.mark.parametrize(
    ("style", "end"),
    [
        ("numbered", "Answer: 2<end_of_turn>"),
        ("tags", "</reasoning>\n<answer>2</answer><end_of_turn>"),
    ],
)
@pytest.mark.parametrize("steps", [2, 4])
def test_if_no_step_is_wrong_or_one_is_missing_what_follows_the_steps_is_blamed(
    style: str, end: str, steps: int
) -> None:
    one = attempt(response(answer="2", style=style, steps=steps), style=style)
    assert one.graded["first_wrong"] == (3 if steps == 2 else None)
    assert accused(one).strip() == end


def test_of_a_text_that_says_nothing_all_is_blamed() -> None:
    assert accused(attempt("Hm.")) == "Hm.<end_of_turn>"


def test_steps_are_read_alike_if_the_answer_has_several_lines() -> None:
    poem = Trace.of("Write.", [], "a\nb")
    one = attempt("Reasoning:\n1. First\n1. 2+2=5.\n2. So be it.\nAnswer: a\nb", trace=poem)
    assert one.graded["strict_format"]
    assert accused(one).strip() == "1. First\n1. 2+2=5."


def test_a_step_as_short_as_its_number_is_found() -> None:
    one = attempt("Reasoning:\n1. 1\n2. 1\nAnswer: 1")
    found = one._replace(graded={**one.graded, "first_wrong": 2})
    assert accused(found).strip() == "2. 1"


def test_sentences_on_one_line_are_blamed_each_for_itself() -> None:
    letters = b"Step 1: a b. Step 2: c d."
    assert _span(letters, [b"a b.", b"c d."], 2) == (12, len(letters))


AWKWARD = ("2", "3", "2. 2", "2 is 2.", "so: 2", "2\n2", "2+2=4", "1+1=2, so 2", "é 2", " 2 ")


@settings(max_examples=60)
@given(st.lists(st.sampled_from(AWKWARD), max_size=4), st.integers(0, 4), st.sampled_from(STYLES))
def test_wherever_the_wrong_step_is_its_tokens_and_no_others_are_blamed(
    steps: list[str], place: int, style: str
) -> None:
    steps.insert(place := min(place, len(steps)), "2+2=5")
    own = Trace.of("How much?", [("model", step) for step in steps], "2")
    one = attempt(respond(own, style), style=style, trace=Trace.of("How much?", [], "2"))
    assume(one.graded["strict_format"] and one.graded["first_wrong"] == place + 1)
    letters, sizes = tokenizer().spell(np.array(one.said))
    ends, mask = np.cumsum(sizes), blamed(one, tokenizer())
    wrong = f"{place + 1}. 2+2=5".encode()
    begin = letters.index(b"\n" + wrong) + 1
    assert mask.tolist() == ((ends > begin) & (ends - sizes < begin + len(wrong))).tolist()


@settings(max_examples=60)
@given(st.text(max_size=60), st.lists(st.sampled_from(["2+2=5. ", "1. 2+2=5\n", "So 4. "])))
def test_any_text_has_some_tokens_to_blame(text: str, more: list[str]) -> None:
    one = attempt(text + "".join(more))
    assert blamed(one, tokenizer()).any()


def test_where_a_judge_decides_its_score_counts() -> None:
    one = attempt(response())
    judged = one._replace(graded={**one.graded, "grader": "judge", "strict_score": 0.0})
    assert parts(judged).answer == 1.0
