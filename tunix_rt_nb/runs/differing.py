"""The parameters in which runs differ, to be shown beside their scores."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tunix_rt_nb.runs.folder import STEPS

# Training decides most. The other steps follow in the order of the road.
_ORDER = ("train", *(step for step in STEPS if step != "train"))


def differing(runs: Sequence[Mapping[str, Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Return, for each run, its values of the parameters in which these runs differ.

    If several steps have a parameter, it is listed once, unless their values differ within a run.
    Then the step stands before the name. A run that does not tell a value does not differ in it.

    Args:
      runs: the parameters of each run: step -> name -> value.

    Returns:
      Name -> value for each run. All runs have the same names, in the same order, training first.
      The value is None if the run does not tell it.

    Example:
      >>> one = {"train": {"SEED": 0, "STEPS": 8}, "evaluate": {"SEED": 0}}
      >>> two = {"train": {"SEED": 1, "STEPS": 8}, "evaluate": {"SEED": 1}}
      >>> differing([one, two])
      [{'SEED': 0}, {'SEED': 1}]
    """
    places: dict[str, list[str]] = {}  # name -> the steps in which the runs differ in it
    for step in _ORDER:
        for name in dict.fromkeys(name for run in runs for name in run.get(step, {})):
            told = [run[step][name] for run in runs if name in run.get(step, {})]
            if len({*map(_text, told)}) > 1:
                places.setdefault(name, []).append(step)
    columns: dict[str, tuple[str, list[str]]] = {}  # what is shown -> (name, steps)
    for name, steps in places.items():
        told = [[run[step][name] for step in steps if name in run.get(step, {})] for run in runs]
        if all(len({*map(_text, values)}) <= 1 for values in told):
            columns[name] = name, steps
        else:
            columns |= {f"{step}.{name}": (name, [step]) for step in steps}
    return [
        {
            shown: next((run[s][name] for s in steps if name in run.get(s, {})), None)
            for shown, (name, steps) in columns.items()
        }
        for run in runs
    ]


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
