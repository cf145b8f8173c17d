"""The devices that JAX computes on, told without loading JAX if they can only be the processor."""

import importlib.util
import os
import sys
from typing import Any

from tunix_rt_nb.models.chips import has_tpu

# Variables that tell JAX which devices to take, or how many.
_CHOICE = {"JAX_PLATFORMS", "JAX_PLATFORM_NAME", "JAX_NUM_CPU_DEVICES"}


def describe_devices() -> str:
    """Return the number and kind of the devices that JAX finds, as in `8 x tpu:TPU v5 lite`."""
    devices = _processors() if _finds_only_processors() else _all_devices()
    kinds = [f"{device.platform}:{device.device_kind}" for device in devices]
    return f"{len(kinds)} x {kinds[0]}"


def _finds_only_processors() -> bool:
    """Tell whether JAX can find no other device: no variable, plugin or chip offers it one."""
    from importlib import metadata  # slow to load

    if "jax" in sys.modules or _CHOICE & os.environ.keys() or has_tpu():
        return False
    return not (
        importlib.util.find_spec("jax_plugins") or metadata.entry_points(group="jax_plugins")
    )


def _processors() -> list[Any]:
    """Return JAX's devices on the processor; asking its core spares the second that JAX takes."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")  # as JAX sets it
    from jaxlib import xla_client

    client: Any = xla_client.make_cpu_client()
    return list(client.devices())


def _all_devices() -> list[Any]:
    import jax

    return list(jax.devices())
