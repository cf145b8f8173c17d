"""What people look at: traces, masks, curves, graded answers, the before-and-after table.

Whatever stands in a trace or comes from a model is escaped: here it is text, never markup. Marked
places are bold as well as coloured, because some web viewers strip colours.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from tunix_rt_nb.tasks import DIFFICULTIES

if TYPE_CHECKING:
    import pandas as pd
    from IPython.display import HTML, Image

    from tunix_rt_nb.examples import Example
    from tunix_rt_nb.packing import Rows
    from tunix_rt_nb.tokens import Tokenizer
    from tunix_rt_nb.trace import Trace

_BEFORE, _AFTER = "#b0b7c3", "#2f6fde"


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


def _axes(width: float = 7, height: float = 3) -> Any:
    [axes] = _panels(1, width, height)
    return axes


def _panels(n: int, width: float, height: float) -> list[Any]:
    from matplotlib.figure import Figure

    panels = Figure((width, height), layout="constrained").subplots(1, n, squeeze=False)[0]
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
    return list(panels)


def _image(axes: Any) -> "Image":
    """A picture that shows in every viewer, whatever plotting backend the notebook has."""
    from io import BytesIO

    from IPython.display import Image

    png = BytesIO()
    axes.figure.savefig(png, format="png", dpi=110)
    return Image(png.getvalue())


def store_plot(rows: Iterable[Mapping[str, Any]]) -> "Image":
    """Traces by task and difficulty, and how long they are.

    Args:
      rows: `task`, `difficulty`, `steps`, `characters` and how many `traces` there are of those.
    """
    shares: dict[str, Counter[str]] = {}
    lengths: dict[str, Counter[int]] = {"steps": Counter(), "characters": Counter()}
    for row in rows:
        shares.setdefault(row["difficulty"], Counter())[row["task"]] += row["traces"]
        for field, found in lengths.items():
            found[row[field]] += row["traces"]
    names = sorted({name for counts in shares.values() for name in counts}, reverse=True)
    bars, *histograms = _panels(3, 10.5, max(2.4, 0.3 * len(names) + 0.8))
    left = [0] * len(names)
    for difficulty, counts in sorted(shares.items(), key=lambda share: _level(share[0])):
        share = [counts[name] for name in names]
        bars.barh(names, share, left=left, label=difficulty or "no difficulty")
        left = [a + b for a, b in zip(left, share, strict=True)]
    bars.set(xlabel="traces")
    bars.legend(frameon=False)
    for axes, (field, found) in zip(histograms, lengths.items(), strict=True):
        width = max(1, (max(found) - min(found)) // 30)  # whole numbers, some 30 bars at most
        edges = range(min(found), max(found) + width + 1, width)
        axes.hist(list(found), weights=list(found.values()), bins=list(edges), align="left")
        axes.set(xlabel=f"{field} a trace")
    return _image(bars)


def _level(difficulty: str) -> int:
    return DIFFICULTIES.index(difficulty) if difficulty in DIFFICULTIES else len(DIFFICULTIES)


def funnel_plot(funnel: Sequence[Mapping[str, Any]], tokens: Mapping[str, Any]) -> "Image":
    """How many traces are left after each sieve, and how long those in the dataset are.

    Args:
      funnel: `sieve` and `traces`, from the first sieve on.
      tokens: as a dataset's manifest has them.
    """
    sieves, lengths = _panels(2, 10.5, 3)
    names, counts = ([row[field] for row in reversed(funnel)] for field in ("sieve", "traces"))
    sieves.bar_label(sieves.barh(names, counts, color=_AFTER), fmt="{:,.0f}", padding=3)
    sieves.margins(x=0.15)
    sieves.set(xlabel="traces")
    upto, heights = zip(*tokens["histogram"], strict=True)
    width = upto[1] - upto[0] if len(upto) > 1 else 1
    lengths.bar(upto, heights, width=-width, align="edge", color=_AFTER)
    lengths.set(xlabel=f"{tokens['unit']} a trace", ylabel=f"of {tokens['sample']:,} traces")
    return _image(sieves)


def length_plot(lengths: Mapping[str, Sequence[int]], limit: int) -> "Image":
    """A histogram of tokens an example, by task, with the maximum length marked."""
    axes = _axes()
    axes.hist(list(lengths.values()), bins=40, label=list(lengths), stacked=True)
    axes.axvline(limit, color="black", linestyle=":", label=f"maximum length {limit}")
    axes.set(xlabel="tokens an example", ylabel="examples")
    axes.legend(frameon=False)
    return _image(axes)


def rows_plot(rows: "Rows", most: int = 24) -> "Image":
    """Some packed rows, one colour an example, white where nothing stands."""
    import numpy as np

    shown = rows.arrays(np.arange(0, len(rows), max(1, len(rows) // most)))["segments"]
    axes = _axes(height=2.6)
    axes.imshow(np.where(shown > 0, (shown - 1) % 10, np.nan), aspect="auto", cmap="tab10")
    axes.set(xlabel="token of the row", ylabel="packed row")
    return _image(axes)


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


def loss_plot(metrics: Iterable[Mapping[str, Any]]) -> "Image":
    """Training and held-out loss by step, on a logarithmic scale."""
    lines = list(metrics)
    axes = _axes()
    for field, label, style in (("loss", "training", "-"), ("eval_loss", "held out", "o-")):
        points = [(line["step"], line[field]) for line in lines if field in line]
        axes.plot(*zip(*points, strict=True), style, label=label, linewidth=1.2)
    axes.set(xlabel="step", ylabel="loss (nats a token)", yscale="log")
    axes.legend(frameon=False)
    return _image(axes)


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
    return {"accuracy": whole.pop("score"), "interval": card["interval"], **whole}


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def before_after(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, str]]:
    """The before-and-after table: shares of right answers and steps by task, and for all."""
    tasks = [*after["category_scores"], "all"]
    cards = [{**card["category_scores"], "all": _whole(card)} for card in (before, after)]
    return [
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


def _whole(card: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "score": card["primary_score"],
        "steps_right": card["steps_right"],
        "n": card["n_items"],
    }


def before_after_text(result: Mapping[str, Any]) -> str:
    """The before-and-after table as aligned text, with the interval of all answers below."""
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
    return f"\n{text}\n  answers after, 95 % interval: {_percent(low)} to {_percent(high)}\n"


def before_after_plot(before: Mapping[str, Any], after: Mapping[str, Any]) -> "Image":
    """Right answers and steps before and after training, by task, as bars."""
    rows = before_after(before, after)
    axes = _axes()
    names = [f"{row['task']}\n{what}" for row in rows for what in ("answers", "steps")]
    for offset, when, colour in ((-0.2, "before", _BEFORE), (0.2, "after", _AFTER)):
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
    return _image(axes)
