"""Ways to make a number of other numbers, as in the game Countdown."""

from collections.abc import Container, Iterator
from functools import lru_cache
from typing import NamedTuple

_LARGEST = 99_999  # the largest value on the way to a target

Numbers = tuple[int, ...]
Problem = tuple[Numbers, int]
"""The given numbers, and the target."""


class Way(NamedTuple):
    """A way to make `value`: it is a given number, or `op` applied to the values of two `parts`."""

    value: int
    op: str = ""
    parts: tuple["Way", ...] = ()


def results(a: int, b: int) -> list[tuple[str, int]]:
    """List (operator, value) for each allowed operation with `a` on the left and `b` on the right.

    An operation is allowed if its value is a whole number from 0 to 99,999.
    """
    found = [("+", a + b), ("*", a * b)] if a < b else [("+", a + b), ("-", a - b), ("*", a * b)]
    if b and a % b == 0:
        found.append(("/", a // b))
    if a + b > _LARGEST or a * b > _LARGEST:
        return [(op, value) for op, value in found if value <= _LARGEST]
    return found


@lru_cache(maxsize=1000)
def search(problem: Problem) -> Way | None:
    """Find a way to the target, or return None.

    A bit mask stands for a subset of the numbers. The values that a subset can make are found only
    once, and only if the search needs them.
    """
    numbers, target = problem
    ways: dict[int, dict[int, Way]] = {1 << i: {n: Way(n)} for i, n in enumerate(numbers)}
    for some, others in _halves((1 << len(numbers)) - 1):
        theirs = _made(ways, others)
        useful = {a for b in theirs for a in _partners(b, target)}
        ours = _made(ways, some, useful)
        if not useful.isdisjoint(ours):
            a = next(a for a in ours if a in useful)
            b = next(b for b in theirs if b in _partners(a, target))
            parts = (ours[a], theirs[b]) if a >= b else (theirs[b], ours[a])
            found = results(max(a, b), min(a, b))
            return Way(target, next(op for op, value in found if value == target), parts)
    return None


def _made(
    ways: dict[int, dict[int, Way]], mask: int, useful: Container[int] = ()
) -> dict[int, Way]:
    """Return all values that a subset of the numbers can make, with a way to make each.

    Args:
      ways: the same for the subsets of which it is known, by bit mask; others are added.
      mask: the bit mask of the subset.
      useful: the values at which to stop, because one of them is enough.
    """
    if mask in ways:
        return ways[mask]
    found: dict[int, Way] = {}
    for some, others in _halves(mask):
        theirs = _made(ways, others)
        for a, u in _made(ways, some).items():
            for b, v in theirs.items():
                parts, first, second = ((u, v), a, b) if a >= b else ((v, u), b, a)
                for op, value in results(first, second):
                    if value not in found:
                        found[value] = Way(value, op, parts)
                        if value in useful:
                            return found
    ways[mask] = found
    return found


def _halves(mask: int) -> Iterator[tuple[int, int]]:
    """Yield all ways to cut a set in two, as bit masks; the first part has the highest bit."""
    part = mask - 1 & mask
    while 2 * part > mask:
        yield part, mask ^ part
        part = part - 1 & mask


def _partners(a: int, target: int) -> list[int]:
    """Return all numbers that make a target above 0 by an operation with `a`, on either side."""
    found = [abs(target - a), target + a]
    if a:
        found.append(target * a)
        found += [target // a] if target % a == 0 else []
        found += [a // target] if a % target == 0 else []
    return found


def expression(way: Way) -> str:
    """Write a way as an expression, with brackets around each part that is one too.

    Example:
      >>> expression(search(((3, 4, 5, 6), 24)))
      '6*(3+(5-4))'
    """
    return way.op.join(
        f"({expression(part)})" if part.op else str(part.value) for part in way.parts
    )
