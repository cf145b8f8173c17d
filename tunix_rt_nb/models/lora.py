"""Low-rank adapters (LoRA): small matrices that are trained instead of the model's weights."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import qwix
from flax import nnx

from tunix_rt_nb.common import InputError, files
from tunix_rt_nb.models import hf_names, hosts, weights

MODULES = ".*(_einsum|_proj)"  # a regex for all matrices of attention and feed-forward


def apply(
    model: nnx.Module, rank: int, alpha: float, modules: str = MODULES, seed: int = 0
) -> nnx.Module:
    """Return the model with adapters; training then changes only these.

    A matrix W becomes W + (alpha / rank) A B. At first A is random and B is zero, so the new model
    starts with the outputs of the old one.

    Args:
      rank: the rank of A B, at least 1.
      alpha: the scale of the adapters, more than 0.
      modules: a regular expression for the matrices that get adapters. It must match the whole path
        of a matrix, such as `layers/0/attn/q_einsum`.
      seed: seeds the random A.

    Raises:
      InputError: rank or alpha is out of range; or `modules` is no regular expression, or matches
        no matrix.

    Source: Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models".
    """
    if type(rank) is not int or rank < 1:
        raise InputError(f"lora_rank: expected a whole number from 1, found {rank!r}")
    if not 0 < alpha < math.inf:
        raise InputError(f"lora_alpha: expected a number above 0, found {alpha!r}")
    try:
        re.compile(modules)
    except re.error as error:
        raise InputError(
            f"lora_modules: {modules!r} is not a regular expression: {error}"
        ) from None
    hosts.agree({"lora_rank": rank, "lora_alpha": alpha, "lora_modules": modules, "seed": seed})
    provider = qwix.LoraProvider(module_path=modules, rank=rank, alpha=alpha)
    inputs: dict[str, Any] = model.get_model_input()
    adapted = qwix.apply_lora_to_model(model, provider, **inputs, rngs=nnx.Rngs(seed))
    adapted.lora_scale = alpha / rank
    if not is_applied(adapted):
        raise InputError(
            f"lora_modules: {modules!r} matches no matrix of the model, expected a regular"
            " expression for whole paths, such as .*q_einsum; the last part of a path is one of:"
            " q_einsum, kv_einsum, qkv_einsum, attn_vec_einsum, gate_proj, up_proj, down_proj"
        )
    return adapted


def merged(model: nnx.Module) -> dict[str, jax.Array]:
    """Return the weights of a model with its adapters merged in, if it has any: path -> array.

    Paths are those of `hf_names.by_path`, such as `layers.0.attn.q_einsum.w`.
    """
    found = hf_names.by_path(model)
    for path, (a, b) in _adapters(found).items():
        del found[f"{path}_lora_a"], found[f"{path}_lora_b"]
        change = jnp.tensordot(a, b, 1)
        # In these weights the axis of inputs is the last but one.
        if path.endswith("_einsum.w") and "attn_vec" not in path:
            change = jnp.moveaxis(change, 0, -2)
        found[path] += (change * model.lora_scale).astype(found[path].dtype)
    return found


def _adapters(named: Mapping[str, jax.Array]) -> dict[str, tuple[jax.Array, jax.Array]]:
    """Return the adapters among the weights of a model: path of the matrix -> (A, B).

    Args:
      named: all weights, path -> array, as `hf_names.by_path` returns them.
    """
    paths = [name.removesuffix("_lora_a") for name in named if name.endswith("_lora_a")]
    return {path: (named[f"{path}_lora_a"], named[f"{path}_lora_b"]) for path in paths}


def save_adapter(model: nnx.Module, folder: Path, base: str | None = None) -> Path:
    """Write only the adapters, in the format of the PEFT library, and return the folder.

    `adapter_config.json` is written last, so it marks a complete folder.

    Args:
      model: the model with adapters.
      folder: where to write the adapters.
      base: the Hugging Face repository of the model that the adapters were trained on; None if that
        model has no repository.

    Raises:
      InputError: the model has no adapters.
    """
    if not is_applied(model):
        raise InputError(f"{folder}: the model has no adapters to save")
    found = _peft_tensors(model)  # in every process, as each holds parts of it
    names = [name.removeprefix("base_model.model.") for name in found]
    modules = sorted({name.rsplit(".lora_", 1)[0] for name in names})
    rank = next(x.shape[0] for name, x in found.items() if "lora_A" in name)
    settings = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": rank,
        "lora_alpha": model.lora_scale * rank,
        "target_modules": modules,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
    }
    hosts.first(lambda: _write(folder, found, settings))
    return folder


def _write(folder: Path, tensors: Mapping[str, np.ndarray], settings: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    weights.write(folder / "adapter_model.safetensors", tensors)
    files.write_json(folder / "adapter_config.json", settings)


def _peft_tensors(model: nnx.Module) -> dict[str, np.ndarray]:
    """Return a model's adapters under the names of the PEFT library: name -> array.

    Each module has two arrays: A is [rank, inputs] and B is [outputs, rank]. Modules that Tunix
    joins into one matrix, such as those of keys and values, have the same A.
    """
    found = {}
    for path, (a, b) in _adapters(hf_names.by_path(model)).items():
        rank, modules = a.shape[-1], hf_names.modules(path)
        outputs = np.split(hosts.whole(b).reshape(rank, -1), len(modules), axis=1)
        for module, part in zip(modules, outputs, strict=True):
            name = f"base_model.model.{module}"
            found[f"{name}.lora_A.weight"] = hosts.whole(a).reshape(-1, rank).T
            found[f"{name}.lora_B.weight"] = part.T
    return found


def is_applied(model: nnx.Module) -> bool:
    """Tell whether the model has adapters."""
    return any(isinstance(value, nnx.LoRAParam) for _, value in nnx.iter_graph(model))
