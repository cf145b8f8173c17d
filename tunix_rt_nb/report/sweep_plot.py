"""The plot of a sweep: right answers by the values of a parameter, with the seeds as spread."""

import math
from collections.abc import Sequence
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from tunix_rt_nb import runs
from tunix_rt_nb.common import files
from tunix_rt_nb.report import theme
from tunix_rt_nb.report.plots import label, svg

_LOG_FROM = 5  # the largest value over the smallest, from which an axis is logarithmic
_MARKS = "osD^vP"  # of the series, besides their colours
_INCHES = 8.0, 4.5  # the shape of a slide
_DPI = 200  # so the PNG has 1,600 by 900 pixels


class _Scale(NamedTuple):
    """The x axis.

    Attributes:
      name: the parameter on it; empty if only the seeds differ.
      places: value as text -> place.
      numeric: whether the places are the values themselves.
      log: whether the axis is logarithmic.
    """

    name: str
    places: dict[str, float]
    numeric: bool
    log: bool

    def shifted(self, place: float, share: float) -> float:
        """Return a place moved to the right by a share of the smallest gap between two places."""
        known = sorted(map(self._even, self.places.values()))
        gap = min((b - a for a, b in pairwise(known)), default=1.0)
        moved = self._even(place) + share * gap
        return math.exp(moved) if self.log else moved

    def _even(self, place: float) -> float:
        return math.log(place) if self.log else place


def write_sweep_plot(stem: Path, name: str, groups: Sequence["runs.sweep.Group"]) -> list[Path]:
    """Write the plot of a sweep as `.svg` and `.png`, transparent, for light and dark slides.

    Args:
      stem: the path of the files, without the ending.
      name: the name of the sweep, for the title.
      groups: the runs of the sweep, as `runs.sweep.groups` returns them.

    Returns:
      The paths of the files.
    """
    with theme.drawing():
        axes = sweep_axes(groups, name)
        made = {".svg": svg(axes), ".png": _png(axes)}
    paths = [stem.with_name(stem.name + suffix) for suffix in made]
    for path, drawn in zip(paths, made.values(), strict=True):
        with files.atomic(path) as file:
            file.write(drawn)
    return paths


def _png(axes: Any) -> bytes:
    drawn = BytesIO()
    axes.figure.savefig(drawn, format="png", dpi=_DPI)
    return drawn.getvalue()


def sweep_axes(groups: Sequence["runs.sweep.Group"], title: str) -> Any:
    """Draw a sweep; return the axes.

    The parameter on the x axis is the one with the most values, numbers preferred. The others make
    series. A series shows each run as a dot, and the mean and standard deviation of each group.
    """
    from matplotlib.figure import Figure

    scale = _scale(groups)
    series: dict[str, list[runs.sweep.Group]] = {}
    for group in groups:
        rest = {name: runs.sweep.word(v) for name, v in group.varied.items() if name != scale.name}
        several = [f"{name} {text}" for name, text in rest.items()]
        series.setdefault(", ".join(several if len(rest) > 1 else rest.values()), []).append(group)
    axes = Figure(_INCHES, layout="constrained").subplots()
    axes.spines[["top", "right"]].set_visible(False)
    for k, (name, some) in enumerate(series.items()):
        _draw_series(axes, scale, some, name, k, len(series))
    _draw_before(axes, groups)
    _set_scale(axes, scale)
    axes.set_ylabel("right answers (%)")
    axes.grid(axis="y", color=theme.INK, alpha=0.25, linewidth=0.7)
    axes.set_axisbelow(True)
    _limit(axes, groups)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), alignment="left", title=_of(rest))
    of = f" by {scale.name}" if scale.name else ""
    whole = f"{label(title)}: right answers{of}\n"
    axes.set_title(whole, loc="left", fontweight="bold", fontsize=13)
    axes.text(0, 1.03, _told(groups), transform=axes.transAxes, fontsize=10)
    return axes


def _scale(groups: Sequence["runs.sweep.Group"]) -> _Scale:
    values: dict[str, dict[str, Any]] = {}
    for group in groups:
        for name, value in group.varied.items():
            values.setdefault(name, {})[runs.sweep.word(value)] = value
    axes = {name: found for name, found in values.items() if len(found) > 1}
    if not axes:
        return _Scale("", {"": 0.0}, False, False)
    name = max(axes, key=lambda axis: (_is_numeric(axes[axis]), len(axes[axis])))
    found = axes[name]
    if not _is_numeric(found):
        return _Scale(name, {text: float(k) for k, text in enumerate(found)}, False, False)
    low, high = min(found.values()), max(found.values())
    return _Scale(name, found, True, low > 0 and high / low >= _LOG_FROM)


def _of(rest: dict[str, str]) -> str:
    """Return the title of the legend: the parameter that makes the series, if it is one."""
    return next(iter(rest)) if len(rest) == 1 else ""


def _is_numeric(values: dict[str, Any]) -> bool:
    return all(type(value) in (int, float) for value in values.values())


def _draw_series(
    axes: Any, scale: _Scale, groups: Sequence["runs.sweep.Group"], name: str, k: int, n: int
) -> None:
    """Draw the `k`-th of `n` series, side by side with the others."""
    colour, mark = theme.SERIES[k % len(theme.SERIES)], _MARKS[k % len(_MARKS)]
    side = (k - (n - 1) / 2) * min(0.12, 0.6 / n)
    means: list[tuple[float, float, float]] = []
    for group in groups:
        place = scale.places[runs.sweep.word(group.varied[scale.name]) if scale.name else ""]
        here, beside = scale.shifted(place, side), scale.shifted(place, side - 0.05)
        scores = [100 * score for score in group.scores]
        if len(scores) > 1:  # one run is its own mean
            axes.plot([beside] * len(scores), scores, "o", color=colour, alpha=0.6, markersize=5.5)
        if group.score is not None:
            means.append((here, 100 * group.score, 100 * (group.spread or 0.0)))
    if not means:
        return
    if scale.numeric:
        means.sort()
    x, y, spreads = zip(*means, strict=True)
    line = "-" if scale.numeric else ""
    how: dict[str, Any] = {"markersize": 8, "capsize": 5, "linewidth": 1.8, "label": label(name)}
    axes.errorbar(x, y, spreads if any(spreads) else None, fmt=f"{mark}{line}", color=colour, **how)
    if n == 1:
        for here, mean, spread in means:
            above = {"textcoords": "offset points", "ha": "center", "fontweight": "bold"}
            axes.annotate(f"{mean:.1f}", (here, mean + spread), (0, 9), **above)


def _draw_before(axes: Any, groups: Sequence["runs.sweep.Group"]) -> None:
    """Draw the mean score before training as a line, unless it is 0."""
    known = [group.before for group in groups if group.before is not None]
    if known and (before := 100 * sum(known) / len(known)) > 0:
        axes.axhline(before, color=theme.INK, linestyle=":", linewidth=1.5, label="before training")


def _set_scale(axes: Any, scale: _Scale) -> None:
    axes.set_xlabel(scale.name)
    if scale.log:
        axes.set_xscale("log")
        axes.minorticks_off()
    axes.set_xticks(list(scale.places.values()), [label(text) for text in scale.places])
    places = list(scale.places.values())
    ends = scale.shifted(min(places), -0.45), scale.shifted(max(places), 0.45)
    axes.set_xlim(*ends)


def _limit(axes: Any, groups: Sequence["runs.sweep.Group"]) -> None:
    """Show some room around the shares, but none below 0 % or above 100 %."""
    low, high = axes.get_ylim()
    if all(group.score is None for group in groups):
        low, high = 0.0, 100.0
    bottom = -0.02 * high if low < 10 else low - 2  # the axis begins at 0 if that is near
    axes.set_ylim(bottom, min(102.0, high + 0.08 * (high - low)))


def _told(groups: Sequence["runs.sweep.Group"]) -> str:
    """Return what the plot shows, in words."""
    seeds = max(len(group.scores) for group in groups)
    items = max(group.items or 0 for group in groups)
    each = f"mean ± standard deviation of {seeds} seeds" if seeds > 1 else "one run each"
    missing = sum(group.runs - len(group.scores) for group in groups)
    left_out = f", {missing} failed" if missing else ""
    return f"{each}, {items:,} held-out items{left_out}"
