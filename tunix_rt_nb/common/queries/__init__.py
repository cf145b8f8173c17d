"""The SQL queries, one file for each."""

from functools import cache
from pathlib import Path


@cache
def sql(name: str) -> str:
    """Return the text of a query in this folder.

    Example:
      >>> sql("list").splitlines()[0]
      '-- The ids of the traces for which a condition holds, the newest first.'
    """
    return (Path(__file__).parent / f"{name}.sql").read_text(encoding="utf-8")
