"""The loss of packed rows: the vocabulary is only ever multiplied where a token is trained."""

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

CHUNK_LOGITS = 2**24  # logits that a device of a mesh has at a time: 64 MiB in float32
_PART = 2**23  # numbers of the embedding that gradients are formed with at a time
_VOCABULARY = ("tp", "fsdp")  # it is cut over all devices


def sums(
    model: Any, batch: dict[str, Any], dtype: str = "float32"
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Summed cross-entropy of the trained tokens of a batch of packed rows, and their number.

    A token attends to the earlier ones of its own segment only, so packing changes nothing. Last,
    bool [rows]: whether all that the tokens of a row are predicted from are numbers.

    Args:
      model: Tunix's Gemma 3 or Gemma 2.
      batch: of `packing.Rows.take`: `tokens` and `positions` are [rows, length], `segments` the
        same in blocks, [rows, blocks, size], and `places` [rows, most trained tokens of a row]:
        where a trained token is predicted.
      dtype: what is multiplied in; the weights stay as they are.
    """
    model = _in(model, dtype)
    hidden = _hidden(model, batch)
    tokens, places = batch["tokens"], batch["places"]
    last = tokens.shape[1] - 1
    inside = jnp.minimum(places, last - 1)  # `last` marks a place that is not used
    at_places = jnp.take_along_axis(hidden, inside[:, :, None], axis=1)
    targets = jnp.take_along_axis(tokens, inside + 1, axis=1)
    used = places < last
    embedding = model.embedder.input_embedding.value
    cap = getattr(model, "final_logits_softcap", None)  # Gemma 2 has one
    total = cross_entropy(at_places, embedding, jnp.where(used, targets, -1), cap)
    sound = jnp.isfinite(at_places).all(axis=(1, 2))
    return total, used.sum().astype(jnp.float32), sound


def share(model: Any, batch: dict[str, Any], dtype: str = "float32") -> tuple[jax.Array, jax.Array]:
    """Summed cross-entropy of the trained tokens of a batch, in nats, over its `weight`.

    Where a batch is a whole step, that is the mean over its tokens. Which rows are sound, too.
    """
    total, _, sound = sums(model, batch, dtype)
    return total / jnp.maximum(batch["weight"].mean(), 1), sound


def held_out_loss(
    model: nnx.Module, rows: Rows, batch_size: int = 16, dtype: str = "float32"
) -> float:
    """Mean cross-entropy of all trained tokens of some rows, every token counting the same."""
    with devices_of(model):
        found = [
            _jitted_sums(model, shard_input(batch, ("fsdp",)), dtype)
            for batch in _once(rows, min(batch_size, len(rows)))
        ]
    totals, counts, _ = zip(*found, strict=True)
    return float(sum(totals) / sum(counts))


# Where it gave the weights back, they would lie as XLA likes: the next step would compile again.
_jitted_sums = nnx.jit(sums, static_argnames="dtype", graph_updates=False)


def _once(rows: Rows, batch_size: int) -> Iterator[dict[str, np.ndarray]]:
    """All rows once, in batches of one shape; the last one is filled up with untrained rows."""
    for start in range(0, len(rows), batch_size):
        index = np.arange(start, start + batch_size)
        batch = rows.take(index.clip(max=len(rows) - 1))
        batch["places"][index >= len(rows)] = rows.length - 1  # counted already
        yield batch


def _in(model: Any, dtype: str) -> Any:
    """The model with its weights in another type; gradients still are those of its own weights."""
    graph, state = nnx.split(model)

    def cast(x: jax.Array) -> jax.Array:
        return x.astype(dtype) if jnp.issubdtype(x.dtype, jnp.floating) else x

    return nnx.merge(graph, jax.tree.map(cast, state))


def _hidden(model: Any, batch: dict[str, Any]) -> jax.Array:
    """The final hidden states, [rows, length, width]; the compiler drops the unused logits.

    The model must be called as a whole: LoRA hooks into its calls.
    """
    rows = batch["tokens"], batch["positions"], None, batch["segments"]
    model(*rows, output_hidden_states=True)
    [hidden] = nnx.pop(model, nnx.Intermediate)["all_hidden_states"].value
    return hidden


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def cross_entropy(
    hidden: jax.Array, embedding: jax.Array, targets: jax.Array, cap: float | None = None
) -> jax.Array:
    """Summed cross-entropy of `hidden @ embedding.T` against targets, in nats, in float32.

    The logits of a few places at a time are made, used for the loss *and* for the gradients, and
    dropped: no vocabulary-sized activation is kept and nothing is computed twice. That works since
    the gradient of a sum is known up to a factor before the backward pass.

    Args:
      hidden: [rows, places, width].
      embedding: [vocabulary, width].
      targets: int [rows, places], -1 where nothing is to be predicted.
      cap: of the logits, a soft one.

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
    wanted = hidden.perturbed, embedding.perturbed
    return _forward(hidden.value, embedding.value, targets.value, cap, *wanted)


def _scaled(cap: float | None, gradients: Any, upstream: jax.Array) -> tuple[jax.Array | None, ...]:
    scaled = (
        None if x is None else (x.astype(upstream.dtype) * upstream).astype(x.dtype)
        for x in gradients
    )
    return *scaled, None


cross_entropy.defvjp(_with_gradients, _scaled, symbolic_zeros=True)


def _on_mesh(x: jax.Array, *axes: str | tuple[str, ...] | None) -> jax.Array:
    """The array cut over axes of the mesh that there is; whole along the others."""
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty:
        return x
    return jax.lax.with_sharding_constraint(x, jax.sharding.PartitionSpec(*axes))


def _devices() -> int:
    """How many devices make the logits together."""
    mesh = jax.sharding.get_abstract_mesh()
    return 1 if mesh.empty else mesh.size


def in_chunks(rows: int, places: int, vocabulary: int) -> tuple[int, int]:
    """In how many chunks the logits are made, one after the other, and how many places each has.

    They are as few as may be and of one size, so that hardly a place is there for nothing. For each
    the embedding is read anew, all of it where there is one device: that has four times as many
    logits at a time.

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
    """In how many parts of the vocabulary gradients are formed; on a mesh it is cut already."""
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
    """The gradients by the states of a chunk and by the embedding, with what the chunk adds.

    A part of the vocabulary after the other: what is added would be as large as the gradient, and
    of a part the processor keeps in its cache what it multiplies.

    Args:
      sums: both as they are, None where one is not wanted.
      shares: logarithms of what the softmax divides by.
    """
    parts = _parts(*embedding.shape)
    part = len(embedding) // parts
    numbers = _on_mesh(jnp.arange(len(embedding)), _VOCABULARY)

    def of(x: jax.Array, k: Any, axis: int = 0) -> jax.Array:
        return x if parts == 1 else jax.lax.dynamic_slice_in_dim(x, k * part, part, axis)

    def error(k: Any) -> jax.Array:
        some = of(logits, k, axis=2)
        hits = aim[:, :, None] == of(numbers, k)
        found = jnp.exp(some - shares) - hits.astype(jnp.float32)
        found = jnp.where((aim >= 0)[:, :, None], found, 0.0)
        if cap is not None:
            found *= 1 - (some / cap) ** 2  # the slope of the cap, by its value
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
    """The loss, and its gradients by hidden states and embedding where they are wanted."""
    rows, places, width = hidden.shape
    chunks, size = in_chunks(rows, places, len(embedding))
    spare = chunks * size - places
    # Every device has its part of the vocabulary and sees the chunk's places of all rows: those are
    # small, where the embedding and its gradient, gathered on each device, would be gigabytes.
    by_chunk = jnp.pad(hidden, ((0, 0), (0, spare), (0, 0)))
    by_chunk = by_chunk.reshape(rows, chunks, size, width).swapaxes(0, 1)
    aims = jnp.pad(targets, ((0, 0), (0, spare)), constant_values=-1)
    aims = aims.reshape(rows, chunks, size).swapaxes(0, 1)

    by_chunk, aims = _on_mesh(by_chunk, None, "fsdp"), _on_mesh(aims, None, "fsdp")
    embedding = _on_mesh(embedding, _VOCABULARY, None)
    numbers = _on_mesh(jnp.arange(len(embedding)), _VOCABULARY)

    def step(carry: Any, chunk: Any) -> tuple[Any, Any]:
        total, by_embedding = carry
        states, aim = (_on_mesh(x, None) for x in chunk)
        logits = _product("rpw,vw->rpv", states, embedding)
        logits = attention.soft_cap(_on_mesh(logits, None, None, _VOCABULARY), cap)
        shares = jax.nn.logsumexp(logits, axis=-1, keepdims=True)
        hits = aim[:, :, None] == numbers
        right = jnp.where(hits, logits, 0.0).sum(axis=-1, keepdims=True)
        used = (aim >= 0)[:, :, None]
        total += jnp.where(used, shares - right, 0.0).sum()

        by_state = jnp.zeros(states.shape, jnp.float32) if of_hidden else None
        if of_hidden or of_embedding:
            sums = by_state, by_embedding
            by_state, by_embedding = _added(sums, logits, shares, aim, states, embedding, cap)
        if of_hidden:
            by_state = _on_mesh(by_state, "fsdp").astype(hidden.dtype)
        if of_embedding:
            by_embedding = _on_mesh(by_embedding, _VOCABULARY, None)
        return (total, by_embedding), by_state

    start = jnp.zeros((), jnp.float32), None
    if of_embedding:
        start = start[0], jnp.zeros(embedding.shape, jnp.float32)
    (total, by_embedding), by_hidden = jax.lax.scan(step, start, (by_chunk, aims))
    if of_hidden:
        by_hidden = by_hidden.swapaxes(0, 1).reshape(rows, chunks * size, width)[:, :places]
    if of_embedding:
        by_embedding = _on_mesh(by_embedding.astype(embedding.dtype), "tp", "fsdp")
    return total, (by_hidden, by_embedding)
