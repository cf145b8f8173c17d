"""Blockwise attention over packed rows.

A packed row holds several examples, one after the other. Each example is a segment of the row. A
token attends only to itself and earlier tokens of its own segment. Rows are cut into blocks, and no
segment is longer than a block. A segment can therefore begin in one block and end in the next, but
never reach a third. So a token needs only the tokens of its own block and of the block before it.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from tunix.models.gemma import model as gemma2
from tunix.models.gemma3 import model as gemma3
from tunix.utils import sharding_utils


class _Packed(nnx.Module):
    """A mixin that lets a Tunix attention layer take segment numbers in place of a mask.

    A segment number says which example of a packed row a token belongs to.
    """

    def block(self, x: Any, segment_pos: Any, cache: Any, attn_mask: Any) -> tuple[Any, Any]:
        """Compute the attention of a layer, for a boolean mask or for segment numbers.

        Given a boolean mask, as in generation, call Tunix's own attention. Given integers, take
        them as the segment numbers of packed rows; each token then attends only to its segment.

        Args:
          x: the layer's input, [rows, length, embed_dim].
          segment_pos: int [rows, length], the position of each token in its segment.
          cache: the keys and values of earlier tokens; used only with a boolean mask.
          attn_mask: a boolean mask, or `segments` as in `attend`.

        Returns:
          The new cache (None for packed rows) and the output, [rows, length, embed_dim].
        """
        if attn_mask.dtype == bool:
            return super().block(x, segment_pos, cache, attn_mask)
        if self.use_qkv_einsum:
            query, key, value = self.qkv_einsum(x)
        else:
            query = self.q_einsum(x)
            key, value = self.kv_einsum(x)
        query, key, value = (self._shared(each) for each in (query, key, value))
        # Normalise, then rotate by position, then scale the queries: the order of Tunix.
        query = self._placed(self._query_norm(query), segment_pos) * self.query_pre_attn_scalar
        key = self._placed(self._key_norm(key), segment_pos)
        # Only local layers have a window; the others see their whole segment.
        window = self.sliding_window_size if self.attn_type.name == "LOCAL_SLIDING" else None
        found = attend(query, key, value, attn_mask, window, self.attn_logits_soft_cap)
        return None, sharding_utils.shard(self.attn_vec_einsum(found), self.shd_config.act_btd)

    def _shared(self, x: jax.Array) -> jax.Array:
        return sharding_utils.shard(x, self.shd_config.act_btnh)

    def _placed(self, x: jax.Array, positions: jax.Array) -> jax.Array:
        """Rotate queries or keys by position (RoPE) in float32, then cast back to their type.

        Tunix relies on implicit promotion to float32. The explicit casts do the same and also work
        under JAX's strict type promotion.

        Args:
          x: the queries or keys, [rows, length, heads, head_dim].
          positions: int [rows, length], the position of each token in its segment.
        """
        return gemma3.apply_rope(
            x.astype(jnp.float32),
            positions.astype(jnp.float32),
            head_dim=self.head_dim,
            base_frequency=self.rope_base_frequency,
            scale_factor=self.rope_scale_factor,
        ).astype(x.dtype)


class PackedAttention(_Packed, gemma3.Attention):
    """Gemma 3's attention over packed rows."""

    attn_logits_soft_cap = None


class PackedGemma2Attention(_Packed, gemma2.Attention):
    """Gemma 2's attention over packed rows.

    All its layers use the same base frequency to rotate queries and keys by position (RoPE). No
    layer normalises queries or keys.
    """

    rope_base_frequency = 10_000
    rope_scale_factor = 1.0

    @property
    def query_pre_attn_scalar(self) -> float:
        """The scale of queries, 1/sqrt(head_dim).

        Hugging Face's setting of this name is head_dim itself.
        """
        return self.head_dim**-0.5

    def _query_norm(self, x: jax.Array) -> jax.Array:
        return x

    _key_norm = _query_norm


def takes_segments(model: nnx.Module) -> None:
    """Change a model in place so that it also takes packed rows: rows of several examples each.

    Callers of the model may then pass `segments`, as in `attend`, as its attention mask. Boolean
    masks work as before.
    """
    for layer in model.layers:
        of_gemma3 = isinstance(layer.attn, gemma3.Attention)
        layer.attn.__class__ = PackedAttention if of_gemma3 else PackedGemma2Attention


def soft_cap(x: jax.Array, cap: float | None) -> jax.Array:
    """Squash values smoothly into (-cap, cap); small ones hardly change. If cap is None, return x.

    Source: Gemma Team 2024, "Gemma 2: Improving Open Language Models at a Practical Size".
    """
    return x if cap is None else cap * jnp.tanh(x / cap)


def attend(
    query: jax.Array,
    key: jax.Array,
    value: jax.Array,
    segments: jax.Array,
    window: int | None = None,
    cap: float | None = None,
) -> jax.Array:
    """Compute softmax attention of each token to itself and earlier tokens of its own segment.

    Rows are cut into blocks. Each query is scored only on the keys of its own block and of the
    block before it. The result is still exact, because a block is at least as long as the longest
    segment or as the window: no token attends further back. Time and memory are linear in the
    length of a row, not quadratic.

    Args:
      query: [rows, length, heads, width], scaled already.
      key: [rows, length, groups, width]. Groups are the KV heads; each serves heads / groups of the
        query heads.
      value: [rows, length, groups, width].
      segments: int [rows, blocks, size], the segment number of each token, cut into blocks of
        `size` tokens by `packing.Rows.take`; blocks * size >= length. No segment is longer than
        `size`.
      window: the most tokens that a token attends to, itself included; None for no such limit.
      cap: soft cap on the scores; None for no cap.

    Returns:
      [rows, length, heads, width].

    Source: Child et al. 2019, "Generating Long Sequences with Sparse Transformers", for blocks that
    attend to their neighbours.

    Example:
      >>> x = jnp.arange(4.0).reshape(1, 4, 1, 1)
      >>> attend(0 * x, x, x, jnp.array([[[1, 1], [2, 2]]])).ravel().tolist()
      [0.0, 0.5, 2.0, 2.5]
    """
    rows, length, heads, width = query.shape
    segments = _within(segments, window)
    blocks, size = segments.shape[1:]
    groups = key.shape[2]

    # Cut each row into blocks; the heads of a group, which share keys, become an axis.
    def cut(x: jax.Array) -> jax.Array:
        spare = blocks * size - length
        return jnp.pad(x, ((0, 0), (0, spare), (0, 0), (0, 0))).reshape(
            rows, blocks, size, groups, -1, width
        )

    # A query sees the keys of its block and of the block before it, nothing else.
    queries, keys, values = cut(query), *(_with_before(cut(x)[:, :, :, :, 0]) for x in (key, value))
    # Score only these pairs: [rows, blocks, groups, heads / groups, queries, keys].
    scores = soft_cap(jnp.einsum("bnqkgd,bnskd->bnkgqs", queries, keys), cap)
    # Mask the keys of other segments, of later tokens, and of tokens beyond the window.
    allowed = _allowed(segments, window)[:, :, None, None]
    shares = jax.nn.softmax(jnp.where(allowed, scores, gemma3.K_MASK), axis=-1)
    # Average the values, then join the blocks and drop the padding at the end.
    found = jnp.einsum("bnkgqs,bnskd->bnqkgd", shares.astype(value.dtype), values)
    return found.reshape(rows, blocks * size, heads, width)[:, :length]


def _within(segments: jax.Array, window: int | None) -> jax.Array:
    """Cut rows into blocks of `window` tokens, if each query then has fewer keys to be scored on.

    A query is scored on the keys of its own block and of the block before it, if there is one.
    Return `segments` unchanged if there is no window, or if shorter blocks would save nothing.

    Args:
      segments: int [rows, blocks, size], as in `attend`.
      window: the most tokens that a token attends to, itself included; None for no such limit.

    Returns:
      The same segment numbers, int [rows, blocks, window], or `segments` itself.
    """
    rows, blocks, size = segments.shape
    if window is None or 2 * window >= min(blocks, 2) * size:
        return segments
    spare = -blocks * size % window
    return jnp.pad(segments.reshape(rows, -1), ((0, 0), (0, spare))).reshape(rows, -1, window)


def _with_before(x: jax.Array) -> jax.Array:
    """Prepend to each block of a row the block before it.

    Zeros are prepended to the first block. If a row has only one block, return `x` unchanged.

    Args:
      x: [rows, blocks, size, ...].

    Returns:
      [rows, blocks, 2 * size, ...].
    """
    if x.shape[1] == 1:
        return x
    return jnp.concatenate([jnp.pad(x, ((0, 0), (1, 0)) + ((0, 0),) * (x.ndim - 2))[:, :-1], x], 2)


def _allowed(segments: jax.Array, window: int | None) -> jax.Array:
    """Build the attention mask of each block, True where a query may attend to a key.

    Args:
      segments: int [rows, blocks, size], as in `attend`.
      window: the most tokens that a token attends to, itself included; None for no such limit.

    Returns:
      bool [rows, blocks, queries, keys]. The queries are the `size` tokens of the block. The keys
      are the tokens of the block before, then the tokens of the block itself. If a row has only one
      block, the keys are the tokens of this block.
    """
    reached = _with_before(segments)
    size = segments.shape[2]
    # `back` is how many tokens a key is before its query. Keys of the previous block come first.
    back = jnp.arange(size)[:, None] - jnp.arange(size - reached.shape[2], size)[None, :]
    near = back >= 0 if window is None else (back >= 0) & (back < window)
    return near & (segments[:, :, :, None] == reached[:, :, None, :])
