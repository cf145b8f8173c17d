"""Figures of several answers to each item: the best of k, and the majority."""

from collections import Counter
from collections.abc import Sequence
from math import comb
from statistics import fmean
from typing import Any

from tunix_rt_nb.evaluate.prediction import Prediction
from tunix_rt_nb.trace import plain


def several(items: Sequence[Sequence[Prediction]], samples: int) -> dict[str, Any]:
    """Compute `pass_at` and `majority_score` of a scorecard.

    Args:
      items: the answers to each item.
      samples: the lowest number of answers to an item.
    """
    right = [(len(item), sum(p["score"] == 1.0 for p in item)) for item in items]
    powers = [2**k for k in range(samples.bit_length()) if 2**k < samples]
    return {
        "pass_at": {str(k): fmean(pass_at(k, n, c) for n, c in right) for k in (*powers, samples)},
        "majority_score": fmean(majority(item)["score"] for item in items),
    }


def pass_at(k: int, n: int, right: int) -> float:
    """Estimate the chance that at least one of k answers is right, if `right` of n answers are.

    This is the unbiased estimate of M. Chen et al., Evaluating Large Language Models Trained on
    Code, 2021, section 2.1.

    Example:
      >>> pass_at(1, 4, 1), pass_at(2, 4, 1)
      (0.25, 0.5)
    """
    return 1.0 - comb(n - right, k) / comb(n, k)


def majority(answers: Sequence[Prediction]) -> Prediction:
    """Return the prediction whose answer was given most often, ignoring marks around answers.

    On a tie, return the first one. A prediction without an answer counts only if no other has one.
    After X. Wang et al., Self-Consistency Improves Chain of Thought Reasoning in Language Models,
    2023.

    Example:
      >>> majority([{"answer": None}, {"answer": None}, {"answer": "7"}])
      {'answer': '7'}
    """
    given = [answer for answer in answers if answer["answer"] is not None] or answers
    votes = Counter(plain(str(answer["answer"])) for answer in given)
    return max(given, key=lambda answer: votes[plain(str(answer["answer"]))])
