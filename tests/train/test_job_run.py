"""A Tunix job as what the chain runs, on five tiny notebooks that declare what the real ones do."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result

from tests.conftest import NOW
from tests.runs.test_chain import WORK, invoke, ran, write
from tunix_rt_nb import dataset, runs, tasks
from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.dataset.exporter import export
from tunix_rt_nb.host import paths
from tunix_rt_nb.runs import chain
from tunix_rt_nb.store.store import TraceStore
from tunix_rt_nb.train import job as jobs

PARAMETERS = {
    "generate": "TRACES: dict = {'a': 1}; IMPORT: list[str] = []; IMPORT_AS: str = 'trace'",
    "build": "DATASET: str = ''; DATASET_NAME: str = 'x'; LIMIT: int = 0; SEED: int = 0",
    "render": "MODEL: str = 'tiny'; MAX_LENGTH: int = 16",
    "train": "MODEL: str = 'tiny'; STEPS: int = 1; EPOCHS: int = 0; BATCH_SIZE: int = 2;"
    "LEARNING_RATE: float = 0.1; WEIGHT_DECAY: float = 0.1; DEVICE: str = 'auto'; SEED: int = 0;"
    "JOB: str = ''",
    "evaluate": "ITEMS: int = 9",
    "improve": "ROUNDS: int = 1",
}
TAKES = {"build": ", dataset=DATASET"}


@pytest.fixture
def road(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Notebooks that write down their parameters, a dataset, and a job that trains on it."""
    notebooks = tmp_path / "notebooks"
    (notebooks / "profiles").mkdir(parents=True)
    (notebooks / "profiles/quickstart.yaml").write_text("{}")
    for step, declared in PARAMETERS.items():
        names = [part.split(":")[0].strip() for part in declared.split(";")]
        work = WORK.replace("RUN_DIR)", f"RUN_DIR{TAKES.get(step, '')})")
        work = work.replace('f"{{NUMBER}} {{NAME}}{extra}"', f"repr([{', '.join(names)}])")
        work = work.replace('{{"number": NUMBER}}', "{{}}")
        cell = declared.replace(";", "\n").replace("\n ", "\n") + "\nRUN_DIR: str = ''"
        write(notebooks, step, [work.format(step=step, log=tmp_path / "done.txt")], cell)
    monkeypatch.setattr(paths, "NOTEBOOKS", notebooks)
    monkeypatch.setenv("TUNIX_RT_HOME", str(tmp_path / "home"))
    built(tmp_path, 20)
    say(tmp_path)
    return tmp_path


def built(road: Path, n: int) -> Path:
    """The dataset `road/sums-v1` of so many traces."""
    store = TraceStore(road / f"traces{n}")
    store.add(tasks.draw("arithmetic", n, seed=0), NOW)
    spec = dataset.DatasetSpec.of(dataset_name="sums", eval_fraction=0.25)
    return dataset.build(store, spec, road)


def say(road: Path, **changes: Any) -> Path:
    """Writes `road/job.yaml`; `part__field` changes a field."""
    job: dict[str, Any] = {
        "runner": "tunix",
        "dataset": {"path": "sums-v1"},
        "output": {"output_dir": "out"},
    }
    for name, value in changes.items():
        part, _, field = name.partition("__")
        job.setdefault(part, {})[field] = value
    (road / "job.yaml").write_text(yaml.safe_dump(job))
    return road / "job.yaml"


def go(road: Path, *arguments: str) -> list[str]:
    """Runs the job up to `train`; returns the steps that really ran."""
    result = invoke("run", str(road / "job.yaml"), "--to", "train", *arguments)
    assert result.exit_code == 0, result.output
    return ran(road)


def told(road: Path, step: str) -> str:
    return (road / "out" / runs.stem(step) / "out.txt").read_text()


def test_a_job_is_run_where_it_says_on_its_dataset_as_it_is(road: Path) -> None:
    say(road, training__num_epochs=2, training__learning_rate=0.5, training__max_seq_length=99)
    assert go(road) == ["build", "render", "train"]
    assert told(road, "build") == f"['{road / 'sums-v1'}', 'x', 0, 0]"
    assert told(road, "render") == "['tiny', 99]"
    assert told(road, "train") == "['tiny', 1, 2, 8, 0.5, 0.01, 'auto', 0, '']"
    assert runs.result(road / "out/2_build")["inputs"] == {}
    noted = files.read_json(road / "out/run.json")
    assert noted["job"]["training"]["num_epochs"] == 2
    assert noted["profile"] == str(road / "job.yaml")
    assert not (road / "home").exists()


def test_a_job_runs_again_from_what_has_changed_on(road: Path) -> None:
    assert go(road, "--to", "render") == ["build", "render"]
    assert go(road, "--to", "render") == []
    say(road, training__max_seq_length=99)
    assert go(road, "--to", "render") == ["render"]
    for path in (road / "sums-v1").iterdir():
        path.unlink()
    built(road, 24)
    assert go(road, "--to", "render") == ["build"]  # which copies nothing here
    assert go(road, "--to", "build", "--fresh") == ["build"]


@pytest.mark.parametrize(("form", "reader"), [("tunix_sft", "tunix_sft"), ("trace", "reference")])
def test_a_job_of_a_file_begins_with_its_import(road: Path, form: str, reader: str) -> None:
    path = road / "my sums.jsonl.gz"
    export(path, form, dataset=road / "sums-v1", split="all")
    say(road, dataset__path=path.name, dataset__format=form)
    assert go(road, "--to", "build") == ["generate", "build"]
    assert told(road, "generate") == f"[{{}}, ['{path}'], '{reader}']"
    assert told(road, "build") == "['', 'my-sums', 0, 0]"
    export(path, form, dataset=road / "sums-v1", split="train")
    assert go(road, "--to", "build") == ["generate"]


def bad(result: Result) -> str:
    assert result.exit_code == 2, result.output
    assert result.stderr.count("\n") == 1
    assert result.stderr.isprintable() or result.stderr[:-1].isprintable()
    return result.stderr


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model__model_id": "tinny"}, "model.model_id: unknown 'tinny', did you mean tiny?"),
        ({"dataset__path": "none"}, "none' does not exist, expected the folder of a dataset or a"),
        ({"dataset__path": "a\0\n"}, "line 2: has a null character or half a surrogate pair"),
        ({"dataset__path": "."}, "has no manifest.json"),
        ({"dataset__path": "job.yaml"}, "job.yaml:1: not a JSON object"),
        ({"dataset__path": "traces20/shard"}, "metadata: Field required, the nearest format is"),
        ({"dataset__path": "x.jsonl"}, "dataset.format: is tunix_sft, but "),
        ({"output__output_dir": "sums-v1"}, "is in the dataset's folder, which never changes"),
        ({"output__output_dir": "sums-v1/out"}, "is in the dataset's folder, which never changes"),
        ({"output__output_dir": "job.yaml"}, "job.yaml is a file, expected a folder or a new path"),
        ({"output__output_dir": "a\0"}, "line 4: has a null character or half a surrogate pair"),
        ({"output__output_dir": "theirs"}, "theirs holds a run that no job made"),
        ({"output__output_dir": "notebooks"}, "notebooks holds a run that no job made"),
        ({"output__output_dir": "."}, "holds the dataset, which the run would replace"),
        ({"training__speed": 1}, "training.speed: Extra inputs are not permitted"),
        ({"runner__x": 1}, "runner: Input should be 'tunix'"),
    ],
)
def test_a_job_that_cannot_begin_is_one_line(
    road: Path, changes: dict[str, str], says: str
) -> None:
    export(road / "x.jsonl", "messages", dataset=road / "sums-v1")
    shard = next((road / "traces20").glob("*.jsonl"))
    (road / "traces20/shard").symlink_to(shard)
    files.write_json(road / "theirs/run.json", {"format": 1, "profile": "quickstart"})
    if says.startswith("holds"):
        (road / "2_build").mkdir()
        (road / "sums-v1").rename(road / "2_build/sums-v1")
        changes = {**changes, "dataset__path": "2_build/sums-v1"}
    if "runner__x" in changes:
        path = say(road)
        path.write_text(path.read_text().replace("runner: tunix", "runner: trl"))
    else:
        path = say(road, **changes)
    found = bad(invoke("run", str(path)))
    assert says in found
    assert str(path) in found
    assert ran(road) == []
    assert not list(road.glob("**/.chain.lock"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--run-id", "x"], "--run-id: "),
        (["--set", "learning_rate=1"], "is set by the job, change training.learning_rate"),
        (["--set", "STEPS=1"], "STEPS: is set by the job, change training.num_epochs"),
        (["--set", "IMPORT=[x]"], "IMPORT: is set by the job, change dataset.path"),
        (["--set", "LIMIT=5"], "LIMIT: has no effect, because the dataset is used as it is"),
        (["--set", "LIMITS=5"], "parameter: unknown 'LIMITS', did you mean LIMIT?"),
        (["--set", "JOB=x"], "parameter: unknown 'JOB'"),
        (["--set", "ITEMS=x"], "ITEMS: expected a whole number from 1, found 'x'"),
        (["--to", "generate"], "--to generate: comes before build"),
        (["--from", "train"], "3_render/result.json: is missing"),
    ],
)
def test_what_goes_against_a_job_is_refused(road: Path, arguments: list[str], says: str) -> None:
    assert says in bad(invoke("run", str(road / "job.yaml"), *arguments))
    assert ran(road) == []


def test_settings_that_the_job_says_nothing_of_are_taken(road: Path) -> None:
    assert go(road, "--set", "seed=5", "--to", "build") == ["build"]
    assert told(road, "build").endswith(", 5]")
    export(road / "x.jsonl", dataset=road / "sums-v1")
    say(road, dataset__path="x.jsonl")
    assert go(road, "--set", "LIMIT=5", "--to", "build") == ["generate", "build"]
    assert told(road, "build") == "['', 'x', 5, 0]"


def test_a_job_in_the_folder_of_its_run_is_no_run_of_something_else(road: Path) -> None:
    say(road, output__output_dir=".")
    assert go(road, "--to", "build") == ["build"]
    assert go(road, "--to", "build") == []


def test_a_profile_may_name_a_dataset_too(road: Path) -> None:
    result = invoke("run", "--set", f"DATASET={road / 'sums-v1'}", "--json", "--to", "render")
    assert [step["name"] for step in json.loads(result.stdout)["steps"]] == ["build", "render"]


def test_the_train_notebook_with_a_job_runs_those_before_it_where_needed(road: Path) -> None:
    job = say(road, training__max_seq_length=50)
    stop = jobs.begin_job("train", job)
    assert ran(road) == ["build", "render"]
    assert stop.folder == road / "out/4_train"
    assert stop.inputs["render"] == road / "out/3_render"
    stop.finish({})
    jobs.begin_job("train", job)
    assert ran(road) == []
    say(road, training__max_seq_length=60)
    jobs.begin_job("train", job)
    assert ran(road) == ["render"]
    assert told(road, "render") == "['tiny', 60]"


def test_a_job_alone_says_where_the_train_notebook_works(road: Path) -> None:
    with pytest.raises(InputError, match="RUN_DIR: cannot be combined with JOB"):
        jobs.begin_job("train", road / "job.yaml", str(road / "x"))
    say(road, model__model_id="gpt")
    with pytest.raises(InputError, match="model.model_id: unknown 'gpt'"):
        jobs.begin_job("train", road / "job.yaml")
    assert ran(road) == []


def test_a_dataset_that_was_taken_alone_is_gone_on_from(road: Path) -> None:
    stop = chain.begin("build", dataset=str(road / "sums-v1"))
    (stop.folder / "mine.txt").write_text("mine")
    stop.finish({})
    chain.begin("train")
    assert ran(road) == ["render"]
    assert (stop.folder / "mine.txt").exists()
