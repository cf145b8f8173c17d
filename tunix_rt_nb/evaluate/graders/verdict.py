"""The verdict of one grader about an answer."""

from typing import NamedTuple


class Verdict(NamedTuple):
    """The verdict of one grader about an answer.

    Attributes:
      score: from 0.0 (wrong) to 1.0 (right); None if the grader cannot decide.
      why: the reason, as one clause.
    """

    score: float | None
    why: str


def passed(why: str) -> Verdict:
    """Return the verdict of a grader that cannot decide, so that the next one is tried."""
    return Verdict(None, why)


def decided(right: bool, why: str) -> Verdict:
    """Return the verdict of a grader that decides: the score is 1.0 if right, else 0.0."""
    return Verdict(float(right), why)
