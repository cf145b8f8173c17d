"""Preference: of a right and a wrong answer to one prompt, the right one becomes likelier."""

import numpy as np

from tunix_rt_nb.improve.lessons import REPLAY


def pair_weights(codes: np.ndarray, gained: np.ndarray, beta: float) -> np.ndarray:
    """Return the weight of each token of pairs, such that one step follows the gradient of DPO.

    The loss of a pair is -log s(beta m), where s is the logistic function and m is how much the
    log-probability of the right answer has gained on that of the wrong one since the start. Its
    gradient is that of the weighted cross-entropy, with a weight of beta s(-beta m) for each token
    of the right answer, and the same below zero for the wrong one.

    Args:
      codes: [rows, places]: the number of a token's pair, from 1, below zero for the wrong answer;
        `REPLAY` for replayed tokens, 0 for unused places. Both answers of a pair are in one row.
      gained: [rows, places]: how much each token's log-probability has gained since the start.
      beta: how strongly the model is held to the model at the start.

    Returns:
      The weights, float64 [rows, places]. Replayed tokens weigh as much as those of a pair that has
      gained nothing.

    Source: Rafailov et al. 2023, "Direct Preference Optimization", equation 7.

    Example:
      >>> pair_weights(np.array([[1.0, -1.0, 0.5, 0.0]]), np.zeros((1, 4)), beta=0.2).tolist()
      [[0.1, -0.1, 0.1, 0.0]]
    """
    pairs = np.where(codes == REPLAY, 0, np.abs(codes)).astype(np.int64)
    margins = np.bincount(pairs.ravel(), (np.sign(codes) * gained).ravel())
    slopes = beta / (1 + np.exp(np.clip(beta * margins, -50, 50)))
    weights = np.sign(codes) * slopes[pairs]
    return np.where(codes == REPLAY, beta / 2, weights)
