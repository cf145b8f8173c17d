"""The commands that are killed, each on as little as lets it take a good part of a second."""

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

import nbformat

from tests.conftest import NOW, some
from tests.dataset.test_races import spec
from tests.helpers import kaggle_server
from tests.helpers.kaggle_server import USER
from tests.helpers.run_folders import finished, trained
from tests.kills.moments import FORK, Operation, contents
from tests.road.test_faults import batch
from tunix_rt_nb import dataset, runs
from tunix_rt_nb.common import files
from tunix_rt_nb.kaggle import account, pulling, session, submission
from tunix_rt_nb.runs import chain, promoted
from tunix_rt_nb.store import TraceStore
from tunix_rt_nb.store.verify import Verification

HANDLE = f"{USER}/tunix-rt-mine"


def here(folder: Path) -> Path:
    """Lets commands without a path work in a folder; the folder."""
    os.environ["TUNIX_RT_HOME"] = str(folder)
    return folder


# traces


def store(folder: Path) -> TraceStore:
    return TraceStore(folder / "traces", threads=1)


def lines(path: Path, numbers: range) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    there = (json.dumps(t.model_dump()) for n in numbers for t in batch(n))
    path.write_text("\n".join(there))
    return path


def fill(folder: Path) -> None:
    """Makes a store of three shards with a deletion, and two files to import."""
    for n in range(3):
        store(folder).import_files([lines(folder / f"{n}.jsonl", range(n, n + 1))], NOW)
    store(folder).delete([batch(0)[0].id], NOW)
    lines(folder / "new.jsonl", range(3, 6))
    lines(folder / "other.jsonl", range(6, 7))


def traces(folder: Path) -> dict[str, Any]:
    found = {stored.trace.id: repr(stored) for stored in store(folder)}
    assert len(found) == store(folder).count() == len(store(folder).newest())
    assert list(Verification(store(folder).folder)) == []
    return found


def delete(number: int) -> Callable[[Path], object]:
    gone = [trace.id for trace in batch(number)]
    return lambda folder: store(folder).delete(gone, NOW)


def compact(folder: Path) -> None:
    store(folder).compact()


def add_and_compact(folder: Path) -> None:
    store(folder).import_files([folder / "other.jsonl"], NOW)
    store(folder).compact()


# datasets


def draw(folder: Path) -> None:
    """Makes a store and a dataset."""
    store(folder).add(some("arithmetic", 600, seed=1), NOW)
    build("old", 1)(folder)


def build(name: str, seed: int, shards: int | None = None) -> Callable[[Path], object]:
    return lambda folder: dataset.build(
        store(folder), spec(seed, name), folder / "data/datasets", shard_count=shards
    )


def datasets(folder: Path) -> dict[str, Any]:
    here(folder)
    found = {row["dataset"]: row for row in dataset.listing() if row["state"] != "incomplete"}
    whole = {}
    for key, row in found.items():
        place = Path(row["folder"])
        sides = [list(dataset.load(place, side)) for side in ("train", "eval")]
        whole[key] = (row, sides, contents(place) if row["state"] == "complete" else None)
    # What a killed build left in the folder is no part of the dataset.
    return {key: (row, sides) for key, (row, sides, _) in whole.items()}


def export(name: str, form: str) -> Callable[[Path], object]:
    return lambda folder: dataset.export(
        folder / "out" / name, form, dataset=folder / "data/datasets/old-v1", store=store(folder)
    )


def draw_and_export(folder: Path) -> None:
    draw(folder)
    export("x.jsonl", "trace")(folder)


def exported(folder: Path) -> dict[str, Any]:
    return {path.name: path.read_bytes() for path in (folder / "out").glob("[!.]*")}


# models


def train(folder: Path) -> None:
    """Makes four trained runs, of which the first is promoted."""
    for seed in range(4):
        run = trained(here(folder), f"run{seed}", seed)
        weights = {"model/config.json": {}, "model/model.safetensors": bytes([seed]) * 6_000_000}
        finished(run, "train", weights, steps=8)
    promote(0)(folder)


def promote(seed: int) -> Callable[[Path], object]:
    return lambda folder: promoted.promote(here(folder) / f"runs/run{seed}", "sums")


def models(folder: Path) -> dict[str, Any]:
    here(folder)
    found = {}
    for row in promoted.listing():
        place = Path(row["folder"])
        assert row["problem"] is None
        assert promoted.altered(place) == []
        found[row["version"]] = (row["run"], files.digest(sorted(contents(place))))
        assert not any(path.stat().st_mode & 0o222 for path in place.glob("*.safetensors"))
    return found


# kaggle


def pushed(folder: Path) -> None:
    """Makes the run folder of a kernel whose first version was pulled, and the second pushed."""
    run_dir = here(folder) / "runs/mine"
    plan = {"run_id": "mine", "source": "quickstart", "values": {}, "accelerator": "none"}
    files.write_json(run_dir / "kernel/plan.json", plan)
    pulling.pull(submission.Submission(run_dir, HANDLE, 1, "").record(), said)
    submission.Submission(run_dir, HANDLE, 2, "").record()


def said(line: str) -> None:
    """Tells nobody."""


def pull(folder: Path) -> None:
    here(folder)
    pulling.pull(submission.find("mine"), said)


def pull_first(folder: Path) -> None:
    here(folder)
    pulling.pull(submission.find("mine")._replace(version=1), said)


def pulled(folder: Path) -> dict[str, Any]:
    here(folder)
    run_dir = submission.find("mine").run_dir
    pulling.check_replaceable(run_dir)
    session.check(run_dir, but=pulling._OURS)
    assert [row["run"] for row in runs.registry.listing()] == ["mine"]
    return {"mine": contents(run_dir)}


def left(version: int) -> dict[str, bytes]:
    """Return what the kernel left: a run of some files, with their hashes."""
    from hashlib import sha256

    found = {f"1_generate/{n}.txt": bytes([version]) * 50_000 for n in range(30)}
    found["run.json"] = json.dumps({"format": 1, "run_id": "mine", "version": version}).encode()
    hashes = {name: sha256(content).hexdigest() for name, content in found.items()}
    found[session.OUTPUT] = json.dumps(hashes).encode()
    return {f"runs/mine/{name}": content for name, content in found.items()}


class Kaggle(kaggle_server.Kaggle):
    """One whose clients are killed, so it does not mind when they hang up."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


@contextmanager
def kaggle() -> Iterator[None]:
    """Runs a Kaggle in another process, because one with threads must not fork."""
    server = Kaggle()
    log = [{"stream_name": "stdout", "time": 1.0, "data": "done"}]
    versions = [kaggle_server.Version(files=left(n), log=log) for n in (1, 2)]
    server.kernels[HANDLE] = versions
    process = FORK.Process(target=server.serve_forever, daemon=True)
    process.start()
    server.socket.close()
    with kaggle_server.asked(server.address()):
        account.login()  # imports the client once
        try:
            yield
        finally:
            process.kill()
            process.join()


# runs


def notebook(source: Path, made: Path, parameters: dict[str, Any], **how: Any) -> None:
    """Does as papermill and a kernel do with the notebook of training."""
    cell = nbformat.v4.new_code_cell(repr(parameters["SEED"]), id="seed")
    book = nbformat.v4.new_notebook(cells=[cell])
    made.with_suffix(".log").write_text("")
    nbformat.write(book, made)
    with redirect_stdout(None):  # it says what it reads
        step = runs.begin("train", parameters["RUN_DIR"])
    weights = bytes([parameters["SEED"]]) * 3_000_000
    for name in ("checkpoints/last/3/weights", "model/model.safetensors", "model/config.json"):
        (step.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (step.folder / name).write_bytes(weights)
    (step.folder / "metrics.jsonl").write_bytes(b'{"step": 3}\n')
    step.finish({"steps": 3, "seed": parameters["SEED"]})
    time.sleep(0.02)  # a kernel needs a moment to end


def step(seed: int) -> Callable[[Path], object]:
    def run(folder: Path) -> None:
        with mock.patch.object(chain, "execute", notebook):
            run_dir = here(folder) / "runs/one"
            chain.run(run_dir, {"SEED": seed}, from_step="train", to_step="train")

    return run


def train_once(folder: Path) -> None:
    trained(here(folder))
    step(1)(folder)


def stepped(folder: Path) -> dict[str, Any]:
    run_dir = here(folder) / "runs/one"
    runs.restore(run_dir)
    result = runs.result(run_dir / "4_train")
    assert result["outputs"] == runs.outputs(run_dir / "4_train")
    assert runs.lineage("train", run_dir / "4_train").keys() == set(runs.STEPS[:4])
    assert [row["run"] for row in runs.registry.listing()] == ["one"]
    return {"4_train": result}


def imports(name: str) -> Callable[[Path], object]:
    return lambda folder: store(folder).import_files([folder / name], NOW)


OPERATIONS = (
    Operation("traces import", fill, [imports("new.jsonl"), imports("other.jsonl")], traces),
    Operation("traces delete", fill, [delete(1), delete(2)], traces),
    Operation("traces compact", fill, [compact, add_and_compact], traces),
    Operation("datasets build", draw, [build("new", 1), build("new", 2)], datasets),
    Operation(
        "datasets build --shards",
        draw,
        [build("new", 1, 8), build("new", 2, 4), build("new", 1)],
        datasets,
    ),
    Operation(
        "datasets export",
        draw_and_export,
        [export("x.jsonl", "tunix_sft"), export("y.jsonl", "tunix_sft")],
        exported,
    ),
    # A file that is there under its hash is one that the next promotion of this model links.
    Operation(
        "models promote",
        train,
        [promote(1), promote(2), promote(0)],
        models,
        spare=re.compile(r"models/\.blobs/[0-9a-f]{64}"),
    ),
    Operation("kaggle pull", pushed, [pull, pull_first], pulled),
    Operation("step re-run", train_once, [step(2), step(3)], stepped),
)
