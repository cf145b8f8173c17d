"""Credit: how good an answer is, and which of its tokens made it so."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tunix_rt_nb.improve.attempts import Attempt
from tunix_rt_nb.models import Tokenizer

_FORM = 0.1  # how much an answer in the style counts beside a right one


class Parts(NamedTuple):
    """The parts of the reward of an answer, each from 0 to 1.

    Attributes:
      answer: how right the final answer is, exactly as written.
      steps: 1 if no step is wrong or missing, as far as steps can be checked.
      form: 1 if the answer keeps to the style and ends with a stop token.
    """

    answer: float
    steps: float
    form: float


def parts(attempt: Attempt) -> Parts:
    """Return what an attempt is rewarded for."""
    one = attempt.graded
    judged = one.get("grader") == "judge"  # a judge decides no strict score
    return Parts(
        one["score"] if judged else one["strict_score"],
        float(one["first_wrong"] is None),
        float(one["strict_format"] and one["stopped"]),
    )


def reward(attempt: Attempt, credit: str) -> float:
    """Return the reward of an attempt, from 0 to 1.1.

    With `answer`, wrong steps do not matter. Otherwise an answer counts only if no step is wrong:
    this is the minimum over the steps, because a sum would reward long answers (Cheng et al. 2025,
    "Stop Summation: Min-Form Credit Assignment Is All Process Reward Model Needs for Reasoning").

    Args:
      credit: `answer`, `gated` or `first_wrong`.
    """
    of = parts(attempt)
    return (of.answer if credit == "answer" else of.answer * of.steps) + _FORM * of.form


def is_right(attempt: Attempt, credit: str) -> bool:
    """Tell whether an attempt is right: the answer, the form and, by most credits, every step."""
    of = parts(attempt)
    return of.answer == of.form == 1.0 and (credit == "answer" or of.steps == 1.0)


def advantages(attempts: Sequence[Attempt], credit: str) -> np.ndarray:
    """Return how much better than the mean of its group each attempt is, float64 [attempts].

    The mean alone is subtracted, without a division by the deviation (Liu et al. 2025,
    "Understanding R1-Zero-Like Training", on the bias that this division brings).

    Args:
      attempts: the attempts of a round, group after group.
    """
    rewards = np.array([reward(one, credit) for one in attempts])
    numbers = np.array([one.number for one in attempts])
    means = np.bincount(numbers, rewards) / np.bincount(numbers)
    return rewards - means[numbers]


def blamed(attempt: Attempt, tokenizer: Tokenizer) -> np.ndarray:
    """Return which sampled tokens belong to the first wrong step, bool [tokens].

    If no step is wrong, they are the tokens after the last step: the answer, or its lack. If the
    step cannot be found in the text, all tokens are.
    """
    letters, sizes = tokenizer.spell(np.array(attempt.said, np.int64))
    steps = [step.encode() for step in attempt.parsed.steps]
    begin, end = _span(letters, steps, attempt.graded["first_wrong"])
    ends = np.cumsum(sizes)
    return np.asarray((ends > begin) & (ends - sizes < end))


def _span(letters: bytes, steps: Sequence[bytes], first: int | None) -> tuple[int, int]:
    """Return where the step with number `first` begins and ends, in bytes; its number included.

    Args:
      letters: the sampled text.
      steps: the steps in it.
      first: the number of the first wrong step, from 1; None, or one beyond the last step, stands
        for all that follows the steps.
    """
    begin = end = 0
    for number, step in enumerate(steps[: first or len(steps)], 1):
        # Look for a step with its number first, because a short one may be found in a number.
        numbered = b"%d. %b" % (number, step)
        text = numbered if letters.find(numbered, end) >= 0 else step
        found = letters.find(text, end)
        if found < 0:
            return 0, len(letters)
        begin, end = max(end, letters.rfind(b"\n", end, found) + 1), found + len(text)
    return (end, len(letters)) if first is None or first > len(steps) else (begin, end)
