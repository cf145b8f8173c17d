"""The likelihood of tokens by a model now, and by the same model at the start."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from flax import nnx
from tunix.sft.sharding_utils import shard_input

from tunix_rt_nb import train
from tunix_rt_nb.models import devices_of
from tunix_rt_nb.render import Rows

_FAR = 3.0  # log-probabilities further apart than this pull no more, or one token would rule all
_log_probabilities = nnx.jit(
    train.token_log_probabilities, static_argnames="dtype", graph_updates=False
)


@dataclass(frozen=True)
class Likelihood:
    """The likelihood of tokens by a model that is trained, and by the same model at the start.

    Attributes:
      model: the model.
      start: the model at the start.
      dtype: the type of matrix products.
    """

    model: Any
    start: Any
    dtype: str

    def of(self, batch: train.Batch) -> tuple[np.ndarray, np.ndarray]:
        """Return the log-probabilities of trained tokens now and at the start.

        Args:
          batch: the arrays of `Rows.take`; `weights` and `weight` do not matter.

        Returns:
          Two arrays, float64 [rows, places]; 0 if a place is unused.
        """
        given = {name: value for name, value in batch.items() if name not in ("weights", "weight")}
        with devices_of(self.model):
            placed = shard_input(given, ("fsdp",))
            now, start = (
                np.asarray(_log_probabilities(model, placed, self.dtype), np.float64)
                for model in (self.model, self.start)
            )
        return now, start

    def distance(self, rows: Rows, batch_size: int) -> float:
        """Estimate the divergence of the model from the start, in nats per token.

        The estimate is the mean of exp(d) - 1 - d, where d is how much likelier the model at the
        start finds a token that was sampled now.

        Args:
          rows: sampled answers, packed.
          batch_size: rows at a time.

        Source: Schulman 2020, "Approximating KL Divergence".
        """
        total = count = 0.0
        for first in range(0, len(rows), batch_size):
            batch = rows.take(np.arange(first, first + batch_size).clip(max=len(rows) - 1))
            used = batch["places"] < rows.length - 1
            used[len(rows) - first :] = False  # repeats of the last row fill the batch
            now, start = self.of(batch)
            apart = np.clip(start - now, None, _FAR)
            total += float((np.exp(apart) - 1 - apart)[used].sum())
            count += float(used.sum())
        return total / count


def pull(now: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Return the weight by which each token is drawn back to the start: the slope of the distance.

    Args:
      now, start: the log-probabilities of tokens now and at the start.

    Example:
      >>> pull(np.array([-1.0]), np.array([-1.0])).tolist()
      [0.0]
    """
    return np.asarray(np.exp(np.clip(start - now, -_FAR, _FAR)) - 1)
