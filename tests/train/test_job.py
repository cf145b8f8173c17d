from pathlib import Path

import jax
import pytest
import yaml
from hypothesis import given, strategies as st

from tests.helpers import odd
from tunix_rt_nb import train
from tunix_rt_nb.common import check_name, strict_yaml
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.dataset.exporter import FORMS
from tunix_rt_nb.train.job import (
    Job,
    TrainingPart,
    check_device,
    job_name,
    load_job,
    read,
    write_job,
)

LEAST = {"dataset": {"path": "d"}, "output": {"output_dir": "out"}}


def test_a_job_is_the_documented_yaml() -> None:
    assert Job.of(**LEAST).yaml() == (
        "version: '1.0'\n"
        "runner: tunix\n"
        "mode: sft\n"
        "model:\n"
        "  model_id: tiny\n"
        "dataset:\n"
        "  format: tunix_sft\n"
        "  path: d\n"
        "training:\n"
        "  learning_rate: 2.0e-05\n"
        "  weight_decay: 0.01\n"
        "  num_epochs: 3\n"
        "  batch_size: 8\n"
        "  max_seq_length: 2048\n"
        "  device: auto\n"
        "output:\n"
        "  output_dir: out\n"
    )


def test_what_is_written_is_read_and_paths_are_from_the_folder_of_the_job(tmp_path: Path) -> None:
    job = Job.of(**LEAST, model={"model_id": "google/gemma-3-270m"}, training={"num_epochs": 1})
    write_job(job, tmp_path / "job.yaml")
    found = read(tmp_path / "job.yaml")
    assert found.dataset.path == str(tmp_path / "d")
    assert found.output.output_dir == str(tmp_path / "out")
    assert (found.model, found.training) == (job.model, job.training)
    write_job(found, tmp_path / "absolute.yaml")
    assert read(tmp_path / "absolute.yaml") == found


@given(odd.texts(), odd.texts(), odd.texts())
def test_no_name_can_become_yaml(model: str, path: str, out: str) -> None:
    model, path, out = (text.replace("\0", "") for text in (model, path, out))  # YAML has no NUL
    job = Job.of(model={"model_id": model}, dataset={"path": path}, output={"output_dir": out})
    assert Job.of(**strict_yaml.parse("job", job.yaml())) == job


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_an_export_can_be_trained_on(form: str) -> None:
    assert Job.of(**{**LEAST, "dataset": {"path": "d", "format": form}}).dataset.format == form


def test_numbers_are_read_as_people_write_them(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text(
        "version: 1.0\ndataset: {path: d}\noutput: {output_dir: out}\n"
        "training: {learning_rate: 2e-5, weight_decay: 0}\n"
    )
    found = read(tmp_path / "job.yaml")
    assert (found.version, found.training.learning_rate) == ("1.0", 2e-5)


def test_a_model_is_a_name_or_a_folder_taken_from_where_the_job_is(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for told, meant in (("gemma3-1b", "gemma3-1b"), ("mine", str(tmp_path / "mine"))):
        (tmp_path / "job.yaml").write_text(yaml.safe_dump({**LEAST, "model": {"model_id": told}}))
        assert read(tmp_path / "job.yaml").model.model_id == meant
    for unknown, nearest in (("gemma3-1b-tt", "gemma3-1b-it"), ("x" * 1_000, "")):
        (tmp_path / "job.yaml").write_text(
            yaml.safe_dump({**LEAST, "model": {"model_id": unknown}})
        )
        with pytest.raises(InputError, match=f"model.model_id: unknown '{unknown[:20]}.*{nearest}"):
            load_job(tmp_path / "job.yaml")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"training": {"learning_rate": 0}}, "training.learning_rate: Input should be greater"),
        ({"training": {"learning_rate": float("nan")}}, ".nan: expected a finite number"),
        ({"training": {"learning_rate": True}}, "training.learning_rate: "),
        ({"training": {"learning_rate": "fast"}}, "training.learning_rate: "),
        ({"training": {"weight_decay": -0.1}}, "training.weight_decay: "),
        ({"training": {"num_epochs": 0}}, "training.num_epochs: "),
        ({"training": {"num_epochs": 1.5}}, "training.num_epochs: "),
        ({"training": {"batch_size": True}}, "training.batch_size: "),
        ({"training": {"max_seq_length": 1_000_000}}, "training.max_seq_length: "),
        ({"training": {"device": "quantum"}}, "training.device: Input should be 'auto', 'cpu'"),
        ({"training": {"speed": 1}}, "training.speed: Extra inputs are not permitted"),
        ({"model": {"model_id": ""}}, "model.model_id: "),
        ({"model": "tiny"}, "model: "),
        ({"version": "2.0"}, "version: Input should be '1.0'"),
        ({"runner": "trl"}, "runner: Input should be 'tunix'"),
        ({"mode": "grpo"}, "mode: Input should be 'sft'"),
        ({"dataset": {"format": "parquet", "path": "d"}}, "dataset.format: "),
        ({"dataset": {}}, "dataset.path: Field required"),
        ({"output": {"output_dir": ["a"]}}, "output.output_dir: "),
        ({"\x1b[31m\n\u2028": 1}, "Extra inputs are not permitted"),
    ],
)
def test_a_wrong_field_is_one_line_with_file_and_field(
    tmp_path: Path, fields: dict[str, object], says: str
) -> None:
    assert says in refused(tmp_path / "job.yaml", yaml.safe_dump({**LEAST, **fields}))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("5: 1", "Field required"),
        ("? [a]\n: 1", "line 1: has a list, a mapping or an alias as a key"),
        ("x: 'y", "is not YAML: "),
        (
            "!!python/object/apply:os.system [ls]",
            "line 1: !!python/object/apply:os.system: is not supported",
        ),
        ("[1]", "expected `NAME: value` lines, found list"),
        ("", "dataset: Field required"),
        ("runner: tunix\nrunner: tunix", "'runner' appears twice"),
        ("x: \x00", "is not YAML: "),
        ("[" * 2_000, "line 1: has more than 64 levels"),
    ],
)
def test_what_is_no_job_is_one_line_with_the_file(tmp_path: Path, text: str, says: str) -> None:
    assert says in refused(tmp_path / "job.yaml", text)


def refused(path: Path, text: str) -> str:
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read(path)
    told = str(error.value)
    assert told.startswith(f"{path}: ")
    assert told.isprintable()
    return told


def test_a_job_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.yaml: cannot be read: No such file"):
        read(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("data/sums.jsonl", "sums"),
        ("sums.jsonl.gz", "sums"),
        ("sums-v1", "sums-v1"),
        ("my own  traces (2).jsonl", "my-own-traces-2-"),
        ("sums.jsonl.jsonl", "sums.jsonl"),
        ("sums.json", "sums"),
        ("sums.jsonl.bz2", "sums.jsonl.bz2"),
        ("_.-sums", "sums"),
        ("v1.2_b.jsonl", "v1.2_b"),
        ("größe.jsonl", "gr-e"),
        ("a" * 99 + ".jsonl", "a" * 64),
        ("表.jsonl", "imported"),
        (".jsonl", "imported"),
        ("..", "imported"),
        ("/", "imported"),
    ],
)
def test_a_run_is_named_after_its_data(path: str, name: str) -> None:
    assert job_name(Path(path)) == name


@given(odd.texts(), st.sampled_from(["", ".jsonl", ".jsonl.gz"]))
def test_whatever_data_is_called_the_name_is_safe(stem: str, suffix: str) -> None:
    name = job_name(Path(f"{stem}{suffix}"))
    assert check_name("name", name) == name


def test_a_job_runs_on_the_device_that_it_asks_for_or_on_any() -> None:
    here = jax.default_backend()
    check_device(here)
    check_device("auto")
    for other in {"cpu", "gpu", "tpu"} - {here}:
        with pytest.raises(InputError) as error:
            check_device(other)
        says = f"device: is {other}, but JAX runs on {here} here: use auto"
        assert str(error.value) == says


def test_the_training_of_a_job_fits_its_model() -> None:
    assert train.fitting("gemma3-1b-it") == {}
    tiny = TrainingPart(**train.fitting("tiny"))
    assert tiny.learning_rate == train.SftConfig.of_parameters(PARAMETERS, 4).learning_rate == 0.004
    adapters = {**PARAMETERS, "MODEL": "gemma3-1b", "LORA_RANK": 8}
    assert train.SftConfig.of_parameters(adapters, 4).learning_rate == 3e-4
    given = {**PARAMETERS, "LEARNING_RATE": 0.5}
    assert train.SftConfig.of_parameters(given, 4).learning_rate == 0.5


PARAMETERS = {"MODEL": "tiny", "LEARNING_RATE": 0.0, "STEPS": 10}


def test_a_job_that_cannot_begin_names_the_field(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"prompt": "p", "response": "Answer: a"}\n')
    data, out = {"path": str(tmp_path / "x.jsonl"), "format": "auto"}, {"output_dir": "out"}
    train.check_job(Job.of(dataset=data, output=out, model={"model_id": "google/gemma-3-1b-it"}))
    for changes, says in (
        ({"model": {"model_id": "google/gemma-3-1b-itt"}}, "model.model_id: .*gemma-3-1b-it[?]"),
        ({"dataset": {**data, "path": "none"}}, "dataset.path: 'none' does not exist"),
        ({"dataset": {**data, "template": "gema"}}, "dataset.template: unknown 'gema', did you"),
        ({"dataset": {**data, "style": "tag"}}, "dataset.style: unknown 'tag', did you mean tags"),
        ({"output": {"output_dir": data["path"]}}, "output.output_dir: .* is a file"),
    ):
        with pytest.raises(InputError, match=says):
            train.check_job(Job.of(**{"dataset": data, "output": out, **changes}))


def test_the_form_of_a_job_is_what_its_notebooks_take(tmp_path: Path) -> None:
    form = {"template": "chatml", "style": "tags", "system": "Be brief."}
    job = Job.of(**{**LEAST, "dataset": {"path": "d", **form}})
    parameters = {name.upper(): value for name, value in form.items()}
    assert job.parameters().items() >= parameters.items()
    assert not Job.of(**LEAST).parameters().keys() & parameters.keys()
    with pytest.raises(InputError, match="STYLE: is set by the job, change dataset.style in it"):
        job.and_settings({"style": "numbered"})
    write_job(job, tmp_path / "job.yaml")
    assert read(tmp_path / "job.yaml").dataset.model_dump().items() >= form.items()
