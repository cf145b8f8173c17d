"""The loss of packed rows. Logits are computed only at trained tokens, in chunks."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from tunix.sft.sharding_utils import shard_input

from tunix_rt_nb.models import attention, devices_of
from tunix_rt_nb.render import Rows

CHUNK_LOGITS = 2**24  # logits per device of a mesh at a time: 64 MiB in float32
_PART = 2**23  # elements of the embedding, at most, whose gradients are computed at a time
_VOCABULARY = ("tp", "fsdp")  # mesh axes that shard the vocabulary: all devices


def sums(
    model: Any, batch: dict[str, Any], dtype: str = "float32"
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Sum the cross-entropy of the trained tokens of a batch of packed rows, and count them.

    A token attends only to earlier tokens of its own segment, so packing does not change the sum.

    Args:
      model: Tunix's Gemma 3 or Gemma 2.
      batch: arrays from `packing.Rows.take`. `tokens` and `positions` are int32 [rows, length].
        `segments` is int32 [rows, blocks, size], for each token the number of its example in the
        row. `places` is int32 [rows, places], the columns just before trained tokens, padded with
        length - 1.
      dtype: the type of matrix products; the weights keep their own type.

    Returns:
      The sum in nats.
      The number of trained tokens, as a float.
      A mask of sound rows, bool [rows]: True if all hidden states that predict the row's trained
      tokens are finite.
    """
    # Run the model for its hidden states alone. It computes logits of all tokens too, but the
    # compiler drops them, because they are not used.
    model = _in(model, dtype)
    hidden = _hidden(model, batch)

    # Gather the hidden states that predict a trained token, and the tokens to be predicted.
    tokens, places = batch["tokens"], batch["places"]
    last = tokens.shape[1] - 1
    inside = jnp.minimum(places, last - 1)  # `last` marks an unused place
    at_places = jnp.take_along_axis(hidden, inside[:, :, None], axis=1)
    targets = jnp.take_along_axis(tokens, inside + 1, axis=1)
    used = places < last

    # Compute logits at these places only. A target of -1 adds nothing to loss and gradients.
    embedding = model.embedder.input_embedding.value
    cap = getattr(model, "final_logits_softcap", None)  # Gemma 2 has one
    total = cross_entropy(at_places, embedding, jnp.where(used, targets, -1), cap)

    # Find rows with infinity or NaN here, because the sum mixes all rows.
    sound = jnp.isfinite(at_places).all(axis=(1, 2))
    return total, used.sum().astype(jnp.float32), sound


def share(model: Any, batch: dict[str, Any], dtype: str = "float32") -> tuple[jax.Array, jax.Array]:
    """Return a batch's loss and a mask of its sound rows.

    The loss is the summed cross-entropy in nats, divided by the `weight` of the batch; `Batches`
    explains the weight. If a step has a single batch, the loss is the mean over its trained tokens.
    The mask is bool [rows]: True if the row's hidden states are finite.
    """
    total, _, sound = sums(model, batch, dtype)
    return total / jnp.maximum(batch["weight"].mean(), 1), sound


def held_out_loss(
    model: nnx.Module, rows: Rows, batch_size: int = 16, dtype: str = "float32"
) -> float:
    """Return the mean cross-entropy, in nats, of all trained tokens of some rows.

    Every token counts the same, however the rows are cut into batches.
    """
    with devices_of(model):
        found = [
            _jitted_sums(model, shard_input(batch, ("fsdp",)), dtype)
            for batch in _once(rows, min(batch_size, len(rows)))
        ]
    # Divide only here: a mean of the means of batches would not weigh all tokens the same.
    totals, counts, _ = zip(*found, strict=True)
    return float(sum(totals) / sum(counts))


# Without graph updates no weights are returned. XLA would choose its own layout for returned
# weights, and the next train step would compile again.
_jitted_sums = nnx.jit(sums, static_argnames="dtype", graph_updates=False)


def _once(rows: Rows, batch_size: int) -> Iterator[dict[str, np.ndarray]]:
    """Yield all rows once, in batches of equal shape.

    Fill the last batch with rows that add nothing to the loss.
    """
    for start in range(0, len(rows), batch_size):
        index = np.arange(start, start + batch_size)
        batch = rows.take(index.clip(max=len(rows) - 1))
        batch["places"][index >= len(rows)] = rows.length - 1  # a repeated row is counted already
        yield batch


def _in(model: Any, dtype: str) -> Any:
    """Return a model with weights cast to `dtype`; gradients still reach the original weights."""
    graph, state = nnx.split(model)

    def cast(x: jax.Array) -> jax.Array:
        return x.astype(dtype) if jnp.issubdtype(x.dtype, jnp.floating) else x

    return nnx.merge(graph, jax.tree.map(cast, state))


def _hidden(model: Any, batch: dict[str, Any]) -> jax.Array:
    """Return the final hidden states, [rows, length, width].

    Call the model as a whole, because LoRA hooks into its calls. The compiler drops the unused
    logits.
    """
    rows = batch["tokens"], batch["positions"], None, batch["segments"]
    model(*rows, output_hidden_states=True)
    [hidden] = nnx.pop(model, nnx.Intermediate)["all_hidden_states"].value
    return hidden


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def cross_entropy(
    hidden: jax.Array, embedding: jax.Array, targets: jax.Array, cap: float | None = None
) -> jax.Array:
    """Sum the cross-entropy of `hidden @ embedding.T` against targets, in nats, in float32.

    A place is a position that predicts a token. Compute the logits of a few places at a time, use
    them for the loss *and* the gradients, and drop them. So no array as wide as the vocabulary is
    kept for the backward pass, and no logits are computed twice. The backward pass only multiplies
    the finished gradients by the upstream gradient, which is a single number.

    Args:
      hidden: [rows, places, width], the hidden states that predict a token.
      embedding: [vocabulary, width].
      targets: int [rows, places], -1 where nothing is to be predicted.
      cap: the soft cap of the logits; None for no cap.

    Source: Wijmans et al. 2024, "Cut Your Losses in Large-Vocabulary Language Models", and Hsu et
    al. 2024, "Liger Kernel", for gradients that are formed in the forward pass.

    Example:
      >>> hidden, embedding = jnp.zeros((1, 2, 4)), jnp.ones((8, 4))
      >>> float(cross_entropy(hidden, embedding, jnp.array([[3, -1]]))) == float(jnp.log(8))
      True
    """
    return _forward(hidden, embedding, targets, cap, False, False)[0]


def _with_gradients(
    hidden: Any, embedding: Any, targets: Any, cap: float | None
) -> tuple[jax.Array, Any]:
    # Compute the gradients in the forward pass, but only those that JAX asks for.
    wanted = hidden.perturbed, embedding.perturbed
    return _forward(hidden.value, embedding.value, targets.value, cap, *wanted)


def _scaled(cap: float | None, gradients: Any, upstream: jax.Array) -> tuple[jax.Array | None, ...]:
    # The backward pass only multiplies by the upstream gradient. Targets have no gradient.
    scaled = (
        None if x is None else (x.astype(upstream.dtype) * upstream).astype(x.dtype)
        for x in gradients
    )
    return *scaled, None


cross_entropy.defvjp(_with_gradients, _scaled, symbolic_zeros=True)


def _on_mesh(x: jax.Array, *axes: str | tuple[str, ...] | None) -> jax.Array:
    """Shard an array's axes over mesh axes, None for unsharded; without a mesh, do nothing."""
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty:
        return x
    return jax.lax.with_sharding_constraint(x, jax.sharding.PartitionSpec(*axes))


def _devices() -> int:
    """Count the devices that compute the logits together."""
    mesh = jax.sharding.get_abstract_mesh()
    return 1 if mesh.empty else mesh.size


def in_chunks(rows: int, places: int, vocabulary: int) -> tuple[int, int]:
    """Return into how many chunks the places of each row are cut, and the places per chunk.

    A place is a position that predicts a trained token. The logits of one chunk of all rows are
    computed at a time. All chunks have one size. There are as few as possible: the limit is the
    number of logits at a time, `CHUNK_LOGITS` per device of a mesh. To compute a chunk, a single
    device has to read the whole embedding; each of several devices reads only a part. So a single
    device may compute four times as many logits at a time, and has fewer chunks.

    Args:
      rows: the rows of a batch.
      places: the places of each row.
      vocabulary: the number of tokens in the vocabulary.

    Example:
      >>> in_chunks(1, 272, 262_144)
      (2, 136)
    """
    devices = _devices()
    logits = CHUNK_LOGITS * (4 if devices == 1 else devices)
    most = max(1, logits // (rows * vocabulary))
    chunks = -(-places // most)
    return chunks, -(-places // chunks)


def _parts(vocabulary: int, width: int) -> int:
    """Return into how many parts the vocabulary is cut to compute the gradients, one at a time.

    Several devices need only 1 part, because their mesh shards the vocabulary already.
    """
    parts = 1
    while _devices() == 1 and vocabulary % (2 * parts) == 0:
        if vocabulary // parts * width <= _PART:
            break
        parts *= 2
    return parts


def _product(axes: str, a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.einsum(axes, a, b, preferred_element_type=jnp.float32)


def _added(
    sums: tuple[jax.Array | None, jax.Array | None],
    logits: jax.Array,
    shares: jax.Array,
    aim: jax.Array,
    states: jax.Array,
    embedding: jax.Array,
    cap: float | None,
) -> tuple[jax.Array | None, jax.Array | None]:
    """Add one chunk's gradients with respect to its hidden states and to the embedding.

    Take one part of the vocabulary after the other. The whole vocabulary at once would need as much
    memory again as the gradient itself. One part also fits into the processor's cache.

    Args:
      sums: both gradients so far; None for a gradient that is not wanted.
      logits: [rows, places, vocabulary], after the soft cap.
      shares: [rows, places, 1], for each place the logarithm of its softmax's denominator.
      aim: int [rows, places], targets, -1 where nothing is to be predicted.
      states: [rows, places, width], the hidden states of the chunk.
      embedding: [vocabulary, width].
      cap: the soft cap of the logits; None for no cap.

    Returns:
      Both gradients with the chunk's part added; None for a gradient that is not wanted.
    """
    parts = _parts(*embedding.shape)
    part = len(embedding) // parts
    numbers = _on_mesh(jnp.arange(len(embedding)), _VOCABULARY)

    def of(x: jax.Array, k: Any, axis: int = 0) -> jax.Array:
        return x if parts == 1 else jax.lax.dynamic_slice_in_dim(x, k * part, part, axis)

    def error(k: Any) -> jax.Array:
        some = of(logits, k, axis=2)
        # The gradient by a logit is the logit's probability, less 1 for the target's logit.
        hits = aim[:, :, None] == of(numbers, k)[None, None]
        found = jnp.exp(some - shares) - hits.astype(jnp.float32)
        found = jnp.where((aim >= 0)[:, :, None], found, 0.0)
        if cap is not None:
            found *= 1 - (some / cap) ** 2  # the slope of the cap, from the capped logit
        return found.astype(states.dtype)

    def add(k: Any, sums: Any) -> Any:
        by_state, by_embedding = sums
        wrong = error(k)
        if by_state is not None:
            by_state += _product("rpv,vw->rpw", wrong, of(embedding, k))
        if by_embedding is not None:
            more = of(by_embedding, k) + _product("rpv,rpw->vw", wrong, states)
            by_embedding = jax.lax.dynamic_update_slice_in_dim(by_embedding, more, k * part, 0)
        return by_state, by_embedding

    return add(0, sums) if parts == 1 else jax.lax.fori_loop(0, parts, add, sums)


@partial(jax.jit, static_argnums=(3, 4, 5))
def _forward(
    hidden: jax.Array,
    embedding: jax.Array,
    targets: jax.Array,
    cap: float | None,
    of_hidden: bool,
    of_embedding: bool,
) -> tuple[jax.Array, tuple[jax.Array | None, jax.Array | None]]:
    """Compute the summed loss of `cross_entropy` together with its gradients.

    Args:
      hidden: [rows, places, width], the hidden states that predict a token.
      embedding: [vocabulary, width].
      targets: int [rows, places], -1 where nothing is to be predicted.
      cap: the soft cap of the logits; None for no cap.
      of_hidden: True if the gradient with respect to the hidden states is wanted.
      of_embedding: True if the gradient with respect to the embedding is wanted.

    Returns:
      The loss in nats.
      The gradients with respect to the hidden states and to the embedding; None for a gradient that
      is not wanted.
    """
    # Cut the places into chunks of one size; the spare places at the end have no target.
    rows, places, width = hidden.shape
    chunks, size = in_chunks(rows, places, len(embedding))
    spare = chunks * size - places
    by_chunk = jnp.pad(hidden, ((0, 0), (0, spare), (0, 0)))
    by_chunk = by_chunk.reshape(rows, chunks, size, width).swapaxes(0, 1)
    aims = jnp.pad(targets, ((0, 0), (0, spare)), constant_values=-1)
    aims = aims.reshape(rows, chunks, size).swapaxes(0, 1)

    # Each device has its part of the vocabulary and sees a chunk's places of all rows. The hidden
    # states of these places are small; the embedding and its gradient, gathered on each device,
    # would be gigabytes.
    by_chunk, aims = _on_mesh(by_chunk, None, "fsdp"), _on_mesh(aims, None, "fsdp")
    embedding = _on_mesh(embedding, _VOCABULARY, None)
    numbers = _on_mesh(jnp.arange(len(embedding)), _VOCABULARY)

    def step(carry: Any, chunk: Any) -> tuple[Any, Any]:
        # Compute the logits of this chunk; each device computes those of its part.
        total, by_embedding = carry
        states, aim = (_on_mesh(x, None) for x in chunk)
        logits = _product("rpw,vw->rpv", states, embedding)
        logits = attention.soft_cap(_on_mesh(logits, None, None, _VOCABULARY), cap)

        # Add the loss: the logarithm of the softmax's denominator, less the target's logit.
        shares = jax.nn.logsumexp(logits, axis=-1, keepdims=True)
        hits = aim[:, :, None] == numbers[None, None]
        right = jnp.where(hits, logits, 0.0).sum(axis=-1, keepdims=True)
        used = (aim >= 0)[:, :, None]
        total += jnp.where(used, shares - right, 0.0).sum()

        # Compute the gradients now, while these logits exist; they are dropped afterwards.
        by_state = jnp.zeros(states.shape, jnp.float32) if of_hidden else None
        if of_hidden or of_embedding:
            sums = by_state, by_embedding
            by_state, by_embedding = _added(sums, logits, shares, aim, states, embedding, cap)
        if of_hidden:
            by_state = _on_mesh(by_state, "fsdp").astype(hidden.dtype)
        if of_embedding:
            by_embedding = _on_mesh(by_embedding, _VOCABULARY, None)
        return (total, by_embedding), by_state

    # Take one chunk after the other; carry the loss and the gradient by the embedding along.
    start = jnp.zeros((), jnp.float32), None
    if of_embedding:
        start = start[0], jnp.zeros(embedding.shape, jnp.float32)
    (total, by_embedding), by_hidden = jax.lax.scan(step, start, (by_chunk, aims))

    # Give each gradient the shape and sharding of the hidden states or of the embedding.
    if of_hidden:
        by_hidden = by_hidden.swapaxes(0, 1).reshape(rows, chunks * size, width)[:, :places]
    if of_embedding:
        by_embedding = _on_mesh(by_embedding.astype(embedding.dtype), "tp", "fsdp")
    return total, (by_hidden, by_embedding)
