"""Tunix jobs on the real notebooks, small."""

import json
import os
from pathlib import Path
from typing import Any

import nbformat
import pytest
from click.testing import CliRunner, Result
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from tests.conftest import NOW
from tunix_rt_nb import dataset, render, runs, tasks, train
from tunix_rt_nb.cli import main
from tunix_rt_nb.common import files
from tunix_rt_nb.dataset.exporter import FORMS, export
from tunix_rt_nb.store.store import TraceStore
from tunix_rt_nb.trace.formats import reads_back
from tunix_rt_nb.train import job

SPEC = {"dataset_name": "sums", "selection_strategy": "random", "seed": 0, "eval_fraction": 0.25}
SMALL = {"ITEMS": 4, "MAX_NEW_TOKENS": 16, "EVAL_EXAMPLES": 8}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the dataset `sums-v1` of 48 traces."""
    home = tmp_path_factory.mktemp("home")
    store = TraceStore(home / "data/traces")
    store.add(tasks.draw("arithmetic", 48, seed=0), NOW)
    dataset.build(store, dataset.DatasetSpec.of(**SPEC), home / "data/datasets")
    return home


def tool(home: Path, *arguments: str) -> Result:
    return CliRunner(env={"TUNIX_RT_HOME": str(home)}).invoke(main, arguments)


def test_the_job_of_a_dataset_is_run(home: Path) -> None:
    path = home / "job.yaml"
    assert tool(home, "datasets", "tunix-yaml", "sums-v1", "-o", str(path)).exit_code == 0
    written = path.read_text()  # could be run as it is, but twenty epochs take longer
    path.write_text(written.replace("num_epochs: 20", "num_epochs: 3"))
    settings = [f"--set={name}={value}" for name, value in SMALL.items()]
    told = tool(home, "run", str(path), "--json", *settings)
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)
    assert found["run_id"] == "sums-v1"
    assert [step["name"] for step in found["steps"]] == ["build", "render", "train", "evaluate"]
    assert found["before"]["n"] == found["after"]["n"] == 4
    out, source = home / "runs/sums-v1", home / "data/datasets/sums-v1"
    copied = {path.name: path.read_bytes() for path in (out / "2_build/sums-v1").iterdir()}
    assert copied == {path.name: path.read_bytes() for path in source.iterdir()}
    assert render.read_manifest(out / "3_render")["max_length"] == 256
    rows = runs.result(out / "3_render")["rows"]
    metrics = list(files.read_lines(out / "4_train/metrics.jsonl"))
    assert max(line["step"] for line in metrics) == train.steps_of_epochs(3, rows, 2) >= 3
    assert max(line.get("learning_rate", 0) for line in metrics) <= 0.004
    again = tool(home, "run", str(path), "--json", *settings)
    assert all(step["skipped"] for step in json.loads(again.stdout)["steps"])


def rendered(folder: Path) -> dict[str, Any]:
    """All tokens and masks of both sides, in an order that no id decides, and the tokenizer."""
    found: dict[str, Any] = {"tokenizer": render.load_tokenizer(folder).model}
    for side in dataset.SIDES:
        examples = render.load(folder, side)
        some = [examples[k] for k in range(len(examples))]
        found[side] = sorted((tuple(example.ids), example.prompt) for example in some)
    return found


def render_it(source: Path, folder: Path) -> dict[str, Any]:
    tokenizer = render.tokenizer_for("tiny", source, 640, "gemma", "numbered")
    render.render_dataset(source, folder, tokenizer)
    return rendered(folder)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_tokens_that_the_dataset_gives(
    home: Path, tmp_path: Path, form: str
) -> None:
    source = home / "data/datasets/sums-v1"
    export(tmp_path / "x.jsonl", form, dataset=source, split="all")
    store = TraceStore(tmp_path / "traces")
    store.import_files([tmp_path / "x.jsonl"], NOW, reads_back(form))
    folder = dataset.build(store, dataset.DatasetSpec.of(**SPEC), tmp_path)
    expected = render_it(source, tmp_path / "expected")
    assert render_it(folder, tmp_path / "found") == expected
    assert len(expected["train"]) + len(expected["eval"]) == 48


def test_the_job_of_a_file_gives_the_tokens_that_the_dataset_gives(home: Path) -> None:
    tool(home, "datasets", "export", "sums-v1", "--split", "all", "-o", str(home / "x.jsonl"))
    assert (
        tool(
            home, "datasets", "tunix-yaml", str(home / "x.jsonl"), "-o", str(home / "x.yaml")
        ).exit_code
        == 0
    )
    told = tool(home, "run", str(home / "x.yaml"), "--to", "render")
    assert told.exit_code == 0, told.output
    expected = render_it(home / "data/datasets/sums-v1", home / "expected")
    assert rendered(home / "runs/x/3_render") == expected
    held_out = dataset.load(home / "runs/x/2_build/x-v1", "eval")
    assert {trace.task for _, trace in held_out} == {"arithmetic"}


def begin(path: Path, home: Path) -> dict[str, Any]:
    """Runs the cells of the train notebook up to its configuration, alone, with a job."""
    notebook = nbformat.read(runs.notebook_of("train"), as_version=4)
    end = next(k for k, cell in enumerate(notebook.cells) if "SftConfig.of" in cell.source)
    tell = "(step.folder / 'told.json').write_text(config.model_dump_json())"
    given = nbformat.v4.new_code_cell(f"JOB = {str(path)!r}")
    cells = notebook.cells[: end + 1]
    at = next(k for k, cell in enumerate(cells) if cell.metadata.get("tags") == ["parameters"])
    cells.insert(at + 1, given)
    notebook.cells = [*cells, nbformat.v4.new_code_cell(tell)]
    env = {**os.environ, "TUNIX_RT_HOME": str(home)}
    NotebookClient(notebook, kernel_name="python3").execute(env=env)
    found: dict[str, Any] = files.read_json(home / "alone/4_train/told.json")
    return found


def test_the_train_notebook_alone_does_what_its_job_says(home: Path) -> None:
    asked = job.Job.of(
        dataset={"path": str(home / "data/datasets/sums-v1")},
        training={"max_seq_length": 256, "num_epochs": 2, "batch_size": 3, "weight_decay": 0.5},
        output={"output_dir": str(home / "alone")},
    )
    job.write_job(asked, home / "alone.yaml")
    config = begin(home / "alone.yaml", home)
    rows = runs.result(home / "alone/3_render")["rows"]
    assert rows > 3
    assert config["steps"] == train.steps_of_epochs(2, rows, 3)
    assert (config["batch_size"], config["weight_decay"]) == (3, 0.5)
    assert config["learning_rate"] == 2e-5


def test_a_job_for_a_device_that_is_not_here_is_refused_at_once(home: Path) -> None:
    asked = job.Job.of(
        dataset={"path": str(home / "data/datasets/sums-v1")},
        training={"device": "tpu"},
        output={"output_dir": str(home / "tpu")},
    )
    job.write_job(asked, home / "tpu.yaml")
    with pytest.raises(CellExecutionError, match="device: is tpu, but JAX runs on cpu here"):
        begin(home / "tpu.yaml", home)
    assert not (home / "tpu").exists()
