"""Progress of long commands: on a terminal one line that moves, elsewhere a line every ten seconds.

The line is on stderr. What a command prints meanwhile goes above it: see `aside`.
"""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from tunix_rt_nb import runs
from tunix_rt_nb.common import live, printable

_WIPED = "\r\x1b[K"
_SELDOM = 9.0  # seconds between two lines that stay; a tick later, it is ten at most
_BAR = 24  # characters

_Item = TypeVar("_Item")
_lock = threading.RLock()  # of the terminal
_shown: list["Line"] = []  # the line that stands on the terminal now, if any does


class Line:
    """The line, which `line` makes. Call it with each new text.

    Args:
      write: writes to stderr.
      fd: its file descriptor if it is a terminal; None if not.
    """

    def __init__(self, write: Callable[[str], object], fd: int | None) -> None:
        self._write, self._fd = write, fd
        self.begin()

    def begin(self) -> None:
        """Count from now on when the next line is due that stays."""
        self._stay = live.every(_SELDOM, lambda text: self._put(f"{text}\n"))

    def __call__(self, text: str) -> None:
        """Show a text in place of the last one; without a terminal, print it if it is time."""
        text = printable(text).replace("\n", " ").rstrip()
        if self._fd is None:
            self._stay(text)
            return
        with _lock:
            self._put(f"{_WIPED}{text[: _width(self._fd) - 1]}")
            _shown[:] = [self]

    def wipe(self) -> None:
        """Wipe the line from the terminal."""
        with _lock:
            if self in _shown:
                self._put(_WIPED)
                _shown.clear()

    def _put(self, text: str) -> None:
        with contextlib.suppress(OSError):  # a terminal that is gone ends no work
            self._write(text)


def _width(fd: int) -> int:
    try:
        return os.get_terminal_size(fd).columns or 80
    except OSError:
        return 80


@contextlib.contextmanager
def line() -> Iterator[Line]:
    """Give a line for what goes on in a `with` block, and wipe it at the end.

    It writes to a copy of stderr, because a chain sends stderr itself to a log.
    """
    with contextlib.ExitStack() as stack:
        try:
            fd = os.dup(sys.stderr.fileno())
        except (OSError, ValueError):  # stderr is a buffer in memory
            made = Line(sys.stderr.write, None)
        else:
            stack.callback(os.close, fd)
            moves = os.isatty(fd) and os.environ.get("TERM") != "dumb"
            write = lambda text: os.write(fd, text.encode(errors="replace"))  # noqa: E731
            made = Line(write, fd if moves else None)
        stack.callback(made.wipe)
        yield made


def of_chain(line: Line) -> dict[str, Any]:
    """Return the callbacks of `runs.chain.run` that show in a line what each step is doing."""
    return {
        "on_start": lambda step: line.begin(),
        "on_progress": lambda step, state: line(f"  {runs.stem(step):<12}  {state}"),
    }


@contextlib.contextmanager
def aside() -> Iterator[None]:
    """Wipe the line that stands on the terminal, so that a `with` block can print there."""
    with _lock:
        for one in [*_shown]:
            one.wipe()
        yield


class Progress:
    """How far a command is: a bar if the total is known, else a clock.

    Attributes:
      what: what goes on, such as `exporting`.
      total: all that is to be done, in any unit; 0 if it is not known.
      done: how much of it is done.
    """

    def __init__(self, what: str, total: float = 0) -> None:
        self.what, self.total, self.done = what, total, 0.0
        self._lines, self._began = 0, time.monotonic()

    def say(self, what: str) -> None:
        """Say what goes on from now on; its clock starts anew."""
        self.what, self._began = what, time.monotonic()

    def read(self, lines: int, size: int) -> None:
        """Add `lines` lines and `size` bytes that were read."""
        self._lines += lines
        self.done += size
        self.what = f"{self._lines:,} lines read"

    def through(self, items: Iterable[_Item]) -> Iterator[_Item]:
        """Yield items; count each as done once the next one is asked for."""
        for item in items:
            yield item
            self.done += 1

    def __str__(self) -> str:
        seconds = time.monotonic() - self._began
        if not self.total:
            return f"  {self.what}, {live.duration(seconds)}"
        share = min(self.done / self.total, 1.0)
        left = f"  {live.duration(seconds / share - seconds)} left" if 0 < share < 1 else ""
        return f"  [{'#' * round(_BAR * share):<{_BAR}}] {share:4.0%}  {self.what}{left}"


@contextlib.contextmanager
def progress(what: str, total: float = 0) -> Iterator[Progress]:
    """Show the progress of a `with` block every second, from its first second on.

    Args:
      what: what goes on, such as `exporting`.
      total: all that is to be done, in any unit; 0 if it is not known.
    """
    made = Progress(what, total)
    with line() as shown, live.ticking(lambda: shown(str(made)), 1.0):
        yield made


def size(paths: Iterable[Path]) -> int:
    """Return the bytes of all files among some paths."""
    return sum(path.stat().st_size for path in paths if path.is_file())
