"""Supervised fine-tuning on packed rows, with Tunix's `PeftTrainer`."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import jax
from flax import nnx
from tunix.sft import hooks

from tunix_rt_nb.common import InputError, OutOfTime, files, one_line
from tunix_rt_nb.models import devices_of, hosts, mesh_of
from tunix_rt_nb.render import Rows
from tunix_rt_nb.train import checkpoints
from tunix_rt_nb.train.batches import Batch, Batches, Feed
from tunix_rt_nb.train.config import SftConfig, check_shares
from tunix_rt_nb.train.metrics import Metrics, MetricsLine, Report
from tunix_rt_nb.train.step import Trainer, trainer


def batches_of(rows: Rows, config: SftConfig) -> Batches:
    """Return the batches of a whole run.

    Raises:
      InputError: there are fewer rows than a step takes.
    """
    made = Batches(rows, config.batch_size, config.accumulation, config.steps, config.seed)
    made.check_enough()
    return made


_DEADLINE, _SIGNAL = 1, 2  # what calls for an end of training


class Stopped(OutOfTime):
    """Raised when SIGINT or SIGTERM ended training; run the training again to continue."""


def _check_devices(model: nnx.Module, config: SftConfig) -> None:
    """Raise `InputError` if processes have not joined, or rows do not divide over the devices."""
    hosts.check_joined()
    shape = mesh_of(model).shape
    check_shares(config.batch_size, shape["fsdp"], shape["tp"], "devices")


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Turn the error of a full disk or of too little memory into an `InputError` of one line.

    Use it in a `with` statement around the training.

    Args:
      folder: the folder that the block writes to, for the message.
    """
    try:
        yield
    except (InputError, OutOfTime):
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


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Note SIGINT and SIGTERM in a list within a `with` block, instead of raising an error.

    An error in the midst of a step would leave weights that no checkpoint may hold. The second
    signal raises KeyboardInterrupt. Threads other than the first get no signals.
    """
    came: list[int] = []

    def note(number: int, frame: object) -> None:
        if came:
            raise KeyboardInterrupt
        came.append(number)

    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    before = {n: signal.signal(n, note) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier or signal.SIG_DFL)


class _Source(hooks.DataHooks):
    """Data hooks that give Tunix its next batch, and compute the held-out loss if it is due.

    Tunix counts the batches that it has trained on, and continues this count after a resume. So the
    count is the number of the next batch. Tunix calls these hooks between two batches, when the
    weights do not change. So the hooks can compute the held-out loss then.

    Args:
      batches: the batches of the run.
      metrics: computes the held-out loss.
      config: the training configuration.
      signals: the signals that came so far; training ends after the step in which one comes.
      mesh: the mesh of all devices.

    Attributes:
      ended: the error that says why training ended before its last step; None if it did not.
    """

    def __init__(
        self,
        batches: Feed,
        metrics: Metrics,
        config: SftConfig,
        signals: list[int],
        mesh: jax.sharding.Mesh,
    ) -> None:
        self._batches, self._metrics, self._config = batches, metrics, config
        self._until, self._signals = hosts.first(_deadline), signals
        self._mesh, self._ballot = mesh, hosts.Ballot(mesh)
        self._began_with: int | None = None
        self.ended: OutOfTime | None = None

    def load_next_train_batch(self, train_ctx: Trainer) -> Batch | None:
        done = train_ctx.iter_steps
        if self._called(done) < _SIGNAL:
            self._metrics.look(train_ctx)
        self.ended = self._end(done)
        if self.ended or done >= len(self._batches) or self._metrics.stop:
            return None
        started = time.perf_counter()
        batch = hosts.placed(self._batches[done], self._mesh)
        step, rest = divmod(done, self._config.accumulation)
        if not rest:
            self._metrics.add(step, self._batches.figures(step), time.perf_counter() - started)
        return batch

    def _end(self, done: int) -> OutOfTime | None:
        """Return why training ends now, between two steps; None if it goes on.

        Before this process has trained a whole step, the deadline does not count, so that each try
        makes progress. A signal then needs no checkpoint, so its error is raised at once.

        Args:
          done: the number of batches trained so far, earlier tries included.
        """
        if self._began_with is None:
            self._began_with = done
        step, rest = divmod(done, self._config.accumulation)
        if rest:
            return None
        of = f"step {step} of {self._config.steps}"
        called = self._called(done)
        if called == _SIGNAL:
            stopped = Stopped(f"stopped at {of}, run again to go on")
            if done == self._began_with:
                raise stopped
            return stopped
        if self._began_with < done < len(self._batches) and called == _DEADLINE:
            return OutOfTime(
                f"training stopped at its deadline after {of},"
                " its checkpoint is kept: run this again to continue"
            )
        return None

    def _called(self, done: int) -> int:
        """Return what calls for an end, `_SIGNAL` or `_DEADLINE`; 0 if nothing does.

        Several processes end after the same step, whichever of them gets a signal. The clock of
        the first decides about the deadline.

        Args:
          done: the number of batches trained so far.
        """
        late = hosts.is_first() and time.time() >= self._until
        return self._ballot.highest(done, _SIGNAL if self._signals else _DEADLINE * late)

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
    """Train the model in place on packed rows, from the latest checkpoint if there is one.

    The arguments are those of `learn`, except that the batches are made of `rows`.

    Raises:
      InputError: there are fewer rows than a step takes; or for a reason of `learn`.
      OutOfTime: as for `learn`.
    """
    hosts.agree({**config.model_dump(), "rows": len(rows), "max_length": rows.length})
    batches = batches_of(rows, config)  # too few rows fail here, before anything is compiled
    return learn(model, batches, eval_rows, config, folder, report)


def learn(
    model: nnx.Module,
    batches: Feed,
    eval_rows: Rows,
    config: SftConfig,
    folder: Path,
    report: Report = lambda line: None,
) -> list[MetricsLine]:
    """Train the model in place on batches, from the latest checkpoint if there is one.

    If the model has adapters (`lora.apply`), only they are trained. If the environment variable
    `TUNIX_RT_DEADLINE` is set, in seconds since 1970, training ends after the first whole step past
    that time. If SIGINT (Jupyter's stop button, Ctrl-C) or SIGTERM comes, it ends after the step
    that is under way.

    Args:
      model: the model.
      batches: the batches of the whole run.
      eval_rows: the packed rows to compute the held-out loss on.
      folder: the folder for `checkpoints/`, `metrics.jsonl` and `tensorboard/`.
      report: called with each line of `metrics.jsonl` as it is written.

    Returns:
      The lines of `metrics.jsonl`.

    Raises:
      InputError: the rows of a batch do not divide over the devices, processes that train together
        were given other data or settings, the folder has checkpoints of another, interrupted run, a
        checkpoint is damaged, a loss or a gradient is not finite, the disk is full, or there is too
        little memory.
      OutOfTime: the deadline has passed, or a signal came (`Stopped`); the last step has a
        checkpoint, so a next call continues.
    """
    _check_devices(model, config)
    run = checkpoints.identity(config, batches, eval_rows, model)
    hosts.agree(run)
    metrics = Metrics(folder, batches, eval_rows, config, report)
    with _signals() as signals, devices_of(model) as mesh, _told(folder):
        source = _Source(batches, metrics, config, signals, mesh)
        last = Path(hosts.first(lambda: str(checkpoints.claim(folder / "checkpoints", run))))
        with checkpoints.readable(last):
            made = trainer(model, config, last)
        made.with_data_hooks(source)
        made.with_training_hooks(metrics)
        try:
            made.train([])
        finally:
            made.checkpoint_manager.close()
            metrics.close()
    if source.ended:
        raise source.ended
    if config.keep == "best":
        checkpoints.load_best(folder / "checkpoints", model)
    return hosts.first(lambda: _completed(folder, run))


def _completed(folder: Path, run: dict[str, Any]) -> list[MetricsLine]:
    """Record that a run is complete; return the lines of its `metrics.jsonl`."""
    checkpoints.complete(folder / "checkpoints", run)
    return cast("list[MetricsLine]", list(files.read_lines(folder / "metrics.jsonl")))
