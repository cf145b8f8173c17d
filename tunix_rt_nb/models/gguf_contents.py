"""A reader for the metadata and tensors of a GGUF file, which trusts no number in the file.

GGUF is the format of llama.cpp: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md

The library `gguf` has a reader too. It needs half a minute and 0.7 GB for the vocabulary of Gemma,
where this one needs a second. In a damaged file it counts on after the end of the file. So this
module takes only the dequantisation from the library.
"""

import math
import struct
from pathlib import Path
from typing import Any, NamedTuple

import gguf
import numpy as np

from tunix_rt_nb.common import InputError, one_line
from tunix_rt_nb.models.weights import is_finite

FAMILIES = {"gemma3": "Gemma3ForCausalLM", "gemma2": "Gemma2ForCausalLM"}
_VERSIONS = (2, 3)
_NUMBERS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
_TEXT, _LIST = 8, 9
_MOST_TEXTS = 1 << 20  # the vocabulary of Gemma 3 has 262,144
_MOST_NAMED = 1 << 14  # metadata entries, or tensors; the largest Gemma 3 has 808 tensors
_MOST_SIZES = 4  # dimensions of a tensor


class Tensor(NamedTuple):
    """A tensor in a GGUF file; its values stay on the disk until they are read.

    Attributes:
      kind: the quantisation.
      shape: the shape as Hugging Face writes it, the reverse of GGUF's.
      data: the quantised rows, uint8 [*shape[:-1], bytes of a row].
    """

    kind: gguf.GGMLQuantizationType
    shape: tuple[int, ...]
    data: np.ndarray


class Contents:
    """The metadata and tensors of a GGUF file that holds a Gemma.

    Raises:
      InputError: the file is not GGUF, is cut off, or holds another model than Gemma 2 or 3.

    Attributes:
      path: the file.
      family: `gemma3` or `gemma2`.
      tensors: name -> tensor.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise InputError(f"{path}: is not a GGUF file")
        try:
            said, self.tensors = _read(path)
        except (KeyError, OverflowError, ValueError):
            raise InputError(f"{path}: is cut off or damaged, get it again") from None
        self.family = str(said.get("general.architecture", ""))
        if self.family not in FAMILIES:
            found = one_line(self.family, 80)
            raise InputError(f"{path}: its architecture is {found!r}, expected gemma3 or gemma2")
        self._said = {name.removeprefix(f"{self.family}."): value for name, value in said.items()}

    def need(self, key: str) -> Any:
        """Return a metadata value that the file must have.

        Args:
          key: the key without the model family: `block_count` for `gemma3.block_count`.

        Returns:
          A number, a text, a list of texts or an array of numbers.

        Raises:
          InputError: the file does not have it.
        """
        if key not in self._said:
            raise InputError(f"{self.path}: its metadata has no {key}")
        return self._said[key]

    def count(self, key: str, default: int | None = None) -> int:
        """Return a whole number above 0 from the metadata.

        Args:
          key: the key without the model family.
          default: what to return if the file does not have it; None if it must.

        Raises:
          InputError: the file does not have it, or it is no such number.
        """
        value = self.need(key) if default is None else self._said.get(key, default)
        if type(value) is not int or value < 1:
            raise self._refused(key, "a whole number from 1")
        return value

    def number(self, key: str, default: float) -> float:
        """Return a number from the metadata; `default` if the file does not have it.

        Raises:
          InputError: the value is no finite number.
        """
        value: float = self._said.get(key, default)
        if type(value) not in (int, float) or not math.isfinite(value):
            raise self._refused(key, "a number")
        return value

    def _refused(self, key: str, expected: str) -> InputError:
        found = one_line(repr(self._said[key]), 80)
        return InputError(f"{self.path}: {key}: {found}, expected {expected}")

    def tensor(self, name: str) -> Tensor:
        """Return a tensor by its name; raise `InputError` if the file does not have it."""
        if name not in self.tensors:
            raise InputError(f"{self.path}: has no tensor {name}, get the whole file")
        return self.tensors[name]

    def values(self, name: str) -> np.ndarray:
        """Return a tensor in float32, with the values that Hugging Face's checkpoints have.

        For the scale of a norm, llama.cpp stores 1 + w and Hugging Face stores w.

        Args:
          name: the tensor's name in the GGUF file, such as `output_norm.weight`.

        Raises:
          InputError: the library `gguf` cannot read the tensor's quantisation; or a value is NaN or
            infinite.
        """
        tensor = self.tensors[name]
        try:
            with np.errstate(all="ignore"):  # the values are checked below
                numbers = gguf.dequantize(tensor.data, tensor.kind)
                numbers = np.ascontiguousarray(numbers, np.float32)
        except NotImplementedError:
            raise InputError(
                f"{self.path}: {name} has type {tensor.kind.name}, which the library gguf cannot"
                " read"
            ) from None
        if not is_finite(numbers):
            raise InputError(
                f"{self.path}: {name} holds NaN or infinite values: it is damaged, get it again"
            )
        return numbers - 1 if name.endswith("norm.weight") else numbers


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read a GGUF file; return its metadata, key -> value, and its tensors, name -> tensor.

    Raises:
      ValueError, KeyError: the file is cut off or damaged.
    """
    file = _Cursor(np.memmap(path, mode="r").data)
    file.take(4)
    if file.number("I") not in _VERSIONS:
        raise ValueError("another version of the format")
    tensors, entries = file.count(_MOST_NAMED), file.count(_MOST_NAMED)
    said: dict[str, Any] = {}
    for _ in range(entries):
        key = file.text()
        if key in said:
            raise ValueError("a key occurs twice")
        said[key] = file.value(file.number("I"))
    heads = [_head(file) for _ in range(tensors)]
    return said, _placed(file, heads, said.get("general.alignment", 32))


def _head(file: "_Cursor") -> tuple[str, tuple[int, ...], gguf.GGMLQuantizationType, int]:
    """Read what a GGUF file says about a tensor: its name, shape, quantisation and offset."""
    name, sizes = file.text(), file.number("I")
    if not 1 <= sizes <= _MOST_SIZES:
        raise ValueError("a tensor has too many dimensions, or none")
    shape = [file.number("Q") for _ in range(sizes)]
    return (
        name,
        tuple(reversed(shape)),
        gguf.GGMLQuantizationType(file.number("I")),
        file.number("Q"),
    )


def _placed(file: "_Cursor", heads: list[Any], alignment: int) -> dict[str, Tensor]:
    """Find the data of each tensor, which must lie one after the other as llama.cpp demands.

    Args:
      file: the file, at the end of the last head.
      heads: name, shape, quantisation and offset of each tensor, as `_head` returns them.
      alignment: each tensor's data begins at a multiple of this number of bytes.
    """
    if alignment not in (1 << n for n in range(17)):
        raise ValueError("the alignment is no small power of two")
    file.align(alignment)
    start, found = file.at, {}
    for name, shape, kind, offset in heads:
        if name in found or file.at - start != offset:
            raise ValueError("a tensor occurs twice, or is in another place")
        rows = gguf.quant_shape_to_byte_shape(shape, kind)
        data = np.frombuffer(file.take(math.prod(rows)), np.uint8)
        found[name] = Tensor(kind, shape, data.reshape(rows))
        file.align(alignment)
    return found


class _Cursor:
    """A place in the bytes of a file; whatever reaches beyond their end raises `ValueError`."""

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self.at = 0

    def take(self, size: int) -> memoryview:
        """Return the next `size` bytes, and move behind them."""
        start, self.at = self.at, self.at + size
        if self.at > len(self.data):
            raise ValueError("the file is cut off")
        return self.data[start : self.at]

    def align(self, alignment: int) -> None:
        """Move to the next multiple of `alignment`, even if the file ends before it."""
        self.at += -self.at % alignment

    def number(self, kind: str) -> Any:
        """Read a number; `kind` is its letter in the module `struct`."""
        return struct.unpack(f"<{kind}", self.take(struct.calcsize(f"<{kind}")))[0]

    def count(self, most: int) -> int:
        """Read how many of something follow; raise `ValueError` if they are more than `most`."""
        number: int = self.number("Q")
        if number > most:
            raise ValueError("there are too many")
        return number

    def text(self) -> str:
        """Read a text."""
        return str(self.take(self.number("Q")), "utf-8")

    def value(self, kind: int) -> Any:
        """Read a metadata value; refuse lists of lists.

        Args:
          kind: GGUF's number for the kind of the value.

        Returns:
          A number, a text, a list of texts or an array of numbers.
        """
        if kind == _TEXT:
            return self.text()
        if kind != _LIST:
            return self.number(_NUMBERS[kind])
        inner = self.number("I")
        if inner == _TEXT:
            return [self.text() for _ in range(self.count(_MOST_TEXTS))]
        each = np.dtype(f"<{_NUMBERS[inner]}")
        return np.frombuffer(self.take(self.number("Q") * each.itemsize), each)
