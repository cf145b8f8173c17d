"""tunix-rt-nb runs: all runs beside each other, ranked on a terminal or on one page."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import click

from tunix_rt_nb import report, runs
from tunix_rt_nb.cli import display, options, terminal
from tunix_rt_nb.common import one_line
from tunix_rt_nb.report import text_table

# Each field of `SET_BY` is a column if the runs of a board differ in it. These stand above if not.
_ABOVE = ("model", "dataset", "steps")
_WIDEST = 100  # columns of a board, on a wider terminal too


where_runs = options.where_option(
    "FIELD=VALUE", "Only runs with this value of a field, such as model, dataset, score"
)


@click.command("leaderboard")
@where_runs
@options.json_option
def leaderboard_command(conditions: tuple[str, ...], as_json: bool) -> None:
    """Rank the runs by right answers, then by right steps.

    A board holds only runs that answered the same items, asked in the same template and style;
    others cannot be compared. Above it stands what is the same for all its runs. The parameters in
    which they differ are columns, those of training first, as many as fit in the terminal or in 100
    columns. The others are named below; --json has them all. A run is left out, and listed with the
    reason, if it is not evaluated, or if a step was run again after its evaluation.

    \b
    Examples:
      tunix-rt-nb runs leaderboard
      tunix-rt-nb runs leaderboard --where model=gemma3-270m --json
    """
    found = runs.registry.leaderboard(options.filters_of(conditions))
    if as_json:
        terminal.echo_json(found._asdict())
        return
    for board, rows in groupby(found.ranked, lambda row: row["board"]):
        ranked = list(rows)
        lines, rest = _lines(ranked)
        terminal.echo(f"board {board}: {', '.join(_same(ranked))}\n\n{text_table(lines)}\n")
        if rest:
            terminal.echo(f"board {board} also differs in {', '.join(rest)}, see --json", err=True)
    for row in found.left_out:
        terminal.warn(f"left out: {one_line(row['run'])}: {row['problem']}")


@click.command("index")
def index_command() -> None:
    """Write runs/index.html: all runs on one page, to read in a browser.

    It shows the boards with the parameters in which their runs differ, the losses over each other,
    the datasets, damaged runs with the reason, and links to the reports.

    \b
    Example: tunix-rt-nb runs index
    """
    terminal.echo(report.write_index())


def _same(rows: Sequence["runs.registry.Ranked"]) -> list[str]:
    """Return what is the same for all runs of a board, in words."""
    first = rows[0]
    told = [f"{first['items']:,} items", f"template {first['template']}", f"style {first['style']}"]
    for name in _ABOVE:
        value = first.get(name)
        if value is not None and not _differ(rows, name):
            shown = f"{value:,}" if isinstance(value, int) else one_line(str(value), 60)
            told.append(f"{name} {shown}")
    if not _differ(rows, "before"):
        told.append(f"{display.percent(first['before'])} before training")
    return told


def _differ(rows: Sequence["runs.registry.Ranked"], name: str) -> bool:
    return len({row.get(name) for row in rows}) > 1


def _lines(rows: Sequence["runs.registry.Ranked"]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the lines of a board, and the differing parameters for which it has no room."""
    fields = [name for name in runs.registry.SET_BY if _differ(rows, name)]
    before = _differ(rows, "before")
    lines = [{**_line(row, before), **display.only(row, *fields)} for row in rows]
    rest = []
    told = runs.registry.SET_BY.values()
    for name in [name for name in rows[0]["differs"] if name not in told]:
        values = [row["differs"][name] for row in rows]
        words = ["" if v is None else one_line(runs.sweep.word(v), 24) for v in values]
        wider = [{**line, name: word} for line, word in zip(lines, words, strict=True)]
        if max(map(len, text_table(wider).splitlines())) <= min(display.width(), _WIDEST):
            lines = wider
        else:
            rest.append(name)
    return lines, rest


def _line(row: "runs.registry.Ranked", before: bool) -> dict[str, Any]:
    low, high = row["low"] or 0.0, row["high"] or 0.0
    return {
        **display.only(row, "rank", "run"),
        "answers": display.percent(row["score"]),
        "95 %": f"{100 * low:.1f}–{100 * high:.1f}",
        "steps right": display.percent(row["steps_right"]),
        **({"before": display.percent(row["before"])} if before else {}),
    }
