"""Index arithmetic on NumPy arrays."""

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
