"""What people look at: traces, masks, curves, graded answers, the before-and-after table.

Whatever stands in a trace or comes from a model is escaped: here it is text, never markup. Marked
places are bold as well as coloured, because some web viewers strip colours.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from tunix_rt_nb.plots import (
    AFTER,
    BEFORE,
    funnel_plot,
    image,
    length_plot,
    loss_plot,
    panel,
    rows_plot,
    store_plot,
)
from tunix_rt_nb.scorecard import STRICT, warnings

if TYPE_CHECKING:
    import pandas as pd
    from IPython.display import HTML, Image

    from tunix_rt_nb.models.tokenizer import Tokenizer
    from tunix_rt_nb.render.examples import Example
    from tunix_rt_nb.trace.trace import Trace

__all__ = [
    "before_after",
    "before_after_plot",
    "before_after_text",
    "funnel_plot",
    "length_plot",
    "loss_plot",
    "mask_html",
    "predictions_html",
    "progress",
    "rows_plot",
    "store_plot",
    "summary",
    "table",
    "trace_html",
]


def _html(text: str) -> "HTML":
    from IPython.display import HTML

    return HTML(text)


def trace_html(trace: "Trace", problems: Sequence[str] = ()) -> "HTML":
    """A trace as a person would read it, under its task's name.

    Each step is ticked, or crossed and followed by what is wrong with it.
    """
    wrong = {p.split(":")[0]: p for p in problems}
    steps = "".join(
        f"<li>{escape(step.content)} {_tick(f'step {step.i + 1}' not in wrong)}</li>"
        for step in trace.steps
    )
    said = "".join(f"<p>{escape(p)}</p>" for p in problems)
    task = f"<h4>{escape(trace.task)}</h4>" if trace.task else ""
    prompt = escape(trace.prompt).replace("\n", "<br>")
    return _html(
        f"{task}<p><b>{prompt}</b></p><ol>{steps}</ol>"
        f"<p>Answer: <b>{escape(trace.final_answer)}</b> {_tick('answer' not in wrong)}</p>{said}"
    )


def _tick(right: bool) -> str:
    return "✓" if right else "✗"


def mask_html(example: "Example", tokenizer: "Tokenizer") -> "HTML":
    """The tokens of an example one by one; those that are trained on are bold, on green."""
    spans = []
    for token, trained in zip(example.ids, example.mask, strict=True):
        piece = escape(tokenizer.piece(token)).replace(" ", "&nbsp;").replace("\n", "⏎<br>")
        style = "background:#cdeccd" if trained else "background:#eef0f3"
        tag = "b" if trained else "span"
        spans.append(f'<{tag} style="{style};padding:1px 2px;margin:1px">{piece}</{tag}>')
    return _html(f'<p style="font-family:monospace;line-height:1.7">{"".join(spans)}</p>')


def table(rows: Iterable[Mapping[str, Any]], index: str | None = None) -> "pd.DataFrame":
    """Records as a table."""
    import pandas as pd

    pd.set_option("display.max_colwidth", None, "display.width", 100)
    frame = pd.DataFrame(list(rows))
    return frame.set_index(index).rename_axis(None) if index and len(frame) else frame


def progress(steps: int, lines: int = 10) -> Callable[[Mapping[str, Any]], None]:
    """A reporter for training: about `lines` lines in all, in a notebook as in a log."""
    every = max(1, steps // lines)

    def report(line: Mapping[str, Any]) -> None:
        if "eval_loss" in line:
            print(f"step {line['step']:>5}/{steps}  held-out loss {line['eval_loss']:.4f}")
        elif line["step"] % every == 0:
            speed = f"{line['tokens_per_second']:,} tokens/s"
            print(f"step {line['step']:>5}/{steps}  loss {line['loss']:.4f}  {speed}", flush=True)

    return report


def answering(what: str, n: int, lines: int = 5) -> Callable[[int], None]:
    """A reporter for generation: about `lines` lines until all `n` prompts are answered."""
    told = 0

    def report(done: int) -> None:
        nonlocal told
        if done * lines // n > told:
            told = done * lines // n
            print(f"{what}: {done:>6,}/{n:,} answered", flush=True)

    return report


def predictions_html(predictions: Sequence[Mapping[str, Any]]) -> "HTML":
    """Graded answers, each step ticked or crossed, with the reason where it is wrong."""
    return _html("".join(_prediction(p) for p in predictions))


def _prediction(prediction: Mapping[str, Any]) -> str:
    right = prediction["score"] == 1.0
    lines = escape(prediction["response"]).replace("\n", "<br>")
    wrong = "".join(
        f"<br>✗ step {escape(number)}: {escape(reason)}"
        for number, reason in prediction["wrong_steps"].items()
    )
    expected = "" if right else f", expected {escape(prediction['expected_answer'])}"
    verdict = f"{_tick(right)} answer {'right' if right else 'wrong'}{expected}"
    share = f"{_percent(prediction['steps_right'])} of the steps right"
    return (
        f"<p><b>{escape(prediction['prompt'])}</b></p>"
        f'<div class="model"><p>{lines}</p><p><i>{verdict}; {share}{wrong}</i></p></div><hr>'
    )


def summary(result: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of a `5_evaluate/result.json` in the form that `run --json` prints."""
    before, after = result["before"], result["after"]
    return {
        "before": _figures(before),
        "after": _figures(after),
        "warnings": warnings(after),
        "by_task": {
            task: {
                "before": before["category_scores"][task]["score"],
                "after": score["score"],
                "steps_right": score["steps_right"],
                "n": score["n"],
            }
            for task, score in after["category_scores"].items()
        },
    }


def _figures(card: Mapping[str, Any]) -> dict[str, Any]:
    whole = _whole(card)
    return {
        "accuracy": whole.pop("score"),
        "strict_accuracy": card["strict_score"],
        "interval": card["interval"],
        **whole,
        "skipped": card["n_skipped"],
    }


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def before_after(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, str]]:
    """The before-and-after table: shares of right answers and steps by task, and for all.

    The last row counts those answers alone that are in the style exactly.
    """
    tasks = [*after["category_scores"], "all"]
    cards = [{**card["category_scores"], "all": _whole(card)} for card in (before, after)]
    rows = [
        {
            "task": task,
            "held-out items": str(cards[1][task]["n"]),
            "answers before": _percent(cards[0][task]["score"]),
            "answers after": _percent(cards[1][task]["score"]),
            "steps before": _percent(cards[0][task]["steps_right"]),
            "steps after": _percent(cards[1][task]["steps_right"]),
        }
        for task in tasks
    ]
    strict = {
        "task": STRICT,
        "answers before": _percent(before["strict_score"]),
        "answers after": _percent(after["strict_score"]),
        "steps before": "",
        "steps after": "",
    }
    return [*rows, {**rows[-1], **strict}]


def _whole(card: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "score": card["primary_score"],
        "steps_right": card["steps_right"],
        "n": card["n_scored"],
    }


def before_after_text(result: Mapping[str, Any]) -> str:
    """The before-and-after table as aligned text; below it the interval, and what to doubt."""
    rows = before_after(result["before"], result["after"])
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
    text = "\n".join(
        "  "
        + "  ".join(
            f"{c:<{w}}" if k == 0 else f"{c:>{w}}"
            for k, (c, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )
    low, high = result["after"]["interval"]
    told = [f"answers after, 95 % interval: {_percent(low)} to {_percent(high)}"]
    below = "".join(f"  {line}\n" for line in [*told, *warnings(result["after"])])
    return f"\n{text}\n{below}"


def before_after_plot(before: Mapping[str, Any], after: Mapping[str, Any]) -> "Image":
    """Right answers and steps before and after training, by task, as bars."""
    rows = before_after(before, after)[:-1]
    axes = panel()
    names = [f"{row['task']}\n{what}" for row in rows for what in ("answers", "steps")]
    for offset, when, colour in ((-0.2, "before", BEFORE), (0.2, "after", AFTER)):
        heights = [
            float(row[f"{what} {when}"].removesuffix(" %"))
            for row in rows
            for what in ("answers", "steps")
        ]
        places = [k + offset for k in range(len(names))]
        bars = axes.bar(places, heights, width=0.38, color=colour, label=f"{when} training")
        axes.bar_label(bars, fmt="%.0f", padding=2, fontsize=8)
    axes.set_xticks(range(len(names)), names, fontsize=8)
    axes.set(ylabel="right (%)", ylim=(0, 112))
    axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return image(axes)
