"""The pictures of README.md, each for light and for dark: SVG whose texts fit with any font."""

import re
import textwrap
from html import escape, unescape
from pathlib import Path

import nbformat

from tests.conftest import with_step
from tunix_rt_nb import tasks
from tunix_rt_nb.host.paths import PROJECT
from tunix_rt_nb.report import theme
from tunix_rt_nb.trace import Trace

FOLDER = PROJECT / "docs" / "pictures"
WIDTH, SIZE, LINE = 560, 14, 24  # pixels: the width, the height of letters and of lines
CHARACTER = 0.6 * SIZE  # a letter of a monospaced font
ACROSS = int((WIDTH - 20) / CHARACTER)  # letters a line
ROW = re.compile(r"  (\S+) +\d+ +([\d.]+) % +([\d.]+) % +([\d.]+) % +([\d.]+) %")
TOKEN = re.compile(r'<(b|span) style="[^"]*">(.*?)</\1>')
SLIP, ANSWER = (3, "Tens: 1+4=5, so 13+48=51."), "51"  # the carry is forgotten


def drawn() -> dict[Path, str]:
    """Draw all pictures; return the SVG of each path."""
    shades = {"light": theme.LIGHT, "dark": theme.DARK}
    kinds = {"mask": mask, "before-after": before_after, "wrong-step": wrong_step}
    return {
        FOLDER / f"{name}-{shade}.svg": draw(colours)
        for name, draw in kinds.items()
        for shade, colours in shades.items()
    }


def mask(colours: dict[str, str]) -> str:
    """Draw the loss mask in the stored output of notebook 3."""
    [html] = [html for html in _outputs("3_render.ipynb") if "font-family:monospace" in html]
    x, y = 10.0, 10
    marks = [
        _box(10, y, 18, theme.TRAINED) + _text(34, y, "trained on", colours, bold=True),
        _box(150, y, 18, theme.READ) + _text(174, y, "only read", colours),
    ]
    y += int(1.5 * LINE)
    for tag, piece in TOKEN.findall(html[html.index("font-family:monospace") :]):
        shown = unescape(piece.replace("<br>", ""))
        width = CHARACTER * len(shown) + 4
        if x + width > WIDTH - 10:
            x, y = 10.0, y + LINE
        marks.append(_box(x, y, width, theme.TRAINED if tag == "b" else theme.READ))
        marks.append(_text(x + 2, y, shown, colours, tag == "b"))
        x += width + 2
        if "<br>" in piece:
            x, y = 10.0, y + LINE
    return _svg(marks, y + LINE + 10)


def before_after(colours: dict[str, str]) -> str:
    """Draw the table of README.md as bars."""
    rows = ROW.findall((PROJECT / "README.md").read_text(encoding="utf-8"))
    after, grey = theme.SERIES[0], colours["muted"]
    y, left, full = 10, 210, 212
    marks = [_box(left, y + 2, 14, grey) + _text(left + 22, y, "before training", colours)]
    marks.append(_box(left + 180, y + 2, 14, after) + _text(left + 202, y, "after", colours))
    for task, *shares in rows:
        for what, pair in (("answers", shares[:2]), ("steps", shares[2:])):
            y += int(1.5 * LINE)
            marks.append(_text(10, y, task if what == "answers" else "", colours, bold=True))
            marks.append(_text(left - 68, y, what, {"text": grey}))
            for offset, share, colour in zip((0, 9), pair, (grey, after), strict=True):
                marks.append(_box(left, y + offset, max(2, full * float(share) / 100), colour, 8))
            marks.append(_text(left + full + 8, y, f"{pair[0]} → {pair[1]}%", colours))
    return _svg(marks, y + 2 * LINE)


def wrong_step(colours: dict[str, str]) -> str:
    """Draw a solution that forgets a carry, with what the task's checker says of each step."""
    [trace] = tasks.draw("arithmetic", 1, seed=0)
    steps = [(step.type, step.content) for step in with_step(trace, *SLIP).steps]
    slipped = Trace.of(trace.prompt, steps, ANSWER, trace.meta)
    checked = tasks.check(slipped)
    assert checked.answer is False and [*checked.right].count(False) == 1
    y = 10
    marks = [_text(10, y, slipped.prompt, colours, bold=True)]
    for number, (step, right) in enumerate(zip(slipped.steps, checked.right, strict=True), 1):
        y += int(1.2 * LINE)
        if not right:
            marks.append(_box(6, y - 2, WIDTH - 12, theme.WRONG, LINE - 2))
            marks.append(_box(6, y - 2, 4, colours["bad"], LINE - 2))
        shade = {"text": colours["good" if right else "bad"]}
        marks.append(_text(16, y, "✓" if right else "✗", shade, bold=True))
        marks.append(_text(36, y, f"{number}. {step.content}", colours, bold=not right))
    y += int(1.2 * LINE)
    marks.append(_text(16, y, "✗", {"text": colours["bad"]}, bold=True))
    marks.append(_text(36, y, f"Answer: {slipped.final_answer}", colours))
    y += 8
    for problem in checked.problems:
        for line in textwrap.wrap(problem, ACROSS):
            y += LINE - 2
            marks.append(_text(10, y, line, {"text": colours["muted"]}))
    return _svg(marks, y + LINE + 6)


def _outputs(name: str) -> list[str]:
    """Return the HTML outputs that a notebook was stored with."""
    notebook = nbformat.read(PROJECT / "notebooks" / name, as_version=4)
    outputs = [one for cell in notebook.cells for one in cell.get("outputs", [])]
    return [one.data["text/html"] for one in outputs if "text/html" in one.get("data", {})]


def _box(x: float, y: float, width: float, fill: str, height: float = 20) -> str:
    place = f'x="{x:.1f}" y="{y}" width="{width:.1f}" height="{height}" rx="3"'
    return f'<rect {place} style="fill:{fill}"/>'


def _text(x: float, y: float, text: str, colours: dict[str, str], bold: bool = False) -> str:
    """Draw a line of text below `y`, each letter as wide as the next in whatever font there is."""
    place = f'x="{x:.1f}" y="{y + 15}" textLength="{CHARACTER * len(text):.1f}"'
    weight = ' font-weight="bold"' if bold else ""
    shown = escape(text.replace(" ", "\u00a0"))
    return f'<text {place}{weight} fill="{colours["text"]}">{shown}</text>'


def _svg(marks: list[str], height: int) -> str:
    font = f'font-family="ui-monospace, Menlo, Consolas, monospace" font-size="{SIZE}"'
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    body = "\n".join(marks)
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font}>\n{body}\n</svg>\n'
