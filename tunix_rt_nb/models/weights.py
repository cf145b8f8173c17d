"""The safetensors files of a model folder, checked against the architecture before loading."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from tunix_rt_nb.common import InputError, files, one_line
from tunix_rt_nb.models.sources import weight_files

_TYPES = ("F32", "BF16", "F16")
_INDEX = "model.safetensors.index.json"
# Prefixes of the text part of a multimodal model, as older and newer Transformers write them.
_TEXT = {
    "language_model.model.": "model.",
    "model.language_model.": "model.",
    "language_model.": "",
}
_VISION = (
    "vision_tower.",
    "multi_modal_projector.",
    "model.vision_tower.",
    "model.multi_modal_projector.",
)
_UNUSED = (  # parts of a checkpoint that a text model does not need
    *_VISION,
    "lm_head.",  # a copy of the embedding
    "model.rotary_emb.",
)


class Tensor(NamedTuple):
    """A tensor in a safetensors file, without its values.

    Attributes:
      path: the file.
      name: its name in the file.
      shape: its shape.
      dtype: its type as safetensors writes it: F32, BF16 or F16.
    """

    path: Path
    name: str
    shape: tuple[int, ...]
    dtype: str


def find(folder: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Find the tensors of a model in its folder, by name, and check their shapes.

    Ignore the vision weights of a multimodal model, and adapters in the same folder.

    Args:
      folder: the model folder.
      shapes: the name of every tensor of the model, as in Transformers' text model -> its shape.

    Returns:
      The tensors, by the same names.

    Raises:
      InputError: a file is missing or truncated; or a tensor is missing, duplicated, of another
        shape, or not part of the model.
    """
    found = _tensors(folder)
    for name, shape in shapes.items():
        if name not in found:
            more = sum(each not in found for each in shapes) - 1
            others = f" and {more} more of the model's tensors" if more else ""
            raise InputError(
                f"{_home(folder, name)}: has no {name}{others}, which config.json asks for"
            )
        if found[name].shape != shape:
            raise InputError(
                f"{found[name].path}: {name} has the shape {_told(found[name].shape)}, expected"
                f" {_told(shape)} as in config.json"
            )
    for name in sorted(found.keys() - shapes.keys()):
        if not name.startswith(_UNUSED) and ".rotary_emb." not in name:
            raise InputError(
                f"{found[name].path}: holds {name}, which the model in config.json does not have"
            )
    return {name: found[name] for name in shapes}


def read(tensor: Tensor) -> np.ndarray:
    """Read the values of a tensor from its file."""
    with safe_open(tensor.path, "numpy") as file:
        return file.get_tensor(tensor.name)


def passed_over(folder: Path) -> list[str]:
    """List, for a message, what loading a model folder ignores: adapter files, vision weights.

    If a weights file is damaged, list no vision weights; `find` then raises an error that names the
    file.

    Returns:
      The name of each adapter file, then an entry such as `3 vision weights` if there are any.
    """
    loaded = weight_files(folder)
    left = [path.name for path in sorted(folder.glob("*.safetensors")) if path not in loaded]
    with suppress(InputError):
        if vision := sum(name.startswith(_VISION) for name in _tensors(folder)):
            left.append(f"{vision} vision weights")
    return left


def write(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """Write tensors to one safetensors file; the file appears at `path` only when complete.

    Args:
      path: the file.
      tensors: name -> array.
    """
    partial = path.with_suffix(".tmp")
    whole = {name: np.ascontiguousarray(x) for name, x in tensors.items()}
    save_file(whole, partial, metadata={"format": "pt"})
    partial.replace(path)


def _told(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _plain(name: str) -> str:
    """Convert the name of a tensor in a multimodal model to its name in a text-only model.

    Return any other name unchanged.

    Example:
      >>> _plain("model.language_model.norm.weight"), _plain("language_model.model.norm.weight")
      ('model.norm.weight', 'model.norm.weight')
    """
    for prefix, plain in _TEXT.items():
        if name.startswith(prefix):
            return plain + name.removeprefix(prefix)
    return name


def _tensors(folder: Path) -> dict[str, Tensor]:
    """Read the headers of all weights files in a model folder: name -> tensor.

    The names are those of a text-only model, as `_plain` returns them.

    Raises:
      InputError: there is no file, a file of the index is missing, a file is damaged, or a tensor
        is in two files.
    """
    for name in sorted({*_shards(folder).values()}):
        if not (folder / name).exists():
            raise InputError(f"{folder / name}: is missing, but {_INDEX} names it: fetch it again")
    paths = weight_files(folder)
    if not paths:
        raise InputError(f"{folder}: holds no weights (no *.safetensors)")
    found: dict[str, Tensor] = {}
    for path in paths:
        for tensor in _header(path):
            name = _plain(tensor.name)
            if name in found:
                also = f"{found[name].path.name} holds too"
                if found[name].path == path:
                    also = f"it also holds as {found[name].name}"
                raise InputError(f"{path}: holds {tensor.name}, which {also}")
            found[name] = tensor
    return found


def _shards(folder: Path) -> dict[str, str]:
    """Read model.safetensors.index.json: name of each tensor -> name of its file.

    Return {} if the model folder has no index, because all its tensors are in one file.

    Raises:
      InputError: the index is damaged.
    """
    path = folder / _INDEX
    if not path.exists():
        return {}
    index: Any = files.read_json(path)
    named = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(named, dict) or not all(isinstance(name, str) for name in named.values()):
        raise InputError(f"{path}: has no weight_map from tensors to files")
    return named


def _home(folder: Path, name: str) -> Path:
    """Return the file that should hold a missing tensor; the model folder if no file is known."""
    paths = weight_files(folder)
    return paths[0] if len(paths) == 1 else folder / _shards(folder).get(name, "")


def _header(path: Path) -> list[Tensor]:
    """Read the names, shapes and types of the tensors in a file, without their values.

    Raises:
      InputError: the file is damaged, or a tensor has an unsupported type.
    """
    try:
        with safe_open(path, "numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            found = [
                Tensor(path, name, tuple(each.get_shape()), each.get_dtype())
                for name, each in slices.items()
            ]
    except (OSError, SafetensorError) as error:
        told = one_line(str(error), 120)
        raise InputError(f"{path}: is cut off or damaged, fetch it again: {told}") from None
    for tensor in found:
        if tensor.dtype not in _TYPES:
            raise InputError(
                f"{path}: {tensor.name} is of type {tensor.dtype}, expected one of:"
                f" {', '.join(_TYPES)}"
            )
    return found
