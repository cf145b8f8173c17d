"""Self-correction: a wrong step that the next step notices and repairs."""

import random
import re
from collections.abc import Callable, Iterator, Sequence

AMENDS = ("Wait, that is wrong. ", "No, let me redo that. ")

_SWAPS = (
    ("♠", "♥", "♦", "♣"),
    ("yes", "no"),
    ("greater", "less", "equal"),
    ("wins", "loses"),
    ("carry", "borrow"),
    ("above", "below"),
    ("larger", "smaller"),
    ("before", "after"),
    ("true", "false"),
    ("fits", "contradiction"),
    ("man", "woman"),
    ("parent", "child"),
)
_WORDS = "|".join(word for group in _SWAPS[1:] for word in group)
_WORD = re.compile(rf"\d+|[♠♥♦♣]|\b(?:{_WORDS})\b")


def amend(
    steps: Sequence[tuple[str, str]],
    check: Callable[[Sequence[str], str | None], str | None],
    rng: random.Random,
) -> tuple[list[tuple[str, str]], list[int]]:
    """Insert a mistake before one of the steps, and let that step notice and repair it.

    The mistake is a copy of the step with one number, suit or word changed.

    Args:
      steps: the (type, text) pairs of a right solution.
      check: takes the texts of the steps so far and of a next step, and returns why the next step
        is wrong, or None if it is right. A changed step that `check` accepts is not used as a
        mistake.
      rng: decides which step goes wrong, and how.

    Returns:
      The steps with the mistake inserted, and a list with the index of the mistake. If no step can
      be changed into a mistake, the unchanged steps and an empty list.

    Example:
      >>> wrong = lambda before, said: None if said == "1+1=2." else "no"
      >>> amend([("sum", "1+1=2.")], wrong, random.Random(1))
      ([('mistake', '1+1=1.'), ('amend', 'No, let me redo that. 1+1=2.')], [0])
    """
    texts = [text for _, text in steps]
    for i in rng.sample(range(len(steps)), len(steps)):
        for wrong in _mistakes(texts[i], rng):
            if check(texts[:i], wrong) is not None:
                repaired = ("amend", rng.choice(AMENDS) + texts[i])
                return [*steps[:i], ("mistake", wrong), repaired, *steps[i + 1 :]], [i]
    return list(steps), []


def _mistakes(text: str, rng: random.Random) -> Iterator[str]:
    """Yield copies of a text, each with one number, card suit or word changed.

    Only words of `_SWAPS` are changed. The first copy changes the last number, suit or word of the
    text that can be changed, because a step usually ends with its result. `rng` picks the
    replacement.
    """
    for spot in reversed(list(_WORD.finditer(text))):
        yield text[: spot.start()] + _other(spot[0], rng) + text[spot.end() :]


def _other(word: str, rng: random.Random) -> str:
    if word.isdigit():
        return str(abs(int(word) + rng.choice((-10, -1, 1, 10) if len(word) > 1 else (-1, 1))))
    group = next(group for group in _SWAPS if word in group)
    return rng.choice([other for other in group if other != word])
