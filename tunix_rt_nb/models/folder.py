"""Model folders: create, load and save the configuration, the weights and the tokenizer.

A model is a folder in Hugging Face format (`config.json`, `model.safetensors`, `tokenizer.model`),
whether it was made from scratch or downloaded. Training and evaluation see only such folders.
"""

import dataclasses
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from tunix.models.gemma import model as gemma2
from tunix.models.gemma3 import model as gemma3

from tunix_rt_nb.common import InputError, files, unknown
from tunix_rt_nb.models import (
    architecture,
    attention,
    hf_names,
    hosts,
    lora,
    parts,
    sources,
    tokenizer_files,
    weights,
)
from tunix_rt_nb.models.devices import keep_compilations, mesh
from tunix_rt_nb.models.tokenizer import Tokenizer

Model: TypeAlias = gemma3.Gemma3 | gemma2.Gemma
_DTYPES = ("float32", "bfloat16")
_ROWS_FOR_IMAGES = 64  # extra embedding rows of Gemma 3 4B, for which its tokenizer has no tokens


def base(name: str, tokenizer: Tokenizer, seed: int, folder: Path) -> Path:
    """Return the folder of the base model, the model that training starts from.

    The model `tiny` is created in `folder`, with random weights. Any other model is found by
    `sources.find`, which downloads it if necessary.

    Args:
      name: a name in `catalog.MODELS`, a folder or a GGUF file.
      tokenizer: the tokenizer that the training data was tokenised with.
      seed: seeds the random weights of `tiny`.
      folder: where to create `tiny`.

    Raises:
      InputError: no source has the model, or its tokenizer differs from `tokenizer`.
    """
    if name == "tiny":
        return create(name, tokenizer, seed, folder)
    if hosts.is_one_of_several():
        hosts.first(lambda: str(sources.find(name)))  # one download, if they share the folder
    found = sources.find(name)
    if (found / "tokenizer.model").read_bytes() != tokenizer.model:
        raise InputError(
            f"model: the dataset was not rendered with the tokenizer of {name}:"
            f" run 3_render with MODEL={name}"
        )
    if left := weights.passed_over(found):
        print(f"model: passed over {' and '.join(left)}")
    return found


def create(name: str, tokenizer: Tokenizer, seed: int, folder: Path) -> Path:
    """Create a model folder for `tiny`, a small Gemma 3 with random weights; return the folder.

    The weights depend only on the seed and each parameter's name and shape.

    Args:
      name: must be `tiny`, the only model that is made from scratch.
      tokenizer: the tokenizer to save with the model; it sets the size of the vocabulary.
      seed: seeds the random weights.
      folder: where to write the model.

    Raises:
      InputError: the name is not `tiny`.
    """
    if name != "tiny":
        raise unknown("model", name, ["tiny"])
    model = gemma3.Gemma3(_tiny(len(tokenizer)), rngs=nnx.Rngs(seed))
    _initialise(model, seed)
    return save(model, tokenizer, folder)


def load(
    folder: Path, tp: int = 1, dtype: str = "float32", remat: str = "none"
) -> tuple[Model, Tokenizer]:
    """Load a Gemma 3 or Gemma 2 onto all devices; return the model and its tokenizer.

    Args:
      folder: the model folder.
      tp: the number of devices over which the width of a layer is sharded (tensor parallelism). The
        devices form groups of this size. The rows of a batch and the weights are sharded over the
        groups.
      dtype: the type of the weights, float32 or bfloat16.
      remat: what to recompute in the backward pass to save memory: none, block (attention and
        feed-forward) or decoder (whole layers).

    Raises:
      InputError: the folder holds no model, only a part of one, or one that Tunix does not support;
        a weight is NaN or infinite; or `tp`, `dtype` or `remat` is invalid.
    """
    keep_compilations()
    if dtype not in _DTYPES:
        raise unknown("dtype", dtype, _DTYPES)
    config, tokenizer = described(folder)
    of_gemma3 = isinstance(config, gemma3.ModelConfig)
    kinds = (gemma3 if of_gemma3 else gemma2).RematConfig
    if remat.upper() not in kinds.__members__:
        raise unknown("remat", remat, [name.lower() for name in kinds.__members__])
    config = dataclasses.replace(config, remat_config=kinds[remat.upper()])
    if hosts.is_one_of_several():
        how = {"tp": tp, "dtype": dtype, "remat": remat}
        hosts.agree({"model": content_hash(folder), **how})
    model = _filled(config, weights.find(folder, hf_names.shapes(config)), mesh(tp), dtype)
    attention.takes_segments(model)
    return model, tokenizer


def _filled(
    config: architecture.Config,
    found: Mapping[str, weights.Tensor],
    devices: jax.sharding.Mesh,
    dtype: str,
) -> Model:
    """Build a model from the tensors in its files, one weight at a time, sharded over a mesh.

    Tunix's own loader reads all tensors of a file as the type of the first. Ours reads each in
    its own type, because in many merged models the norms are float32 and the matrices bfloat16.

    Args:
      config: the architecture.
      found: Transformers' name of each tensor -> where it is, as `weights.find` returns them.
      devices: the mesh.
      dtype: the type that all weights are cast to, float32 or bfloat16.
    """
    with jax.set_mesh(devices):
        model = nnx.eval_shape(lambda: hf_names.model_class(config)(config, rngs=nnx.Rngs(0)))
    graph, state = nnx.split(model)

    def put(path: tuple[Any, ...], weight: Any, sharding: jax.sharding.Sharding) -> jax.Array:
        name = _name(path)
        parts = [weights.read(found[f"{module}.weight"]) for module in hf_names.modules(name)]
        joined = hf_names.joined(name, parts, weight.shape)
        return hosts.put(joined.astype(jnp.dtype(dtype)), sharding)

    shardings = nnx.get_named_sharding(state, devices)
    return nnx.merge(graph, jax.tree.map_with_path(put, state, shardings))


def described(folder: Path) -> tuple[architecture.Config, Tokenizer]:
    """Read the architecture and the tokenizer of a model folder.

    Raises:
      InputError: a file is missing or invalid, or the two have different vocabularies.
    """
    for name in ("config.json", "tokenizer.model"):
        if not (folder / name).is_file():
            raise InputError(f"{folder}: holds no model (no {name}){parts.remedy(folder, name)}")
    config = architecture.read(folder / "config.json")
    tokenizer = Tokenizer.read(folder / "tokenizer.model")
    if not 0 <= config.num_embed - len(tokenizer) <= _ROWS_FOR_IMAGES:
        raise InputError(
            f"{folder / 'config.json'}: vocab_size: {config.num_embed}, but tokenizer.model has"
            f" {len(tokenizer)} pieces: the two files belong to different models"
        )
    return config, tokenizer


def content_hash(folder: Path) -> str:
    """Return one sha256 for a model folder's weights, config.json and tokenizer.model together."""
    named = ("config.json", "tokenizer.model", *(p.name for p in parts.weight_files(folder)))
    return files.digest({name: files.sha256(folder / name) for name in named})


def save(model: Model, tokenizer: Tokenizer, folder: Path) -> Path:
    """Write a model to a folder, its adapters merged into its weights; return the folder.

    Transformers can load the folder too. `config.json` is written last, so it marks a complete
    folder.
    """
    merged = hosts.gathered(lora.merged(model))
    hosts.first(lambda: _write(folder, hf_names.tensors(merged), tokenizer, model.config))
    return folder


def _write(
    folder: Path,
    tensors: Mapping[str, np.ndarray],
    tokenizer: Tokenizer,
    config: architecture.Config,
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in tokenizer_files.contents(tokenizer).items():
        with files.atomic(folder / name) as file:
            file.write(content)
    weights.write(folder / "model.safetensors", tensors)
    dtype = tensors["model.norm.weight"].dtype.name
    files.write_json(folder / "config.json", architecture.written(config, dtype))


def to_hugging_face(model: Model) -> dict[str, np.ndarray]:
    """Return a model's weights for Transformers, with adapters merged in.

    Returns:
      Transformers' name of each weight -> array, in the shape that Transformers expects.
    """
    return hf_names.tensors({path: hosts.whole(x) for path, x in lora.merged(model).items()})


def _tiny(vocabulary: int) -> gemma3.ModelConfig:
    """Return the architecture of `tiny`, a small Gemma 3.

    It can learn two tasks, arithmetic and a card game, from scratch in minutes on two CPU cores.

    Args:
      vocabulary: the number of tokens in the vocabulary.
    """
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
    """Replace all weights of a new model, in place: matrices by random draws, norms by zeros.

    Tunix initialises the feed-forward kernels to zero. They would stay zero, because their
    gradients are zero. Here matrices get a standard deviation of 1 / sqrt(inputs), so that
    activations keep their size. Norm scales start at zero, because Gemma multiplies by 1 + scale.
    """

    def draw(path: tuple[Any, ...], value: jax.Array) -> jax.Array:
        name = _name(path)
        if value.ndim < 2:
            return jnp.zeros_like(value)
        key = jax.random.fold_in(jax.random.key(seed), zlib.crc32(name.encode()))
        return _fan_in(name, value.shape) ** -0.5 * jax.random.normal(key, value.shape, value.dtype)

    nnx.update(model, jax.tree.map_with_path(draw, nnx.state(model, nnx.Param)))


def _fan_in(name: str, shape: tuple[int, ...]) -> int:
    """Return the fan-in of a matrix: from how many inputs it computes each output.

    Args:
      name: the path of the parameter, as `_name` returns it.
      shape: its shape.
    """
    if "attn_vec_einsum" in name:  # [heads, head_dim, features]
        return shape[0] * shape[1]
    if "einsum" in name:  # [..., heads, features, head_dim]
        return shape[-2]
    return shape[1] if "embed" in name else shape[0]


def _name(path: tuple[Any, ...]) -> str:
    """Convert a path of `jax.tree.map_with_path` to text, such as `layers.0.attn.q_einsum.w`."""
    parts = [str(getattr(part, "key", getattr(part, "idx", ""))) for part in path]
    return ".".join(part for part in parts if part not in ("", "value"))
