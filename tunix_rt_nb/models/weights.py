"""The safetensors files of a model folder, checked against the architecture before loading."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from tunix_rt_nb.common import InputError, one_line
from tunix_rt_nb.models import parts
from tunix_rt_nb.models.parts import weight_files

_TYPES = ("F32", "BF16", "F16")
_LONGEST = 1 << 20  # bytes of a header: the largest Gemma 3 has 1247 tensors in 0.2 MB
_HEAD, _EMBEDDING = "lm_head.weight", "model.embed_tokens.weight"
_ROWS = 4096  # rows of a matrix to compare at once
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
      InputError: a file is missing or truncated; a tensor is missing, duplicated, of another
        shape, or not part of the model; or lm_head.weight differs from the embedding.
    """
    found = _tensors(folder)
    head = found.pop(_HEAD, None)
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
                f"{found[name].path}: holds {one_line(name, 80)}, which the model in config.json"
                " does not have"
            )
    if head and not _same(head, found[_EMBEDDING]):
        raise InputError(
            f"{head.path}: {_HEAD} differs from {_EMBEDDING}, but Tunix's Gemma has one matrix for"
            " both: use a model that was trained with tie_word_embeddings"
        )
    return {name: found[name] for name in shapes}


def read(tensor: Tensor) -> np.ndarray:
    """Read the values of a tensor from its file; raise `InputError` if one is NaN or infinite."""
    with safe_open(tensor.path, "numpy") as file:
        values: np.ndarray = file.get_tensor(tensor.name)
    if not is_finite(values):
        raise InputError(
            f"{tensor.path}: {one_line(tensor.name, 80)} holds NaN or infinite values: the file is"
            " damaged or its training diverged, use another"
        )
    return values


def is_finite(values: np.ndarray) -> bool:
    """Tell whether no number in an array is NaN or infinite.

    Compare the bits as integers, in a quarter of the time of `np.isfinite` for bfloat16. As
    integers, only NaN is above infinity, if the sign bit is the same.

    Example:
      >>> is_finite(np.array([1.0, -2.0], "f4")), is_finite(np.array([1.0, -np.nan], "f4"))
      (True, False)
    """
    largest = np.array([np.inf, -np.inf], values.dtype)
    return all(
        values.view(bits).max(initial=0) < largest.view(bits)[sign]
        for sign, bits in enumerate((f"i{values.itemsize}", f"u{values.itemsize}"))
    )


def _same(one: Tensor, other: Tensor) -> bool:
    """Tell whether two tensors have the same shape and values; read some rows at a time."""
    if one.shape != other.shape:
        return False
    with safe_open(one.path, "numpy") as file, safe_open(other.path, "numpy") as beside:
        ours, theirs = file.get_slice(one.name), beside.get_slice(other.name)
        starts = range(0, one.shape[0], _ROWS)
        slices = [slice(start, min(start + _ROWS, one.shape[0])) for start in starts]
        return all(np.array_equal(ours[rows], theirs[rows]) for rows in slices)


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
    return one_line(" x ".join(map(str, shape)), 80)


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
    for name in sorted({*parts.shards(folder).values()}):
        if not (folder / name).is_file():
            told = f"is missing, but {parts.INDEX} names it: fetch it again"
            raise InputError(f"{folder / name}: {told}")
    paths = weight_files(folder)
    if not paths:
        advice = parts.remedy(folder, "model.safetensors")
        raise InputError(f"{folder}: holds no weights (no *.safetensors){advice}")
    found: dict[str, Tensor] = {}
    for path in paths:
        for tensor in _header(path):
            name = _plain(tensor.name)
            if name in found:
                also = f"{found[name].path.name} holds too"
                if found[name].path == path:
                    also = f"it also holds as {one_line(found[name].name, 80)}"
                raise InputError(f"{path}: holds {one_line(tensor.name, 80)}, which {also}")
            found[name] = tensor
    return found


def _home(folder: Path, name: str) -> Path:
    """Return the file that should hold a missing tensor; the model folder if no file is known."""
    paths = weight_files(folder)
    return paths[0] if len(paths) == 1 else folder / parts.shards(folder).get(name, "")


def _header(path: Path) -> list[Tensor]:
    """Read the names, shapes and types of the tensors in a file, without their values.

    Raises:
      InputError: the file is damaged, or a tensor has an unsupported type.
    """
    try:
        _check_length(path)
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
                f"{path}: {one_line(tensor.name, 80)} is of type {tensor.dtype}, expected one of:"
                f" {', '.join(_TYPES)}"
            )
    return found


def _check_length(path: Path) -> None:
    """Raise `InputError` if a file has a long header, because reading it takes many seconds."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if _LONGEST < length <= path.stat().st_size:
        raise InputError(
            f"{path}: its list of tensors takes {length:,} bytes, expected at most {_LONGEST:,}, as"
            " no Gemma has so many tensors"
        )
