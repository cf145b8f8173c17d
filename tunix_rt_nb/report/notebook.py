"""HTML and tables for notebooks: traces, masks, graded answers, records and files.

Text from a trace or a model is escaped, so it shows as text and never acts as markup. Jupyter also
typesets TeX in HTML, such as `$5 and $6`; the classes in `TEXT` tell MathJax 2 and 3 not to do so.
Texts have the viewer's own colour, on translucent backgrounds, so they read in light and in dark.
What is coloured is bold too or has a mark, because some web viewers strip colours.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunix_rt_nb.common import printable
from tunix_rt_nb.evaluate import outcome
from tunix_rt_nb.report import theme
from tunix_rt_nb.report.answers import laid_out, shorten
from tunix_rt_nb.report.rounds import watched
from tunix_rt_nb.report.tables import _percent
from tunix_rt_nb.trace import Earlier

if TYPE_CHECKING:
    import pandas as pd
    from IPython.display import HTML

    from tunix_rt_nb.evaluate import Prediction
    from tunix_rt_nb.models import Tokenizer
    from tunix_rt_nb.render import Example
    from tunix_rt_nb.trace import Trace

TEXT = "tex2jax_ignore mathjax_ignore"  # the classes of an element without formulas
_BAD = f"background:{theme.WRONG};border-left:3px solid #e5484d;padding-left:4px"
_RULE = '<hr style="border:0;border-top:1px solid rgba(127,127,127,.4)">'
_SPACES = str.maketrans("\t\r", "  ")  # HTML shows a tab and a carriage return as a space


def _html(text: str) -> "HTML":
    from IPython.display import HTML

    return HTML(f'<div class="{TEXT}">{text}</div>')


def _text(text: str) -> str:
    """Escape a text for HTML; replace what could hide or reorder other text, such as U+202E."""
    return escape(_plain(text))


def trace_html(trace: "Trace", problems: Sequence[str] | None = None) -> "HTML":
    """Show a trace under its task's name, each step ticked or crossed, with its problems below.

    The first wrong step is bold, on red. A known task is one that this package can check. If no
    known task made the trace, its answer and its steps without sums cannot be checked; they get a
    dot.

    Args:
      trace: the trace.
      problems: what is wrong with the trace; each text begins with `step N:` or `answer:`. What a
        text names is crossed, all else is ticked. If None, this function checks the trace itself.
    """
    return _html(_trace(trace, problems))


def traces_html(traces: Iterable["Trace"], open_tasks: Container[str | None]) -> "HTML":
    """Show traces as `trace_html` does; fold those of other tasks than `open_tasks` away."""
    shown: list[str] = []
    folded: list[str] = []
    for trace in traces:
        (shown if trace.task in open_tasks else folded).append(_trace(trace))
    rest = f"<details><summary>{len(folded)} more traces</summary>{''.join(folded)}</details>"
    return _html("".join(shown) + (rest if folded else ""))


def _trace(trace: "Trace", problems: Sequence[str] | None = None) -> str:
    from tunix_rt_nb import tasks  # slow to load

    checked = tasks.check(trace) if problems is None else None
    problems = checked.problems if checked else problems or []
    wrong = {p.split(":")[0] for p in problems}
    right = [f"step {step.i + 1}" not in wrong for step in trace.steps]
    marks: list[bool | None] = [*(checked.right if checked else right)]
    answer = checked.answer if checked else "answer" not in wrong
    first = marks.index(False) if False in marks else None
    steps = "".join(
        _item(step.content, _tick(mark), bad=step.i == first)
        for step, mark in zip(trace.steps, marks, strict=True)
    )
    said = "".join(f"<p>{_text(p)}</p>" for p in problems)
    task = f"<h4>{_text(trace.task)}</h4>" if trace.task else ""
    return (
        f"{task}{_before(trace.earlier)}<p><b>{_lines(trace.prompt)}</b></p><ol>{steps}</ol>"
        f"<p>Answer: <b>{_text(trace.final_answer)}</b> {_tick(answer)}</p>{said}"
    )


def _lines(text: str) -> str:
    return _text(text).replace("\n", "<br>")


def _before(earlier: Earlier) -> str:
    """Return a paragraph for each message before a prompt."""
    return "".join(f"<p>{_lines(told)}</p>" for told in earlier.labelled())


def _item(text: str, tick: str, reason: str = "", bad: bool = False) -> str:
    """Return a step as an item of a list; a `bad` one is bold, on red."""
    html = f"{_lines(text)} {tick}"
    why = f"<br><i>{_lines(reason)}</i>" if reason else ""
    return f'<li style="{_BAD}"><b>{html}</b>{why}</li>' if bad else f"<li>{html}{why}</li>"


def _tick(right: bool | None) -> str:
    return "·" if right is None else "✓" if right else "✗"


def mask_html(example: "Example", tokenizer: "Tokenizer") -> "HTML":
    """Show the tokens of an example one by one; trained tokens are bold, on green."""
    spans = []
    for token, trained in zip(example.ids, example.mask, strict=True):
        piece = _text(tokenizer.piece(token)).replace(" ", "&nbsp;").replace("\n", "⏎<br>")
        spans.append(_token(piece, trained))
    legend = f"<p>{_token('trained on', True)} {_token('only read', False)}</p>"
    tokens = "<wbr>".join(spans)  # a line may end after each token, on a narrow screen
    return _html(f'{legend}<p style="font-family:monospace;line-height:1.8">{tokens}</p>')


def _token(piece: str, trained: bool) -> str:
    tag, background = ("b", theme.TRAINED) if trained else ("span", theme.READ)
    style = f"background:{background};border-radius:3px;padding:1px 2px;margin:1px"
    return f'<{tag} style="{style}">{piece}</{tag}>'


def table(rows: Iterable[Mapping[str, Any]], index: str | None = None) -> "pd.DataFrame":
    """Return records as a DataFrame, and make pandas show long texts whole and no text as TeX.

    Unprintable characters of a text are replaced, as in a terminal. Integers become texts with a
    comma at each thousand.

    Args:
      index: the column that becomes the index; None to number the rows.
    """
    import pandas as pd

    pd.set_option("display.max_colwidth", None, "display.width", 100)
    pd.set_option("display.html.use_mathjax", False)
    frame = pd.DataFrame([_plain(dict(row)) for row in rows])
    return frame.set_index(index).rename_axis(None) if index and len(frame) else frame


def _plain(value: Any) -> Any:
    """Replace the unprintable characters of a text, and of each text in a list or a dict."""
    if type(value) is int:
        return f"{value:,}"
    if isinstance(value, str):
        return printable(value.translate(_SPACES))
    if isinstance(value, list):
        return [*map(_plain, value)]
    return {_plain(k): _plain(v) for k, v in value.items()} if isinstance(value, dict) else value


def files_table(folder: Path) -> "pd.DataFrame":
    """Return a DataFrame of the files in a folder, with their sizes in bytes."""
    rows = [{"file": path.name, "bytes": path.stat().st_size} for path in sorted(folder.iterdir())]
    return table(rows, index="file")


def predictions_html(predictions: Sequence["Prediction"]) -> "HTML":
    """Show graded answers, each step ticked or crossed, the first wrong one bold and on red.

    A step gets a dot if no program can check it.
    """
    return _html(f'<div class="model">{_RULE.join(map(_prediction, predictions))}</div>')


def watched_html(rounds: Sequence[Sequence["Prediction"]]) -> "HTML":
    """Show the first answer of each round; the first prompt is the same in all of them.

    Of more than eight rounds, eight are shown.

    Args:
      rounds: the answers of each round, all to the first prompt before those to the next.
    """
    firsts = watched(rounds)
    shown = "".join(f"<h4>Round {n:,}</h4>{_solution(first)}" for n, first in firsts.items())
    prompt = "".join(map(_question, [*firsts.values()][:1]))
    return _html(f'<div class="model">{prompt}{shown}</div>')


def _prediction(prediction: "Prediction") -> str:
    return _question(prediction) + _solution(prediction)


def _question(prediction: "Prediction") -> str:
    prompt = shorten(prediction["prompt"])
    return f"{_before(Earlier.of(prediction))}<p><b>{_lines(prompt)}</b></p>"


def _solution(prediction: "Prediction") -> str:
    told = laid_out(prediction)
    steps = "".join(
        _item(step["text"], step["tick"], step["reason"], bad=step["mark"] == "first")
        for step in told["steps"]
    )
    if told["more"]:
        steps += f"<li>... and {told['more']} steps more</li>"
    if told["missing"]:
        steps += f'<li style="{_BAD}"><b>a step is missing here ✗</b></li>'
    expected = "" if told["right"] else f", expected <b>{_text(told['expected'])}</b>"
    answer = "none" if told["answer"] is None else told["answer"]
    share = _percent(prediction["steps_right"])
    checked = f"; {share} of the steps right" if share else "; no step can be checked"
    if outcome(prediction) == "right" and prediction["steps_right"] == 1.0:
        checked = ""  # the outcome says so
    written = f"<summary>As it was written, not in the style</summary>{_lines(told['response'])}"
    return (
        f"<ol>{steps}</ol><p>Answer: <b>{_lines(answer)}</b> {_tick(told['right'])}{expected}"
        f" <i>({_text(told['outcome'])}{checked})</i></p>"
        + (f"<details>{written}</details>" if told["response"] else "")
    )
