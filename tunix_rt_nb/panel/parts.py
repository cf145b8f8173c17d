"""What the panel is built of: fields, buttons, tables, and lines that tell what happens.

Text from traces, runs and models is data: whatever goes into HTML is escaped here.
"""

import base64
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as widgets  # type: ignore[import-untyped]

from tunix_rt_nb.common import InputError, one_line, printable

Widget = Any  # ipywidgets has no types
NO_DATASETS = "No datasets yet. Start a run in the tab Run: its second step builds one."
_PERCENT = re.compile(r"[+-]?[\d.]{1,8} ?%?")
_MOST = 8 << 20  # bytes of a file that a link carries within the page


def safe(value: object) -> str:
    """Return a value as text for HTML: escaped, and without what could hide other text."""
    return escape(printable(str(value)))


def html(text: str = "") -> Widget:
    """Return a widget that shows HTML."""
    return widgets.HTML(text)


def lead(text: str) -> Widget:
    """Return the sentence that a section begins with."""
    return html(f'<p class="trnb-lead">{safe(text)}</p>')


def heading(text: str) -> Widget:
    """Return the heading of a part of a section."""
    return html(f"<h2>{safe(text)}</h2>")


def stack(*children: Widget, name: str = "") -> Widget:
    """Return a widget with others below each other; `name` is its class in `style.CSS`."""
    return _of_class(widgets.VBox(children), name)


def row(*children: Widget) -> Widget:
    """Return a widget with others beside each other, and below each other on a narrow screen."""
    return _of_class(widgets.HBox(children), "trnb-fields")


def field(kind: Callable[..., Widget], name: str, wide: bool = False, **how: Any) -> Widget:
    """Return an input with its name above it; `kind` is a class of ipywidgets."""
    made = _of_class(kind(description=name, **how), "trnb-field")
    return _of_class(made, "trnb-wide" if wide else "")


def button(name: str, press: Callable[[], object], main: bool = False) -> Widget:
    """Return a button; `press` is called when it is pressed. A section has one `main` button."""
    made = widgets.Button(description=name, button_style="primary" if main else "")
    made.on_click(lambda _: press())
    return _of_class(made, "trnb-button")


def choose(chooser: Widget, options: Iterable[tuple[str, Any]]) -> None:
    """Give a dropdown new options; keep the chosen one if it is among them, or else take the first.

    Args:
      chooser: the dropdown.
      options: pairs of a text and its value.
    """
    options, kept = list(options), chooser.value
    values = [value for _, value in options]
    if [*chooser.options] != options:
        with chooser.hold_sync():  # else the page might show the options, but not the choice
            chooser.options = options
            if values:
                chooser.value = kept if kept in values else values[0]


def reveal(widget: Widget, shown: bool) -> None:
    """Show a widget, or hide it."""
    widget.layout.display = None if shown else "none"


def table(rows: Sequence[Mapping[str, Any]], name: str) -> str:
    """Return records as an HTML table that scrolls in its own box; numbers to the right.

    Args:
      rows: the records; a column that a record lacks gives an empty cell.
      name: what the table shows, for who hears the page.
    """
    if not rows:
        return ""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    right = [column for column in columns if all(_is_number(row.get(column)) for row in rows)]
    head = "".join(f"<th scope=col{_side(one in right)}>{safe(one)}</th>" for one in columns)
    cells = ("".join(_cell(row.get(one), one in right) for one in columns) for row in rows)
    body = "".join(f"<tr>{row}</tr>" for row in cells)
    return box(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>", name)


def box(inner: str, name: str) -> str:
    """Return HTML in a box of its own, which scrolls sideways if it is too wide."""
    label = safe(name).replace('"', "&quot;")
    return f'<div class="trnb-scroll" tabindex="0" role="region" aria-label="{label}">{inner}</div>'


def _cell(value: Any, right: bool) -> str:
    text = "" if value is None else f"{value:,}" if type(value) is int else one_line(str(value))
    return f"<td{_side(right)}>{safe(text)}</td>"


def _side(right: bool) -> str:
    return " class=trnb-number" if right else ""


def _is_number(value: Any) -> bool:
    """Tell whether a cell holds an integer, a percentage or nothing."""
    return value in (None, "") or type(value) is int or bool(_PERCENT.fullmatch(str(value)))


def empty(text: str) -> str:
    """Return the HTML that stands where there is nothing yet: it says what to do next."""
    return f'<p class="trnb-empty">{safe(text)}</p>'


def told(error: Exception) -> str:
    """Return an error as one line."""
    if isinstance(error, InputError):
        return one_line(str(error), 1_000)
    if isinstance(error, OSError):
        return one_line(f"{error.filename or 'file system'}: {error.strerror or error}", 1_000)
    return one_line(f"{type(error).__name__}: {error}", 1_000)


def written(path: Path, what: str) -> str:
    """Return the HTML that tells of a written file: where it is, its size, and a link to it."""
    size = path.stat().st_size
    link = ""
    if size <= _MOST:
        data = base64.b64encode(path.read_bytes()).decode()
        href = f"data:application/octet-stream;base64,{data}"
        link = f' <a download="{safe(path.name)}" href="{href}">Download</a>'
    return f"{safe(what)}: <code>{safe(path)}</code>, {_size(size)}.{link}"


def _size(n: int) -> str:
    return f"{n:,} bytes" if n < 10_000 else f"{n / 1000:,.0f} kB"


def _of_class(widget: Widget, name: str) -> Widget:
    return widget.add_class(name) if name else widget
