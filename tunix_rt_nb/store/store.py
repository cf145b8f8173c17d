"""The trace store: DuckDB over append-only JSONL shards.

A shard is written under a temporary name, flushed, renamed, and never changed again. Its name is
the hash of its content. No trace is in two shards, because a writer first flushes its traces to the
disk, then takes the lock, leaves out the traces that are already in the store, and renames its
file. The rename adds all its traces at once.

So a kill at any moment leaves the store valid, two concurrent writers neither lose nor duplicate a
trace, and adding the same traces twice adds nothing. A deletion is a file too. A deleted trace
cannot be added again.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict, cast

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
from tunix_rt_nb.store import index, intake, listing, locks, scores, shards, verify, views, writing
from tunix_rt_nb.store.contents import Contents
from tunix_rt_nb.store.draft import ShardDraft, draft
from tunix_rt_nb.store.shards import Stored
from tunix_rt_nb.trace import Trace, id_of, inputs

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_MEMORY = "600MB"  # beyond this, DuckDB spills to the disk
_DELETED = {"id": "VARCHAR", "deleted_at": "VARCHAR"}


def now() -> str:
    """Return the current time in the format of `created_at`, ISO 8601 in UTC."""
    return _utc(datetime.now(UTC).isoformat())


class Added(NamedTuple):
    """How many traces were added to a store, and how many were left out.

    Attributes:
      new: traces that were added.
      known: traces left out because they were in the store already, or repeat an earlier one.
      deleted: traces left out because they were deleted from the store earlier.
    """

    new: int
    known: int
    deleted: int = 0


class Share(TypedDict):
    """The number of a store's traces that have the same task, difficulty, steps and characters.

    Attributes:
      task: the task that made the traces; `unknown` if they name none.
      difficulty: the difficulty of their problems; empty if they name none.
      steps: the number of steps in each trace.
      characters: the number of characters in the prompt, steps and answer of each trace.
      traces: the number of traces with these four values.
    """

    task: str
    difficulty: str
    steps: int
    characters: int
    traces: int


class TraceStore:
    """The traces in one folder of shards.

    Args:
      folder: the folder of the shards, files with a trace in each line; created when the first
        trace is added.
      threads: how many threads DuckDB may use, None for its default; results never depend on it.

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
        with locks.reading(self.folder):
            return listing.complete(self.folder).shards

    def add(self, traces: Iterable[Trace], created_at: str) -> Added:
        """Add the traces that are not in the store yet, as one new shard: all of them or none.

        Args:
          traces: the traces; read one at a time.
          created_at: the time to store with every trace, ISO 8601.

        Raises:
          InputError: `created_at` is not an ISO 8601 time, or the folder cannot be written to.
        """
        time = _utc(created_at)
        at = index.micros(time)
        with draft(self.folder) as new:
            for trace in traces:
                key = trace.key
                new.append(shards.line_of(trace, key, time), key, at)
            return self._commit(new)

    def add_lines(self, path: Path) -> Added:
        """Add the traces of a file in the format of a shard, all of them or none.

        Each line is a trace as JSON with its `id` and `created_at`. The times are kept.

        Raises:
          InputError: a line is bad: `file:line: field: reason`.
        """
        with draft(self.folder) as new, path.open("rb") as file:
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
        progress: inputs.Progress = inputs.unseen,
        processes: int = 1,
        **how: Any,
    ) -> Added:
        """Add the traces of files, all of them or none.

        If a trace's `meta.task` names one of `tasks.TASKS`, that task checks the steps and the
        answer. If they are wrong, the record counts as bad.

        Args:
          paths: JSON lines, a JSON array, Parquet, CSV or Arrow, or the folder of a dataset. JSON
            may be compressed by gzip. `-` is standard input. Blank lines are skipped.
          created_at: the time to store with every trace, ISO 8601.
          form: the format of the records, one of `formats.FORMATS`, or `auto` to recognise it.
          progress: called with the numbers of lines and of bytes read since its last call.
          processes: how many processes share the work; the result does not depend on it.
          how: the other settings. `names`: part of a trace -> the field that holds it. `skip_bad`:
            True to leave out bad records. `skipped`: the file to list these in. `report`: called
            with lines about each file.

        Raises:
          InputError: a file is missing, or records are bad. The message has `file:line: field:
            reason` for each of the first 20 bad records, and counts the others.
        """
        time = _utc(created_at)
        at = index.micros(time)
        settings = intake.How(form, **how)
        with draft(self.folder) as new:
            for lines in intake.read(map(Path, paths), time, settings, progress, processes):
                new.extend(lines, at)
            return self._commit(new)

    def delete(self, ids: Iterable[str], deleted_at: str) -> list[str]:
        """Delete traces for good, all of them or none. Adding them again has no effect.

        Args:
          ids: ids or unique beginnings of ids.
          deleted_at: the time of the deletion, ISO 8601.

        Returns:
          The full ids of the deleted traces.

        Raises:
          InputError: one of `ids` matches no trace, or several. Then nothing is deleted.
        """
        time = _utc(deleted_at)
        with writing.writing(self.folder):
            here = Contents(self.folder)
            found = here.ids(list(dict.fromkeys(here.find(id) for id in ids)))
            if found:
                shards.write_deletion(self.folder, found, time)
        return found

    def deleted(self) -> list[str]:
        """List the ids of all deleted traces."""
        with locks.reading(self.folder):
            gone = shards.deleted(listing.complete(self.folder).deletions)
            return [id_of(key) for key in index.keys(gone)]

    def compact(self) -> int:
        """Merge all shards into one; drop the lines of deleted and repeated traces.

        If the process is killed at any moment, no trace is lost or duplicated. The merge waits
        until nobody reads the shards.

        Returns:
          The number of dropped lines.
        """
        with writing.writing(self.folder):
            return writing.compact(self.folder)

    def newest(
        self, limit: int | None = None, offset: int = 0, filters: Mapping[str, Any] | None = None
    ) -> list[Stored]:
        """Return traces, the newest first; order traces of the same time by id.

        Args:
          limit: the most traces to return; None for all.
          offset: how many of the newest to skip.
          filters: field of a trace -> the value that it must equal, or `{operator: operand}`, as
            in `{"step_count": {">=": 3}}`; see `common.filter_condition`.
        """
        # Without filters the index is enough. With filters DuckDB finds the ids.
        if filters:
            where, parameters = filter_condition(filters)
            parameters |= {"limit": limit, "offset": offset}
            found = self.query(sql("list").format(where=where), parameters)
        with locks.reading(self.folder):
            here = Contents(self.folder)
            if filters:
                return here.take(here.rows([row["id"] for row in found]))
            most = None if limit is None else offset + limit
            return here.take(index.newest(here.table, most)[offset:])

    def get(self, ids: Sequence[str]) -> list[Stored]:
        """Return the traces with these ids, or unique beginnings of ids, in the order of `ids`.

        Raises:
          InputError: one of `ids` matches no trace, or several.
        """
        with locks.reading(self.folder):
            here = Contents(self.folder)
            return here.take([here.find(id) for id in ids])

    def __iter__(self) -> Iterator[Stored]:
        """Yield all traces, one at a time, shard by shard."""
        with locks.reading(self.folder):
            there = listing.complete(self.folder)
            gone = set(index.keys(shards.deleted(there.deletions)))
            for shard in there.shards:
                self._hold(shard)
                with shard.open("rb") as file:
                    for number, line in enumerate(files.lines(file, strict_json.MAX_LINE), 1):
                        stored = Stored.of(line, f"{shard}:{number}")
                        if stored.trace.key not in gone:
                            yield stored

    def count(self) -> int:
        """Count the traces."""
        with locks.reading(self.folder):
            return len(Contents(self.folder).table)

    @contextmanager
    def held(self) -> Iterator[listing.Listing]:
        """Hold the folder's lock for readers within a `with` block, and list its files.

        Raises:
          InputError: a shard or deletion file was altered or removed. For a damaged shard, the
            message names file, line and field.
        """
        with locks.reading(self.folder):
            there = listing.complete(self.folder)
            for shard in there.shards:
                self._hold(shard)
            for path in there.deletions:
                shards.check(path)
            yield there

    @contextmanager
    def connect(self, also: Iterable[Path] = ()) -> Iterator["DuckDBPyConnection"]:
        """Open DuckDB with two views, `traces` and `fields`, which have one row per trace.

        `fields` has the columns of `traces` and these: `task`; `score`, the baseline score, 0 to
        100; `step_count`; `steps_wrong`, the number of wrong steps; `steps_checked`, the number of
        steps that are right or wrong; `step_characters`, the characters in all steps; and
        `length`, the characters in prompt, steps and answer. DuckDB can access only the files of
        the store and those in `also`; no query can lift this restriction.

        Args:
          also: other files that queries may read.

        Raises:
          InputError: a query in the `with` block is bad, or a shard is damaged. For a damaged
            shard, the message names file, line and field.
        """
        import duckdb  # slow to load, and a list of the newest traces does not need it

        with ExitStack() as stack:
            there = stack.enter_context(self.held())
            spill = stack.enter_context(TemporaryDirectory(ignore_cleanup_errors=True))
            config: dict[str, Any] = {"temp_directory": spill, "memory_limit": _MEMORY}
            if self._threads:
                config["threads"] = self._threads
            connection = stack.enter_context(duckdb.connect(config=config))
            found, gone = there.shards, there.deletions
            try:
                views.define(connection, "shards", views.COLUMNS, found)
                views.define(connection, "deleted", _DELETED, gone)
                connection.execute(sql("traces"))
                scores.define_counts(connection)
                connection.execute(sql("fields"))
                views.lock(connection, [*found, *gone, *also])
                yield connection
            except duckdb.Error as error:
                self.check()  # if a shard is damaged, this raises an error that names the line
                raise InputError(f"{self.folder}: {one_line(str(error))}") from error

    def overview(self) -> list[dict[str, str | float]]:
        """Count the traces of each task and difficulty.

        Returns:
          A dict for each combination: `task`, `difficulty`, `traces` (their number), and the means
          `steps per trace` and `characters per prompt`.
        """
        return self.query(sql("overview"))

    def distribution(self) -> list[Share]:
        """Count the traces by task, difficulty, steps and characters: one row per combination."""
        return cast("list[Share]", self.query(sql("distribution")))

    def query(self, query: str, parameters: Mapping[str, object] | None = None) -> list[dict]:
        """Run an SQL query on the views that `connect` explains; return its rows as dicts.

        Args:
          query: the SQL.
          parameters: name -> the value to bind to `$name`.
        """
        with self.connect() as connection:
            return records(connection.execute(query, dict(parameters or {})))

    def lines(self, wanted: np.ndarray) -> Iterator[bytes]:
        """Yield the lines of some traces as a shard has them, joined into blocks of up to 1000.

        Args:
          wanted: the ids of the traces in the wanted order, as an array of the dtype `store.ROW`.
            Only its fields `hi` and `lo` are used, the two halves of each id.

        Raises:
          InputError: a trace was deleted meanwhile, or a line is damaged.
        """
        with locks.reading(self.folder):
            yield from Contents(self.folder).lines(wanted)

    def check(self) -> None:
        """Read every line of every shard; raise `InputError` for the first bad one."""
        for found in verify.Verification(self.folder, steps=False):
            raise InputError(found)

    def _hold(self, shard: Path) -> None:
        """Raise `InputError` if a shard was altered; if a line is broken, name it."""
        index.check(shard)
        if shards.is_altered(shard):
            self.check()  # raises
            shards.check(shard)

    def _commit(self, new: ShardDraft) -> Added:
        # Flush before taking the lock, because no other writer can come in while it is held.
        written, table = new.settle(), new.table()
        with writing.writing(self.folder):
            # Nobody adds or deletes now, so this says for certain which traces are new: not
            # deleted, not repeated in the draft itself, and in no shard.
            there = listing.complete(self.folder)
            gone = index.among(table, shards.deleted(there.deletions))
            known = index.concatenate(map(index.read, there.shards))
            fresh = ~(gone | index.repeated(table) | index.among(table, known))
            # Publish the draft if all its traces are new, else a second one with only the new ones.
            # The rename in `publish` adds all of them at once. A kill before it adds none.
            if fresh.all() and len(table):
                new.publish(self.folder)
            elif fresh.any():
                with draft(self.folder) as part:
                    part.copy(written, table, fresh)
                    part.publish(self.folder)
        return Added(int(fresh.sum()), int((~fresh & ~gone).sum()), int(gone.sum()))


def _utc(created_at: str) -> str:
    """Convert an ISO 8601 time to UTC, in the format of `created_at`; raise `InputError` if bad.

    Example:
      >>> _utc("2026-01-01T01:00:00+01:00")
      '2026-01-01T00:00:00Z'
    """
    try:
        since = timedelta(microseconds=index.micros(created_at))
    except ValueError as error:
        raise InputError(str(error)) from None
    return (index.EPOCH + since).isoformat().replace("+00:00", "Z")
