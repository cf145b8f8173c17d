"""Filters on a trace's `meta`, as one condition in SQL."""

import json
from collections.abc import Mapping
from typing import Any

from tunix_rt_nb.errors import InputError, unknown

_NUMBER = "TRY_CAST({field} AS DOUBLE)"
_COMPARE: dict[str, tuple[str, Any]] = {  # operator -> condition, and what its operand must be
    "=": ("{field}::VARCHAR = {value}", object),
    "!=": ("{field}::VARCHAR IS DISTINCT FROM {value}", object),
    "<": (_NUMBER + " < {value}", (int, float)),
    "<=": (_NUMBER + " <= {value}", (int, float)),
    ">": (_NUMBER + " > {value}", (int, float)),
    ">=": (_NUMBER + " >= {value}", (int, float)),
    "in": ("list_contains({value}::VARCHAR[], {field}::VARCHAR)", list),
    "exists": ("({field} IS NOT NULL) = {value}", bool),
}


def condition(filters: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The filters as one SQL condition, with every path and value bound, never pasted in.

    Args:
      filters: a dotted `meta` path -> a value it must equal, or `{operator: value}`.

    Raises:
      InputError: an unknown operator, or an operand that it cannot take.

    Example:
      >>> condition({"task": "arithmetic"})[1]
      {'p0': '/task', 'v1': '"arithmetic"'}
    """
    conditions = ["true"]
    parameters: dict[str, Any] = {}
    for path, wanted in filters.items():
        operators = wanted if isinstance(wanted, Mapping) and wanted else {"=": wanted}
        for operator, value in operators.items():
            if operator not in _COMPARE:
                raise unknown(f"filters: {path}", operator, _COMPARE)
            template, kind = _COMPARE[operator]
            if not isinstance(value, kind) or (isinstance(value, bool) and kind == (int, float)):
                raise InputError(f"filters: {path}: {operator!r} cannot take {value!r}")
            k = len(parameters)
            parameters |= {f"p{k}": _pointer(path), f"v{k + 1}": _operand(operator, value)}
            field = f"json_extract(meta, $p{k})"
            conditions.append(template.format(field=field, value=f"$v{k + 1}"))
    return " AND ".join(conditions), parameters


def _operand(operator: str, value: Any) -> Any:
    """A value as its condition compares it: `=` and `in` compare JSON texts."""
    if operator in ("=", "!="):
        return _json(value)
    return [_json(v) for v in value] if operator == "in" else value


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _pointer(path: str) -> str:
    """`a.b` as a JSON pointer, so that no character of a key means anything."""
    parts = path.removeprefix("meta.").split(".")
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)
