"""The training configuration, with every value checked."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tunix_rt_nb.common import InputError, checked


class SftConfig(BaseModel):
    """Settings of a training run; each field is checked against its range.

    Attributes:
      steps: optimiser steps.
      batch_size: packed rows per batch.
      accumulation: batches per step; every trained token of a step counts the same.
      optimizer: adamw, adafactor (needs little memory) or muon.
      learning_rate: the peak learning rate. The rate rises linearly to the peak over `warmup_steps`
        and then falls to zero along a cosine.
      weight_decay: applies to matrices only, not to norms and embeddings.
      clip_norm: a gradient with a larger norm is scaled down to this norm.
      dtype: the type of matrix products; weights keep the type they were loaded in.
      checkpoint_every: optimiser steps from one checkpoint to the next.
      eval_every: optimiser steps from one held-out loss to the next.
      patience: training stops early after this many held-out losses in a row that do not beat the
        best earlier one; 0 means that it never stops early.
      keep: the weights that the model has in the end: the last or the best.

    Example:
      >>> SftConfig.of(steps=10).batch_size
      8
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    steps: int = Field(default=300, ge=1)
    batch_size: int = Field(default=8, ge=1)
    accumulation: int = Field(default=1, ge=1)
    optimizer: Literal["adamw", "adafactor", "muon"] = "adamw"
    learning_rate: float = Field(default=3e-3, gt=0, le=1)
    warmup_steps: int = Field(default=20, ge=0)
    weight_decay: float = Field(default=0.01, ge=0, le=1)
    clip_norm: float = Field(default=1.0, gt=0)
    dtype: Literal["float32", "bfloat16"] = "float32"
    seed: int = Field(default=0, ge=0, lt=2**31)
    checkpoint_every: int = Field(default=100, ge=1)
    eval_every: int = Field(default=100, ge=1)
    patience: int = Field(default=0, ge=0)
    keep: Literal["last", "best"] = "last"

    @classmethod
    def of(cls, **fields: Any) -> "SftConfig":
        """Check the fields and build the configuration; `InputError` names a field out of range."""
        return checked(cls, fields)

    @classmethod
    def of_parameters(cls, parameters: Mapping[str, Any], rows: int) -> "SftConfig":
        """Build the configuration from a notebook's parameters: `steps` from `STEPS`, and so on.

        A `LEARNING_RATE` of 0 stands for the rate that `fitting_rate` returns. `EPOCHS`, unless it
        is 0, replaces `STEPS`: `steps` is then the number of steps that these epochs take, and a
        `batch_size` above `rows` is reduced to `rows`. There is a checkpoint at least every fifth
        of the run, whatever `CHECKPOINT_EVERY` is.

        Args:
          parameters: the parameters by name, in capitals.
          rows: the number of packed rows to train on.

        Example:
          >>> SftConfig.of_parameters({"STEPS": 10, "MODEL": "tiny"}, rows=7).steps
          10
        """
        names = [name for name in cls.model_fields if name.upper() in parameters]
        fields = {name: parameters[name.upper()] for name in names}
        if fields.get("learning_rate") == 0:
            model, rank = parameters["MODEL"], parameters.get("LORA_RANK", 0)
            fields["learning_rate"] = fitting_rate(model, rank)
        config = cls.of(**fields)
        if epochs := parameters.get("EPOCHS"):
            batch = min(config.batch_size, rows)
            steps = steps_of_epochs(epochs, rows, batch * config.accumulation)
            config = cls.of(**{**config.model_dump(), "batch_size": batch, "steps": steps})
        every = min(config.checkpoint_every, -(-config.steps // 5))
        return config.model_copy(update={"checkpoint_every": every})


def fitting_rate(model: str, lora_rank: int = 0) -> float:
    """Return a learning rate that fits a model.

    A model from scratch learns at a rate that would destroy pretrained weights, and adapters need a
    higher rate than the weights themselves.

    Args:
      model: its name; `tiny` is made from scratch.
      lora_rank: the rank of the adapters; 0 if all weights are trained.

    Example:
      >>> fitting_rate("tiny"), fitting_rate("gemma3-270m", 32), fitting_rate("gemma3-1b")
      (0.004, 0.0003, 3e-05)
    """
    if model == "tiny":
        return 4e-3
    return 3e-4 if lora_rank else 3e-5


def steps_of_epochs(epochs: int, rows: int, batch_size: int) -> int:
    """Return the number of optimiser steps to see all rows `epochs` times.

    Args:
      batch_size: rows per optimiser step.

    Example:
      >>> steps_of_epochs(epochs=3, rows=10, batch_size=4)
      8
    """
    return -(-epochs * rows // batch_size)


def check_shares(batch_size: int, groups: int, tp: int, devices: str) -> None:
    """Raise `InputError` if the rows of a batch do not divide over the tensor-parallel groups.

    Args:
      batch_size: rows per batch.
      groups: the number of groups.
      tp: devices per group.
      devices: how the message names the devices, such as `chips`.

    Example:
      >>> check_shares(4, groups=4, tp=2, devices="chips")
    """
    if batch_size % groups:
        over = f"{groups} {devices}" if tp == 1 else f"{groups} groups of {tp} {devices} (tp)"
        raise InputError(
            f"batch_size: {batch_size} rows do not divide over {over}, use a multiple of {groups}"
        )
