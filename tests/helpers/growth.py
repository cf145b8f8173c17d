"""Growth of the cost of work with its size, without a clock: a busy machine changes nothing."""

import sys
import time
from collections.abc import Callable
from types import FrameType

TRIES = 4


def linear(work: Callable[[int], object], size: int, by: int = 8) -> bool:
    """Tell whether work that is `by` times as large costs about `by` times as much, or less.

    The cost is this thread's processor time, of which others take none. Their traffic in caches and
    memory still slows it down, so the least of several tries counts. Quadratic work fails: it
    would cost `by` squared times as much.
    """
    small = large = float("inf")
    for _ in range(TRIES):
        small, large = min(small, _cost(work, size)), min(large, _cost(work, by * size))
        if large < by**1.5 * small:
            return True
    return False


def calls(work: Callable[[], object]) -> int:
    """Count the calls of functions, those of Python and those of C, that work makes here."""
    count = 0

    def counted(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def _cost(work: Callable[[int], object], size: int) -> float:
    start = time.thread_time()
    work(size)
    return time.thread_time() - start
