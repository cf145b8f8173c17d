"""The trace store: DuckDB over append-only JSONL shards.

A shard is written under a temporary name, flushed, renamed, and never changed again. Its name is
the hash of its content. No trace is in two shards: a writer first flushes its traces to the disk.
Then it takes the lock, leaves out the traces that the store has by now, and gives its shard a name.
So a kill at any moment loses nothing, two writers lose and repeat nothing, and adding the same
traces twice adds nothing. Deletions are files too. A deleted trace stays deleted.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tunix_rt_nb.common import (
    InputError,
    files,
    filter_condition,
    one_line,
    records,
    sql,
    strict_json,
)
from tunix_rt_nb.store import index, intake, shards, verify
from tunix_rt_nb.store.contents import Contents
from tunix_rt_nb.store.shards import ShardDraft, Stored
from tunix_rt_nb.trace import Trace, id_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

COLUMNS = {
    "id": "VARCHAR",
    "created_at": "VARCHAR",
    "trace_version": "VARCHAR",
    "prompt": "VARCHAR",
    "steps": "STRUCT(i BIGINT, type VARCHAR, content VARCHAR)[]",
    "final_answer": "VARCHAR",
    "meta": "JSON",
}
_MEMORY = "600MB"  # DuckDB puts what does not fit on the disk
_DELETED = {"id": "VARCHAR", "deleted_at": "VARCHAR"}


def now() -> str:
    """Return the current time, as the store writes times."""
    return _utc(datetime.now(UTC).isoformat())


class Added(NamedTuple):
    """Counts of added traces: the new ones, those already in the store, those deleted earlier."""

    new: int
    known: int
    deleted: int = 0


class TraceStore:
    """The traces in one folder of shards.

    Args:
      folder: where the shards lie; created when the first trace is added.
      threads: how many threads DuckDB may use; results never depend on it.

    Example:
      >>> import tempfile
      >>> store = TraceStore(Path(tempfile.mkdtemp()))
      >>> trace = Trace.of("What is 2 + 2?", [("compute", "2 + 2 = 4.")], "4")
      >>> store.add([trace], created_at="2026-01-01T00:00:00Z")
      Added(new=1, known=0, deleted=0)
      >>> store.add([trace], created_at="2026-01-02T00:00:00Z")
      Added(new=0, known=1, deleted=0)
    """

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        self.folder = Path(folder)
        self._threads = threads

    def shards(self) -> list[Path]:
        """List the shard files, in the order of their names."""
        return shards.shards(self.folder)

    def add(self, traces: Iterable[Trace], created_at: str) -> Added:
        """Add the traces that are not in the store yet, as one new shard: all of them or none.

        Raises:
          InputError: `created_at` is not an ISO 8601 time, or the folder cannot be written to.
        """
        time = _utc(created_at)
        at = index.micros(time)
        with shards.draft(self.folder) as new:
            for trace in traces:
                key = trace.key
                new.append(shards.line_of(trace, key, time), key, at)
            return self._commit(new)

    def add_lines(self, path: Path) -> Added:
        """Add the traces of a file with lines like those of a shard. Keep their times.

        Raises:
          InputError: a line is bad: `file:line: field: reason`.
        """
        with shards.draft(self.folder) as new, path.open("rb") as file:
            for number, line in enumerate(files.lines(file, strict_json.MAX_LINE), 1):
                trace, created_at = Stored.of(line, f"{path}:{number}")
                key = trace.key
                new.append(shards.line_of(trace, key, created_at), key, index.micros(created_at))
            return self._commit(new)

    def import_files(
        self,
        paths: Iterable[Path | str],
        created_at: str,
        form: str = "trace",
        progress: intake.Progress = intake.unseen,
        processes: int = 1,
    ) -> Added:
        """Add the traces of JSON lines files, all or none. Check those of a known task.

        Args:
          paths: plain or gzip; `-` is standard input. Empty lines are skipped.
          created_at: the time that the traces get.
          form: the format of the records, one of `formats.FORMATS`.
          progress: called while the files are read.
          processes: how many processes share the work; the result does not depend on it.

        Raises:
          InputError: a file is missing, or lines are bad: `file:line: field: reason` for each of
            the first 20, and how many more there were.
        """
        time = _utc(created_at)
        at = index.micros(time)
        with shards.draft(self.folder) as new:
            for lines in intake.read(map(Path, paths), time, form, progress, processes):
                new.extend(lines, at)
            return self._commit(new)

    def delete(self, ids: Iterable[str], deleted_at: str) -> list[str]:
        """Delete traces for good, all of them or none. Adding them again has no effect.

        Args:
          ids: ids or unique beginnings of ids.
          deleted_at: the time of the deletion.

        Returns:
          The ids of the deleted traces.

        Raises:
          InputError: no trace, or several traces, have an id that begins like one of these. Then
            nothing is deleted.
        """
        time = _utc(deleted_at)
        with shards.writing(self.folder):
            here = Contents(self.folder)
            found = here.ids(list(dict.fromkeys(here.find(id) for id in ids)))
            if found:
                shards.write_deletion(self.folder, found, time)
        return found

    def deleted(self) -> list[str]:
        """List the ids of all deleted traces."""
        with shards.reading(self.folder):
            return [id_of(key) for key in index.keys(shards.deleted(self.folder))]

    def compact(self) -> int:
        """Merge all shards into one, without deleted traces and without any trace twice.

        After a kill at any moment the store still has every trace once. The merge waits until
        nobody reads the shards.

        Returns:
          How many traces were left out.
        """
        with shards.writing(self.folder):
            return shards.compact(self.folder)

    def newest(
        self, limit: int | None = None, offset: int = 0, filters: Mapping[str, Any] | None = None
    ) -> list[Stored]:
        """Return traces, the newest first. Traces of the same time are in the order of their ids.

        Args:
          limit: how many to return at most; None for all.
          offset: how many of the newest to skip.
          filters: as those of a dataset: a `meta` path -> a value, or `{operator: value}`.
        """
        # Without filters the index is enough. With filters DuckDB finds the ids.
        if filters:
            where, parameters = filter_condition(filters)
            parameters |= {"limit": limit, "offset": offset}
            found = self.query(sql("list").format(where=where), parameters)
        with shards.reading(self.folder):
            here = Contents(self.folder)
            if filters:
                return here.take(here.rows([row["id"] for row in found]))
            most = None if limit is None else offset + limit
            return here.take(index.newest(here.table, most)[offset:])

    def get(self, ids: Sequence[str]) -> list[Stored]:
        """Return the traces with these ids or unique beginnings of ids, in this order.

        Raises:
          InputError: no trace, or several traces, have an id that begins like one of these.
        """
        with shards.reading(self.folder):
            here = Contents(self.folder)
            return here.take([here.find(id) for id in ids])

    def __iter__(self) -> Iterator[Stored]:
        """Yield all traces, one at a time, shard by shard."""
        with shards.reading(self.folder):
            gone = set(index.keys(shards.deleted(self.folder)))
            for shard in self.shards():
                index.check(shard)
                with shard.open("rb") as file:
                    for number, line in enumerate(files.lines(file, strict_json.MAX_LINE), 1):
                        stored = Stored.of(line, f"{shard}:{number}")
                        if stored.trace.key not in gone:
                            yield stored

    def count(self) -> int:
        """Count the traces."""
        with shards.reading(self.folder):
            return len(Contents(self.folder).table)

    @contextmanager
    def connect(self, also: Iterable[Path] = ()) -> Iterator["DuckDBPyConnection"]:
        """Open DuckDB with two views: `traces`, one row per id, and `fields`, with more columns.

        DuckDB can touch the files of the store and no others. No query can change that.

        Args:
          also: other files that it may touch.

        Raises:
          InputError: a query is bad, or a shard is damaged (the message names file, line and
            field).
        """
        import duckdb  # slow to load, and a list of the newest traces does not need it

        with ExitStack() as stack:
            stack.enter_context(shards.reading(self.folder))
            spill = stack.enter_context(TemporaryDirectory(ignore_cleanup_errors=True))
            config: dict[str, Any] = {"temp_directory": spill, "memory_limit": _MEMORY}
            if self._threads:
                config["threads"] = self._threads
            connection = stack.enter_context(duckdb.connect(config=config))
            found, gone = self.shards(), shards.deletions(self.folder)
            try:
                for shard in found:
                    index.check(shard)
                define(connection, "shards", COLUMNS, found)
                define(connection, "deleted", _DELETED, gone)
                connection.execute(sql("traces"))
                connection.execute(sql("fields"))
                _lock(connection, [*found, *gone, *also])
                yield connection
            except duckdb.Error as error:
                self.check()  # if a shard is damaged, this raises an error that names the line
                raise InputError(f"{self.folder}: {one_line(str(error))}") from error

    def overview(self) -> list[dict[str, Any]]:
        """Count the traces of each task and difficulty, with their mean lengths."""
        return self.query(sql("overview"))

    def distribution(self) -> list[dict[str, Any]]:
        """Count the traces of each task, difficulty and length."""
        return self.query(sql("distribution"))

    def query(self, query: str, parameters: Mapping[str, object] | None = None) -> list[dict]:
        """Run a query in a connection from `connect`. Bind parameters by `$name`."""
        with self.connect() as connection:
            return records(connection.execute(query, dict(parameters or {})))

    def lines(self, wanted: np.ndarray) -> Iterator[bytes]:
        """Yield the lines of some traces, as a shard keeps them, in order, a block at a time.

        Args:
          wanted: rows whose `hi` and `lo` are the two halves of each id: ROW[n].

        Raises:
          InputError: a line is damaged.
        """
        with shards.reading(self.folder):
            yield from Contents(self.folder).lines(wanted)

    def check(self) -> None:
        """Read every line of every shard; raise `InputError` for the first bad one."""
        for found in verify.Verification(self.folder, steps=False):
            raise InputError(found)

    def _commit(self, new: ShardDraft) -> Added:
        # Flush before taking the lock, because no other writer can come in while it is held.
        draft, table = new.settle(), new.table()
        with shards.writing(self.folder):
            # Nobody adds or deletes now, so this says for certain which traces are new: not
            # deleted, not repeated in the draft itself, and in no shard.
            gone = index.among(table, shards.deleted(self.folder))
            there = index.concatenate(index.read(shard) for shard in self.shards())
            fresh = ~(gone | index.repeated(table) | index.among(table, there))
            # Publish the draft as it is, or a second draft with only the new traces. The rename in
            # `publish` adds all of them at once. A kill before it leaves the store as it was.
            if fresh.all() and len(table):
                new.publish(self.folder)
            elif fresh.any():
                with shards.draft(self.folder) as part:
                    part.copy(draft, table, fresh)
                    part.publish(self.folder)
        return Added(int(fresh.sum()), int((~fresh & ~gone).sum()), int(gone.sum()))


def _lock(connection: "DuckDBPyConnection", paths: Iterable[Path]) -> None:
    # Allow these files, then forbid all others, then forbid to change these settings.
    connection.execute("SET allowed_paths = $paths", {"paths": [str(path) for path in paths]})
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def define(
    connection: "DuckDBPyConnection", name: str, columns: Mapping[str, str], found: list[Path]
) -> None:
    """Create a view of JSON lines files, or a table without rows if there are no files."""
    if found:
        paths = [str(path) for path in found]
        lines = connection.read_json(paths, columns=columns, format="newline_delimited")  # type: ignore[arg-type]
        lines.create_view(name)
    else:
        typed = ", ".join(f"{column} {kind}" for column, kind in columns.items())
        connection.execute(f"CREATE TABLE {name} ({typed})")


def _utc(created_at: str) -> str:
    """Convert a time to UTC, as the store writes times.

    Example:
      >>> _utc("2026-01-01T01:00:00+01:00")
      '2026-01-01T00:00:00Z'
    """
    try:
        since = timedelta(microseconds=index.micros(created_at))
    except ValueError as error:
        raise InputError(str(error)) from None
    return (index.EPOCH + since).isoformat().replace("+00:00", "Z")
