"""Signs of life while long work goes on: a clock that ticks, and lines that are not too many."""

import contextlib
import contextvars
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise

DISPLAY = "tunix-rt-progress"  # begins the ids of displays in notebooks that tell progress
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def duration(seconds: float) -> str:
    """Return a time span in its two largest units.

    Example:
      >>> duration(7.9), duration(80), duration(60), duration(7_500), duration(200_000)
      ('7 s', '1 min 20 s', '1 min', '2 h 5 min', '2 d 7 h')
    """
    whole = int(max(seconds, 0))
    for (unit, size), (lower, part) in pairwise(_UNITS):
        if whole >= size:
            more = whole % size // part
            return f"{whole // size} {unit}" + (f" {more} {lower}" if more else "")
    return f"{whole} s"


def every(seconds: float, tell: Callable[[str], None]) -> Callable[[str], None]:
    """Return a function that passes a text on, at most once in so many seconds.

    The first text is passed on after `seconds`, so short work tells nothing.
    """
    last = time.monotonic()

    def told(text: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= seconds:
            last = now
            tell(text)

    return told


@contextlib.contextmanager
def ticking(call: Callable[[], None], seconds: float) -> Iterator[None]:
    """Call a function every few seconds, in another thread, while a `with` block runs.

    The thread has the context of this one, so what it prints in a notebook goes to the same cell.
    """
    done = threading.Event()

    def tick() -> None:
        while not done.wait(seconds):
            call()

    thread = threading.Thread(target=contextvars.copy_context().run, args=(tick,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
