"""Generation in batches: answers to many prompts, with few array shapes for JAX to compile."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from tunix.sft.sharding_utils import shard_input

from tunix_rt_nb.models.devices import check_processes, devices_of
from tunix_rt_nb.models.folder import gemma3
from tunix_rt_nb.models.tokenizer import PAD, Tokenizer
from tunix_rt_nb.trace import Generation

BUCKET = 32  # prompts are padded to a multiple of this many tokens
ROOM = 256  # tokens per row in the first, shortest cache
FEWEST = 8  # rows in the smallest batch: with fewer, a decode step is no faster
_FOREVER = 2**31 - 1


class Answers(NamedTuple):
    """The state of a batch of answers being generated.

    A batch has one row per answer. `most` is the largest number of tokens of an answer, `room` the
    number of cache slots per row.

    Attributes:
      tokens: int32 [rows, most]: the tokens generated so far, stop tokens included, then PAD.
      last: int32 [rows]: the token that each row gives to the model next.
      done: bool [rows]: True if the answer has stopped, or the row is unused.
      seen: bool [rows, room]: True for the cache slots that hold a token of the row, not padding.
      cache: Tunix's cache, by layer: keys `k` and values `v`, [rows, room, KV heads, head_dim], and
        `end_index`, int32 [rows].
      at: int32, the cache slot for `last`, the same in every row.
      first: int32 [rows]: the slot of the last token of each prompt. An answer of n tokens has
        `first` = `at` - n.
      keys: [rows]: the random key of each row.
    """

    tokens: jax.Array
    last: jax.Array
    done: jax.Array
    seen: jax.Array
    cache: dict[str, dict[str, jax.Array]]
    at: jax.Array
    first: jax.Array
    keys: jax.Array


def generate(
    model: gemma3.Gemma3,
    tokenizer: Tokenizer,
    prompts: Sequence[Sequence[int]],
    stops: Sequence[str],
    max_new_tokens: int,
    batch_size: int = 64,
    temperature: float = 0.0,
    seed: int = 0,
    known: Mapping[int, Generation] = MappingProxyType({}),
    on_batch: Callable[[dict[int, Generation]], None] = lambda written: None,
) -> list[Generation]:
    """Generate an answer to each prompt, up to a stop token or `max_new_tokens`.

    Prompts of similar length share a batch. When half of a batch has stopped, the other half goes
    on in a smaller batch. The cache doubles whenever it is full, so a decode step attends to few
    empty slots. Random draws depend on the seed and the prompt's index, not on the batch.

    Args:
      model: the model.
      tokenizer: its tokenizer.
      prompts: the token ids of each prompt, from BOS to the tokens that open the model's turn.
      stops: the control tokens that end an answer, such as `<end_of_turn>`.
      max_new_tokens: the most tokens of an answer, its stop token included.
      batch_size: the most prompts in a batch.
      temperature: 0 takes the likeliest token each time, 1 samples from the model's distribution.
      seed: seeds the random draws.
      known: answers from an earlier call: index in `prompts` -> answer. A batch is skipped only if
        all its answers are known, so that the other batches consist of the same prompts as before.
      on_batch: called after each new batch with its answers: index in `prompts` -> answer.

    Returns:
      One generation per prompt, in the order of the prompts: the text, its number of tokens,
      whether a stop token ended it, and the token ids.

    Raises:
      InputError: JAX spans several processes.
    """
    check_processes("generation")
    ends = jnp.array([tokenizer.control(piece) for piece in stops])
    limit = _bucket(max(map(len, prompts))) + max_new_tokens

    def answer(numbers: Sequence[int]) -> dict[int, Generation]:
        batch = _padded([prompts[i] for i in numbers], _shape(len(numbers), batch_size))
        chance = _keys(seed, numbers, len(batch)), temperature
        rows = _answers(model, batch, *chance, len(numbers), ends, limit, max_new_tokens)
        return {numbers[row]: _generation(ids, ends, tokenizer) for row, ids in rows}

    return _in_batches(prompts, batch_size, known, on_batch, answer)


def _in_batches(
    prompts: Sequence[Sequence[int]],
    batch_size: int,
    known: Mapping[int, Generation],
    on_batch: Callable[[dict[int, Generation]], None],
    answer: Callable[[Sequence[int]], dict[int, Generation]],
) -> list[Generation]:
    """Answer prompts batch by batch, shortest prompts first; skip batches whose answers are known.

    Args:
      prompts, batch_size, known, on_batch: as for `generate`.
      answer: answers the prompts with these indices: index in `prompts` -> answer.
    """
    # Sort by length, so that the prompts of a batch need little padding.
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    written: dict[int, Generation] = {}
    for start in range(0, len(order), batch_size):
        numbers = order[start : start + batch_size]
        if all(i in known for i in numbers):
            written |= {i: known[i] for i in numbers}
            continue
        new = answer(numbers)
        on_batch(new)
        written |= new
    return [written[i] for i in range(len(prompts))]


def _generation(ids: np.ndarray, ends: jax.Array, tokenizer: Tokenizer) -> Generation:
    stopped = bool(np.isin(ids[-1], ends))
    text = tokenizer.decode(ids[:-1] if stopped else ids)
    return Generation(text, len(ids) - stopped, stopped, tuple(ids.tolist()))


def _keys(seed: int, numbers: Sequence[int], rows: int) -> jax.Array:
    """Derive the random key of each row in a batch from the seed and the index of its prompt.

    Args:
      seed: as for `generate`.
      numbers: the index of each prompt of the batch in all prompts.
      rows: the number of rows in the batch. Unused rows, after those with a prompt, repeat the last
        key.
    """
    all_numbers = np.pad(np.array(numbers, np.uint32), (0, rows - len(numbers)), "edge")
    return jax.vmap(partial(jax.random.fold_in, jax.random.key(seed)))(all_numbers)


def _bucket(length: int) -> int:
    return -(-length // BUCKET) * BUCKET


def _shape(n: int, most: int) -> int:
    """Return how many rows to use for a batch of `n` answers, so that few rows are unused.

    Begin with `most` rows. Halve the number while it is even and the half is at least `n` and at
    least FEWEST, the rows of the smallest batch. JAX then compiles few shapes.
    """
    while most % 2 == 0 and most // 2 >= max(n, FEWEST):
        most //= 2
    return most


def _room(length: int, limit: int) -> int:
    """Return the length of a cache, in tokens, that holds `length` tokens and at least BUCKET more.

    The length is ROOM times a power of 2, so that JAX compiles few shapes, but at most `limit`.
    BUCKET and ROOM are constants of this module.
    """
    room = ROOM
    while room < length + BUCKET:
        room *= 2
    return min(room, limit)


def _padded(prompts: Sequence[Sequence[int]], rows: int) -> np.ndarray:
    """Put prompts into an array, int32 [rows, length], padded on the left.

    All prompts then end in the same column, so every row puts its next token into the same slot of
    the cache. The length is a multiple of BUCKET, a constant of this module.

    Args:
      prompts: the token ids of each prompt.
      rows: the number of rows. If there are more rows than prompts, the last prompt is repeated.
    """
    ids = np.full((rows, _bucket(max(map(len, prompts)))), PAD, np.int32)
    for row in range(rows):
        prompt = prompts[min(row, len(prompts) - 1)]
        ids[row, -len(prompt) :] = prompt
    return ids


def _answers(
    model: nnx.Module,
    ids: np.ndarray,
    keys: jax.Array,
    temperature: float,
    used: int,
    ends: jax.Array,
    limit: int,
    most: int,
) -> Iterator[tuple[int, np.ndarray]]:
    """Generate a batch of answers; yield finished ones while others are still being generated.

    Yield a pair for each answer: its row in `ids`, and its tokens, int32 [n]. The tokens include
    the stop token, if the answer has one.

    Args:
      model: the model to sample from.
      ids: int32 [rows, length], the prompts, each at the right end of its row.
      keys: [rows], the random key of each row.
      temperature: as for `generate`.
      used: the number of rows with a prompt of their own; the rows after them are fillers.
      ends: ids of the stop tokens.
      limit: the longest cache, in tokens per row.
      most: the most tokens of an answer.
    """
    # `rows` maps the rows still in the batch to rows of `ids`. Unused rows count as done.
    rows, room = np.arange(len(ids)), _room(ids.shape[1], limit)
    done = rows >= used
    with devices_of(model) as mesh, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Tunix 0.1.7 with Flax 0.12
        if len(ids) % mesh.shape["fsdp"] == 0:
            ids = shard_input(ids, ("fsdp",))
        # Prefill: fill the cache with all prompts.
        state = read(model, ids, done, keys, room=room, most=most)
        while True:
            # Decode until half of the rows are done (all, if the batch cannot shrink any more),
            # or the cache is full.
            smaller = _shape(1, len(rows)) < len(rows)
            state = write(model, state, ends, len(rows) // 2 if smaller else 0, temperature)
            done, tokens = np.asarray(state.done), np.asarray(state.tokens)
            # Yield the answers that have a stop token or the most tokens.
            for row in np.flatnonzero(done & (rows < used)):
                stop = np.flatnonzero(np.isin(tokens[row], ends))
                yield rows[row], tokens[row, : stop[0] + 1 if len(stop) else most]
            if done.all():
                return
            # Shrink the batch: unfinished rows come first, finished ones fill it up to its shape.
            kept = np.argsort(done, kind="stable")[: _shape(int((~done).sum()), len(rows))]
            rows = np.where(done, used, rows)[kept]  # finished rows were yielded: mark them unused
            # Grow the cache only when it is full; empty slots slow down each decoding step.
            if int(state.at) == room:
                room = _room(room, limit)
            state = _chosen(state, kept, room)


@partial(nnx.jit, static_argnames=("room", "most"))
def read(
    model: Any, ids: jax.Array, done: jax.Array, keys: jax.Array, room: int, most: int
) -> Answers:
    """Prefill: fill a new cache with the tokens of every prompt, except its last token.

    This function generates nothing. `write` then gives the last token of each prompt to the model
    and chooses the first new token.

    Args:
      model: the model to sample from.
      ids: int32 [rows, length], the prompts, each at the right end of its row.
      done: bool [rows]: True for rows that need no answer.
      keys: [rows], the random key of each row.
      room: the length of the cache, in tokens per row.
      most: the most tokens of an answer.

    Returns:
      The state from which `write` generates.
    """
    rows, length = ids.shape
    there = ids != PAD
    # Each token attends to itself and to earlier ones of its prompt, never to the padding.
    seen = jnp.pad(there[:, :-1], ((0, 0), (0, room - length + 1)))
    earlier = jnp.arange(room)[None, :] <= jnp.arange(length - 1)[:, None]
    # Positions count the tokens seen, so a prompt starts at 0 however much padding precedes it.
    positions = jnp.maximum(jnp.cumsum(there, 1) - 1, 0)
    empty = _cache(model, rows, room)
    _, cache = model(ids[:, :-1], positions[:, :-1], empty, seen[:, None, :] & earlier)
    # The last token of each prompt is left to `write`: its logits choose the first new token.
    at = jnp.int32(length - 1)
    tokens = jnp.full((rows, most), PAD, jnp.int32)
    return Answers(tokens, ids[:, -1], done, seen, cache, at, jnp.full(rows, at), keys)


def _cache(model: Any, rows: int, room: int) -> dict[str, dict[str, jax.Array]]:
    config = model.config
    shape = rows, room, config.num_kv_heads, config.head_dim
    dtype = model.embedder.input_embedding.value.dtype
    return {
        f"layer_{i}": {
            "k": jnp.zeros(shape, dtype),
            "v": jnp.zeros(shape, dtype),
            "end_index": jnp.zeros(rows, jnp.int32),
        }
        for i in range(config.num_layers)
    }


@partial(nnx.jit, donate_argnames="state")
def write(
    model: Any,
    state: Answers,
    ends: jax.Array,
    fewest: int,
    temperature: float | jax.Array,
    steps: int = _FOREVER,
) -> Answers:
    """Decode: generate tokens until at most `fewest` answers are unfinished.

    An answer is finished if it has a stop token, or as many tokens as `state.tokens` can hold. Stop
    earlier if the cache is full, or after `steps` tokens of each row. `state` is donated.

    Args:
      model: the model to sample from.
      state: the answers so far, from `read` or an earlier `write`.
      ends: ids of the stop tokens.
      fewest: the number of unfinished answers at which to stop.
      temperature: as for `generate`; the same for all rows, or float32 [rows].
      steps: the number of decoding steps after which to stop, to look at what is written so far.

    Returns:
      The state with the new tokens.
    """
    graph, weights = nnx.split(model)
    begun, most, room = state.at, state.tokens.shape[1], state.seen.shape[1]

    def under_way(state: Answers) -> jax.Array:
        left = (state.at < room) & (state.at - begun < steps)
        return left & ((~state.done).sum() > fewest)

    def step(state: Answers) -> Answers:
        model = nnx.merge(graph, weights)
        # The next position is the number of tokens seen; padding on the left does not count.
        positions = state.seen.sum(1)
        # `last` goes into the same cache slot in every row, and may attend to itself.
        seen = state.seen.at[:, state.at].set(True)
        logits, cache = model(
            state.last[:, None], positions[:, None], state.cache, seen[:, None, :]
        )
        # Rows that are done are computed too, but get padding.
        chosen = _chosen_tokens(logits[:, -1], state, temperature)
        found = jnp.where(state.done, PAD, chosen)
        # `where` updates a column that differs by row, and stays on the devices of its rows.
        written = (state.at - state.first)[:, None]
        tokens = jnp.where(jnp.arange(most) == written, found[:, None], state.tokens)
        done = state.done | jnp.isin(found, ends) | (written[:, 0] + 1 == most)
        return Answers(tokens, found, done, seen, cache, state.at + 1, state.first, state.keys)

    return jax.lax.while_loop(under_way, step, state)


def _chosen_tokens(logits: jax.Array, state: Answers, temperature: float | jax.Array) -> jax.Array:
    """Choose a token for each row: the likeliest at temperature 0, else a random draw.

    The argmax of logits plus Gumbel noise is a random draw from their softmax.

    Args:
      logits: [rows, vocabulary], the logits of the next token.
      state: the batch, for the random key of each row.
      temperature: as for `write`.

    Returns:
      The token ids, int32 [rows].

    Source: Gumbel 1954, "Statistical Theory of Extreme Values and Some Practical Applications".
    """

    def noise(key: jax.Array, written: jax.Array) -> jax.Array:
        return jax.random.gumbel(jax.random.fold_in(key, written), logits.shape[1:])

    logits = logits.astype(jnp.float32)
    each = jnp.broadcast_to(temperature, len(logits))[:, None]
    shifted = jax.lax.cond(
        (each > 0).any(),
        lambda: logits + each * jax.vmap(noise)(state.keys, state.at - state.first),
        lambda: logits,
    )
    return jnp.argmax(shifted, axis=-1).astype(jnp.int32)


@partial(jax.jit, static_argnames="room")
def _chosen(state: Answers, rows: jax.Array, room: int) -> Answers:
    """Return the state with only some rows, and with a cache of `room` slots per row.

    Args:
      state: the batch; its cache has at most `room` slots per row.
      rows: int [n], the indices of the rows to keep.
      room: the length of the new cache, in tokens per row; new slots are empty.
    """

    def longer(x: jax.Array) -> jax.Array:
        if x.ndim == 1:  # `end_index`, one number per row
            return x
        return jnp.pad(x, [(0, 0), (0, room - x.shape[1]), *[(0, 0)] * (x.ndim - 2)])

    # Select the rows of every array; only `at` is a scalar, the same for all rows. Then
    # append empty slots to `seen` and the cache, which is written from the left.
    state = jax.tree.map(lambda x: x[rows] if x.ndim else x, state)
    return state._replace(seen=longer(state.seen), cache=jax.tree.map(longer, state.cache))
