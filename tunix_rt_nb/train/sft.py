"""Supervised fine-tuning on packed rows, with Tunix's `PeftTrainer`."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from flax import nnx
from tunix.sft import hooks

from tunix_rt_nb.common import InputError, OutOfTime, files, one_line
from tunix_rt_nb.models import devices_of, mesh_of
from tunix_rt_nb.render import Rows
from tunix_rt_nb.train import checkpoints
from tunix_rt_nb.train.batches import Batch, Batches
from tunix_rt_nb.train.config import SftConfig
from tunix_rt_nb.train.metrics import Metrics, MetricsLine, Report
from tunix_rt_nb.train.step import Trainer, trainer


def batches_of(rows: Rows, config: SftConfig) -> Batches:
    """Return the batches of a whole run."""
    return Batches(rows, config.batch_size, config.accumulation, config.steps, config.seed)


def _check_shares(model: nnx.Module, config: SftConfig) -> None:
    shares = mesh_of(model).shape["fsdp"]
    if config.batch_size % shares:
        raise InputError(
            f"batch_size: {config.batch_size} rows do not divide over {shares} devices, "
            f"use a multiple of {shares}"
        )


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Turn the error of a full disk or of too little memory into an `InputError` of one line.

    Use it in a `with` statement around the training.

    Args:
      folder: the folder that the block writes to, for the message.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if checkpoints.is_full(error):
            raise InputError(
                f"{folder}: the disk is full, the last checkpoint is kept: make room and run this"
                " again"
            ) from error
        if "RESOURCE_EXHAUSTED" in str(error):
            raise InputError(
                f"batch_size: a step needs too much memory: {one_line(str(error), 200)}; use fewer"
                " rows per batch with more accumulation"
            ) from error
        raise


def _deadline() -> float:
    """Return the time when training has to end, in seconds since 1970; infinity if it need not.

    The environment variable `TUNIX_RT_DEADLINE` sets it.
    """
    given = os.environ.get("TUNIX_RT_DEADLINE") or "inf"
    try:
        return float(given)
    except ValueError:
        raise InputError(
            f"TUNIX_RT_DEADLINE: expected seconds since 1970, found {given!r}"
        ) from None


class _Source(hooks.DataHooks):
    """Data hooks that give Tunix its next batch, and compute the held-out loss if it is due.

    Tunix counts the batches that it has trained on, and continues this count after a resume. So the
    count is the number of the next batch. Tunix calls these hooks between two batches, when the
    weights do not change. So the hooks can compute the held-out loss then.

    Attributes:
      late: True if training ended before its last step because the deadline had passed.
    """

    def __init__(self, batches: Batches, metrics: Metrics, accumulation: int) -> None:
        self._batches, self._metrics, self._accumulation = batches, metrics, accumulation
        self._until = _deadline()
        self._began_with: int | None = None
        self.late = False

    def load_next_train_batch(self, train_ctx: Trainer) -> Batch | None:
        self._metrics.look(train_ctx)
        done = train_ctx.iter_steps
        if done >= len(self._batches) or self._metrics.stop:
            return None
        self.late = self._is_over(done)
        return None if self.late else self._batches[done]

    def _is_over(self, done: int) -> bool:
        """Tell whether to end training now, between two steps, because the deadline has passed.

        Return False until this process has trained a whole step, so that each try makes progress.

        Args:
          done: the number of batches trained so far, earlier tries included.
        """
        if self._began_with is None:
            self._began_with = done
        whole = done % self._accumulation == 0 and done > self._began_with
        return whole and time.time() >= self._until

    def load_next_eval_batch(self, train_ctx: Trainer) -> None:
        return None


def fine_tune(
    model: nnx.Module,
    rows: Rows,
    eval_rows: Rows,
    config: SftConfig,
    folder: Path,
    report: Report = lambda line: None,
) -> list[MetricsLine]:
    """Train the model in place, from the latest checkpoint if there is one.

    If the model has adapters (`lora.apply`), only they are trained. If the environment variable
    `TUNIX_RT_DEADLINE` is set, in seconds since 1970, training ends after the first whole step past
    that time.

    Args:
      rows: the packed rows to train on.
      eval_rows: the packed rows to compute the held-out loss on.
      folder: the folder for `checkpoints/`, `metrics.jsonl` and `tensorboard/`.
      report: called with each line of `metrics.jsonl` as it is written.

    Returns:
      The lines of `metrics.jsonl`.

    Raises:
      InputError: there are fewer rows than a step takes, the rows of a batch do not divide over the
        devices, the folder has checkpoints of another, interrupted run, a checkpoint is damaged, a
        loss or a gradient is not finite, the disk is full, or there is too little memory.
      OutOfTime: the deadline has passed; the last step has a checkpoint, so a next call continues.
    """
    batches = batches_of(rows, config)  # too few rows fail here, before anything is compiled
    _check_shares(model, config)
    run = checkpoints.identity(config, rows, eval_rows, model)
    metrics = Metrics(folder, batches, eval_rows, config, report)
    source = _Source(batches, metrics, config.accumulation)
    with devices_of(model), _told(folder):
        last = checkpoints.claim(folder / "checkpoints", run)
        with checkpoints.readable(last):
            made = trainer(model, config, last)
        made.with_data_hooks(source)
        made.with_training_hooks(metrics)
        try:
            made.train([])
        finally:
            made.checkpoint_manager.close()
            metrics.close()
    if source.late:
        raise OutOfTime(
            f"training stopped at its deadline after step {made.train_steps} of {config.steps},"
            " its checkpoint is kept: run this again to continue"
        )
    if config.keep == "best":
        checkpoints.load_best(folder / "checkpoints", model)
    checkpoints.complete(folder / "checkpoints", run)
    return cast("list[MetricsLine]", list(files.read_lines(folder / "metrics.jsonl")))
