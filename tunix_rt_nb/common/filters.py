"""Filters on traces, compiled to one SQL condition on the view `fields`.

A filter names a field. This is a dotted path in `meta`, such as `card.rank` or `meta.card.rank`, or
one of

- `score`: the baseline score, 0 to 100. The number of steps gives up to 50 points: 10 or more steps
  give 50. The mean length of a step gives up to 50 more: 500 or more characters give 50;
- `step_count`: the number of steps;
- `length`: the number of characters in prompt, steps and answer;
- `steps_wrong`: the number of wrong steps. If `meta.task` names one of `tasks.TASKS`, that task
  checks the steps. For any other trace, only sums in the steps, such as `2 + 2 = 4`, are checked;
- `steps_checked`: the number of steps that are right or wrong; the others cannot be checked.

If a key of `meta` has the same name as one of these fields, write `meta.` before it: `meta.score`.
"""

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from tunix_rt_nb.common.errors import InputError, unknown
from tunix_rt_nb.common.text import one_line

NUMBERS = ("score", "step_count", "length", "steps_wrong", "steps_checked")


def _number(value: Any) -> bool:
    return type(value) is float or (type(value) is int and -(1 << 64) < value < 1 << 64)


def _numbers(value: Any) -> bool:
    return isinstance(value, list) and all(map(_number, value))


_AS_NUMBER = "TRY_CAST({field} AS DOUBLE) "
# Operator -> the template of its SQL condition, and a predicate for the operands that it accepts.
_COMPARE: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "=": ("{field}::VARCHAR = {value}", lambda value: True),
    "!=": ("{field}::VARCHAR IS DISTINCT FROM {value}", lambda value: True),
    **{sign: (_AS_NUMBER + sign + " {value}", _number) for sign in ("<", "<=", ">", ">=")},
    "in": ("list_contains({value}::VARCHAR[], {field}::VARCHAR)", lambda v: isinstance(v, list)),
    "exists": ("({field} IS NOT NULL) = {value}", lambda value: isinstance(value, bool)),
}
# The same for the fields in `NUMBERS`, which are SQL columns; all other fields are JSON in `meta`.
_OF_NUMBERS = {
    **_COMPARE,
    "=": ("{field} = {value}", _number),
    "!=": ("{field} != {value}", _number),
    "in": ("list_contains({value}::DOUBLE[], {field})", _numbers),
}


def filter_condition(filters: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Build one SQL condition from filters. Paths and values are bound, never part of the SQL text.

    Args:
      filters: field -> the value that it must equal, or `{operator: operand}` with the operators
        `=`, `!=`, `<`, `<=`, `>`, `>=`, `in` (a list) and `exists` (True or False). A field is a
        path in `meta`, such as `card.rank`, or one of `NUMBERS`. A trace must pass all filters.

    Returns:
      condition: the SQL condition, with parameters written as `$name`.
      parameters: parameter name -> the value to bind.

    Raises:
      InputError: an operator is unknown, or does not accept its operand; or a path or value cannot
        be in a trace.

    Example:
      >>> filter_condition({"task": "arithmetic"})[1]
      {'p0': '/task', 'v1': '"arithmetic"'}
    """
    conditions = ["true"]
    parameters: dict[str, Any] = {}
    for path, wanted in filters.items():
        if not isinstance(path, str):
            raise InputError(f"filters: {path!r}: expected a path, which is text")
        operators = wanted if isinstance(wanted, Mapping) and wanted else {"=": wanted}
        compare = _OF_NUMBERS if path in NUMBERS else _COMPARE
        for operator, value in operators.items():
            if operator not in compare:
                raise unknown(f"filters: {path}", operator, compare)
            template, takes = compare[operator]
            if not takes(value):
                told = one_line(repr(value), 80)
                raise InputError(f"filters: {path}: {operator!r} cannot take {told}")
            _check_json(path, value)
            expression = field(path, parameters)
            name = f"v{len(parameters)}"
            parameters[name] = value if path in NUMBERS else _operand(operator, value)
            conditions.append(template.format(field=expression, value=f"${name}"))
    return " AND ".join(conditions), parameters


def field(path: str, parameters: dict[str, Any]) -> str:
    """Return the SQL expression that reads a field of a trace.

    A field in `NUMBERS` is an SQL column. Any other is read from `meta` by a JSON pointer.

    Args:
      path: the name of the field, or its path in `meta`, such as `card.rank`.
      parameters: parameter name -> the value to bind. If the field is in `meta`, its JSON pointer
        is added to this dict.

    Example:
      >>> bound = {}
      >>> field("card.rank", bound), bound
      ('json_extract(meta, $p0)', {'p0': '/card/rank'})
    """
    if path in NUMBERS:
        return path
    _check_json(path, path)
    name = f"p{len(parameters)}"
    parameters[name] = _pointer(path)
    return f"json_extract(meta, ${name})"


def text(path: str, parameters: dict[str, Any]) -> str:
    """Return the SQL expression that reads a field as text, without JSON's quotes.

    Args:
      path: the name of the field, or its path in `meta`, such as `card.rank`.
      parameters: parameter name -> the value to bind. If the field is in `meta`, its JSON pointer
        is added to this dict.
    """
    found = field(path, parameters)
    return f"{found}::VARCHAR" if path in NUMBERS else f"({found} ->> '$')"


def _operand(operator: str, value: Any) -> Any:
    """Convert the operand of `=` or `!=`, and each item of the list for `in`, to JSON text.

    Return the operand of any other operator unchanged.
    """
    if operator in ("=", "!="):
        return _json(value)
    return [_json(v) for v in value] if operator == "in" else value


def _check_json(path: str, value: Any) -> None:
    """Raise `InputError` if a value cannot be in a trace, because it is not strict JSON."""
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        why = "has half a surrogate pair, which is not a character"
    except (TypeError, ValueError) as error:
        why = f"cannot be in a trace: {error}"
    except RecursionError:
        why = "is nested too deep"
    else:
        return
    raise InputError(f"filters: {one_line(str(path), 80)}: {why}")


def _json(value: Any) -> str:
    """Write JSON as DuckDB writes what it reads in `meta`, because the texts are compared.

    Example:
      >>> _json({"a": "\x1f", "b": [1e-07, 1e22, 1e20]})
      '{"a":"\\\\u001F","b":[1e-7,1e22,100000000000000000000.0]}'
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return re.sub(r'"(?:[^"\\]|\\.)*"|-?[0-9.]+e[0-9+-]+', lambda token: _spelled(token[0]), text)


def _spelled(token: str) -> str:
    """Respell a text or a number with an exponent, as `json.dumps` writes them, for `_json`."""
    if token.startswith('"'):
        escaped = r"\\(?:u00(..)|.)"
        return re.sub(escaped, lambda e: f"\\u00{e[1].upper()}" if e[1] else e[0], token)
    if 1e-6 <= abs(float(token)) < 1e21:
        digits = format(Decimal(token), "f")
        return digits if "." in digits else f"{digits}.0"
    return re.sub(r"e\+?(-?)0*", r"e\1", token)


def _pointer(path: str) -> str:
    """Convert a path such as `a.b` to the JSON pointer `/a/b`; escape `~` and `/` inside keys."""
    parts = path.removeprefix("meta.").split(".")
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)
