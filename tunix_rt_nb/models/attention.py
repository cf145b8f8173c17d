"""Attention of packed rows: no token looks further back than an example is long."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from tunix.models.gemma import model as gemma2
from tunix.models.gemma3 import model as gemma3
from tunix.utils import sharding_utils


class _Packed(nnx.Module):
    """Tunix's attention that takes the segments of packed rows in the place of a mask."""

    def block(self, x: Any, segment_pos: Any, cache: Any, attn_mask: Any) -> tuple[Any, Any]:
        """As Tunix's; it is Tunix's where `attn_mask` is no segments, as in generation."""
        if attn_mask.dtype == bool:
            return super().block(x, segment_pos, cache, attn_mask)
        if self.use_qkv_einsum:
            query, key, value = self.qkv_einsum(x)
        else:
            query = self.q_einsum(x)
            key, value = self.kv_einsum(x)
        query, key, value = (self._shared(each) for each in (query, key, value))
        query = self._placed(self._query_norm(query), segment_pos) * self.query_pre_attn_scalar
        key = self._placed(self._key_norm(key), segment_pos)
        window = self.sliding_window_size if self.attn_type.name == "LOCAL_SLIDING" else None
        found = attend(query, key, value, attn_mask, window, self.attn_logits_soft_cap)
        return None, sharding_utils.shard(self.attn_vec_einsum(found), self.shd_config.act_btd)

    def _shared(self, x: jax.Array) -> jax.Array:
        return sharding_utils.shard(x, self.shd_config.act_btnh)

    def _placed(self, x: jax.Array, positions: jax.Array) -> jax.Array:
        """In float32, which Tunix would take by itself but where types must be given."""
        return gemma3.apply_rope(
            x.astype(jnp.float32),
            positions.astype(jnp.float32),
            head_dim=self.head_dim,
            base_frequency=self.rope_base_frequency,
            scale_factor=self.rope_scale_factor,
        ).astype(x.dtype)


class PackedAttention(_Packed, gemma3.Attention):
    """That of Gemma 3."""

    attn_logits_soft_cap = None


class PackedGemma2Attention(_Packed, gemma2.Attention):
    """That of Gemma 2, whose layers are all placed alike and normalise no queries and keys."""

    rope_base_frequency = 10_000
    rope_scale_factor = 1.0

    @property
    def query_pre_attn_scalar(self) -> float:
        """What queries are multiplied by."""
        return self.head_dim**-0.5

    def _query_norm(self, x: jax.Array) -> jax.Array:
        return x

    _key_norm = _query_norm


def takes_segments(model: nnx.Module) -> None:
    """Lets a model be called with the segments of packed rows in the place of a mask."""
    for layer in model.layers:
        of_gemma3 = isinstance(layer.attn, gemma3.Attention)
        layer.attn.__class__ = PackedAttention if of_gemma3 else PackedGemma2Attention


def soft_cap(x: jax.Array, cap: float | None) -> jax.Array:
    """Values below a cap nearly as they are, those beyond it nearly the cap; all if it is None.

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
    """Softmax attention of each token to the earlier ones of its own segment.

    No segment, or at least no window, is longer than a block. So all that a token attends to stands
    in its own block and the one before, and time and memory grow with the length of a row, not with
    its square.

    Args:
      query: [rows, length, heads, width], scaled.
      key: [rows, length, groups, width]; each is for heads / groups of the heads.
      value: as `key`.
      segments: int [rows, blocks, size], blocks * size >= length, as `packing.Rows.take` cuts them.
      window: how many tokens back a token sees, itself included; all of its segment if None.
      cap: of the scores, a soft one.

    Returns:
      [rows, length, heads, width].

    Source: blocks that attend to their neighbours are those of Child et al. 2019, "Generating Long
    Sequences with Sparse Transformers"; here they lose nothing.

    Example:
      >>> x = jnp.arange(4.0).reshape(1, 4, 1, 1)
      >>> attend(0 * x, x, x, jnp.array([[[1, 1], [2, 2]]])).ravel().tolist()
      [0.0, 0.5, 2.0, 2.5]
    """
    rows, length, heads, width = query.shape
    segments = _within(segments, window)
    blocks, size = segments.shape[1:]
    groups = key.shape[2]

    def cut(x: jax.Array) -> jax.Array:
        spare = blocks * size - length
        return jnp.pad(x, ((0, 0), (0, spare), (0, 0), (0, 0))).reshape(
            rows, blocks, size, groups, -1, width
        )

    queries, keys, values = cut(query), *(_with_before(cut(x)[:, :, :, :, 0]) for x in (key, value))
    scores = soft_cap(jnp.einsum("bnqkgd,bnskd->bnkgqs", queries, keys), cap)
    allowed = _allowed(segments, window)[:, :, None, None]
    shares = jax.nn.softmax(jnp.where(allowed, scores, gemma3.K_MASK), axis=-1)
    found = jnp.einsum("bnkgqs,bnskd->bnqkgd", shares.astype(value.dtype), values)
    return found.reshape(rows, blocks * size, heads, width)[:, :length]


def _within(segments: jax.Array, window: int | None) -> jax.Array:
    """Segments in blocks as short as the window, where a token reaches further than two of them."""
    rows, blocks, size = segments.shape
    if window is None or 2 * window >= min(blocks, 2) * size:
        return segments
    spare = -blocks * size % window
    return jnp.pad(segments.reshape(rows, -1), ((0, 0), (0, spare))).reshape(rows, -1, window)


def _with_before(x: jax.Array) -> jax.Array:
    """Each block behind the one before it, zeros before the first; a single one stays alone."""
    if x.shape[1] == 1:
        return x
    return jnp.concatenate([jnp.pad(x, ((0, 0), (1, 0)) + ((0, 0),) * (x.ndim - 2))[:, :-1], x], 2)


def _allowed(segments: jax.Array, window: int | None) -> jax.Array:
    """Which of a block's tokens may attend to which, [rows, blocks, size, size or twice that]."""
    reached = _with_before(segments)
    size = segments.shape[2]
    back = jnp.arange(size)[:, None] - jnp.arange(size - reached.shape[2], size)[None, :]
    near = back >= 0 if window is None else (back >= 0) & (back < window)
    return near & (segments[:, :, :, None] == reached[:, :, None, :])
