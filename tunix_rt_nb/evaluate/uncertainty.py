"""Uncertainty of figures: confidence intervals, p-values of differences, and sample sizes."""

from collections.abc import Sequence
from math import ceil, sqrt
from statistics import NormalDist, fmean

import numpy as np

LEVEL = 0.95  # confidence of every interval; a p-value below 1 - LEVEL is significant
_POWER = 0.8  # the chance that `items_needed` items show the difference
_RESAMPLES = 10_000
_AT_A_TIME = 2_000_000  # numbers drawn at a time, so that memory does not grow with the items
_NORMAL = NormalDist()
_Z = _NORMAL.inv_cdf((1 + LEVEL) / 2)


def wilson(right: float, n: int, z: float = _Z) -> tuple[float, float]:
    """Return Wilson's score interval of a share (E. B. Wilson, JASA 22, 1927), by default at 95 %.

    Args:
      right: the number of right items, or the sum of the scores of all items. A score between 0
        and 1 makes the interval wider than necessary, because it varies less than a 0 or a 1.
      n: the number of items.
      z: the quantile of the normal distribution for the level of confidence.

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
    """Return the percentile bootstrap interval of a mean (B. Efron, Annals of Statistics 7, 1979).

    The same values and seed give the same interval. `scipy.stats.bootstrap` computes it, too.

    Example:
      >>> [round(x, 2) for x in bootstrap([0.0, 1.0, 1.0, 1.0] * 25)]
      [0.66, 0.83]
    """
    sample, rng = np.asarray(values, float), np.random.default_rng(seed)
    rows = max(1, _AT_A_TIME // len(sample))
    # Draw the resamples a chunk at a time, and keep only their means.
    means = [
        sample[rng.integers(0, len(sample), (min(rows, _RESAMPLES - start), len(sample)))].mean(1)
        for start in range(0, _RESAMPLES, rows)
    ]
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(np.concatenate(means), [tail, 100 - tail])
    return float(low), float(high)


def mcnemar(gained: int, lost: int) -> float:
    """Return the exact two-sided p-value of McNemar's test (Psychometrika 12, 1947).

    The null hypothesis is that neither of two models is better: an item that only one model answers
    right is as likely to be gained as lost.

    Args:
      gained: the number of items that only the second model answers right.
      lost: the number of items that only the first model answers right.

    Example:
      >>> mcnemar(9, 1)
      0.021484375
    """
    n = gained + lost
    tail = ways = 1  # `ways` is n choose k, `tail` its sum for k from 0 to min(gained, lost)
    for k in range(min(gained, lost)):
        ways = ways * (n - k) // (k + 1)
        tail += ways
    return min(1.0, 2 * tail / 2**n)


def sign_flip(differences: Sequence[float], seed: int = 0) -> float:
    """Return the two-sided p-value of a mean of paired differences, by drawing random signs.

    If neither of two models is better, each difference is as likely with the opposite sign (R. A.
    Fisher, The Design of Experiments, 1935, section 21). If all differences are 1 or -1, this is
    McNemar's p-value, up to the chance of the draws. The observed signs count as one of the draws,
    which keeps the p-value from being too small (B. Phipson and G. K. Smyth, SAGMB 9, 2010).

    Example:
      >>> sign_flip([0.25]), sign_flip([0.5] * 12) < 0.01
      (1.0, True)
    """
    values, rng = np.asarray(differences, float), np.random.default_rng(seed)
    values = values[values != 0.0]
    rows = max(1, _AT_A_TIME // max(1, len(values)))
    # Count the draws whose sum is at least as far from 0 as the observed one. The 1e-9 is for ties,
    # which rounding may hide.
    least, extreme = abs(values.sum()) - 1e-9, 0
    for start in range(0, _RESAMPLES, rows):
        signs = rng.integers(0, 2, (min(rows, _RESAMPLES - start), len(values)), np.int8) * 2 - 1
        extreme += int((abs(signs @ values) >= least).sum())
    return (extreme + 1) / (_RESAMPLES + 1)


def items_needed(differences: Sequence[float]) -> int:
    """Return the number of items needed to find a difference of this size with a power of 80 %.

    This is the sample size for a mean of paired differences, n = (z + z')**2 * variance / mean**2.
    z and z' are the normal quantiles for a two-sided test at 5 %, and for the power. A mean below
    0.01 is taken as 0.01.

    Args:
      differences: the score of each item by one model, minus its score by the other.

    Example:
      >>> items_needed([1.0] * 12 + [-1.0] * 8 + [0.0] * 80)
      982
    """
    size = max(abs(fmean(differences)), 0.01)
    spread = max(fmean(d * d for d in differences), size)
    return ceil((_Z + _NORMAL.inv_cdf(_POWER)) ** 2 * spread / size**2)
