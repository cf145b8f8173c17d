"""How a benchmark measures, and the line in which it says so."""

import time
from collections.abc import Callable
from statistics import median
from typing import NamedTuple


class Line(NamedTuple):
    """One figure; where there is a peer, a ratio over 1 means that ours is better."""

    name: str
    ours: float
    unit: str
    peer: float | None = None
    ratio: float | None = None


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """The median time of some work."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return median(times)
