"""Filters on traces, as one SQL condition on the view `fields`.

A field is a dotted path in `meta`, with or without `meta.` before it, or one of

- `score`: the baseline score, 0 to 100: half for ten steps, half for 500 characters per step;
- `step_count`: the number of steps;
- `length`: the number of characters in prompt, steps and answer.

If a path in `meta` has one of these names, it must be written with `meta.` before it.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from tunix_rt_nb.common.errors import InputError, unknown

NUMBERS = ("score", "step_count", "length")


def _number(value: Any) -> bool:
    return type(value) in (int, float)


def _numbers(value: Any) -> bool:
    return isinstance(value, list) and all(map(_number, value))


_AS_NUMBER = "TRY_CAST({field} AS DOUBLE) "
# Operator -> the SQL condition, and a check of the values that it can take.
_COMPARE: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "=": ("{field}::VARCHAR = {value}", lambda value: True),
    "!=": ("{field}::VARCHAR IS DISTINCT FROM {value}", lambda value: True),
    **{sign: (_AS_NUMBER + sign + " {value}", _number) for sign in ("<", "<=", ">", ">=")},
    "in": ("list_contains({value}::VARCHAR[], {field}::VARCHAR)", lambda v: isinstance(v, list)),
    "exists": ("({field} IS NOT NULL) = {value}", lambda value: isinstance(value, bool)),
}
# The same for the fields in `NUMBERS`: these are SQL columns, the others are JSON in `meta`.
_OF_NUMBERS = {
    **_COMPARE,
    "=": ("{field} = {value}", _number),
    "!=": ("{field} != {value}", _number),
    "in": ("list_contains({value}::DOUBLE[], {field})", _numbers),
}


def filter_condition(filters: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Build one SQL condition from filters; bind every path and value, never paste it in.

    Args:
      filters: a field -> a value that it must equal, or `{operator: value}`.

    Returns:
      The condition, and the bound values by parameter name.

    Raises:
      InputError: an unknown operator, or an operand that it cannot take.

    Example:
      >>> filter_condition({"task": "arithmetic"})[1]
      {'p0': '/task', 'v1': '"arithmetic"'}
    """
    conditions = ["true"]
    parameters: dict[str, Any] = {}
    for path, wanted in filters.items():
        operators = wanted if isinstance(wanted, Mapping) and wanted else {"=": wanted}
        compare = _OF_NUMBERS if path in NUMBERS else _COMPARE
        for operator, value in operators.items():
            if operator not in compare:
                raise unknown(f"filters: {path}", operator, compare)
            template, takes = compare[operator]
            if not takes(value):
                raise InputError(f"filters: {path}: {operator!r} cannot take {value!r}")
            expression = field(path, parameters)
            name = f"v{len(parameters)}"
            parameters[name] = value if path in NUMBERS else _operand(operator, value)
            conditions.append(template.format(field=expression, value=f"${name}"))
    return " AND ".join(conditions), parameters


def field(path: str, parameters: dict[str, Any]) -> str:
    """Return a field as an SQL expression; add the value it has to bind to `parameters`.

    Example:
      >>> bound = {}
      >>> field("card.rank", bound), bound
      ('json_extract(meta, $p0)', {'p0': '/card/rank'})
    """
    if path in NUMBERS:
        return path
    name = f"p{len(parameters)}"
    parameters[name] = _pointer(path)
    return f"json_extract(meta, ${name})"


def text(path: str, parameters: dict[str, Any]) -> str:
    """Return a field as SQL, like `field`, but as text without the quotes of JSON."""
    found = field(path, parameters)
    return f"{found}::VARCHAR" if path in NUMBERS else f"({found} ->> '$')"


def _operand(operator: str, value: Any) -> Any:
    """Convert a value to what its condition compares: JSON text for `=`, `!=` and `in`."""
    if operator in ("=", "!="):
        return _json(value)
    return [_json(v) for v in value] if operator == "in" else value


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _pointer(path: str) -> str:
    """Convert `a.b` to a JSON pointer, so that no character of a key has a special meaning."""
    parts = path.removeprefix("meta.").split(".")
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)
