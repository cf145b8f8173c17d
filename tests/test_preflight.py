"""Compiling for TPUs without one, on a model that compiles in seconds."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from tests.test_training import EXAMPLES, TOKENIZER
from tunix_rt_nb import aot, files, models, preflight
from tunix_rt_nb.cli import main
from tunix_rt_nb.errors import InputError
from tunix_rt_nb.preflight import Generation, Training
from tunix_rt_nb.step import lowered

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


def test_what_is_too_large_is_refused_in_words(folder: Path) -> None:
    told: list[str] = []
    found = preflight.train(plan(folder, 2**17), told.append)
    assert not found["fits"]
    assert found["needed"] > found["available"] == 15.75 * 2**30
    assert "seconds" not in found
    assert told[0].startswith("131072 rows a batch do not fit: ")
    assert told[0].endswith(" of 15.75 GiB a chip")


def test_the_largest_batch_fits_and_a_larger_one_does_not(folder: Path) -> None:
    found = preflight.train(plan(folder, 2**14, search=True))
    most = found["largest_batch"]
    assert most % 8 == 0
    assert preflight.train(plan(folder, most))["fits"]
    assert not preflight.train(plan(folder, most + most // 64 * 8))["fits"]


@given(
    each=st.integers(1, 50),
    bend=st.integers(0, 50),
    empty=st.integers(0, 200),
    room=st.integers(0, 20_000),
    start=st.integers(1, 100),
)
def test_the_search_ends_between_what_fits_and_what_does_not(
    each: int, bend: int, empty: int, room: int, start: int
) -> None:
    looks: list[int] = []

    def needs(n: int) -> int:
        looks.append(n)
        return empty + each * n + bend * max(0, n - 20)

    most, certain = preflight.largest(needs, room, empty, start)
    assert len(looks) == len(set(looks)) <= 6
    assert most == 0 or needs(most) <= room
    if certain:
        assert needs(most + 1) > room


def test_adapters_need_less_than_all_weights(found: dict[str, Any], folder: Path) -> None:
    small = preflight.train(plan(folder, lora_rank=4))
    assert small["parts"]["optimizer"] < found["parts"]["optimizer"] / 5
    assert small["parts"]["weights"] > found["parts"]["weights"]
    with pytest.raises(InputError, match="lora_modules: 'nothing' matches no matrix"):
        preflight.train(plan(folder, lora_rank=4, lora_modules="nothing"))


def test_chips_can_share_the_width_of_a_layer(found: dict[str, Any], folder: Path) -> None:
    shared = preflight.train(plan(folder, tp=2))
    assert shared["parts"]["weights"] == pytest.approx(found["parts"]["weights"], rel=0.05)


def test_one_chip_takes_what_the_processor_takes(folder: Path) -> None:
    """The same step, compiled for the processor."""
    settings = plan(folder, topology="v5e:1x1")
    found = preflight.train(settings)
    model, _ = models.load(folder)
    shapes = aot.batch(settings, 16)
    here = aot.fit(lowered(model, shapes, settings.config), {}, "state", 2**40)
    assert found["flops"] == pytest.approx(here.flops, rel=0.15)
    assert found["parts"]["temporaries"] == pytest.approx(here.parts["temporaries"], rel=0.15)


def test_generation_needs_weights_and_cache(folder: Path) -> None:
    asked = Generation.of(model=str(folder), batch_size=16, prompt=64, new_tokens=64)
    found = preflight.generate(asked)
    assert found["fits"]
    config = files.read_json(folder / "config.json")
    cache = 2 * config["num_hidden_layers"] * 16 * 128 * config["head_dim"] * 4
    for step in ("prefill", "decode"):
        assert found[step]["parts"]["cache"] == cache
        assert found[step]["seconds"] > 0


def test_plans_that_cannot_be_are_one_line() -> None:
    for fields, message in (
        ({"topology": "v5e:2x5"}, r"^topology: unknown 'v5e:2x5', did you mean v5e:2x\d\? expected"),
        ({"tp": 3}, r"^tp: 3 does not divide the 8 chips of v5e:2x4$"),
        ({"config": {"batch_size": 12}}, r"^batch_size: 12 rows do not divide over 8 chips"),
        ({"longest": 4096}, r"^longest: 4096 tokens do not fit a row of 2048$"),
        ({"remat": "all"}, r"^remat: Input should be"),
    ):
        with pytest.raises(InputError, match=message):
            Training.of(model="gemma3-1b", **fields)


def test_an_unknown_model_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="model: unknown 'gemma3-2b', did you mean gemma3-"):
        preflight.train(Training.of(model="gemma3-2b"))
    with pytest.raises(InputError, match=r"holds no model \(no config.json\)"):
        preflight.train(Training.of(model=str(tmp_path)))


def test_the_command_ends_with_1_where_it_does_not_fit(folder: Path) -> None:
    command = ["preflight", "--model", str(folder), "--length", str(LENGTH)]
    small, large, wrong = (
        CliRunner().invoke(main, [*command, *more])
        for more in (
            ["--batch", "16", "--json"],
            ["--batch", str(2**17)],
            ["--topology", "v9:2x4"],
        )
    )
    assert (small.exit_code, large.exit_code, wrong.exit_code) == (0, 1, 2)
    assert json.loads(small.stdout)["fits"]
    assert large.stdout.startswith("does not fit: needs ")
    assert wrong.stderr.startswith("tunix-rt-nb: topology: unknown 'v9:2x4'")
