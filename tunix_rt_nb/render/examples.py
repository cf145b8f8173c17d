"""Tokenised examples as two arrays, in memory or in two files, for datasets of any size.

One array holds the tokens of all examples, one after the other. The other has a record per example,
with its id, its place and its lengths. The loss mask needs no array: the model is trained on the
response tokens and not on the prompt tokens.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from tunix_rt_nb.common import InputError, arrays, files, one_line

_TOKEN = np.dtype("<i4")
_PLACES = ("start", "prompt", "length")  # fields of an index


def _record(width: int = 36) -> np.dtype:
    """Return the dtype of the record that `Examples.index` has for each example.

    Args:
      width: the most bytes of an id; a UUID has 36.
    """
    return np.dtype([("id", f"S{width}"), ("start", "<i8"), ("prompt", "<i4"), ("length", "<i4")])


@dataclass(frozen=True)
class Example:
    """One tokenised chat.

    Attributes:
      id: the id of its trace.
      ids: its token ids, first those of the prompt, then those of the response.
      prompt: the number of prompt tokens. They are not trained on; all others are.
    """

    id: str
    ids: tuple[int, ...]
    prompt: int

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def mask(self) -> tuple[bool, ...]:
        """The loss mask: for each token, whether it is trained on."""
        return tuple(place >= self.prompt for place in range(len(self)))


@dataclass(frozen=True)
class Examples:
    """A sequence of tokenised examples, as arrays.

    Attributes:
      index: one record per example: its `id`, the place in `tokens` where it begins (`start`), its
        number of prompt tokens (`prompt`) and its number of tokens in all (`length`).
      tokens: int32, the token ids of all examples, one example after the other.
      weights: float32, like `tokens`: what the loss of each trained token is multiplied by; None if
        all count the same.

    Example:
      >>> examples = Examples.of([Example("a", (2, 7, 8), 1), Example("b", (2, 9), 1)])
      >>> examples[1]
      Example(id='b', ids=(2, 9), prompt=1)
      >>> examples.tokens.tolist(), examples.index["length"].tolist()
      ([2, 7, 8, 2, 9], [3, 2])
    """

    index: np.ndarray
    tokens: np.ndarray
    weights: np.ndarray | None = None

    @classmethod
    def of(cls, examples: Iterable[Example]) -> "Examples":
        """Build the arrays from single examples."""
        every = list(examples)
        tokens = np.array([token for example in every for token in example.ids], _TOKEN)
        return cls.joined(
            [e.id for e in every], [e.prompt for e in every], [len(e) for e in every], tokens
        )

    @classmethod
    def joined(
        cls, ids: list[str], prompts: Iterable[int], lengths: Iterable[int], tokens: np.ndarray
    ) -> "Examples":
        """Build examples from the arrays that describe them.

        Args:
          ids: the id of each example.
          prompts: the number of prompt tokens of each.
          lengths: the number of tokens of each, prompt and response together.
          tokens: the token ids of all examples, concatenated.
        """
        names = [name.encode() for name in ids]
        index = np.empty(len(ids), _record(max([36, *map(len, names)])))
        index["id"], index["prompt"], index["length"] = names, prompts, lengths
        index["start"] = np.cumsum(index["length"]) - index["length"]
        return cls(index, tokens)

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, place: int) -> Example:
        one = self.index[place]
        ids = self.tokens[one["start"] : one["start"] + one["length"]]
        return Example(one["id"].decode(errors="replace"), tuple(ids.tolist()), int(one["prompt"]))

    def __iter__(self) -> Iterator[Example]:
        return map(self.__getitem__, range(len(self)))

    def chosen(self, places: Any) -> "Examples":
        """Select examples by any NumPy index, such as a mask or slice, without copying tokens."""
        return Examples(self.index[places], self.tokens, self.weights)


def names(side: str) -> tuple[str, str]:
    """Return the names of the index file and the tokens file of a side, `train` or `eval`."""
    return f"{side}.npy", f"{side}_tokens.npy"


def load(folder: Path, side: str) -> Examples:
    """Load the examples that `writer` wrote, memory-mapped: only what is accessed takes memory.

    Args:
      folder: the folder that holds the files.
      side: `train` or `eval`.
    """
    index, tokens = (_array(folder / name) for name in names(side))
    _check(index, tokens, folder / names(side)[0])
    return Examples(index, tokens)


def _array(path: Path) -> np.ndarray:
    """Map the array in a .npy file; raise `InputError` if it is damaged."""
    try:
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except Exception as error:  # NumPy parses the header as Python, which raises many kinds
        told = one_line(str(error))
        raise InputError(f"{path}: is damaged, run 3_render again: {told}") from None


def _check(index: np.ndarray, tokens: np.ndarray, path: Path) -> None:
    """Raise `InputError` unless all examples lie in `tokens`; `path` is the file of the index."""
    known = "id" in (index.dtype.names or ())
    kind = _record(index.dtype["id"].itemsize) if known else None
    whole = index.dtype == kind and index.ndim == tokens.ndim == 1 and tokens.dtype == _TOKEN
    if whole and len(index):
        start, prompt, length = (index[name].astype(np.int64) for name in _PLACES)
        inside = (start >= 0) & (start <= len(tokens)) & (length <= len(tokens) - start)
        whole = bool((inside & (length > 0) & (prompt >= 0) & (prompt <= length)).all())
    if not whole:
        raise InputError(f"{path}: is damaged, run 3_render again")


@contextmanager
def writer(folder: Path, side: str) -> Iterator[Callable[[Examples], None]]:
    """Yield a function that appends examples to the files of one side, `train` or `eval`.

    The files appear under their names when the `with` block ends.
    """
    index_name, tokens_name = names(side)
    with (
        _growing(folder / index_name, _record()) as add_index,
        _growing(folder / tokens_name, _TOKEN) as add_tokens,
    ):
        start = 0

        def add(examples: Examples) -> None:
            nonlocal start
            index = examples.index.copy()
            add_tokens(examples.tokens[arrays.spans(index["start"], index["length"])])
            index["start"] = start + np.cumsum(index["length"]) - index["length"]
            add_index(index)
            start += int(index["length"].sum())

        yield add


@contextmanager
def _growing(path: Path, kind: np.dtype) -> Iterator[Callable[[np.ndarray], None]]:
    """Yield a function that appends items to the one-dimensional array in a new .npy file.

    The header of such a file holds the length of the array. NumPy leaves space in it for any
    length. So write it with length 0 first, and write it again when the length is known.

    Args:
      path: the file; it appears under its name only when it is complete.
      kind: the dtype of the items.

    Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
    """
    with files.atomic(path) as file:
        _head(file, kind, 0)
        count = 0

        def add(array: np.ndarray) -> None:
            nonlocal count
            file.write(array.astype(kind, casting="safe", copy=False).tobytes())
            count += len(array)

        yield add
        file.seek(0)
        _head(file, kind, count)


def _head(file: IO[bytes], kind: np.dtype, count: int) -> None:
    descr = np.lib.format.dtype_to_descr(kind)
    fields = {"descr": descr, "fortran_order": False, "shape": (count,)}
    np.lib.format.write_array_header_1_0(file, fields)
