"""The comparison of two values, each of which may have been rounded."""

from fractions import Fraction

from tunix_rt_nb.tasks.sums.tokens import Literal

_HALF = Fraction(1, 2)


def compare(a: Literal, relation: str, b: Literal) -> bool | None:
    """Tell whether a relation holds between two values, each of which may have been rounded.

    `=` also holds if one value is the other, rounded or cut off to the decimals shown: 1/3 = 0.33.
    `<`, `>`, `≤`, `≥` and `≠` compare the exact values, so 1/3 > 0.33 holds too. Return None if the
    answer depends on how a value was rounded.

    Args:
      a: the value on the left.
      relation: one of `= ≈ ≠ < > ≤ ≥`.
      b: the value on the right.

    Example:
      >>> third, said = Literal(Fraction(1, 3)), Literal(Fraction(33, 100), Fraction(1, 100))
      >>> compare(third, "=", said), compare(third, ">", said), compare(third, "<", said)
      (True, True, False)
    """
    if relation == "=":
        return _equal(a, b)
    if relation == "≈":
        return _about(a, b)
    if relation == "≠":
        return a.value != b.value
    holds = {
        "<": a.value < b.value,
        ">": a.value > b.value,
        "≤": a.value <= b.value,
        "≥": a.value >= b.value,
    }[relation]
    gap, slack = abs(a.value - b.value), a.slack + b.slack
    return holds or (None if slack > 0 and gap <= slack else False)


def _equal(a: Literal, b: Literal) -> bool | None:
    if a.value == b.value or _rounded(a.value, b) or _rounded(b.value, a):
        return True
    gap = abs(a.value - b.value)
    slack = a.slack + b.slack
    if gap <= slack:
        return None
    # A whole number may have been rounded to the nearest, down or up: 7 / 2 = 3 or 4.
    return None if gap < max(a.place, b.place) + slack else False


def _rounded(exact: Fraction, said: Literal) -> bool:
    """Tell whether `said` is the value `exact`, rounded or cut off to the decimals of `said`.

    Return False if `said` is a whole number or a fraction.
    """
    if said.place in (0, 1):
        return False
    cut = abs(exact) - abs(said.value)
    return abs(exact - said.value) <= said.place / 2 or (
        0 <= cut < said.place and exact * said.value >= 0
    )


def _about(a: Literal, b: Literal) -> bool | None:
    gap, size = abs(a.value - b.value), max(abs(a.value), abs(b.value))
    place = max(n.place * 10**n.zeros for n in (a, b))
    if gap <= place / 2 + a.slack + b.slack or gap * 50 <= size:
        return True
    if not place:  # an estimate such as 48 * 52 ≈ 50 * 50
        return None if gap * 4 <= size * 3 else False
    likely = Fraction(1, 50) if place < 1 else Fraction(1, 4)
    return None if gap <= 5 * place or gap <= likely * size else False
