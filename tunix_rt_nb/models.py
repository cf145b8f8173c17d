"""Model folders: configuration, weights in and out, tokenizer.

A model is a folder in Hugging Face format (`config.json`, `model.safetensors`, `tokenizer.model`),
whether it was made here from scratch or downloaded; training and evaluation only ever see folders.
"""

import dataclasses
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from safetensors.numpy import save_file
from tunix.models.gemma3 import model as gemma3
from tunix.models.gemma3 import params_safetensors

from tunix_rt_nb import attention, files, lora
from tunix_rt_nb.errors import InputError, unknown
from tunix_rt_nb.tokens import Tokenizer

NAMES = ("tiny",)
_DTYPES = ("float32", "bfloat16")


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


def create(name: str, tokenizer: Tokenizer, seed: int, folder: Path) -> Path:
    """Makes a model folder: for `tiny`, a small Gemma 3 with random weights.

    The weights depend on the seed and each parameter's name alone.

    Raises:
      InputError: unknown model.
    """
    if name not in NAMES:
        raise unknown("model", name, NAMES)
    model = gemma3.Gemma3(_tiny(len(tokenizer)), rngs=nnx.Rngs(seed))
    _initialise(model, seed)
    return save(model, tokenizer, folder)


def load(
    folder: Path, tp: int = 1, dtype: str = "float32", remat: str = "none"
) -> tuple[gemma3.Gemma3, Tokenizer]:
    """Loads a model folder onto all devices, with its tokenizer.

    Args:
      tp: of the devices, how many share the width of a layer; the others share rows and weights.
      dtype: of the weights.
      remat: what is computed anew in the backward pass, to save memory: none, block (attention and
        feed-forward) or decoder (whole layers).

    Raises:
      InputError: the folder holds no model, or there is no such mesh, dtype or remat.
    """
    keep_compilations()
    if not (folder / "config.json").exists():
        raise InputError(f"{folder}: holds no model (no config.json)")
    if dtype not in _DTYPES:
        raise unknown("dtype", dtype, _DTYPES)
    if remat.upper() not in gemma3.RematConfig.__members__:
        raise unknown("remat", remat, [name.lower() for name in gemma3.RematConfig.__members__])
    config = dataclasses.replace(
        _from_hugging_face(files.read_json(folder / "config.json")),
        remat_config=gemma3.RematConfig[remat.upper()],
        param_dtype=jnp.dtype(dtype),
    )
    model = params_safetensors.create_model_from_safe_tensors(
        str(folder), config, mesh(tp), dtype=jnp.dtype(dtype)
    )
    attention.takes_segments(model)
    return model, Tokenizer((folder / "tokenizer.model").read_bytes())


def save(model: gemma3.Gemma3, tokenizer: Tokenizer, folder: Path) -> Path:
    """Writes a model folder; `config.json` comes last, so that it marks completion."""
    folder.mkdir(parents=True, exist_ok=True)
    with files.atomic(folder / "tokenizer.model") as file:
        file.write(tokenizer.model)
    weights = folder / "model.safetensors"
    partial = weights.with_suffix(".tmp")
    save_file(to_hugging_face(model), partial, metadata={"format": "pt"})
    partial.replace(weights)
    files.write_json(folder / "config.json", _hugging_face_config(model.config))
    return folder


def parameter_count(model: nnx.Module) -> int:
    """How many numbers a model learns."""
    return sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param)))


def _tiny(vocabulary: int) -> gemma3.ModelConfig:
    """A Gemma 3 small enough to learn two tasks from scratch on two cores in minutes."""
    return gemma3.ModelConfig(
        num_layers=3,
        num_embed=vocabulary,
        embed_dim=128,
        hidden_dim=256,
        num_heads=4,
        head_dim=32,
        num_kv_heads=1,
        sliding_window_size=512,
        local_base_frequency=10_000,
        global_base_frequency=10_000,
        param_dtype=jnp.float32,
    )


def _initialise(model: gemma3.Gemma3, seed: int) -> None:
    """Draws every weight anew: Tunix starts the feed-forward kernels at zero, where they stay.

    Matrices get a standard deviation of 1 / sqrt(inputs), so that activations keep their size;
    norm scales start at zero (Gemma multiplies by 1 + scale).
    """

    def draw(path: tuple[Any, ...], value: jax.Array) -> jax.Array:
        name = _name(path)
        if value.ndim < 2:
            return jnp.zeros_like(value)
        key = jax.random.fold_in(jax.random.key(seed), zlib.crc32(name.encode()))
        return _fan_in(name, value.shape) ** -0.5 * jax.random.normal(key, value.shape, value.dtype)

    nnx.update(model, jax.tree.map_with_path(draw, nnx.state(model, nnx.Param)))


def _fan_in(name: str, shape: tuple[int, ...]) -> int:
    """How many inputs one output of a matrix sums over."""
    if "attn_vec_einsum" in name:  # [heads, head_dim, features]
        return shape[0] * shape[1]
    if "einsum" in name:  # [..., heads, features, head_dim]
        return shape[-2]
    return shape[1] if "embed" in name else shape[0]


def _name(path: tuple[Any, ...]) -> str:
    """A parameter's path as `layers.0.attn.q_einsum.w`."""
    parts = [str(getattr(part, "key", getattr(part, "idx", ""))) for part in path]
    return ".".join(part for part in parts if part not in ("", "value"))


_HUGGING_FACE_NAMES = {
    "embedder.input_embedding": "embed_tokens",
    "final_norm.scale": "norm",
    "attn.attn_vec_einsum.w": "self_attn.o_proj",
    "attn._query_norm.scale": "self_attn.q_norm",
    "attn._key_norm.scale": "self_attn.k_norm",
    "pre_attention_norm.scale": "input_layernorm",
    "post_attention_norm.scale": "post_attention_layernorm",
    "pre_ffw_norm.scale": "pre_feedforward_layernorm",
    "post_ffw_norm.scale": "post_feedforward_layernorm",
    "mlp.gate_proj.kernel": "mlp.gate_proj",
    "mlp.up_proj.kernel": "mlp.up_proj",
    "mlp.down_proj.kernel": "mlp.down_proj",
}
_SPLIT = {"q_einsum": "q", "kv_einsum": "kv", "qkv_einsum": "qkv"}


def to_hugging_face(model: gemma3.Gemma3) -> dict[str, np.ndarray]:
    """The weights under Hugging Face's names and shapes, the inverse of Tunix's loader.

    Adapters are worked into them.
    """
    out: dict[str, np.ndarray] = {}
    for path, value in lora.merged(model).items():
        name = ".".join(map(str, path))
        layer = "".join(re.findall(r"^layers\.\d+\.", name))
        for key, tensor in _tensors(name.removeprefix(layer), np.asarray(value)):
            out[f"model.{layer}{key}.weight"] = np.ascontiguousarray(tensor)
    return out


def _tensors(name: str, weight: np.ndarray) -> list[tuple[str, np.ndarray]]:
    fused = re.fullmatch(r"attn\.(\w+)\.w", name)
    if fused and fused[1] in _SPLIT:
        letters = _SPLIT[fused[1]]
        parts = weight.reshape(len(letters), *weight.shape[-3:])  # each [heads, features, dim]
        return [
            (f"self_attn.{x}_proj", part.transpose(0, 2, 1).reshape(-1, part.shape[1]))
            for x, part in zip(letters, parts, strict=True)
        ]
    if name.endswith(".kernel"):
        weight = weight.T
    elif name == "attn.attn_vec_einsum.w":
        weight = weight.reshape(-1, weight.shape[-1]).T
    return [(_HUGGING_FACE_NAMES[name], weight)]


def _hugging_face_config(config: gemma3.ModelConfig) -> dict[str, Any]:
    return {
        "architectures": ["Gemma3ForCausalLM"],
        "model_type": "gemma3_text",
        "vocab_size": config.num_embed,
        "hidden_size": config.embed_dim,
        "intermediate_size": config.hidden_dim,
        "num_hidden_layers": config.num_layers,
        "num_attention_heads": config.num_heads,
        "num_key_value_heads": config.num_kv_heads,
        "head_dim": config.head_dim,
        "query_pre_attn_scalar": config.head_dim,
        "sliding_window": config.sliding_window_size,
        "sliding_window_pattern": len(gemma3.GEMMA3_ATTENTION_PATTERN),
        "rope_theta": config.global_base_frequency,
        "rope_local_base_freq": config.local_base_frequency,
        "hidden_activation": "gelu_pytorch_tanh",
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
    }


def _from_hugging_face(config: dict[str, Any]) -> gemma3.ModelConfig:
    return gemma3.ModelConfig(
        num_layers=config["num_hidden_layers"],
        num_embed=config["vocab_size"],
        embed_dim=config["hidden_size"],
        hidden_dim=config["intermediate_size"],
        num_heads=config["num_attention_heads"],
        head_dim=config["head_dim"],
        num_kv_heads=config["num_key_value_heads"],
        sliding_window_size=config["sliding_window"],
        local_base_frequency=config["rope_local_base_freq"],
        global_base_frequency=config["rope_theta"],
        param_dtype=jnp.float32,
    )
