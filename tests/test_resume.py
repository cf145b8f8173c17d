"""A run that was cut off, by whatever, goes on; and what it must not go on from is refused."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from tests.test_training import CONFIG, EXAMPLES, TOKENIZER, rows
from tunix_rt_nb import checkpoints, files, lora, models, sft
from tunix_rt_nb.errors import InputError
from tunix_rt_nb.kernels import session

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

# Two batches a step, which is where going on is the hardest.
CUT = CONFIG.model_copy(update={"accumulation": 2, "steps": 9})

TRAIN = """
import resource, sys, time
from pathlib import Path
from tests.test_resume import CUT, EXAMPLES, TOKENIZER, lora, models, rows, sft
base, out, kind, fill_at = sys.argv[1:]
model, _ = models.load(Path(base))
if kind == "lora":
    model = lora.apply(model, 4, 8.0)

def report(line):
    print(line, flush=True)
    if line["step"] == int(fill_at):
        while not (Path(out) / "checkpoints/last/3").exists():
            time.sleep(0.05)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

sft.train(model, rows(), rows(EXAMPLES[:9]), CUT, Path(out), report)
models.save(model, TOKENIZER, Path(out) / "model")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.create("tiny", TOKENIZER, seed=0, folder=tmp_path_factory.mktemp("model"))


def command(folder: Path, out: Path, kind: str, fill_at: int = -1) -> list[str]:
    return [sys.executable, "-c", TRAIN, str(folder), str(out), kind, str(fill_at)]


def losses(out: Path, kind: str = "loss") -> dict[int, float]:
    lines = files.read_lines(out / "metrics.jsonl")
    return {line["step"]: line[kind] for line in lines if kind in line}


@pytest.mark.parametrize("kind", ["full", "lora"])
def test_killed_again_and_again_training_ends_in_the_same_weights(
    folder: Path, tmp_path: Path, kind: str
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(command(folder, whole, kind), check=True, capture_output=True)
    for step in (2, 5, 8):  # before a checkpoint, after one, and near the end
        with subprocess.Popen(command(folder, killed, kind), stdout=subprocess.PIPE) as victim:
            assert victim.stdout is not None
            for line in victim.stdout:
                if f"'step': {step}, 'loss'".encode() in line:
                    os.kill(victim.pid, signal.SIGKILL)
        assert not (killed / "model").exists()
    done = subprocess.run(command(folder, killed, kind), check=True, capture_output=True)
    assert b"'step': 1, 'loss'" not in done.stdout
    weights = [files.sha256(out / "model/model.safetensors") for out in (whole, killed)]
    assert weights[0] == weights[1]
    assert losses(whole) == losses(killed)
    assert losses(whole, "eval_loss") == losses(killed, "eval_loss")
    best = [files.sha256(out / "checkpoints/best.safetensors") for out in (whole, killed)]
    assert best[0] == best[1]


def test_a_full_disk_is_told_and_what_was_kept_goes_on(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    full = subprocess.run(command(folder, out, "full", fill_at=4), capture_output=True, text=True)
    assert full.returncode != 0
    assert f"InputError: {out}: the disk is full, the checkpoint before is kept" in full.stderr
    steps = sorted(path.name for path in (out / "checkpoints/last").glob("[0-9]"))
    assert steps == ["3"]
    subprocess.run(command(folder, out, "full"), check=True, capture_output=True)
    assert sorted(losses(out)) == list(range(1, 10))


def test_what_a_kill_left_of_a_checkpoint_is_taken_for_none(tmp_path: Path) -> None:
    run_dir = tmp_path / "r"
    folder = run_dir / "4_train/checkpoints"
    for name in ("3", "12", "15.orbax-checkpoint-tmp"):
        (folder / "last" / name).mkdir(parents=True)
    assert [line["step"] for line in checkpoints.listing(folder)] == [3, 12]
    with (
        pytest.raises(InputError, match=r"last/12: is damaged, remove it to go on from step 3: no"),
        checkpoints.readable(folder / "last"),
    ):
        raise ValueError("no such array")
    kept = session.keep(run_dir, tmp_path / "kept")
    assert [line["step"] for line in checkpoints.listing(kept / "4_train/checkpoints")] == [12]


class Interrupted(Exception):
    pass


def interrupted(folder: Path, out: Path, at: int = 5, **changes: Any) -> None:
    """A run that ends in the middle, as where its notebook is stopped."""

    def report(line: dict[str, Any]) -> None:
        if line["step"] == at:
            raise Interrupted

    with pytest.raises(Interrupted):
        train(folder, out, report, **changes)


def train(folder: Path, out: Path, report: Any = lambda line: None, **changes: Any) -> list[int]:
    model, _ = models.load(folder)
    config = CONFIG.model_copy(update=changes)
    metrics = sft.train(model, rows(), rows(EXAMPLES[:9]), config, out, report)
    return [line["step"] for line in metrics if "loss" in line]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"batch_size": 1},
            "with batch_size 2 was here and cannot go on with batch_size 1; remove",
        ),
        ({"accumulation": 2}, "with accumulation 1 was here and cannot go on with accumulation 2"),
        ({"seed": 1}, "with seed 0 was here and cannot go on with seed 1"),
    ],
)
def test_an_interrupted_run_does_not_go_on_with_another_configuration(
    folder: Path, tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    interrupted(folder, tmp_path)
    with pytest.raises(InputError, match=says):
        train(folder, tmp_path, **changes)
    assert train(folder, tmp_path, checkpoint_every=4) == list(range(1, 9))


def test_an_interrupted_run_does_not_go_on_with_other_data_or_another_model(
    folder: Path, tmp_path: Path
) -> None:
    interrupted(folder, tmp_path)
    model, _ = models.load(folder)
    with pytest.raises(InputError, match="an interrupted run on other data was here and cannot"):
        sft.train(model, rows(EXAMPLES[1:]), rows(EXAMPLES[:9]), CONFIG, tmp_path)
    with pytest.raises(InputError, match="an interrupted run with another model was here"):
        sft.train(lora.apply(model, 4, 8.0), rows(), rows(EXAMPLES[:9]), CONFIG, tmp_path)


def test_after_a_complete_run_another_begins_anew(folder: Path, tmp_path: Path) -> None:
    assert train(folder, tmp_path, steps=3) == [1, 2, 3]
    assert train(folder, tmp_path, steps=3) == [1, 2, 3]
    assert train(folder, tmp_path, steps=4, seed=1) == [1, 2, 3, 4]
    assert json.loads((tmp_path / "checkpoints/run.json").read_text())["run"]["seed"] == 1


def test_a_checkpoint_that_was_cut_off_is_named_and_the_one_before_is_good(
    folder: Path, tmp_path: Path
) -> None:
    interrupted(folder, tmp_path, at=8, checkpoint_every=3)
    last = tmp_path / "checkpoints/last"
    assert sorted(path.name for path in last.glob("[0-9]*")) == ["3", "6"]
    for path in (last / "6").rglob("*"):
        if path.is_file() and path.stat().st_size > 1_000:
            path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InputError, match=r"last/6: is damaged, remove it to go on from step 3: "):
        train(folder, tmp_path)
    (last / "6").rename(tmp_path / "6")
    assert train(folder, tmp_path) == list(range(1, 9))


def test_a_loss_that_is_no_number_stops_and_the_last_good_checkpoint_is_kept(
    folder: Path, tmp_path: Path
) -> None:
    model, _ = models.load(folder)

    def poison(line: dict[str, Any]) -> None:
        if line["step"] == 4 and "loss" in line:
            model.final_norm.scale.value = jnp.full_like(model.final_norm.scale.value, jnp.nan)

    with pytest.raises(InputError, match=r"^loss: is nan at step [56], on .* the checkpoint befor"):
        sft.train(model, rows(), rows(EXAMPLES[:9]), CONFIG, tmp_path, poison)
    assert {path.name for path in (tmp_path / "checkpoints/last").glob("[0-9]*")} == {"3"}
    again, _ = models.load(folder)
    sft.train(again, rows(), rows(EXAMPLES[:9]), CONFIG, tmp_path)
    assert all(np.isfinite(x).all() for x in checkpoints.trained(again).values())


def test_damaged_best_weights_are_named(folder: Path, tmp_path: Path) -> None:
    model, _ = models.load(folder)
    with pytest.raises(InputError, match=r"best\.safetensors: cannot be read"):
        checkpoints.load_best(tmp_path, model)
    checkpoints.save_best(tmp_path, model, 3, 0.5)
    path = tmp_path / "best.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"best\.safetensors: cannot be read"):
        checkpoints.load_best(tmp_path, model)
