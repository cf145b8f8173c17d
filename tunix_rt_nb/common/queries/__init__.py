"""The SQL queries, one file for each."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@cache
def sql(name: str) -> str:
    """Return the text of a query in this folder, by its file name without `.sql`.

    Example:
      >>> sql("list").splitlines()[0]
      '-- The ids of the traces for which a condition holds, the newest first.'
    """
    return (Path(__file__).parent / f"{name}.sql").read_text(encoding="utf-8")


def records(cursor: "DuckDBPyConnection") -> list[dict[str, Any]]:
    """Fetch all rows of an executed query, each as a dict: column name -> value."""
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
