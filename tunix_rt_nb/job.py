"""A Tunix job: which model is fine-tuned on which data, and how, as one YAML file.

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

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from tunix_rt_nb import files
from tunix_rt_nb.errors import InputError
from tunix_rt_nb.text import one_line
from tunix_rt_nb.trace import checked

Form = Literal["tunix_sft", "trace", "training_example", "messages"]


def _number(value: Any) -> Any:
    """A number that YAML takes for a text, as `2e-5`, which has no point."""
    with suppress(ValueError):
        return float(value) if isinstance(value, str) else value
    return value


_Float = Annotated[float, BeforeValidator(_number)]
_Version = Annotated[Literal["1.0"], BeforeValidator(str)]  # YAML takes 1.0 for a number
_Text = Annotated[str, Field(min_length=1, max_length=1_024)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ModelPart(_Part):
    """The model that training starts from, by its name or its folder."""

    model_id: _Text = "tiny"


class DatasetPart(_Part):
    """What is trained on.

    Attributes:
      format: how a trace is written, one of `export.FORMS`.
      path: the folder of a dataset, or a file with records of this format.
    """

    format: Form = "tunix_sft"
    path: _Text


class TrainingPart(_Part):
    """How training goes.

    Attributes:
      learning_rate: at its peak.
      num_epochs: how often each trace is seen.
      batch_size: sequences an optimiser step.
      max_seq_length: tokens of a sequence; a trace that is longer is left out, not cut.
    """

    learning_rate: _Float = Field(default=2e-5, gt=0, le=1)
    weight_decay: _Float = Field(default=0.01, ge=0, le=1)
    num_epochs: int = Field(default=3, ge=1, le=1_000)
    batch_size: int = Field(default=8, ge=1, le=4_096)
    max_seq_length: int = Field(default=2_048, ge=16, le=131_072)
    device: Literal["auto", "cpu", "gpu", "tpu"] = "auto"


class OutputPart(_Part):
    """Where all goes that training makes."""

    output_dir: _Text


class Job(_Part):
    """A whole job; all but the two paths has a default.

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
        """Checks the fields; `InputError` names the one that is wrong."""
        return checked(cls, fields)

    def yaml(self) -> str:
        """The job as the text of its file."""
        return yaml.safe_dump(self.model_dump(), sort_keys=False)


def write(job: Job, path: Path) -> None:
    """Writes a job, atomically."""
    with files.atomic(path) as file:
        file.write(job.yaml().encode())


def read(path: Path) -> Job:
    """Reads a job; its relative paths are taken from the folder that it is in.

    Raises:
      InputError: `file: field: reason`; or the file cannot be read or is not YAML.
    """
    try:
        fields = yaml.safe_load(path.read_bytes())
        if not isinstance(fields, Mapping):
            raise InputError(f"expected `field: value` lines, found {type(fields).__name__}")
        job = checked(Job, fields)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: is not YAML: {one_line(str(error))}") from None
    except InputError as error:
        raise InputError(f"{path}: {one_line(str(error))}") from None
    data, out = path.parent / job.dataset.path, path.parent / job.output.output_dir
    return job.model_copy(
        update={
            "dataset": job.dataset.model_copy(update={"path": str(data)}),
            "output": OutputPart(output_dir=str(out)),
        }
    )
