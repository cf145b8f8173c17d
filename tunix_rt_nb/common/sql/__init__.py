"""The queries, a file each."""

from functools import cache
from pathlib import Path


@cache
def sql(name: str) -> str:
    """The text of a query of this folder.

    Example:
      >>> sql("list").splitlines()[0]
      '-- The ids of the traces for which a condition holds, the newest first.'
    """
    return (Path(__file__).parent / f"{name}.sql").read_text(encoding="utf-8")
