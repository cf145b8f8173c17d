"""Traces out of files that others made: JSON lines, plain or gzip, or standard input."""

import gzip
import io
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from tunix_rt_nb import files, interchange
from tunix_rt_nb.errors import InputError
from tunix_rt_nb.strict_json import MAX_LINE
from tunix_rt_nb.text import one_line
from tunix_rt_nb.trace import Trace

MAX_TOLD = 20  # bad lines told one by one
STDIN = Path("-")
_EVERY = 5_000  # lines between two reports of progress

Progress = Callable[[int, int], None]
"""Is told how many lines and how many bytes of the files were read since it was last told."""


def read(
    paths: Iterable[Path], form: str = "trace", progress: Progress = lambda lines, size: None
) -> Iterator[Trace]:
    """The traces of some files; those of a known task are checked step by step.

    Args:
      paths: JSON lines files, plain or gzip; `-` is standard input. Empty lines are passed over.
      form: one of `interchange.FORMS`.

    Raises:
      InputError: after the last line, where one was bad: `file:line: field: reason` of each of the
        first 20, and how many more there were.
    """
    parse = interchange.reader(form)
    bad = _Bad()
    for path in paths:
        try:
            for number, line in _lines(path, progress):
                try:
                    trace = parse(line)
                    if trace.meta and "task" in trace.meta:
                        _check_steps(trace)
                except InputError as error:
                    bad.add(f"{path}:{number}: {error}")
                    continue
                if not bad.count:
                    yield trace
        except InputError as error:  # the file itself
            bad.add(str(error))
    bad.tell()


class _Bad:
    """The bad lines so far."""

    def __init__(self) -> None:
        self.count = 0
        self._told: list[str] = []

    def add(self, line: str) -> None:
        self.count += 1
        if self.count <= MAX_TOLD:
            self._told.append(line)

    def tell(self) -> None:
        if self.count > 1:
            more = f"and {self.count - MAX_TOLD} more bad lines" if self.count > MAX_TOLD else ""
            self._told.append(f"{more or f'{self.count} bad lines'}; nothing was imported")
        if self.count:
            raise InputError("\n".join(self._told))


def _check_steps(trace: Trace) -> None:
    from tunix_rt_nb import tasks  # of no use to a file without known tasks, and slow to load

    if trace.task in tasks.TASKS and (wrong := tasks.problems(trace)):
        raise InputError(one_line(wrong[0]))


def _lines(path: Path, progress: Progress) -> Iterator[tuple[int, bytes]]:
    """Each line that is not empty, with its number."""
    number = full = told = 0
    try:
        with _opened(path) as (raw, file):
            for number, line in enumerate(files.lines(file, MAX_LINE), 1):
                if number == 1:
                    line = line.removeprefix(b"\xef\xbb\xbf")  # a byte order mark
                if number % _EVERY == 0:
                    place = raw.tell() if raw.seekable() else 0
                    progress(_EVERY, place - told)
                    told = place
                if not line.isspace():
                    full += 1
                    yield number, line
    except (EOFError, zlib.error) as error:
        raise InputError(f"{path}:{number + 1}: is cut off or damaged gzip: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    if not full:
        raise InputError(f"{path}: holds no traces, expected JSON lines")


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """A file as it is on the disk, and as text; both are the same unless it is gzip."""
    with path.open("rb") if path != STDIN else _standard_input() as raw:
        is_gzip = raw.peek(2).startswith(b"\x1f\x8b")
        yield raw, cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if is_gzip else raw


@contextmanager
def _standard_input() -> Iterator["io.BufferedReader[Any]"]:
    reader = io.BufferedReader(cast("Any", sys.stdin.buffer))
    try:
        yield reader
    finally:
        reader.detach()  # or it would close standard input
