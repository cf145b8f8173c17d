"""Records as a table of text."""

from collections.abc import Mapping, Sequence
from typing import Any

from tunix_rt_nb.common import one_line


def text_table(
    rows: Sequence[Mapping[str, Any]], right: Sequence[str] = (), head: bool = True
) -> str:
    """Return records as a text table; columns of integers and those in `right` are right-aligned.

    Args:
      rows: the records; a column name that a record lacks gives an empty cell.
      right: names of further columns to align right.
      head: whether to begin with the column names.

    Returns:
      The table; each cell is one line of at most 60 characters.

    Example:
      >>> print(text_table([{"task": "sums", "traces": 1200}, {"task": "cards", "traces": 7}]))
      task   traces
      sums    1,200
      cards       7
    """
    from tabulate import tabulate  # slow to load

    names = list(dict.fromkeys(name for row in rows for name in row))
    numbers = [
        name in right or all(isinstance(row.get(name, 0), int) for row in rows) for name in names
    ]
    text = tabulate(
        [
            *([[*map(_cell, names)]] if head else []),
            *([_cell(row.get(name)) for name in names] for row in rows),
        ],
        tablefmt="plain",
        disable_numparse=True,
        colalign=["right" if number else "left" for number in numbers],
    )
    return "\n".join(map(str.rstrip, text.split("\n")))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    return one_line(", ".join(map(str, value)) if isinstance(value, list) else str(value), 60)
