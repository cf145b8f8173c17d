"""The rows that each step of a training run trains on."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from tunix_rt_nb.common import InputError, arrays
from tunix_rt_nb.render import Rows

Batch = dict[str, np.ndarray]  # the arrays of `Rows.take`, and `weight`


class Feed(Protocol):
    """The batches of a training run, by number, as training asks for them: in order, each once.

    A resumed run begins with any of them. `Batches` has them ready; others may make a batch when it
    is asked for, by the model as it is then.
    """

    @property
    def rows(self) -> Rows:
        """The packed rows that the last batch was taken from."""

    def __len__(self) -> int: ...

    def __getitem__(self, k: int) -> Batch:
        """Return batch number `k`, counted from 0."""

    def rows_of(self, step: int) -> np.ndarray:
        """Return the indices in `rows` of the rows that a step takes, int [rows]."""

    def identity(self) -> dict[str, Any]:
        """Return what determines the batches; a run resumes only if it is the same."""

    def figures(self, step: int) -> Mapping[str, float]:
        """Return what is to be recorded before a step, by name; empty if nothing is."""


class Batches:
    """The batches of a training run, by number; a resumed run can begin with any of them.

    Every epoch has all rows, in an order that depends only on the seed and the epoch. An optimiser
    step takes `accumulation` batches. A trained token is one that the loss counts.

    A batch is a dict: the arrays that `Rows.take` returns, and `weight`, float32 [rows], which
    repeats one number for each row. This number is the mean count of trained tokens per batch of
    the step. The loss of a batch is its summed cross-entropy divided by this number. The trainer
    takes the mean of the losses of a step's batches. So every trained token of a step counts the
    same, however the step is cut into batches.

    Args:
      rows: packed examples.
      batch_size: rows per batch.
      accumulation: batches per step.
      steps: optimiser steps.
      seed: determines the order of the rows.

    Example:
      >>> from tunix_rt_nb.render.examples import Example, Examples
      >>> from tunix_rt_nb.render.packing import pack
      >>> rows = pack(Examples.of([Example("a", (2, 7, 8), 1)] * 6), length=8)
      >>> feed = Batches(rows, batch_size=1, accumulation=2, steps=3, seed=0)
      >>> len(feed), feed[0]["tokens"].shape, feed[0]["weight"].tolist()
      (6, (1, 8), [4.0])
    """

    def __init__(
        self, rows: Rows, batch_size: int, accumulation: int, steps: int, seed: int
    ) -> None:
        self.rows, self._seed = rows, seed
        self._batch_size, self._accumulation, self._steps = batch_size, accumulation, steps
        self._trained = rows.trained_tokens
        self._order = lru_cache(maxsize=4)(self._epoch)

    def __len__(self) -> int:
        return self._steps * self._accumulation

    def __getitem__(self, k: int) -> Batch:
        """Return batch number `k`, counted from 0; raise IndexError after the last."""
        if not 0 <= k < len(self):
            raise IndexError(k)
        step = k // self._accumulation
        of_step = self.rows_of(step)
        weight = np.full(self._batch_size, self._trained[of_step].sum() / self._accumulation)
        first = k % self._accumulation * self._batch_size
        batch = self.rows.take(of_step[first : first + self._batch_size])
        return {**batch, "weight": weight.astype(np.float32)}

    def rows_of(self, step: int) -> np.ndarray:
        """Return the indices of the rows that a step takes, int [rows]; steps count from 0."""
        size = self._batch_size * self._accumulation
        places = np.arange(step * size, (step + 1) * size)
        epochs, within = divmod(places, len(self.rows))
        return np.array(
            [self._order(epoch)[k] for epoch, k in zip(epochs.tolist(), within, strict=True)]
        )

    def _epoch(self, epoch: int) -> np.ndarray:
        return np.random.default_rng([self._seed, epoch]).permutation(len(self.rows))

    def check_enough(self) -> None:
        """Raise `InputError` if there are fewer rows than a step takes."""
        needed = self._batch_size * self._accumulation
        if len(self.rows) < needed:
            raise InputError(
                f"batch_size: a step needs {needed} rows, but there are only {len(self.rows)}"
            )

    def identity(self) -> dict[str, Any]:
        """Return the length of the rows and the hash of their content."""
        return {"max_length": self.rows.length, "rows": hash_of_rows(self.rows)}

    def figures(self, step: int) -> Mapping[str, float]:
        """Return nothing: all there is to record of these batches is their loss."""
        return {}


def hash_of_rows(rows: Rows) -> str:
    """Hash which tokens stand where in some packed rows."""
    return arrays.sha256((rows.order, rows.ends, rows.examples.index, rows.examples.tokens))
