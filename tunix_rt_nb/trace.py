"""A reasoning trace: a prompt, the steps that solve it, the final answer."""

import json
import uuid
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from tunix_rt_nb.errors import InputError

Model = TypeVar("Model", bound=BaseModel)
MAX_BYTES = 1 << 20  # a whole trace, as JSON
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "tunix_rt_nb/trace")


class Step(BaseModel):
    """One inference: its place, its kind (`read`, `compute`, ...) and what it says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    i: int = Field(ge=0, strict=True)
    type: str = Field(min_length=1, max_length=64)
    content: str = Field(min_length=1, max_length=20_000)


class Trace(BaseModel):
    """A prompt with its steps and answer, within the limits of trace version 1.0.

    Raises:
      pydantic.ValidationError: a field is missing, of the wrong type or out of its limits; step
        indices are not 0, 1, 2, ...; or the whole is over 1 MiB.

    Example:
      >>> trace = Trace.of("What is 2 + 2?", [("compute", "2 + 2 = 4.")], "4")
      >>> trace.steps[0].content
      '2 + 2 = 4.'
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    trace_version: str = Field(default="1.0", min_length=1, max_length=64)
    prompt: str = Field(min_length=1, max_length=50_000)
    steps: tuple[Step, ...] = Field(min_length=1, max_length=1_000)
    final_answer: str = Field(min_length=1, max_length=50_000)
    meta: dict[str, Any] | None = None

    @field_validator("steps")
    @classmethod
    def _contiguous(cls, steps: tuple[Step, ...]) -> tuple[Step, ...]:
        for place, step in enumerate(steps):
            if step.i != place:
                raise ValueError(f"step indices must run 0, 1, 2, ...: found {step.i} at {place}")
        return steps

    @model_validator(mode="after")
    def _small_enough(self) -> "Trace":
        try:
            size = len(self.canonical().encode())
        except ValueError:  # a lone surrogate, NaN or an infinite number
            raise ValueError("holds a number or character that JSON and UTF-8 cannot") from None
        if size > MAX_BYTES:
            raise ValueError(f"a trace may take 1 MiB, this one takes {size} bytes")
        return self

    @classmethod
    def of(
        cls,
        prompt: str,
        steps: list[tuple[str, str]],
        final_answer: str,
        meta: dict[str, Any] | None = None,
    ) -> "Trace":
        """Builds a trace from `(type, content)` pairs."""
        numbered = tuple(Step(i=i, type=kind, content=text) for i, (kind, text) in enumerate(steps))
        return cls(prompt=prompt, steps=numbered, final_answer=final_answer, meta=meta)

    def canonical(self) -> str:
        """The one JSON text of this content: sorted keys, no spaces."""
        return json.dumps(
            self.model_dump(),
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=False,
            allow_nan=False,
        )

    @property
    def id(self) -> str:
        """UUIDv5 of the canonical content: the same trace has the same id everywhere."""
        return str(uuid.uuid5(_NAMESPACE, self.canonical()))

    @property
    def task(self) -> str | None:
        """The task that made this trace, where `meta` names one."""
        name = (self.meta or {}).get("task")
        return name if isinstance(name, str) else None


def explain(error: ValidationError) -> str:
    """The first problem of a validation error as `field: reason`.

    Example:
      >>> try:
      ...     Trace.model_validate({"prompt": 5})
      ... except ValidationError as error:
      ...     explain(error)
      'prompt: Input should be a valid string'
    """
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or "trace"
    return f"{field}: {first['msg'].removeprefix('Value error, ')}"


def checked(kind: type[Model], fields: Mapping[str, Any], where: str = "") -> Model:
    """A model of these fields; `InputError` says `{where}field: reason` where they do not fit."""
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise InputError(f"{where}{explain(error)}") from None


def parse_line(line: str | bytes, where: str) -> Trace:
    """Reads a trace from one JSON line; keys the store adds (`id`, `created_at`) are passed over.

    Args:
      line: one JSON object.
      where: what to call this line in an error, usually `file:line`.

    Raises:
      InputError: `where: field: reason`.
    """
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not a JSON object: {error}") from None
    if not isinstance(record, Mapping):
        raise InputError(f"{where}: expected a JSON object, found {type(record).__name__}")
    content = {key: value for key, value in record.items() if key not in ("id", "created_at")}
    return checked(Trace, content, f"{where}: ")
