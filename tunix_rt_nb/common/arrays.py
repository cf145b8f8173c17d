"""Index arithmetic on NumPy arrays, and hashes of them."""

import hashlib
from collections.abc import Iterable

import numpy as np


def spans(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return the indices covered by several spans, one span after the other.

    Args:
      starts: int [spans], the first index of each span.
      lengths: int [spans], the number of indices in each span.

    Example:
      >>> spans(np.array([10, 20]), np.array([3, 2])).tolist()
      [10, 11, 12, 20, 21]
    """
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(lengths.sum())


def sha256(arrays: Iterable[np.ndarray], first: bytes = b"") -> str:
    """Hash the bytes of arrays, one after the other, without copying them if they are contiguous.

    Args:
      arrays: the arrays; their shapes and types do not count.
      first: bytes to hash before them.

    Example:
      >>> whole = sha256([np.arange(4)])
      >>> whole == sha256([np.arange(2), np.arange(2, 4)])
      True
    """
    content = hashlib.sha256(first)
    for array in arrays:
        content.update(np.ascontiguousarray(array).view(np.uint8).data)
    return content.hexdigest()
