"""The verdict of one rung of the ladder about an answer."""

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
    """Return the verdict of a rung that decides: the score is 1.0 if right, else 0.0."""
    return Verdict(float(right), why)
