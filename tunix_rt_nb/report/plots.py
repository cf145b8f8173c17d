"""Curves and bars, as pictures that show in every viewer, light or dark.

Names from data, such as those of tasks, are shown as text: `label` cuts them and keeps matplotlib
from typesetting what stands between two dollar signs.
"""

import base64
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from tunix_rt_nb.common import one_line
from tunix_rt_nb.report import theme
from tunix_rt_nb.report.curve import ticks
from tunix_rt_nb.report.tables import MODELS, shares
from tunix_rt_nb.tasks import DIFFICULTIES

if TYPE_CHECKING:
    from IPython.display import Image

    from tunix_rt_nb.dataset import Sieve, Tokens
    from tunix_rt_nb.evaluate import Scorecard
    from tunix_rt_nb.render import Rows
    from tunix_rt_nb.store import Share
    from tunix_rt_nb.train import MetricsLine

BEFORE, AFTER = "#8a8d96", theme.SERIES[0]
IMPROVED = theme.SERIES[1]
WIDTH = 7.0  # inches: the output of a notebook on a laptop is wider
_MANY = 200  # from so many steps on, their loss is smoothed
_TASKS = 6  # the most tasks with a colour of their own


def panel(width: float = WIDTH, height: float = 3) -> Any:
    """Return the axes of a new figure with one plot, `width` by `height` inches."""
    return panels([["all"]], width, height)["all"]


def panels(
    places: Sequence[Sequence[str]], width: float, height: float, **how: Any
) -> dict[str, Any]:
    """Return the axes of a new figure by name, laid out as the rows of `places` say.

    Args:
      places: rows of names; a name that stands twice has a plot over both places.
      width, height: the size of the figure in inches.
      how: options of matplotlib's `subplot_mosaic`, such as `height_ratios`.
    """
    from matplotlib.figure import Figure

    figure = Figure((width, height), layout="constrained")
    return figure.subplot_mosaic([*map(list, places)], **how)


def svg(axes: Any) -> bytes:
    """Return the figure of some axes as SVG; the same figure always gives the same bytes."""
    from matplotlib import rc_context

    drawn = BytesIO()
    with rc_context({"svg.hashsalt": "tunix_rt_nb"}):
        axes.figure.savefig(drawn, format="svg", metadata={"Date": None})
    return drawn.getvalue()


def embedded(axes: Any) -> str:
    """Return the figure of some axes as the address of a picture in a page, a data URL."""
    drawn = base64.b64encode(theme.adaptive(svg(axes))).decode()
    return f"data:image/svg+xml;base64,{drawn}"


def label(name: str) -> str:
    r"""Return a name as a label of at most 30 characters that matplotlib does not typeset.

    Example:
      >>> print(label("$5 and $6"))
      \$5 and \$6
    """
    text = one_line(name, 30).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text  # else a legend leaves it out


@theme.drawing()
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
    high = max(1.4, 0.3 * len({name for counts in shares.values() for name in counts}) + 0.8)
    axes = panels([["tasks", "tasks"], [*lengths]], WIDTH, high + 2, height_ratios=[high, 2])
    _stack(axes["tasks"], shares)
    for field, found in lengths.items():
        axes[field].set(xlabel=f"{field} per trace", ylabel="traces")
        axes[field].xaxis.get_major_locator().set_params(integer=True)
        if found:
            width = max(1, (max(found) - min(found)) // 30)  # whole numbers, about 30 bars
            edges = range(min(found), max(found) + width + 1, width)
            weights = list(found.values())
            axes[field].hist(list(found), weights=weights, bins=list(edges), align="left")
    return theme.image(axes["tasks"].figure, "Traces by task, by steps and by characters")


def _stack(axes: Any, shares: Mapping[str, Counter[str]]) -> None:
    """Draw a lying bar for each task, with a part for each difficulty, the easiest first."""
    names = sorted({name for counts in shares.values() for name in counts}, reverse=True)
    left, places = [0] * len(names), range(len(names))
    for difficulty, counts in sorted(shares.items(), key=lambda share: level(share[0])):
        share = [counts[name] for name in names]
        axes.barh(places, share, left=left, label=label(difficulty) or "no difficulty")
        left = [a + b for a, b in zip(left, share, strict=True)]
    axes.set_yticks(places, map(label, names))
    axes.set(xlabel="traces")
    if len(shares) > 1 or "" in shares:
        _legend_above(axes)


def _legend_above(axes: Any) -> None:
    n = min(3, len(axes.get_legend_handles_labels()[0]))
    close = {"handlelength": 1, "columnspacing": 1.2, "borderaxespad": 0.2}
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=n, **close)


def level(difficulty: str) -> int:
    """Return the place of a difficulty in the order easy, medium, hard; other names come last."""
    return DIFFICULTIES.index(difficulty) if difficulty in DIFFICULTIES else len(DIFFICULTIES)


@theme.drawing()
def funnel_plot(funnel: "Sequence[Sieve]", tokens: "Tokens") -> "Image":
    """Plot both sides of the split, what each stage of a build left out, and lengths of traces.

    Args:
      funnel: each stage (a sieve) in order, with the number of traces left after it; the last two
        are the sides of the split.
      tokens: the lengths of a sample of traces, `tokens` in the dataset's manifest.
    """
    stages, sides = funnel[:-2], funnel[-2:]
    lost = {b["sieve"]: a["traces"] - b["traces"] for a, b in pairwise(stages)}
    kept = {side["sieve"]: side["traces"] for side in sides}
    axes = panels([["split"], ["lost"], ["lengths"]], WIDTH, 6, height_ratios=[0.5, 2, 2])
    left = 0
    for name, n in {**kept, "left out": sum(lost.values())}.items():
        axes["split"].barh([""], [n], left=left, label=f"{name}: {n:,}")
        left += n
    axes["split"].set_axis_off()
    _legend_above(axes["split"])
    bars = axes["lost"].barh([*lost], [*lost.values()], color=theme.SERIES[2])
    axes["lost"].bar_label(bars, fmt="{:,.0f}", padding=3)
    axes["lost"].set_title("traces left out at each stage", loc="left", fontsize="medium")
    axes["lost"].set_xlim(0, 1.1 * max(1, *lost.values()))
    axes["lost"].xaxis.get_major_locator().set_params(integer=True)
    axes["lost"].invert_yaxis()
    upto, heights = zip(*tokens["histogram"], strict=True)
    width = upto[1] - upto[0] if len(upto) > 1 else 1
    axes["lengths"].bar(upto, heights, width=-width, align="edge", color=AFTER)
    unit, sample = label(tokens["unit"]), tokens["sample"]
    axes["lengths"].set(xlabel=f"{unit} per trace", ylabel=f"traces, of {sample:,}")
    return theme.image(axes["split"].figure, "Both sides of the split, and what was left out")


@theme.drawing()
def length_plot(lengths: Mapping[str, Sequence[int]], limit: int) -> "Image":
    """Plot a histogram of tokens per example, by task, with the maximum length marked.

    Args:
      lengths: task -> the number of tokens of each of its examples. If there are more than six
        tasks, the smallest ones share a colour.
      limit: the maximum length in tokens.
    """
    shown = _few(lengths)
    axes = panel()
    axes.hist(list(shown.values()), bins=40, label=[*map(label, shown)], stacked=True)
    axes.axvline(limit, color=theme.INK, linestyle=":", label=f"maximum length {limit}")
    axes.set(xlabel="tokens per example", ylabel="examples")
    _legend_above(axes)
    return theme.image(axes.figure, "Lengths of examples by task, and the maximum length")


def _few(lengths: Mapping[str, Sequence[int]]) -> dict[str, Sequence[int]]:
    """Merge all but the largest tasks, so that each has a colour of its own."""
    if len(lengths) <= _TASKS:
        return dict(lengths)
    by_size = sorted(lengths, key=lambda task: -len(lengths[task]))
    large, small = by_size[: _TASKS - 1], by_size[_TASKS - 1 :]
    rest = [n for task in small for n in lengths[task]]
    return {**{task: lengths[task] for task in large}, f"{len(small)} other tasks": rest}


@theme.drawing()
def rows_plot(rows: "Rows", most: int = 24) -> "Image":
    """Plot a sample of at most `most` packed rows, each example in one colour, padding empty."""
    import numpy as np
    from matplotlib.colors import ListedColormap

    every = max(1, -(-len(rows) // most))
    shown = rows.arrays(np.arange(0, len(rows), every))["segments"]
    colours = np.where(shown > 0, (shown - 1) % len(theme.SERIES), np.nan)
    axes = panel(height=2.6)
    how = {"cmap": ListedColormap(theme.SERIES), "vmin": 0, "vmax": len(theme.SERIES) - 1}
    axes.imshow(colours, aspect="auto", interpolation="nearest", **how)
    told = f"{len(shown)} of {len(rows):,} rows" if every > 1 else "packed rows"
    axes.set(xlabel="token of the row", ylabel=told, yticks=[])  # a place is no row's number
    return theme.image(axes.figure, "Packed rows, each example in one colour")


@theme.drawing()
def loss_plot(metrics: "Iterable[MetricsLine]") -> "Image":
    """Plot the losses in lines of `metrics.jsonl`, training and held out.

    The scale is logarithmic, unless a loss is not positive: with rewards it may be.
    """
    return theme.image(loss_axes(metrics).figure, "Training loss and held-out loss by step")


@theme.drawing()
def loss_axes(metrics: Iterable[Mapping[str, Any]]) -> Any:
    """Draw what `loss_plot` shows; return the axes, which can be saved in any image format.

    The training loss of many steps is faint, with its running mean over a fiftieth of them on top.
    """
    lines = list(metrics)
    axes = panel()
    taken = {
        field: [(line["step"], line[field]) for line in lines if field in line]
        for field in ("loss", "eval_loss")
    }
    if len(taken["loss"]) >= _MANY:
        axes.plot(*zip(*taken["loss"], strict=True), color=AFTER, linewidth=0.8, alpha=0.35)
        taken["loss"] = _smooth(taken["loss"])
    for field, name, style in (("loss", "training", "-"), ("eval_loss", "held out", "o")):
        if taken[field]:
            colour = theme.SERIES[field != "loss"]
            axes.plot(*zip(*taken[field], strict=True), style, label=name, color=colour)
    axes.set(xlabel="step", ylabel="loss (nats per token)")
    if all(loss > 0 for points in taken.values() for _, loss in points):
        axes.set_yscale("log")
        places = ticks(*axes.get_ylim())
        axes.set_yticks(places, [f"{place:.3g}" for place in places])
        axes.minorticks_off()
    if lines:
        axes.legend()
    return axes


def _smooth(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Return the running mean of a curve, each point in the middle of its window."""
    import numpy as np

    width = len(points) // 50 | 1  # odd, so that it has a middle
    steps, values = zip(*points, strict=True)
    means = np.convolve(values, np.full(width, 1 / width), "valid").tolist()
    return list(zip(steps[width // 2 : len(steps) - width // 2], means, strict=True))


@theme.drawing()
def before_after_plot(
    before: "Scorecard", after: "Scorecard", improved: "Scorecard | None" = None
) -> "Image":
    """Plot right answers and right steps before and after training, as lying bars, by task.

    If there is an improved model, it has a third bar.
    """
    rows = [row for row in shares(before, after, improved) if row["after"]]
    whens = [when for when in MODELS if when in rows[0]]
    colours = {"before": BEFORE, "after": AFTER, "improved": IMPROVED}
    apart = 0.8 / len(whens)
    axes = panel(height=max(2.4, 0.21 * len(whens) * len(rows) + 1))  # as high as the bars need
    for k, when in enumerate(whens):
        places = [row + apart * (k - (len(whens) - 1) / 2) for row in range(len(rows))]
        widths = [float(row[when].removesuffix(" %") or 0) for row in rows]
        name = "improved" if when == "improved" else f"{when} training"
        bars = axes.barh(places, widths, 0.95 * apart, color=colours[when], label=name)
        axes.bar_label(bars, fmt="%.1f", padding=3, fontsize=9)
    names = [f"{label(row['task'])}: {row['what']}" for row in rows]
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="right (%)", xlim=(0, 110), ylim=(len(names) - 0.5, -0.5))
    _legend_above(axes)
    told = ", and improved" if improved else ""
    alt = f"Right answers and steps by task, before and after training{told}"
    return theme.image(axes.figure, alt)
