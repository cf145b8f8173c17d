"""Useful operations of a step, and how many a device can do in a second."""

import time
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tunix_rt_nb.models import chips, lora, parameter_count
from tunix_rt_nb.render import Rows


def useful_flops(model: Any, rows: Rows) -> float:
    """What it takes to learn from some rows once: their examples alone, nothing computed twice.

    Two operations a weight and token forward, four backward, or two where the weights stay as they
    are; those of the vocabulary at trained tokens only. Attention between tokens is not counted.

    Source: Chowdhery et al. 2022, "PaLM", appendix B, on model FLOPs utilisation.
    """
    embedding = model.embedder.input_embedding.value.size
    weights = parameter_count(model) - embedding
    each = 4 if lora.is_applied(model) else 6
    tokens = int(rows.examples.index["length"].sum())
    return float(each * (weights * tokens + embedding * int(rows.trained_tokens.sum())))


def peak_flops(dtype: str) -> float:
    """The most operations a second of all devices: by their datasheet, else measured."""
    rates = {chip.kind: chip.flops for chip in chips.CHIPS.values()}
    kind = jax.devices()[0].device_kind
    return rates[kind] * jax.device_count() if kind in rates else _measured(dtype)


@lru_cache
def _measured(dtype: str) -> float:
    """By multiplying two matrices, on one device."""
    size = 1024
    matrix = jnp.ones((size, size), dtype)
    multiply = jax.jit(jnp.matmul)
    times = []
    for _ in range(6):
        started = time.perf_counter()
        multiply(matrix, matrix).block_until_ready()
        times.append(time.perf_counter() - started)
    return 2 * size**3 / float(np.min(times))
