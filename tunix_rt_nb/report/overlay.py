"""The loss curves of several runs over each other, as the paths of an SVG."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from tunix_rt_nb.common import InputError, files
from tunix_rt_nb.report.curve import ticks

_POINTS = 120  # of a curve, at most
_WINDOW = 40  # a point is the mean of the losses around it: of a run's 40th part on either side


class Losses(NamedTuple):
    """The losses of a run.

    Attributes:
      training: the steps, and the mean training loss around each.
      held_out: the steps, and the held-out loss after each.
    """

    training: list[tuple[float, float]]
    held_out: list[tuple[float, float]]


class Line(NamedTuple):
    """A run's curve in a square of 100 by 100.

    Attributes:
      series: its number, from 0, which decides its colour.
      path: the data of the SVG path of the training loss; "" without losses.
      dots: the data of the path of the held-out losses.
    """

    series: int
    path: str
    dots: str


class Overlay(NamedTuple):
    """Curves over each other.

    Attributes:
      lines: run -> its curve.
      heights: loss -> the distance from the top, in percent, of the labels on the y axis.
      steps: the last step on the x axis.
    """

    lines: dict[str, Line]
    heights: dict[str, str]
    steps: int


def read_losses(path: Path) -> Losses:
    """Read the losses in a `metrics.jsonl`; leave out those that have no place on a log scale.

    Raises:
      InputError: the file is missing, or a line of it is damaged.
    """
    losses: dict[str, list[tuple[float, float]]] = {"loss": [], "eval_loss": []}
    for number, line in enumerate(files.read_lines(path), 1):
        for name, found in losses.items():
            if name in line:
                step, loss = line.get("step"), line[name]
                if type(step) is not int or type(loss) not in (int, float):
                    raise InputError(f"{path}:{number}: expected a number for step and {name}")
                if 0 < loss < math.inf:
                    found.append((float(step), float(loss)))
    return Losses(_smoothed(losses["loss"]), losses["eval_loss"])


def _smoothed(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    half, every = -(-len(points) // _WINDOW), max(1, -(-len(points) // _POINTS))
    smoothed = []
    for k in range(0, len(points), every):
        losses = [loss for _, loss in points[max(0, k - half) : k + half + 1]]
        smoothed.append((points[k][0], sum(losses) / len(losses)))
    return smoothed


def overlay(runs: Mapping[str, Losses]) -> Overlay | None:
    """Lay the curves of runs over each other, losses on a log scale; None if there is no loss."""
    every = [point for run in runs.values() for some in run for point in some]
    if not every:
        return None
    steps = max(1.0, *(step for step, _ in every))
    low, high = min(y for _, y in every) / 1.15, max(y for _, y in every) * 1.15

    def height(loss: float) -> float:
        return 100 * math.log(high / loss) / math.log(high / low)

    def places(points: Iterable[tuple[float, float]]) -> list[str]:
        return [f"{100 * step / steps:.1f} {height(loss):.1f}" for step, loss in points]

    # A line of no length with round ends is a dot, however the picture is stretched.
    lines = {
        name: Line(
            series,
            "M" + " L".join(places(run.training)) if run.training else "",
            " ".join(f"M{place}h0" for place in places(run.held_out)),
        )
        for series, (name, run) in enumerate(runs.items())
    }
    heights = {f"{tick:.3g}": f"{height(tick):.1f}" for tick in ticks(low, high)}
    return Overlay(lines, heights, int(steps))
