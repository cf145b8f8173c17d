"""Which of several processes this one is, as the program that launched them tells each of them."""

import os
from collections.abc import Mapping
from typing import NamedTuple

from tunix_rt_nb.common import InputError

BY_HAND = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
_LAUNCHERS = {  # how many processes -> which one this is
    "JAX_NUM_PROCESSES": "JAX_PROCESS_ID",
    "SLURM_STEP_NUM_TASKS": "SLURM_PROCID",
    "OMPI_COMM_WORLD_SIZE": "OMPI_COMM_WORLD_RANK",
}


class Place(NamedTuple):
    """The place of a process among those that were launched together.

    Attributes:
      index: its number, from 0.
      count: how many processes there are, itself included.
    """

    index: int
    count: int


def place(environment: Mapping[str, str] = os.environ) -> Place:
    """Return this process's place, read from the variables that a launcher sets.

    The launchers are Slurm's `srun`, Open MPI's `mpirun`, Kubernetes Engine for TPU slices, and
    whoever sets the three variables `BY_HAND`. Without a launcher this is process 0 of 1.

    Raises:
      InputError: a variable holds no number, or no number that fits; or one of `BY_HAND` is
        missing.

    Example:
      >>> place({"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "3"})
      Place(index=3, count=4)
      >>> place({"TPU_WORKER_HOSTNAMES": "a,b", "TPU_WORKER_ID": "1"})
      Place(index=1, count=2)
      >>> place({})
      Place(index=0, count=1)
    """
    given = [name for name in BY_HAND if name in environment]
    if given and len(given) < len(BY_HAND):
        [missing, *_] = (name for name in BY_HAND if name not in environment)
        raise InputError(f"{missing}: is missing, but {given[0]} is set: set all three or none")
    for count, index in _LAUNCHERS.items():
        several = _number(environment, count, 1, 1 << 20)
        if several > 1 or count in given:
            return Place(_number(environment, index, 0, several), several)
    return _of_tpus(environment)


def by_hand(environment: Mapping[str, str] = os.environ) -> dict[str, str | int]:
    """Return the arguments for `jax.distributed.initialize` that were set by hand; {} if none were.

    JAX itself reads only the address, and finds the numbers in the variables of other launchers.

    Example:
      >>> by_hand(dict(zip(BY_HAND, ("10.0.0.1:1234", "2", "0"))))["num_processes"]
      2
    """
    if BY_HAND[0] not in environment:
        return {}
    here = place(environment)
    address = environment[BY_HAND[0]]
    return {"coordinator_address": address, "num_processes": here.count, "process_id": here.index}


def _of_tpus(environment: Mapping[str, str]) -> Place:
    """Return the place in the TPU slices of a Kubernetes Engine, perhaps several joined slices."""
    hosts = environment.get("TPU_PROCESS_ADDRESSES") or environment.get("TPU_WORKER_HOSTNAMES", "")
    each = hosts.count(",") + 1
    several = each * _number(environment, "MEGASCALE_NUM_SLICES", 1, 1 << 20)
    if several == 1:
        return Place(0, 1)
    before = each * _number(environment, "MEGASCALE_SLICE_ID", 0, several)
    return Place(before + _number(environment, "TPU_WORKER_ID", 0, each), several)


def _number(environment: Mapping[str, str], name: str, least: int, below: int) -> int:
    """Return the whole number in a variable; `least` if the variable is not set."""
    text = environment.get(name, str(least))
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise InputError(f"{name}: expected a whole number, found {text[:60]!r}")
    if not least <= int(text) < below:
        raise InputError(f"{name}: is {text}, expected {least} to {below - 1}")
    return int(text)
