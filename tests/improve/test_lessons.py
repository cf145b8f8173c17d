"""Tests of lessons: which attempts are learned from, and with which weights."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tests.improve.attempts import WRONG, attempt, response, tokenizer
from tunix_rt_nb.improve import Settings, lessons as module
from tunix_rt_nb.improve.attempts import Attempt
from tunix_rt_nb.improve.credit import blamed
from tunix_rt_nb.improve.lessons import REPLAY, Lesson, examples_of, lessons, replayed
from tunix_rt_nb.render import Example, Examples, pack

RIGHT, LUCKY, WRONG_END = response(), response(wrong=2), response(answer="2")
REWARD = Settings.of(method="reward")
BLAME = Settings.of(method="reward", credit="first_wrong")
PREFER = Settings.of(method="prefer", beta=0.1)
NONE = Examples.of([])
DATA = Examples.of([Example(f"old-{n}", tuple(range(4, 14 + n)), 3) for n in range(40)])


def group(*texts: str, number: int = 0) -> list[Attempt]:
    return [attempt(text, number, sample=k) for k, text in enumerate(texts)]


def taught(
    attempts: list[Attempt], how: Settings, earlier: list[Attempt] | None = None, longest: int = 192
) -> list[Lesson]:
    return lessons(attempts, earlier or [], how, tokenizer(), longest)


def texts(found: list[Lesson]) -> list[str]:
    return [one.attempt.graded["response"] for one in found]


def test_filter_learns_from_each_right_response_once_over_all_rounds() -> None:
    before, now = group(RIGHT, LUCKY), group(RIGHT, WRONG_END, RIGHT)
    other = group(RIGHT, number=1)
    found = taught([*now, *other], Settings.of(), before)
    assert texts(found) == [RIGHT, RIGHT]
    assert [one.attempt.number for one in found] == [0, 1]
    assert all((one.weights == 1).all() for one in found)


def test_filter_by_answers_alone_learns_from_a_right_answer_for_wrong_reasons_too() -> None:
    found = taught(group(RIGHT, LUCKY, WRONG_END), Settings.of(credit="answer"))
    assert texts(found) == [RIGHT, LUCKY]


def test_of_a_group_that_is_all_right_or_all_wrong_reward_learns_nothing() -> None:
    all_right, all_wrong = group(RIGHT, RIGHT), group(LUCKY, WRONG_END, number=1)
    assert taught([*all_right, *all_wrong], REWARD) == []
    assert texts(taught([*all_right, *group(RIGHT, LUCKY, number=1)], REWARD)) == [RIGHT, LUCKY]


def test_reward_weighs_every_token_of_an_attempt_by_its_advantage() -> None:
    right, lucky = taught(group(RIGHT, LUCKY), REWARD)
    assert right.weights.tolist() == pytest.approx([0.5] * len(right.attempt.said))
    assert lucky.weights.tolist() == pytest.approx([-0.5] * len(lucky.attempt.said))


def test_first_wrong_takes_back_the_first_wrong_step_and_nothing_else() -> None:
    right, lucky = taught(group(RIGHT, LUCKY), BLAME)
    assert right.weights.tolist() == pytest.approx([0.5] * len(right.attempt.said))
    assert set(lucky.weights.round(9).tolist()) == {0.0, -0.5}
    told = tokenizer().decode(np.array(lucky.attempt.said)[lucky.weights < 0])
    assert told.strip() == f"2. {WRONG[1]}"


@pytest.mark.parametrize("by", [1, -1])
def test_credit_to_the_wrong_tokens_is_noticed(monkeypatch: pytest.MonkeyPatch, by: int) -> None:
    """The first of three planted bugs in the reward."""
    monkeypatch.setattr(module, "blamed", lambda *given: np.roll(blamed(*given), by))
    with pytest.raises(AssertionError, match=r"^sum-0: .* is blamed, expected '2\. Tens: 1\+2=93"):
        taught(group(RIGHT, LUCKY), BLAME)


def test_in_a_batch_the_tokens_that_become_less_likely_spell_the_first_wrong_step() -> None:
    found = taught([*group(RIGHT, LUCKY), *group(response(4), RIGHT, number=1)], BLAME)
    packed = pack(examples_of(found, DATA.chosen(slice(9)), BLAME), 256)
    batch = packed.take(np.arange(len(packed)))
    rows, columns = np.nonzero(batch["weights"] < 0)
    after = batch["tokens"][rows, batch["places"][rows, columns] + 1]
    steps = [f"2. {WRONG[1]}", f"4. {WRONG[3]}"]
    assert tokenizer().decode(after) in ("".join(steps), "".join(reversed(steps)))


def test_prefer_pairs_right_with_wrong_answers_to_the_same_prompt() -> None:
    first = group(LUCKY, RIGHT, WRONG_END, RIGHT, LUCKY)
    found = taught([*first, *group(RIGHT, number=1), *group(RIGHT, LUCKY, number=2)], PREFER)
    assert texts(found) == [RIGHT, LUCKY, RIGHT, WRONG_END, RIGHT, LUCKY]
    assert [set(one.weights.tolist()) for one in found] == [{1}, {-1}, {2}, {-2}, {3}, {-3}]
    assert [one.attempt.number for one in found] == [0, 0, 0, 0, 2, 2]


@pytest.mark.parametrize("how", [Settings.of(), REWARD, PREFER])
def test_attempts_that_are_too_long_teach_nothing(how: Settings) -> None:
    some = group(RIGHT, LUCKY)
    long = max(one.length for one in some)
    assert taught(some, how, longest=long)
    shorter = taught(some, how, some, longest=min(one.length for one in some) - 1)
    assert shorter == []


def test_of_an_attempt_that_is_too_long_the_reward_counts_in_its_group() -> None:
    some = group("Hm.", RIGHT)
    [found] = taught(some, REWARD, longest=some[0].length)
    assert found.weights.tolist() == pytest.approx([-0.55] * len(some[0].said))


@settings(max_examples=60)
@given(st.floats(0.0, 0.9), st.integers(0, 9))
def test_replayed_examples_have_their_share_of_the_trained_tokens(share: float, seed: int) -> None:
    found = taught(group(RIGHT, LUCKY), Settings.of())
    chosen = replayed(DATA, found, share, [seed, 0])
    trained = int((chosen.index["length"] - chosen.index["prompt"]).sum())
    mine = len(found[0].attempt.said)
    assert trained >= share / (1 - share) * mine - 1e-9
    most = int(chosen.index["length"].max(initial=0))
    assert trained - most <= share / (1 - share) * mine
    assert (
        chosen.index["id"].tolist() == replayed(DATA, found, share, [seed, 0]).index["id"].tolist()
    )


def test_of_little_data_all_is_replayed_and_without_lessons_nothing() -> None:
    found = taught(group(RIGHT), Settings.of())
    assert len(replayed(DATA.chosen(slice(2)), found, 0.9, [0, 0])) == 2
    assert len(replayed(DATA, [], 0.9, [0, 0])) == 0


def test_examples_hold_prompt_and_sampled_tokens_and_then_the_replayed() -> None:
    found = taught(group(RIGHT, LUCKY), REWARD)
    every = examples_of(found, DATA.chosen(slice(2)), REWARD)
    assert [one.id for one in every] == ["sum-0/0", "sum-0/1", "old-0", "old-1"]
    assert every[0].ids == (*found[0].attempt.prompt, *found[0].attempt.said)
    assert every[0].prompt == len(found[0].attempt.prompt)
    assert every[3] == DATA[1]
    assert every.weights is not None
    assert every.weights.dtype == np.float32
    own = np.concatenate(
        [part for one in found for part in (np.zeros(len(one.attempt.prompt)), one.weights)]
    )
    np.testing.assert_allclose(every.weights[: len(own)], own, rtol=1e-6)
    np.testing.assert_allclose(every.weights[len(own) :], 0.5)


def test_examples_to_filter_have_no_weights_and_pairs_are_told_from_what_is_replayed() -> None:
    found = taught(group(RIGHT), Settings.of())
    assert examples_of(found, DATA, Settings.of()).weights is None
    pairs = examples_of(taught(group(RIGHT, LUCKY), PREFER), DATA.chosen(slice(1)), PREFER)
    assert pairs.weights is not None
    assert set(pairs.weights.tolist()) == {0.0, 1.0, -1.0, REPLAY}


@settings(max_examples=40)
@given(st.text(max_size=40), st.lists(st.sampled_from(["2+2=5. ", "1. 2+2=5\n", "So 4. "])))
def test_blame_can_be_put_on_any_text(text: str, more: list[str]) -> None:
    found = taught(group(RIGHT, text + "".join(more)), BLAME)
    assert all((one.weights != 0).any() for one in found)
