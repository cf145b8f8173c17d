"""Adapters: what they start as, what is trained, and what they come to in the model's weights."""

from pathlib import Path

import numpy as np
import pytest

from tests.helpers.gemma import GEMMA2, checkpoint, shallow
from tests.train.test_sft import CONFIG, EXAMPLES, TOKENIZER, logits, rows, state
from tunix_rt_nb import models, train
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.models import lora
from tunix_rt_nb.train import checkpoints

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shallow(tmp_path_factory.mktemp("model"), TOKENIZER)


def test_a_new_adapter_changes_nothing(folder: Path) -> None:
    model, _ = models.load(folder)
    before = logits(model, rows())
    assert np.array_equal(logits(lora.apply(model, rank=4, alpha=8.0), rows()), before)


def test_every_adapter_is_trained_nothing_else_and_merged_it_says_the_same(
    folder: Path, tmp_path: Path
) -> None:
    base = state(models.load(folder)[0])
    model = lora.apply(models.load(folder)[0], rank=4, alpha=8.0)
    names = {name.rsplit("_lora_", 1)[0] for name in checkpoints.trained(model)}
    assert len(names) == 6  # query, key and value, output, gate, up, down
    before = {name: np.array(x) for name, x in checkpoints.trained(model).items()}
    config = CONFIG.model_copy(update={"steps": 30, "learning_rate": 1e-2})
    metrics = train.fine_tune(model, rows(), rows(EXAMPLES[:9]), config, tmp_path)
    after = checkpoints.trained(model)
    assert [name for name in before if np.array_equal(before[name], after[name])] == []
    held_out = [line["eval_loss"] for line in metrics if "eval_loss" in line]
    assert held_out[-1] < 0.8 * held_out[0]
    models.save(model, TOKENIZER, tmp_path / "merged")
    merged, _ = models.load(tmp_path / "merged")
    assert not lora.is_applied(merged)
    np.testing.assert_allclose(logits(merged, rows()), logits(model, rows()), atol=1e-4)
    changed = {name for name, weight in state(merged).items() if (weight != base[name]).any()}
    assert len(changed) == 7
    assert all("_proj" in name for name in changed)


@pytest.mark.parametrize("kind", ["full", "lora"])
def test_a_gemma2_is_trained_as_a_gemma3_is(kind: str, tmp_path: Path) -> None:
    model, _ = models.load(
        checkpoint(tmp_path / "base", {**GEMMA2, "num_hidden_layers": 2}, TOKENIZER)
    )
    if kind == "lora":
        model = lora.apply(model, rank=4, alpha=8.0)
    before = {name: np.array(x) for name, x in checkpoints.trained(model).items()}
    config = CONFIG.model_copy(update={"steps": 30, "learning_rate": 1e-2})
    metrics = train.fine_tune(model, rows(), rows(EXAMPLES[:9]), config, tmp_path / "run")
    after = checkpoints.trained(model)
    assert [name for name in before if np.array_equal(before[name], after[name])] == []
    held_out = [line["eval_loss"] for line in metrics if "eval_loss" in line]
    assert held_out[-1] < 0.9 * held_out[0]
    models.save(model, TOKENIZER, tmp_path / "model")
    saved, _ = models.load(tmp_path / "model")
    np.testing.assert_allclose(logits(saved, rows()), logits(model, rows()), atol=1e-4)


@pytest.mark.parametrize(
    ("rank", "alpha", "says"),
    [
        (-1, 8.0, "lora_rank: expected a whole number from 1, found -1"),
        (True, 8.0, "lora_rank: expected a whole number from 1, found True"),
        (4, 0.0, "lora_alpha: expected a number above 0, found 0.0"),
        (4, float("nan"), "lora_alpha: expected a number above 0, found nan"),
        (4, float("inf"), "lora_alpha: expected a number above 0, found inf"),
    ],
)
def test_ranks_and_scales_out_of_range_are_named(
    folder: Path, rank: int, alpha: float, says: str
) -> None:
    with pytest.raises(InputError, match=says):
        lora.apply(models.load(folder)[0], rank, alpha)


@pytest.mark.parametrize(
    ("modules", "says"),
    [("no_such", "lora_modules: 'no_such' matches no matrix of the model"), ("(", "is not a")],
)
def test_modules_that_match_nothing_are_named(folder: Path, modules: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        lora.apply(models.load(folder)[0], rank=4, alpha=8.0, modules=modules)
