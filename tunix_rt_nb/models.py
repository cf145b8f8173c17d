"""Model folders: configuration, weights in and out, tokenizer.

A model is a folder in Hugging Face format (`config.json`, `model.safetensors`, `tokenizer.model`),
whether it was made here from scratch or downloaded; training and evaluation only ever see folders.
"""

import dataclasses
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from tunix.models.gemma import model as gemma2
from tunix.models.gemma import params_safetensors as gemma2_files
from tunix.models.gemma3 import model as gemma3
from tunix.models.gemma3 import params_safetensors as gemma3_files

from tunix_rt_nb import (
    architectures,
    attention,
    chips,
    hugging_face,
    lora,
    sources,
    tokenizer_files,
    weights,
)
from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError, unknown
from tunix_rt_nb.tokens import Tokenizer

architecture = architectures.named
Model: TypeAlias = gemma3.Gemma3 | gemma2.Gemma
_DTYPES = ("float32", "bfloat16")
chips.spare_libtpu()
_ROWS_FOR_IMAGES = 64  # which the embedding of Gemma 3 4B has beyond its tokenizer


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


def base(name: str, tokenizer: Tokenizer, seed: int, folder: Path) -> Path:
    """The folder of the model that training starts from: `tiny` is made there, others are found.

    Args:
      name: a name of the catalog, a folder or a GGUF file.
      tokenizer: of the rendered dataset.

    Raises:
      InputError: no source has the model, or it has another tokenizer.
    """
    if name == "tiny":
        return create(name, tokenizer, seed, folder)
    found = sources.find(name)
    if (found / "tokenizer.model").read_bytes() != tokenizer.model:
        raise InputError(
            f"model: the dataset was rendered with another tokenizer than that of {name}:"
            f" run 3_render with MODEL={name}"
        )
    return found


def create(name: str, tokenizer: Tokenizer, seed: int, folder: Path) -> Path:
    """Makes a model folder: for `tiny`, a small Gemma 3 with random weights.

    The weights depend on the seed and each parameter's name alone.

    Raises:
      InputError: unknown model.
    """
    if name != "tiny":
        raise unknown("model", name, ["tiny"])
    model = gemma3.Gemma3(_tiny(len(tokenizer)), rngs=nnx.Rngs(seed))
    _initialise(model, seed)
    return save(model, tokenizer, folder)


def load(
    folder: Path, tp: int = 1, dtype: str = "float32", remat: str = "none"
) -> tuple[Model, Tokenizer]:
    """Loads a model folder onto all devices, with its tokenizer: of a Gemma 3 or a Gemma 2.

    Args:
      tp: of the devices, how many share the width of a layer; the others share rows and weights.
      dtype: of the weights.
      remat: what is computed anew in the backward pass, to save memory: none, block (attention and
        feed-forward) or decoder (whole layers).

    Raises:
      InputError: the folder holds no model, or not all of it, or one that Tunix has not; or there
        is no such mesh, dtype or remat.
    """
    keep_compilations()
    if dtype not in _DTYPES:
        raise unknown("dtype", dtype, _DTYPES)
    config, tokenizer = _described(folder)
    of_gemma3 = isinstance(config, gemma3.ModelConfig)
    kinds = (gemma3 if of_gemma3 else gemma2).RematConfig
    if remat.upper() not in kinds.__members__:
        raise unknown("remat", remat, [name.lower() for name in kinds.__members__])
    config = dataclasses.replace(config, remat_config=kinds[remat.upper()])
    weights.check(folder, hugging_face.shapes(config), "language_model." if of_gemma3 else "")
    loader = (gemma3_files if of_gemma3 else gemma2_files).create_model_from_safe_tensors
    model = loader(str(folder), config, mesh(tp), dtype=jnp.dtype(dtype))
    attention.takes_segments(model)
    return model, tokenizer


def _described(folder: Path) -> tuple[architectures.Config, Tokenizer]:
    """The architecture and the tokenizer of a model folder."""
    for name in ("config.json", "tokenizer.model"):
        if not (folder / name).exists():
            raise InputError(f"{folder}: holds no model (no {name})")
    config = architectures.read(folder / "config.json")
    tokenizer = Tokenizer((folder / "tokenizer.model").read_bytes())
    if not 0 <= config.num_embed - len(tokenizer) <= _ROWS_FOR_IMAGES:
        raise InputError(
            f"{folder / 'config.json'}: vocab_size: {config.num_embed}, but tokenizer.model has"
            f" {len(tokenizer)} pieces: they are not of one model"
        )
    return config, tokenizer


def content_hash(folder: Path) -> str:
    """The hash of what a model folder computes: of its weights, its architecture, its tokenizer."""
    named = ("config.json", "tokenizer.model", *(p.name for p in folder.glob("*.safetensors")))
    return files.digest({name: files.sha256(folder / name) for name in named})


def save(model: Model, tokenizer: Tokenizer, folder: Path) -> Path:
    """Writes a model folder that Transformers loads too, adapters worked into the weights.

    `config.json` comes last, so that it marks completion.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in tokenizer_files.contents(tokenizer).items():
        with files.atomic(folder / name) as file:
            file.write(content)
    tensors = to_hugging_face(model)
    weights.write(folder / "model.safetensors", tensors)
    dtype = tensors["model.norm.weight"].dtype.name
    files.write_json(folder / "config.json", architectures.written(model.config, dtype))
    return folder


def to_hugging_face(model: Model) -> dict[str, np.ndarray]:
    """The weights under Transformers' names and in its shapes, adapters worked into them."""
    return hugging_face.tensors({path: np.asarray(x) for path, x in lora.merged(model).items()})


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
