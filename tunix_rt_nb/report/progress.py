"""Progress of training and generation: a few printed lines, the same in a notebook and a log."""

from collections.abc import Callable, Mapping
from typing import Any


def training_lines(steps: int, lines: int = 10) -> Callable[[Mapping[str, Any]], None]:
    """Return a reporter for training, which prints about `lines` lines and each held-out loss."""
    every = max(1, steps // lines)

    def report(line: Mapping[str, Any]) -> None:
        if "eval_loss" in line:
            print(f"step {line['step']:>5}/{steps}  held-out loss {line['eval_loss']:.4f}")
        elif line["step"] % every == 0:
            speed = f"{line['tokens_per_second']:,} tokens/s"
            print(f"step {line['step']:>5}/{steps}  loss {line['loss']:.4f}  {speed}", flush=True)

    return report


def answering_lines(what: str, n: int, lines: int = 5) -> Callable[[int], None]:
    """Return a reporter for generation, which prints about `lines` lines for `n` answers."""
    told = 0

    def report(done: int) -> None:
        nonlocal told
        if done * lines // n > told:
            told = done * lines // n
            print(f"{what}: {done:>6,}/{n:,} answered", flush=True)

    return report
