"""HTML and tables for notebooks: traces, masks, graded answers, records and files.

Text from a trace or a model is escaped, so it shows as text and never acts as markup. Jupyter also
typesets TeX in HTML, such as `$5 and $6`; the classes in `TEXT` tell MathJax 2 and 3 not to do so.
Trained tokens are bold as well as coloured, because some web viewers strip colours.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunix_rt_nb.common import printable
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
_SPACES = str.maketrans("\t\r", "  ")  # HTML shows a tab and a carriage return as a space


def _html(text: str) -> "HTML":
    from IPython.display import HTML

    return HTML(f'<div class="{TEXT}">{text}</div>')


def _text(text: str) -> str:
    """Escape a text for HTML; replace what could hide or reorder other text, such as U+202E."""
    return escape(_plain(text))


def trace_html(trace: "Trace", problems: Sequence[str] | None = None) -> "HTML":
    """Show a trace under its task's name, each step ticked or crossed, with its problems below.

    The first wrong step is bold. A known task is one that this package can check. If no known task
    made the trace, its answer and its steps without sums cannot be checked; they get a dot.

    Args:
      trace: the trace.
      problems: what is wrong with the trace; each text begins with `step N:` or `answer:`. What a
        text names is crossed, all else is ticked. If None, this function checks the trace itself.
    """
    from tunix_rt_nb import tasks  # slow to load

    checked = tasks.check(trace) if problems is None else None
    problems = checked.problems if checked else problems or []
    wrong = {p.split(":")[0] for p in problems}
    right = [f"step {step.i + 1}" not in wrong for step in trace.steps]
    marks: list[bool | None] = [*(checked.right if checked else right)]
    answer = checked.answer if checked else "answer" not in wrong
    first = marks.index(False) if False in marks else None
    steps = "".join(
        _item(f"{_text(step.content)} {_tick(mark)}", bold=step.i == first)
        for step, mark in zip(trace.steps, marks, strict=True)
    )
    said = "".join(f"<p>{_text(p)}</p>" for p in problems)
    task = f"<h4>{_text(trace.task)}</h4>" if trace.task else ""
    prompt = _text(trace.prompt).replace("\n", "<br>")
    return _html(
        f"{task}{_before(trace.earlier)}<p><b>{prompt}</b></p><ol>{steps}</ol>"
        f"<p>Answer: <b>{_text(trace.final_answer)}</b> {_tick(answer)}</p>{said}"
    )


def _before(earlier: Earlier) -> str:
    """Return a paragraph for each message before a prompt."""
    return "".join(f"<p>{_text(told)}</p>" for told in earlier.labelled()).replace("\n", "<br>")


def _item(html: str, bold: bool) -> str:
    return f"<li><b>{html}</b></li>" if bold else f"<li>{html}</li>"


def _tick(right: bool | None) -> str:
    return "·" if right is None else "✓" if right else "✗"


def mask_html(example: "Example", tokenizer: "Tokenizer") -> "HTML":
    """Show the tokens of an example one by one; trained tokens are bold, on green."""
    spans = []
    for token, trained in zip(example.ids, example.mask, strict=True):
        piece = _text(tokenizer.piece(token)).replace(" ", "&nbsp;").replace("\n", "⏎<br>")
        style = "background:#cdeccd" if trained else "background:#eef0f3"
        tag = "b" if trained else "span"
        spans.append(f'<{tag} style="{style};padding:1px 2px;margin:1px">{piece}</{tag}>')
    return _html(f'<p style="font-family:monospace;line-height:1.7">{"".join(spans)}</p>')


def table(rows: Iterable[Mapping[str, Any]], index: str | None = None) -> "pd.DataFrame":
    """Return records as a DataFrame, and make pandas show long texts whole and no text as TeX.

    Unprintable characters of a text are replaced, as in a terminal.

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
    """Show graded answers, each ticked or crossed, with the reason for each wrong step.

    An answer that is listed twice, as in the first five and the last five of eight, is shown once.
    """
    once = {id(p): p for p in predictions}  # by identity, because two samples may say the same
    return _html("".join(map(_prediction, once.values())))


def _prediction(prediction: "Prediction") -> str:
    right = prediction["score"] == 1.0
    lines = _text(prediction["response"]).replace("\n", "<br>")
    wrong = "".join(
        f"<br>✗ step {_text(number)}: {_text(reason)}"
        for number, reason in prediction.get("wrong_steps", {}).items()
    )
    expected = "" if right else f", expected {_text(prediction['expected_answer'])}"
    verdict = f"{_tick(right)} answer {'right' if right else 'wrong'}{expected}"
    share = _percent(prediction["steps_right"])
    steps = f"{share} of the steps right" if share else "no step can be checked"
    return (
        f"{_before(Earlier.of(prediction))}<p><b>{_text(prediction['prompt'])}</b></p>"
        f'<div class="model"><p>{lines}</p><p><i>{verdict}; {steps}{wrong}</i></p></div><hr>'
    )
