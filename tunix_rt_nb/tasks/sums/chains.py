"""Chains of equations or inequalities in a text, such as `3 * 4 = 12 = 24 / 2`."""

from collections.abc import Iterator
from typing import NamedTuple

from tunix_rt_nb.tasks.sums import wording
from tunix_rt_nb.tasks.sums.phrases import NUMERIC, Phrases
from tunix_rt_nb.tasks.sums.reading import read_side
from tunix_rt_nb.tasks.sums.sides import Side

_APART = ("end", "line", "stop", "relation", "arrow", "open")


class Chain(NamedTuple):
    """Two or more sides of equations or inequalities, with relations between them.

    Attributes:
      sides: the sides, from left to right.
      relations: the relation after each side but the last: one of `= ≈ ≠ < > ≤ ≥`.
      start, end: where the chain begins and ends in the text, as indices of characters.
      spoken: whether a relation is written as a word, such as `is`.
      dash: whether it begins a line with a dash, which may be a minus or a bullet.
    """

    sides: list[Side]
    relations: list[str]
    start: int
    end: int
    spoken: bool
    dash: bool


def chains(phrases: Phrases) -> Iterator[Chain]:
    """Yield the chains of equations or inequalities in a text, in order.

    `phrases` holds the tokens of the text.
    """
    i = 0
    while i < len(phrases.tokens):
        opaque = _begins(phrases, i)
        if opaque is None:
            i += 1
            continue
        first, before = phrases.token(i), phrases.token(i - 1).kind
        side = read_side(phrases, i, opaque)
        side.doubt |= (first.text == "-" and before == "word") or before == "number"
        side.doubt |= before == "operator" and not side.signs
        sides, relations, spoken = [side], [], False
        while found := _relation(phrases, sides[-1]):
            sign, word, at = found
            side = read_side(phrases, at)
            if side.after == at:
                break
            sides.append(side)
            relations.append(sign)
            spoken |= word
        if relations:
            end = phrases.token(sides[-1].after - 1).end
            dash = first.text == "-" and before in ("line", "end")
            yield Chain(sides, relations, first.start, end, spoken, dash)
        i = max(sides[-1].after, i + 1)


def _begins(phrases: Phrases, i: int) -> bool | None:
    """Tell whether one side of an equation begins at token `i`, and with what.

    Returns:
      None if no side begins there. True if a side begins with something of unknown value, such as a
      variable. False if it begins with a number, a bracket, a root or a sign.
    """
    token, before, after = phrases.token(i), phrases.token(i - 1), phrases.token(i + 1)
    if token.kind in NUMERIC:
        return None if token.kind == "open" and i not in phrases.pairs else False
    if token.kind == "operator":
        bullet = token.text in ("*", "-") and not after.glued and before.kind in ("line", "end")
        if phrases.markup(i) or bullet:
            return None
        if token.text == "-" and before.kind in _APART:
            return False
        signed = token.text == "-" and before.kind == "word" and not token.glued and after.glued
        return not (signed or (token.text == "+" and before.kind in ("relation", "open")))
    if token.kind in ("word", "odd", "cross") or token.text == "?":
        if after.kind == "open" and i + 1 in phrases.pairs:
            if phrases.root(i):
                return False
            if after.glued:
                return True
        long = token.kind == "word" and len(token.text) > 1
        signed = long and after.text == "-" and not after.glued and phrases.token(i + 2).glued
        if after.kind == "operator" and not phrases.markup(i + 1) and not signed:
            return True
    return None


def _relation(phrases: Phrases, left: Side) -> tuple[str, bool, int] | None:
    """Read the relation, such as `=` or `is equal to`, that follows one side of an equation.

    Returns:
      The sign of the relation, whether it is written as a word, and the index of the token after
      it; None if no relation follows.
    """
    i = left.after
    if not phrases.relates(i):
        return None
    token = phrases.token(i)
    if token.kind == "line":
        i += 1
        token = phrases.token(i)
    word = token.kind == "word"
    i += 1
    if word and phrases.token(i).text.lower() == "equal":
        i += 1
    if word and phrases.token(i).text.lower() == "to":
        i += 1
    sign = "=" if word else token.text
    while phrases.token(i).text.lower() in wording.ABOUT | {"~", "sim", "≈"}:
        sign = "≈" if sign == "=" else sign
        i += 1
    if word and (left.opaque or not left.signs or phrases.token(i).kind not in NUMERIC):
        return None
    return sign, word, i
