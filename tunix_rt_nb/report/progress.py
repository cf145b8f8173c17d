"""Progress of training and generation: a few printed lines, the same in a notebook and a log."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tunix_rt_nb.train import MetricsLine


def training_lines(steps: int, lines: int = 10) -> "Callable[[MetricsLine], None]":
    """Return a function that prints the progress of training.

    Call it with each line of `metrics.jsonl`. It prints about `lines` train steps, and every
    held-out loss.

    Args:
      steps: the number of steps of the whole training.
    """
    every = max(1, steps // lines)

    def report(line: "MetricsLine") -> None:
        if "eval_loss" in line:
            print(f"step {line['step']:>5}/{steps}  held-out loss {line['eval_loss']:.4f}")
        elif line["step"] % every == 0:
            speed = f"{line['tokens_per_second']:,} tokens/s"
            print(f"step {line['step']:>5}/{steps}  loss {line['loss']:.4f}  {speed}", flush=True)

    return report


def answering_lines(what: str, n: int, lines: int = 5) -> Callable[[int], None]:
    """Return a function that prints progress of generation: about `lines` lines for `n` answers.

    Call it with the number of answers so far.

    Args:
      what: the beginning of each line.
    """
    told = 0

    def report(done: int) -> None:
        nonlocal told
        if n and done * lines // n > told:
            told = done * lines // n
            print(f"{what}: {done:>6,}/{n:,} answered", flush=True)

    return report
