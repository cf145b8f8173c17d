"""Attention in blocks says what attention over the whole row says, of our own and of Tunix."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings, strategies as st
from tunix.models.gemma import model as gemma2

from tests.helpers.gemma import GEMMA2, checkpoint, shallow
from tests.train.test_sft import EXAMPLES, TOKENIZER, arrays
from tunix_rt_nb import models
from tunix_rt_nb.models import attention
from tunix_rt_nb.render.examples import Example, Examples
from tunix_rt_nb.render.packing import Rows, pack
from tunix_rt_nb.train import loss

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

LENGTH = 256  # of rows; examples have some 60 tokens, so that blocks have 64


MODELS = [("gemma3", 512), ("gemma3", 20), ("gemma2", 512), ("gemma2", 20)]  # family and window


@pytest.fixture(scope="module", params=MODELS, ids=lambda model: f"{model[0]}, window {model[1]}")
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> nnx.Module:
    family, window = request.param
    folder = tmp_path_factory.mktemp("model")
    if family == "gemma2":
        checkpoint(folder, {**GEMMA2, "num_hidden_layers": 2}, TOKENIZER)
    else:
        shallow(folder, TOKENIZER)
    loaded, _ = models.load(folder)
    for layer in loaded.layers:
        layer.attn.sliding_window_size = window
    return loaded


def one_by_one(
    query: np.ndarray,
    key: np.ndarray,
    value: np.ndarray,
    segments: np.ndarray,
    window: int | None,
    cap: float | None,
) -> np.ndarray:
    """Each token by itself, in plain float64."""
    out = np.zeros_like(query, np.float64)
    each = query.shape[2] // key.shape[2]
    for row, i, head in np.ndindex(query.shape[:3]):
        first = 0 if window is None else max(0, i - window + 1)
        seen = [j for j in range(first, i + 1) if segments[row, j] == segments[row, i]]
        keys, values = (x[row, seen, head // each].astype(np.float64) for x in (key, value))
        scores = keys @ query[row, i, head].astype(np.float64)
        shares = np.exp(scores if cap is None else cap * np.tanh(scores / cap))
        out[row, i, head] = shares @ values / shares.sum()
    return out


CASES: list[tuple[int, tuple[int, int], int | None, float | None]] = [
    (4, (1, 1), None, None),
    (5, (4, 1), 1, 0.5),
    (4, (4, 2), 3, None),
    (5, (2, 2), None, 0.5),
    (5, (4, 2), None, None),
    (4, (2, 2), 1, None),
    (4, (4, 1), 3, 0.5),
    (5, (1, 1), 3, None),
]  # size of a block, heads and their groups, window, cap
attend = jax.jit(attention.attend, static_argnums=(4, 5))


@settings(max_examples=80)
@given(
    lengths=st.lists(st.integers(1, 4), min_size=1, max_size=7),
    case=st.sampled_from(CASES),
)
def test_every_token_sees_the_earlier_ones_of_its_segment(
    lengths: list[int],
    case: tuple[int, tuple[int, int], int | None, float | None],
) -> None:
    size, heads, window, cap = case
    row = [*np.repeat(np.arange(1, len(lengths) + 1), lengths), *[0] * 18][:18]
    length, used = len(row), min(sum(lengths), len(row))
    rng = np.random.default_rng(sum(lengths))
    query, key, value = (
        rng.normal(size=(2, length, n, 3)).astype("f4") for n in (*heads, heads[1])
    )
    both = np.stack([row, row])
    blocks = np.pad(both, ((0, 0), (0, -length % size))).reshape(2, -1, size)
    q, k, v, segments = map(jnp.asarray, (query, key, value, blocks))
    found = attend(q, k, v, segments, window, cap)
    expected = one_by_one(query, key, value, both, window, cap)
    np.testing.assert_allclose(found[:, :used], expected[:, :used], atol=1e-5)


def test_loss_and_gradients_are_those_of_tunix_own_attention(model: nnx.Module) -> None:
    if isinstance(model, gemma2.Gemma):  # whose windows Tunix counts from the row's start
        each = np.arange(2)
        rows = Rows(Examples.of(EXAMPLES[:2]), LENGTH, order=each, ends=each + 1)
    else:
        rows = pack(Examples.of(EXAMPLES), LENGTH)
    batch = rows.take(np.arange(2))
    assert batch["segments"].shape == (2, 4, 64)
    slope = nnx.jit(nnx.value_and_grad(lambda model, batch: loss.sums(model, batch)[0]))
    ours, our_slopes = slope(model, jax.tree.map(jnp.asarray, batch))
    same = arrays(rows)["segments"][:2]
    mask = (same[:, :, None] == same[:, None, :]) & np.tril(np.ones((LENGTH, LENGTH), bool))
    theirs, their_slopes = slope(model, jax.tree.map(jnp.asarray, {**batch, "segments": mask}))
    assert float(ours) == pytest.approx(float(theirs), rel=1e-6)
    leaves = zip(jax.tree.leaves(our_slopes), jax.tree.leaves(their_slopes), strict=True)
    for mine, other in leaves:
        np.testing.assert_allclose(mine, other, atol=1e-5 * float(jnp.abs(other).max()) + 1e-6)


@pytest.mark.parametrize("model", MODELS[::2], indirect=True)
def test_weighted_losses_of_packed_rows_are_those_of_all_logits(model: nnx.Module) -> None:
    batch = jax.tree.map(jnp.asarray, pack(Examples.of(EXAMPLES), LENGTH).take(np.arange(2)))
    weights = np.random.default_rng(0).normal(size=batch["places"].shape)
    weighted = {**batch, "weights": jnp.asarray(weights, jnp.float32)}

    def plain(model: Any, batch: dict[str, jax.Array]) -> tuple[jax.Array, jax.Array]:
        tokens, places = batch["tokens"], batch["places"]
        logits, _ = model(tokens, batch["positions"], None, batch["segments"])
        said = jax.nn.log_softmax(logits[:, :-1])
        said = jnp.take_along_axis(said, tokens[:, 1:, None], axis=2)[:, :, 0]
        inside = jnp.minimum(places, LENGTH - 2)
        said = jnp.where(places < LENGTH - 1, jnp.take_along_axis(said, inside, axis=1), 0.0)
        return -(said * batch["weights"]).sum(), said

    theirs = nnx.jit(nnx.value_and_grad(plain, has_aux=True))(model, weighted)
    ours = nnx.jit(nnx.value_and_grad(lambda model, batch: loss.sums(model, batch)[0]))
    total, slopes = ours(model, weighted)
    assert float(total) == pytest.approx(float(theirs[0][0]), abs=1e-3)  # of hundreds of terms
    said = nnx.jit(loss.token_log_probabilities)(model, batch)
    np.testing.assert_allclose(said, theirs[0][1], atol=1e-5)
    for mine, other in zip(jax.tree.leaves(slopes), jax.tree.leaves(theirs[1]), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-5 * float(jnp.abs(other).max()) + 1e-6)


@settings(max_examples=8)
@given(order=st.permutations(range(6)), cuts=st.sets(st.integers(1, 5)))
def test_however_examples_share_rows_they_lose_what_they_lose_alone(
    model: nnx.Module, order: list[int], cuts: set[int]
) -> None:
    """At most three share a row; the batch is filled up, so that its shape stays the same."""
    examples, each = Examples.of(EXAMPLES[:6]), np.arange(6)
    ends = np.array(sorted({*cuts, 3, 6}))
    packed = Rows(examples, LENGTH, order=np.array(order), ends=ends)
    alone = Rows(examples, LENGTH, order=each, ends=each + 1)
    found = [float(summed(model, filled(rows))[0]) for rows in (packed, alone)]
    assert found[0] == pytest.approx(found[1], abs=1e-5 * packed.trained_tokens.sum())


summed = nnx.jit(loss.sums)
hidden_states = nnx.jit(loss._hidden)


def filled(rows: Rows) -> dict[str, np.ndarray]:
    """Six rows, of which those that are not there are not trained, with as many places."""
    batch = rows.take(np.arange(6).clip(max=len(rows) - 1))
    places = np.full((6, LENGTH), LENGTH - 1, np.int32)
    places[: len(rows), : rows.most_trained] = batch["places"][: len(rows)]
    return {**batch, "places": places}


def test_no_example_sees_its_neighbours_across_blocks(model: nnx.Module) -> None:
    hidden = np.asarray(hidden_states(model, one_row(EXAMPLES[:4])))
    ends = np.cumsum([len(example) for example in EXAMPLES[:4]])
    assert len({*(ends // 64)}) == 4  # each but the first begins in one block and ends in the next
    for k, example in enumerate(EXAMPLES[:4]):
        others = [turned(e) if i != k else e for i, e in enumerate(EXAMPLES[:4])]
        place = slice(ends[k] - len(example), ends[k])
        found = np.asarray(hidden_states(model, one_row(others)))
        assert np.array_equal(found[0, place], hidden[0, place])
        assert not np.array_equal(found, hidden)


def turned(example: Example) -> Example:
    """Other tokens, as many."""
    return Example("x", (*example.ids[:1], *reversed(example.ids[1:])), example.prompt)


def one_row(examples: list[Example]) -> dict[str, jax.Array]:
    n = len(examples)
    rows = Rows(Examples.of(examples), LENGTH, order=np.arange(n), ends=np.array([n]))
    return jax.tree.map(jnp.asarray, rows.take(np.array([0])))


def test_rows_not_much_longer_than_an_example_are_one_block(tmp_path: Path) -> None:
    longest = max(map(len, EXAMPLES))
    rows = pack(Examples.of(EXAMPLES), 2 * longest)
    assert rows.take(np.array([0]))["segments"].shape == (1, 1, 2 * longest)
