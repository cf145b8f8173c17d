"""Floating-point operations: how many training needs, and how many devices do per second."""

import time
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tunix_rt_nb.models import chips, lora, parameter_count
from tunix_rt_nb.render import Rows


def useful_flops(model: Any, rows: Rows) -> float:
    """Count the floating-point operations needed to train once on the examples in some rows.

    Padding and repeated computation do not count. Each weight takes two operations per token in the
    forward pass and four in the backward pass. If only adapters are trained, it takes two in the
    backward pass. The embedding counts at trained tokens only, because logits are computed only for
    these. Attention between tokens is not counted.

    Source: Chowdhery et al. 2022, "PaLM", appendix B, on model FLOPs utilisation.
    """
    embedding = model.embedder.input_embedding.value.size
    weights = parameter_count(model) - embedding
    each = 4 if lora.is_applied(model) else 6
    tokens = int(rows.examples.index["length"].sum())
    return float(each * (weights * tokens + embedding * int(rows.trained_tokens.sum())))


def peak_flops(dtype: str) -> float:
    """Return the peak floating-point operations per second of all devices together, by datasheet.

    If no datasheet is known for this kind of device, measure one device and return its rate alone.

    Args:
      dtype: the type of the numbers that the measurement multiplies.
    """
    rates = {chip.kind: chip.flops for chip in chips.CHIPS.values()}
    kind = jax.devices()[0].device_kind
    return rates[kind] * jax.device_count() if kind in rates else _measured(dtype)


@lru_cache
def _measured(dtype: str) -> float:
    """Measure the floating-point operations per second of one device, on a matrix product."""
    size = 1024
    matrix = jnp.ones((size, size), dtype)
    multiply = jax.jit(jnp.matmul)
    times = []
    for _ in range(6):
        started = time.perf_counter()
        multiply(matrix, matrix).block_until_ready()
        times.append(time.perf_counter() - started)
    return 2 * size**3 / float(np.min(times))
