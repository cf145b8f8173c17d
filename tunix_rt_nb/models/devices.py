"""The devices that a model is sharded over, and the cache of programs that JAX compiled."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jax
from flax import nnx

from tunix_rt_nb.common import InputError


def mesh(tp: int = 1) -> jax.sharding.Mesh:
    """Build a mesh of all devices with the axes `fsdp` and `tp`.

    The rows of a batch and the weights are sharded over `fsdp`, the width of a layer over `tp`.

    Args:
      tp: the number of devices on the `tp` axis.

    Raises:
      InputError: `tp` is below 1 or does not divide the number of devices.
    """
    devices = jax.device_count()
    if tp < 1 or devices % tp:
        raise InputError(f"tp: {tp} does not divide the number of devices, {devices}")
    automatic = (jax.sharding.AxisType.Auto,) * 2  # Tunix gives hints, the compiler shards
    return jax.make_mesh((devices // tp, tp), ("fsdp", "tp"), axis_types=automatic)


def check_processes(what: str) -> None:
    """Raise if JAX spans several processes, each of which would then work on all rows.

    Args:
      what: what the process is about to do, such as `training`.

    Raises:
      InputError: this process is one of several.
    """
    if (count := jax.process_count()) > 1:
        raise InputError(f"{what}: this process is one of {count}, expected a single process")


def mesh_of(model: nnx.Module) -> jax.sharding.Mesh:
    """Return the mesh of devices that a model was loaded onto."""
    return jax.tree.leaves(nnx.state(model, nnx.Param))[0].sharding.mesh


@contextmanager
def devices_of(model: nnx.Module) -> Iterator[jax.sharding.Mesh]:
    """Make a model's mesh the current one in a `with` block, for JAX and for Tunix; yield it."""
    mesh = mesh_of(model)
    with jax.set_mesh(mesh), mesh:
        yield mesh


def keep_compilations() -> None:
    """Let JAX cache compiled programs on disk, so that later runs need not compile them again.

    The folder is `tunix_rt_nb/jax` in the user's cache folder, `~/.cache` by default. Do nothing if
    JAX has a cache folder already.
    """
    if jax.config.jax_compilation_cache_dir is None:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        jax.config.update("jax_compilation_cache_dir", str(cache / "tunix_rt_nb" / "jax"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)


def parameter_count(model: nnx.Module) -> int:
    """Count the parameters of a model, its adapters included."""
    return sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param)))
