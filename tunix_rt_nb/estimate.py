"""What training will take before it starts: memory and time."""

import os
import time
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from tunix_rt_nb import hlo
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.config import SftConfig
from tunix_rt_nb.feed import Feed
from tunix_rt_nb.models import chips, lora
from tunix_rt_nb.models.devices import mesh_of, parameter_count
from tunix_rt_nb.render.packing import Rows
from tunix_rt_nb.step import lowered

_LIMITS = (  # of a container, by version 2 and 1 of Linux's control groups
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


class Estimate(NamedTuple):
    """What a device needs, in bytes, and at least how long all steps take, in seconds.

    Attributes:
      state: the weights and what the optimiser remembers.
      temporaries: activations, gradients and what else is gone after a step.
      available: what the device has.
    """

    state: int
    temporaries: int
    available: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"a device needs {_told(self.state)} for weights and optimiser and"
            f" {_told(self.temporaries)} for a step, and has {_told(self.available)};"
            f" the arithmetic alone takes {self.seconds / 60:,.1f} min"
        )


def estimate(model: nnx.Module, feed: Feed, config: SftConfig) -> Estimate:
    """Compiles the very step that training takes and asks the compiler; nothing is computed.

    The time is that of its arithmetic at the device's full speed, which no training reaches.

    Raises:
      InputError: a device has less memory than that.
    """
    compiled = lowered(model, feed[0], config).compile()
    found = Estimate(
        *memory(compiled),
        available_memory(),
        hlo.operations(compiled) * mesh_of(model).size * len(feed) / peak_flops(config.dtype),
    )
    if found.state + found.temporaries > found.available:
        raise InputError(
            f"batch_size: a step needs {_told(found.state + found.temporaries)} a device, there are"
            f" {_told(found.available)}: fewer rows a batch with more accumulation, shorter rows,"
            " lora_rank, remat or the optimizer adafactor need less"
        )
    return found


def memory(compiled: jax.stages.Compiled) -> tuple[int, int]:
    """What a program is given and what it takes beside that, in bytes a device."""
    sizes = compiled.memory_analysis()
    fresh = sizes.output_size_in_bytes - sizes.alias_size_in_bytes  # weights, before the old go
    return sizes.argument_size_in_bytes, sizes.temp_size_in_bytes + fresh


def _told(size: int) -> str:
    return f"{size / 2**30:,.1f} GiB" if size >= 2**30 else f"{size / 2**20:,.0f} MiB"


def available_memory() -> int:
    """What a device has for us, in bytes; of a CPU, what all its devices share is one's alone."""
    stats = jax.local_devices()[0].memory_stats()
    if stats and "bytes_limit" in stats:
        return stats["bytes_limit"]
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([physical, *filter(None, map(_limit, _LIMITS))])


def _limit(path: Path) -> int | None:
    """What a container may use, of a file in which the kernel says so."""
    told = path.read_text().strip() if path.exists() else "max"
    return None if told == "max" else int(told)


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
