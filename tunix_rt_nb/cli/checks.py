"""Checks of a run's parameters before its first notebook starts.

They check that all files, tasks and models that the parameters name exist, and that there will be
something to train on and to evaluate. The checks do not load JAX. They are not in the package
`runs`, because `runs` must not import `tasks`, `dataset` and `evaluate`.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tunix_rt_nb import dataset, evaluate, improve, runs, tasks
from tunix_rt_nb.common import InputError, filter_condition, unknown
from tunix_rt_nb.host import place
from tunix_rt_nb.models import catalog, chips, sources
from tunix_rt_nb.trace import inputs

Parameters = Mapping[str, Any]
_ON_KAGGLE = "/kaggle/input/"


def check_run(
    parameters: Mapping[str, Parameters],
    first: str = runs.STEPS[0],
    last: str = runs.LAST,
    here: bool = True,
) -> None:
    """Check the parameters of the steps that will run.

    Args:
      parameters: step -> name -> value, as `runs.parameters.resolve` returns them.
      first, last: the first and the last step that will run.
      here: True if the run is on this machine, False if it is on Kaggle. For Kaggle, the model and
        the dataset are checked when the kernel is prepared, and attached files are not checked.

    Raises:
      InputError: a parameter names something that is missing or damaged, or has a value that a
        step cannot work with, such as EVAL_FRACTION 0. The message begins with the parameter.
    """
    steps = list(runs.STEPS[runs.STEPS.index(first) : runs.STEPS.index(last) + 1])
    if parameters["build"].get("DATASET"):
        steps = [step for step in steps if step != "generate"]
    for step in steps:
        _CHECKS[step](parameters[step], here)
    asked = "evaluate" in steps and not parameters["evaluate"].get("EVAL_SET")
    if "build" in steps and (asked or "train" in steps):
        _check_held_out(parameters["build"], here)


def _generate(given: Parameters, here: bool) -> None:
    with _named("TASKS_FROM"):
        tasks.load_from(given.get("TASKS_FROM", []))
    for name, count in given.get("TRACES", {}).items():
        if name not in tasks.TASKS:
            raise unknown("TRACES", name, tasks.TASKS)
        _check_count(name, count, given["DIFFICULTIES"])
    for name in given.get("IMPORT", []):
        if not Path(name).exists() and not _is_attached(name, here):
            raise InputError(f"IMPORT: {name} does not exist")
        if here:
            with _named("IMPORT"):
                inputs.files_of(Path(name))


def _check_count(name: str, count: int, difficulties: list[str]) -> None:
    share, rest = divmod(count, len(difficulties))
    for k, difficulty in enumerate(difficulties):
        wanted, most = share + (k < rest), tasks.get(name, difficulty).space()
        if not wanted:
            raise InputError(
                f"TRACES: {count} of {name}, expected one or more for each of DIFFICULTIES"
            )
        if most is not None and wanted > most:
            raise InputError(
                f"TRACES: {wanted} traces of {name} ({difficulty}), expected at most {most}, the"
                " number of its distinct problems"
            )


def _build(given: Parameters, here: bool) -> None:
    if given.get("DATASET"):
        if here:
            with _named("DATASET"):
                dataset.read_manifest(place.folder(given["DATASET"]))
        return
    with _named("EVAL_SETS", "eval_sets: ", "eval set: "):
        names = [name for name in given.get("EVAL_SETS", []) if not _is_attached(name, here)]
        dataset.evalset.eval_items(names)
    if "SPEC" in given:
        _check_spec(_spec(given))


def _spec(given: Parameters) -> "dataset.DatasetSpec":
    """Return the specification of the dataset, as the notebook 2_build makes it from `given`."""
    fields = {
        "dataset_name": given["DATASET_NAME"],
        "dataset_version": given["DATASET_VERSION"],
        "filters": given["FILTERS"],
        "limit": given["LIMIT"] or None,
        "selection_strategy": given["STRATEGY"],
        "seed": given["SEED"],
        "eval_fraction": given["EVAL_FRACTION"],
        "near_duplicates": given["NEAR_DUPLICATES"] or None,
        "eval_sets": given["EVAL_SETS"],
    }
    with _named("SPEC"):
        return dataset.DatasetSpec.of(**{**fields, **given["SPEC"]})


def _check_spec(spec: "dataset.DatasetSpec") -> None:
    with _named("FILTERS", "filters: "):
        filter_condition(spec.filters)
    with _named("SPEC"):
        if spec.parent_dataset_id:
            dataset.versions.parent(spec, dataset.versions.home())
        if spec.condition:
            import duckdb

            from tunix_rt_nb.dataset import condition

            with duckdb.connect() as connection:
                condition.check_condition(spec.condition, connection)


def _check_held_out(given: Parameters, here: bool) -> None:
    """Check that the dataset has held-out items, for the held-out loss and for the evaluation.

    If `here` is False, the run is on Kaggle, and a dataset that DATASET names is not read.
    """
    if given.get("DATASET"):
        split = dataset.read_manifest(place.folder(given["DATASET"]))["split"] if here else {}
        if split.get("eval") == 0:
            raise InputError(
                "DATASET: has no held-out items, the held-out loss and the evaluation need some"
            )
    elif "SPEC" in given and _spec(given).eval_fraction == 0:
        raise InputError("EVAL_FRACTION: is 0, so no items are held out, use one above 0")


def _model(given: Parameters, here: bool) -> None:
    """Check that the model of a run exists, without downloading, converting or loading it.

    If `here` is False, the run is on Kaggle, and the model is not checked.
    """
    name = given.get("MODEL", "tiny")
    if not here or catalog.named(name) in catalog.MODELS:
        return
    with _named("MODEL", "model: "):
        if not Path(name).is_file() or Path(name).suffix != ".gguf":
            sources.find(name, report=lambda line: None)


def _train(given: Parameters, here: bool) -> None:
    _model(given, here)
    topology, tp = given.get("TOPOLOGY"), given.get("TP", 1)
    if topology and (count := chips.count(topology)) % tp:
        raise InputError(f"TP: {tp} does not divide the {count} chips of {topology}")


def _evaluate(given: Parameters, here: bool) -> None:
    eval_set, baseline = given.get("EVAL_SET", ""), given.get("BASELINE", "")
    if given.get("SAMPLES", 1) > 1 and given["TEMPERATURE"] == 0:
        raise InputError("TEMPERATURE: is 0, which gives equal SAMPLES, expected a value above 0")
    if eval_set and not _is_attached(eval_set, here):
        with _named("EVAL_SET", "eval set: "):
            dataset.evalset.read(eval_set)
    if baseline and not _is_attached(baseline, here):
        with _named("BASELINE", "baseline: "):
            runs.baseline.read(baseline)
        if not here:
            raise InputError(
                f"BASELINE: {baseline} is on this machine only, pull the run and compare it here:"
                f" tunix-rt-nb runs baseline {baseline} RUN"
            )
    if given.get("GRADER"):
        with _named("GRADER", "judge: "):
            evaluate.named_grader(given["GRADER"], given["JUDGE"], given["JUDGE_MODEL"])
    if given.get("JUDGE"):
        with _named("JUDGE", "judge: "):
            evaluate.judge.endpoint(given["JUDGE"], given["JUDGE_MODEL"])


def _improve(given: Parameters, here: bool) -> None:
    for name in given.get("ASK", []):
        if name not in tasks.TASKS:
            raise unknown("ASK", name, tasks.TASKS)
    if given.get("ASK_FROM") and here:
        with _named("ASK_FROM", "eval set: "):
            improve.traces_to_ask(Path(), asked=given["ASK_FROM"])
    if "METHOD" in given:
        improve.Settings.of_parameters(given)


_CHECKS: dict[str, Callable[[Parameters, bool], None]] = {
    "generate": _generate,
    "build": _build,
    "render": _model,
    "train": _train,
    "evaluate": _evaluate,
    "improve": _improve,
}


def _is_attached(name: str, here: bool) -> bool:
    """Tell whether a file is attached to a Kaggle kernel, so that it cannot be checked here.

    Args:
      name: the path of the file.
      here: True if the run is on this machine, False if it is on Kaggle.
    """
    return not here and name.startswith(_ON_KAGGLE)


@contextmanager
def _named(parameter: str, *instead: str) -> Iterator[None]:
    """Put a parameter's name before the message of an `InputError` that is raised inside.

    Args:
      parameter: the name.
      instead: prefixes to remove from the message first.
    """
    try:
        yield
    except InputError as error:
        told = str(error)
        for name in instead:
            told = told.removeprefix(name)
        raise InputError(f"{parameter}: {told}") from None
