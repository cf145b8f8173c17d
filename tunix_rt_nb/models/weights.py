"""The safetensors files of a model folder, checked against the architecture before loading."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from tunix_rt_nb.common import InputError, files, one_line

_TYPES = ("F32", "BF16", "F16")
_INDEX = "model.safetensors.index.json"
_UNUSED = (  # parts of a checkpoint that a text model does not need
    "lm_head.",  # the embedding once more
    "vision_tower.",
    "multi_modal_projector.",
    "model.rotary_emb.",
)


class _Tensor(NamedTuple):
    """A tensor's file, and its shape and type as the header of that file gives them."""

    path: Path
    shape: tuple[int, ...]
    dtype: str


def check(folder: Path, shapes: Mapping[str, tuple[int, ...]], prefix: str = "") -> None:
    """Check that a model folder has exactly the tensors of the model, in the right shapes.

    Args:
      shapes: the shape of every tensor, by name.
      prefix: a prefix that names in the files may have.

    Raises:
      InputError: a file is missing or truncated; or a tensor is missing, duplicated, of another
        shape, or not part of the model.
    """
    found = {name.removeprefix(prefix): tensor for name, tensor in _tensors(folder).items()}
    for name, shape in shapes.items():
        if name not in found:
            more = sum(each not in found for each in shapes) - 1
            others = f" and {more} more" if more else ""
            raise InputError(
                f"{_home(folder, name)}: misses {name}{others}, which config.json asks for"
            )
        if found[name].shape != shape:
            raise InputError(
                f"{found[name].path}: {name} has the shape {_told(found[name].shape)}, config.json"
                f" asks for {_told(shape)}"
            )
    for name in sorted(found.keys() - shapes.keys()):
        if not name.startswith(_UNUSED) and ".rotary_emb." not in name:
            raise InputError(
                f"{found[name].path}: holds {name}, which is no part of what config.json describes"
            )


def write(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """Write tensors to one file, which appears under its name only when it is complete."""
    partial = path.with_suffix(".tmp")
    whole = {name: np.ascontiguousarray(x) for name, x in tensors.items()}
    save_file(whole, partial, metadata={"format": "pt"})
    partial.replace(path)


def _told(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _tensors(folder: Path) -> dict[str, _Tensor]:
    """Return all tensors of a folder by name; raise InputError if a file or all are missing."""
    for name in sorted({*_shards(folder).values()}):
        if not (folder / name).exists():
            raise InputError(f"{folder / name}: is missing, {_INDEX} names it: fetch it again")
    paths = sorted(folder.glob("*.safetensors"))
    if not paths:
        raise InputError(f"{folder}: holds no weights (no *.safetensors)")
    found: dict[str, _Tensor] = {}
    for path in paths:
        for name, tensor in _header(path).items():
            if name in found:
                raise InputError(f"{path}: holds {name}, as does {found[name].path.name}")
            found[name] = tensor
    return found


def _shards(folder: Path) -> dict[str, str]:
    """Read from the index of shards which file holds each tensor; return {} without an index."""
    path = folder / _INDEX
    if not path.exists():
        return {}
    index: Any = files.read_json(path)
    named = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(named, dict) or not all(isinstance(name, str) for name in named.values()):
        raise InputError(f"{path}: has no weight_map of tensors to files")
    return named


def _home(folder: Path, name: str) -> Path:
    """Return the file that should hold a tensor."""
    paths = list(folder.glob("*.safetensors"))
    return paths[0] if len(paths) == 1 else folder / _shards(folder).get(name, "")


def _header(path: Path) -> dict[str, _Tensor]:
    """Read the tensors' names, shapes and types from the header of a file, and not their values."""
    try:
        with safe_open(path, "numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            found = {
                name: _Tensor(path, tuple(each.get_shape()), each.get_dtype())
                for name, each in slices.items()
            }
    except (OSError, SafetensorError) as error:
        told = one_line(str(error), 120)
        raise InputError(f"{path}: is cut off or damaged, fetch it again: {told}") from None
    _check_types(path, found)
    return found


def _check_types(path: Path, tensors: Mapping[str, _Tensor]) -> None:
    """Raise InputError unless all tensors of a file have the same supported type.

    Tunix reads a whole file with the type of its first tensor.
    """
    for name, tensor in tensors.items():
        if tensor.dtype not in _TYPES:
            raise InputError(
                f"{path}: {name} is of type {tensor.dtype}, expected one of: {', '.join(_TYPES)}"
            )
    if len({tensor.dtype for tensor in tensors.values()}) > 1:
        names = {tensor.dtype: name for name, tensor in tensors.items()}
        told = ", ".join(f"{dtype} ({name})" for dtype, name in sorted(names.items()))
        raise InputError(f"{path}: holds tensors of several types, {told}: expected one")
