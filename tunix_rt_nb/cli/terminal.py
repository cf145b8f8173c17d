"""Everything that the command line prints, made safe for a terminal.

The text may come from files and servers of unknown origin, and a terminal would obey some of its
characters. No other file in this folder prints anything.
"""

import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from tunix_rt_nb.common import escaped, printable
from tunix_rt_nb.report import text_table


def echo(text: object, err: bool = False) -> None:
    """Print a text; replace unprintable characters by U+FFFD, and keep line breaks.

    Args:
      text: the text, or an object such as a path.
      err: True to print on stderr instead of stdout.
    """
    click.echo(printable(str(text)), err=err)


def echo_json(value: Any, indent: int | None = None) -> None:
    """Print a value as JSON in UTF-8; escape unprintable characters.

    Args:
      value: the value.
      indent: the number of spaces for each level; None for JSON of one line.
    """
    click.echo(escaped(json.dumps(value, ensure_ascii=False, indent=indent)))


def echo_result(record: Any, text: str, as_json: bool) -> None:
    """Print `record` as JSON if `as_json` is True; else print `text`."""
    if as_json:
        echo_json(record)
    else:
        echo(text)


def echo_rows(
    rows: Sequence[Mapping[str, Any]], table: list[dict[str, Any]], as_json: bool, told: str
) -> None:
    """Print rows as JSON or as a text table, and a last line on stderr.

    Args:
      rows: the records for JSON, with all fields.
      table: the same rows with the columns of the text table.
      as_json: True for JSON.
      told: the last line, such as the number of rows.
    """
    if as_json:
        echo_json(rows)
    elif rows:
        echo(text_table(table))
    echo(told, err=True)


def echo_array(records: Iterable[dict[str, Any]]) -> None:
    """Print a JSON array one record at a time, so that it may be of any length."""
    before = "["
    for record in records:
        click.echo(before + escaped(json.dumps(record, ensure_ascii=False)), nl=False)
        before = ",\n"
    click.echo("[]" if before == "[" else "]")


def echo_running(what: str) -> None:
    """Show on a terminal that a step runs; the next line that is printed overwrites this."""
    if sys.stderr.isatty():
        click.echo(f"  {printable(what):<12} running ...\r", err=True, nl=False)


class Progress:
    """Progress of an import: a bar on a terminal, elsewhere a line every ten seconds."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._total = sum(path.stat().st_size for path in paths if path.is_file())
        self._lines = self._bytes = 0
        self._terminal = sys.stderr.isatty()
        self._told = time.monotonic()

    def __call__(self, lines: int, size: int) -> None:
        """Add `lines` lines and `size` bytes that were read, and show the progress."""
        self._lines += lines
        self._bytes += size
        if self._terminal:
            share = min(self._bytes / self._total, 1.0) if self._total else 0.0
            bar = "#" * round(24 * share)
            click.echo(f"\r  [{bar:<24}] {share:4.0%}  {self._lines:,} lines", err=True, nl=False)
        elif time.monotonic() - self._told >= 10:
            self._told = time.monotonic()
            click.echo(f"  {self._lines:,} lines read", err=True)

    def close(self) -> None:
        """Wipe the bar from the terminal."""
        if self._terminal:
            click.echo("\r\x1b[K", err=True, nl=False)
