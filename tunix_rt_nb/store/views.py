"""JSON lines files as views of DuckDB, and what DuckDB may access."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

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


def lock(connection: "DuckDBPyConnection", paths: Iterable[Path]) -> None:
    """Allow a connection to access these files and no others, in UTC, and forbid any change."""
    allowed = [text for path in paths for text in {str(path), _literal(path)}]
    connection.execute("SET allowed_paths = $paths", {"paths": allowed})
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _literal(path: Path) -> str:
    """Escape `*`, `?` and `[` in a path, because DuckDB would read them as wildcards."""
    return re.sub(r"([*?\[])", r"[\1]", str(path))


def define(
    connection: "DuckDBPyConnection", name: str, columns: Mapping[str, str], found: list[Path]
) -> None:
    """Create a view of JSON lines files, or an empty table if there are no files.

    Args:
      connection: the database.
      name: the name of the view or table.
      columns: column name -> DuckDB type.
      found: the files.
    """
    if found:
        paths = list(map(_literal, found))
        lines = connection.read_json(paths, columns=columns, format="newline_delimited")  # type: ignore[arg-type]
        lines.create_view(name)
    else:
        typed = ", ".join(f"{column} {kind}" for column, kind in columns.items())
        connection.execute(f"CREATE TABLE {name} ({typed})")
