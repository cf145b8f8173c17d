"""A model as an Orbax checkpoint: Tunix's own code for Gemma loads it, and computes the same."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from tunix.models.gemma import model as gemma2, params as gemma2_params
from tunix.models.gemma3 import params as gemma3_params

from tests.helpers.gemma import CONFIGS, TOKENS, checkpoint
from tests.models.test_hf_names import logits
from tunix_rt_nb import models
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.models import architecture

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


def theirs(checkpoint: Path, config: architecture.Config) -> nnx.Module:
    """The model as Tunix loads it."""
    if not isinstance(config, gemma2.ModelConfig):
        return gemma3_params.create_model_from_checkpoint(
            str(checkpoint), config, dtype=jnp.float32
        )
    # The rest of `Gemma.from_params`, which knows the sizes of the published models only.
    return gemma2.module_from_linen_variables(
        module_factory=lambda: gemma2.Gemma(config, rngs=nnx.Rngs(0)),
        variables=gemma2_params.load_and_format_params(str(checkpoint))["transformer"],
        map_key_fn=gemma2._map_linen_var_names,
        assign_val_fn=gemma2._assign_linen_params_to_nnx_state,
    )


@pytest.mark.slow
@pytest.mark.parametrize("case", ["gemma3", "gemma2"])
def test_tunix_loads_it_and_computes_the_same(case: str, tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "model", CONFIGS[case])
    written = models.write_orbax(folder, tmp_path / "orbax")
    ours, _ = models.load(folder)
    loaded = theirs(written.absolute(), architecture.read(folder / "config.json"))
    np.testing.assert_array_equal(logits(loaded, tokens=TOKENS), logits(ours, tokens=TOKENS))


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(InputError, match="exists already, expected a new folder"):
        models.write_orbax(tmp_path / "model", tmp_path)
    assert (tmp_path / "mine").read_text() == "x"
