"""Compiling for TPUs without one, on a model that compiles in seconds."""

import dataclasses
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import pytest
from click.testing import CliRunner
from flax import nnx
from hypothesis import given, strategies as st
from jax.experimental.compilation_cache import compilation_cache
from tunix.utils import sharding_utils

from tests.bench import tpu
from tests.helpers.gemma import shallow
from tests.train.test_sft import TOKENIZER
from tunix_rt_nb import models
from tunix_rt_nb.cli import main
from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.models import architecture
from tunix_rt_nb.runs import parameters
from tunix_rt_nb.train import preflight
from tunix_rt_nb.train.preflight import aot
from tunix_rt_nb.train.preflight.ask import Fit, Told
from tunix_rt_nb.train.preflight.plan import Generation, Training

pytest.importorskip("libtpu")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

LENGTH = 256


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shallow(tmp_path_factory.mktemp("model"), TOKENIZER)


def plan(folder: Path, batch_size: int = 16, **fields: Any) -> Training:
    config = {"batch_size": batch_size, "steps": 7200, "dtype": "float32"}
    return Training.of(model=str(folder), length=LENGTH, config=config, **fields)


@pytest.fixture(scope="module", autouse=True)
def compiler() -> Iterator[None]:
    """Lets this process compile as the one does that `preflight` starts."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in preflight.environment("v5e:2x4").items():
            if os.environ.get(name) != value:
                patch.setenv(name, value)
        patch.setattr(sharding_utils, "shard", sharding_utils.shard)
        aot.constrain()
        used = jax.config.jax_enable_compilation_cache
        jax.config.update("jax_enable_compilation_cache", False)
        compilation_cache.reset_cache()
        yield
        jax.config.update("jax_enable_compilation_cache", used)
        compilation_cache.reset_cache()


def unheard(line: str) -> None:
    """Nobody listens."""


def trained(plan: Training, told: Told = unheard) -> tuple[Fit, dict[str, Any]]:
    found = aot.train(plan, told)
    return Fit(**found.pop("fit")), found


@pytest.fixture(scope="module")
def found(folder: Path) -> Fit:
    return trained(plan(folder))[0]


def test_a_step_that_fits_is_told_by_its_parts(found: Fit, folder: Path) -> None:
    weights = 4 * models.parameter_count(models.load(folder)[0]) / 8
    assert found.fits
    assert found.parts["weights"] == pytest.approx(weights, rel=0.05)  # norms lie on each whole
    assert found.parts["optimizer"] == pytest.approx(2 * weights, rel=0.05)
    assert sum(found.parts.values()) == found.needed
    assert found.available == 15.75 * 2**30


def test_what_is_too_large_is_refused_in_words(folder: Path) -> None:
    told: list[str] = []
    refused, more = trained(plan(folder, 2**17), told.append)
    assert not refused.fits
    assert refused.available == 15.75 * 2**30
    assert more == {}
    assert told[0].startswith("131072 rows a batch do not fit: ")
    assert told[0].endswith(" of 15.75 GiB a chip")


def test_a_refusal_is_read_and_any_other_error_is_not_swallowed() -> None:
    said = "RESOURCE_EXHAUSTED: XLA:TPU ran out. Used 16.40G of 15.75G hbm. Exceeded by 665.32M."
    assert aot.refused(said) == (int(16.4 * 2**30), int(15.75 * 2**30))
    with pytest.raises(RuntimeError, match="INTERNAL: a bug"):
        aot.refused("INTERNAL: a bug")


def test_adapters_need_less_than_all_weights(found: Fit, folder: Path) -> None:
    small, _ = trained(plan(folder, lora_rank=4))
    assert small.parts["optimizer"] < found.parts["optimizer"] / 2
    assert small.parts["weights"] > found.parts["weights"]
    with pytest.raises(InputError, match="lora_modules: 'nothing' matches no matrix"):
        trained(plan(folder, lora_rank=4, lora_modules="nothing"))


def test_activations_are_cut_as_on_a_tpu_when_chips_share_a_layer(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = plan(folder, tp=4)

    def cuts() -> int:
        """Lower the step and count where it says how an array lies on the chips."""
        model = aot._model(asked, aot.mesh(asked.topology, asked.tp))
        made = aot.states(model, lambda m: aot.trainer(m, asked.config))
        step = aot.lower(*made, aot.batch(asked, asked.config.batch_size))
        return step.as_text().count("sharding_constraint")

    cut = cuts()
    monkeypatch.setattr(sharding_utils, "shard", lambda x, axes, eager=False: x)
    assert cut > cuts()


@pytest.mark.long
def test_one_chip_takes_what_the_processor_takes(folder: Path) -> None:
    """The same step, compiled for both. Temporaries differ: each compiler orders it in its way."""
    found = tpu.on_both(plan(folder, topology="v5e:1x1"))
    there, here = found["chip"], found["processor"]
    assert there.flops == pytest.approx(here.flops, rel=0.15)
    state = [sum(fit.parts.values()) - fit.parts["temporaries"] for fit in (there, here)]
    assert state[0] == pytest.approx(state[1], rel=0.15)


def test_generation_needs_weights_and_cache(folder: Path) -> None:
    asked = Generation.of(model=str(folder), batch_size=16, prompt=64, new_tokens=64)
    written = aot.generate(asked, unheard)
    config = files.read_json(folder / "config.json")
    cache = 2 * config["num_hidden_layers"] * 16 * 128 * config["head_dim"] * 4
    for step, part in (("prefill", "temporaries"), ("decode", "cache")):
        fit = Fit(**written[step])
        assert fit.fits
        assert fit.parts[part] >= cache / 8  # a chip has two of the rows
        assert fit.flops > 0


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


def test_plans_that_cannot_be_are_one_line() -> None:
    for fields, message in (
        (
            {"topology": "v5e:2x5"},
            r"^topology: unknown 'v5e:2x5', did you mean v5e:2x\d\?$",
        ),
        ({"tp": 3}, r"^tp: 3 does not divide the 8 chips of v5e:2x4$"),
        ({"config": {"batch_size": 12}}, r"^batch_size: 12 rows do not divide over 8 chips"),
        ({"longest": 4096}, r"^longest: 4096 tokens do not fit into a row of 2048$"),
        ({"remat": "all"}, r"^remat: Input should be"),
    ):
        with pytest.raises(InputError, match=message):
            Training.of(model="gemma3-1b", **fields)


def test_an_unknown_model_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="model: unknown 'gemma3-2b', did you mean gemma3-"):
        trained(Training.of(model="gemma3-2b"))
    with pytest.raises(InputError, match=r"holds no model \(no config.json\)"):
        trained(Training.of(model=str(tmp_path)))


def test_the_command_ends_with_1_where_it_does_not_fit(folder: Path) -> None:
    command = ["preflight", "quickstart", "--set", f"MODEL={folder}"]
    large, wrong, unknown = (
        CliRunner().invoke(main, [*command, *more])
        for more in (
            ["--set", f"BATCH_SIZE={2**17}"],
            ["--topology", "v9:2x4"],
            ["--set", "MODEL=gemma9", "--set", "BATCH_SIZE=8"],
        )
    )
    assert (large.exit_code, wrong.exit_code, unknown.exit_code) == (1, 2, 2)
    assert large.stdout.startswith("does not fit: needs ")
    said = [told.stderr.splitlines()[-1] for told in (wrong, unknown)]
    assert said[0].startswith("tunix-rt-nb: topology: unknown 'v9:2x4'")
    assert said[1].startswith("tunix-rt-nb: model: unknown 'gemma9'")


@pytest.mark.long
@pytest.mark.parametrize("profile", ["kaggle-tpu", "kaggle-tpu-gemma2"])
def test_the_profiles_for_kaggle_fit_its_chips(profile: str, tmp_path: Path) -> None:
    """With one layer: all of them take minutes to compile, the command does that.

    Of the others a chip has the weights, the optimiser's two numbers for each and, as layers are
    computed anew in the backward pass, what goes into each.
    """
    values = parameters.load_profile(profile)
    config = architecture.named(values["MODEL"])
    one = architecture.written(dataclasses.replace(config, num_layers=1), "bfloat16")
    files.write_json(tmp_path / "config.json", one)
    told = CliRunner().invoke(main, ["preflight", profile, "--set", f"MODEL={tmp_path}", "--json"])
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)["training"]
    parts = found["parts"]
    plan = Training.of(model=values["MODEL"])
    weights = aot.size(nnx.state(aot.base(plan, aot.mesh(plan.topology))))
    kept = 4 * values["BATCH_SIZE"] * values["MAX_LENGTH"] * config.embed_dim // plan.shares
    whole = 3 * weights + (config.num_layers - 1) * kept + parts["batch"] + parts["temporaries"]
    assert 3 * parts["weights"] == pytest.approx(parts["weights"] + parts["optimizer"], rel=0.01)
    assert whole < found["available"] == 15.75 * 2**30
