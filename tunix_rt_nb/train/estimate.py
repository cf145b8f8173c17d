"""What training will take before it starts: memory and time."""

import os
from pathlib import Path
from typing import NamedTuple

import jax
from flax import nnx

from tunix_rt_nb.common import InputError
from tunix_rt_nb.models import mesh_of
from tunix_rt_nb.train import hlo
from tunix_rt_nb.train.batches import Batches
from tunix_rt_nb.train.config import SftConfig
from tunix_rt_nb.train.flops import peak_flops
from tunix_rt_nb.train.step import lowered

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


def estimate_step(model: nnx.Module, feed: Batches, config: SftConfig) -> Estimate:
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
