"""How sure a figure is: intervals, the p-value of a difference, how many items would tell."""

from collections.abc import Sequence
from math import ceil, sqrt
from statistics import NormalDist, fmean

import numpy as np

LEVEL = 0.95  # of every interval; a p-value under 1 - LEVEL counts
_POWER = 0.8  # how often a difference would be found, where a number of items is asked for
_RESAMPLES = 10_000
_AT_A_TIME = 2_000_000  # numbers drawn, so that memory does not grow with the items
_NORMAL = NormalDist()
_Z = _NORMAL.inv_cdf((1 + LEVEL) / 2)


def wilson(right: int, n: int, z: float = _Z) -> tuple[float, float]:
    """Wilson's score interval of a share (E. B. Wilson, JASA 22, 1927), at 95 % by default.

    Example:
      >>> [round(x, 3) for x in wilson(190, 200)]
      [0.91, 0.973]
    """
    if n == 0:
        return 0.0, 1.0
    share = right / n
    centre = share + z * z / (2 * n)
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def bootstrap(values: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """The percentile bootstrap interval of a mean (B. Efron, Annals of Statistics 7, 1979).

    The same values and seed give the same interval, that of `scipy.stats.bootstrap`.

    Example:
      >>> [round(x, 2) for x in bootstrap([0.0, 1.0, 1.0, 1.0] * 25)]
      [0.66, 0.83]
    """
    sample, rng = np.asarray(values, float), np.random.default_rng(seed)
    rows = max(1, _AT_A_TIME // len(sample))
    means = [
        sample[rng.integers(0, len(sample), (min(rows, _RESAMPLES - start), len(sample)))].mean(1)
        for start in range(0, _RESAMPLES, rows)
    ]
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(np.concatenate(means), [tail, 100 - tail])
    return float(low), float(high)


def mcnemar(gained: int, lost: int) -> float:
    """The exact p-value of McNemar's test (Psychometrika 12, 1947), from both sides.

    If neither of two models is better, an item that only one of them answers right is that of
    either with a chance of one half.

    Example:
      >>> mcnemar(9, 1)
      0.021484375
    """
    n = gained + lost
    tail = ways = 1  # n over k, summed up to the smaller of the two
    for k in range(min(gained, lost)):
        ways = ways * (n - k) // (k + 1)
        tail += ways
    return min(1.0, 2 * tail / 2**n)


def items_needed(differences: Sequence[float]) -> int:
    """How many items it takes to find such a difference in four of five tries.

    By the size of a sample for the mean of paired differences, n = (z + z')**2 * variance /
    mean**2. A difference of less than one point in a hundred is not looked for: one point is.

    Args:
      differences: an item's score by one model, less that by the other.

    Example:
      >>> items_needed([1.0] * 12 + [-1.0] * 8 + [0.0] * 80)
      982
    """
    size = max(abs(fmean(differences)), 0.01)
    spread = max(fmean(d * d for d in differences), size)
    return ceil((_Z + _NORMAL.inv_cdf(_POWER)) ** 2 * spread / size**2)
