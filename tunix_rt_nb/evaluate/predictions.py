"""Files of predictions: JSON lines, one for each answer, each checked when read."""

import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tunix_rt_nb import runs, tasks
from tunix_rt_nb.common import InputError, checked, files, one_line
from tunix_rt_nb.evaluate.prediction import Asked, Prediction
from tunix_rt_nb.host import paths
from tunix_rt_nb.trace import EARLIER, Trace


def find(name: str) -> list[Prediction]:
    """Read the predictions of a file, of a run's folder, or of a run by its name in `runs/`.

    For a run, read the predictions of its trained model. To read the predictions before training,
    name their file, `.../5_evaluate/predictions-before.jsonl`.

    Raises:
      InputError: there are no predictions, the evaluation of the run is not complete, its
        predictions were altered after it, or a line of the file is malformed.
    """
    if Path(name).is_file():
        return read(Path(name))
    folder = Path(name) if Path(name).is_dir() else paths.home() / "runs" / name
    evaluated = folder / runs.stem("evaluate")
    if not (evaluated / "result.json").is_file():
        raise InputError(
            f"{one_line(name, 120)}: has no predictions ({evaluated} is not complete), expected an"
            " evaluated run or a file of predictions"
        )
    return of_run(evaluated, "after")


def of_run(evaluated: Path, when: str) -> list[Prediction]:
    """Read the predictions of a complete evaluation.

    Args:
      evaluated: the folder of the evaluation.
      when: `before` or `after`, for the model before or after training.

    Raises:
      InputError: the evaluation is not complete, or its predictions were altered after it.
    """
    path = evaluated / f"predictions-{when}.jsonl"
    told = runs.result(evaluated)["outputs"].get(path.name)
    if not path.is_file() or files.sha256(path) != told:
        raise InputError(f"{path}: was altered after the evaluation, run {evaluated.name} again")
    return read(path)


def read(path: Path) -> list[Prediction]:
    """Read the predictions of a file, in its order.

    Raises:
      InputError: there are no predictions. Or, with `file:line: field: reason` as its message: a
        line is malformed, a score is not from 0 to 1, or an answer occurs twice.
    """
    found, seen = [], set()
    for number, line in enumerate(files.all_lines(path), 1):
        where = f"{path}:{number}: "
        prediction: Any = files.json_object(line, where)
        checked(Prediction, prediction, where)
        key = prediction["id"], prediction.get("sample")
        if key in seen:
            raise InputError(f"{where}id: {one_line(key[0], 60)!r} is the id of an earlier line")
        seen.add(key)
        found.append(prediction)
    if not found:
        raise InputError(f"{path}: holds no predictions, expected JSON lines")
    return found


def write(evaluated: Path, when: str, predictions: Sequence[Prediction]) -> None:
    """Write predictions into the folder of an evaluation.

    Args:
      evaluated: the folder.
      when: `before` or `after`, for the model before or after training.
      predictions: the predictions of this model.
    """
    files.write_lines(evaluated / f"predictions-{when}.jsonl", predictions)


def items_of(predictions: Sequence[Prediction]) -> list[tuple[str, Trace]]:
    """Return the items that predictions answer, as pairs of an id and a trace.

    If one of `tasks` can solve an item's prompt, the trace has the task's solution as steps.
    Otherwise the trace has no steps.
    """
    asked = {prediction["id"]: prediction for prediction in predictions}
    return [(name, _solved(prediction)) for name, prediction in asked.items()]


def how_asked(predictions: Sequence[Prediction]) -> dict[str, Any]:
    """Return how a model was asked, as arguments of `predict`: room, temperature and samples."""
    asked = {name: predictions[0].get(name) for name in ("max_new_tokens", "temperature")}
    return {**asked, "samples": 1 + max(one.get("sample", 0) for one in predictions)}


def _solved(prediction: Prediction) -> Trace:
    before: dict[str, Any] = {EARLIER: prediction[EARLIER]} if EARLIER in prediction else {}
    if prediction.get("grader", "task") != "task":  # an item of no known task has no solution
        meta = {"category": prediction["task"], "section": prediction.get("section"), **before}
        return Trace.of(prediction["prompt"], [], prediction["expected_answer"], meta)
    task = tasks.get(prediction["task"], prediction.get("difficulty") or "easy")
    section = prediction.get("section")
    try:
        return task.write(prediction["prompt"], random.Random(0), section=section, **before)
    except ValueError as error:
        where = f"prediction {one_line(prediction['id'], 60)}: prompt"
        raise InputError(f"{where}: {one_line(str(error))}") from None


def check_of(predictions: Iterable[Asked], items: Sequence[tuple[str, Trace]]) -> None:
    """Check that each prediction answers one of these items.

    Raises:
      InputError: a prediction's item is not among them, or differs in its prompt or its earlier
        messages.
    """
    asked = {name: (trace.prompt, trace.earlier.messages()) for name, trace in items}
    for prediction in predictions:
        name = prediction["id"]
        if asked.get(name) != (prediction["prompt"], prediction.get(EARLIER, [])):
            differ = "the prompt or the earlier messages of {!r} differ"
            why = differ if name in asked else "this one has no item {!r}"
            told = why.format(one_line(name, 60))
            raise InputError(f"predictions: are of another eval set: {told}")
