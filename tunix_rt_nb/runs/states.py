"""The state of a run, told by the files in its folder: how far it came, and what is damaged."""

import math
import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tunix_rt_nb.common import InputError, files, one_line
from tunix_rt_nb.runs import lock
from tunix_rt_nb.runs.ending import CHAIN, ended
from tunix_rt_nb.runs.folder import STEPS, Result, lineage, result, stem

EARLY = ("failed", "timeout", "cancelled", "stopped")  # of a step that ended before its time
STATES = ("pending", "running", "completed", *EARLY, "outdated", "damaged")
PREDICTIONS = "predictions-after.jsonl"
EVALUATED = stem("evaluate")
# Whatever a file of an unknown shape can make of the code that reads it.
DAMAGE = (
    *(InputError, OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError),
    RecursionError,
)


class State(NamedTuple):
    """The state of a run: how far it came, and what is wrong with it, if anything.

    The state is that of the first step without outputs. A complete step that is run again keeps its
    outputs until the new ones are complete, so its run stays `completed`, however the second try
    ends. The names, all in `STATES`, are

    - `pending`: the run waits for its turn, or has not begun its first step;
    - `running`: a process is at work on a step;
    - `completed`: every step that was begun has its outputs;
    - `failed`: a cell raised an error, or its kernel died;
    - `timeout`: the limit of `run --timeout`, or that of a session on Kaggle, was reached;
    - `cancelled`: `runs cancel` ended it;
    - `stopped`: a signal such as that of Ctrl-C ended it, or its process was killed;
    - `outdated`: it was completed, but a step was run again, and the steps after it were not;
    - `damaged`: a file of it cannot be read.

    After a failure, and in the states `timeout`, `cancelled` and `stopped`, the same command goes
    on with the run.

    Attributes:
      name: the name of the state.
      step: the step that is running, or in which the run ended before its time; otherwise the last
        step that was begun, empty if none was.
      problem: why the run's score does not count; None if the score counts.
    """

    name: str
    step: str
    problem: str | None


def is_run(folder: Path) -> bool:
    """Tell whether a folder is a run's: it has a `run.json`, or a step has worked in it.

    A folder that cannot be read may be a run's, so it counts as one.
    """
    try:
        return (folder / "run.json").exists() or bool(_begun(folder))
    except OSError:
        return True


def state(folder: Path, read: Callable[[Path], Result] | None = None) -> State:
    """Find out how far a run came.

    A step that has begun but has no result yet is running if a process holds the run's lock. If
    not, `run.json` says how it ended. A killed process could not write that: then the step failed
    if its executed notebook has an error, and was stopped if not.

    Args:
      folder: the run folder.
      read: `result`, or a function that remembers what `result` returned.
    """
    read = read or cache(result)
    last = ""
    try:
        begun, early = _begun(folder), ended(folder)
        last = begun[-1] if begun else ""
        for step in STEPS:
            if (step in begun or step in early) and not (
                folder / stem(step) / "result.json"
            ).exists():
                name = "running" if _is_held(folder, step) else _ended(folder, step, early)
                return State(name, step, f"{name} in {step}")
        if not begun:
            return State("pending", "", "has not begun")
        for step in begun:
            read(folder / stem(step))
        evaluated = folder / EVALUATED
        problem = _unusable(evaluated, read) if "evaluate" in begun else "not evaluated"
        return _up_to_date(folder, last, problem, read)
    except DAMAGE as error:
        return State("damaged", last, damage(folder, error))


def _up_to_date(
    folder: Path, last: str, problem: str | None, read: Callable[[Path], Result]
) -> State:
    """Return `completed` or, if an earlier step was run again, `outdated`.

    Args:
      folder: the run folder.
      last: the last step, which is complete.
      problem: why the score does not count if the run is completed.
      read: reads the result of a step.
    """
    try:
        lineage(last, folder / stem(last), read)
        return State("completed", last, problem)
    except InputError as error:
        return State("outdated", last, one_line(str(error)))


def damage(folder: Path, error: Exception) -> str:
    """Return what is damaged in a run's folder, and why; `error` is what reading it raised."""
    if isinstance(error, RecursionError):
        return "its steps were made from each other"
    if isinstance(error, OSError):
        return one_line(f"{error.filename or folder}: cannot be read: {error.strerror}")
    told = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
    return one_line(told.replace(f"{folder}{os.sep}", ""))


def _begun(folder: Path) -> list[str]:
    return [step for step in STEPS if (folder / stem(step)).is_dir()]


def _unusable(folder: Path, read: Callable[[Path], Result]) -> str | None:
    """Return why the score of a complete evaluation does not count; None if it counts.

    Args:
      folder: the folder of the step evaluate.
      read: reads the result of a step.
    """
    told, path = read(folder), folder / PREDICTIONS
    card = told.get("after")
    score = card.get("primary_score") if isinstance(card, dict) else None
    if type(score) not in (int, float) or not math.isfinite(score or 0):
        return one_line(f"its score is {score}, which is not a number")
    if not path.is_file() or files.sha256(path) != told["outputs"].get(PREDICTIONS):
        return f"{PREDICTIONS} was altered after the evaluation"
    return None


def _ended(folder: Path, step: str, early: Mapping[str, str]) -> str:
    """Return how a step ended that is neither complete nor running.

    Args:
      folder: the run folder.
      step: the step.
      early: what `ended` returns.
    """
    if early.get(step) in EARLY:
        return early[step]
    try:
        notebook = files.read_json(folder / f"{stem(step)}.ipynb")
        return "failed" if notebook["metadata"]["papermill"]["exception"] else "stopped"
    except (InputError, LookupError, TypeError):
        return "stopped"


def _is_held(folder: Path, step: str) -> bool:
    """Tell whether a process holds the lock of a run, or the lock of one of its steps.

    Args:
      folder: the run folder.
      step: the step whose lock is tried.
    """
    return lock.is_held(folder / CHAIN) or lock.is_held(folder / f".{stem(step)}.lock")
