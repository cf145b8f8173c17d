"""The optimisers AdamW, Adafactor and Muon, with warm-up, cosine decay and gradient clipping."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from optax import contrib

from tunix_rt_nb.train.config import SftConfig


def schedule(config: SftConfig) -> optax.Schedule:
    """Return the learning rate as a function of the step: a linear rise, then a cosine to zero.

    Source: Loshchilov and Hutter 2017, "SGDR: Stochastic Gradient Descent with Warm Restarts", for
    the cosine.
    """
    return optax.warmup_cosine_decay_schedule(
        0.0,
        config.learning_rate,
        min(config.warmup_steps, config.steps),
        max(config.steps, config.warmup_steps + 1),
        end_value=0.0,
    )


def optimizer(config: SftConfig) -> optax.GradientTransformation:
    """Build the optimiser of a configuration. Norms and embeddings get no weight decay."""
    return optax.chain(
        _clipped(config.clip_norm),
        _OPTIMIZERS[config.optimizer](schedule(config), config.weight_decay),
    )


class _Clipped(NamedTuple):
    gradient_norm: jax.Array


def _clipped(most: float) -> optax.GradientTransformation:
    """Build a transformation that scales a gradient down to norm `most` if its norm is larger.

    The state of the transformation has the norm before scaling.

    Source: Pascanu et al. 2013, "On the difficulty of training recurrent neural networks".
    """
    clip = optax.clip_by_global_norm(most)

    def init(params: Any) -> _Clipped:
        return _Clipped(jnp.zeros((), jnp.float32))

    def update(gradient: Any, state: _Clipped, params: Any = None) -> tuple[Any, _Clipped]:
        norm = optax.global_norm(gradient).astype(jnp.float32)
        return clip.update(gradient, clip.init(params))[0], _Clipped(norm)

    return optax.GradientTransformation(init, update)


def gradient_norm(state: Any) -> jax.Array:
    """Return the last optimiser step's gradient norm, before clipping, from `optimizer`'s state."""
    return optax.tree.get(state, "gradient_norm")


def _adamw(rate: optax.Schedule, decay: float) -> optax.GradientTransformation:
    """Build AdamW.

    Source: Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization".
    """
    return optax.adamw(rate, b2=0.95, weight_decay=decay, mask=_decayed)


def _adafactor(rate: optax.Schedule, decay: float) -> optax.GradientTransformation:
    """Build Adafactor. It keeps second moments by row and column, so its state is tiny.

    Optax's ready-made `adafactor` does not scale weight decay by the learning rate; this one does.

    Source: Shazeer and Stern 2018, "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost".
    """
    return optax.chain(
        _whole(optax.scale_by_factored_rms()),
        optax.clip_by_block_rms(1.0),
        optax.add_decayed_weights(decay, _decayed),
        optax.scale_by_learning_rate(rate),
    )


def _whole(transformation: optax.GradientTransformation) -> optax.GradientTransformation:
    """Wrap a transformation so that every device holds all of its row and column statistics.

    The statistics are small. Flax would shard a statistic in the same way as its weights. This
    fails, because a statistic has fewer axes than its weights. Optax stores a single number in
    place of an unused statistic, and Flax would try to shard this number, too.
    """

    def fitting(x: Any) -> Any:
        if not isinstance(x, nnx.Variable):
            return x
        axes, value = x.get_metadata().get("out_sharding") or (), x.get_value()
        return value if value.size == 1 or len(axes) > value.ndim else x

    def init(params: Any) -> Any:
        state = transformation.init(params)
        return jax.tree.map(fitting, state, is_leaf=lambda x: isinstance(x, nnx.Variable))

    return optax.GradientTransformation(init, transformation.update)


def _muon(rate: optax.Schedule, decay: float) -> optax.GradientTransformation:
    """Build Muon: orthogonalised momentum for the matrices, Adam for norms and embeddings.

    Source: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks".
    """
    return contrib.muon(
        rate, weight_decay=decay, weight_decay_mask=_decayed, muon_weight_dimension_numbers=_axes
    )


_OPTIMIZERS: dict[str, Callable[[optax.Schedule, float], optax.GradientTransformation]] = {
    "adamw": _adamw,
    "adafactor": _adafactor,
    "muon": _muon,
}


def _decayed(params: Any) -> Any:
    return jax.tree.map_with_path(_is_matrix, params)


def _is_matrix(path: Any, x: Any) -> bool:
    return x.ndim > 1 and "embedding" not in jax.tree_util.keystr(path)


def _axes(params: Any) -> Any:
    """Return the input and output axes of each matrix; None for weights that Adam trains."""

    def of(path: Any, x: Any) -> contrib.MuonDimensionNumbers | None:
        name = jax.tree_util.keystr(path)
        if not _is_matrix(path, x):
            return None
        if x.ndim == 2 or "attn_vec_einsum" in name or "lora" in name:  # [..., outputs]
            return contrib.MuonDimensionNumbers(tuple(range(x.ndim - 1)), x.ndim - 1)
        return contrib.MuonDimensionNumbers(x.ndim - 2, (x.ndim - 3, x.ndim - 1))

    return jax.tree.map_with_path(of, params)
