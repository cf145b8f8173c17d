"""Cards of datasets and models, in Markdown and YAML: it adds markup or changes the front matter."""

import tempfile
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import mistune
import yaml

from tests.conftest import NOW, some
from tunix_rt_nb import dataset
from tunix_rt_nb.dataset import card
from tunix_rt_nb.report import model_card
from tunix_rt_nb.store import TraceStore
from tunix_rt_nb.trace import Trace

_TEXTS = (
    *("<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "[x](javascript:alert(1))"),
    *(
        "![x](http://x/y.png)",
        "[x]: http://x",
        "<http://x>",
        "a | b | c",
        "a\\| b",
        "`x`",
        "``",
        "```",
    ),
    *(
        "```\n# x\n",
        "\n\n# Title\n",
        "\n---\n",
        "---\nlicense: x\n---",
        "\n| a |\n| --- |\n",
        "**x**",
    ),
    *(
        "__x__",
        "*x*",
        "~~~\nx\n~~~",
        "~~~~",
        "- x",
        "1. x",
        "> x",
        "\\",
        "\\\\",
        "x\\",
        "&lt;b&gt;",
    ),
    *(
        "&#60;b&#62;",
        "<!-- x",
        "--> x",
        "{{ x }}",
        "a: b",
        "x: !!python/object:os.system",
        "&a [*a]",
    ),
    *(
        "*a",
        "!x",
        "null",
        "~",
        "yes",
        "'",
        '"',
        '"\nlicense: "x',
        "]\nlicense: x\ntags: [",
        "\x85license: x",
    ),
    *(
        "\u2028license: x",
        "\x00",
        "%YAML 1.1",
        "...",
        "? x",
        "#",
        "x #y",
        "@x",
        "\t- x",
        "\ufeff---",
    ),
)
_KINDS = ("dataset", "model")
ATTACKS = [(kind, text) for kind in _KINDS for text in _TEXTS]


@cache
def _manifest() -> Any:
    home = Path(tempfile.mkdtemp())
    store = TraceStore(home / "traces")
    store.add(some("arithmetic", 8, seed=0), NOW)
    return dataset.read_manifest(
        dataset.build(store, dataset.DatasetSpec.of(dataset_name="x"), home)
    )


def _card(kind: str, text: str) -> str:
    if kind == "model":
        scores = {text: {"before": 0.5, "after": 0.5, "n": 2}}
        told: Any = {"name": text, "base": text, "license": text, "tags": [text], "scores": scores}
        told |= {"data": {text: text}, "training": {text: [text]}}
        return model_card.card(told)
    sides = {text: {"train": 1, "eval": 0}}
    manifest = {**_manifest(), "tags": [text], "tasks": sides, "filters": {text: text}}
    chat = {"earlier_messages": [{"role": "system", "content": text}]}
    return card.card(manifest, Trace.of(text, [("s", text)], text, chat))


class _Elements(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[Any] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, attrs))

    def handle_comment(self, data: str) -> None:
        self.found.append(data)


def _read(text: str) -> tuple[list[Any], Any]:
    """The elements of a card as HTML, and its front matter."""
    _, front, body = text.split("---\n", 2)
    shown = mistune.create_markdown(escape=False, plugins=["table", "strikethrough"])(body)
    return _Elements(str(shown)).found, yaml.safe_load(front)


def _put(front: Any, text: str) -> Any:
    """A harmless front matter, with another text in its place."""
    if isinstance(front, dict):
        return {name: _put(value, text) for name, value in front.items()}
    if isinstance(front, list):
        return [_put(value, text) for value in front]
    return text if front == "harmless" else front


def attempt(attack: tuple[str, str]) -> bool:
    kind, text = attack
    try:
        elements, front = _read(_card(kind, text))
    except Exception:
        return True
    plain, expected = _read(_card(kind, "harmless"))
    return elements != plain or front != _put(expected, text)
