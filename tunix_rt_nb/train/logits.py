"""Cross-entropy at the places that predict a trained token, in chunks, with its gradients.

A place is a position that predicts a token. Logits exist for a few places at a time.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from tunix_rt_nb.models import attention

CHUNK_LOGITS = 2**24  # logits per device of a mesh at a time: 64 MiB in float32
_PART = 2**23  # elements of the embedding, at most, whose gradients are computed at a time
_VOCABULARY = ("tp", "fsdp")  # mesh axes that shard the vocabulary: all devices


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def cross_entropy(
    hidden: jax.Array,
    embedding: jax.Array,
    targets: jax.Array,
    cap: float | None = None,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Sum the cross-entropy of `hidden @ embedding.T` against targets, in nats, in float32.

    Compute the logits of a few places at a time, use them for the loss *and* the gradients, and
    drop them. So no array as wide as the vocabulary is kept for the backward pass, and no logits
    are computed twice. The backward pass only multiplies the finished gradients by the upstream
    gradient, which is a single number.

    Args:
      hidden: [rows, places, width], the hidden states that predict a token.
      embedding: [vocabulary, width].
      targets: int [rows, places], -1 where nothing is to be predicted.
      cap: the soft cap of the logits; None for no cap.
      weights: float32 [rows, places], what each token's cross-entropy is multiplied by; negative
        weights make tokens less likely. None for 1 everywhere. They are constants: they have no
        gradient.

    Source: Wijmans et al. 2024, "Cut Your Losses in Large-Vocabulary Language Models", and Hsu et
    al. 2024, "Liger Kernel", for gradients that are formed in the forward pass.

    Example:
      >>> hidden, embedding = jnp.zeros((1, 2, 4)), jnp.ones((8, 4))
      >>> float(cross_entropy(hidden, embedding, jnp.array([[3, -1]]))) == float(jnp.log(8))
      True
    """
    return _forward(hidden, embedding, targets, weights, cap, False, False)[0]


def _with_gradients(
    hidden: Any, embedding: Any, targets: Any, cap: float | None, weights: Any
) -> tuple[jax.Array, Any]:
    # Compute the gradients in the forward pass, but only those that JAX asks for.
    wanted = hidden.perturbed, embedding.perturbed
    given = None if weights is None else weights.value
    return _forward(hidden.value, embedding.value, targets.value, given, cap, *wanted)


def _scaled(cap: float | None, gradients: Any, upstream: jax.Array) -> tuple[jax.Array | None, ...]:
    # The backward pass only multiplies by the upstream gradient. Targets and weights have none.
    scaled = (
        None if x is None else (x.astype(upstream.dtype) * upstream).astype(x.dtype)
        for x in gradients
    )
    return *scaled, None, None


cross_entropy.defvjp(_with_gradients, _scaled, symbolic_zeros=True)


@partial(jax.jit, static_argnums=3)
def log_probabilities(
    hidden: jax.Array, embedding: jax.Array, targets: jax.Array, cap: float | None = None
) -> jax.Array:
    """Return the log-probability of each target, float32 [rows, places]; 0 where there is none.

    Logits exist for a few places at a time, as in `cross_entropy`, which explains the arguments.

    Example:
      >>> hidden, embedding = jnp.zeros((1, 2, 4)), jnp.ones((8, 4))
      >>> found = log_probabilities(hidden, embedding, jnp.array([[3, -1]]))
      >>> found.tolist() == [[-float(jnp.log(8)), 0.0]]
      True
    """
    rows, places, _ = hidden.shape
    embedding = _on_mesh(embedding, _VOCABULARY, None)

    def look(chunk: Any) -> jax.Array:
        states, aim = (_on_mesh(x, None) for x in chunk)
        return 0.0 - _losses(_logits(states, embedding, cap), aim)[0]

    chunks = in_chunks(rows, places, len(embedding))
    found = jax.lax.map(look, (_cut(hidden, *chunks), _cut(targets, *chunks, empty=-1)))
    return found.swapaxes(0, 1).reshape(rows, -1)[:, :places]


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


def _cut(x: jax.Array, chunks: int, size: int, empty: int = 0) -> jax.Array:
    """Cut [rows, places, ...] into [chunks, rows, size, ...]; fill spare places with `empty`."""
    rows, places = x.shape[:2]
    padding = ((0, 0), (0, chunks * size - places), *((0, 0) for _ in x.shape[2:]))
    padded = jnp.pad(x, padding, constant_values=empty)
    by_chunk = padded.reshape(rows, chunks, size, *x.shape[2:]).swapaxes(0, 1)
    return _on_mesh(by_chunk, None, "fsdp")


def _logits(states: jax.Array, embedding: jax.Array, cap: float | None) -> jax.Array:
    """Compute logits, [rows, places, vocabulary]; each device computes those of its part."""
    logits = _product("rpw,vw->rpv", states, embedding)
    return attention.soft_cap(_on_mesh(logits, None, None, _VOCABULARY), cap)


def _losses(logits: jax.Array, aim: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the cross-entropy of each place, [rows, places], and its softmax's denominator.

    The denominator is given by its logarithm, [rows, places, 1].
    """
    numbers = _on_mesh(jnp.arange(logits.shape[-1]), _VOCABULARY)
    shares = jax.nn.logsumexp(logits, axis=-1, keepdims=True)
    hits = aim[:, :, None] == numbers[None, None]
    right = jnp.where(hits, logits, 0.0).sum(axis=-1, keepdims=True)
    used = (aim >= 0)[:, :, None]
    return jnp.where(used, shares - right, 0.0)[:, :, 0], shares


def _product(axes: str, a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.einsum(axes, a, b, preferred_element_type=jnp.float32)


def _added(
    sums: tuple[jax.Array | None, jax.Array | None],
    logits: jax.Array,
    shares: jax.Array,
    aim: jax.Array,
    weight: jax.Array | None,
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
      weight: [rows, places], what the loss of each place is multiplied by; None for 1.
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
        if weight is not None:
            found *= weight[:, :, None]
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


@partial(jax.jit, static_argnums=(4, 5, 6))
def _forward(
    hidden: jax.Array,
    embedding: jax.Array,
    targets: jax.Array,
    weights: jax.Array | None,
    cap: float | None,
    of_hidden: bool,
    of_embedding: bool,
) -> tuple[jax.Array, tuple[jax.Array | None, jax.Array | None]]:
    """Compute the summed loss of `cross_entropy` together with its gradients.

    Args:
      hidden: [rows, places, width], the hidden states that predict a token.
      embedding: [vocabulary, width].
      targets: int [rows, places], -1 where nothing is to be predicted.
      weights: [rows, places], what the loss of each place is multiplied by; None for 1.
      cap: the soft cap of the logits; None for no cap.
      of_hidden: True if the gradient with respect to the hidden states is wanted.
      of_embedding: True if the gradient with respect to the embedding is wanted.

    Returns:
      The loss in nats.
      The gradients with respect to the hidden states and to the embedding; None for a gradient that
      is not wanted.
    """
    # Each device has its part of the vocabulary and sees a chunk's places of all rows. The hidden
    # states of these places are small; the embedding and its gradient, gathered on each device,
    # would be gigabytes.
    rows, places, width = hidden.shape
    chunks = in_chunks(rows, places, len(embedding))
    embedding = _on_mesh(embedding, _VOCABULARY, None)

    def step(carry: Any, chunk: Any) -> tuple[Any, Any]:
        total, by_embedding = carry
        states, aim, weight = jax.tree.map(lambda x: _on_mesh(x, None), chunk)
        logits = _logits(states, embedding, cap)
        losses, shares = _losses(logits, aim)
        total += (losses if weight is None else losses * weight).sum()

        # Compute the gradients now, while these logits exist; they are dropped afterwards.
        by_state = jnp.zeros(states.shape, jnp.float32) if of_hidden else None
        if of_hidden or of_embedding:
            sums = by_state, by_embedding
            by_state, by_embedding = _added(
                sums, logits, shares, aim, weight, states, embedding, cap
            )
        if of_hidden:
            by_state = _on_mesh(by_state, "fsdp").astype(hidden.dtype)
        if of_embedding:
            by_embedding = _on_mesh(by_embedding, _VOCABULARY, None)
        return (total, by_embedding), by_state

    # Take one chunk after the other; carry the loss and the gradient by the embedding along. All
    # chunks have one size; the spare places at the end have no target.
    start = jnp.zeros((), jnp.float32), None
    if of_embedding:
        start = start[0], jnp.zeros(embedding.shape, jnp.float32)
    by_chunk = _cut(hidden, *chunks), _cut(targets, *chunks, empty=-1)
    weighed = None if weights is None else _cut(weights, *chunks)
    (total, by_embedding), by_hidden = jax.lax.scan(step, start, (*by_chunk, weighed))

    # Give each gradient the shape and sharding of the hidden states or of the embedding.
    if of_hidden:
        by_hidden = by_hidden.swapaxes(0, 1).reshape(rows, -1, width)[:, :places]
    if of_embedding:
        by_embedding = _on_mesh(by_embedding.astype(embedding.dtype), "tp", "fsdp")
    return total, (by_hidden, by_embedding)
