"""Equations and inequalities in running text: found, and judged right, wrong or not checkable.

An equation that may mean something other than plain arithmetic is not checkable, never wrong.
"""

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from tunix_rt_nb.common import one_line
from tunix_rt_nb.tasks.sums.chains import Chain, chains
from tunix_rt_nb.tasks.sums.comparison import compare
from tunix_rt_nb.tasks.sums.context import Context
from tunix_rt_nb.tasks.sums.doubts import doubt
from tunix_rt_nb.tasks.sums.phrases import Phrases
from tunix_rt_nb.tasks.sums.sides import Side

_RELATION = re.compile(r"[=<>＝≤≥≠≈≃≅⩽⩾\\]|\b(?:is|are|equals?)\b", re.IGNORECASE)
_NOTE = re.compile(r"<<([^<>\n]{1,200})>>")


class Claim(NamedTuple):
    """An equation or inequality that a text claims, or a chain of them.

    Attributes:
      text: what is claimed, as it is written.
      start: where it begins in the text.
      right: whether it is right; None if that cannot be checked.
      why: why it is wrong, or cannot be checked; empty if it is right.
    """

    text: str
    start: int
    right: bool | None
    why: str = ""


def claims(text: str) -> list[Claim]:
    """Find the sums that a text claims and judge each, in exact arithmetic.

    It takes time linear in the text and evaluates nothing but numbers, brackets and signs.

    Example:
      >>> claims("Natalia sold 48/2 = 25 clips in May.")
      [Claim(text='48/2 = 25', start=13, right=False, why='48/2 is 24, not 25')]
      >>> [claim.right for claim in claims("So x + 3 = 8. Then 10/3 = 3.33 and 2 < 3 < 5.")]
      [None, True, True]
    """
    if not _RELATION.search(text):
        return []
    found = list(_claims(text))
    for note in _NOTE.finditer(text):  # GSM8K's calculator annotations
        found += [claim._replace(start=claim.start + note.start(1)) for claim in _claims(note[1])]
    return sorted(found, key=lambda claim: claim.start)


def judge_step(text: str) -> Claim | None:
    """Return the claim that decides whether a text is right: a wrong one, else one that is right.

    Returns:
      The first wrong claim; without one, the first right one; None if nothing can be checked.

    Example:
      >>> judge_step("Half of 48 is 48/2 = 24, so both are 48 + 24 = 62.").why
      '48 + 24 is 72, not 62'
    """
    found = claims(text)
    for verdict in (False, True):
        for claim in found:
            if claim.right is verdict:
                return claim
    return None


def _claims(text: str) -> Iterator[Claim]:
    earlier = 0
    for chain in chains(Phrases(text)):
        if any(side.signs for side in chain.sides) or not any(s.opaque for s in chain.sides):
            context = Context(text, chain.start, chain.end, earlier)
            right, why = _verdict(chain, context)
            yield Claim(text[chain.start : chain.end], chain.start, right, why)
        earlier = chain.end


def _verdict(chain: Chain, context: Context) -> tuple[bool | None, str]:
    """Judge a chain: wrong if a link is wrong, right if one is right and none in doubt.

    A link is one relation of the chain, with the sides to the left and right of it.

    Returns:
      True if the chain is right, False if wrong, None if not checkable; and the reason, which is
      empty if it is right.
    """
    found, doubted = False, ""
    opaque = any(side.opaque for side in chain.sides)
    reason = "is no plain arithmetic" if opaque else "has nothing to calculate"
    for k, relation in enumerate(chain.relations):
        a, b = chain.sides[k : k + 2]
        if a.opaque or b.opaque:
            continue
        dash = chain.dash and k == 0
        right = _holds(a, relation, b, dash)
        if not right and relation == "=" and context.rounds:
            relation = "≈"
            right = _holds(a, relation, b, dash)
        if right:
            found |= relation not in "=≈" or a.calculates or b.calculates
        elif right is None:
            reason = "depends on rounding"
        elif doubted := doubt(chain, k, context):
            reason = doubted
        else:
            return False, _why(a, relation, b)
    return (True, "") if found and not doubted else (None, reason)


def _holds(a: Side, relation: str, b: Side, dash: bool) -> bool | None:
    """Tell whether a relation holds between two sides, for at least one usual way to read them.

    For example, `20%` may be read as 1/5 or as 20 with a unit. Return None if the answer depends on
    rounding, if a side has no value, or if the relation holds only in an unlikely way to read the
    sides. `dash` tells whether `a` begins with a dash that may be a bullet.
    """
    found = {compare(x, relation, y) for x in a.values() for y in b.values()}
    if True in found:
        return True
    # A dash may begin an item of a list; points and commas may mark thousands or decimals.
    unlikely = [(a.values(other=True), b.values(other=True))]
    if dash:
        unlikely.append((Side(items=a.items[1:]).values(), b.values()))
    doubtful = any(compare(x, relation, y) for left, right in unlikely for x in left for y in right)
    return None if None in found or not found or doubtful else False


def _why(a: Side, relation: str, b: Side) -> str:
    left, right = one_line(a.text, 60), one_line(b.text, 60)
    if not a.signs and b.signs and relation in "=≈":
        a, b, left, right = b, a, right, left
    value = a.values()[0].value
    shown = _shown(value)
    said = f"{left} is {shown if shown != left else _rough(value)}" if a.signs else left
    if relation in "=≈":
        return f"{said}, not {'about ' if relation == '≈' else ''}{right}"
    of = f" = {_shown(b.values()[0].value)}" if b.signs else ""
    return f"{said}{', ' if a.signs else ' is '}not {relation} {right}{of}"


def _shown(value: Fraction) -> str:
    """Write a whole number, decimal or fraction exactly if that is short; else round it."""
    if value.denominator == 1 and abs(value) < 10**15:
        return str(value.numerator)
    if abs(value) < 10**9:
        if 10**6 % value.denominator == 0:
            return f"{value.numerator * (10**6 // value.denominator) / 10**6:.6f}".rstrip("0")
        if value.denominator < 1000:
            return f"{value.numerator}/{value.denominator}"
    return _rough(value)


def _rough(value: Fraction) -> str:
    return f"about {float(value):.6g}"
