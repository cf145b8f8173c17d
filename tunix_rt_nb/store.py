"""The trace store: DuckDB over append-only JSONL shards.

A shard is written under a temporary name, flushed and renamed, and never touched again; its name
is the hash of its content. So a kill at any moment loses nothing, two writers lose nothing, and
adding the same traces twice adds nothing.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from tunix_rt_nb import files, tasks
from tunix_rt_nb.errors import InputError
from tunix_rt_nb.trace import Trace, parse_line

COLUMNS = {
    "id": "VARCHAR",
    "created_at": "VARCHAR",
    "trace_version": "VARCHAR",
    "prompt": "VARCHAR",
    "steps": "STRUCT(i BIGINT, type VARCHAR, content VARCHAR)[]",
    "final_answer": "VARCHAR",
    "meta": "JSON",
}


@cache
def sql(name: str) -> str:
    """The text of a query in `sql/`."""
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text(encoding="utf-8")


def record(trace: Trace, created_at: str) -> dict[str, Any]:
    """A trace as a shard keeps it."""
    return {"id": trace.id, "created_at": created_at, **trace.model_dump()}


def _import(line: bytes, where: str) -> Trace:
    trace = parse_line(line, where)
    if trace.task in tasks.TASKS and (wrong := tasks.problems(trace)):
        raise InputError(f"{where}: {wrong[0]}")
    return trace


class Added(NamedTuple):
    """How many traces were new and how many the store already had."""

    new: int
    known: int


class TraceStore:
    """All traces of one folder of shards.

    Args:
      folder: where the shards lie; made when the first trace is added.
      threads: how many threads DuckDB may use; results never depend on it.

    Example:
      >>> import tempfile
      >>> store = TraceStore(Path(tempfile.mkdtemp()))
      >>> trace = Trace.of("What is 2 + 2?", [("compute", "2 + 2 = 4.")], "4")
      >>> store.add([trace], created_at="2026-01-01T00:00:00Z")
      Added(new=1, known=0)
      >>> store.add([trace], created_at="2026-01-02T00:00:00Z")
      Added(new=0, known=1)
    """

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        self.folder = Path(folder)
        self._threads = threads

    def shards(self) -> list[Path]:
        """The shard files, in the order of their names."""
        return sorted(self.folder.glob("*.jsonl"))

    def add(self, traces: Iterable[Trace], created_at: str) -> Added:
        """Adds the traces that are not here yet, as one new shard: all of them or none.

        Raises:
          InputError: `created_at` is no ISO 8601 time.
        """
        try:
            datetime.fromisoformat(created_at)
        except ValueError:
            raise InputError(f"created_at: {created_at!r} is no ISO 8601 time") from None
        known = {row["id"] for row in self.query("SELECT id FROM traces")}
        lines: dict[str, bytes] = {}
        total = 0
        for trace in traces:
            total += 1
            row = record(trace, created_at)
            if row["id"] not in known:
                lines.setdefault(row["id"], files.json_line(row))
        if lines:
            content = b"".join(lines.values())
            name = f"traces-{hashlib.sha256(content).hexdigest()[:16]}.jsonl"
            with files.atomic(self.folder / name) as file:
                file.write(content)
        return Added(len(lines), total - len(lines))

    def import_file(self, path: Path, created_at: str) -> Added:
        """Adds the traces of a JSON lines file, all or none; those of a known task are checked.

        Raises:
          InputError: `file:line: field: reason` of the first bad line, or the file is not there.
        """
        try:
            lines = path.read_bytes().splitlines()
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from None
        if not lines:
            raise InputError(f"{path}: holds no traces, expected JSON lines")
        return self.add(
            [_import(line, f"{path}:{n}") for n, line in enumerate(lines, 1)], created_at
        )

    def query(self, query: str, parameters: Mapping[str, object] | None = None) -> list[dict]:
        """Runs a query over the view `traces`, one row for each id; values are bound by `$name`.

        Raises:
          InputError: a shard is damaged; the message names file, line and field.
        """
        config: dict[str, Any] = {"threads": self._threads} if self._threads else {}
        with duckdb.connect(config=config) as connection:
            try:
                self._define_view(connection)
                cursor = connection.execute(query, dict(parameters or {}))
                names = [column[0] for column in cursor.description]
                return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
            except duckdb.Error:
                self.check()  # names the line where a shard is to blame
                raise

    def count(self) -> int:
        """How many traces there are."""
        return self.query("SELECT count(*) AS n FROM traces")[0]["n"]

    def check(self) -> None:
        """Reads every line of every shard; `InputError` names the first bad one."""
        for shard in self.shards():
            for number, line in enumerate(shard.read_bytes().splitlines(), 1):
                trace = parse_line(line, f"{shard}:{number}")
                if json.loads(line)["id"] != trace.id:
                    raise InputError(f"{shard}:{number}: id: is not that of the content")

    def _define_view(self, connection: duckdb.DuckDBPyConnection) -> None:
        shards = [str(path) for path in self.shards()]
        if shards:
            lines = connection.read_json(shards, columns=COLUMNS, format="newline_delimited")  # type: ignore[arg-type]
            lines.create_view("shards")
        else:
            columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
            connection.execute(f"CREATE TABLE shards ({columns})")
        connection.execute(sql("traces"))
