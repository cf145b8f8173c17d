"""The loss of packed rows. Logits are computed only at trained tokens."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from tunix.sft.sharding_utils import shard_input

from tunix_rt_nb.models import devices_of, hosts
from tunix_rt_nb.render import Rows
from tunix_rt_nb.train.logits import cross_entropy, log_probabilities


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
        length - 1. `weights`, if there are any, is float32 [rows, places]: what each trained
        token's cross-entropy is multiplied by.
      dtype: the type of matrix products; the weights keep their own type.

    Returns:
      The sum in nats.
      The number of trained tokens, as a float.
      A mask of sound rows, bool [rows]: True if all hidden states that predict the row's trained
      tokens are finite.
    """
    at_places, *aims = _trained(model, batch, dtype)
    total = cross_entropy(at_places, *aims, batch.get("weights"))

    # Find rows with infinity or NaN here, because the sum mixes all rows.
    sound = jnp.isfinite(at_places).all(axis=(1, 2))
    used = batch["places"] < batch["tokens"].shape[1] - 1
    return total, used.sum().astype(jnp.float32), sound


def token_log_probabilities(model: Any, batch: dict[str, Any], dtype: str = "float32") -> jax.Array:
    """Return the log-probability of each trained token, float32 [rows, places]; 0 if unused.

    The arguments are those of `sums`.
    """
    return log_probabilities(*_trained(model, batch, dtype))


def _trained(
    model: Any, batch: dict[str, Any], dtype: str
) -> tuple[jax.Array, jax.Array, jax.Array, float | None]:
    """Return what predicts the trained tokens of a batch, and these tokens.

    Returns:
      The hidden states, [rows, places, width].
      The embedding, [vocabulary, width].
      The tokens to be predicted, int [rows, places], -1 at unused places.
      The soft cap of the logits; None for no cap.
    """
    # Run the model for its hidden states alone. It computes logits of all tokens too, but the
    # compiler drops them, because they are not used.
    model = _in(model, dtype)
    hidden = _hidden(model, batch)

    # Gather the hidden states that predict a trained token, and the tokens to be predicted. A
    # target of -1 adds nothing to loss and gradients.
    tokens, places = batch["tokens"], batch["places"]
    last = tokens.shape[1] - 1
    inside = jnp.minimum(places, last - 1)  # `last` marks an unused place
    at_places = jnp.take_along_axis(hidden, inside[:, :, None], axis=1)
    targets = jnp.take_along_axis(tokens, inside + 1, axis=1)
    embedding = model.embedder.input_embedding.value
    cap = getattr(model, "final_logits_softcap", None)  # Gemma 2 has one
    return at_places, embedding, jnp.where(places < last, targets, -1), cap


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
    with devices_of(model) as mesh:
        found = [
            _jitted_sums(model, shard_input(hosts.placed(batch, mesh), ("fsdp",)), dtype)
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
