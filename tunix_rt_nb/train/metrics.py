"""Metrics of a training run: `metrics.jsonl`, TensorBoard and the best weights so far."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NotRequired, TypedDict, cast

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from tunix.sft import hooks, peft_trainer

from tunix_rt_nb.common import InputError, files
from tunix_rt_nb.models import hosts
from tunix_rt_nb.render import Rows
from tunix_rt_nb.train import checkpoints
from tunix_rt_nb.train.batches import Feed
from tunix_rt_nb.train.config import SftConfig
from tunix_rt_nb.train.flops import peak_flops, useful_flops
from tunix_rt_nb.train.loss import held_out_loss
from tunix_rt_nb.train.optimizer import schedule


class MetricsLine(TypedDict):
    """A line of `metrics.jsonl`.

    The line of a train step has all fields except `eval_loss`. The line of a held-out loss has only
    `step` and `eval_loss`. A line of `Feed.figures` has `step`, the steps before it, and these.

    Attributes:
      utilisation: the useful floating-point operations per second, as a share of the devices' peak.
    """

    step: int
    loss: NotRequired[float]
    grad_norm: NotRequired[float]
    learning_rate: NotRequired[float]
    tokens_per_second: NotRequired[int]
    utilisation: NotRequired[float]
    eval_loss: NotRequired[float]


Report = Callable[[MetricsLine], None]


class Metrics(hooks.TrainingHooks):
    """Training hooks that write a line per step and per held-out loss, to a file and TensorBoard.

    A resumed run continues its `metrics.jsonl`.

    Args:
      folder: the folder for `metrics.jsonl` and `tensorboard/`; it also has `checkpoints/`.
      feed: the batches of the run.
      eval_rows: the packed rows to compute the held-out loss on.
      config: the training configuration.
      report: called with each line as it is written.

    Attributes:
      stop: True once the held-out loss has not improved `patience` times in a row; training then
        ends.
    """

    def __init__(
        self,
        folder: Path,
        feed: Feed,
        eval_rows: Rows,
        config: SftConfig,
        report: Report = lambda line: None,
    ) -> None:
        self.stop = False
        self._path, self._logs = folder / "metrics.jsonl", folder / "tensorboard"
        self._best_folder = folder / "checkpoints"
        self._feed, self._eval_rows, self._config, self._report = feed, eval_rows, config, report
        # Compute all rates beforehand: one computed later would wait for the running step.
        self._rates = np.asarray(jax.vmap(schedule(config))(jnp.arange(config.steps)))
        self._losses: list[float] = []  # held-out losses, without the one before the first step
        self._since = 0.0
        self._speed, self._evaluated = 0, -1
        self._of_rows: tuple[Rows | None, float, float] = (None, 0.0, 0.0)

    def on_train_start(self, train_ctx: peft_trainer.PeftTrainer) -> None:
        from tensorboardX import SummaryWriter

        # After a resume, keep the lines up to the checkpoint: later steps run and write again.
        done = train_ctx.train_steps
        kept = hosts.first(lambda: self._kept(done))
        # Make TensorBoard hide what an earlier try wrote about later steps.
        if hosts.is_first():
            self._board = SummaryWriter(str(self._logs), purge_step=done + 1 if done else None)
        # Early stopping and the best weights continue from the held-out losses so far.
        self._losses = [r["eval_loss"] for r in kept if "eval_loss" in r and r["step"]]
        self._peak = peak_flops(self._config.dtype)
        self._since = time.perf_counter()

    def _kept(self, done: int) -> list[MetricsLine]:
        """Keep and return the lines of `metrics.jsonl` that a run resumes with after step `done`.

        The resumed run writes the lines of later steps, and the held-out loss at `done`, again.
        """
        whole = map(json.loads, files.whole_lines(self._path) if done else [])
        # The held-out loss at the checkpoint's own step is computed again, so drop its line too.
        kept = [r for r in whole if r["step"] < done + ("loss" in r)]
        files.write_lines(self._path, kept)
        return kept

    def on_train_step_end(
        self, train_ctx: peft_trainer.PeftTrainer, train_step: int, train_loss: float
    ) -> None:
        """Write the line of a train step.

        Tunix calls this late: once the next step is under way, or for the last step at the end of
        training. If the step's checkpoint is saved next, `Trainer` calls this before the save.

        Args:
          train_ctx: the trainer.
          train_step: the number of the step, from 1.
          train_loss: its loss.
        """
        # Stop at a loss or gradient that is not a number, before it is written.
        norm = float(train_ctx.metrics_logger.get_metric_history("", "grad_norm", "train")[-1])
        self._check(train_step, float(train_loss), norm, train_ctx.sound.pop(train_step))
        # A step reported before the next one is under way gives no speed: keep the last speed.
        now = time.perf_counter()
        tokens, flops = self._load(self._feed.rows, train_ctx.model)
        if train_step < train_ctx.train_steps:
            self._speed = round(tokens / (now - self._since))
        used = flops * self._speed / tokens / self._peak
        self._write(
            {
                "step": train_step,
                "loss": float(train_loss),
                "grad_norm": norm,
                "learning_rate": float(self._rates[train_step - 1]),
                "tokens_per_second": self._speed,
                "utilisation": round(float(used), 4),
            }
        )
        self._since = now

    def _load(self, rows: Rows, model: nnx.Module) -> tuple[float, float]:
        """Return the mean number of example tokens per step, and of useful operations on them."""
        if self._of_rows[0] is not rows:
            share = self._config.batch_size * self._config.accumulation / len(rows)
            tokens = float(rows.examples.index["length"].sum())
            self._of_rows = rows, tokens * share, useful_flops(model, rows) * share
        return self._of_rows[1:]

    def _check(self, step: int, loss: float, norm: float, sound: Sequence[jax.Array]) -> None:
        """Raise `InputError` if a step's loss or gradient is not finite; name the examples.

        Args:
          step: the number of the step.
          loss: its loss.
          norm: its gradient norm.
          sound: for each batch of the step, bool [rows], True for a row with finite hidden states.
        """
        if np.isfinite(loss) and np.isfinite(norm):
            return
        what = f"loss: is {loss}" if not np.isfinite(loss) else f"gradient: its norm is {norm}"
        raise InputError(
            f"{what} at step {step}, {self._why(step, sound)}; the last checkpoint is kept"
        )

    def _why(self, step: int, sound: Sequence[jax.Array]) -> str:
        """Explain a loss or gradient that is not finite: name the examples of an unsound row.

        A row is unsound if its hidden states are not finite. If no row is unsound, or all rows of a
        batch are, blame the weights and not the examples. Look only at the step's first batch with
        an unsound row, because its gradient spoils the weights for later batches.

        Args:
          step: the number of the step.
          sound: for each batch of the step, bool [rows], False for an unsound row.
        """
        size = self._config.batch_size
        masks = np.array([hosts.whole(each) for each in sound])
        first = int(masks.all(axis=1).argmin())
        bad = self._feed.rows_of(step - 1)[first * size :][:size][~masks[first]]
        if not len(bad) or 1 < len(bad) == size:
            where = "every row" if len(bad) else "no row by itself"
            return f"on {where}: the weights have diverged, lower learning_rate"
        ids = ", ".join(id.decode() for id in self._feed.rows.ids(bad[0]))
        more = f" and on {len(bad) - 1} other rows" if len(bad) > 1 else ""
        return f"on the row of {ids}{more}: leave them out or lower learning_rate"

    def look(self, train_ctx: peft_trainer.PeftTrainer) -> None:
        """Compute the held-out loss if it is due, and save the weights if they are the best so far.

        It is due before the first step, every `eval_every` steps, and after the last step, no
        matter at which step a run was resumed. Call this between steps.
        """
        step = train_ctx.train_steps
        due = step % self._config.eval_every == 0 or step == self._config.steps
        if not due or step == self._evaluated:
            return
        self._evaluated = step
        # Wait for the running step first, so that its time is not taken for the evaluation's.
        jax.block_until_ready(nnx.state(train_ctx.model))
        started = time.perf_counter()
        value = held_out_loss(train_ctx.model, self._eval_rows, dtype=self._config.dtype)
        # Save the best weights aside: training moves on, and only the last checkpoints are kept.
        if step and value < np.nanmin([*self._losses, np.inf]):
            checkpoints.save_best(self._best_folder, train_ctx.model, step, value)
        # Early stopping ignores the loss before the first step, because nothing is trained yet.
        if step:
            self._losses.append(value)
        self.stop = 0 < self._config.patience <= since_best(self._losses)
        self._write({"step": step, "eval_loss": value})
        # Leave the evaluation out of the time that counts for the step's speed.
        self._since += time.perf_counter() - started

    def add(self, step: int, figures: Mapping[str, float], seconds: float) -> None:
        """Write what a feed records before a step.

        Args:
          step: the number of steps trained so far.
          figures: what `Feed.figures` returns.
          seconds: how long the feed took. If it records something, it has done more than a step
            needs, and the speed of the step does not count these seconds.
        """
        if figures:
            self._since += seconds
            self._write(cast("MetricsLine", {"step": step, **figures}))

    def _write(self, line: MetricsLine) -> None:
        if hosts.is_first():
            with self._path.open("ab") as file:
                file.write(files.json_line(line))
            for name, value in line.items():
                if name != "step":
                    self._board.add_scalar(name, value, line["step"])
        self._report(line)

    def close(self) -> None:
        """Close the TensorBoard log, so that all of it is on the disk."""
        if hasattr(self, "_board"):
            self._board.close()

    def on_train_end(self, train_ctx: peft_trainer.PeftTrainer) -> None:
        pass

    def on_train_step_start(self, train_ctx: peft_trainer.PeftTrainer) -> None:
        pass

    def on_eval_step_start(self, train_ctx: peft_trainer.PeftTrainer) -> None:
        pass

    def on_eval_step_end(self, train_ctx: peft_trainer.PeftTrainer, eval_loss: float) -> None:
        pass


def since_best(losses: Sequence[float]) -> int:
    """Count the losses after the lowest one; NaN counts as infinitely high.

    Example:
      >>> since_best([0.9, 0.5, float("nan"), 0.7])
      2
    """
    return len(losses) - 1 - int(np.argmin(np.nan_to_num(losses, nan=np.inf))) if losses else 0


def summary(metrics: Sequence[MetricsLine]) -> dict[str, float]:
    """Return a run's `steps`, its last `loss` and `eval_loss`, and median `tokens_per_second`."""
    trained = [line for line in metrics if "loss" in line]
    return {
        "steps": max(line["step"] for line in metrics),
        "loss": trained[-1]["loss"],
        "eval_loss": next(line["eval_loss"] for line in reversed(metrics) if "eval_loss" in line),
        "tokens_per_second": median(line["tokens_per_second"] for line in trained),
    }
