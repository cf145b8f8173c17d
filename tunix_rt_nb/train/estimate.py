"""Estimate of the memory and time that training takes, made before it starts."""

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

_LIMITS = (  # files with a container's memory limit, in versions 2 and 1 of Linux's control groups
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


class Estimate(NamedTuple):
    """Memory that a device needs, and a lower bound on the time of the whole training.

    Attributes:
      state: bytes of the weights and the optimiser's state.
      temporaries: bytes of activations, gradients and anything else that is freed after a step.
      available: bytes that the device has.
      seconds: a lower bound on the time of all steps together.
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
    """Estimate memory and time from the compiled train step, without running it.

    The time counts only the arithmetic of all steps, at the devices' peak speed. So real training
    takes longer.

    Args:
      model: the model to train.
      feed: the batches of the whole training. The first one gives the shapes to compile for.
      config: the training configuration.

    Raises:
      InputError: a device has too little memory.
    """
    compiled = lowered(model, feed[0], config).compile()
    found = Estimate(
        *memory(compiled),
        available_memory(),
        hlo.operations(compiled) * mesh_of(model).size * len(feed) / peak_flops(config.dtype),
    )
    if found.state + found.temporaries > found.available:
        raise InputError(
            f"batch_size: a step needs {_told(found.state + found.temporaries)} per device, but a"
            f" device has {_told(found.available)}: use fewer rows per batch with more"
            " accumulation, shorten the rows, set lora_rank (train adapters only), turn on remat"
            " or use the optimizer adafactor"
        )
    return found


def memory(compiled: jax.stages.Compiled) -> tuple[int, int]:
    """Return two sizes in bytes per device: a program's arguments, and what it allocates besides.

    The second size has temporaries and the outputs that reuse no argument's memory.
    """
    sizes = compiled.memory_analysis()
    # Outputs that reuse no donated argument need memory while the arguments still hold theirs.
    fresh = sizes.output_size_in_bytes - sizes.alias_size_in_bytes
    return sizes.argument_size_in_bytes, sizes.temp_size_in_bytes + fresh


def _told(size: int) -> str:
    return f"{size / 2**30:,.1f} GiB" if size >= 2**30 else f"{size / 2**20:,.0f} MiB"


def available_memory() -> int:
    """Return the bytes of memory of a device; for a CPU, all memory that this process may use.

    If one CPU is divided into several devices, they share that memory.
    """
    stats = jax.local_devices()[0].memory_stats()
    if stats and "bytes_limit" in stats:
        return stats["bytes_limit"]
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([physical, *filter(None, map(_limit, _LIMITS))])


def _limit(path: Path) -> int | None:
    """Read a container's memory limit in bytes from a control-group file; None if unlimited."""
    told = path.read_text().strip() if path.exists() else "max"
    return None if told == "max" else int(told)
