"""TPU chips: what one can do by its datasheet, and in which topologies they come."""

import os
from pathlib import Path
from typing import NamedTuple

from tunix_rt_nb.common import unknown


class Chip(NamedTuple):
    """What one chip can do.

    Attributes:
      kind: what JAX calls it.
      flops: bfloat16 operations a second.
      bandwidth: bytes a second between it and its memory.
      memory: bytes that a program may take, which is some 256 MiB less than there are.

    Source: the pages of each version under https://cloud.google.com/tpu/docs/system-architecture;
    the memory is what the compiler says it has when a program takes more.
    """

    kind: str
    flops: float
    bandwidth: float
    memory: int


def _chip(kind: str, teraflops: float, gigabytes: float, memory: float) -> Chip:
    return Chip(kind, teraflops * 1e12, gigabytes * 1e9, int(memory * 2**30))


CHIPS = {
    "v5e": _chip("TPU v5 lite", 197, 819, 15.75),
    "v5p": _chip("TPU v5", 459, 2765, 95.0),
    "v6e": _chip("TPU v6 lite", 918, 1600, 31.25),
}

TOPOLOGIES = {  # name -> what the cloud calls it
    "v5e:1x1": "v5litepod-1",
    "v5e:2x2": "v5litepod-4",
    "v5e:2x4": "v5litepod-8",
    "v5e:4x4": "v5litepod-16",
    "v5p:2x2x1": "v5p-8",
    "v5p:2x2x2": "v5p-16",
    "v6e:1x1": "v6e-1",
    "v6e:2x2": "v6e-4",
    "v6e:2x4": "v6e-8",
    "v6e:4x4": "v6e-16",
}


_GOOGLE = "0x1ae0"  # the vendor of TPUs, as devices tell it


def described(topology: str) -> dict[str, str]:
    """The variables by which libtpu is told what chips there are, so that it looks for none."""
    return {
        "TPU_SKIP_MDS_QUERY": "1",
        "TPU_ACCELERATOR_TYPE": TOPOLOGIES[topology],
        "TPU_WORKER_HOSTNAMES": "localhost",
    }


def spare_libtpu() -> None:
    """Keeps libtpu quiet on a machine without a TPU, where it would complain of that.

    To be called before JAX looks for devices; where there is a TPU nothing changes.
    """
    vendors = Path("/sys/bus/pci/devices").glob("*/vendor")
    if not any(path.read_text().strip() == _GOOGLE for path in vendors):
        for name, value in described("v5e:1x1").items():
            os.environ.setdefault(name, value)


def of(topology: str) -> Chip:
    """The chip of a topology.

    Raises:
      InputError: it is none of the known ones.

    Example:
      >>> of("v5e:2x4").kind, of("v5e:2x4").memory / 2**30
      ('TPU v5 lite', 15.75)
    """
    if topology not in TOPOLOGIES:
        raise unknown("topology", topology, TOPOLOGIES)
    return CHIPS[topology.partition(":")[0]]


def count(topology: str) -> int:
    """How many chips a topology has.

    Example:
      >>> count("v5e:2x4")
      8
    """
    chips = 1
    for side in topology.partition(":")[2].split("x"):
        chips *= int(side)
    return chips
