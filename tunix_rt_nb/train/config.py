"""The training configuration, with every value checked."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tunix_rt_nb.common import checked


class SftConfig(BaseModel):
    """Settings of a training run; each field is checked against its range.

    Attributes:
      steps: optimiser steps.
      batch_size: packed rows per batch.
      accumulation: batches per step; every trained token of a step counts the same.
      optimizer: adamw, adafactor (needs little memory) or muon.
      learning_rate: the peak, reached by a linear rise over `warmup_steps`; a cosine to zero
        follows.
      weight_decay: applies to matrices only, not to norms and embeddings.
      clip_norm: a gradient with a larger norm is scaled down to this norm.
      dtype: the type of matrix products; weights keep the type they were loaded in.
      checkpoint_every, eval_every: in steps.
      patience: training stops early once this many held-out losses in a row were no better than
        the best before them; 0 means never.
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
        """Check the fields and build; `InputError` names a field that is out of range."""
        return checked(cls, fields)

    @classmethod
    def of_parameters(cls, parameters: Mapping[str, Any], rows: int) -> "SftConfig":
        """Take each field from the notebook's parameter of its name, in capitals.

        With `EPOCHS`, the number of steps follows from them, and a batch holds at most all rows.

        Args:
          rows: how many packed rows there are to train on.

        Example:
          >>> SftConfig.of_parameters({"STEPS": 10, "MODEL": "tiny"}, rows=7).steps
          10
        """
        names = [name for name in cls.model_fields if name.upper() in parameters]
        config = cls.of(**{name: parameters[name.upper()] for name in names})
        if not (epochs := parameters.get("EPOCHS")):
            return config
        batch = min(config.batch_size, rows)
        steps = steps_of_epochs(epochs, rows, batch * config.accumulation)
        return cls.of(**{**config.model_dump(), "batch_size": batch, "steps": steps})


def steps_of_epochs(epochs: int, rows: int, batch_size: int) -> int:
    """Return the number of optimiser steps that it takes to see all rows `epochs` times.

    Example:
      >>> steps_of_epochs(epochs=3, rows=10, batch_size=4)
      8
    """
    return -(-epochs * rows // batch_size)
