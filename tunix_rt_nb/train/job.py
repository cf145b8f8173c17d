"""A Tunix job: one YAML file that says which model to fine-tune on which data, and how.

version: '1.0'
runner: tunix
mode: sft
model:
  model_id: tiny
dataset:
  format: tunix_sft
  path: /home/me/data/datasets/cards-v1
training:
  learning_rate: 2.0e-05
  weight_decay: 0.01
  num_epochs: 3
  batch_size: 8
  max_seq_length: 2048
  device: auto
output:
  output_dir: /home/me/runs/cards-v1
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from tunix_rt_nb import models, runs
from tunix_rt_nb.common import InputError, checked, files, one_line, strict_yaml
from tunix_rt_nb.host import launch
from tunix_rt_nb.models import catalog
from tunix_rt_nb.runs import Step, chain
from tunix_rt_nb.trace import form, formats
from tunix_rt_nb.train.config import fitting_rate

_FIELDS = {  # notebook parameter -> the field of a job that sets it
    "MODEL": "model.model_id",
    "MAX_LENGTH": "training.max_seq_length",
    "LEARNING_RATE": "training.learning_rate",
    "WEIGHT_DECAY": "training.weight_decay",
    "EPOCHS": "training.num_epochs",
    "BATCH_SIZE": "training.batch_size",
    "DEVICE": "training.device",
}
_FORM = ("template", "style", "system")  # fields of `dataset`, and in capitals parameters
_OF_DATA = ("DATASET", "TRACES", "IMPORT", "IMPORT_AS")  # set by `dataset`
if TYPE_CHECKING:
    _Format = str
else:
    _Format = Literal[(formats.AUTO, *formats.FORMATS)]


def _number(value: Any) -> Any:
    """Read a number such as `2e-5`, which YAML takes for text because it has no point."""
    with suppress(ValueError):
        return float(value) if isinstance(value, str) else value
    return value


_Float = Annotated[float, BeforeValidator(_number)]
_Version = Annotated[Literal["1.0"], BeforeValidator(str)]  # YAML reads 1.0 as a number
_Text = Annotated[str, Field(min_length=1, max_length=1_024)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ModelPart(_Part):
    """The model that training starts from: a name in the catalog, a folder or a GGUF file."""

    model_id: _Text = "tiny"


class DatasetPart(_Part):
    """The data to train on.

    Attributes:
      format: how a record is written in a file, one of `formats.FORMATS`, or `auto`.
      path: the folder of a dataset, which is used as it is; or a file with records of this format,
        from which a dataset is built.
      template, style, system: the form to train in. Without them it is the one that the dataset
        names, or else Gemma's template with numbered steps.
    """

    format: _Format = "tunix_sft"
    path: _Text
    template: str | None = None
    style: str | None = None
    system: str | None = None


class TrainingPart(_Part):
    """Settings of training.

    Attributes:
      learning_rate: the peak learning rate.
      num_epochs: how often each trace is seen.
      batch_size: sequences per optimiser step, each packed with traces; all, if there are fewer.
      max_seq_length: tokens per sequence; a longer trace is left out, not cut.
      device: the kind of device that JAX must find; auto takes any.
    """

    learning_rate: _Float = Field(default=2e-5, gt=0, le=1)
    weight_decay: _Float = Field(default=0.01, ge=0, le=1)
    num_epochs: int = Field(default=3, ge=1, le=1_000)
    batch_size: int = Field(default=8, ge=1, le=4_096)
    max_seq_length: int = Field(default=2_048, ge=16, le=131_072)
    device: Literal["auto", "cpu", "gpu", "tpu"] = "auto"


class OutputPart(_Part):
    """The folder of the job's run, which holds everything that the job makes."""

    output_dir: _Text


class Job(_Part):
    """A whole job. Every field has a default, except `dataset.path` and `output.output_dir`.

    Example:
      >>> job = Job.of(dataset={"path": "cards-v1"}, output={"output_dir": "out"})
      >>> job.model.model_id, job.training.num_epochs
      ('tiny', 3)
    """

    version: _Version = "1.0"
    runner: Literal["tunix"] = "tunix"
    mode: Literal["sft"] = "sft"
    model: ModelPart = ModelPart()
    dataset: DatasetPart
    training: TrainingPart = TrainingPart()
    output: OutputPart

    @classmethod
    def of(cls, **fields: Any) -> "Job":
        """Check the fields and build the job; `InputError` names a field that is wrong."""
        return checked(cls, fields)

    def parameters(self) -> dict[str, Any]:
        """Return the notebook parameters that the job sets.

        Example:
          >>> job = Job.of(dataset={"path": "x.jsonl"}, output={"output_dir": "out"})
          >>> job.parameters()["IMPORT"], job.parameters()["EPOCHS"]
          (['x.jsonl'], 3)
        """
        given = {name: attrgetter(field)(self) for name, field in _FIELDS.items()}
        given |= {part.upper(): value for part, value in self._form().items()}
        path = Path(self.dataset.path)
        if path.is_dir():
            return {**given, "DATASET": str(path)}
        return {
            **given,
            "TRACES": {},
            "IMPORT": [str(path)],
            "IMPORT_AS": formats.reads_back(self.dataset.format),
            "DATASET_NAME": job_name(path),
        }

    def form(self) -> dict[str, str]:
        """Return the form to train in: `template`, `style` and `system`, whoever names them."""
        return {"template": "gemma", "style": "numbered", "system": "", **self._form()}

    def _form(self) -> dict[str, str]:
        """Return the parts of the form that the job names, or else the dataset: part -> value."""
        found = {part: getattr(self.dataset, part) for part in _FORM}
        if Path(self.dataset.path).is_dir():
            named = _form_of(Path(self.dataset.path))
            found = {part: named[part] if value is None else value for part, value in found.items()}
        return {part: value for part, value in found.items() if value is not None}

    def and_settings(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the job's parameters together with settings that the job leaves open.

        Args:
          settings: notebook parameters by name, in capitals or not.

        Raises:
          InputError: the job itself sets a parameter of `settings`; or a parameter has no effect,
            because only notebooks that build a dataset use it and the job gives a finished dataset.
        """
        from tunix_rt_nb.runs import parameters

        given = self.parameters()
        others = {name.upper(): value for name, value in settings.items()}
        for name in others:
            field = {**_FIELDS, "STEPS": "training.num_epochs"}.get(name)
            if name.lower() in _FORM and name in given:
                field = f"dataset.{name.lower()}"
            if name in _OF_DATA:
                field = "dataset.path"
            if field:
                raise InputError(f"--set: {name}: is set by the job, change {field} in it")
        if "DATASET" in given:
            read = {step: parameters.declared(runs.notebook_of(step)).keys() for step in runs.STEPS}
            skipped = read.pop("generate") | read.pop("build")
            for name in sorted(others.keys() & skipped - set().union(*read.values())):
                raise InputError(
                    f"--set: {name}: has no effect, because the dataset is used as it is"
                )
        return {**given, **others}

    def yaml(self) -> str:
        """Return the job as YAML, the text of its file."""
        return strict_yaml.dump(self.model_dump(exclude_none=True))


def fitting(model: str) -> dict[str, Any]:
    """Return the training settings that fit a model and differ from the defaults of a job.

    Example:
      >>> fitting("gemma3-1b"), fitting("tiny")["learning_rate"]
      ({}, 0.004)
    """
    if model != "tiny":
        return {}
    how = {"num_epochs": 20, "batch_size": 2, "max_seq_length": 256}
    return {"learning_rate": fitting_rate(model), **how}


def write_job(job: Job, path: Path) -> None:
    """Write a job to a file, atomically."""
    with files.atomic(path) as file:
        file.write(job.yaml().encode())


def read(path: Path) -> Job:
    """Read a job from its YAML file; make its relative paths start at the file's folder.

    Raises:
      InputError: a field is wrong (`file: field: reason`), or the file cannot be read or is not
        YAML.
    """
    fields = strict_yaml.read(path)
    try:
        job = checked(Job, fields)
    except InputError as error:
        raise InputError(f"{path}: {one_line(str(error))}") from None
    here = path.parent.absolute()
    for field in ("dataset.path", "output.output_dir"):
        try:
            (here / attrgetter(field)(job)).exists()
        except OSError as error:  # too long to be a path
            raise InputError(f"{path}: {field}: {error.strerror}") from None
    return job.model_copy(
        update={
            "model": ModelPart(model_id=_model(job.model.model_id, here)),
            "dataset": job.dataset.model_copy(update={"path": str(here / job.dataset.path)}),
            "output": OutputPart(output_dir=str(here / job.output.output_dir)),
        }
    )


def _model(name: str, here: Path) -> str:
    """Return the model's full path if `name` is its path from the job's folder; else the name.

    Args:
      name: the `model_id` of the job: a name in the catalog, or the path of a model.
      here: the folder of the job's file.
    """
    there = str(here / name)
    return there if name not in catalog.MODELS and catalog.is_known(there) else name


def load_job(path: Path | str) -> Job:
    """Read a job and check that it can begin.

    Raises:
      InputError: the job's file cannot be read or has a wrong field, or the job cannot begin, for a
        reason that `check_job` lists.
    """
    job = read(Path(path))
    try:
        check_job(job)
    except InputError as error:
        raise InputError(f"{path}: {one_line(str(error), 1_000)}") from None
    return job


def check_job(job: Job) -> None:
    """Check that a job can begin.

    Raises:
      InputError: the model or dataset does not exist; the data has another format than the job
        says; the template or style is unknown, or not the one that the dataset names; the output
        folder is a file, holds a run that no job made, or lies in the dataset's folder; or the
        dataset lies in a folder that the run would replace. The message begins with the field.
    """
    if not catalog.is_known(job.model.model_id):
        raise catalog.unknown_model("model.model_id", job.model.model_id)
    _check_dataset(job.dataset)
    _check_output(Path(job.output.output_dir), Path(job.dataset.path))


def _form_of(folder: Path) -> dict[str, str | None]:
    """Return the form that a dataset names: part -> value, or None if the part is left open."""
    from tunix_rt_nb import dataset

    return dataset.form_of(dataset.read_manifest(folder))._asdict()


def _check_form(data: DatasetPart) -> None:
    try:
        form(data.template or "gemma", data.style or "numbered")
    except InputError as error:
        raise InputError(f"dataset.{error}") from None


def _check_dataset(data: DatasetPart) -> None:
    _check_form(data)
    path = Path(data.path)
    if path.is_dir():
        for part, named in _form_of(path).items():
            given = getattr(data, part)
            if None not in (named, given) and named != given:
                raise InputError(f"dataset.{part}: is {given!r}, but the dataset names {named!r}")
    elif not path.is_file():
        raise InputError(
            f"dataset.path: {data.path!r} does not exist,"
            " expected the folder of a dataset or a JSON lines file"
        )
    elif data.format in formats.EXPORTS and (found := formats.export_in(path)) != data.format:
        raise InputError(f"dataset.format: is {data.format}, but {path} has records of {found}")


def _check_output(folder: Path, data: Path) -> None:
    field = "output.output_dir"
    try:
        folder, data = folder.resolve(), data.resolve()
    except (ValueError, RuntimeError) as error:  # a null character, a loop of symbolic links
        raise InputError(f"{field}: {error}") from None
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{field}: {folder} is a file, expected a folder or a new path")
    if folder.is_relative_to(data):
        raise InputError(f"{field}: {folder} is in the dataset's folder, which never changes")
    if any(data.is_relative_to(folder / runs.stem(step)) for step in runs.STEPS):
        raise InputError(f"{field}: {folder} holds the dataset, which the run would replace")
    if runs.is_taken(folder):
        raise InputError(f"{field}: {folder} holds a run that no job made, give another folder")


def begin_job(step: str, path: Path | str, run_dir: str = "") -> Step:
    """Begin a step of a job's run; the steps before it run first, unless they are done.

    Args:
      step: the step to begin, such as `train`: the one of the notebook that calls this.
      path: the job's file.
      run_dir: the notebook's parameter `RUN_DIR`. It must be empty, because the job itself names
        the run's folder.

    Returns:
      The step, with its folder ready to be written to.

    Raises:
      InputError: the job cannot begin, for a reason that `check_job` lists; `run_dir` is not empty;
        or another process is at work in the run's folder.
    """
    if run_dir:
        raise InputError("RUN_DIR: cannot be combined with JOB, which names its own folder")
    job = load_job(path)
    folder, earlier = Path(job.output.output_dir), runs.before(step)
    inputs = {}
    if earlier:
        print(f"The notebooks up to {runs.stem(earlier)} run first, unless they are done.")
        chain.run(folder, job.parameters(), to_step=earlier, job=job.model_dump())
        inputs = runs.lineage(earlier, folder / runs.stem(earlier))
        print(runs.origin.of_step(earlier, inputs))
    return runs.take(step, folder, inputs, alone=True)


def job_name(data: Path) -> str:
    """Make a name for a dataset and for the folder of a run from the name of a file or folder.

    Example:
      >>> job_name(Path("my traces.jsonl.gz"))
      'my-traces'
    """
    name = re.sub(r"\.(jsonl|ndjson|json|csv|parquet|arrow)(\.gz)?$", "", data.name)
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).lstrip("._-")[:64] or "imported"


def check_device(device: str) -> None:
    """Find the devices for training; raise `InputError` if they are not of the kind `device`.

    If a launcher started several processes, join them first; see `hosts.join`.

    Args:
      device: cpu, gpu or tpu, or auto for any.

    Example:
      >>> check_device("auto")
    """
    if launch.is_given():
        models.hosts.join()
    if device == "auto":
        return
    import jax

    found = jax.default_backend()
    if device != found:
        raise InputError(f"device: is {device}, but JAX runs on {found} here: use auto")
