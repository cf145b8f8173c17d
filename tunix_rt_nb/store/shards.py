"""The files of a trace store, and who may touch them when.

traces-HASH.jsonl      a shard, written once: a trace a line, its `id`, `created_at` and content
deleted-HASH.jsonl     ids of deleted traces, written once
.traces-HASH.index     which traces are in a shard and where (index.py)
.merge.json            shards that another one replaces, until they are gone
.lock                  held while a writer looks at what is there and adds to it

Readers hold a shared lock on the folder, and only merging shards takes it for itself. The kernel
lets go of the locks of a process that was killed, whatever it was doing; what it left half done
is no shard, or is named in `.merge.json`, and the next writer clears it away.
"""

import fcntl
import hashlib
import os
import time
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from tunix_rt_nb.common import InputError, files, strict_json
from tunix_rt_nb.store import index
from tunix_rt_nb.trace import Trace, id_of, parse_stored

PATIENCE = 60.0  # seconds that one waits for another process


def record(trace: Trace, created_at: str) -> dict[str, Any]:
    """A trace as a shard keeps it."""
    return {"id": trace.id, "created_at": created_at, **trace.model_dump()}


def line_of(trace: Trace, key: bytes, created_at: str) -> bytes:
    """The line of a shard that a trace takes; `key` is the trace's, which takes time to find."""
    content = trace.canonical_bytes()[1:]
    return b'{"id":"%b","created_at":"%b",%b\n' % (
        id_of(key).encode(),
        created_at.encode(),
        content,
    )


class Stored(NamedTuple):
    """A trace of the store, and when it came in."""

    trace: Trace
    created_at: str

    @classmethod
    def of(cls, line: bytes, where: str) -> "Stored":
        """Reads a line of a shard.

        Raises:
          InputError: it is no trace, its id is not that of its content, or its time is none.
        """
        try:
            trace, id, created_at = parse_stored(line)
            if id != trace.id:
                raise InputError("id: is not that of the content")
            index.micros(created_at)
        except (InputError, ValueError) as error:
            raise InputError(f"{where}: {error}") from None
        return cls(trace, created_at)

    def record(self) -> dict[str, Any]:
        """As a shard keeps it."""
        return record(self.trace, self.created_at)


class Lines(NamedTuple):
    """Lines of a shard: their text, the keys of their traces, and the length of each in bytes."""

    text: bytes
    keys: bytes
    lengths: array


def lines_of(traces: Iterable[Trace], created_at: str) -> Lines:
    """The lines of a shard that some traces take."""
    lines, keys = [], bytearray()
    for trace in traces:
        key = trace.key
        lines.append(line_of(trace, key, created_at))
        keys += key
    return Lines(b"".join(lines), bytes(keys), array("q", map(len, lines)))


class ShardDraft:
    """A shard that is being written."""

    def __init__(self, draft: files.Draft) -> None:
        self._draft = draft
        self._keys, self._times, self._places = bytearray(), array("q"), array("q")
        self._size = 0
        self._hash = hashlib.sha256()

    def append(self, line: bytes, key: bytes, at: int) -> None:
        """Adds a trace."""
        self._draft.file.write(line)
        self._hash.update(line)
        self._keys += key
        self._times.append(at)
        self._places.append(self._size)
        self._size += len(line)

    def extend(self, lines: Lines, at: int) -> None:
        """Adds traces, all of one time."""
        self._draft.file.write(lines.text)
        self._hash.update(lines.text)
        self._keys += lines.keys
        self._times.extend([at] * len(lines.lengths))
        self._places.extend(accumulate(lines.lengths[:-1], initial=self._size))
        self._size += len(lines.text)

    def copy(
        self, source: Path, table: np.ndarray, keep: np.ndarray, rewrite: bool = False
    ) -> None:
        """Adds some of the traces of a file, which has the rows of a table.

        Args:
          rewrite: whether its lines may be written in other ways than ours.
        """
        chosen = zip(keep.tolist(), index.keys(table), table["at"].tolist(), strict=True)
        with source.open("rb") as file:
            for line, (kept, key, at) in zip(
                files.lines(file, strict_json.MAX_LINE), chosen, strict=True
            ):
                if kept and rewrite:
                    trace, created_at = Stored.of(line, str(source))
                    line = line_of(trace, key, created_at)
                if kept:
                    self.append(line, key, at)

    def table(self) -> np.ndarray:
        """The rows so far."""
        return index.rows(bytes(self._keys), self._times, self._places)

    def settle(self) -> Path:
        """Brings it to the disk; where it lies for now."""
        self._draft.settle()
        return self._draft.path

    def name(self) -> str:
        """The name that it will have: the hash of its content."""
        return f"traces-{self._hash.hexdigest()[:16]}.jsonl"

    def publish(self, folder: Path) -> Path:
        """Makes it a shard."""
        path = folder / self.name()
        index.write(path, self._size, self.table())
        self._draft.publish(path)
        return path


@contextmanager
def draft(folder: Path) -> Iterator[ShardDraft]:
    """A new shard; it is gone again unless it is published."""
    with files.draft(folder) as new:
        yield ShardDraft(new)


class _Merge(NamedTuple):
    into: str
    replaced: list[str]


def shards(folder: Path) -> list[Path]:
    """The shards, in the order of their names."""
    found = sorted(folder.glob("traces-*.jsonl"))
    merge = _read_merge(folder)
    if merge is None or folder / merge.into not in found:
        return found
    return [path for path in found if path.name not in merge.replaced]


def deletions(folder: Path) -> list[Path]:
    """The files that say what was deleted, in the order of their names."""
    return sorted(folder.glob("deleted-*.jsonl"))


class _Deletion(msgspec.Struct):
    id: str
    deleted_at: str


_READ_DELETION = msgspec.json.Decoder(_Deletion).decode


def deleted(folder: Path) -> np.ndarray:
    """A row for each deleted trace.

    Raises:
      InputError: a file is damaged; the message names the line.
    """
    keys = bytearray()
    for path in deletions(folder):
        with path.open("rb") as file:
            for number, line in enumerate(files.lines(file, strict_json.MAX_LINE), 1):
                try:
                    keys += index.key_of(_READ_DELETION(line).id)
                except (ValueError, RecursionError) as error:
                    raise InputError(f"{path}:{number}: {strict_json.why(error, line)}") from None
    return index.rows(bytes(keys))


def write_deletion(folder: Path, ids: Iterable[str], deleted_at: str) -> None:
    """Writes down that traces are deleted."""
    content = b"".join(files.json_line({"id": id, "deleted_at": deleted_at}) for id in ids)
    name = f"deleted-{hashlib.sha256(content).hexdigest()[:16]}.jsonl"
    with files.atomic(folder / name) as file:
        file.write(content)


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """While shards are read: none goes away."""
    with _folder_lock(folder, fcntl.LOCK_SH):
        yield


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """While a writer looks at what is there and adds to it: no other does."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / ".lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=PATIENCE, poll_interval=0.01)
    except Timeout:
        raise _busy(folder) from None
    except OSError as error:
        raise files.unwritable(folder, error) from None
    try:
        _clear(folder)
        yield
    finally:
        lock.release()


def compact(folder: Path) -> int:
    """Puts one shard in the place of all, without deleted traces and without any trace twice.

    Returns:
      How many traces were left out.
    """
    old = shards(folder)
    for shard in old:
        index.check(shard)
    tables = [index.scan(shard) for shard in old]
    whole = index.concatenate(tables)
    keep = ~(index.repeated(whole) | index.among(whole, deleted(folder)))
    if keep.all() and len(old) < 2:
        return 0
    with draft(folder) as new:
        for shard, table in zip(old, tables, strict=True):
            by_hand = not index.path_of(shard).exists()
            new.copy(shard, table, keep[: len(table)], rewrite=by_hand)
            keep = keep[len(table) :]
        _replace(folder, old, new)
    return len(whole) - len(new.table())


def _replace(folder: Path, old: list[Path], new: ShardDraft) -> None:
    """Puts a shard in the place of others; killed at any moment, it is the one or the others."""
    new.settle()
    gone = [path.name for path in old if path.name != new.name()]
    with _folder_lock(folder, fcntl.LOCK_EX):
        files.write_json(folder / ".merge.json", {"into": new.name(), "replaced": gone})
        new.publish(folder)
        _clear(folder)


def _clear(folder: Path) -> None:
    """Ends what a killed writer began."""
    if found := _read_merge(folder):
        if (folder / found.into).exists():
            files.remove(folder / name for name in found.replaced)
        files.remove([folder / ".merge.json"])
    files.sweep(folder)
    indexed = {index.path_of(shard) for shard in folder.glob("traces-*.jsonl")}
    files.remove(path for path in folder.glob(".traces-*.index") if path not in indexed)


def _read_merge(folder: Path) -> _Merge | None:
    with suppress(FileNotFoundError):
        return _Merge(**files.read_json(folder / ".merge.json"))
    return None


@contextmanager
def _folder_lock(folder: Path, kind: int) -> Iterator[None]:
    try:
        handle = os.open(folder, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):  # nothing there to lock
        yield
        return
    try:
        _acquire(handle, folder, kind)
        yield
    finally:
        os.close(handle)


def _acquire(handle: int, folder: Path, kind: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise _busy(folder) from None
            time.sleep(0.02)
        except OSError:  # a file system without locks
            return None


def _busy(folder: Path) -> InputError:
    return InputError(f"{folder}: another process is at work there, wait or stop it")
