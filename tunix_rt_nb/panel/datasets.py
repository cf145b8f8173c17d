"""Datasets: which there are, what each is made of, and their export."""

from pathlib import Path
from typing import Any

from tunix_rt_nb import dataset, store
from tunix_rt_nb.common import InputError, files
from tunix_rt_nb.dataset import exporter
from tunix_rt_nb.host import paths
from tunix_rt_nb.panel import card, parts
from tunix_rt_nb.panel.parts import widgets
from tunix_rt_nb.panel.work import Work, on_change
from tunix_rt_nb.trace import TEMPLATES, formats, response

_COLUMNS = ("stage", "traces", "left out", "share")
_SIDE = dict.fromkeys(("traces", "left out"), " class=trnb-number")
_SIDES = [("to train on", "train"), ("held out", "eval"), ("all", "all")]
_AS_BUILT = ("as the dataset says", "")


class Datasets:
    """All datasets, the chosen one with its funnel and card, and its export."""

    title = "Datasets"

    def __init__(self) -> None:
        self._all = parts.html()
        self._key = parts.field(widgets.Dropdown, "Dataset", wide=True)
        self._about = parts.html()
        forms = list(formats.EXPORTS)
        self._form = parts.field(
            widgets.Dropdown, "Format of the records", options=forms, value="tunix_sft"
        )
        self._kind = parts.field(widgets.Dropdown, "Kind of file", options=exporter.KINDS)
        self._side = parts.field(widgets.Dropdown, "Traces", options=_SIDES)
        names = (("Template", TEMPLATES), ("Style", response.STYLES))
        self._template, self._style = (
            parts.field(widgets.Dropdown, name, options=[_AS_BUILT, *((one, one) for one in known)])
            for name, known in names
        )
        self._to = parts.field(widgets.Text, "File", wide=True)
        self._button = parts.button("Export", self._export, main=True)
        self._shown, self._exported = Work(), Work(self._button)
        self._one = parts.stack(
            parts.row(self._key),
            self._about,
            parts.heading("Export"),
            parts.row(self._form, self._kind, self._side, self._template, self._style),
            parts.row(self._to),
            parts.row(self._button),
            self._exported.line,
        )
        self.widget = parts.stack(
            parts.lead("A dataset never changes: other content is another version."),
            self._all,
            self._shown.line,
            self._one,
        )
        on_change(self._choose, self._key)
        on_change(self._name, self._form, self._kind, self._side)

    def refresh(self) -> None:
        """List the datasets again."""
        self._shown("", self._list)

    def _list(self) -> str | None:
        rows = list(dataset.listing())
        self._all.value = parts.table([_row(row) for row in rows], "All datasets")
        named = choices()
        parts.reveal(self._one, bool(named))
        parts.choose(self._key, named)
        return None if rows else parts.empty(parts.NO_DATASETS)

    def _choose(self) -> None:
        self._exported.clear()
        self._name()
        self._shown("", self._show)

    def _show(self) -> None:
        if self._key.value:
            self._about.value = about(Path(self._key.value))

    def _name(self) -> None:
        """Name the file to export to after the dataset, its side and the format."""
        if self._key.value:
            of = Path(self._key.value).name, self._side.value, self._form.value
            name = "-".join(of) + self._kind.value
            self._to.value = str(paths.home() / "data" / "exports" / name)

    def _export(self) -> None:
        how = {
            "form": self._form.value,
            "split": self._side.value,
            "template": self._template.value or None,
            "style": self._style.value or None,
        }
        folder, to = Path(self._key.value), self._to.value
        self._exported("Exporting", lambda: export(folder, to, **how))


def choices() -> list[tuple[str, str]]:
    """List the complete datasets for a dropdown: the name of each, with its run, and its folder."""
    whole = [row["folder"] for row in dataset.listing() if row["state"] == "complete"]
    return [(_named(Path(folder)), folder) for folder in whole]


def export(folder: Path, to: str, **how: Any) -> str:
    """Export a dataset to a file, and return the HTML that tells of it.

    Args:
      folder: the folder of the dataset.
      to: the path of the file, as it was typed.
      how: further arguments of `dataset.export`.
    """
    if not to.strip():
        raise InputError("File: is empty, expected the path of the file to write")
    path = paths.home() / Path(to.strip()).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = store.TraceStore(store.store_of(folder))
    done = dataset.export(path, dataset=folder, store=kept, **how)
    out = f", {done.deleted:,} deleted traces left out" if done.deleted else ""
    return parts.written(path, f"{done.written:,} records{out}")


def about(folder: Path) -> str:
    """Return the HTML of a dataset's funnel, its tasks and its card."""
    manifest = dataset.read_manifest(folder)
    readme = folder / "README.md"
    told = card.to_html(files.content(readme).decode(errors="replace")) if readme.exists() else ""
    return (
        f"<h2>What it is made of</h2>{funnel(dataset.funnel(manifest))}"
        f"<h2>Tasks</h2>{parts.table(dataset.by_task(manifest), 'Traces by task')}"
        f'<details class="trnb-card"><summary>The card</summary>{told}</details>'
    )


def funnel(sieves: "list[dataset.Sieve]") -> str:
    """Return HTML that shows what each stage of the build left out, and what the two sides got."""
    most = max(1, *(sieve["traces"] for sieve in sieves))
    rows, before = [], None
    for sieve in sieves:
        name, n = sieve["sieve"], sieve["traces"]
        if name in ("to train on", "held out"):
            rows.append(_stage(name, n, "", n / most))
        elif n != before:
            rows.append(_stage(name, n, f"−{before - n:,}" if before else "", n / most))
            before = n
    head = "".join(f"<th scope=col{_SIDE.get(name, '')}>{name}</th>" for name in _COLUMNS)
    body = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    return parts.box(body, "Traces left by each stage of the build")


def _stage(name: str, n: int, lost: str, share: float) -> str:
    bar = f'<span class="trnb-bar" style="width:{100 * share:.1f}%"></span>'
    return (
        f'<tr><th scope="row">{parts.safe(name)}</th><td class="trnb-number">{n:,}</td>'
        f'<td class="trnb-number trnb-bad">{lost}</td><td class="trnb-bars">{bar}</td></tr>'
    )


def _row(row: "dataset.versions.Row") -> dict[str, Any]:
    made = dataset.built_at(row["folder"]) if row["state"] == "complete" else ""
    problem = {"problem": row["problem"]} if "problem" in row else {}
    return {
        "dataset": row["dataset"],
        "run": _run_of(Path(row["folder"])),
        "state": row["state"],
        "train": row.get("train"),
        "held out": row.get("eval"),
        "tasks": row.get("tasks"),
        "built": made[:16].replace("T", " "),
        **problem,
    }


def _named(folder: Path) -> str:
    run = _run_of(folder)
    return f"{folder.name} (run {run})" if run else folder.name


def _run_of(folder: Path) -> str:
    """Return the run that built a dataset; empty if none did."""
    inner = folder.relative_to(paths.home()).parts
    return inner[1] if inner[0] == "runs" else ""
