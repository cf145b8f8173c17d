"""The tokens of a text, and what groups of them mean: an operation, a unit, words in brackets."""

from collections.abc import Sequence

from tunix_rt_nb.tasks.sums import wording
from tunix_rt_nb.tasks.sums.expressions import MAX_DEPTH
from tunix_rt_nb.tasks.sums.tokens import Token, tokens

NUMERIC = ("number", "money", "open", "over", "root")  # kinds of tokens that begin a number
_MAX_WORDS = 6  # the largest number of words in a unit
_NEVER = Token("end", "", -1, -1)


class Phrases:
    """The tokens of a text, with methods that tell what groups of tokens mean.

    Attributes:
      text: the text.
      tokens: its tokens.
      pairs: index of each opening bracket -> index of its closing bracket, counted in tokens.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokens(text)
        self.pairs = _pairs(self.tokens)
        self._padded = [*self.tokens, _NEVER, _NEVER]  # [-1] is before the first token

    def token(self, i: int) -> Token:
        """Return the token at an index; an empty one before the first and after the last."""
        try:
            return self._padded[i]
        except IndexError:
            return _NEVER

    def markup(self, i: int) -> bool:
        """Tell whether a `*` or `**` sets text in bold or italics and is not an operation."""
        token, after = self.token(i), self.token(i + 1)
        if token.text not in ("*", "**") or token.kind != "operator":
            return False
        if after.kind in NUMERIC and self.token(i - 1).kind in ("number", "close", "percent"):
            return False
        ends = after.kind in ("line", "stop", "relation", "arrow", "end", "close")
        return ends or after.glued != token.glued

    def operates(self, i: int) -> bool:
        """Tell whether a token is an operation: a sign, an `x`, or a word such as `plus`."""
        token = self.token(i)
        if token.kind == "operator":
            return not self.markup(i)
        return self.times(i) or self.sign_word(i) is not None

    def joins(self, i: int) -> bool:
        """Tell whether a token is an operation or a relation, so that the equation goes on."""
        return self.operates(i) or self.relates(i)

    def relates(self, i: int) -> bool:
        """Tell whether a token is a relation: a sign, a word, or a line break before a `=`."""
        token = self.token(i)
        if token.kind == "word":
            after = self.token(i + 1)
            spoken = token.text.lower() in wording.EQUAL
            return spoken and (after.kind in NUMERIC or after.text.lower() in wording.LINKS)
        if token.kind == "line":  # an equation that goes on in the next line
            token = self.token(i + 1)
            return token.kind == "relation" and token.text in "=≈"
        return token.kind == "relation"

    def times(self, i: int) -> bool:
        """Tell whether an `x` multiplies two numbers and is not a variable."""
        token, after = self.token(i), self.token(i + 1)
        if token.kind != "cross" or after.glued != token.glued:
            return False
        if after.text == "-" and after.kind == "operator":
            return not token.glued and self.token(i + 2).glued
        return after.kind in ("number", "money") or (after.kind in NUMERIC and not token.glued)

    def sign_word(self, i: int) -> tuple[str, int] | None:
        """Return the sign that words at a token stand for, and the number of these words.

        At `divided by`, return (`/`, 2). Return None if the words stand for no sign.
        """
        word, after = self.token(i), self.token(i + 1)
        if word.kind != "word":
            return None
        text = word.text.lower()
        if text in wording.SIGNS and after.kind in NUMERIC:
            return wording.SIGNS[text], 1
        by = after.text.lower() == "by" and self.token(i + 2).kind in NUMERIC
        return (wording.BY[text], 2) if text in wording.BY and by else None

    def root(self, i: int) -> bool:
        """Tell whether `sqrt(...)` begins at a token."""
        return self.token(i).text.lower() == "sqrt" and i + 1 in self.pairs

    def unit(self, i: int) -> tuple[list[str], int]:
        """Return the words of the unit at a token, such as `meters per plant`, and the index after.

        If no unit begins there, the list of words is empty.
        """
        words: list[str] = []
        while len(words) < _MAX_WORDS:
            token = self.token(i)
            if token.kind == "word" and token.text.lower() not in wording.ENDS:
                words.append(token.text)
                i += 1
                if self.token(i).text == "^" and self.token(i + 1).kind == "number":
                    i += 2
            elif token.kind in ("money", "degree"):
                words.append("degree" if token.kind == "degree" else token.text)
                i += 1
            elif token.text == "/" and self.token(i + 1).kind == "word":
                words.append("per")
                i += 1
            elif self.note(i) or (token.glued and words and 0 < self.pairs.get(i, i) - i < 4):
                i = self.pairs[i] + 1
            elif token.kind == "cross" and not self.times(i) and token.glued and words:
                i += 1
            else:
                break
        return words, i

    def note(self, i: int) -> bool:
        """Tell whether a pair of brackets begins at a token and holds only a few words, no sum."""
        close = self.pairs.get(i, i)
        within = self.tokens[i + 1 : close] if 0 < close - i < 9 else []
        named = bool(within) and within[0].kind == "word" and len(within[0].text) > 1
        return named and all(t.kind in ("word", "stop", "number") for t in within)


def _pairs(tokens: Sequence[Token]) -> dict[int, int]:
    """Map the index of each opening bracket to that of its closing bracket.

    Leave out brackets that have no partner, are nested too deeply, or have a relation or a line
    break between them.
    """
    pairs: dict[int, int] = {}
    opened: list[int] = []
    for i, token in enumerate(tokens):
        if token.kind in ("relation", "line", "arrow"):
            opened.clear()
        elif token.kind == "open":
            opened.append(i)
        elif token.kind == "close" and opened:
            j = opened.pop()
            if len(opened) < MAX_DEPTH and tokens[j].text + token.text in ("()", "[]", "{}"):
                pairs[j] = i
            elif len(opened) < MAX_DEPTH:
                opened.clear()
    return pairs
