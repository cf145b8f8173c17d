"""Low-rank adapters (LoRA): small matrices that are trained in place of the model's own."""

import re
from typing import Any

import jax
import jax.numpy as jnp
import qwix
from flax import nnx

from tunix_rt_nb.errors import InputError

MODULES = ".*(_einsum|_proj)"  # all of attention and feed-forward


def apply(
    model: nnx.Module, rank: int, alpha: float, modules: str = MODULES, seed: int = 0
) -> nnx.Module:
    """The model with adapters; only they are trained from now on.

    A matrix W is used as W + (alpha / rank) A B, where A is drawn and B is zero at first: so the
    new model says what the old one says.

    Args:
      rank: of A B.
      modules: a regular expression; the matrices whose path it matches get adapters.

    Raises:
      InputError: it matches none, or is no regular expression.

    Source: Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models".
    """
    try:
        re.compile(modules)
    except re.error as error:
        raise InputError(f"lora_modules: {modules!r} is no regular expression: {error}") from None
    provider = qwix.LoraProvider(module_path=modules, rank=rank, alpha=alpha)
    inputs: dict[str, Any] = model.get_model_input()
    adapted = qwix.apply_lora_to_model(model, provider, **inputs, rngs=nnx.Rngs(seed))
    adapted.lora_scale = alpha / rank
    if not is_applied(adapted):
        raise InputError(
            f"lora_modules: {modules!r} matches no matrix of the model; those that there are: "
            "q_einsum, kv_einsum, qkv_einsum, attn_vec_einsum, gate_proj, up_proj, down_proj"
        )
    return adapted


def merged(model: nnx.Module) -> dict[tuple[Any, ...], jax.Array]:
    """The weights of a model by their paths, with its adapters, if it has any, worked into them."""
    weights = {path: value[...] for path, value in nnx.to_flat_state(nnx.state(model, nnx.Param))}
    found = {}
    for path, weight in weights.items():
        *module, name = path
        if str(name).endswith(("_lora_a", "_lora_b")):
            continue
        a, b = (weights.get((*module, f"{name}_lora_{letter}")) for letter in "ab")
        if a is not None and b is not None:
            change = jnp.tensordot(a, b, 1) * model.lora_scale
            if "attn_vec_einsum" not in module and "attn" in module:  # inputs are the last but one
                change = jnp.moveaxis(change, 0, -2)
            weight = weight + change.astype(weight.dtype)
        found[path] = weight
    return found


def is_applied(model: nnx.Module) -> bool:
    """Whether the model has adapters."""
    return any(isinstance(value, nnx.LoRAParam) for _, value in nnx.iter_graph(model))
