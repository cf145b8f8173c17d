"""The text around a sum, which shows whether the writer claims that the sum is right."""

import re
from functools import cached_property

from tunix_rt_nb.tasks.sums import wording

_BEFORE = 160  # characters of the text before the sum that are looked at
_AFTER = 90  # and after it
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_SENTENCE = re.compile(r"[.!?](?=\s)|\n")
_CLAUSE = re.compile(
    r"[,;:(](?=\s)|[.!?](?=\s)|\n"
    r"|\b(?:then|so|thus|therefore|hence|because|since|means|which|and|but)\b"
)


class Context:
    """The text before and after a sum, analyzed only when a property is used.

    Args:
      text: the whole text.
      start: the index of the first character of the sum.
      end: the index after its last character.
      earlier: the index after the previous sum in the text; 0 if this is the first.
    """

    def __init__(self, text: str, start: int, end: int, earlier: int) -> None:
        self._text, self._start, self._end, self._earlier = text, start, end, earlier

    @cached_property
    def before(self) -> str:
        """The beginning of the sentence, up to the sum, in lower case."""
        return self._sentence(0)

    @cached_property
    def clause(self) -> list[str]:
        """The words before the sum in the same clause.

        If the clause has an earlier sum, these are only the words after it.
        """
        return _words(_CLAUSE.split(self._sentence(self._earlier))[-1])

    def _sentence(self, since: int) -> str:
        before = self._text[max(0, self._start - _BEFORE, since) : self._start]
        if before.rstrip().endswith(":"):  # the line above introduces the sum
            before = before.rstrip() + " "
        return _SENTENCE.split(before)[-1].lower()

    @cached_property
    def after(self) -> list[str]:
        """The words that follow in the same sentence, six at most."""
        return _words(self._sentences[0])[:6]

    @cached_property
    def _sentences(self) -> list[str]:
        return _SENTENCE.split(self._text[self._end : self._end + _AFTER].lower())

    @property
    def opens(self) -> bool:
        """True if the sum begins a clause.

        If it does not, its first number may belong to a label, as in `Step 3`.
        """
        before = self._sentence(self._earlier)
        apart = not before.strip() or re.search(r"[.,;:(!?=]\s*$", before)
        return bool(apart) or set(_words(before)[-1:]) <= wording.OPENS

    @property
    def asked(self) -> bool:
        """True if the sentence is a question."""
        end = _SENTENCE.search(self._text, self._end, self._end + _AFTER)
        return self._text[self._end : self._end + 2].lstrip()[:1] == "?" or (
            end is not None and end[0] == "?"
        )

    @property
    def claimed(self) -> bool:
        """True if nothing around the sum casts doubt on it."""
        follows = self._earlier > 0 and self._start - self._earlier <= 40
        return not (
            self.asked
            or set(_words(self.before)) & wording.HEDGES
            or set(self.clause) & wording.CLAUSE_HEDGES
            or set(self.clause[-2:]) & wording.TAKERS
            or set(_predicate(self.clause)) & wording.FUNCTIONS
            or set(self.after) & wording.AFTERS
            or set(_words(" ".join(self._sentences[1:2]))[:4]) & wording.TAKES_BACK
            or (self.before.split()[-1:] == ["and"] and not follows)
        )

    @property
    def rounds(self) -> bool:
        """True if the sentence speaks of rounding, before the sum or in the six words after it."""
        return not wording.ROUNDS.isdisjoint([*_words(self.before), *self.after])


def _words(text: str) -> list[str]:
    return _WORD.findall(text)


def _predicate(words: list[str]) -> list[str]:
    """Return the words from the last verb on, but no more than the last six words.

    If no word is a verb, return the last six words.
    """
    verbs = [i for i, word in enumerate(words) if word in wording.VERBS]
    return words[max([*verbs, len(words) - 6, 0]) :]
