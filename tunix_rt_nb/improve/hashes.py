"""Hashes of what the rounds of a run depend on, beside settings and data."""

from typing import Any

import jax
from flax import nnx

from tunix_rt_nb.common import arrays, files
from tunix_rt_nb.evaluate import Judge, Own


def of_weights(model: Any) -> str:
    """Return the hash of the values of all weights of a model."""
    return arrays.sha256(jax.tree.leaves(nnx.state(model, nnx.Param)))


def of_shapes(model: Any) -> str:
    """Return the hash of the names and shapes of all weights of a model, adapters included."""
    named = jax.tree.leaves_with_path(nnx.state(model, nnx.Param))
    shapes = {jax.tree_util.keystr(path): list(x.shape) for path, x in named}
    return files.digest([shapes, getattr(model, "lora_scale", None)])


def of_grader(grader: Own | Judge | None) -> str:
    """Return what tells a grader from others: the hash of its file, or the name of the judge."""
    if isinstance(grader, Own):
        return files.sha256(grader.path)
    return grader.endpoint.model if isinstance(grader, Judge) else ""
