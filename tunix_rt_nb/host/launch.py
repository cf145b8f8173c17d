"""Which of several processes this one is, as the program that launched them tells each of them."""

import os
from collections.abc import Mapping
from typing import NamedTuple

from tunix_rt_nb.common import InputError

ADDRESS, COUNT, NUMBER = "JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID"
_LAUNCHERS = {  # how many processes there are -> which one this is
    COUNT: NUMBER,  # set by hand, so these come first
    "SLURM_STEP_NUM_TASKS": "SLURM_PROCID",
    "OMPI_COMM_WORLD_SIZE": "OMPI_COMM_WORLD_RANK",
}
_MOST = 1 << 20  # processes


class Place(NamedTuple):
    """The place of a process among those that were launched together.

    Attributes:
      process: its number, from 0.
      processes: how many there are, itself included.
    """

    process: int
    processes: int


def place(environment: Mapping[str, str] = os.environ) -> Place:
    """Return this process's place, read from the variables that a launcher sets.

    The launchers are Slurm's `srun`, Open MPI's `mpirun`, Kubernetes Engine for TPU slices, and
    whoever sets JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID. Without a launcher
    this is process 0 of 1.

    Raises:
      InputError: a variable is missing, holds no whole number, or holds one that does not fit.

    Example:
      >>> place({"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "3"})
      Place(process=3, processes=4)
      >>> place({"TPU_WORKER_HOSTNAMES": "a,b", "TPU_WORKER_ID": "1"})
      Place(process=1, processes=2)
      >>> place({})
      Place(process=0, processes=1)
    """
    for count, number in _LAUNCHERS.items():
        if count in environment:
            several = _number(environment, count, 1, _MOST)
            if several > 1 or count == COUNT:
                return Place(_number(environment, number, 0, several), several)
    found = _of_tpus(environment)
    if found.processes == 1 and ADDRESS in environment:
        raise InputError(f"{COUNT}: is missing, but {ADDRESS} is set: set both, and {NUMBER}")
    return found


def is_given(environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether a launcher gave this process a place among several, or an address and no others.

    JAX on a CPU adds up the numbers of its devices in one order within a process that stands alone,
    and in another with a coordinator. So a single process with an address trains the same weights,
    bit for bit, as several processes with as many devices.

    Example:
      >>> is_given({"JAX_COORDINATOR_ADDRESS": "127.0.0.1:1234", COUNT: "1", NUMBER: "0"})
      True
      >>> is_given({})
      False
    """
    return place(environment).processes > 1 or ADDRESS in environment


def _of_tpus(environment: Mapping[str, str]) -> Place:
    """Return the place in a TPU slice of a Kubernetes Engine, or in several slices together."""
    hosts = environment.get("TPU_PROCESS_ADDRESSES") or environment.get("TPU_WORKER_HOSTNAMES", "")
    each, slices, before = hosts.count(",") + 1, 1, 0
    if "MEGASCALE_NUM_SLICES" in environment:
        slices = _number(environment, "MEGASCALE_NUM_SLICES", 1, _MOST)
        before = each * _number(environment, "MEGASCALE_SLICE_ID", 0, slices)
    within = _number(environment, "TPU_WORKER_ID", 0, each) if each > 1 else 0
    return Place(before + within, each * slices)


def _number(environment: Mapping[str, str], name: str, least: int, below: int) -> int:
    """Return the whole number in a variable; raise `InputError` if it is not in the range."""
    text = environment.get(name, "")
    if not text:
        raise InputError(f"{name}: is missing, expected {least} to {below - 1}")
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise InputError(f"{name}: expected a whole number, found {text[:60]!r}")
    if not least <= int(text) < below:
        raise InputError(f"{name}: is {text}, expected {least} to {below - 1}")
    return int(text)
