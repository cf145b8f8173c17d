"""The draft of a Tunix job that trains on a dataset, with the settings that fit its model."""

import os
from pathlib import Path
from typing import Any

from tunix_rt_nb import dataset, runs
from tunix_rt_nb.host import paths
from tunix_rt_nb.models import catalog
from tunix_rt_nb.trace import formats
from tunix_rt_nb.train.job import Job, check_job, fitting, job_name


def draft_job(key: str, model_id: str = "tiny", output_dir: str = "", **training: Any) -> Job:
    """Make the Tunix job that trains a model on a dataset.

    Args:
      key: the key of a dataset, the path of its folder, or a JSON lines file that was exported.
      model_id: the model to start from.
      output_dir: the folder of the job's run; by default `runs/KEY`. If that folder holds another
        run or the dataset itself, `runs/KEY-job`.
      training: fields of `TrainingPart`. By default, and where one is None, what fits the model.

    Raises:
      InputError: the model or the dataset is unknown, a field is wrong, or the job cannot begin for
        another reason that `check_job` lists.
    """
    if not catalog.is_known(model_id):
        raise catalog.unknown_model("model_id", model_id)
    source, form, named = Path(key), "tunix_sft", {}
    if source.is_file():
        form, named = formats.export_in(source), formats.form_in(source)
    else:
        source = dataset.versions.find(key)
    is_path = model_id not in catalog.MODELS and Path(model_id).exists()
    given = {name: value for name, value in training.items() if value is not None}
    job = Job.of(
        model={"model_id": os.path.realpath(model_id) if is_path else model_id},
        training={**fitting(model_id), **given},
        dataset={"format": form, "path": os.path.realpath(source), **named},
        output={"output_dir": os.path.realpath(output_dir or _free(source))},
    )
    check_job(job)
    return job


def _free(source: Path) -> Path:
    """Return a folder for the run of a job that trains on the dataset or file `source`."""
    out = paths.home() / "runs" / job_name(source)
    within = Path(os.path.realpath(source)).is_relative_to(out)
    return out.with_name(f"{out.name}-job") if within or runs.is_taken(out) else out
