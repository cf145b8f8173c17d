"""Baselines: figures of a run that later runs must reach; a script can stop if one does not."""

import operator
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from tunix_rt_nb.common import InputError, check_name, checked, files, unknown
from tunix_rt_nb.host import paths

Card = Mapping[str, Any]
_ASKED = ("items_sha256", "form_sha256")  # two cards can be compared if these are the same


class Baseline(BaseModel):
    """A figure of a run's scorecard, with which the scorecards of later runs are compared.

    A scorecard is the summary of an evaluation. An item is a prompt with its expected answer.

    Attributes:
      name: the name of the baseline.
      metric: the dotted path of the figure in a scorecard: `primary_score`, `steps_right`,
        `category_scores.arithmetic.score`, ...
      direction: whether higher or lower values are better.
      tolerance: how much worse a later value may be, as a share of `value`.
      value: the figure.
      items_sha256: the hash of the items that the model was asked.
      form_sha256: the hash of the form in which it was asked: template, style and system message.
      run: the run that the scorecard is from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    metric: str = "primary_score"
    direction: Literal["higher", "lower"] = "higher"
    tolerance: float = Field(default=0.05, ge=0.0, le=1.0, allow_inf_nan=False)
    value: float = Field(allow_inf_nan=False)
    items_sha256: str
    form_sha256: str
    run: str = ""

    @property
    def limit(self) -> float:
        """The worst value that passes."""
        sign = -1 if self.direction == "higher" else 1
        return self.value + sign * self.tolerance * abs(self.value)


class Verdict(NamedTuple):
    """The comparison of a scorecard with a baseline.

    Attributes:
      baseline: the baseline.
      value: the figure of the scorecard that the baseline's `metric` names.
    """

    baseline: Baseline
    value: float

    @property
    def regressed(self) -> bool:
        """True if the value is worse than the tolerance allows."""
        passes = operator.ge if self.baseline.direction == "higher" else operator.le
        return not passes(self.value, self.baseline.limit)  # so NaN does not pass

    @property
    def told(self) -> str:
        """The verdict in one line."""
        base = self.baseline
        least = "at least" if base.direction == "higher" else "at most"
        mark = "regressed" if self.regressed else "pass"
        return (
            f"{mark}: {base.metric} is {self.value:.4f}, baseline {base.name} has {base.value:.4f}"
            f" and asks for {least} {base.limit:.4f}"
        )


def take(
    name: str,
    card: Card,
    metric: str = "primary_score",
    direction: str = "higher",
    tolerance: float = 0.05,
    run: str = "",
) -> Baseline:
    """Make a baseline of this name from a figure of a scorecard.

    Args:
      name: the name of the baseline.
      card: the scorecard, as an evaluation writes it.
      metric: the dotted path of the figure in the scorecard.
      direction: which values are better, `higher` or `lower`.
      tolerance: how much worse a later value may be, as a share of the figure.
      run: the run that the scorecard is from.

    Raises:
      InputError: the card has no such metric, or `direction` or `tolerance` is not allowed.

    Example:
      >>> card = {"primary_score": 0.9, "items_sha256": "x", "form_sha256": "y"}
      >>> check(take("quickstart", card), {**card, "primary_score": 0.86}).told
      'pass: primary_score is 0.8600, baseline quickstart has 0.9000 and asks for at least 0.8550'
    """
    fields = {"metric": metric, "direction": direction, "tolerance": tolerance, "run": run}
    found = {"value": value(card, metric), **{name: card.get(name) for name in _ASKED}}
    return checked(Baseline, {"name": check_name("baseline", name), **fields, **found})


def check(baseline: Baseline, card: Card) -> Verdict:
    """Compare a scorecard with a baseline.

    Raises:
      InputError: the card lacks the metric. Or its evaluation asked other items than the
        baseline's, or asked them in another template, style or system message.
    """
    check_asked(baseline, card.get("items_sha256"), card.get("form_sha256"))
    return Verdict(baseline, value(card, baseline.metric))


def check_asked(baseline: Baseline, items_sha256: str | None, form_sha256: str | None) -> None:
    """Check that an evaluation asks the same items, in the same form, as a baseline.

    The form is the template, style and system message. Only hashes are compared, so this can be
    called before the evaluation is run.

    Args:
      baseline: the baseline.
      items_sha256: the hash of the items that the evaluation asks.
      form_sha256: the hash of the form in which it asks them.

    Raises:
      InputError: one of the hashes differs from the baseline's.
    """
    for mine, asked, what in (
        (baseline.items_sha256, items_sha256, "on other items"),
        (baseline.form_sha256, form_sha256, "in another template or style"),
    ):
        if mine != asked:
            raise InputError(
                f"baseline {baseline.name}: is from an evaluation {what}, so it cannot be compared:"
                " evaluate in the same way, or take the baseline again"
            )


def value(card: Card, metric: str) -> float:
    """Return the figure at a dotted path of a scorecard, such as `category_scores.cards.score`.

    Raises:
      InputError: there is no finite number at this path.
    """
    found: Any = card
    for k, part in enumerate(metric.split(".")):
        if not isinstance(found, Mapping) or part not in found:
            where = ".".join(["metric", *metric.split(".")[:k]])
            known = found if isinstance(found, Mapping) else {}
            leads = [n for n, v in known.items() if isinstance(v, int | float | Mapping)]
            raise unknown(where, part, leads)
        found = found[part]
    if not isinstance(found, int | float):
        raise InputError(f"metric: {metric} is a {type(found).__name__}, expected a number")
    if not isfinite(found):
        raise InputError(f"metric: {metric} is {found}, expected a finite number")
    return float(found)


def find(name: str) -> Path:
    """Return the path of a baseline's file, given its name or the path itself.

    A text that ends in .json is a path. A name stands for a file in the folder `baselines/`, beside
    `runs/`.
    """
    if name.endswith(".json"):
        return Path(name)
    return paths.home() / "baselines" / f"{check_name('baseline', name)}.json"


def write(baseline: Baseline) -> Path:
    """Write a baseline to the file that `find` returns for its name. Return the path."""
    path = find(baseline.name)
    files.write_json(path, baseline.model_dump())
    return path


def read(name: str) -> Baseline:
    """Read a baseline, given its name or its file.

    Raises:
      InputError: there is no such baseline, or it is damaged (the message names the field).
    """
    path = find(name)
    if not path.is_file():
        take = f"tunix-rt-nb runs baseline {name} RUN --take"
        raise InputError(f"baseline: {path} does not exist, make it from a run: {take}")
    fields = files.read_json(path)
    if not isinstance(fields, dict):
        raise InputError(f"{path}: expected a JSON object, found {type(fields).__name__}")
    found = checked(Baseline, fields, f"{path}: ")
    check_name(f"{path}: name", found.name)
    return found
