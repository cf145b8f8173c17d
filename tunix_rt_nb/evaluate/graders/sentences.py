"""Answers that are sentences, cut to the number or the bold phrase that answers the question."""

import re
from typing import NamedTuple

from tunix_rt_nb.evaluate.graders import number
from tunix_rt_nb.evaluate.graders.texts import normal
from tunix_rt_nb.trace import DOUBT

_BOLD = re.compile(r"([^*\n]{1,300})\*\*([^*\n]{1,200})\*\*([^*\n]{0,100})")
_NUMBERED = re.compile(r"([^0-9\n]{1,300}?)((?:(?:US\$|[$€£¥₹]|[-+]) ?){0,2}\.?[0-9][^\n]{0,100})")
_WORDS = re.compile(r"\w(?=.*[^\W\d_]{2})[\w ,.:;'\"()-]*")  # and nothing of a formula
_ALTERS = re.compile(  # words before a number that say another
    r"\b(?:negative|least|most|less|more|fewer|under|over|below|above|between|up|down|from|per"
    r"|square|root|power|factor|multiple|two|three|four|five|six|seven|eight|nine|ten)\b"
)
_WORD = re.compile(r"[^\W\d_]{2,}")
_SENTENCE = 5  # words; a text of fewer is a name or a phrase
_MOST = 2000  # characters that are looked at for words
VERBATIM = (
    "whole sentences or several lines, which only the same words match: GRADER=judge, or a file of"
    " yours as GRADER, compares what they say"
)


class Sentence(NamedTuple):
    """A sentence in two parts.

    Attributes:
      head: the words before the number or the bold phrase, as `texts.normal` returns them.
      core: the number with its unit, or the bold phrase.
    """

    head: str
    core: str


def read(text: str) -> Sentence | None:
    """Split a sentence that has one number or ends with one bold phrase; else return None.

    A sentence with a word such as `not`, `or` or `half` is not split, because its number alone may
    say something else.

    Example:
      >>> read("One costs **$1.70**."), read("He has 5 apples.")
      (Sentence(head='one costs', core='$1.70'), Sentence(head='he has', core='5 apples'))
      >>> read("It is not **4**."), read("3 of the 5 apples"), read("Paris")
      (None, None, None)
    """
    text = text.strip()
    bold = _BOLD.fullmatch(text)
    found = bold or _NUMBERED.fullmatch(text)
    if not found or DOUBT.search(text) or number.CHANGES.search(found[1]):
        return None
    head, core = normal(found[1]), "".join(found.groups()[1:]).strip(" .!")
    known = (bold and not bold[3].strip(" .!")) or number.read(core)
    plain = _WORDS.fullmatch(head) and not _ALTERS.search(head)
    return Sentence(head, core) if known and plain else None


def shortened(answer: str, expected: str) -> tuple[str, str]:
    """Return an answer and the expected one, each cut to its number or bold phrase if that is safe.

    If both are sentences, both are cut if they begin with the same words. If only the expected one
    is a sentence, it is cut if the answer is a number, or equals the phrase that is left. If only
    the answer is a sentence, it is cut if it ends with a bold phrase.

    Example:
      >>> shortened("$1.70", "One costs **$1.70**."), shortened("It is **Paris**.", "Paris")
      (('$1.70', '$1.70'), ('Paris', 'Paris'))
      >>> shortened("She has 5 apples.", "He lost 5 apples.")
      ('She has 5 apples.', 'He lost 5 apples.')
    """
    said, right = read(answer), read(expected)
    if right is None:
        return (said.core if said and "**" in answer else answer), expected
    if said is None:
        alike = number.read(answer) is not None or normal(answer) == normal(right.core)
        return (answer, right.core) if alike else (answer, expected)
    return (said.core, right.core) if said.head == right.head else (answer, expected)


def verbatim(expected: str) -> bool:
    """Tell whether an expected answer is a sentence or several lines.

    Only the same words match it.

    Example:
      >>> verbatim("Plants turn light into sugar."), verbatim("He has 5 apples."), verbatim("Paris")
      (True, False, False)
    """
    if "\n" in expected.strip():
        return True
    words = _WORD.findall(expected[:_MOST])
    formula = any(sign in expected for sign in "=\\^")
    return len(words) >= _SENTENCE and not (formula or read(expected) or number.read(expected))
