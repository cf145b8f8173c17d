"""The specification of a dataset: the traces that it is to contain."""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tunix_rt_nb.common import InputError, check_name, checked, one_line, strict_yaml
from tunix_rt_nb.trace import form

_OPTIONS = {  # strategy -> the fields that belong to it
    "random": ("seed",),
    "stratified": ("seed", "stratify_by", "quotas", "proportions"),
    "quality": ("quality_by", "quality_floor"),
    "custom": ("condition",),
}
_NEEDED = {
    "random": ("seed", "give an integer"),
    "stratified": ("stratify_by", "give a field such as task or meta.difficulty"),
    "custom": ("condition", "give a condition in SQL such as step_count > 3"),
}


def key_of(name: str, version: str) -> str:
    """Return the key of a dataset: its name and version, each made safe as a folder's name.

    As in the service `tunix-rt`, a space or `/` becomes `_`.

    Raises:
      InputError: the name or the version has other unsafe characters.

    Example:
      >>> key_of("my cards", "v1/b")
      'my_cards-v1_b'
    """
    return f"{_safe('dataset_name', name)}-{_safe('dataset_version', version)}"


def _safe(field: str, name: str) -> str:
    made = name.replace(" ", "_").replace("/", "_")
    try:
        return check_name(field, made)
    except InputError:
        return check_name(field, name)  # raises an error that quotes the name as it was given


class DatasetSpec(BaseModel):
    """The specification of a dataset. Its fields are those of a YAML spec.

    Attributes:
      dataset_name, dataset_version: together the key, in which a space or `/` becomes `_`; else
        letters, digits, `.`, `_`, `-`.
      filters: field -> the value that it must have, or `{operator: value}` with `=`, `!=`, `<`,
        `<=`, `>`, `>=`, `in`, `exists`. A trace must pass all filters. A field is a dotted path in
        `meta`, or one of `score`, `step_count` and `length` (see `filters.py`).
      limit: how many traces to select at most, before cleaning; None for all.
      selection_strategy: `latest` (newest first); `random` (in the order of a hash of seed and
        id); `stratified` (a number of traces for each value of the field `stratify_by`, drawn as in
        `random`); `quality` (highest `quality_by` first); or `custom` (traces that meet a condition
        in SQL, newest first).
      seed: for `random`, which needs one, and `stratified` (0 unless given).
      stratify_by: a field, as in `filters`.
      quotas: value of the field `stratify_by` -> how many traces to take. Traces with other values
        stay out.
      proportions: value of the field `stratify_by` -> its share; the shares add up to 1. The
        dataset gets as many traces as these shares allow, at most `limit`. Without quotas and
        proportions, `limit` traces are spread evenly over the values.
      quality_by: a field with numbers, as in `filters`.
      quality_floor: the least number in the field `quality_by`; None for no limit. Traces without a
        number stay out in any case.
      condition: a condition in DuckDB's SQL on `id`, `created_at`, `trace_version`, `prompt`,
        `steps`, `final_answer`, `meta`, `task`, `step_count`, `length` and `score`; `condition.py`
        has the functions and types that it may use.
      eval_fraction: the share of prompts that is held out; the hash of a prompt decides.
      near_duplicates: if two prompts have this Jaccard similarity or more (by their word 3-grams),
        the same numbers and the same answer, one stays out; None keeps both. Prompts of tasks in
        `tasks.TASKS` are not compared this way.
      eval_sets: eval sets whose prompts must not be in the dataset: the name of one that ships,
        such as `core-v1`, or the path of a file.
      parent_dataset_id: the key or build id of the version before; the manifest then counts the
        traces that changed since that version.
      template, style, system: the form in which the dataset is exported and trained on: the names
        of a template and of a style, and a system message. None leaves it open.
      tags: words to find the dataset by.
      session_id, training_run_id: any text; nothing uses it, but the manifest keeps it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset_name: str
    dataset_version: str = "v1"
    filters: dict[str, Any] = {}
    limit: int | None = Field(default=None, ge=1)
    selection_strategy: Literal["latest", "random", "stratified", "quality", "custom"] = "latest"
    seed: int | None = None
    stratify_by: str | None = None
    quotas: dict[str, int] | None = None
    proportions: dict[str, float] | None = None
    quality_by: str = "score"
    quality_floor: float | None = None
    condition: str | None = None
    eval_fraction: float = Field(default=0.1, ge=0.0, lt=1.0)
    near_duplicates: float | None = Field(default=0.8, ge=0.5, le=1.0)
    eval_sets: list[str] = []
    parent_dataset_id: str | None = None
    template: str | None = None
    style: str | None = None
    system: str | None = None
    tags: list[str] = []
    session_id: str | None = None
    training_run_id: str | None = None

    @property
    def key(self) -> str:
        """The name of the dataset's folder."""
        return key_of(self.dataset_name, self.dataset_version)

    @classmethod
    def of(cls, where: str = "", /, **fields: Any) -> "DatasetSpec":
        """Check the fields of a spec, and return the spec.

        Args:
          where: the text that error messages begin with, such as `cards.yaml: `.
          fields: the fields of the spec, by name.

        Raises:
          InputError: a field is wrong. The message is one line: `where`, then the field.

        Example:
          >>> DatasetSpec.of(dataset_name="cards", dataset_version="v2").key
          'cards-v2'
        """
        spec = checked(cls, fields, where)
        try:
            key_of(spec.dataset_name, spec.dataset_version)
            form(spec.template or "gemma", spec.style or "numbered")  # raises if one is unknown
            spec._check_text()
            spec._check_strategy(fields)
        except InputError as error:
            raise InputError(f"{where}{error}") from None
        return spec

    @classmethod
    def read(cls, path: Path) -> "DatasetSpec":
        """Read a spec from a YAML file.

        Raises:
          InputError: the file is not a YAML mapping, or a field is wrong. The message begins with
            the path of the file.
        """
        return cls.of(f"{path}: ", **strict_yaml.read(path))

    def _check_text(self) -> None:
        """Check that a manifest can hold each field: as JSON in UTF-8, without NaN."""
        for name, value in self.model_dump().items():
            try:
                json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
            except UnicodeEncodeError:
                raise InputError(
                    f"{name}: has half a surrogate pair, which is not a character, write the"
                    " character itself"
                ) from None
            except (TypeError, ValueError, RecursionError) as error:
                raise InputError(f"{name}: expected JSON: {one_line(str(error))}") from None

    def _check_strategy(self, given: dict[str, Any]) -> None:
        strategy = self.selection_strategy
        field, hint = _NEEDED.get(strategy, ("dataset_name", ""))
        if getattr(self, field) is None:
            raise InputError(f"{field}: selection_strategy {strategy} needs a {field}, {hint}")
        every = {name for names in _OPTIONS.values() for name in names}
        for name in sorted(every - set(_OPTIONS.get(strategy, ()))):
            default = type(self).model_fields[name].default
            # A seed that decides nothing is no mistake, because notebooks always have one.
            if name != "seed" and given.get(name) not in (None, "", default):
                raise InputError(f"{name}: has no effect with selection_strategy {strategy}")
        if strategy == "stratified":
            self._check_strata()

    def _check_strata(self) -> None:
        if self.quotas and self.proportions:
            raise InputError("quotas: cannot be combined with proportions, give one of them")
        if self.quotas and min(self.quotas.values()) < 1:
            raise InputError("quotas: expected 1 or more of each value")
        if self.quotas and self.limit:
            raise InputError("limit: cannot be combined with quotas, which say how many to take")
        if self.proportions:
            shares = self.proportions.values()
            if min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6:
                raise InputError(
                    f"proportions: expected shares that add up to 1, found {self.proportions}"
                )
        if not (self.quotas or self.proportions or self.limit):
            raise InputError(
                "limit: a stratified selection needs one of limit, quotas and proportions"
            )
