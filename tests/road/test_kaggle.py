"""The whole road on a Kaggle that is on this machine: it executes what is pushed with papermill."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner

from tests.conftest import USUAL
from tests.helpers import kaggle_server
from tests.helpers.kaggle_server import KEY, Kaggle
from tunix_rt_nb import dataset, runs, tasks
from tunix_rt_nb.cli import main
from tunix_rt_nb.common import files
from tunix_rt_nb.kaggle import watching
from tunix_rt_nb.runs import chain
from tunix_rt_nb.store.store import TraceStore

pytest.importorskip("kagglesdk")
pytest.importorskip("slugify")  # importing `kaggle` itself would log in

SMALL = {
    "TRACES": {"high_card_duel": 60},
    "STEPS": 4,
    "EVAL_EXAMPLES": 8,
    "ITEMS": 4,
    "MAX_NEW_TOKENS": 16,
    "EVAL_BATCH_SIZE": 8,
}
HANDLE = "me/tunix-rt-mine"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kaggle]:
    with kaggle_server.serving() as server:
        server.executes = tmp_path_factory.mktemp("kaggle")
        yield server
        for path in server.executes.rglob("*"):
            path.chmod(0o700)


def kaggle(*arguments: str) -> str:
    told = CliRunner().invoke(main, ["kaggle", *arguments])
    assert told.exit_code == 0, told.output
    return told.stdout


def test_a_run_that_was_pushed_comes_home_as_if_it_had_been_run_here(
    server: Kaggle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNIX_RT_HOME", str(tmp_path))
    monkeypatch.setattr(watching, "EVERY", 0.2)
    settings = [f"--set={name}={value}" for name, value in SMALL.items()]
    kaggle("prepare", "quickstart", "--accelerator=none", "--run-id=mine", *settings)
    folder = tmp_path / "runs/mine"
    assert kaggle("push", "mine").startswith(f"{HANDLE} version 1")
    told = kaggle("watch", "mine")
    assert "unpacked" in told
    assert "4/4  loss" in told
    assert "95 % interval" in told
    kaggle("pull", "mine")

    lineage = runs.lineage("evaluate", folder / "5_evaluate")
    assert set(lineage) == set(USUAL)
    assert runs.newest("evaluate") == folder / "5_evaluate"
    lines = list(files.read_lines(folder / "4_train/metrics.jsonl"))
    assert [line["step"] for line in lines if "loss" in line] == [1, 2, 3, 4]
    assert "95 % interval" in (folder / "kernel/executed.ipynb").read_text()

    store = TraceStore(tmp_path / "traces")
    drawn = tasks.mixture("high_card_duel", 60, 0, ["easy"], "fine", 0.0)
    store.add(drawn, "2026-01-01T00:00:00Z")
    spec = {"dataset_name": "quickstart", "selection_strategy": "random", "seed": 0}
    spec |= {"eval_fraction": 0.25, "near_duplicates": 0.8}
    here = dataset.build(store, dataset.DatasetSpec.of(**spec), tmp_path)
    there = dataset.read_manifest(folder / "2_build/quickstart-v1")
    assert there["sha256"] == dataset.read_manifest(here)["sha256"]

    shown = [CliRunner().invoke(main, ["runs", *x]) for x in (["leaderboard"], ["report", "mine"])]
    assert [told.exit_code for told in shown] == [0, 0], shown
    assert "mine" in shown[0].stdout

    shutil.rmtree(folder / "kernel")
    assert all(step.skipped for step in chain.run(folder, SMALL, profile="quickstart"))
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(KEY.encode() in path.read_bytes() for path in written)


CELLS = [
    "from tunix_rt_nb.runs import chain\nfrom tunix_rt_nb.common import OutOfTime\n"
    "stop = chain.begin('generate')\nlast = stop.folder / 'checkpoints/weights'",
    "if not last.exists():\n    last.parent.mkdir()\n    last.write_text('half')\n"
    "    raise OutOfTime('training ended itself in time after step 1 of 2')",
    "(stop.folder / 'out.txt').write_text(last.read_text() + ' and whole')\n_ = stop.finish({})",
]


def test_a_notebook_that_ran_out_of_time_goes_on_in_the_next_version(
    server: Kaggle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNIX_RT_HOME", str(tmp_path))
    monkeypatch.setattr(watching, "EVERY", 0.2)
    cells = [nbformat.v4.new_code_cell(cell) for cell in CELLS]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "own.ipynb")
    kaggle("prepare", str(tmp_path / "own.ipynb"), "--accelerator=none")
    kaggle("push", "own")
    told = kaggle("watch", "own")
    assert "it begins anew" in told
    assert "training ended itself in time after step 1 of 2: push this kernel with --res" in told
    assert kaggle("push", "own", "--resume").startswith("me/tunix-rt-own version 2")
    assert "going on from" in kaggle("watch", "own")
    kaggle("pull", "own")
    assert (tmp_path / "runs/own/1_generate/out.txt").read_text() == "half and whole"
