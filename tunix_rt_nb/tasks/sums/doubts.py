"""Reasons not to call an equation wrong, though its sides differ."""

import re

from tunix_rt_nb.tasks.sums import wording
from tunix_rt_nb.tasks.sums.chains import Chain
from tunix_rt_nb.tasks.sums.comparison import compare
from tunix_rt_nb.tasks.sums.context import Context
from tunix_rt_nb.tasks.sums.sides import Side
from tunix_rt_nb.tasks.sums.tokens import Literal


def doubt(chain: Chain, k: int, context: Context) -> str:
    """Return a reason not to call a link wrong although it does not hold; empty if there is none.

    A link is one relation of the chain, with the sides to the left and right of it.

    Args:
      chain: the chain.
      k: the index of the link in the chain.
      context: the text around the chain.
    """
    a, b = chain.sides[k : k + 2]
    units = [*a.units, *b.units]
    # If neither side adds or subtracts, units cancel as in one fraction: left side over right side.
    # So swap what is above and below the bar in the units of the right side.
    turned = b.units if a.sums or b.sums else [wording.Unit(u.per, u.names) for u in b.units]
    sums, signs = a.sums + b.sums, a.signs + b.signs
    numbers = sum(not isinstance(item, str) for item in [*a.items, *b.items])
    percents = a.percents + b.percents
    equal = chain.relations[k] in "=≈"
    quoted = set('"“”') & {*a.text, *b.text}
    if a.doubt or b.doubt or quoted or not context.claimed:
        return "may mean something else"
    if wording.convertible([*a.units, *turned]) or (
        wording.mixed(units) and (sums or not signs) and not (signs and _misses(a, b, units))
    ):
        return "has several units"
    if sums and 0 < percents < numbers:
        return "adds to a percentage"
    if not signs and equal and (k == 0 or not _restated(a, b)):
        return "has nothing to calculate"
    if k == 0 and not a.signs:
        # `12 items = 4 * $5 = $20` goes on from what is counted to what it costs.
        going_on = equal and (a.units or len(chain.relations) > 1)
        if going_on or chain.dash or not context.opens:
            return "may begin with a label"
    if chain.spoken and b.followed not in ("stop", "line", "end"):
        return "may mean something else"
    if any(_range(side) for side in (a, b)):
        return "may be a range"
    fraction = len(b.items) == 3 and b.items[1] == "⁄"
    if equal and b.signs and not fraction and _runs(a, _first(b)):
        return "goes on with its result"
    return ""


def _misses(a: Side, b: Side, units: list[wording.Unit]) -> bool:
    """Tell whether the values of two sides are so close that the sides were meant to be equal.

    The sides have different units. Return False if they may count different things. In
    `2 hens + 3 cows = 16 legs`, each hen has several legs; in `2 pens + 3 books = $19`, each pen
    costs several dollars.

    `units` are the units of both sides.
    """
    x, y = (abs(side.values()[0].value) for side in (a, b))
    return y >= 10 and abs(x - y) * 4 <= y and not wording.paid(units)


def _restated(a: Side, b: Side) -> bool:
    """Tell whether the plain numbers `a` and `b` must be the same, as in `5 * 5 = 25 = 26`.

    Here `a` is 25 and `b` is 26. Return False if `b` may be the same amount in another unit, as in
    `1/4 = 0.25 = 25`, where 25 may be a percentage.
    """
    if a.units or b.units or a.percents or b.percents or b.followed not in ("stop", "line", "end"):
        return False
    less, more = sorted(abs(side.values()[0].value) for side in (a, b))
    return not less or more / less not in (10, 100, 1000)


def _range(side: Side) -> bool:
    """Tell whether a side looks like a range, such as `3-5`."""
    match = re.fullmatch(r"(\d{1,9})[-–](\d{1,9})", side.text)
    return match is not None and int(match[1]) < int(match[2])


def _first(side: Side) -> Literal | None:
    """Return the number that a side begins with; None if it begins with a bracket or a sign."""
    return side.items[0] if isinstance(side.items[0], Literal) else None


def _runs(a: Side, first: Literal | None) -> bool:
    """Tell whether a calculation may go on with its result, as in `5 + 3 = 8 - 2 = 6`.

    Args:
      a: the left side, `5 + 3` in the example.
      first: the number that begins the right side, 8 in the example; None if the side does not
        begin with a number.

    Returns:
      True if `first` may be the value of `a`.
    """
    return first is not None and any(compare(x, "=", first) is not False for x in a.values())
