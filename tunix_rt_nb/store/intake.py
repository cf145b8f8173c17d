"""Import of traces from files that others made: JSON lines, plain or gzip, or standard input."""

import io
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

from tunix_rt_nb.common import InputError, files, one_line, strict_json, workers
from tunix_rt_nb.store.shards import Lines, lines_of
from tunix_rt_nb.trace import formats

MAX_TOLD = 20  # bad lines that are reported one by one
STDIN = Path("-")
_BLOCK = 1 << 20  # bytes of lines that are parsed at a time
_EVERY = 5_000  # lines between two progress reports

Progress = Callable[[int, int], None]
"""A callback that gets the number of lines and of file bytes read since its last call."""


def unseen(lines: int, size: int) -> None:
    """Report no progress."""


class _Block(NamedTuple):
    """Some lines of a file, each with its number, and what is wrong with the file, if anything."""

    path: Path
    lines: list[tuple[int, bytes]]
    wrong: str = ""


def read(
    paths: Iterable[Path],
    created_at: str,
    form: str = "trace",
    progress: Progress = unseen,
    processes: int = 1,
) -> Iterator[Lines]:
    """Yield the traces of some files as lines for a shard.

    Traces of a known task are checked step by step.

    Args:
      paths: JSON lines files, plain or gzip; `-` is standard input. Empty lines are skipped.
      created_at: the time that the traces get, as the store writes times.
      form: the format of the records, one of `formats.FORMATS`.
      progress: called while the files are read.
      processes: how many processes share the work.

    Raises:
      InputError: after the last line, if any line was bad: `file:line: field: reason` for each of
        the first 20, and how many more there were.
    """
    formats.reader(form)  # raises if there is no such format
    told: list[str] = []
    count = 0
    parse = partial(_parsed, form, created_at)
    for lines, bad in workers.ordered(parse, _blocks(paths, progress), processes):
        # After the first bad line nothing will be imported. Read on only to report the others.
        told += bad[: MAX_TOLD - len(told)]
        count += len(bad)
        if not count:
            yield lines
    if count > 1:
        more = f"and {count - MAX_TOLD} more bad lines" if count > MAX_TOLD else ""
        told.append(f"{more or f'{count} bad lines'}; nothing was imported")
    if told:
        raise InputError("\n".join(told))


def _parsed(form: str, created_at: str, block: _Block) -> tuple[Lines, list[str]]:
    """Return the traces of a block as lines for a shard, and a message for each bad line."""
    parse = formats.reader(form)
    traces = []
    bad = [block.wrong] if block.wrong else []
    for number, line in block.lines:
        try:
            trace = parse(line)
            if trace.meta and "task" in trace.meta:
                from tunix_rt_nb import tasks  # slow to load, and only these traces need it

                if wrong := tasks.problems(trace):
                    raise InputError(one_line(wrong[0]))
        except InputError as error:
            bad.append(f"{block.path}:{number}: {error}")
        else:
            traces.append(trace)
    return lines_of(traces, created_at), bad


def _blocks(paths: Iterable[Path], progress: Progress) -> Iterator[_Block]:
    for path in paths:
        found: list[tuple[int, bytes]] = []
        size, wrong = 0, ""
        try:
            for number, line in _lines(path, progress):
                found.append((number, line))
                size += len(line)
                if size >= _BLOCK:
                    yield _Block(path, found)
                    found, size = [], 0
        except InputError as error:  # about the file, not about one of its lines
            wrong = str(error)
        yield _Block(path, found, wrong)


def _lines(path: Path, progress: Progress) -> Iterator[tuple[int, bytes]]:
    """Yield each line that is not empty, with its number."""
    number = full = told = 0
    try:
        with path.open("rb") if path != STDIN else _standard_input() as raw:
            for number, line in files.numbered(raw, strict_json.MAX_LINE):
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
def _standard_input() -> Iterator["io.BufferedReader[Any]"]:
    reader = io.BufferedReader(cast("Any", sys.stdin.buffer))
    try:
        yield reader
    finally:
        reader.detach()  # else the reader would close standard input
