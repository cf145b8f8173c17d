"""Supervised fine-tuning on packed rows, with Tunix's `PeftTrainer`."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import jax
import numpy as np
import optax
import orbax.checkpoint as ocp
from flax import nnx
from pydantic import BaseModel, ConfigDict, Field
from tunix.sft import hooks, peft_trainer

from tunix_rt_nb import files, loss
from tunix_rt_nb.errors import InputError
from tunix_rt_nb.feed import Batch, Feed
from tunix_rt_nb.models import gemma3, mesh
from tunix_rt_nb.packing import Rows
from tunix_rt_nb.trace import checked

Report = Callable[[dict[str, Any]], None]


class SftConfig(BaseModel):
    """How to train; every field is checked with its range.

    Attributes:
      steps: optimiser steps.
      batch_size: packed rows a batch.
      accumulation: batches a step; every trained token of a step counts the same.
      learning_rate: at its peak, after `warmup_steps` of linear rise; then a cosine to zero.
      weight_decay: AdamW's, on matrices only, not on norms and embeddings.
      checkpoint_every, eval_every: in steps.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int = Field(default=300, ge=1)
    batch_size: int = Field(default=8, ge=1)
    accumulation: int = Field(default=1, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0, le=1)
    warmup_steps: int = Field(default=20, ge=0)
    weight_decay: float = Field(default=0.01, ge=0, le=1)
    seed: int = Field(default=0, ge=0, lt=2**31)
    checkpoint_every: int = Field(default=100, ge=1)
    eval_every: int = Field(default=100, ge=1)

    @classmethod
    def of(cls, **fields: Any) -> "SftConfig":
        """Checks the fields; `InputError` names the one that is out of range."""
        return checked(cls, fields)


def held_out_loss(model: nnx.Module, rows: Rows, batch_size: int = 16) -> float:
    """Mean cross-entropy of all trained tokens of some rows, every token counting the same."""
    sums = [_jitted_sums(model, batch) for batch in _eval_batches(rows, batch_size)]
    return float(sum(total for total, _ in sums) / sum(count for _, count in sums))


_jitted_sums = nnx.jit(loss.sums)


def schedule(config: SftConfig) -> optax.Schedule:
    """The learning rate of each step: a linear rise, then a cosine to zero."""
    return optax.warmup_cosine_decay_schedule(
        0.0,
        config.learning_rate,
        min(config.warmup_steps, config.steps),
        max(config.steps, config.warmup_steps + 1),
        end_value=0.0,
    )


def optimizer(config: SftConfig) -> optax.GradientTransformation:
    """AdamW with warm-up, cosine decay and clipping."""
    return optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.adamw(schedule(config), b2=0.95, weight_decay=config.weight_decay, mask=_decayed),
    )


def _decayed(params: Any) -> Any:
    return jax.tree.map_with_path(
        lambda path, x: x.ndim > 1 and "embedding" not in jax.tree_util.keystr(path), params
    )


def feed(rows: Rows, config: SftConfig) -> Feed:
    """The batches of a whole run."""
    return Feed(rows, config.batch_size, config.accumulation, config.steps, config.seed)


class _Source(hooks.DataHooks):
    """Gives Tunix the batch that its own count of batches asks for, also after a resume."""

    def __init__(self, batches: Feed) -> None:
        self._batches = batches

    def load_next_train_batch(self, train_ctx: peft_trainer.PeftTrainer) -> Batch | None:
        done = train_ctx.iter_steps
        return self._batches[done] if done < len(self._batches) else None

    def load_next_eval_batch(self, train_ctx: peft_trainer.PeftTrainer) -> None:
        return None


def _eval_batches(rows: Rows, batch_size: int) -> Iterator[dict[str, np.ndarray]]:
    """All rows once, in batches of one shape; the last one is filled up with untrained rows."""
    for start in range(0, len(rows), batch_size):
        index = np.arange(start, start + batch_size)
        batch = rows.take(index.clip(max=len(rows) - 1))
        batch["places"][index >= len(rows)] = rows.length - 1  # counted already
        yield batch


class _Progress(hooks.TrainingHooks):
    """Writes `metrics.jsonl`, a line a step, and reports; a resumed run goes on in the file."""

    def __init__(
        self, path: Path, rows: Rows, eval_rows: Rows, config: SftConfig, report: Report
    ) -> None:
        self._path, self._eval_rows, self._config, self._report = path, eval_rows, config, report
        self._tokens = rows.fill * config.batch_size * config.accumulation * rows.length
        self._schedule = schedule(config)
        self._since, self._speed, self._evaluated = 0.0, 0, -1

    def on_train_start(self, train_ctx: peft_trainer.PeftTrainer) -> None:
        done = train_ctx.train_steps
        kept = []
        if done and self._path.exists():  # what came after the checkpoint is written again
            lines = self._path.read_bytes().splitlines(keepends=True)
            whole = [json.loads(line) for line in lines if line.endswith(b"\n")]
            kept = [r for r in whole if r["step"] < done + ("loss" in r)]
        files.write_lines(self._path, kept)
        self._evaluate(train_ctx)

    def on_train_step_end(
        self, train_ctx: peft_trainer.PeftTrainer, train_step: int, train_loss: float
    ) -> None:
        """Tunix reports a step when the next one is under way, and the last one when it closes."""
        if not np.isfinite(train_loss):
            raise InputError(f"loss: is {train_loss} at step {train_step}, lower learning_rate")
        now = time.perf_counter()
        if train_step < train_ctx.train_steps:
            self._speed = round(self._tokens / (now - self._since))
        history = train_ctx.metrics_logger.get_metric_history
        self._write(
            {
                "step": train_step,
                "loss": float(train_loss),
                "grad_norm": float(history("", "grad_norm", "train")[-1]),
                "learning_rate": float(self._schedule(train_step - 1)),
                "tokens_per_second": self._speed,
            }
        )
        self._since = now
        done = train_ctx.train_steps
        due = done % self._config.eval_every == 0 or done == self._config.steps
        if due and done != self._evaluated:
            self._evaluate(train_ctx)

    def _evaluate(self, train_ctx: peft_trainer.PeftTrainer) -> None:
        self._evaluated = train_ctx.train_steps
        value = held_out_loss(train_ctx.model, self._eval_rows)
        self._write({"step": train_ctx.train_steps, "eval_loss": value})
        self._since = time.perf_counter()

    def _write(self, line: dict[str, Any]) -> None:
        with self._path.open("ab") as file:
            file.write(files.json_line(line))
        self._report(line)

    def on_train_end(self, train_ctx: peft_trainer.PeftTrainer) -> None:
        pass

    def on_train_step_start(self, train_ctx: peft_trainer.PeftTrainer) -> None:
        pass

    def on_eval_step_start(self, train_ctx: peft_trainer.PeftTrainer) -> None:
        pass

    def on_eval_step_end(self, train_ctx: peft_trainer.PeftTrainer, eval_loss: float) -> None:
        pass


def _fingerprint(config: SftConfig, rows: Rows) -> str:
    """A hash of what the weights depend on, beside the model the run starts from."""
    content = hashlib.sha256(config.model_dump_json().encode())
    for array in (rows.order, rows.ends, rows.examples.index, rows.examples.tokens):
        content.update(np.ascontiguousarray(array).view(np.uint8).data)
    content.update(b"%d" % rows.length)
    return content.hexdigest()[:16]


def summary(metrics: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The figures of a run: steps taken, last losses, median tokens a second."""
    trained = [line for line in metrics if "loss" in line]
    return {
        "steps": max(line["step"] for line in metrics),
        "loss": trained[-1]["loss"],
        "eval_loss": next(line["eval_loss"] for line in reversed(metrics) if "eval_loss" in line),
        "tokens_per_second": median(line["tokens_per_second"] for line in trained),
    }


def train(
    model: gemma3.Gemma3,
    rows: Rows,
    eval_rows: Rows,
    config: SftConfig,
    folder: Path,
    report: Report = lambda line: None,
) -> list[dict[str, Any]]:
    """Trains the model in place, from the last checkpoint where there is one.

    Args:
      folder: where `checkpoints/` and `metrics.jsonl` go.
        Checkpoints of another configuration or other rows are never resumed, they are removed.
      report: called with each line of `metrics.jsonl` as it is written.

    Returns:
      The lines of `metrics.jsonl`.

    Raises:
      InputError: fewer rows than a batch takes, or a loss that is not a number.
    """
    batches = feed(rows, config)  # too few rows fail here, before anything is compiled
    checkpoints = folder / "checkpoints"
    fingerprint = _fingerprint(config, rows)
    for other in checkpoints.glob("*"):
        if other.name != fingerprint:
            shutil.rmtree(other)
    several = config.accumulation if config.accumulation > 1 else None
    with mesh():
        trainer = peft_trainer.PeftTrainer(
            model,
            optimizer(config),
            peft_trainer.TrainingConfig(
                eval_every_n_steps=config.steps,  # unused: our own counts every token the same
                gradient_accumulation_steps=several,
                max_steps=None,  # the feed ends by itself; with a number Tunix draws its own bar
                checkpoint_root_directory=str((checkpoints / fingerprint).absolute()),
                checkpointing_options=ocp.CheckpointManagerOptions(
                    save_interval_steps=config.checkpoint_every, max_to_keep=2
                ),
            ),
        )
        trainer.with_loss_fn(loss.share).with_gen_model_input_fn(lambda batch: {"batch": batch})
        trainer.with_data_hooks(_Source(batches))
        trainer.with_training_hooks(
            _Progress(folder / "metrics.jsonl", rows, eval_rows, config, report)
        )
        trainer.train([])
    return list(files.read_lines(folder / "metrics.jsonl"))
