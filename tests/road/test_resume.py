"""A run that was cut off, by whatever, goes on; and what it must not go on from is refused."""

import json
import multiprocessing
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tunix.models.gemma3 import model as gemma3

from tests.helpers.gemma import shallow
from tests.train.test_sft import CONFIG, EXAMPLES, TOKENIZER, rows
from tunix_rt_nb import models, train
from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.kaggle import session
from tunix_rt_nb.models import lora
from tunix_rt_nb.render.examples import Example
from tunix_rt_nb.train import checkpoints

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

# Two batches a step, which is where going on is the hardest.
CUT = CONFIG.model_copy(update={"accumulation": 2, "steps": 9})

# Processes of their own, that come with all their imports.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shallow(tmp_path_factory.mktemp("resume") / "model", TOKENIZER)


def whole_run(base: Path, out: Path, kind: str, fill_at: int, told: Connection) -> None:
    """Train and save, in a process of its own, with the package's own cache beside the model."""
    jax.config.update("jax_compilation_cache_dir", None)
    os.environ["XDG_CACHE_HOME"] = str(base.parent)
    model, _ = models.load(base)
    if kind == "lora":
        model = lora.apply(model, 4, 8.0)

    def report(line: dict[str, Any]) -> None:
        told.send(line)
        if line["step"] == fill_at:
            while not (out / "checkpoints/last/3").exists():
                time.sleep(0.05)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    try:
        train.fine_tune(model, rows(), rows(EXAMPLES[:9]), CUT, out, report)
        models.save(model, TOKENIZER, out / "model")
    except InputError as error:
        told.send({"error": str(error)})


@contextmanager
def running(
    folder: Path, out: Path, kind: str, fill_at: int = -1
) -> Iterator[tuple[Any, Connection]]:
    """A run in a process of its own, and what it tells."""
    told, tells = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=whole_run, args=(folder, out, kind, fill_at, tells))
    process.start()
    tells.close()
    try:
        yield process, told
    finally:
        process.kill()
        process.join()


def run(folder: Path, out: Path, kind: str = "full", fill_at: int = -1) -> list[dict[str, Any]]:
    """The lines that a run tells up to its end."""
    lines = []
    with running(folder, out, kind, fill_at) as (process, told):
        with suppress(EOFError):
            while True:
                lines.append(told.recv())
        process.join()
        assert process.exitcode == 0
    return lines


def kill(folder: Path, out: Path, kind: str, saving: int | None) -> None:
    """A run that is killed after its second step, or while it writes a checkpoint."""
    with running(folder, out, kind) as (_, told):
        if saving is None:
            while (line := told.recv())["step"] < 2 or "loss" not in line:
                pass
        while saving and not any((out / "checkpoints/last").glob(f"{saving}*")):
            time.sleep(0.001)


def compiled(cache: Path) -> set[tuple[str, int]]:
    """The train steps in the compilation cache, with the time when they came there."""
    found = (cache / "tunix_rt_nb/jax").glob("jit__train_step-*-cache")
    return {(path.name, path.stat().st_mtime_ns) for path in found}


def losses(out: Path, kind: str = "loss") -> dict[int, float]:
    lines = files.read_lines(out / "metrics.jsonl")
    return {line["step"]: line[kind] for line in lines if kind in line}


@pytest.mark.parametrize("kind", ["full", "lora"])
def test_killed_again_and_again_training_ends_in_the_same_weights(
    folder: Path, tmp_path: Path, kind: str
) -> None:
    whole, killed, before = tmp_path / "whole", tmp_path / "killed", compiled(folder.parent)
    run(folder, whole, kind)
    once = compiled(folder.parent)
    assert len(once - before) == 1
    for saving in (None, 6):
        kill(folder, killed, kind, saving)
        assert not (killed / "model").exists()
    told = run(folder, killed, kind)
    assert min(line["step"] for line in told if "loss" in line) > 3
    assert compiled(folder.parent) == once
    weights = [files.sha256(out / "model/model.safetensors") for out in (whole, killed)]
    assert weights[0] == weights[1]
    assert losses(whole) == losses(killed)
    assert sorted(losses(whole)) == list(range(1, 10))
    assert losses(whole, "eval_loss") == losses(killed, "eval_loss")
    best = [files.sha256(out / "checkpoints/best.safetensors") for out in (whole, killed)]
    assert best[0] == best[1]
    last = [checkpoints.listing(out / "checkpoints")[:-1] for out in (whole, killed)]
    assert last[0] == last[1]
    assert not any((killed / "checkpoints/last").glob("*tmp*"))


def test_a_full_disk_is_told_and_what_was_kept_goes_on(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    told = run(folder, out, fill_at=4)[-1]["error"]
    assert told.startswith(f"{out}: the disk is full, the last checkpoint is kept")
    steps = sorted(path.name for path in (out / "checkpoints/last").glob("[0-9]"))
    assert steps == ["3"]
    run(folder, out)
    assert sorted(losses(out)) == list(range(1, 10))


def test_what_a_kill_left_of_a_checkpoint_is_taken_for_none(tmp_path: Path) -> None:
    run_dir = tmp_path / "r"
    folder = run_dir / "4_train/checkpoints"
    for name in ("3", "12", "15.orbax-checkpoint-tmp"):
        (folder / "last" / name).mkdir(parents=True)
        (folder / "last" / name / "weights").write_text(name)
    assert [line["step"] for line in checkpoints.listing(folder)] == [3, 12]
    with (
        pytest.raises(InputError, match=r"last/12: is damaged, remove it to resume from step 3"),
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
        run_training(folder, out, report, **changes)


def run_training(
    folder: Path, out: Path, report: Any = lambda line: None, **changes: Any
) -> list[int]:
    model, _ = models.load(folder)
    config = CONFIG.model_copy(update=changes)
    metrics = train.fine_tune(model, rows(), rows(EXAMPLES[:9]), config, out, report)
    return [line["step"] for line in metrics if "loss" in line]


def test_an_interrupted_run_goes_on_with_nothing_else_than_it_began_with(
    folder: Path, tmp_path: Path
) -> None:
    interrupted(folder, tmp_path)
    refused: list[tuple[dict[str, Any], str]] = [
        ({"batch_size": 1}, "with batch_size 2 and cannot resume it with batch_size 1: remov"),
        ({"accumulation": 2}, "with accumulation 1 and cannot resume it with accumulation 2"),
        ({"seed": 1}, "with seed 0 and cannot resume it with seed 1"),
        ({"eval_every": 2, "keep": "best"}, "with eval_every 4 and cannot resume it with"),
        ({"patience": 1}, "with patience 0 and cannot resume it with patience 1"),
    ]
    for changes, says in refused:
        with pytest.raises(InputError, match=says):
            run_training(folder, tmp_path, **changes)
    model, _ = models.load(folder)
    for trained, held_out, says in [
        (rows(EXAMPLES[1:]), rows(EXAMPLES[:9]), "on other data and cannot resume it: remove"),
        (rows(), rows(EXAMPLES[:8]), "with other held-out data and cannot resume it: remove"),
    ]:
        with pytest.raises(InputError, match=says):
            train.fine_tune(model, trained, held_out, CONFIG, tmp_path)
    with pytest.raises(InputError, match="with another model and cannot resume it: remove"):
        train.fine_tune(lora.apply(model, 4, 8.0), rows(), rows(EXAMPLES[:9]), CONFIG, tmp_path)
    assert run_training(folder, tmp_path, checkpoint_every=4, eval_every=2) == list(range(1, 9))


def test_adapters_do_not_go_on_at_another_scale_or_on_another_base(
    folder: Path, tmp_path: Path
) -> None:
    other = shallow(tmp_path / "other", TOKENIZER, seed=1)

    def known(base: Path, alpha: float) -> dict[str, Any]:
        model = lora.apply(models.load(base)[0], 4, alpha)
        return checkpoints.identity(
            CONFIG, train.batches_of(rows(), CONFIG), rows(EXAMPLES[:9]), model
        )

    kept = tmp_path / "checkpoints"
    checkpoints.claim(kept, known(folder, 8.0))
    assert not checkpoints.listing(kept)
    checkpoints.claim(kept, known(folder, 4.0))  # nothing was kept yet, nothing is lost
    (kept / "last/3").mkdir(parents=True)
    with pytest.raises(InputError, match="with lora_scale 1.0 and cannot resume it with lora"):
        checkpoints.claim(kept, known(folder, 8.0))
    with pytest.raises(InputError, match="with another model and cannot resume it: remove"):
        checkpoints.claim(kept, known(other, 4.0))
    assert checkpoints.claim(kept, known(folder, 4.0)) == kept / "last"
    assert (kept / "last/3").exists()


def test_after_a_complete_run_another_begins_anew(folder: Path, tmp_path: Path) -> None:
    def told(line: dict[str, Any]) -> None:
        """Of a step before a checkpoint of it: else a kill between them would lose the line."""
        assert not any((tmp_path / "checkpoints/last").glob(f"{line['step']}*"))

    assert run_training(folder, tmp_path, told, steps=3) == [1, 2, 3]
    assert run_training(folder, tmp_path, steps=3) == [1, 2, 3]
    assert run_training(folder, tmp_path, steps=4, seed=1) == [1, 2, 3, 4]
    assert json.loads((tmp_path / "checkpoints/run.json").read_text())["run"]["seed"] == 1


def test_too_little_memory_and_a_place_to_write_to_that_is_none_are_told_in_one_line(
    folder: Path, tmp_path: Path
) -> None:
    def takes_everything(line: dict[str, Any]) -> None:
        jnp.zeros(2**50, jnp.float32).block_until_ready()

    with pytest.raises(InputError, match=r"^batch_size: a step needs too much memory: RESOURCE_EX"):
        run_training(folder, tmp_path / "run", takes_everything)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file/run/checkpoints: cannot be written: Not a direct"):
        run_training(folder, tmp_path / "file/run")


def test_a_checkpoint_that_was_cut_off_is_named_and_the_one_before_is_good(
    folder: Path, tmp_path: Path
) -> None:
    interrupted(folder, tmp_path, at=8, checkpoint_every=3)
    last = tmp_path / "checkpoints/last"
    assert sorted(path.name for path in last.glob("[0-9]*")) == ["3", "6"]
    for path in (last / "6").rglob("*"):
        if path.is_file() and path.stat().st_size > 1_000:
            path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InputError, match=r"last/6: is damaged, remove it to resume from step 3: "):
        run_training(folder, tmp_path)
    (last / "6").rename(tmp_path / "6")
    assert run_training(folder, tmp_path) == list(range(1, 9))


def test_a_loss_that_is_no_number_stops_and_the_last_good_checkpoint_is_kept(
    folder: Path, tmp_path: Path
) -> None:
    model, _ = models.load(folder)

    def poison(line: dict[str, Any]) -> None:
        if line["step"] == 4 and "loss" in line:
            model.final_norm.scale.value = jnp.full_like(model.final_norm.scale.value, jnp.nan)

    says = r"^loss: is nan at step [56], on every row: the weights have diverged, .* is kept"
    with pytest.raises(InputError, match=says):
        train.fine_tune(model, rows(), rows(EXAMPLES[:9]), CONFIG, tmp_path, poison)
    assert {path.name for path in (tmp_path / "checkpoints/last").glob("[0-9]*")} == {"3"}
    again, _ = models.load(folder)
    train.fine_tune(again, rows(), rows(EXAMPLES[:9]), CONFIG, tmp_path)
    assert all(np.isfinite(x).all() for x in checkpoints.trained(again).values())


UNUSED = min({*range(len(TOKENIZER))}.difference(*(example.ids for example in EXAMPLES)) - {0})


class Poisoned(gemma3.Embedder):
    """Takes a token that no example has for no number."""

    def encode(self, x: jax.Array) -> jax.Array:
        return jnp.where((x == UNUSED)[..., None], jnp.nan, super().encode(x))


def test_of_many_examples_those_are_named_whose_row_is_no_number(
    folder: Path, tmp_path: Path
) -> None:
    model, _ = models.load(folder)
    model.embedder.__class__ = Poisoned
    ids = EXAMPLES[20].ids
    bad = Example("the bad one", (ids[0], UNUSED, *ids[2:]), EXAMPLES[20].prompt)
    many = rows([*EXAMPLES[:40], bad])
    [row] = (k for k in range(len(many)) if b"the bad one" in many.ids(k))
    named = ", ".join(id.decode() for id in many.ids(row))
    config = CONFIG.model_copy(update={"batch_size": 4, "accumulation": 3, "steps": 2})
    says = rf"^loss: is nan at step [12], on the row of {named}: leave them out or lower learning_r"
    with pytest.raises(InputError, match=says):
        train.fine_tune(model, many, rows(EXAMPLES[:9]), config, tmp_path)


def test_damaged_best_weights_are_named(folder: Path, tmp_path: Path) -> None:
    model, _ = models.load(folder)
    with pytest.raises(InputError, match=r"best\.safetensors: cannot be read"):
        checkpoints.load_best(tmp_path, model)
    checkpoints.save_best(tmp_path, model, 3, 0.5)
    path = tmp_path / "best.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"best\.safetensors: cannot be read"):
        checkpoints.load_best(tmp_path, model)
