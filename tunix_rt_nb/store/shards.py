"""A shard, which has a trace in each line, and a deletion file, which has an id in each line.

Both are written once. The name of such a file holds the beginning of the sha256 of its content, so
an altered file can be told. A file with another name was put there by hand.
"""

import hashlib
import re
import time
from array import array
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from tunix_rt_nb.common import InputError, files, strict_json
from tunix_rt_nb.store import index
from tunix_rt_nb.trace import Trace, id_of, parse_stored

HASHED = re.compile(r"(?:traces|deleted)-([0-9a-f]{16})\.jsonl")  # the name of such a file
_SETTLED = 2_000_000_000  # nanoseconds after which a change would show in the time of a file
_sound: dict[Path, tuple[int, ...]] = {}  # files that have the content that their name tells


def line_of(trace: Trace, key: bytes, created_at: str) -> bytes:
    """Return the line that a shard has for a trace, with its line break.

    Args:
      trace: the trace.
      key: `trace.key`, the trace's id as 16 bytes. It is slow to compute, and callers have it.
      created_at: the time to store with the trace, ISO 8601 in UTC.
    """
    content = trace.canonical_bytes()[1:]
    return b'{"id":"%b","created_at":"%b",%b\n' % (
        id_of(key).encode(),
        created_at.encode(),
        content,
    )


class Stored(NamedTuple):
    """A trace of the store, and the time that was stored with it, ISO 8601 in UTC."""

    trace: Trace
    created_at: str

    @classmethod
    def of(cls, line: bytes, where: str) -> "Stored":
        """Parse a line of a shard.

        Args:
          line: the line.
          where: the name of this line in an error message, usually `file:line`.

        Raises:
          InputError: the line is not a trace, its id is not that of its content, or its time is not
            ISO 8601.
        """
        try:
            trace, id, created_at = parse_stored(line)
            if id != trace.id:
                raise InputError("id: does not match the content")
            index.micros(created_at)
        except (InputError, ValueError) as error:
            raise InputError(f"{where}: {error}") from None
        return cls(trace, created_at)

    def record(self) -> dict[str, Any]:
        """Return a dict as a shard keeps it: `id`, `created_at` and the fields of the trace."""
        return {"id": self.trace.id, "created_at": self.created_at, **self.trace.model_dump()}


class Lines(NamedTuple):
    """Lines for a shard.

    Attributes:
      text: all lines, concatenated.
      keys: the ids of their traces, 16 bytes each, concatenated.
      lengths: the size of each line in bytes: int64.
    """

    text: bytes
    keys: bytes
    lengths: array


def lines_of(traces: Iterable[Trace], created_at: str) -> Lines:
    """Convert traces to lines for a shard, all with the time `created_at`, ISO 8601 in UTC."""
    lines, keys = [], bytearray()
    for trace in traces:
        key = trace.key
        lines.append(line_of(trace, key, created_at))
        keys += key
    return Lines(b"".join(lines), bytes(keys), array("q", map(len, lines)))


def is_altered(path: Path) -> bool:
    """Tell if the content of a shard or deletion file is not the one whose hash is in its name.

    A file with another name, put there by hand, tells no hash, so the answer is False.
    """
    named = HASHED.fullmatch(path.name)
    if named is None:
        return False
    state = path.stat()
    stamp = (state.st_ino, state.st_size, state.st_ctime_ns)
    if _sound.get(path) == stamp:
        return False
    same = files.sha256(path).startswith(named[1])
    # Hash a file once only, unless it is so new that a change would leave its time as it is.
    if same and time.time_ns() - state.st_ctime_ns > _SETTLED:
        _sound[path] = stamp
    return not same


def check(path: Path) -> None:
    """Raise `InputError` if `is_altered` finds that a shard or deletion file was altered."""
    if is_altered(path):
        raise InputError(altered(path))


def altered(path: Path) -> str:
    """Return the message about a shard or deletion file that was altered."""
    return (
        f"{path}: was altered after it was written, its name is the hash of other content; restore"
        " it, or move it out of this folder"
    )


class _Deletion(msgspec.Struct):
    id: str
    deleted_at: str


_READ_DELETION = msgspec.json.Decoder(_Deletion).decode


def deleted(paths: Iterable[Path]) -> np.ndarray:
    """Read the ids of the deleted traces from deletion files.

    Returns:
      An array of the dtype `store.ROW`. Only its fields `hi` and `lo` have a meaning, the two
      halves of each id.

    Raises:
      InputError: a file is damaged; the message names the line.
    """
    keys = bytearray()
    for path in paths:
        with path.open("rb") as file:
            for number, line in enumerate(files.lines(file, strict_json.MAX_LINE), 1):
                try:
                    keys += index.key_of(_READ_DELETION(line).id)
                except (ValueError, RecursionError) as error:
                    raise InputError(f"{path}:{number}: {strict_json.why(error, line)}") from None
        check(path)
    return index.rows(bytes(keys))


def write_deletion(folder: Path, ids: Iterable[str], deleted_at: str) -> None:
    """Write a file that marks traces as deleted; `deleted_at` is the time, ISO 8601 in UTC."""
    content = b"".join(files.json_line({"id": id, "deleted_at": deleted_at}) for id in ids)
    name = f"deleted-{hashlib.sha256(content).hexdigest()[:16]}.jsonl"
    with files.atomic(folder / name) as file:
        file.write(content)
