"""Baselines: what a figure must not fall behind, so that a run in batch can be gated."""

from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from tunix_rt_nb.common import InputError, check_name, checked, files, unknown
from tunix_rt_nb.host import paths

Card = Mapping[str, Any]
_ASKED = ("items_sha256", "form_sha256")  # of a card: figures compare where they are the same


class Baseline(BaseModel):
    """A figure of a scorecard that later ones are held to.

    Attributes:
      metric: where it stands in a scorecard: `primary_score`, `steps_right`,
        `category_scores.arithmetic.score`, ...
      direction: which is better.
      tolerance: how much worse it may be, as a share of `value`.
      items_sha256: of the items that it was taken on.
      form_sha256: of the template and style that they were asked in.
      run: where it is from.
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
    """How a scorecard stands to a baseline."""

    baseline: Baseline
    value: float

    @property
    def regressed(self) -> bool:
        """Whether it is worse than the tolerance allows."""
        if self.baseline.direction == "higher":
            return not self.value >= self.baseline.limit  # nor does NaN pass
        return not self.value <= self.baseline.limit

    @property
    def told(self) -> str:
        """The verdict in a line."""
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
    """The baseline of that name that a scorecard sets.

    Raises:
      InputError: the card has no such metric, or a value is out of its range.

    Example:
      >>> card = {"primary_score": 0.9, "items_sha256": "x", "form_sha256": "y"}
      >>> check(take("quickstart", card), {**card, "primary_score": 0.86}).told
      'pass: primary_score is 0.8600, baseline quickstart has 0.9000 and asks for at least 0.8550'
    """
    fields = {"metric": metric, "direction": direction, "tolerance": tolerance, "run": run}
    found = {"value": value(card, metric), **{name: card.get(name) for name in _ASKED}}
    return checked(Baseline, {"name": check_name("baseline", name), **fields, **found})


def check(baseline: Baseline, card: Card) -> Verdict:
    """Holds a scorecard to a baseline.

    Raises:
      InputError: the card lacks the metric, or is of another evaluation: see `check_asked`.
    """
    check_asked(baseline, card["items_sha256"], card["form_sha256"])
    return Verdict(baseline, value(card, baseline.metric))


def check_asked(baseline: Baseline, items_sha256: str, form_sha256: str) -> None:
    """Holds what is asked to be what a baseline was taken on; it may be called before it is asked.

    Raises:
      InputError: these are other items, or asked in another template or style.
    """
    for mine, asked, what in (
        (baseline.items_sha256, items_sha256, "on other items than these"),
        (baseline.form_sha256, form_sha256, "in another template or style than this"),
    ):
        if mine != asked:
            raise InputError(
                f"baseline {baseline.name}: was taken {what}, which do not compare: evaluate in the"
                " same way, or take the baseline anew"
            )


def value(card: Card, metric: str) -> float:
    """The figure of a scorecard at a dotted path; `InputError` where there is no finite one."""
    found: Any = card
    for k, part in enumerate(metric.split(".")):
        if not isinstance(found, Mapping) or part not in found:
            where = ".".join(["metric", *metric.split(".")[:k]])
            known = found if isinstance(found, Mapping) else ()
            raise unknown(where, part, [n for n in known if _leads(found[n])])
        found = found[part]
    if not isinstance(found, int | float):
        raise InputError(f"metric: {metric} is no number, but {type(found).__name__}")
    if not isfinite(found):
        raise InputError(f"metric: {metric} is {found}, expected a finite number")
    return float(found)


def _leads(found: Any) -> bool:
    return isinstance(found, int | float | Mapping)


def find(name: str) -> Path:
    """The file of a baseline: that of this name in `baselines/`, beside `runs/`; or a file."""
    if name.endswith(".json"):
        return Path(name)
    return paths.home() / "baselines" / f"{check_name('baseline', name)}.json"


def write(baseline: Baseline) -> Path:
    """Writes a baseline to where its name is found."""
    path = find(baseline.name)
    files.write_json(path, baseline.model_dump())
    return path


def read(name: str) -> Baseline:
    """Reads the baseline of a name or a file.

    Raises:
      InputError: there is none, or it is damaged (names the field).
    """
    path = find(name)
    if not path.is_file():
        raise InputError(f"baseline: {path} is not there, take it: runs baseline {name} RUN --take")
    fields = files.read_json(path)
    if not isinstance(fields, dict):
        raise InputError(f"{path}: expected a JSON object, found {type(fields).__name__}")
    return checked(Baseline, fields, f"{path}: ")
