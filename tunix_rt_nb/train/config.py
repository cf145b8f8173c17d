"""How to train, every value checked."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tunix_rt_nb.common import checked


class SftConfig(BaseModel):
    """How to train; every field is checked with its range.

    Attributes:
      steps: optimiser steps.
      batch_size: packed rows a batch.
      accumulation: batches a step; every trained token of a step counts the same.
      optimizer: adamw, adafactor (little memory) or muon.
      learning_rate: at its peak, after `warmup_steps` of linear rise; then a cosine to zero.
      weight_decay: of matrices only, not of norms and embeddings.
      clip_norm: gradients with a larger norm are scaled down to it.
      dtype: what is multiplied in; weights are kept as they were loaded.
      checkpoint_every, eval_every: in steps.
      patience: training stops early when so many held-out losses in a row were no better than the
        best before them; 0: never.
      keep: which weights the model has in the end, the last or the best.

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
        """Checks the fields; `InputError` names the one that is out of range."""
        return checked(cls, fields)

    @classmethod
    def of_parameters(cls, parameters: Mapping[str, Any]) -> "SftConfig":
        """Takes each field from the notebook's parameter of its name, in capitals.

        Example:
          >>> SftConfig.of_parameters({"STEPS": 10, "MODEL": "tiny"}).steps
          10
        """
        names = [name for name in cls.model_fields if name.upper() in parameters]
        return cls.of(**{name: parameters[name.upper()] for name in names})
