"""Lessons: the attempts of a round as examples, with a weight for each token to be trained on.

One weighted cross-entropy serves all methods. A weight of 1 is fine-tuning. An advantage is the
policy gradient of Williams 1992 (REINFORCE), with the group's mean as its baseline (Shao et al.
2024, "DeepSeekMath"). A preference is a pair of weights of opposite sign (Rafailov et al. 2023,
"Direct Preference Optimization").
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from tunix_rt_nb.improve.attempts import Attempt
from tunix_rt_nb.improve.credit import advantages, blamed, is_right
from tunix_rt_nb.improve.settings import Settings
from tunix_rt_nb.models import Tokenizer
from tunix_rt_nb.render import Examples

REPLAY = 0.5  # the code of replayed tokens among pairs; codes of pairs are whole numbers
_LEAST = 1e-9  # a smaller advantage is a rounding error


class Lesson(NamedTuple):
    """An attempt to learn from.

    Attributes:
      attempt: the attempt.
      weights: float64 [sampled tokens]: what each token's cross-entropy is multiplied by. With
        `prefer` it is a code: the number of the pair, from 1, negative for the wrong answer.
    """

    attempt: Attempt
    weights: np.ndarray


def lessons(
    attempts: Sequence[Attempt],
    earlier: Iterable[Attempt],
    settings: Settings,
    tokenizer: Tokenizer,
    longest: int,
) -> list[Lesson]:
    """Return what can be learnt from the attempts of a round.

    Args:
      attempts: the attempts of the round.
      earlier: those of earlier rounds; `filter` learns from them again.
      settings: the settings.
      tokenizer: the tokenizer.
      longest: the most tokens of prompt and answer; longer attempts teach nothing.
    """
    fitting = [one for one in attempts if one.length <= longest]
    if settings.method == "filter":
        before = [one for one in earlier if one.length <= longest]
        kept = distinct([*before, *fitting], settings.credit)
        return [Lesson(one, np.ones(len(one.said))) for one in kept]
    if settings.method == "prefer":
        return _pairs(fitting, settings.credit)
    found = [
        Lesson(one, _weights(one, advantage, settings.credit, tokenizer))
        for one, advantage in zip(attempts, advantages(attempts, settings.credit), strict=True)
        if abs(advantage) > _LEAST
    ]
    return [one for one in found if one.attempt.length <= longest]


def distinct(attempts: Iterable[Attempt], credit: str) -> list[Attempt]:
    """Return the right attempts, each response to a prompt once."""
    right = (one for one in attempts if is_right(one, credit))
    return list({(one.asked.name, one.said): one for one in right}.values())


def _weights(one: Attempt, advantage: float, credit: str, tokenizer: Tokenizer) -> np.ndarray:
    if credit != "first_wrong" or advantage > 0:
        return np.full(len(one.said), advantage)
    chosen = blamed(one, tokenizer)
    said = tokenizer.decode(np.array(one.said)[chosen])
    if (wrong := one.first_wrong.strip()) not in said:
        raise AssertionError(f"{one.asked.name}: {said!r} is blamed, expected {wrong!r}")
    return np.where(chosen, advantage, 0.0)


def _pairs(attempts: Sequence[Attempt], credit: str) -> list[Lesson]:
    """Pair right with wrong answers to the same prompt, each answer at most once."""
    groups: dict[int, tuple[list[Attempt], list[Attempt]]] = {}
    for one in attempts:
        groups.setdefault(one.number, ([], []))[not is_right(one, credit)].append(one)
    pairs = [pair for right, wrong in groups.values() for pair in zip(right, wrong, strict=False)]
    return [
        Lesson(one, np.full(len(one.said), float(code)))
        for k, (right, wrong) in enumerate(pairs, 1)
        for one, code in ((right, k), (wrong, -k))
    ]


def examples_of(found: Sequence[Lesson], replay: Examples, settings: Settings) -> Examples:
    """Return lessons and replayed examples together, with a weight for each token.

    Args:
      found: the lessons; each prompt is part of its example, but not trained.
      replay: examples of the fine-tuning.
      settings: the settings.
    """
    mine = Examples.joined(
        [f"{one.attempt.asked.name}/{one.attempt.graded['sample']}" for one in found],
        [len(one.attempt.prompt) for one in found],
        [one.attempt.length for one in found],
        np.array([t for one in found for t in (*one.attempt.prompt, *one.attempt.said)], np.int32),
    )
    both = Examples.joined(
        [id.decode() for part in (mine, replay) for id in part.index["id"].tolist()],
        np.concatenate([mine.index["prompt"], replay.index["prompt"]]),
        np.concatenate([mine.index["length"], replay.index["length"]]),
        np.concatenate([mine.tokens, _tokens(replay)]),
    )
    if settings.method == "filter":
        return both
    sizes = [w for one in found for w in (np.zeros(len(one.attempt.prompt)), one.weights)]
    own = np.concatenate([*sizes, np.empty(0)])
    # Replayed tokens weigh as much as sampled ones do on average.
    usual = np.abs(own).sum() / max(1, np.count_nonzero(own))
    usual = REPLAY if settings.method == "prefer" else usual
    every = np.concatenate([own, np.full(len(both.tokens) - len(own), usual)])
    return Examples(both.index, both.tokens, every.astype(np.float32))


def nothing(attempt: Attempt, weighed: bool) -> Examples:
    """Return one example of which no token is trained: the first one of an attempt's prompt.

    Args:
      attempt: the attempt.
      weighed: True if examples have weights.
    """
    first = np.array(attempt.prompt[:1], np.int32)
    made = Examples.joined([attempt.asked.name], [1], [1], first)
    return Examples(made.index, made.tokens, np.zeros(1, np.float32) if weighed else None)


def _tokens(examples: Examples) -> np.ndarray:
    return np.concatenate(
        [np.empty(0, np.int32), *(np.array(one.ids, np.int32) for one in examples)]
    )


def replayed(
    data: Examples, found: Sequence[Lesson], share: float, seed: Sequence[int]
) -> Examples:
    """Choose examples of the fine-tuning at random, so that they have a share of trained tokens.

    Args:
      data: the examples to choose from.
      found: the lessons.
      share: the share of trained tokens that the chosen examples are to have, from 0 up to 1.
      seed: decides which examples are chosen.
    """
    wanted = share / (1 - share) * sum(len(one.attempt.said) for one in found)
    order = np.random.default_rng(list(seed)).permutation(len(data))
    trained = (data.index["length"] - data.index["prompt"])[order]
    n = int(np.searchsorted(np.cumsum(trained), wanted)) + bool(wanted)
    return data.chosen(order[:n])
