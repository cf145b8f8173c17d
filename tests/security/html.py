"""HTML of notebooks, tables, pages and plots: it adds an element, an attribute, a formula or a control character."""

import re
import tempfile
from collections.abc import Callable
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from matplotlib.cbook import is_math_text

from tests.helpers.run_folders import TRACES, evaluated, predictions, wrong
from tunix_rt_nb import report
from tunix_rt_nb.report import page, plots, templates
from tunix_rt_nb.report.answers import laid_out
from tunix_rt_nb.trace import Trace

_TEXTS = (
    *("<script>alert(1)</script>", "<ScRiPt src=//x></ScRiPt>", "<img src=x onerror=alert(1)>"),
    *("<svg onload=alert(1)>", "<svg><script>alert(1)</script></svg>", "<math><mi xlink:href=x>"),
    *('<a href="javascript:alert(1)">x</a>', "<iframe src=//x>", "<iframe srcdoc='<b>'>"),
    *(
        "<style>*{display:none}</style>",
        '<div style="position:fixed">',
        "<link rel=stylesheet href=x>",
    ),
    *(
        "<meta http-equiv=refresh content=0>",
        "<base href=//x>",
        "<form action=//x><input>",
        "<object>",
    ),
    *('" onmouseover="alert(1)', "' onmouseover='alert(1)", '"><script>', "'><b>", "` onclick=`x"),
    *(
        "</p></div></body>",
        "</style><script>",
        "</title><script>",
        "<!-- x",
        "--> <b>",
        "<!--><b>-->",
    ),
    *(
        "<![CDATA[<b>]]>",
        "]]><b>",
        "<?xml x?>",
        "<!DOCTYPE x>",
        "&lt;b&gt;",
        "&#60;b&#62;",
        "&amp;lt;",
    ),
    *(
        "$5 and $6",
        "$$x$$",
        r"\(x\)",
        r"\[x\]",
        r"\begin{align}x\end{align}",
        r"$\href{javascript:x}{y}$",
    ),
    *(
        r"\ref{x}",
        "{{ 7 * 7 }}",
        "{% raw %}",
        "<b\x00>",
        "\x1b[31m",
        "\u202etxt",
        "\u2066x",
        "\x9b31m",
    ),
    *("<details open ontoggle=alert(1)>", "<video><source onerror=alert(1)>", "<template><b>"),
)


def _trace(text: str) -> str:
    return report.trace_html(
        Trace.of(text, [("s", text)], text, {"task": text}), [f"x: {text}"]
    ).data


def _chat(text: str) -> str:
    chat = [{"role": "system", "content": text}, {"role": "user", "content": text}]
    chat += [{"role": "assistant", "content": text}]
    return report.trace_html(Trace.of("p", [("s", "x")], "a", {"earlier_messages": chat}), ()).data


def _answer(text: str) -> Any:
    fields = ("prompt", "expected_answer", "answer", "task", "id", "difficulty", "section")
    written = f"Reasoning:\n1. {text}\nAnswer: {text}"
    [graded] = predictions([wrong(TRACES[0])], TRACES[:1])
    return {
        **graded,
        **dict.fromkeys(fields, text),
        "response": written,
        "wrong_steps": {"1": text},
    }


def _answers(text: str) -> str:
    return report.predictions_html([_answer(text)]).data


def _table(text: str) -> str:
    rows: list[dict[str, Any]] = [
        {text: text, "b": [text], "i": text},
        {"b": {text: text}, "i": "x"},
    ]
    return report.table(rows, index="i")._repr_html_()  # type: ignore[operator]


@cache
def _values() -> dict[str, Any]:
    return page._values(evaluated(Path(tempfile.mkdtemp()), n_right=4))


def _page(text: str) -> str:
    fact = dict.fromkeys(("step", "folder", "version", "sha256"), text)
    scores = dict.fromkeys((text,), 1.0)
    judged = {"judge": text, "n": 1, "scored": 1, "score": 1.0, "criteria": scores}
    said = {**_answer(text), "earlier": text, "grader": text, "expected_answer": text}
    return templates.template("page.html.jinja").render(
        _values()
        | {
            "run": text,
            "pairs": [(laid_out(_answer(text)), laid_out(_answer(text)))],
            "chart": [{"name": text, "before": "1.0", "after": "2.0"}],
            "places": [{"task": text, "step": 1, "n": 1, "reason": text}],
            "form": dict.fromkeys(("template", "style", "system"), text),
            "judges": [judged],
            "lineage": [{**fact, "facts": [text]}],
            "parameters": [(text, text, text), (text, text, [text])],
            "disagreements": [{**said, "score": 1.0, "disagree": {text: 0.0}}],
            "warnings": [text],
            "notes": [text],
            "outcomes": [{"name": text, "before": 1, "after": 1}],
            "before_after": [dict.fromkeys((text, "n"), text)],
        }
    )


_PLACES: dict[str, Callable[[str], str]] = {
    "trace": _trace,
    "chat": _chat,
    "answers": _answers,
    "table": _table,
    "page": _page,
    "plot": plots.label,
}
ATTACKS = [(place, text) for place in _PLACES for text in _TEXTS]
_HARMLESS = "harmless"


class _Outline(HTMLParser):
    """All of a document but its texts, and the texts that are outside elements without formulas."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[Any] = []
        self.depth, self.since, self.loose = 0, 0, ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, attrs))
        if tag in ("br", "hr", "img", "meta", "link", "wbr"):
            return
        self.depth += 1
        if not self.since and "tex2jax_ignore mathjax_ignore" in (dict(attrs).get("class") or ""):
            self.since = self.depth

    def handle_endtag(self, tag: str) -> None:
        self.found.append(tag)
        self.depth -= 1
        self.since = self.since if self.depth >= self.since else 0

    def handle_data(self, data: str) -> None:
        self.loose += "" if self.since else data

    def handle_comment(self, data: str) -> None:
        self.found.append(f"<!--{data}")

    handle_decl = handle_pi = unknown_decl = handle_comment  # type: ignore[assignment]


@cache
def _harmless(place: str) -> tuple[int, int, list[Any]]:
    html = _PLACES[place](_HARMLESS)
    return html.count("<"), html.count(">"), _Outline(html).found


def attempt(attack: tuple[str, str]) -> bool:
    place, text = attack
    try:
        html = _PLACES[place](text)
    except Exception:
        return True
    if place == "plot":
        return is_math_text(html) is not False or not html.isprintable()
    outline = _Outline(html)
    # Outside of elements without formulas a page has its title, which is never typeset.
    loose, bare = (re.sub(r"\s", "", some) for some in (outline.loose, text))
    shape = html.count("<"), html.count(">"), outline.found
    controls = re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069]", html)
    typeset = loose.count(bare) > (place == "page")
    return shape != _harmless(place) or bool(controls) or typeset
