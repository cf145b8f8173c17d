"""Runs and how well they did: the list, the board, two of them compared, the page of one."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from tunix_rt_nb import evaluate, report, runs
from tunix_rt_nb.common import InputError, counted, one_line
from tunix_rt_nb.panel import parts
from tunix_rt_nb.panel.parts import widgets
from tunix_rt_nb.panel.work import Work, on_change

_NOTHING = "No runs yet. Start one in the tab Run; quickstart takes some minutes on a laptop."


class Results:
    """All runs, their boards, two runs compared item by item, and the report of one."""

    title = "Runs"

    def __init__(self) -> None:
        self._all, self._boards = parts.html(), parts.html()
        self._a = parts.field(widgets.Dropdown, "Run A")
        self._b = parts.field(widgets.Dropdown, "Run B")
        self._button = parts.button("Compare", self._compare, main=True)
        self._verdict = parts.html()
        self._item = parts.field(widgets.Dropdown, "Changed item", wide=True)
        self._answers = parts.html()
        self._run = parts.field(widgets.Dropdown, "Run")
        self._write = parts.button("Write the report", self._report)
        self._page = parts.html()
        self._listed = Work()
        self._compared, self._written = Work(self._button), Work(self._write)
        self._sides: tuple[Any, Any] | None = None
        self._evaluated = parts.stack(
            parts.heading("Compare two runs"),
            parts.row(self._a, self._b),
            parts.row(self._button),
            self._compared.line,
            self._verdict,
            parts.row(self._item),
            self._answers,
            parts.heading("Report"),
            parts.row(self._run),
            parts.row(self._write),
            self._written.line,
            self._page,
        )
        self.widget = parts.stack(
            parts.lead("The run that finished last comes first."),
            self._listed.line,
            self._all,
            self._boards,
            self._evaluated,
        )
        parts.reveal(self._item, False)
        on_change(self._show_item, self._item)

    def refresh(self) -> None:
        """List the runs again."""
        self._listed("", self._list)

    def _list(self) -> str | None:
        rows = runs.registry.listing()
        board = runs.registry.leaderboard()
        self._all.value = parts.table([_listed(row) for row in rows], "All runs")
        self._boards.value = boards(board)
        scored = [(row["run"], row["run"]) for row in board.ranked]
        parts.reveal(self._evaluated, bool(scored))
        for chooser in (self._a, self._b, self._run):
            parts.choose(chooser, scored)
        if self._a.value == self._b.value and len(scored) > 1:  # a run equals itself
            self._b.value = next(run for _, run in scored if run != self._a.value)
        return None if rows else parts.empty(_NOTHING)

    def _compare(self) -> None:
        self._compared("Comparing", self._show)

    def _show(self) -> None:
        one, two = (evaluate.predictions.find(chosen.value) for chosen in (self._a, self._b))
        found = evaluate.compare(one, two)
        self._sides = evaluate.by_item(one), evaluate.by_item(two)
        self._verdict.value = verdict(found)
        named = [(one_line(name, 60), name) for name in found["changed"]]
        parts.choose(self._item, named)
        parts.reveal(self._item, bool(named))
        self._show_item()

    def _show_item(self) -> None:
        if not self._sides or not self._item.value:
            self._answers.value = ""
            return
        name = self._item.value
        kind, *answers = evaluate.change(self._sides[0][name], self._sides[1][name])
        shown = "".join(
            f'<div class="trnb-card"><h3>Run {side}</h3>{report.predictions_html([one]).data}</div>'
            for side, one in zip("AB", answers, strict=True)
        )
        self._answers.value = f'<p>B {kind} this item.</p><div class="trnb-two">{shown}</div>'

    def _report(self) -> None:
        self._written("Writing", self._show_report)

    def _show_report(self) -> str:
        if not self._run.value:
            raise InputError("Run: expected an evaluated run")
        path = report.write_page(runs.registry.find(self._run.value))
        text = parts.escape(path.read_text(encoding="utf-8"))
        # Without scripts and without access to the page around it.
        self._page.value = (
            f'<iframe class="trnb-report" sandbox srcdoc="{text}" title="Report of a run"></iframe>'
        )
        return parts.written(path, "Report")


def boards(found: "runs.registry.Leaderboard") -> str:
    """Return the boards as HTML, and the runs that cannot be ranked with the reasons."""
    told = []
    for board, rows in groupby(found.ranked, lambda row: row["board"]):
        ranked = list(rows)
        first = ranked[0]
        asked = f"{first['items']:,} items, template {first['template']}, style {first['style']}"
        told.append(f"<h2>Board {parts.safe(board)}</h2><p>{parts.safe(asked)}</p>")
        told.append(parts.table([_ranked(row) for row in ranked], f"Board {board}"))
    out = [one_line(f"{row['run']}: {row['problem']}") for row in found.left_out]
    listed = "".join(f"<li>{parts.safe(one)}</li>" for one in out)
    if listed:
        told.append(f"<p>Not on a board:</p><ul>{listed}</ul>")
    return "".join(told)


def verdict(found: "evaluate.Comparison") -> str:
    """Return HTML with the verdict of a comparison, and the scores by task."""
    few = found["n"] < evaluate.FEWEST
    hint = f"{found['n']} items are few, {evaluate.FEWEST} and more decide better" if few else ""
    groups = {**found["sections"], **found["difficulties"], **found["tasks"], "all": found}
    rows = [
        {
            "items of": name,
            "n": group["n"],
            "A": f"{group['a']:.1%}",
            "B": f"{group['b']:.1%}",
            "difference": f"{100 * group['difference']:+.1f}",
            "95 % interval": "{:+.1f} to {:+.1f}".format(*(100 * x for x in group["interval"])),
        }
        for name, group in groups.items()
    ]
    changed = f"{counted(found['gained'], 'item{s}')} gained, {found['lost']:,} lost"
    said = f"B against A: {evaluate.verdict(found)}"
    return (
        f"<p><b>{parts.safe(said)}</b><br>{changed}</p>{parts.table(rows, 'A and B by task')}"
        f'<p class="trnb-muted">{hint}</p>'
    )


def _listed(row: "runs.registry.Row") -> dict[str, Any]:
    names: Sequence[str] = ("run", "state", "step")
    found: dict[str, Any] = dict(row)
    return {
        **{name: found[name] for name in names},
        "finished": "" if row["state"] == "running" else _minute(row["finished"]),
        "model": row["model"],
        "dataset": row["dataset"],
        "items": row["items"],
        "before": _percent(row["before"]),
        "after": _percent(row["score"]),
        **({"damaged": row["problem"]} if row["state"] == "damaged" else {}),
    }


def _ranked(row: "runs.registry.Ranked") -> dict[str, Any]:
    return {
        "rank": row["rank"],
        "run": row["run"],
        "answers": _percent(row["score"]),
        "95 % interval": f"{_percent(row['low'])} to {_percent(row['high'])}",
        "steps right": _percent(row["steps_right"]),
        "before": _percent(row["before"]),
        "model": row["model"],
        "dataset": row["dataset"],
        "steps": row["steps"],
    }


def _minute(time: str | None) -> str:
    return (time or "")[:16].replace("T", " ")


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"
