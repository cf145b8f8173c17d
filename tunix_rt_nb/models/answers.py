"""A batch of answers that are being generated: its state on the devices, and what changes it.

All rows write their next token into the same slot of the cache, so a step of decoding is one write.
A row's tokens lie next to each other and end in this slot. So a row can begin, or go back, whenever
it likes: only its own slots move.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from tunix_rt_nb.models import drawing
from tunix_rt_nb.models.tokenizer import PAD

UNBOUNDED = 2**31 - 1  # steps of decoding, to write until answers finish
_AGAIN = 2**31 - 1  # folded into a key for other draws; no number of tokens is as large

Split = tuple[nnx.GraphDef[Any], nnx.State]
"""A model as `nnx.split` returns it; a function of `nnx.jit` would return copies of its weights."""


class Answers(NamedTuple):
    """The state of a batch of answers being generated.

    A batch has one row per answer. `most` is the largest number of tokens of an answer, `room` the
    number of cache slots per row.

    Attributes:
      tokens: int32 [rows, most]: the tokens generated so far, stop tokens included; then what means
        nothing.
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


def keys_of(seed: int, numbers: Sequence[int], rows: int) -> jax.Array:
    """Derive the random key of each row in a batch from the seed and the index of its prompt.

    Args:
      seed: seeds the random draws.
      numbers: the index of each prompt of the batch in all prompts.
      rows: the number of rows in the batch. Unused rows, after those with a prompt, repeat the last
        key.
    """
    all_numbers = np.pad(np.array(numbers, np.uint32), (0, rows - len(numbers)), "edge")
    return jax.vmap(partial(jax.random.fold_in, jax.random.key(seed)))(all_numbers)


@partial(jax.jit, static_argnames=("room", "most"))
def read(
    model: Split, ids: jax.Array, done: jax.Array, keys: jax.Array, room: int, most: int
) -> Answers:
    """Prefill: fill a new cache with the tokens of every prompt, except its last token.

    This function generates nothing. `write` then gives the last token of each prompt to the model
    and chooses the first new token.

    Args:
      model: the model to sample from, split.
      ids: int32 [rows, length], the prompts, each at the right end of its row.
      done: bool [rows]: True for rows that need no answer.
      keys: [rows], the random key of each row.
      room: the length of the cache, in tokens per row.
      most: the most tokens of an answer.

    Returns:
      The state from which `write` generates.
    """
    whole = nnx.merge(*model)
    rows, length = ids.shape
    there = ids != PAD
    # Each token attends to itself and to earlier ones of its prompt, never to the padding.
    seen = jnp.pad(there[:, :-1], ((0, 0), (0, room - length + 1)))
    earlier = jnp.arange(room)[None, :] <= jnp.arange(length - 1)[:, None]
    # Positions count the tokens seen, so a prompt starts at 0 however much padding precedes it.
    positions = jnp.maximum(jnp.cumsum(there, 1) - 1, 0)
    empty = _cache(whole, rows, room)
    _, cache = whole(ids[:, :-1], positions[:, :-1], empty, seen[:, None, :] & earlier)
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


@partial(jax.jit, donate_argnames="state")
def write(
    model: Split,
    state: Answers,
    ends: jax.Array,
    fewest: int,
    temperature: float | jax.Array,
    steps: int = UNBOUNDED,
) -> Answers:
    """Decode: generate tokens until at most `fewest` answers are unfinished.

    An answer is finished if it has a stop token, or as many tokens as `state.tokens` can hold. Stop
    earlier if the cache is full, or after `steps` tokens of each row. `state` is donated.

    Args:
      model: the model to sample from, split.
      state: the answers so far, from `read` or an earlier `write`.
      ends: ids of the stop tokens.
      fewest: the number of unfinished answers at which to stop.
      temperature: 0 takes the likeliest token each time, 1 samples from the model's distribution;
        the same for all rows, or float32 [rows].
      steps: the number of decoding steps after which to stop, to look at what is written so far.

    Returns:
      The state with the new tokens.
    """
    begun, most, room = state.at, state.tokens.shape[1], state.seen.shape[1]

    def under_way(state: Answers) -> jax.Array:
        left = (state.at < room) & (state.at - begun < steps)
        return left & ((~state.done).sum() > fewest)

    def step(state: Answers) -> Answers:
        # The next position is the number of tokens seen; padding on the left does not count.
        positions = state.seen.sum(1)
        # `last` goes into the same cache slot in every row, and may attend to itself.
        seen = state.seen.at[:, state.at].set(True)
        logits, cache = nnx.merge(*model)(
            state.last[:, None], positions[:, None], state.cache, seen[:, None, :]
        )
        # Rows that are done are computed too, but get padding.
        chosen = drawing.draw(logits[:, -1], state.keys, state.at - state.first, temperature)
        found = jnp.where(state.done, PAD, chosen)
        # `where` updates a column that differs by row, and stays on the devices of its rows.
        written = (state.at - state.first)[:, None]
        tokens = jnp.where(jnp.arange(most) == written, found[:, None], state.tokens)
        done = state.done | jnp.isin(found, ends) | (written[:, 0] + 1 == most)
        return Answers(tokens, found, done, seen, cache, state.at + 1, state.first, state.keys)

    return jax.lax.while_loop(under_way, step, state)


@partial(jax.jit, donate_argnames="state")
def filled(state: Answers, new: Answers, places: jax.Array) -> Answers:
    """Let new answers begin in rows whose answers are finished.

    Args:
      state: the batch; it is donated. `at` is at least the length of the new prompts - 1.
      new: the state of the new prompts, from `read`; its cache is as long as the prompts.
      places: int [rows of `new`], the row that each new answer gets. If `new` repeats its last
        prompt, `places` repeats the last row.
    """
    room, length = state.seen.shape[1], new.seen.shape[1]

    def put(x: jax.Array, rows: jax.Array) -> jax.Array:
        if x.ndim == 1:  # `end_index`, one number per row, the same in all
            return x
        # Place the prompts so that they end in the slot in which all rows go on.
        empty = jnp.zeros((len(rows), room, *rows.shape[2:]), rows.dtype)
        start = (0, state.at - (length - 1), *[0] * (rows.ndim - 2))
        return x.at[places].set(jax.lax.dynamic_update_slice(empty, rows, start))

    return state._replace(
        last=state.last.at[places].set(new.last),
        done=state.done.at[places].set(False),
        seen=put(state.seen, new.seen),
        cache=jax.tree.map(put, state.cache, new.cache),
        first=state.first.at[places].set(state.at),
        keys=state.keys.at[places].set(new.keys),
    )


@partial(jax.jit, donate_argnames="state")
def taken_back(state: Answers, places: jax.Array, kept: jax.Array, last: jax.Array) -> Answers:
    """Take back the last tokens of some answers, which then go on with other random draws.

    The slots of a row stay next to each other. So a sliding window, which counts slots, reaches as
    many tokens as it does in an answer of which nothing was taken back.

    Args:
      state: the batch; it is donated.
      places: int [n], the rows. One may come several times, with the same values each time.
      kept: int [n], how many tokens of each answer to keep.
      last: int [n], the last token that is kept of each row, prompt included.
    """
    # Forget the slots of the tokens taken back; positions and attention follow from `seen`.
    slots = jnp.arange(state.seen.shape[1])
    end = state.first[places] + kept
    seen = state.seen[places] & (slots < end[:, None])
    # Roll the rows, so that they go on in the same slot as all others. What comes round the end
    # holds nothing.
    roll = jax.vmap(partial(jnp.roll, axis=0))

    def rolled(x: jax.Array) -> jax.Array:
        return x if x.ndim == 1 else x.at[places].set(roll(x[places], state.at - end))

    fresh = jax.vmap(partial(jax.random.fold_in, data=_AGAIN))(state.keys[places])
    return state._replace(
        last=state.last.at[places].set(last.astype(jnp.int32)),
        done=state.done.at[places].set(False),
        seen=state.seen.at[places].set(roll(seen, state.at - end)),
        cache=jax.tree.map(rolled, state.cache),
        first=state.first.at[places].set((state.at - kept).astype(jnp.int32)),
        keys=state.keys.at[places].set(fresh),
    )


@partial(jax.jit, donate_argnames="state")
def moved(state: Answers, at: jax.Array) -> Answers:
    """Move all rows in the cache, so that they go on in slot `at`; `state` is donated.

    No row may have more tokens, prompt included, than fit before this slot and in it.
    """
    by = jnp.int32(at) - state.at

    def rolled(x: jax.Array) -> jax.Array:
        return x + by if x.ndim == 1 else jnp.roll(x, by, axis=1)

    return state._replace(
        seen=rolled(state.seen),
        cache=jax.tree.map(rolled, state.cache),
        at=state.at + by,
        first=state.first + by,
    )


@partial(jax.jit, static_argnames="room")
def chosen(state: Answers, rows: jax.Array, room: int) -> Answers:
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
