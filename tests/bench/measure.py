"""How a benchmark measures, and the line in which it says so."""

import ctypes
import gc
import re
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

import jax


class Line(NamedTuple):
    """One figure; where there is a peer, a ratio over 1 means that ours is better."""

    name: str
    ours: float
    unit: str
    peer: float | None = None
    ratio: float | None = None


def seconds(
    work: Callable[[], object],
    repeats: int = 3,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """The median time of some work."""
    times = []
    for _ in range(repeats):
        started = clock()
        work()
        times.append(clock() - started)
    return median(times)


def settled_memory() -> int:
    """Bytes that the process has resident when nothing is computed and what was freed is given back.

    From here on `peak_memory` counts anew.
    """
    jax.block_until_ready(jax.live_arrays())
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return _resident("VmRSS")


def peak_memory() -> int:
    """The most bytes that the process had resident."""
    return _resident("VmHWM")


def _resident(name: str) -> int:
    status = Path("/proc/self/status").read_text()
    [found] = re.findall(rf"{name}:\s+(\d+) kB", status)
    return int(found) * 2**10
