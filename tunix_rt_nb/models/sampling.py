"""Batched generation: many prompts in, many responses out, few compilations."""

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

from tunix_rt_nb.models.devices import devices_of
from tunix_rt_nb.models.folder import gemma3
from tunix_rt_nb.models.tokenizer import PAD, Tokenizer
from tunix_rt_nb.trace import Generation

BUCKET = 32  # prompts are read in lengths that are a multiple of so many tokens
ROOM = 256  # tokens that the cache is there for at first
FEWEST = 8  # answers that are written at a time: of less, a step takes as long


class Answers(NamedTuple):
    """Answers under way.

    Attributes:
      tokens: int32 [rows, most]: what is written, stop tokens too.
      last: int32 [rows]: what is to be read next.
      done: bool [rows].
      seen: bool [rows, room]: where in the cache there is a token of the row.
      cache: Tunix's: keys and values by layer, each [rows, room, groups, width].
      at: int32, where in the cache `last` goes, in every row.
      first: int32, what `at` was at first.
      keys: [rows], what chance decides by.
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
    """Answers prompts, `batch_size` at a time, each until one of the stop pieces.

    Prompts of about a length are read together. When half of a batch has stopped, the other half
    goes on alone; the cache is twice as long whenever it is full, so a step looks at little that
    is empty. What is drawn depends on the seed and the prompt's number, not on the batch.

    Args:
      prompts: the ids of each prompt, from BOS to the opening of the model's turn.
      temperature: 0 takes the likeliest token each time, 1 draws as likely as the model has it.
      known: answers that are there already, by the number of the prompt: a batch of which all are
        is not answered again. Left out are whole batches only, so that the others stay as they are.
      on_batch: called with the answers of each batch.

    Returns:
      One generation a prompt, in the order of the prompts.
    """
    ends = jnp.array([tokenizer.control(piece) for piece in stops])
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    limit = _bucket(len(prompts[order[-1]])) + max_new_tokens
    written: dict[int, Generation] = {}
    for start in range(0, len(order), batch_size):
        numbers = order[start : start + batch_size]
        if all(i in known for i in numbers):
            written |= {i: known[i] for i in numbers}
            continue
        batch = _padded([prompts[i] for i in numbers], _shape(len(numbers), batch_size))
        chance = _keys(seed, numbers, len(batch)), temperature
        rows = _answers(model, batch, *chance, len(numbers), ends, limit, max_new_tokens)
        new = {numbers[row]: _generation(ids, ends, tokenizer) for row, ids in rows}
        on_batch(new)
        written |= new
    return [written[i] for i in range(len(prompts))]


def _generation(ids: np.ndarray, ends: jax.Array, tokenizer: Tokenizer) -> Generation:
    stopped = bool(np.isin(ids[-1], ends))
    text = tokenizer.decode(ids[:-1] if stopped else ids)
    return Generation(text, len(ids) - stopped, stopped)


def _keys(seed: int, numbers: Sequence[int], rows: int) -> jax.Array:
    """What chance decides by in each row; rows that are not used have the last one's."""
    all_numbers = np.pad(np.array(numbers, np.uint32), (0, rows - len(numbers)), "edge")
    return jax.vmap(partial(jax.random.fold_in, jax.random.key(seed)))(all_numbers)


def _bucket(length: int) -> int:
    return -(-length // BUCKET) * BUCKET


def _shape(n: int, most: int) -> int:
    """Rows for n answers: `most`, halved as long as they have room."""
    while most % 2 == 0 and most // 2 >= max(n, FEWEST):
        most //= 2
    return most


def _room(length: int, limit: int) -> int:
    """Room in the cache for so many tokens and some more; each is twice another, to be few."""
    room = ROOM
    while room < length + BUCKET:
        room *= 2
    return min(room, limit)


def _padded(prompts: Sequence[Sequence[int]], rows: int) -> np.ndarray:
    """Prompts as int32 [rows, length], each at the right end of its row; the last one repeated."""
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
    """What is written in each row that is used, up to its stop token: row and tokens."""
    rows, room = np.arange(len(ids)), _room(ids.shape[1], limit)
    done = rows >= used
    with devices_of(model) as mesh, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Tunix 0.1.7 with Flax 0.12
        if len(ids) % mesh.shape["fsdp"] == 0:
            ids = shard_input(ids, ("fsdp",))
        state = read(model, ids, done, keys, room=room, most=most)
        while True:
            smaller = _shape(1, len(rows)) < len(rows)
            state = write(model, state, ends, len(rows) // 2 if smaller else 0, temperature)
            done, tokens = np.asarray(state.done), np.asarray(state.tokens)
            over = done | (int(state.at - state.first) == most)
            for row in np.flatnonzero(over & (rows < used)):
                stop = np.flatnonzero(np.isin(tokens[row], ends))
                yield rows[row], tokens[row, : stop[0] + 1 if len(stop) else most]
            if over.all():
                return
            kept = np.argsort(over, kind="stable")[: _shape(int((~over).sum()), len(rows))]
            rows = np.where(over, used, rows)[kept]  # those that are over are told already
            if int(state.at) == room:
                room = _room(room, limit)
            state = _chosen(state, kept, room)


@partial(nnx.jit, static_argnames=("room", "most"))
def read(
    model: Any, ids: jax.Array, done: jax.Array, keys: jax.Array, room: int, most: int
) -> Answers:
    """Reads prompts but for their last tokens, with which writing begins; no logits are made.

    Args:
      ids: int32 [rows, length], prompts at the right end of each row.
      done: bool [rows]: where nothing is to be written.
      keys: [rows], what chance decides by.
      room: how many tokens a row of the cache holds.
      most: how many tokens may be written.
    """
    rows, length = ids.shape
    there = ids != PAD
    seen = jnp.pad(there[:, :-1], ((0, 0), (0, room - length + 1)))
    earlier = jnp.arange(room)[None, :] <= jnp.arange(length - 1)[:, None]
    positions = jnp.maximum(jnp.cumsum(there, 1) - 1, 0)
    empty = _cache(model, rows, room)
    _, cache = model(ids[:, :-1], positions[:, :-1], empty, seen[:, None, :] & earlier)
    first = jnp.int32(length - 1)
    tokens = jnp.full((rows, most), PAD, jnp.int32)
    return Answers(tokens, ids[:, -1], done, seen, cache, first, first, keys)


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
def write(model: Any, state: Answers, ends: jax.Array, fewest: int, temperature: float) -> Answers:
    """Writes on, until no more than `fewest` answers are under way or all the room is taken."""
    graph, weights = nnx.split(model)

    def under_way(state: Answers) -> jax.Array:
        most, room = state.tokens.shape[1], state.seen.shape[1]
        left = (state.at - state.first < most) & (state.at < room)
        return left & ((~state.done).sum() > fewest)

    def step(state: Answers) -> Answers:
        model = nnx.merge(graph, weights)
        positions = state.seen.sum(1)
        seen = state.seen.at[:, state.at].set(True)
        logits, cache = model(
            state.last[:, None], positions[:, None], state.cache, seen[:, None, :]
        )
        chosen = _chosen_tokens(logits[:, -1], state, temperature)
        found = jnp.where(state.done, PAD, chosen)
        tokens = state.tokens.at[:, state.at - state.first].set(found)
        done = state.done | jnp.isin(found, ends)
        return Answers(tokens, found, done, seen, cache, state.at + 1, state.first, state.keys)

    return jax.lax.while_loop(under_way, step, state)


def _chosen_tokens(logits: jax.Array, state: Answers, temperature: float) -> jax.Array:
    """The likeliest token of each row; at a temperature, of logits that chance has shifted.

    The highest of logits to which Gumbel noise was added is as likely as its softmax says.

    Source: Gumbel 1954, "Statistical Theory of Extreme Values and Some Practical Applications".
    """

    def noise(key: jax.Array) -> jax.Array:
        return jax.random.gumbel(jax.random.fold_in(key, state.at - state.first), logits.shape[1:])

    logits = logits.astype(jnp.float32)
    shifted = jax.lax.cond(
        temperature > 0,
        lambda: logits + temperature * jax.vmap(noise)(state.keys),
        lambda: logits,
    )
    return jnp.argmax(shifted, axis=-1).astype(jnp.int32)


@partial(jax.jit, static_argnames="room")
def _chosen(state: Answers, rows: jax.Array, room: int) -> Answers:
    """Some rows of what is under way, with so much room in the cache."""

    def longer(x: jax.Array) -> jax.Array:
        if x.ndim == 1:  # `end_index`, which has a number a row
            return x
        return jnp.pad(x, [(0, 0), (0, room - x.shape[1]), *[(0, 0)] * (x.ndim - 2)])

    state = jax.tree.map(lambda x: x[rows] if x.ndim else x, state)
    return state._replace(seen=longer(state.seen), cache=jax.tree.map(longer, state.cache))
