"""The names and shapes that Hugging Face's Transformers gives to the weights of Tunix's models."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from flax import nnx
from tunix.models.gemma import model as gemma2
from tunix.models.gemma3 import model as gemma3

from tunix_rt_nb.models.architecture import Config

_NAMES = {  # Tunix's name -> Transformers' names; several if Tunix joins their matrices into one
    "embedder.input_embedding": "embed_tokens",
    "final_norm.scale": "norm",
    "attn.q_einsum.w": "self_attn.q_proj",
    "attn.kv_einsum.w": "self_attn.k_proj self_attn.v_proj",
    "attn.qkv_einsum.w": "self_attn.q_proj self_attn.k_proj self_attn.v_proj",
    "attn.attn_vec_einsum.w": "self_attn.o_proj",
    "attn._query_norm.scale": "self_attn.q_norm",
    "attn._key_norm.scale": "self_attn.k_norm",
    "pre_attention_norm.scale": "input_layernorm",
    "post_attention_norm.scale": "post_attention_layernorm",  # in Gemma 3
    "post_attn_norm.scale": "post_attention_layernorm",  # in Gemma 2
    "pre_ffw_norm.scale": "pre_feedforward_layernorm",
    "post_ffw_norm.scale": "post_feedforward_layernorm",
    "mlp.gate_proj.kernel": "mlp.gate_proj",
    "mlp.up_proj.kernel": "mlp.up_proj",
    "mlp.down_proj.kernel": "mlp.down_proj",
}


def model_class(config: Config) -> type[nnx.Module]:
    """Return Tunix's model class for an architecture: Gemma 3's or Gemma 2's."""
    return gemma3.Gemma3 if isinstance(config, gemma3.ModelConfig) else gemma2.Gemma


def modules(path: str) -> list[str]:
    """Return the names of the Transformers modules that correspond to one weight of Tunix's model.

    There are several if Tunix joins their matrices into one weight.

    Args:
      path: the weight's path in Tunix's model.

    Example:
      >>> modules("layers.7.attn.kv_einsum.w")
      ['model.layers.7.self_attn.k_proj', 'model.layers.7.self_attn.v_proj']
    """
    layer = "".join(re.findall(r"^layers\.\d+\.", path))
    return [f"model.{layer}{name}" for name in _NAMES[path.removeprefix(layer)].split()]


def tensors(weights: Mapping[str, Any]) -> dict[str, Any]:
    """Convert Tunix's weights to those of Transformers.

    Args:
      weights: path in Tunix's model -> array, as `by_path` returns them, without adapters.

    Returns:
      Transformers' name of each weight -> array, in the shape that Transformers expects.
    """
    return {
        f"{module}.weight": part
        for path, weight in weights.items()
        for module, part in zip(modules(path), _parts(path, weight), strict=True)
    }


def _parts(path: str, weight: Any) -> list[Any]:
    """Split a weight of Tunix's model into the weights of the matching Transformers modules.

    Args:
      path: the weight's path in Tunix's model.
      weight: the weight, an array.

    Returns:
      One array per name in `modules(path)`. A matrix is [outputs, inputs], with the heads of
      attention side by side. The vector of a norm and the embedding stay as they are.
    """
    if path.endswith(".kernel"):
        return [weight.T]
    if path.endswith("attn_vec_einsum.w"):  # [heads, head_dim, features]
        return [weight.reshape(-1, weight.shape[-1]).T]
    if path.endswith("_einsum.w"):  # [..., heads, features, head_dim]
        each = weight.reshape(-1, *weight.shape[-3:])
        return [part.transpose(0, 2, 1).reshape(-1, part.shape[1]) for part in each]
    return [weight]


def joined(path: str, parts: Sequence[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Join the weights of Transformers modules into one weight of Tunix's model.

    This undoes for one weight what `tensors` does for all.

    Args:
      path: the weight's path in Tunix's model.
      parts: the matrix of each module in `modules(path)`, [outputs, inputs]; for a norm, its
        vector.
      shape: the shape of the weight in Tunix's model.
    """
    if path.endswith("attn_vec_einsum.w"):  # [heads, head_dim, features]
        return parts[0].T.reshape(shape)
    if path.endswith("_einsum.w"):  # [..., heads, features, head_dim]
        each = [part.reshape(-1, shape[-1], shape[-2]).transpose(0, 2, 1) for part in parts]
        return np.stack(each).reshape(shape)
    return parts[0].T if path.endswith(".kernel") else parts[0]


def shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """Return the shapes that Transformers gives an architecture's weights: name -> shape."""
    one = dataclasses.replace(config, num_layers=1)  # all layers are alike, and tracing is slow
    model = nnx.eval_shape(lambda: model_class(one)(one, rngs=nnx.Rngs(0)))
    found = {name: x.shape for name, x in jax.eval_shape(tensors, by_path(model)).items()}
    layers = [f"layers.{n}." for n in range(config.num_layers)]
    every = {name.replace(layers[0], each): x for each in layers for name, x in found.items()}
    return dict(sorted(every.items()))


def by_path(model: nnx.Module) -> dict[str, jax.Array]:
    """Return the weights of a model, its adapters included: path -> array.

    A path is written as in `layers.0.attn.q_einsum.w`.
    """
    state = nnx.to_flat_state(nnx.state(model, nnx.Param))
    return {".".join(map(str, path)): value.get_value() for path, value in state}
