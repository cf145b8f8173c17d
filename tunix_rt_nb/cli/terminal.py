"""Everything that the command line prints, made safe for a terminal.

The text may come from files and servers of unknown origin, and a terminal would obey some of its
characters. No other file in this folder prints anything, apart from the line of `progress`.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from tunix_rt_nb.cli.progress import aside
from tunix_rt_nb.common import escaped, printable
from tunix_rt_nb.report import text_table

PROGRAM = "tunix-rt-nb:"  # what an error begins with

_COLOURS = {"✓": "green", "✗": "red", PROGRAM: "red"}  # of what a line begins with


def echo(text: object, err: bool = False, colour: str | None = None) -> None:
    """Print a text; replace unprintable characters by U+FFFD, and keep line breaks.

    On a terminal, a tick that a line begins with is green, and a cross is red. The environment
    variable NO_COLOR turns colours off.

    Args:
      text: the text, or an object such as a path.
      err: True to print on stderr instead of stdout.
      colour: a colour for the whole text, as click names it.
    """
    shown = printable(str(text))
    lines = map(_painted, shown.split("\n"))
    painted = click.style(shown, fg=colour) if colour else "\n".join(lines)
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    with aside():
        click.echo(painted, err=err, color=False if plain else None)  # None: only on a terminal


def warn(text: object) -> None:
    """Print a warning on stderr, on a terminal in yellow."""
    echo(text, err=True, colour="yellow")


def fail(message: str) -> None:
    """Print an error on stderr, after the name of the program."""
    echo(f"{PROGRAM} {message}", err=True)


def _painted(line: str) -> str:
    mark = next((mark for mark in _COLOURS if line.startswith(mark)), "")
    return click.style(mark, fg=_COLOURS[mark]) + line[len(mark) :] if mark else line


def echo_json(value: Any, indent: int | None = None) -> None:
    """Print a value as JSON in UTF-8; escape unprintable characters.

    Args:
      value: the value.
      indent: the number of spaces for each level; None for JSON of one line.
    """
    with aside():
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
