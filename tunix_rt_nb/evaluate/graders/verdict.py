"""What a rung of the ladder says about an answer."""

from typing import NamedTuple


class Verdict(NamedTuple):
    """The verdict of one rung.

    Attributes:
      score: from 0.0 (wrong) to 1.0 (right); None if the rung cannot decide.
      why: the reason, as one clause.
    """

    score: float | None
    why: str


def passed(why: str) -> Verdict:
    """Return the verdict of a rung that leaves the answer to the next one."""
    return Verdict(None, why)


def decided(right: bool, why: str) -> Verdict:
    """Return a verdict that is right or wrong."""
    return Verdict(float(right), why)
