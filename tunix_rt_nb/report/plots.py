"""Curves and bars, as pictures that show in every viewer.

Names from data, such as those of tasks, are shown as text: `label` cuts them and keeps matplotlib
from typesetting what stands between two dollar signs.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal

from tunix_rt_nb.common import one_line
from tunix_rt_nb.report.tables import before_after
from tunix_rt_nb.tasks import DIFFICULTIES

if TYPE_CHECKING:
    from IPython.display import Image

    from tunix_rt_nb.dataset import Sieve, Tokens
    from tunix_rt_nb.evaluate import Scorecard
    from tunix_rt_nb.render import Rows
    from tunix_rt_nb.store import Share
    from tunix_rt_nb.train import MetricsLine

BEFORE, AFTER = "#b0b7c3", "#2f6fde"


def panel(width: float = 7, height: float = 3) -> Any:
    """Return the axes of a new figure with one plot, `width` by `height` inches."""
    [axes] = panels(1, width, height)
    return axes


def panels(n: int, width: float, height: float) -> list[Any]:
    """Return the axes of a new figure, `width` by `height` inches, with `n` plots side by side."""
    from matplotlib.figure import Figure

    found = Figure((width, height), layout="constrained").subplots(1, n, squeeze=False)[0]
    for axes in found:
        axes.spines[["top", "right"]].set_visible(False)
    return list(found)


def image(axes: Any) -> "Image":
    """Return the figure of some axes as a PNG: it shows in every viewer, with any backend."""
    from IPython.display import Image

    png = BytesIO()
    axes.figure.savefig(png, format="png", dpi=110)
    return Image(png.getvalue())


def svg(axes: Any) -> bytes:
    """Return the figure of some axes as SVG; the same figure always gives the same bytes."""
    from matplotlib import rc_context

    drawn = BytesIO()
    with rc_context({"svg.hashsalt": "tunix_rt_nb"}):
        axes.figure.savefig(drawn, format="svg", metadata={"Date": None})
    return drawn.getvalue()


def label(name: str) -> str:
    r"""Return a name as a label of at most 30 characters that matplotlib does not typeset.

    Example:
      >>> print(label("$5 and $6"))
      \$5 and \$6
    """
    text = one_line(name, 30).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text  # else a legend leaves it out


def store_plot(rows: "Iterable[Share]") -> "Image":
    """Plot the number of traces by task and difficulty, by steps, and by characters.

    Args:
      rows: the counts, as `TraceStore.distribution` returns them.
    """
    shares: dict[str, Counter[str]] = {}
    lengths: dict[Literal["steps", "characters"], Counter[int]]
    lengths = {"steps": Counter(), "characters": Counter()}
    for row in rows:
        shares.setdefault(row["difficulty"], Counter())[row["task"]] += row["traces"]
        for field, found in lengths.items():
            found[row[field]] += row["traces"]
    names = sorted({name for counts in shares.values() for name in counts}, reverse=True)
    bars, *histograms = panels(3, 10.5, max(2.4, 0.3 * len(names) + 0.8))
    left, places = [0] * len(names), range(len(names))
    for difficulty, counts in sorted(shares.items(), key=lambda share: level(share[0])):
        share = [counts[name] for name in names]
        bars.barh(places, share, left=left, label=label(difficulty) or "no difficulty")
        left = [a + b for a, b in zip(left, share, strict=True)]
    bars.set_yticks(places, map(label, names))
    bars.set(xlabel="traces")
    if names:
        bars.legend(frameon=False)
    for axes, (field, found) in zip(histograms, lengths.items(), strict=True):
        axes.set(xlabel=f"{field} a trace")
        if found:
            width = max(1, (max(found) - min(found)) // 30)  # whole numbers, about 30 bars
            edges = range(min(found), max(found) + width + 1, width)
            axes.hist(list(found), weights=list(found.values()), bins=list(edges), align="left")
    return image(bars)


def level(difficulty: str) -> int:
    """Return the place of a difficulty in the order easy, medium, hard; other names come last."""
    return DIFFICULTIES.index(difficulty) if difficulty in DIFFICULTIES else len(DIFFICULTIES)


def funnel_plot(funnel: "Sequence[Sieve]", tokens: "Tokens") -> "Image":
    """Plot how many traces each stage of a build left, and how long the dataset's traces are.

    Args:
      funnel: each stage (a sieve) in order, with the number of traces left after it.
      tokens: the lengths of a sample of traces, `tokens` in the dataset's manifest.
    """
    sieves, lengths = panels(2, 10.5, 3)
    left = {row["sieve"]: row["traces"] for row in reversed(funnel)}
    bars = sieves.barh(list(left), list(left.values()), color=AFTER)
    sieves.bar_label(bars, fmt="{:,.0f}", padding=3)
    sieves.margins(x=0.15)
    sieves.set(xlabel="traces")
    upto, heights = zip(*tokens["histogram"], strict=True)
    width = upto[1] - upto[0] if len(upto) > 1 else 1
    lengths.bar(upto, heights, width=-width, align="edge", color=AFTER)
    lengths.set(xlabel=f"{label(tokens['unit'])} a trace", ylabel=f"of {tokens['sample']:,} traces")
    return image(sieves)


def length_plot(lengths: Mapping[str, Sequence[int]], limit: int) -> "Image":
    """Plot a histogram of tokens per example, by task, with the maximum length marked.

    Args:
      lengths: task -> the number of tokens of each of its examples.
      limit: the maximum length in tokens.
    """
    axes = panel()
    axes.hist(list(lengths.values()), bins=40, label=[*map(label, lengths)], stacked=True)
    axes.axvline(limit, color="black", linestyle=":", label=f"maximum length {limit}")
    axes.set(xlabel="tokens an example", ylabel="examples")
    axes.legend(frameon=False)
    return image(axes)


def rows_plot(rows: "Rows", most: int = 24) -> "Image":
    """Plot a sample of at most `most` packed rows, each example in one colour, padding in white."""
    import numpy as np

    every = max(1, -(-len(rows) // most))
    shown = rows.arrays(np.arange(0, len(rows), every))["segments"]
    axes = panel(height=2.6)
    axes.imshow(np.where(shown > 0, (shown - 1) % 10, np.nan), aspect="auto", cmap="tab10")
    axes.set(xlabel="token of the row", ylabel="packed row")
    return image(axes)


def loss_plot(metrics: "Iterable[MetricsLine]") -> "Image":
    """Plot the losses in lines of `metrics.jsonl`, training and held out, on a log scale."""
    return image(loss_axes(metrics))


def loss_axes(metrics: Iterable[Mapping[str, Any]]) -> Any:
    """Draw what `loss_plot` shows; return the axes, which can be saved in any image format."""
    lines = list(metrics)
    axes = panel()
    for field, name, style in (("loss", "training", "-"), ("eval_loss", "held out", "o-")):
        if points := [(line["step"], line[field]) for line in lines if field in line]:
            axes.plot(*zip(*points, strict=True), style, label=name, linewidth=1.2)
    axes.set(xlabel="step", ylabel="loss (nats a token)", yscale="log")
    if lines:
        axes.legend(frameon=False)
    return axes


def before_after_plot(before: "Scorecard", after: "Scorecard") -> "Image":
    """Plot right answers and right steps before and after training, as lying bars, by task."""
    rows = before_after(before, after)[:-1]
    both = [(row, what) for row in rows for what in ("answers", "steps") if row[f"{what} after"]]
    axes = panel(height=max(2.4, 0.32 * len(both) + 1))  # as high as the bars need
    for offset, when, colour in ((-0.2, "before", BEFORE), (0.2, "after", AFTER)):
        shares = [float(row[f"{what} {when}"].removesuffix(" %") or 0) for row, what in both]
        places = [k + offset for k in range(len(both))]
        bars = axes.barh(places, shares, height=0.38, color=colour, label=f"{when} training")
        axes.bar_label(bars, fmt="%.0f", padding=2, fontsize=7)
    names = [f"{label(row['task'])}: {what}" for row, what in both]
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set(xlabel="right (%)", xlim=(0, 108), ylim=(len(names) - 0.5, -0.5))
    axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return image(axes)
