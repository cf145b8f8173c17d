"""The loss curve of a training that goes on, as HTML: cheap to draw, as wide as its place."""

import math
from itertools import chain

_POINTS = 120  # of the curve at most; each is the mean loss of as many steps, five or more
_HEIGHT = 150  # pixels
_STYLE = f"""<style>
.trnb-curve {{ position: relative; height: {_HEIGHT}px; margin: 12px 0 4px 3.2em;
  border-left: 1px solid var(--trnb-muted); border-bottom: 1px solid var(--trnb-muted); }}
.trnb-curve svg {{ position: absolute; width: 100%; height: 100%; overflow: visible; }}
.trnb-curve path {{ fill: none; vector-effect: non-scaling-stroke; stroke-linejoin: round; }}
.trnb-curve span {{ position: absolute; right: 100%; padding-right: .5em; translate: 0 -50%;
  line-height: 1; font-size: .85em; color: var(--trnb-muted); }}
.trnb-keys {{ display: flex; flex-wrap: wrap; gap: 0 1.5em; margin-left: 3.76em; font-size: .85em;
  color: var(--trnb-muted); }}
.trnb-keys i {{ display: inline-block; vertical-align: middle; margin-right: .5em; }}
.trnb-keys > :last-child {{ margin-left: auto; }}
</style>"""


class Curve:
    """The losses of a training: smoothed ones as a line, held-out ones as points.

    The scale is logarithmic, unless a loss is not positive: with rewards it may be.

    Args:
      steps: the number of steps of the whole training, which the axis spans from the beginning.
    """

    def __init__(self, steps: int) -> None:
        self._steps = max(steps, 1)
        self._points = min(_POINTS, max(self._steps // 5, 1))
        self._sums, self._counts = [0.0] * self._points, [0] * self._points
        self._held_out: list[tuple[int, float]] = []

    def add(self, step: int, loss: float) -> None:
        """Add the loss of a step; the first step is 1."""
        if _shows(loss):
            place = min((max(step, 1) - 1) * self._points // self._steps, self._points - 1)
            self._sums[place] += loss
            self._counts[place] += 1

    def hold_out(self, step: int, loss: float) -> None:
        """Add a held-out loss."""
        if _shows(loss):
            self._held_out.append((step, loss))

    def html(self) -> str:
        """Return the curve; empty before it is a line."""
        line = [
            (100 * (place + 0.5) / self._points, total / count)
            for place, (total, count) in enumerate(zip(self._sums, self._counts, strict=True))
            if count
        ]
        points = [(100 * step / self._steps, loss) for step, loss in self._held_out]
        if len(line) < 2:
            return ""
        losses = [loss for _, loss in chain(line, points)]
        low, high = min(losses), max(losses)
        is_log = low > 0
        edge = 0.1 * (high - low) + 1e-9
        low, high = (low / 1.15, high * 1.15) if is_log else (low - edge, high + edge)
        at = math.log if is_log else float

        def height(loss: float) -> float:
            return 100 * (at(high) - at(loss)) / (at(high) - at(low))

        drawn = " L".join(f"{x:.1f} {height(y):.1f}" for x, y in line)
        # A line of no length with round ends is a dot, however the picture is stretched.
        dots = " ".join(f"M{x:.1f} {height(y):.1f}h0" for x, y in points)
        names = "".join(
            f'<span style="top:{height(tick):.1f}%">{tick:.3g}</span>'
            for tick in (ticks(low, high) if is_log else (low, high))
        )
        last = f"{_swatch(2, 8, 8)}held out {self._held_out[-1][1]:.4f}" if points else ""
        return (
            f'{_STYLE}<div class="trnb-curve">{names}<svg viewBox="0 0 100 100"'
            ' preserveAspectRatio="none" fill="none" role="img"'
            f' aria-label="loss by step, on a {"log" if is_log else "linear"} scale">'
            f'<path d="M{drawn}" stroke="var(--trnb-series-1)" stroke-width="2"/>'
            f'<path d="{dots}" stroke="var(--trnb-series-2)" stroke-width="8"'
            ' stroke-linecap="round"/></svg></div><div class="trnb-keys">'
            f"<span>{_swatch(1, 16, 2)}loss (nats per token), smoothed</span>"
            f"<span>{last}</span><span>{self._steps:,} steps</span></div>"
        )


def _shows(loss: float) -> bool:
    """Tell whether a loss has a place on a scale."""
    return 1e-9 < abs(loss) < 1e9


def _swatch(series: int, width: int, height: int) -> str:
    return (
        f'<i style="background:var(--trnb-series-{series});width:{width}px;height:{height}px;'
        f'border-radius:{height / 2:g}px"></i>'
    )


def ticks(low: float, high: float) -> list[float]:
    """Return at most six numbers between two positive ones for a log scale, round ones if possible.

    Example:
      >>> ticks(0.03, 8), ticks(0.9, 3), ticks(0.00005, 90), ticks(0.6, 0.8)
      ([0.1, 1.0], [1.0, 2.0], [0.0001, 0.01, 1.0], [0.6, 0.8])
    """
    decades = [10.0**k for k in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]
    tens = [n for n in decades if low <= n <= high]
    if len(tens) > 1:
        return tens[:: math.ceil(len(tens) / 5)]
    found = [n * ten for ten in decades for n in (1, 2, 5) if low <= n * ten <= high]
    return found if len(found) > 1 else [low, high]
