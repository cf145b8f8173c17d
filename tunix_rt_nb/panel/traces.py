"""The traces of a store: filtered, page by page, and each to read with its steps ticked."""

from pathlib import Path
from typing import Any

from tunix_rt_nb import report, store
from tunix_rt_nb.common import InputError, counted, filter_condition, one_line, sql
from tunix_rt_nb.host import paths
from tunix_rt_nb.panel import parts
from tunix_rt_nb.panel.parts import widgets
from tunix_rt_nb.panel.work import Work, on_change
from tunix_rt_nb.trace import OWN

_PAGE = 8  # traces at a time
_OTHER = ""  # the choice of a folder that is typed
_ALL, _ANY = ("all tasks", ""), ("any", "")  # ipywidgets shows no choice whose value is None
_NOTHING = "No traces yet. Start quickstart in the tab Run: its first step makes some."


class Traces:
    """A store to choose, filters, the traces they leave, and the one that is read."""

    title = "Traces"

    def __init__(self) -> None:
        self._store = parts.field(widgets.Dropdown, "Traces of", wide=True)
        self._folder = parts.field(
            widgets.Text,
            "Folder",
            wide=True,
            continuous_update=False,
            placeholder="path of a folder with traces",
        )
        self._task = parts.field(widgets.Dropdown, "Task", options=[_ALL])
        self._level = parts.field(widgets.Dropdown, "Difficulty", options=[_ANY])
        self._text = parts.field(
            widgets.Text, "Text", placeholder="in prompt, steps or answer", continuous_update=False
        )
        self._newer = parts.button("Newer", lambda: self._turn(-1))
        self._older = parts.button("Older", lambda: self._turn(1))
        self._list = parts.stack(name="trnb-list")
        self._count = parts.html()
        self._read = parts.html()
        self._work = Work()
        self._page = 0
        pages = parts.row(self._newer, self._older, self._count).add_class("trnb-pages")
        self._found = parts.stack(
            parts.stack(self._list, pages), self._read, name="trnb-list-and-one"
        )
        self._filters = parts.row(self._task, self._level, self._text)
        self.widget = parts.stack(
            parts.lead("Read what a model learns from: every step is checked by a program."),
            parts.row(self._store, self._folder),
            self._filters,
            self._work.line,
            self._found,
        )
        on_change(self._open, self._store, self._folder)
        on_change(self._first, self._task, self._level, self._text)
        parts.reveal(self._folder, False)

    def refresh(self) -> None:
        """List the stores again, and the traces of the chosen one."""
        self._work("", self._stores)

    def _stores(self) -> str | None:
        found = [(_short(folder), str(folder)) for folder in store.stores()]
        parts.choose(self._store, [*found, ("another folder …", _OTHER)])
        if found and self._store.value == _OTHER and not self._folder.value:
            self._store.value = found[0][1]  # traces that came after nothing was there
        return self._show_store()

    def _open(self) -> None:
        parts.reveal(self._folder, self._store.value == _OTHER)
        self._page = 0
        self._work("", self._show_store)

    def _opened(self) -> "store.TraceStore | None":
        name = self._store.value or self._folder.value.strip()
        if not name:
            return None
        folder = paths.home() / Path(name).expanduser()
        if not folder.is_dir():
            raise InputError(f"{folder}: is not a folder")
        return store.TraceStore(folder)

    def _show_store(self) -> str | None:
        opened = None
        try:
            opened = self._opened()
        finally:  # nor is anything of another folder left if this one is none
            parts.reveal(self._filters, opened is not None)
            parts.reveal(self._found, opened is not None)
        if opened is None:
            return "" if len(self._store.options) > 1 else parts.empty(_NOTHING)
        rows = opened.overview()
        for chooser, name, every in (
            (self._task, "task", _ALL),
            (self._level, "difficulty", _ANY),
        ):
            values = dict.fromkeys(str(row[name]) for row in rows if row[name])
            parts.choose(chooser, [every, *((value, value) for value in values)])
        return self._show_page()

    def _first(self) -> None:
        self._page = 0
        self._work("", self._show_page)

    def _turn(self, by: int) -> None:
        self._page = max(0, self._page + by)
        self._work("", self._show_page)

    def _show_page(self) -> str | None:
        opened = self._opened()
        if opened is None:
            return None
        found, whole = _search(opened, self._filters_now(), self._text.value, self._page)
        self._list.children = [self._line(k, stored) for k, stored in enumerate(found)]
        first = self._page * _PAGE
        told = f"{first + 1:,} to {first + len(found):,} of {counted(whole, 'trace{s}')}"
        self._count.value = f'<p class="trnb-muted">{told if found else "No trace fits."}</p>'
        self._newer.disabled = not self._page
        self._older.disabled = first + len(found) >= whole
        self._show(0, found[0] if found else None)
        return None

    def _filters_now(self) -> dict[str, Any]:
        chosen = {"task": self._task.value, "difficulty": self._level.value}
        if chosen["task"] == OWN:  # a trace of one's own names no task
            chosen["task"] = {"exists": False}
        return {name: value for name, value in chosen.items() if value}

    def _line(self, k: int, stored: "store.Stored") -> parts.Widget:
        trace = stored.trace
        name = f"{trace.task or 'own'} · {one_line(trace.prompt, 90)}"
        made = parts.button(name, lambda: self._show(k, stored))
        made.tooltip = one_line(trace.prompt, 300)
        return made

    def _show(self, k: int, stored: "store.Stored | None") -> None:
        for n, line in enumerate(self._list.children):
            (line.add_class if n == k else line.remove_class)("trnb-chosen")
        if stored is None:
            self._read.value = ""
            return
        shown = report.trace_html(stored.trace).data
        meta = {"id": stored.trace.id[:8], "written": stored.created_at[:16].replace("T", " ")}
        about = ", ".join(f"{name} {parts.safe(value)}" for name, value in meta.items())
        self._read.value = f'<div class="trnb-card">{shown}<p class="trnb-muted">{about}</p></div>'


def _search(
    opened: "store.TraceStore", filters: dict[str, Any], text: str, page: int
) -> "tuple[list[store.Stored], int]":
    """Return a page of the traces that fit, the newest first, and how many fit in all."""
    if not filters and not text:
        return opened.newest(_PAGE, page * _PAGE), opened.count()
    where, values = filter_condition(filters)
    values |= {"text": text, "limit": _PAGE, "offset": page * _PAGE}
    rows = opened.query(sql("search").format(where=where), values)
    return opened.get([row["id"] for row in rows]), rows[0]["found"] if rows else 0


def _short(folder: Path) -> str:
    """Return the name of a store: its run, or its path within the home folder."""
    inner = folder.relative_to(paths.home())
    return f"run {inner.parts[1]}" if inner.parts[0] == "runs" else str(inner)
