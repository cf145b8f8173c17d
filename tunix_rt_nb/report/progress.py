"""How far training and generation are: some lines in a notebook, the same in a log."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    pass


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
