"""The page of a run: `report.html`, a single self-contained file to read and to send.

The template escapes every value, so text from a trace or a model shows as text and never acts as
markup. The same run folder gives the same bytes.
"""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict  # Pydantic accepts that of `typing` only from 3.12 on

from tunix_rt_nb import render, runs
from tunix_rt_nb.common import InputError, checked, files
from tunix_rt_nb.evaluate import (
    OUTCOMES,
    Prediction,
    Scorecard,
    first_wrong,
    grouped,
    judge,
    notes,
    outcome,
    predictions,
    warnings,
)
from tunix_rt_nb.report.answers import beside, earlier, laid_out, shorten, worst
from tunix_rt_nb.report.improved import cards, evaluation, improvement, values
from tunix_rt_nb.report.plots import embedded, level, loss_axes
from tunix_rt_nb.report.tables import bars, before_after
from tunix_rt_nb.report.templates import template
from tunix_rt_nb.runs import states

_MOST, _PLACES = 10, 8  # the most bad answers, and first wrong steps, to show
# The lineage lists the fields of a `result.json` as facts, but not these.
_NO_FACTS = ("step", "version", "inputs", "outputs", "card", "before", "after", "improved")


class _Losses(TypedDict):
    """The fields of a line of `metrics.jsonl` that the curves show."""

    step: int
    loss: NotRequired[float]
    eval_loss: NotRequired[float]


def write_page(run: Path) -> Path:
    """Write the page of an evaluated run into its folder, and return its path.

    Raises:
      InputError: the run is not evaluated, or an earlier step was run again after the evaluation.
    """
    path = run / "report.html"
    text = page(run).encode()
    with files.atomic(path) as file:
        file.write(text)
    return path


def page(run: Path) -> str:
    """Return the page of an evaluated run as HTML.

    Raises:
      InputError: the run is not evaluated, an earlier step was run again after the evaluation, or a
        file lacks a field.
    """
    from jinja2 import UndefinedError

    try:
        return template("page.html.jinja").render(_values(run))
    except InputError:
        raise
    except (*states.DAMAGE, UndefinedError) as error:
        told = states.damage(run, error)
        raise InputError(f"{run}: damaged: {told}, run 5_evaluate again") from error


def _values(run: Path) -> dict[str, Any]:
    evaluated, improved = evaluation(run), improvement(run)
    lineage = runs.lineage("improve", improved) if improved else runs.lineage("evaluate", evaluated)
    first, card, _ = cards(run)
    before, after = (predictions.of_run(evaluated, when) for when in ("before", "after"))
    rendered = render.read_manifest(lineage["render"])
    sections = _groups(first, card, after, "section")
    return {
        "run": run.name,
        "about": _about(lineage),
        "card": card,
        "earlier": first,
        "warnings": warnings(card),
        "notes": notes(card),
        "disagreements": [{**p, "earlier": earlier(p)} for p in after if "disagree" in p][:_MOST],
        "before_after": before_after(first, card),
        "chart": bars(first, card),
        "groups": [
            _groups(first, card, after, "difficulty"),
            sections if len(sections) > 1 else [],
        ],
        "outcomes": _outcomes(before, after),
        "manners": _manners(before, after),
        "places": _places(after),
        **_answers(after),
        "curves": _curves(lineage["train"]),
        "judges": _judges(run, after),
        "improved": values(run, before, after),
        "outdated": not improved and (run / runs.stem("improve") / "result.json").is_file(),
        "lineage": [_made(run, step, folder) for step, folder in lineage.items()],
        "form": {name: rendered.get(name) for name in ("template", "style", "system")},
        "parameters": _parameters(run),
    }


def _about(lineage: Mapping[str, Path]) -> str:
    """Tell in a line which model was trained, on what and for how long, as far as it is known."""
    trained, built = (runs.result(lineage[step]) for step in ("train", "build"))
    base = trained["card"].get("base") or "made from scratch" if "card" in trained else ""
    told = [
        f"model {base}" if base else "",
        f"dataset {built['dataset']}" if "dataset" in built else "",
        f"{trained['steps']:,} steps of training" if "steps" in trained else "",
    ]
    return ", ".join(filter(None, told))


def _answers(after: Sequence[Prediction]) -> dict[str, Any]:
    """Return the worst answers, each paired with a right one of its task, as far as there are."""
    bad = worst(after, _MOST)
    pairs = [tuple(p and laid_out(p) for p in pair) for pair in beside(bad, after)]
    return {
        "bad": len(bad),
        "matched": any(right for _, right in pairs),
        "pairs": pairs,
        "sound": OUTCOMES["right"],
    }


def _groups(
    earlier: Scorecard,
    card: Scorecard,
    after: Sequence[Prediction],
    field: Literal["difficulty", "section"],
) -> list[dict[str, Any]]:
    """Return a row of scores for each difficulty or section.

    Args:
      earlier, card: the scorecards before and after training.
      after: the answers after training.
      field: the field of an answer that says to which group it belongs.

    Returns:
      A row for each group, the easiest first: its `name`; its score `before` training; `sound`, the
      share of its answers after training that are right and have every step right; and all fields
      that `card` has for the group.
    """
    scores: Any = f"{field}_scores"
    cards: Any = earlier.get(scores, {}), card.get(scores, {})  # older ones have no sections
    groups = grouped(after, lambda p: str(p.get(field)))
    rows = []
    for name in sorted(cards[1], key=lambda name: (level(name), name)):
        group = groups.get(name, [])
        rows.append(
            {
                "name": f"no {field}" if name == str(None) else name,
                "before": cards[0].get(name, {}).get("score"),
                "sound": sum(outcome(p) == "right" for p in group) / max(1, len(group)),
                **cards[1][name],
            }
        )
    return rows


def _outcomes(before: Sequence[Prediction], after: Sequence[Prediction]) -> list[dict[str, Any]]:
    counts = [Counter(map(outcome, some)) for some in (before, after)]
    return [
        {"name": told, "before": counts[0][name], "after": counts[1][name]}
        for name, told in OUTCOMES.items()
    ]


def _manners(before: Sequence[Prediction], after: Sequence[Prediction]) -> list[dict[str, Any]]:
    """Count the faults in how answers were written, before and after training.

    Returns:
      A row for each fault: its `name`, and how many answers have it `before` and `after`.
    """
    wrong = {
        "not in the style that was trained": lambda p: not p["strict_format"],
        "went on after the answer": lambda p: p.get("ran_on", False),
        "cut off at the limit of tokens": lambda p: not p["stopped"],
    }
    return [
        {"name": name, "before": sum(map(is_so, before)), "after": sum(map(is_so, after))}
        for name, is_so in wrong.items()
    ]


def _places(after: Sequence[Prediction]) -> list[dict[str, Any]]:
    """List the steps that are most often the first wrong one of an answer, at most `_PLACES`.

    Returns:
      A row for each such step: its `task`; its number in an answer, `step`; `n`, the number of
      items with an answer that first goes wrong there; and a `reason` from one of these answers.
    """
    found: dict[tuple[str, int], dict[str, str]] = {}
    for p in after:
        if (step := first_wrong(p)) is not None:
            reason = p.get("wrong_steps", {}).get(str(step), "is missing")
            found.setdefault((str(p["task"]), step), {})[p["id"]] = reason
    ordered = sorted(found.items(), key=lambda place: (-len(place[1]), place[0]))
    return [
        {"task": task, "step": step, "n": len(reasons), "reason": shorten(min(reasons.values()))}
        for (task, step), reasons in ordered[:_PLACES]
    ]


def _curves(trained: Path) -> str:
    """Draw the losses in a folder's `metrics.jsonl` as SVG in a data URL; "" without that file."""
    path = trained / "metrics.jsonl"
    if not path.is_file():
        return ""
    lines = [
        checked(_Losses, line, f"{path}:{number}: ")
        for number, line in enumerate(files.read_lines(path), 1)
    ]
    return embedded(loss_axes(lines))


def _judges(run: Path, after: Sequence[Prediction]) -> list[dict[str, Any]]:
    found = grouped(judge.read(after, run / judge.FILE), lambda made: made["judge"])
    return [judge.summary(some) for some in found.values()]


def _made(run: Path, step: str, folder: Path) -> dict[str, Any]:
    """Return what the page shows of one step of a run, such as `train`.

    Args:
      run: the folder of the run.
      step: the name of the step.
      folder: the folder of the step's results.

    Returns:
      `step` and its `folder`; `facts`, texts such as `traces: 1,200` from its `result.json`; the
      hash of the folder's content, `sha256`; and the `version` of the package that ran it.
    """
    result = runs.result(folder)
    facts = [
        f"{name.replace('_', ' ')}: {_fact(value)}"
        for name, value in result.items()
        if name not in _NO_FACTS and value not in ({}, [], "", None)
    ]
    return {
        "step": step,
        "folder": os.path.relpath(folder, run),
        "facts": facts,
        "sha256": runs.content_hash(folder),
        "version": result.get("version", "unknown"),
    }


def _fact(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_fact(inner)}" for name, inner in value.items())
    if isinstance(value, float):
        return f"{value:,.5g}"
    return f"{value:,}" if isinstance(value, int) else str(value)[:200]


def _parameters(run: Path) -> list[tuple[str, str, Any]]:
    """List all parameters as (step, name, value); empty if the notebooks were run one by one."""
    path = run / "run.json"
    told = files.read_json(path).get("parameters", {}) if path.is_file() else {}
    if not all(isinstance(some, dict) for some in (told, *getattr(told, "values", list)())):
        raise InputError(f"{path}: parameters: expected an object for each step")
    return [(step, name, value) for step, of in told.items() for name, value in of.items()]
