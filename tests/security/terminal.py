"""Text on a terminal: it leaves a character that a terminal might obey."""

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from tests.conftest import NOW
from tunix_rt_nb import report
from tunix_rt_nb.cli import main
from tunix_rt_nb.common import one_line
from tunix_rt_nb.store import TraceStore
from tunix_rt_nb.trace import Trace

_TEXTS = (
    *("\x1b[31mred", "\x1b[2J\x1b[H", "\x1b]0;title\x07", "\x1b]8;;http://x\x1b\\x\x1b]8;;\x1b\\"),
    *(
        "\x1b]52;c;ZXZpbA==\x07",
        "\x1bP+q\x1b\\",
        "\x1b_x\x1b\\",
        "\x1bc",
        "\x1b(0",
        "\x1b[6n",
        "\x1b[21t",
    ),
    *(
        "\x9b31mred",
        "\x9d52;c;eA==\x9c",
        "\x90q\x9c",
        "\x85",
        "a\rb",
        "a\x08b",
        "a\x7fb",
        "\x07",
        "\x0c",
    ),
    *(
        "\u202eevil",
        "\u2066x\u2069",
        "\u200ex",
        "\u061cx",
        "a\u200bb",
        "\u2028x",
        "\ufeffx",
        "\x00",
    ),
)


@cache
def _shown(text: str) -> Path:
    folder = Path(tempfile.mkdtemp()) / "traces"
    meta: dict[str, Any] = {"task": text, text: text}
    meta["earlier_messages"] = [{"role": "system", "content": text}]
    TraceStore(folder).add([Trace.of(text, [("s", text)], text, meta)], NOW)
    return folder


def _told(*arguments: str) -> str:
    found = CliRunner().invoke(main, arguments)
    assert found.exit_code in (0, 1, 2) and not isinstance(found.exception, OSError)
    return found.output


def _show(text: str) -> str:
    store = TraceStore(_shown(text))
    [stored] = store.newest()
    return _told("traces", "show", stored.trace.id, "--store", str(store.folder))


def _compare(text: str) -> str:
    store = TraceStore(_shown(text))
    [stored] = store.newest()
    return _told(
        "traces", "compare", stored.trace.id, stored.trace.id, "--store", str(store.folder)
    )


_PLACES: dict[str, Callable[[str], str]] = {
    "traces list": lambda text: _told("traces", "list", "--store", str(_shown(text))),
    "traces list --json": lambda text: _told(
        "traces", "list", "--json", "--store", str(_shown(text))
    ),
    "traces show": _show,
    "traces compare": _compare,
    "table": lambda text: report.text_table([{text: text, "b": [text]}]),
    "line": one_line,
    "error": lambda text: _told("traces", "list", "--store", str(_shown("x")), "--where", text),
}
ATTACKS = [(place, text) for place in _PLACES for text in _TEXTS]


def attempt(attack: tuple[str, str]) -> bool:
    place, text = attack
    try:
        shown = _PLACES[place](text)
    except Exception:
        return True
    return not shown.replace("\n", "").isprintable()
