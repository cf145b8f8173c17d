"""The weights of pairs, against the loss of DPO differentiated by JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tunix_rt_nb.improve.lessons import REPLAY
from tunix_rt_nb.improve.preference import pair_weights

CODES = np.array([[1, 1, -1, 0, 0.5, 0], [-2, 2, 2, 2, -2, -2], [3, -3, -3, 0.5, 0.5, 0]])


def dpo(now: jax.Array, start: jax.Array, beta: float) -> jax.Array:
    """Equation 7 of Rafailov et al., pair by pair, each answer with all its tokens."""
    total = jnp.float32(0)
    for pair in (1, 2, 3):
        chosen, rejected = (
            (now[code == CODES]).sum() - (start[code == CODES]).sum() for code in (pair, -pair)
        )
        total -= jnp.log(jax.nn.sigmoid(beta * chosen - beta * rejected))
    return total


@pytest.mark.parametrize("beta", [0.05, 0.1, 2.0])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_step_on_the_weighted_loss_is_a_step_on_the_loss_of_dpo(beta: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    now, start = (rng.normal(-1, 0.7, CODES.shape) for _ in range(2))
    # The weighted cross-entropy is -sum(weight * now), so its slope is the weight below zero.
    slopes = -np.asarray(jax.jit(jax.grad(dpo))(jnp.asarray(now), jnp.asarray(start), beta))
    weights = pair_weights(CODES, now - start, beta)
    paired = (CODES != REPLAY) & (CODES != 0)
    np.testing.assert_allclose(weights[paired], slopes[paired], rtol=1e-4, atol=1e-6)
    assert (weights[CODES == REPLAY] == beta / 2).all()
    assert (weights[CODES == 0] == 0).all()


def test_a_pair_that_is_told_apart_already_teaches_little_and_none_overflows() -> None:
    codes = np.array([[1.0, -1.0, 2.0, -2.0]])
    far = pair_weights(codes, np.array([[1e4, -1e4, -1e4, 1e4]]), 1.0)
    np.testing.assert_allclose(far, [[0, 0, 1, -1]], atol=1e-9)
