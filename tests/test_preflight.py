"""Compiling for TPUs without one, on a model that compiles in seconds."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from tests.test_training import EXAMPLES, TOKENIZER
from tunix_rt_nb import chips, models, preflight
from tunix_rt_nb.cli import main
from tunix_rt_nb.errors import InputError
from tunix_rt_nb.preflight import Fit, Generation, Training

pytest.importorskip("libtpu")

LENGTH = 256


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.create("tiny", TOKENIZER, seed=0, folder=tmp_path_factory.mktemp("model"))


def plan(folder: Path, batch_size: int = 16, **fields: Any) -> Training:
    config = {"batch_size": batch_size, "steps": 7200, "dtype": "float32"}
    return Training.of(model=str(folder), length=LENGTH, config=config, **fields)


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[str, Any]:
    return preflight.train(plan(folder))


def test_a_step_that_fits_is_told_by_its_parts(found: dict[str, Any], folder: Path) -> None:
    weights = 4 * models.parameter_count(models.load(folder)[0]) / 8
    assert found["fits"]
    assert found["parts"]["weights"] == pytest.approx(weights, rel=0.01)
    assert found["parts"]["optimizer"] == pytest.approx(2 * weights, rel=0.01)
    assert sum(found["parts"].values()) == pytest.approx(found["needed"], rel=0.15)
    assert found["available"] == 15.75 * 2**30
    assert 0 < found["loss"] < found["needed"]
    assert found["hours"] == pytest.approx(2 * found["seconds"])
