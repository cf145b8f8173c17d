import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from tests.conftest import NOW
from tunix_rt_nb import dataset, tasks
from tunix_rt_nb.cli import main
from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.dataset import DatasetSpec, build, find
from tunix_rt_nb.dataset.exporter import FORMS, KINDS
from tunix_rt_nb.store.store import TraceStore
from tunix_rt_nb.train import job


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUNIX_RT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def own(home: Path) -> TraceStore:
    """The store in data/traces, and the dataset cards-v1 built from it."""
    store = TraceStore(home / "data/traces")
    store.add(tasks.draw("high_card_duel", 30, seed=1), NOW)
    build(store, DatasetSpec.of(dataset_name="cards"), home / "data/datasets")
    return store


@pytest.fixture
def run_store(home: Path) -> TraceStore:
    """The store of a run, and the dataset sums-v1 that the run built from it."""
    folder = home / "runs/r"
    store = TraceStore(folder / "1_generate/traces")
    store.add(tasks.draw("arithmetic", 30, seed=1), NOW)
    build(store, DatasetSpec.of(dataset_name="sums"), folder / "2_build")
    made_from = {"generate": {"folder": "../1_generate", "sha256": ""}}
    files.write_json(folder / "2_build/result.json", {"inputs": made_from, "outputs": {}})
    return store


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


def told(*arguments: object) -> str:
    result = invoke(*arguments)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def bad(*arguments: object) -> str:
    """The one line that a command ends with for bad input."""
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    return result.stderr.removeprefix("tunix-rt-nb: ").rstrip("\n")


def ids(path: Path) -> list[str]:
    return [line["id"] for line in files.read_lines(path)]


@pytest.mark.usefixtures("own", "run_store")
def test_a_dataset_is_found_by_key_or_path_in_data_or_the_newest_run(home: Path) -> None:
    cards, sums = home / "data/datasets/cards-v1", home / "runs/r/2_build/sums-v1"
    assert find("cards-v1") == cards
    assert find("sums-v1") == sums
    assert find(str(cards)) == cards
    with pytest.raises(InputError) as error:
        find("card-v1")
    expected = "did you mean cards-v1?"
    assert str(error.value) == f"dataset: unknown 'card-v1', {expected}"


def test_without_any_dataset_it_says_how_to_make_one() -> None:
    with pytest.raises(InputError, match="'cards-v1' does not exist, there are no datasets"):
        find("cards-v1")


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("form", FORMS)
def test_a_dataset_is_exported_in_every_form(form: str, tmp_path: Path) -> None:
    out = tmp_path / "x.jsonl"
    export = ("datasets", "export", "cards-v1", "--format", form, "-o", out)
    assert told(*export, "--split", "all") == f"30 records in format {form}: {out}\n"
    assert len(ids(out)) == 30
    held_out = json.loads(told(*export, "--split", "eval", "--json"))["written"]
    assert 0 < held_out < 30
    trained = f"{30 - held_out} records in format {form}, {held_out} held out are not in it"
    assert told(*export) == f"{trained} (--split all): {out}\n"
    assert json.loads(told(*export, "--json"))["split"] == "train"


def test_the_choices_are_those_of_the_export() -> None:
    assert all(kind in told("datasets", "export", "--help") for kind in KINDS)


def test_deleted_traces_are_left_out_and_counted(own: TraceStore, tmp_path: Path) -> None:
    out = tmp_path / "x.jsonl"
    every = ("datasets", "export", "cards-v1", "--split", "all", "-o", out)
    told(*every)
    before = ids(out)
    told("traces", "delete", before[2])
    done = told(*every)
    assert done == f"29 records in format tunix_sft, 1 deleted traces left out: {out}\n"
    assert ids(out) == before[:2] + before[3:]
    asked = f"{before[5]},{before[2]}, {before[0][:9]}"
    done = told("datasets", "export", "--ids", asked, "-o", out, "--json")
    counts = {"written": 2, "deleted": 1, "format": "tunix_sft", "path": str(out)}
    assert json.loads(done) == counts
    assert ids(out) == [before[5], before[0]]


@pytest.mark.usefixtures("own")
def test_what_was_deleted_in_its_run_stays_out_of_a_dataset(
    run_store: TraceStore, tmp_path: Path
) -> None:
    gone = run_store.newest(1)[0].trace.id
    told("traces", "delete", gone, "--store", run_store.folder)
    out = tmp_path / "x.jsonl"
    assert "29 records in format tunix_sft, 1 deleted" in told(
        "datasets", "export", "sums-v1", "--split", "all", "-o", out
    )
    assert gone not in ids(out)
    other = tmp_path / "other"
    other.mkdir()
    told("datasets", "export", "sums-v1", "--split", "all", "-o", out, "--store", other)
    assert gone in ids(out)


@pytest.mark.usefixtures("own")
def test_bad_input_is_one_line(home: Path, tmp_path: Path) -> None:
    out = ("-o", tmp_path / "x.jsonl")
    assert "either the key" in bad("datasets", "export", *out)
    assert "either the key" in bad("datasets", "export", "cards-v1", "--ids", "1f", *out)
    assert "either the key" in bad("datasets", "export", "--ids", " , ", *out)
    assert "does not exist in" in bad("datasets", "export", "--ids", "0" * 12, *out)
    assert "the ending is unknown" in bad(
        "datasets", "export", "cards-v1", "-o", tmp_path / "x.txt"
    )
    assert "did you mean cards-v1?" in bad("datasets", "export", "cards-v2", *out)
    assert "did you mean cards-v1?" in bad("datasets", "tunix-yaml", "cards-v2")
    rendered = home / "rendered"
    files.write_json(rendered / "manifest.json", {"files": {}})
    assert "is not the manifest of a dataset" in bad("datasets", "export", rendered, *out)
    assert not (tmp_path / "x.jsonl").exists()


@pytest.mark.usefixtures("own")
def test_the_job_of_a_dataset_is_printed_or_written(home: Path, tmp_path: Path) -> None:
    printed = told("datasets", "tunix-yaml", "cards-v1")
    found = yaml.safe_load(printed)
    assert found["model"] == {"model_id": "tiny"}
    path = str(home / "data/datasets/cards-v1")
    assert found["dataset"] == {"format": "tunix_sft", "path": path}
    assert found["output"] == {"output_dir": str(home / "runs/cards-v1")}
    out = tmp_path / "job.yaml"
    options = ("--model-id", "google/gemma-3-270m", "--output-dir", tmp_path / "out: #1")
    assert told("datasets", "tunix-yaml", path, "-o", out, *options) == ""
    written = job.read(out)
    assert written.model.model_id == "google/gemma-3-270m"
    assert written.output.output_dir == str(tmp_path / "out: #1")
    assert found["training"]["learning_rate"] == 0.004  # not that of a pretrained model
    assert written.training.learning_rate == 2e-5
    more = ("--learning-rate", 1e-4, "--epochs", 2, "--batch-size", 3, "--max-length", 64)
    given = yaml.safe_load(told("datasets", "tunix-yaml", "cards-v1", *more))["training"]
    assert (given["learning_rate"], given["num_epochs"]) == (1e-4, 2)
    assert (given["batch_size"], given["max_seq_length"]) == (3, 64)
    for name in ("", "gemma3-1"):
        told_why = bad(
            "datasets", "tunix-yaml", "cards-v1", "--model-id", name, "-o", tmp_path / "y"
        )
        assert f"--model-id: unknown '{name}'" in told_why
    assert not (tmp_path / "y").exists()


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("form", FORMS)
def test_the_job_of_an_exported_file_names_its_form(form: str, tmp_path: Path) -> None:
    told("datasets", "export", "cards-v1", "--format", form, "-o", tmp_path / "x.jsonl")
    found = yaml.safe_load(told("datasets", "tunix-yaml", tmp_path / "x.jsonl"))
    assert found["dataset"] == {"format": form, "path": str(tmp_path / "x.jsonl")}
    assert found["output"]["output_dir"].endswith("runs/x")
    (tmp_path / "x.jsonl").write_text("{}\n")
    assert "x.jsonl:1: " in bad("datasets", "tunix-yaml", tmp_path / "x.jsonl")


@pytest.mark.usefixtures("own")
def test_a_job_never_gets_the_folder_of_another_run(home: Path) -> None:
    def out(key: object) -> str:
        return str(yaml.safe_load(told("datasets", "tunix-yaml", key))["output"]["output_dir"])

    taken = home / "runs/cards-v1"
    files.write_json(taken / "run.json", {"format": 1, "profile": "x", "job": {"runner": "tunix"}})
    assert out("cards-v1") == str(taken)
    copied = dataset.copy(home / "data/datasets/cards-v1", taken / "2_build")
    assert out(copied) == f"{taken}-job"
    files.write_json(taken / "run.json", {"format": 1, "profile": "x", "job": None})
    assert out("cards-v1") == f"{taken}-job"


def test_smoke_ends_with_one_where_a_line_is_bad_and_two_where_there_is_no_file(
    tmp_path: Path,
) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"id": "1"}\n')
    result = invoke("smoke", path)
    assert result.exit_code == 1
    assert result.stdout == (
        f"{path}:1: metadata: Field required, the nearest format is messages\n"
        "✗ records   1 of 1 lines are bad\n"
    )
    found = json.loads(invoke("smoke", path, "--json").stdout)
    assert (found["right"], found["records"], found["form"]) == (False, 1, None)
    assert found["checks"] == [{"name": "records", "right": False, "told": "1 of 1 lines are bad"}]
    assert bad("smoke", tmp_path / "y.jsonl").endswith("cannot be read: No such file or directory")


@pytest.fixture
def named(own: TraceStore, home: Path) -> Path:
    """A dataset that names its form."""
    form = {"template": "chatml", "style": "tags", "system": "Be brief."}
    return build(own, DatasetSpec.of(dataset_name="named", **form), home / "data/datasets")


def test_the_form_of_a_dataset_is_that_of_its_exports_and_its_job(
    named: Path, tmp_path: Path
) -> None:
    form, out = {"template": "chatml", "style": "tags", "system": "Be brief."}, tmp_path / "x.jsonl"
    told("datasets", "export", "named-v1", "-o", out)
    first = next(files.read_lines(out))
    assert first["prompts"].startswith("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user")
    assert first["metadata"]["form"] == form
    found = yaml.safe_load(told("datasets", "tunix-yaml", out))
    assert found["dataset"] == {"format": "tunix_sft", "path": str(out), **form}
    of_dataset = ("datasets", "tunix-yaml", "named-v1", "-o", tmp_path / "job.yaml")
    told(*of_dataset)
    parameters = job.load_job(tmp_path / "job.yaml").parameters()
    assert parameters.items() >= {name.upper(): value for name, value in form.items()}.items()
    told("datasets", "export", "named-v1", "-o", out, "--template", "llama3", "--system", "")
    assert next(files.read_lines(out))["prompts"].startswith("<|start_header_id|>user")
    text = (tmp_path / "job.yaml").read_text()
    (tmp_path / "job.yaml").write_text(text.replace("dataset:\n", "dataset:\n  style: numbered\n"))
    with pytest.raises(InputError, match="dataset.style: is 'numbered', but the dataset names 'ta"):
        job.load_job(tmp_path / "job.yaml")
    (tmp_path / "job.yaml").write_text(text.replace("dataset:\n", "dataset:\n  style: tag\n"))
    with pytest.raises(InputError, match="dataset.style: unknown 'tag', did you mean tags?"):
        job.load_job(tmp_path / "job.yaml")
    told_why = bad("datasets", "export", named, "-o", out, "--format", "trace", "--style", "tags")
    assert told_why == "style: has no effect on records of format trace, leave it out"


@pytest.mark.usefixtures("own")
def test_a_job_that_run_would_refuse_is_not_written(home: Path, tmp_path: Path) -> None:
    write = ("datasets", "tunix-yaml", "cards-v1", "-o", tmp_path / "job.yaml")
    files.write_json(home / "runs/theirs/run.json", {"format": 1, "profile": "x"})
    theirs = bad(*write, "--output-dir", home / "runs/theirs")
    assert theirs.endswith("theirs holds a run that no job made, give another folder")
    inside = bad(*write, "--output-dir", home / "data/datasets/cards-v1/out")
    assert "is in the dataset's folder, which never changes" in inside
    assert "training.num_epochs: Input should be greater" in bad(*write, "--epochs", 0)
    build(
        TraceStore(home / "data/traces"), DatasetSpec.of(dataset_name="all", eval_fraction=0), home
    )
    assert "has no held-out items" in bad("datasets", "tunix-yaml", home / "all-v1")
    assert not (tmp_path / "job.yaml").exists()
    repository = bad(*write, "--model-id", "google/gemma-3-1b-itt")
    assert (
        "--model-id: unknown 'google/gemma-3-1b-itt', did you mean google/gemma-3-1b-it"
        in repository
    )


@pytest.mark.usefixtures("own")
def test_a_job_may_lie_in_another_folder_than_its_model(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("model/config.json", "model/tokenizer.model", "model/model.safetensors"):
        files.write_json(tmp_path / name, {})
    (tmp_path / "jobs").mkdir()
    told("datasets", "tunix-yaml", "cards-v1", "--model-id", "model", "-o", "jobs/job.yaml")
    assert job.load_job(Path("jobs/job.yaml")).model.model_id == str(tmp_path / "model")
