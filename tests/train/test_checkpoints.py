"""What counts as trained, on layers so small that their weights can be counted by hand."""

import jax
import numpy as np
import pytest
from flax import nnx

from tunix_rt_nb import models, train
from tunix_rt_nb.train import checkpoints

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Two(nnx.Module):
    """A layer beside one that may have adapters."""

    def __init__(self, one: nnx.Module, two: nnx.Module) -> None:
        self.one, self.two = one, two


def layer(inputs: int, outputs: int) -> nnx.Linear:
    return nnx.Linear(inputs, outputs, rngs=nnx.Rngs(0))


def test_without_adapters_every_parameter_is_trained() -> None:
    model = Two(layer(3, 5), layer(7, 2))
    assert train.trained_count(model) == (3 * 5 + 5) + (7 * 2 + 2)
    assert train.trained_count(model) == models.parameter_count(model)


@pytest.mark.parametrize("rank", [1, 2, 4])
def test_with_adapters_only_theirs_are_trained(rank: int) -> None:
    adapted = nnx.LoRALinear(7, 2, lora_rank=rank, rngs=nnx.Rngs(0))
    model = Two(layer(3, 5), adapted)
    assert train.trained_count(model) == 7 * rank + rank * 2
    assert train.trained_count(model) < models.parameter_count(model)


def test_the_count_is_of_the_weights_that_are_saved() -> None:
    model = Two(layer(3, 5), nnx.LoRALinear(7, 2, lora_rank=3, rngs=nnx.Rngs(0)))
    weights = checkpoints.trained(model)
    assert sum(np.asarray(weight).size for weight in weights.values()) == train.trained_count(model)
    assert all("lora" in name for name in weights)


def test_what_is_no_parameter_is_not_counted() -> None:
    model = Two(layer(3, 5), nnx.Dropout(0.5, rngs=nnx.Rngs(0)))
    assert any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(nnx.state(model.two)))
    assert train.trained_count(model) == 3 * 5 + 5
