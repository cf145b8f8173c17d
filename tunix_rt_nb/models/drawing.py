"""The draw of the next token of each row in a batch of answers."""

import jax
import jax.numpy as jnp

_BLOCK = 512  # tokens of the vocabulary that are summed up together


def draw(
    logits: jax.Array, keys: jax.Array, written: jax.Array, temperature: float | jax.Array
) -> jax.Array:
    """Draw the next token of each row; at temperature 0 take the likeliest.

    Args:
      logits: [rows, vocabulary], the logits of the next token.
      keys: [rows], the random key of each row.
      written: int32 [rows], how many tokens each row has; each token has its own random number.
      temperature: 0 or above, the same for all rows, or float32 [rows].

    Returns:
      The token ids, int32 [rows].
    """
    logits = logits.astype(jnp.float32)
    heat = jnp.broadcast_to(temperature, len(logits))
    likeliest = jnp.argmax(logits, axis=-1).astype(jnp.int32)

    def drawn() -> jax.Array:
        chance = jax.vmap(jax.random.uniform)(jax.vmap(jax.random.fold_in)(keys, written))
        chosen = from_softmax(logits / jnp.where(heat > 0, heat, 1.0)[:, None], chance)
        return jnp.where(heat > 0, chosen, likeliest)

    return jax.lax.cond((heat > 0).any(), drawn, lambda: likeliest)


def from_softmax(logits: jax.Array, chance: jax.Array) -> jax.Array:
    """Draw a token for each row from the softmax of its logits, with one random number per row.

    The tokens lie side by side on a line, each as long as it is likely; the number is a place on
    it. First the block of tokens at this place is found, then the token in it. That is faster than
    noise for each token of a large vocabulary.

    Args:
      logits: float32 [rows, vocabulary].
      chance: float32 [rows], the random numbers, from 0 up to 1.

    Returns:
      The token ids, int32 [rows].
    """
    sizes = jnp.exp(logits - logits.max(axis=1, keepdims=True))
    sizes = jnp.pad(sizes, ((0, 0), (0, -sizes.shape[1] % _BLOCK)))
    blocks = sizes.reshape(len(sizes), -1, _BLOCK)
    sums = blocks.sum(axis=2)
    ends = jnp.cumsum(sums, axis=1)
    block, place = _found(sums, ends, chance * ends[:, -1])
    within = jnp.take_along_axis(blocks, block[:, None, None], 1)[:, 0]
    token, _ = _found(within, jnp.cumsum(within, axis=1), place)
    return (block * _BLOCK + token).astype(jnp.int32)


def _found(sizes: jax.Array, ends: jax.Array, place: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Find which of the parts of each row covers a place; return its index, and the place in it.

    A part of size 0 covers no place.

    Args:
      sizes: [rows, parts]; ends: their sums from the left, so the end of each.
      place: [rows], counted from the beginning of the first part.
    """
    # Rounding may put a place at the end of the last part, or behind it.
    place = jnp.minimum(place, jnp.nextafter(ends[:, -1], 0.0))
    part = jnp.argmax((ends > place[:, None]) & (sizes > 0), axis=1)
    begin = jnp.take_along_axis(ends - sizes, part[:, None], 1)[:, 0]
    return part, jnp.maximum(place - begin, 0.0)
