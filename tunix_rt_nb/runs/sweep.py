"""A sweep: a run for each combination of some parameters' values, and what the runs scored.

A SEED that is swept is that of training and of sampling. The traces and the dataset keep theirs, so
all runs learn from the same data and answer the same items, and their spread is that of training.
"""

import json
import re
from collections.abc import Mapping, Sequence
from itertools import product
from math import prod
from statistics import fmean, stdev
from typing import Any, NamedTuple

from tunix_rt_nb.common import InputError, check_name, files, one_line, unknown
from tunix_rt_nb.runs.parameters import kinds, typed
from tunix_rt_nb.runs.registry import Row

MOST = 500  # runs of a sweep
SEED = "SEED"
_SEEDED = ("train", "evaluate", "improve")  # the steps whose SEED a sweep changes
_LONGEST = 64  # characters of a name, as `check_name` has it


class Point(NamedTuple):
    """One combination of values.

    Attributes:
      run: the name of its run.
      varied: the swept parameters of this run: name -> value.
    """

    run: str
    varied: dict[str, Any]

    @property
    def values(self) -> dict[str, Any]:
        """The values for all steps: name -> value."""
        return {name: value for name, value in self.varied.items() if name != SEED}

    @property
    def by_step(self) -> dict[str, dict[str, Any]]:
        """The values for single steps, as `chain.run` takes them: step -> name -> value."""
        seed = {SEED: self.varied[SEED]} if SEED in self.varied else {}
        return {step: seed for step in _SEEDED if seed}


class Group(NamedTuple):
    """The runs of a sweep that differ in their SEED alone, and their mean scores.

    Attributes:
      varied: the other swept parameters: name -> value.
      runs: the number of runs, failed ones included.
      scores: the share of right answers of each complete run.
      score: the mean of `scores`; None if no run is complete.
      spread: their standard deviation; None for fewer than two.
      steps_right, eval_loss, before: the means of these fields of `registry.Row`, or None.
      items: the number of items that were graded, or None.
    """

    varied: dict[str, Any]
    runs: int
    scores: list[float]
    score: float | None
    spread: float | None
    steps_right: float | None
    eval_loss: float | None
    before: float | None
    items: int | None


def points(name: str, grid: Mapping[str, Sequence[Any]]) -> list[Point]:
    """List the combinations of values; the last parameter changes fastest.

    Args:
      name: the name that the names of all runs begin with.
      grid: parameter -> its values.

    Raises:
      InputError: no parameter has several values; one is unknown, or has a wrong value or the same
        one twice; or there are too many combinations.

    Example:
      >>> [point.run for point in points("try", {"LEARNING_RATE": [0.001, 0.004], "SEED": [0]})]
      ['try-LEARNING_RATE-0.001-SEED-0', 'try-LEARNING_RATE-0.004-SEED-0']
    """
    known = kinds()
    checked = {axis: _values(axis, values, known) for axis, values in grid.items()}
    count = prod(map(len, checked.values()))
    if count < 2:
        raise InputError(
            "--set: expected several values of a parameter, such as LEARNING_RATE=0.001,0.004"
        )
    if count > MOST:
        raise InputError(f"--set: makes {count:,} runs, expected at most {MOST}")
    varied = [dict(zip(checked, values, strict=True)) for values in product(*checked.values())]
    names = [_run_name(name, values) for values in varied]
    if len(set(names)) < len(names):
        names = [_run_name(name, values, distinct=True) for values in varied]
    return [Point(check_name("run-id", run), some) for run, some in zip(names, varied, strict=True)]


def _values(axis: str, values: Sequence[Any], known: Mapping[str, str]) -> list[Any]:
    if axis not in known:
        raise unknown("parameter", axis, sorted(known))
    found: dict[str, Any] = {}
    for value in values:
        whole = typed(axis, known[axis], value)
        if word(whole) in found:
            raise InputError(f"{axis}: {one_line(word(whole), 60)} is given twice")
        found[word(whole)] = whole
    return list(found.values())


def _run_name(name: str, varied: Mapping[str, Any], distinct: bool = False) -> str:
    """Return the name of a run, such as `quickstart-LEARNING_RATE-0.001-SEED-0`.

    If it cannot tell all values as they are, or has to (`distinct`), it ends in a hash of them.
    """
    told = "-".join([name, *(f"{axis}-{word(value)}" for axis, value in varied.items())])
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", told).rstrip("-")
    if safe == told and len(safe) <= _LONGEST and not distinct:
        return safe
    ending = files.digest(varied)[:6]
    return f"{safe[: _LONGEST - len(ending) - 1]}-{ending}"


def word(value: Any) -> str:
    """Return a parameter's value as text: `0.001`, `adamw`, `true`, `["easy"]`."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def groups(points: Sequence[Point], rows: Mapping[str, Row]) -> list[Group]:
    """Fold the seeds of a sweep.

    Args:
      points: all combinations of the sweep.
      rows: name of the run -> its row, for the runs that are complete.
    """
    folded: dict[str, list[Point]] = {}
    for point in points:
        folded.setdefault(json.dumps(point.values, sort_keys=True), []).append(point)
    return [_group(some, rows) for some in folded.values()]


def _group(points: Sequence[Point], rows: Mapping[str, Row]) -> Group:
    complete = [rows[point.run] for point in points if point.run in rows]
    scores = [row["score"] for row in complete if row["score"] is not None]
    return Group(
        varied=points[0].values,
        runs=len(points),
        scores=scores,
        score=_mean(scores),
        spread=stdev(scores) if len(scores) > 1 else None,
        steps_right=_mean([row["steps_right"] for row in complete]),
        eval_loss=_mean([row["eval_loss"] for row in complete]),
        before=_mean([row["before"] for row in complete]),
        items=max((row["items"] or 0 for row in complete), default=None),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    told = [value for value in values if value is not None]
    return fmean(told) if told else None
