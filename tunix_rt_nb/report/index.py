"""The page of all runs: `runs/index.html`, a single file without scripts.

It shows the boards with the parameters in which their runs differ, the loss curves over each other,
the datasets, the runs that cannot be ranked, and links to the reports. The template escapes every
value. What would make the page too long to read is left out, and the page says how much that is.
The same run folders give the same bytes.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tunix_rt_nb import runs
from tunix_rt_nb.common import InputError, files, one_line
from tunix_rt_nb.host import paths
from tunix_rt_nb.report.overlay import Losses, Overlay, overlay, read_losses
from tunix_rt_nb.report.templates import template

if TYPE_CHECKING:
    from tunix_rt_nb.runs import registry

_BOARDS, _ROWS = 20, 100  # the most boards, and rows of a table
_COLUMNS = 8  # the most parameters of a board
_CURVES = 12  # the most curves over each other: six colours, plain and dashed
_DRAWN = 6  # the most boards with curves


def write_index() -> Path:
    """Write the page of all runs; return its path.

    Raises:
      InputError: the folder `runs/` cannot be read or written.
    """
    path = paths.home() / "runs" / "index.html"
    text = index().encode()
    with files.atomic(path) as file:
        file.write(text)
    return path


def index() -> str:
    """Return the page of all runs as HTML."""
    found = runs.registry.leaderboard()
    boards = [list(rows) for _, rows in groupby(found.ranked, lambda row: row["board"])]
    return template("index.html.jinja").render(
        runs=len(found.ranked) + len(found.left_out),
        ranked=len(found.ranked),
        boards=[_board(rows, k < _DRAWN) for k, rows in enumerate(boards[:_BOARDS])],
        more_boards=max(0, len(boards) - _BOARDS),
        datasets=_datasets([*found.ranked, *found.left_out]),
        left_out=[_linked(row) for row in found.left_out[:_ROWS]],
        more_left_out=max(0, len(found.left_out) - _ROWS),
    )


def _board(rows: Sequence["registry.Ranked"], drawn: bool) -> dict[str, Any]:
    """Return what the page shows of a board.

    Args:
      rows: its runs, the best first.
      drawn: whether to draw their losses.
    """
    made_of = runs.registry.SET_BY  # said once if the runs do not differ in it, or else in a column
    names = [name for name in rows[0]["differs"] if name not in made_of.values()]
    several = [name for name in made_of if len({row.get(name) for row in rows}) > 1]
    curves, missing = _curves(rows[:_CURVES]) if drawn else (None, [])
    return {
        **rows[0],
        "same": {name: rows[0].get(name) for name in made_of if name not in several},
        "one_before": len({row["before"] for row in rows}) == 1,
        "columns": [*names[:_COLUMNS], *several],
        "hidden": names[_COLUMNS:],
        "rows": [
            {**_linked(row), "values": _values(row, names[:_COLUMNS], several)}
            for row in rows[:_ROWS]
        ],
        "more": max(0, len(rows) - _ROWS),
        "curves": curves,
        "missing": missing,
        "not_drawn": max(0, len(rows) - _CURVES) if drawn else len(rows),
    }


def _values(row: "registry.Ranked", parameters: Sequence[str], fields: Sequence[str]) -> list[str]:
    told = [row["differs"][name] for name in parameters] + [row.get(name) for name in fields]
    return ["" if value is None else one_line(runs.sweep.word(value), 60) for value in told]


def _linked(row: "registry.Row") -> dict[str, Any]:
    """Return a row with the address of the run's report, relative to the page; "" without one."""
    folder = Path(row["folder"])
    address = f"./{quote(folder.name)}/report.html"
    return {**row, "report": address if (folder / "report.html").is_file() else ""}


def _curves(rows: Iterable["registry.Row"]) -> tuple[Overlay | None, list[str]]:
    """Return the curves of runs, and the names of the runs whose losses cannot be read."""
    losses: dict[str, Losses] = {}
    missing = []
    for row in rows:
        evaluated = Path(row["folder"]) / runs.stem("evaluate")
        try:
            trained = runs.lineage("evaluate", evaluated)["train"]
            losses[row["run"]] = read_losses(trained / "metrics.jsonl")
        except InputError:
            missing.append(row["run"])
    return overlay(losses), missing


def _datasets(rows: Sequence["registry.Row"]) -> list[dict[str, Any]]:
    """List the datasets that runs learned from: key, hash, runs, best score, traces by side."""
    found: dict[tuple[str, str], list[registry.Row]] = {}
    for row in rows:
        if row["dataset"]:
            found.setdefault((row["dataset"], row["dataset_sha256"] or ""), []).append(row)
    return [
        {
            "key": key,
            "sha256": sha256[:12],
            "runs": len(some),
            "best": max((row["score"] for row in some if row["score"] is not None), default=None),
            **_split(some[0]),
        }
        for (key, sha256), some in sorted(found.items())[:_ROWS]
    ]


def _split(row: "registry.Row") -> Mapping[str, int | None]:
    built = Path(row["folder"]) / runs.stem("build")
    try:
        split = runs.result(built).get("split", {})
    except InputError:
        split = {}
    return {side: split.get(side) for side in ("train", "eval")}
