"""A mapping from the parts of a trace to a file's own field names, such as `prompt=question`.

The parts are `prompt`, `system`, `reasoning`, `response` and `answer`.
"""

from collections.abc import Mapping
from typing import Any

from tunix_rt_nb.common import InputError, unknown
from tunix_rt_nb.trace.formats.record import Record

PARTS = {  # part of a trace -> the name under which `tagged` finds it
    "prompt": "prompt",
    "system": "system",
    "reasoning": "reasoning",
    "response": "response",
    "answer": "final_answer",
}


def parts_of(text: str) -> dict[str, str]:
    """Parse a mapping such as `prompt=question,answer=final`: part of a trace -> field of a record.

    Raises:
      InputError: a part has no field, or is none of `prompt`, `system`, `reasoning`, `response` and
        `answer`.

    Example:
      >>> parts_of("prompt=question,answer=meta.final")
      {'prompt': 'question', 'answer': 'meta.final'}
    """
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    for part, equals, field in pairs:
        if not equals or not field.strip():
            raise InputError(f"map: {part.strip()!r} has no field, expected PART=FIELD,...")
    names = {part.strip(): field.strip() for part, _, field in pairs}
    check_parts(names)
    return names


def check_parts(names: Mapping[str, str]) -> None:
    """Raise `InputError` if a key of a mapping is not a part of a trace, one of `PARTS`."""
    for part in names:
        if part not in PARTS:
            raise unknown("map", part, PARTS)


def renamed(record: Record, names: Mapping[str, str]) -> dict[str, Any]:
    """Copy a record, and give its mapped fields the names that the format `tagged` reads.

    Args:
      record: the record.
      names: part of a trace -> the field that holds it, which may be a dotted path (`meta.final`).

    Raises:
      InputError: the record lacks a mapped field.

    Example:
      >>> renamed({"q": "2 + 2?", "meta": {"final": 4}}, {"prompt": "q", "answer": "meta.final"})
      {'meta': {'final': 4}, 'prompt': '2 + 2?', 'final_answer': 4}
    """
    rest = {name: value for name, value in record.items() if name not in names.values()}
    return rest | {PARTS[part]: _field(record, field) for part, field in names.items()}


def holds(record: Record, path: str) -> bool:
    """Tell whether a record has a field, which may be a dotted path.

    Example:
      >>> holds({"meta": {"final": 4}}, "meta.final")
      True
    """
    try:
        _field(record, path)
    except InputError:
        return False
    return True


def _field(record: Record, path: str) -> Any:
    if path in record:
        return record[path]
    value: Any = record
    for name in path.split("."):
        if not isinstance(value, Mapping) or name not in value:
            raise InputError(f"{path}: Field required, because the mapping names it")
        value = value[name]
    return value
