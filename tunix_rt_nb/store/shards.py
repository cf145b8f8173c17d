"""The files of a trace store, and the locks that coordinate its readers and writers.

traces-HASH.jsonl      a shard, written once: each line has `id`, `created_at` and the trace
deleted-HASH.jsonl     ids of deleted traces, written once
.traces-HASH.index     which traces are in a shard and where (index.py)
.merge.json            the shards that a new shard replaces; exists until they are removed
.lock                  locked by the one process that may add shards or deletions

Readers hold a shared lock on the folder. Only a merge of shards takes the exclusive lock. The
operating system releases the locks of a killed process. Such a process can leave behind a temporary
file, an index without its shard, or shards that `.merge.json` lists as replaced. None of these
counts as a part of the store, and the next writer removes them.
"""

import fcntl
import hashlib
import os
import time
from array import array
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from tunix_rt_nb.common import InputError, files, strict_json
from tunix_rt_nb.store import index
from tunix_rt_nb.trace import Trace, id_of, parse_stored

PATIENCE = 60.0  # seconds to wait for another process to release a lock


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


class ShardDraft:
    """A shard that is being written to a temporary file, together with the rows of its index."""

    def __init__(self, draft: files.Draft) -> None:
        self._draft = draft
        self._keys, self._times, self._places = bytearray(), array("q"), array("q")
        self._size = 0
        self._hash = hashlib.sha256()

    def append(self, line: bytes, key: bytes, at: int) -> None:
        """Add the line of a trace.

        Args:
          line: the line, with its line break.
          key: the id of the trace as 16 bytes.
          at: its time in microseconds since 1970.
        """
        self._draft.file.write(line)
        self._hash.update(line)
        self._keys += key
        self._times.append(at)
        self._places.append(self._size)
        self._size += len(line)

    def extend(self, lines: Lines, at: int) -> None:
        """Add the lines of traces that all have the time `at`, in microseconds since 1970."""
        self._draft.file.write(lines.text)
        self._hash.update(lines.text)
        self._keys += lines.keys
        self._times.extend([at] * len(lines.lengths))
        self._places.extend(accumulate(lines.lengths[:-1], initial=self._size))
        self._size += len(lines.text)

    def copy(
        self, source: Path, table: np.ndarray, keep: np.ndarray, rewrite: bool = False
    ) -> None:
        """Add some of the lines of another file.

        Args:
          source: the file, in the format of a shard.
          table: the index row of each of its lines, an array of the dtype `store.ROW`.
          keep: True for each line to copy: bool[lines].
          rewrite: parse each line and format it again, for a file that another program may have
            written.
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
        """Return the index rows of the traces added so far, an array of the dtype `store.ROW`."""
        return index.rows(bytes(self._keys), self._times, self._places)

    def settle(self) -> Path:
        """Flush the temporary file to the disk. Return its path."""
        self._draft.settle()
        return self._draft.path

    def name(self) -> str:
        """Return the shard's final file name, `traces-HASH.jsonl`, with a hash of its content."""
        return f"traces-{self._hash.hexdigest()[:16]}.jsonl"

    def publish(self, folder: Path) -> Path:
        """Write the index, then rename the file, which makes it a shard of `folder`.

        Returns:
          The path of the shard.
        """
        path = folder / self.name()
        # Write the index first, so that our shards always have one. If a kill comes in between,
        # the index has no shard, and the next writer removes it.
        index.write(path, self._size, self.table())
        self._draft.publish(path)
        return path


@contextmanager
def draft(folder: Path) -> Iterator[ShardDraft]:
    """Open a temporary file for a new shard; delete it on exit unless it was published."""
    with files.draft(folder) as new:
        yield ShardDraft(new)


class _Merge(NamedTuple):
    into: str
    replaced: list[str]


def shards(folder: Path) -> list[Path]:
    """List the shards in the order of their names, without those that a merge has replaced."""
    found = sorted(folder.glob("traces-*.jsonl"))
    # As soon as a merged shard has its name, the shards that it replaces no longer count, even if
    # a kill left some of them behind. Until then they all count, and the merge does not.
    merge = _read_merge(folder)
    if merge is None or folder / merge.into not in found:
        return found
    return [path for path in found if path.name not in merge.replaced]


def deletions(folder: Path) -> list[Path]:
    """List the files that record deletions, in the order of their names."""
    return sorted(folder.glob("deleted-*.jsonl"))


class _Deletion(msgspec.Struct):
    id: str
    deleted_at: str


_READ_DELETION = msgspec.json.Decoder(_Deletion).decode


def deleted(folder: Path) -> np.ndarray:
    """Read the ids of all deleted traces.

    Returns:
      An array of the dtype `store.ROW`. Only its fields `hi` and `lo` have a meaning, the two
      halves of each id.

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
    """Write a file that marks traces as deleted; `deleted_at` is the time, ISO 8601 in UTC."""
    content = b"".join(files.json_line({"id": id, "deleted_at": deleted_at}) for id in ids)
    name = f"deleted-{hashlib.sha256(content).hexdigest()[:16]}.jsonl"
    with files.atomic(folder / name) as file:
        file.write(content)


def reading(folder: Path) -> AbstractContextManager[None]:
    """Hold the folder's shared lock within a `with` block, so that no merge removes a shard."""
    return _folder_lock(folder, fcntl.LOCK_SH)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Hold the folder's lock for writers within a `with` block; only one process can hold it.

    Wait up to 60 seconds for it. Once it is held, remove the files that killed writers left behind.

    Raises:
      InputError: another writer holds the lock for too long, or the folder cannot be written to.
    """
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
    """Merge all shards into one; drop the lines of deleted and repeated traces.

    Call this only inside a `with writing(folder)` block.

    Returns:
      The number of dropped lines.
    """
    # Read which traces the lines really hold. A damaged shard ends the merge here.
    old = shards(folder)
    for shard in old:
        index.check(shard)
    tables = [index.scan(shard) for shard in old]
    # Keep the first line of each trace, unless the trace was deleted.
    whole = index.concatenate(tables)
    keep = ~(index.repeated(whole) | index.among(whole, deleted(folder)))
    if keep.all() and len(old) < 2:
        return 0
    # Copy these lines into a draft. So far the store is as it was: a kill loses only the draft.
    with draft(folder) as new:
        for shard, table in zip(old, tables, strict=True):
            by_hand = not index.path_of(shard).exists()
            new.copy(shard, table, keep[: len(table)], rewrite=by_hand)
            keep = keep[len(table) :]
        _replace(folder, old, new)
    return len(whole) - len(new.table())


def _replace(folder: Path, old: list[Path], new: ShardDraft) -> None:
    """Replace the old shards by a new one: all of them or none, even if this process is killed."""
    # Flush first, because readers cannot come in while the folder is locked below.
    new.settle()
    # An old shard with the same content has the same name as the new one, so it stays.
    gone = [path.name for path in old if path.name != new.name()]
    with _folder_lock(folder, fcntl.LOCK_EX):
        # Note which shards will be replaced. The note has no effect until the new shard is there.
        files.write_json(folder / ".merge.json", {"into": new.name(), "replaced": gone})
        # This rename is the turning point: from here on only the new shard counts.
        new.publish(folder)
        # Remove the old shards and the note. After a kill, the next writer does this.
        _clear(folder)


def _clear(folder: Path) -> None:
    """Finish or undo an interrupted merge; remove the files that killed writers left behind.

    A merge is finished if its new shard has its final name, else undone.
    """
    # Remove the note last: a kill in between leaves it, and the next writer starts here again.
    if found := _read_merge(folder):
        if (folder / found.into).exists():
            files.remove(folder / name for name in found.replaced)
        files.remove([folder / ".merge.json"])
    # Remove temporary files whose writer was killed, then indexes whose shard never got its name.
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
        os.close(handle)  # this releases the lock


def _acquire(handle: int, folder: Path, kind: int) -> None:
    # Try again and again, because flock itself knows no time limit.
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise _busy(folder) from None
            time.sleep(0.02)
        except OSError:  # a file system without locks: go on without one
            return None


def _busy(folder: Path) -> InputError:
    return InputError(f"{folder}: another process uses this folder, wait for it or stop it")
