"""TPU chips: their speed and memory by datasheet, and the topologies they come in.

A topology is written as in `v5e:2x4`: the version of the chips, then their arrangement.
"""

import os
from pathlib import Path
from typing import NamedTuple

from tunix_rt_nb.common import unknown


class Chip(NamedTuple):
    """The speed and memory of one chip.

    Attributes:
      kind: its name in JAX.
      flops: bfloat16 operations per second.
      bandwidth: bytes per second between the chip and its memory.
      memory: bytes that a program may use, about 256 MiB less than the chip has.

    Source: the pages of each version under https://cloud.google.com/tpu/docs/system-architecture.
    Only `memory` is from elsewhere: the compiler names it in its error when a program needs more.
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

TOPOLOGIES = {  # topology -> its accelerator type in Google Cloud
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


_GOOGLE = "0x1ae0"  # PCI vendor id of TPUs


def described(topology: str) -> dict[str, str]:
    """Return environment variables that tell libtpu, Google's TPU driver, which TPU to assume.

    With them libtpu does not ask Google Cloud's metadata server.

    Args:
      topology: a key of `TOPOLOGIES`, such as `v5e:2x4`.

    Returns:
      name of the variable -> value.
    """
    return {
        "TPU_SKIP_MDS_QUERY": "1",
        "TPU_ACCELERATOR_TYPE": TOPOLOGIES[topology],
        "TPU_WORKER_HOSTNAMES": "localhost",
    }


def has_tpu() -> bool:
    """Tell whether this machine has a TPU, by the vendors of its PCI devices."""
    vendors = Path("/sys/bus/pci/devices").glob("*/vendor")
    return any(path.read_text().strip() == _GOOGLE for path in vendors)


def spare_libtpu() -> None:
    """Set environment variables that keep libtpu quiet on a machine without a TPU.

    libtpu is Google's TPU driver. Call this before JAX looks for devices. On a machine with a TPU
    it changes nothing.
    """
    if not has_tpu():
        for name, value in described("v5e:1x1").items():
            os.environ.setdefault(name, value)


def of(topology: str) -> Chip:
    """Return the kind of chip that a topology, such as `v5e:2x4`, consists of.

    Raises:
      InputError: unknown topology.

    Example:
      >>> of("v5e:2x4").kind, of("v5e:2x4").memory / 2**30
      ('TPU v5 lite', 15.75)
    """
    if topology not in TOPOLOGIES:
        raise unknown("topology", topology, TOPOLOGIES)
    return CHIPS[topology.partition(":")[0]]


def count(topology: str) -> int:
    """Return the number of chips in a topology, such as `v5e:2x4`.

    Example:
      >>> count("v5e:2x4")
      8
    """
    chips = 1
    for side in topology.partition(":")[2].split("x"):
        chips *= int(side)
    return chips
