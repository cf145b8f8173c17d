"""The devices that a model is spread over, and what JAX keeps of its compilations."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jax
from flax import nnx

from tunix_rt_nb.common import InputError


def mesh(tp: int = 1) -> jax.sharding.Mesh:
    """All devices: rows and weights are cut over `fsdp`, the width of a layer over `tp` of them.

    Raises:
      InputError: the devices cannot be arranged so.
    """
    devices = jax.device_count()
    if tp < 1 or devices % tp:
        raise InputError(f"tp: {tp} does not divide the {devices} devices that there are")
    automatic = (jax.sharding.AxisType.Auto,) * 2  # Tunix gives hints, the compiler decides
    return jax.make_mesh((devices // tp, tp), ("fsdp", "tp"), axis_types=automatic)


def mesh_of(model: nnx.Module) -> jax.sharding.Mesh:
    """The devices that a model was loaded onto."""
    return jax.tree.leaves(nnx.state(model, nnx.Param))[0].sharding.mesh


@contextmanager
def devices_of(model: nnx.Module) -> Iterator[jax.sharding.Mesh]:
    """Makes the devices of a model those that are computed on, for JAX and for Tunix."""
    mesh = mesh_of(model)
    with jax.set_mesh(mesh), mesh:
        yield mesh


def keep_compilations() -> None:
    """What JAX compiles is kept in the user's cache: the same shapes start at once next time."""
    if jax.config.jax_compilation_cache_dir is None:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        jax.config.update("jax_compilation_cache_dir", str(cache / "tunix_rt_nb" / "jax"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)


def parameter_count(model: nnx.Module) -> int:
    """How many numbers a model learns."""
    return sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param)))
