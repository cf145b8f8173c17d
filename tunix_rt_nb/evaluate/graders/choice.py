"""The grader of multiple-choice answers: a letter such as `B`, or the text of that choice."""

import re
from collections.abc import Mapping

from tunix_rt_nb.evaluate.graders import number
from tunix_rt_nb.evaluate.graders.texts import normal
from tunix_rt_nb.evaluate.graders.verdict import Verdict, decided, passed
from tunix_rt_nb.trace import DOUBT

_LABEL = re.compile(
    r"(?:(?:option|choice|answer|letter) )?"
    r"(?:[(\[]([A-J])[)\]][.:]? ?|([A-J])(?:[)] ?|[.:](?: |$)|$))(.{1,2000})?",
    re.IGNORECASE,
)
_ANOTHER = re.compile(
    rf"^(?:and|&|[,/+])|[(\[][A-J][)\]]|\b[A-J][).:]|{DOUBT.pattern}", re.IGNORECASE
)
_LISTED = re.compile(r"(?:(?<=[\s,;])|^)[(\[]?([A-J])[).\]:] ", re.MULTILINE)


def compare(answer: str, expected: str, prompt: str = "") -> Verdict:
    """Compare two choices by their letters.

    If one of the texts names no choice, the verdict has no score, so the next grader decides.

    If the prompt lists the choices, the text of a choice counts as its letter.

    Example:
      >>> compare("(B)", "B").score, compare("B) Rome", "c").score, compare("B or C", "B").score
      (1.0, 0.0, None)
      >>> compare("Rome", "B", "Which city? (A) Paris (B) Rome").score
      1.0
    """
    choices = listed(prompt)
    sides = [_side(text.strip(), choices) for text in (answer, expected)]
    missing = [name for name, side in zip(("answer", "expected"), sides, strict=True) if not side]
    if missing:
        return passed(f"{' and '.join(missing)}: not one of the choices")
    (one, says), (other, means) = filter(None, sides)
    if not one or not other or (says and means and not _same(says, means)):
        return decided(False, "a letter and the text beside it are of different choices")
    return decided(one == other, f"choice {one} {'=' if one == other else 'is not'} {other}")


def listed(prompt: str) -> dict[str, str]:
    """Return the choices that a prompt lists, by letter; empty unless the letters run A, B, C, ...

    Example:
      >>> listed("Which city is it?\\nA) Paris\\nB) Rome")
      {'A': 'Paris', 'B': 'Rome'}
    """
    marks = list(_LISTED.finditer(prompt))
    letters = [mark[1] for mark in marks]
    if len(letters) < 2 or letters != list("ABCDEFGHIJ"[: len(letters)]):
        return {}
    ends = [mark.start() for mark in marks[1:]] + [len(prompt)]
    texts = [prompt[mark.end() : end].strip() for mark, end in zip(marks, ends, strict=True)]
    return {
        letter: text.partition("\n")[0].rstrip(" ,;.")
        for letter, text in zip(letters, texts, strict=True)
    }


def _side(text: str, choices: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the letter of the choice that a text names, and the words after the letter.

    For `(B) Rome`, return `B` and `Rome`. The letter is empty if the words after it are those of
    another choice. Return None if the text names no choice, or several.

    Args:
      choices: letter -> text of each choice that the prompt lists.
    """
    label = _LABEL.fullmatch(text)
    alike = [letter for letter, choice in choices.items() if _same(text, choice)]
    if not label:
        return (alike[0], "") if len(alike) == 1 else None
    letter, beside = (label[1] or label[2]).upper(), (label[3] or "").strip()
    if _ANOTHER.search(beside) or (choices and letter not in choices):
        return None
    # The text of a choice may be the letter of another choice.
    torn = (alike and alike != [letter]) or (
        beside and choices and not _same(beside, choices[letter])
    )
    return ("" if torn else letter), beside


def _same(one: str, other: str) -> bool:
    numbers = number.read(one), number.read(other)
    if all(numbers):
        return number.compare(one, other).score == 1.0
    return normal(one) == normal(other) != ""
