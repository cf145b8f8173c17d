"""Two traces, or two answers to one prompt, side by side with their steps aligned."""

import textwrap
from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import NamedTuple

from tunix_rt_nb.common import printable
from tunix_rt_nb.evaluate import Prediction
from tunix_rt_nb.trace import EARLIER, Step, Trace, parse_response


class Row(NamedTuple):
    """Two aligned texts, one from each trace.

    Attributes:
      part: the kind of text: `before` (a message before the prompt), `prompt`, `step` or `answer`.
      mark: `=` if the texts are equal, `~` if they differ, `<` if only `a` exists, `>` if only `b`.
      a, b: the texts; None if that trace has no text to align with the other's.
    """

    part: str
    mark: str
    a: str | None
    b: str | None


def align(a: Trace, b: Trace) -> list[Row]:
    """Align the prompts, the steps and the answers of two traces.

    Example:
      >>> one = Trace.of("p", [("s", "x"), ("s", "y")], "1")
      >>> two = Trace.of("p", [("s", "y")], "2")
      >>> [row.mark for row in align(one, two)]
      ['=', '<', '=', '~']
    """
    return [
        *_rows("before", a.earlier.labelled(), b.earlier.labelled()),
        _row("prompt", a.prompt, b.prompt),
        *_rows("step", *([step.content for step in trace.steps] for trace in (a, b))),
        _row("answer", a.final_answer, b.final_answer),
    ]


def _rows(part: str, left: list[str], right: list[str]) -> Iterator[Row]:
    """Align two lists of texts; yield a row for each pair, and for each text that has no partner.

    Args:
      part: the `part` of all rows.
      left: the texts of the first trace.
      right: the texts of the second trace.
    """
    for _, i, j, k, m in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        for one, two in zip_longest(left[i:j], right[k:m]):
            yield _row(part, one, two)


def two_columns(rows: list[Row], width: int) -> str:
    """Return rows as text in two columns, at most `width` characters wide.

    Example:
      >>> print(two_columns([Row("step", "~", "1 + 1 = 2.", "1 + 1 = 3.")], 40))
      step   1 + 1 = 2.      ~ 1 + 1 = 3.
    """
    column = max((width - 10) // 2, 10)
    lines = []
    for row in rows:
        cells = zip_longest(_wrap(row.a, column), _wrap(row.b, column), fillvalue="")
        for k, (one, two) in enumerate(cells):
            part = "" if k else row.part
            lines.append(f"{part:<6} {one:<{column}} {row.mark} {two}".rstrip())
    return "\n".join(lines)


def answers_side_by_side(a: Prediction, b: Prediction, width: int = 100) -> str:
    """Return two answers to an item as text in two columns, at most `width` characters wide."""
    return two_columns(align(_said(a), _said(b)), width)


def _said(prediction: Prediction) -> Trace:
    read = parse_response(prediction["response"], prediction.get("style") or "numbered")
    steps = tuple(Step(i=i, type="model", content=text) for i, text in enumerate(read.steps))
    return Trace(
        prompt=prediction["prompt"],
        steps=steps,
        final_answer=prediction["answer"] or "",
        meta={EARLIER: prediction[EARLIER]} if EARLIER in prediction else None,
    )


def _row(part: str, a: str | None, b: str | None) -> Row:
    mark = "=" if a == b else "<" if b is None else ">" if a is None else "~"
    return Row(part, mark, a, b)


def _wrap(text: str | None, width: int) -> list[str]:
    return [
        piece
        for line in printable(text or "").split("\n")
        for piece in textwrap.wrap(line, width) or [""]
    ]
