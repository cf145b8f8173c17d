"""The loss against the plain one: all logits at once, differentiated by JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tunix_rt_nb.train import logits as module
from tunix_rt_nb.train.logits import cross_entropy, log_probabilities

pytestmark = pytest.mark.usefixtures("strict_promotion")


def plain(
    hidden: jax.Array,
    embedding: jax.Array,
    targets: jax.Array,
    cap: float | None = None,
    weights: jax.Array | None = None,
) -> jax.Array:
    losses = each(hidden, embedding, targets, cap)
    return (losses if weights is None else losses * weights).sum()


def each(
    hidden: jax.Array, embedding: jax.Array, targets: jax.Array, cap: float | None
) -> jax.Array:
    logits = hidden @ embedding.T
    if cap is not None:
        logits = cap * jnp.tanh(logits / cap)
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, jnp.maximum(targets, 0))
    return jnp.where(targets >= 0, losses, 0.0)


def drawn(rows: int, places: int, vocabulary: int, seed: int) -> tuple[jax.Array, ...]:
    rng = np.random.default_rng(seed)
    return (
        jnp.asarray(rng.normal(size=(rows, places, 16)), jnp.float32),
        jnp.asarray(rng.normal(size=(vocabulary, 16)) / 4, jnp.float32),
        jnp.asarray(rng.integers(-1, vocabulary, size=(rows, places)), jnp.int32),
    )


@pytest.mark.parametrize("cap", [None, 0.7])
@pytest.mark.parametrize(("at_once", "places"), [(2**26, 9), (25, 9), (25, 8), (1, 3)])
def test_loss_and_gradients_equal_the_plain_ones_in_chunks_of_any_size(
    monkeypatch: pytest.MonkeyPatch, at_once: int, places: int, cap: float | None
) -> None:
    hidden, embedding, targets = drawn(2, places, 24, at_once)
    monkeypatch.setattr(module, "CHUNK_LOGITS", at_once)
    monkeypatch.setattr(module, "_PART", 16 * at_once)
    module._forward.clear_cache()
    theirs = jax.value_and_grad(plain, (0, 1))(hidden, embedding, targets, cap)
    ours = jax.value_and_grad(cross_entropy, (0, 1))(hidden, embedding, targets, cap)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), ours[1], theirs[1])
    assert float(ours[0]) == pytest.approx(float(theirs[0]), rel=1e-6)
    assert float(cross_entropy(hidden, embedding, targets, cap)) == float(ours[0])
    by_hidden = jax.grad(cross_entropy)(hidden, embedding, targets, cap)
    np.testing.assert_allclose(by_hidden, theirs[1][0], atol=1e-5)


@pytest.mark.parametrize("cap", [None, 0.7])
@pytest.mark.parametrize(("at_once", "places"), [(2**26, 9), (25, 8), (1, 3)])
def test_weighted_losses_and_gradients_equal_the_plain_ones(
    monkeypatch: pytest.MonkeyPatch, at_once: int, places: int, cap: float | None
) -> None:
    hidden, embedding, targets = drawn(2, places, 24, at_once)
    weights = jnp.asarray(np.random.default_rng(1).normal(size=targets.shape), jnp.float32)
    monkeypatch.setattr(module, "CHUNK_LOGITS", at_once)
    monkeypatch.setattr(module, "_PART", 16 * at_once)
    module._forward.clear_cache()
    log_probabilities.clear_cache()
    given = (hidden, embedding, targets, cap, weights)
    ours, theirs = (jax.value_and_grad(f, (0, 1))(*given) for f in (cross_entropy, plain))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), ours, theirs)
    np.testing.assert_allclose(
        log_probabilities(*given[:4]), -each(*given[:4]), rtol=1e-5, atol=1e-6
    )


def test_weights_of_one_change_no_bit_and_weights_of_zero_leave_tokens_out() -> None:
    hidden, embedding, targets = drawn(2, 5, 11, 0)
    ones = jnp.ones(targets.shape)
    some = ones.at[0].set(0.0)
    slope = jax.value_and_grad(cross_entropy, (0, 1))
    unweighted = slope(hidden, embedding, targets)
    jax.tree.map(
        np.testing.assert_array_equal, slope(hidden, embedding, targets, None, ones), unweighted
    )
    left_out = slope(hidden, embedding, targets.at[0].set(-1))
    jax.tree.map(
        np.testing.assert_array_equal, slope(hidden, embedding, targets, None, some), left_out
    )


def test_the_gradient_is_scaled_by_what_comes_after() -> None:
    hidden, embedding, targets = drawn(2, 5, 11, 0)
    one = jax.grad(cross_entropy)(hidden, embedding, targets)
    ten = jax.grad(lambda h: 10 * cross_entropy(h, embedding, targets))(hidden)
    np.testing.assert_allclose(ten, 10 * one, rtol=1e-6)


def test_in_bfloat16_the_gradients_are_near_those_in_float32() -> None:
    hidden, embedding, targets = drawn(2, 5, 11, 0)
    half = [x.astype(jnp.bfloat16) for x in (hidden, embedding)]
    fine, coarse = (
        jax.grad(lambda h, e: cross_entropy(h, e, targets) / 7, (0, 1))(*pair)
        for pair in ((hidden, embedding), half)
    )
    for a, b in zip(fine, coarse, strict=True):
        assert b.dtype == jnp.bfloat16
        np.testing.assert_allclose(a, b.astype(jnp.float32), atol=0.01)


def test_no_logits_of_all_places_are_ever_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden, embedding, targets = drawn(4, 64, 4096, 0)
    monkeypatch.setattr(module, "CHUNK_LOGITS", 4096 * 2)
    module._forward.clear_cache()
    memory = [
        jax.jit(jax.value_and_grad(f, (0, 1)))
        .lower(hidden, embedding, targets)
        .compile()
        .memory_analysis()
        .temp_size_in_bytes
        for f in (cross_entropy, plain)
    ]
    assert memory[0] < memory[1] / 4


def test_nothing_trained_is_no_loss_and_no_gradient() -> None:
    hidden, embedding, targets = drawn(2, 3, 7, 0)
    value, slopes = jax.value_and_grad(cross_entropy, (0, 1))(hidden, embedding, targets * 0 - 1)
    assert value == 0.0
    assert all(not slope.any() for slope in slopes)
