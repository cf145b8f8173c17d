"""Progress of training and answering: one display of a notebook that is updated in place.

Its plain text is one line, such as `1,240/2,400  loss 0.0213  12,300 tokens/s  1 min 20 s left`,
or `round 2 of 4: 320/1,024 answers  38 a second  18 s left` while a model answers in between.
Whoever executes the notebook shows that line: see `runs.watching`.
"""

import contextlib
import os
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from html import escape
from statistics import median
from typing import TYPE_CHECKING, Any

from tunix_rt_nb.common import live, one_line
from tunix_rt_nb.report.curve import Curve
from tunix_rt_nb.report.theme import CSS

if TYPE_CHECKING:
    from tunix_rt_nb.train import MetricsLine

_OFTEN = 1.0  # seconds between two updates of a display
_STYLE = f"""<style>{CSS}
.trnb-live {{ max-width: 45rem; font-variant-numeric: tabular-nums; }}
.trnb-live .told {{ display: flex; flex-wrap: wrap; }}
.trnb-live .told > :last-child {{ margin-right: 0 !important; }}
.trnb-live .told > :last-child:not(:first-child) {{ margin-left: auto; }}
.trnb-live .bar {{ height: 6px; margin: 6px 0; border-radius: 3px; overflow: hidden;
  background: rgba(127, 127, 127, .25); }}
.trnb-live .bar > div {{ height: 100%; background: var(--trnb-series-1); }}
</style>"""


class _State:
    """A task of many parts, how far it is, and when it will be done.

    Args:
      total: the number of parts.
      noun: what is counted, for screen readers.

    Attributes:
      over: True once the work has ended; a task that was stopped may have parts left.
    """

    def __init__(self, total: int, noun: str) -> None:
        self.over = False
        self._total, self._noun = total, noun
        self._done, self._began = 0, time.monotonic()
        self._first: tuple[int, float] | None = None
        self._last = self._ended = self._began

    def _reach(self, done: int) -> None:
        """Note that so many parts are done. The first call starts the clock of the rate."""
        self._done, self._last = done, time.monotonic()
        self._first = self._first or (done, self._last)

    def rate(self) -> float:
        """Return the parts done per second since the first call of `_reach`; 0 if unknown."""
        first, since = self._first or (0, self._last)
        return (self._done - first) / (self._last - since) if self._last > since else 0.0

    def speed(self) -> str:
        """Return the rate in words; empty if it is unknown."""
        rate = self.rate()
        return f"{rate:,.{0 if rate >= 10 else 1}f} a second" if rate else ""

    def elapsed(self) -> str:
        """Return how long the work has taken, in words."""
        return live.duration((self._ended if self.over else time.monotonic()) - self._began)

    def when(self) -> str:
        """Return how much time is left, or how long all took; empty if this is unknown."""
        if self.over:
            return f"in {self.elapsed()}"
        rate = self.rate()
        if not rate or self._done >= self._total:
            return ""
        left = (self._total - self._done) / rate - (time.monotonic() - self._last)
        return f"{live.duration(left)} left"

    def end(self) -> None:
        """Note that the work has ended."""
        self.over, self._ended = True, time.monotonic()

    def parts(self) -> list[str]:
        """Return the parts of the line."""
        raise NotImplementedError

    def below(self) -> str:
        """Return HTML to show below the bar."""
        return ""

    def __repr__(self) -> str:
        return "  ".join(filter(None, self.parts()))

    def html(self) -> str:
        """Return the line, a bar and what is below it as HTML."""
        share = self._done / self._total if self._total else 0.0
        # Viewers that do not trust a stored notebook drop `<style>`, but keep this space.
        apart = '<span style="margin-right:1.5em">'
        told = " ".join(f"{apart}{escape(part)}</span>" for part in self.parts() if part)
        return (
            f'<div class="trnb-live">{_STYLE}<div class="told">{told}</div>'
            f'<div class="bar" role="progressbar" aria-label="{self._noun}"'
            f' aria-valuemin="0" aria-valuemax="{self._total}" aria-valuenow="{self._done}">'
            f'<div style="width:{share:.1%}"></div></div>{self.below()}</div>'
        )

    def _repr_mimebundle_(self, **how: Any) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self.html()}


class _Round(_State):
    """The progress of a round of answers, which is a part of a training."""

    def __init__(self, told: str, n: int) -> None:
        super().__init__(n, "answers")
        self.told = told

    def parts(self) -> list[str]:
        told = f"{self.told}{self._done:,}/{self._total:,} answers"
        return [told, self.speed(), self.when() or self.elapsed()]


class _Training(_State):
    """The progress of a training: its steps and its losses."""

    def __init__(self, steps: int) -> None:
        super().__init__(steps, "steps")
        self._recent = deque["MetricsLine"](maxlen=20)
        self._seen = False  # any line
        self._curve = Curve(steps)
        self._round: _Round | None = None  # while it is answered

    def __call__(self, line: "MetricsLine") -> None:
        if not self._seen and line["step"] > 1:
            print(f"goes on after step {line['step'] - ('loss' in line):,}")
        self._seen = True
        if "eval_loss" in line:
            self._curve.hold_out(line["step"], line["eval_loss"])
        if "loss" not in line:
            return
        self._round = None
        self._reach(line["step"])
        self._recent.append(line)
        self._curve.add(line["step"], line["loss"])

    def answering(self, done: int, of: int, round: int, rounds: int) -> None:
        """Tell how far the answers of a round are, until the next train step.

        Args:
          done: the number of answers so far.
          of: the number of answers in the round.
          round: the number of the round, from 1.
          rounds: the number of rounds.
        """
        told = f"round {round:,} of {rounds:,}: "
        if self._round is None or self._round.told != told:
            self._round = _Round(told, of)
        self._round._reach(done)

    def end(self) -> None:
        super().end()
        if self._round:
            self._round.end()

    def parts(self) -> list[str]:
        # Take both at once, because training goes on in another thread.
        answered, recent = self._round, list(self._recent)
        if answered:
            return answered.parts()
        if not recent:
            return [f"compiling, {self.elapsed()}"]
        loss = median(line["loss"] for line in recent)
        speed = median(line["tokens_per_second"] for line in recent)
        counts = f"{self._done:,}/{self._total:,}"
        return [counts, f"loss {loss:.4f}", f"{speed:,.0f} tokens/s", self.when() or self.elapsed()]

    def below(self) -> str:
        # A whole training is plotted by `loss_plot` next.
        return "" if self.over and self._done == self._total else self._curve.html()


class _Answering(_State):
    """The progress of answering."""

    def __init__(self, what: str, n: int) -> None:
        super().__init__(n, "answers")
        self._what = what

    def __call__(self, done: int) -> None:
        self._reach(done)

    def parts(self) -> list[str]:
        told = f"{self._done:,}/{self._total:,} answered {self._what}"
        return [told, self.speed(), self.when() or self.elapsed()]


@contextlib.contextmanager
def training_progress(steps: int) -> Iterator[_Training]:
    """Show the progress of a training while a `with` block runs.

    It shows the steps, the time left, the tokens a second, and the curve of the losses; while the
    model answers the prompts of a round, it shows the answers. If the training was interrupted
    before, it prints after which step it goes on.

    Args:
      steps: the number of steps of the whole training.

    Yields:
      A function to call with each line of `metrics.jsonl`. Its method `answering` is to be called
      with the number of answers so far, if the training has rounds of answers.
    """
    with _shown(state := _Training(steps)):
        yield state


@contextlib.contextmanager
def answering_progress(what: str, n: int) -> Iterator[Callable[[int], None]]:
    """Show the progress of answering while a `with` block runs.

    Args:
      what: which answers, such as `before training`.
      n: the number of answers in the end.

    Yields:
      A function to call with the number of answers so far.
    """
    with _shown(state := _Answering(one_line(what, 40), n)):
        yield state
        state(n)  # answers that an earlier call kept are not reported


@contextlib.contextmanager
def _shown(state: _State) -> Iterator[None]:
    """Show a state while a `with` block runs, and how it ended."""
    show = _display(state)
    try:
        with live.ticking(show, _OFTEN):
            yield
    finally:
        state.end()
        show()


def _display(state: _State) -> Callable[[], None]:
    """Begin to show a state. Return a function that shows how it is by then.

    In a notebook this is a display. Elsewhere, and in the log of a Kaggle session that nobody
    watches, it is a line now and then.
    """
    from IPython import get_ipython
    from IPython.display import display

    tells: list[Callable[[], None]] = []
    in_notebook = hasattr(get_ipython(), "kernel")
    if in_notebook:
        handle = display(state, display_id=f"{live.DISPLAY}-{uuid.uuid4().hex}")
        tells.append(lambda: handle.update(state))
    if not in_notebook or os.environ.get("KAGGLE_KERNEL_RUN_TYPE") == "Batch":
        tell = live.every(60 if in_notebook else 10, print)
        tells.append(lambda: print(state) if state.over else tell(str(state)))

    def show() -> None:
        for tell in tells:
            tell()

    return show
