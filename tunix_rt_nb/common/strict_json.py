"""Strict JSON, which every parser reads alike, and the reasons why other JSON is refused."""

import json
import math
import re
from typing import Any

import msgspec

from tunix_rt_nb.common.text import one_line

MAX_BYTES = 1 << 20  # the most that a trace may take
MAX_LINE = 8 * MAX_BYTES  # the most bytes of a line: JSON's escapes make it longer
MAX_DEPTH = 64  # levels of nested objects and lists
_MOST_LEVELS = 128  # of a file's objects and lists, which may have a `meta` inside
_PAIR = re.compile(rb'"\s*+:')  # a key's end; may also match inside a text
_HALF = re.compile(r"\\u[dD][89a-fA-F]")  # an escape of half a surrogate pair
_EXAMPLE = '{"question": "2 + 2?", "answer": "4"}'
_KINDS = {"array": "a list", "str": "text", "int": "a number", "float": "a number"}


def check_length(line: str | bytes) -> None:
    """Raise `ValueError` if a line is longer than any trace can be."""
    if len(line) > MAX_LINE:
        raise ValueError(f"trace: may take 1 MiB, this line takes over {MAX_LINE >> 20} MiB")


def check_keys(line: bytes) -> None:
    """Raise `ValueError` if an object in a JSON text repeats a key; ignore a text that is no JSON.

    Parsers differ in which of the values they take. The message is `'key' appears twice`.

    Example:
      >>> check_keys(b'{"prompt": "a", "prompt": "b"}')
      Traceback (most recent call last):
      ValueError: 'prompt' appears twice
    """
    try:
        found = _DECODE(line)
    except (ValueError, RecursionError):
        return
    # Only if there are more ends of keys than keys, look which of them are in texts. This is slow.
    if len(_PAIR.findall(line)) > _keys(found):
        json.loads(line, object_pairs_hook=_once)


_DECODE = msgspec.json.Decoder().decode


def _keys(value: Any) -> int:
    """Count the keys of all objects in a JSON value."""
    inner = value.values() if type(value) is dict else value if type(value) is list else ()
    below = sum(_keys(one) for one in inner if type(one) is dict or type(one) is list)
    return below + len(value) if type(value) is dict else below


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object from its pairs; raise `ValueError` if a key repeats."""
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"{one_line(key, 40)!r} appears twice")
            seen.add(key)
    return found


def load(text: bytes) -> Any:
    """Parse a file, or a line of one, that anyone may have written.

    Raises:
      ValueError: the text is not JSON, repeats a key, has more than 128 levels, or has half a
        surrogate pair, which cannot be written as UTF-8.

    Example:
      >>> load(b'{"a": [1, 2]}')
      {'a': [1, 2]}
    """
    try:
        decoded = text.decode(json.detect_encoding(text))
        found = json.loads(decoded, object_pairs_hook=_once)
        _check_levels(found, 1)
    except RecursionError:
        raise ValueError("is nested too deep") from None
    if _HALF.search(decoded):
        json.dumps(found, ensure_ascii=False).encode()  # raises if it is not a whole pair
    return found


def _check_levels(value: Any, level: int) -> None:
    if level > _MOST_LEVELS:
        raise RecursionError
    for inner in value.values() if type(value) is dict else value if type(value) is list else ():
        if type(inner) is dict or type(inner) is list:
            _check_levels(inner, level + 1)


def why(error: Exception, line: str | bytes = b"") -> str:
    """Convert an error raised while parsing a trace to a message of one line, `field: reason`.

    Args:
      error: the error.
      line: the line that was parsed, to find out why it is not JSON.
    """
    if isinstance(error, msgspec.ValidationError):
        told = str(error.__cause__) if error.__cause__ else _explain(str(error))
    elif isinstance(error, RecursionError):
        told = f"meta: has more than {MAX_DEPTH} levels"
    elif isinstance(error, UnicodeDecodeError):
        told = "not a JSON object: it is not UTF-8"
    elif isinstance(error, msgspec.DecodeError):
        told = f"not a JSON object: {_why_no_json(line)}"
    else:  # raised by Trace itself, whose message is `field: reason` already
        told = str(error)
    return one_line(told)


def _explain(told: str) -> str:
    """Rewrite an error message of msgspec as `field: reason`.

    Example:
      >>> _explain("Expected `str`, got `int` - at `$.steps[0].type`")
      'steps.0.type: expected str, got int'
      >>> _explain("Object missing required field `type` - at `$.steps[0]`")
      'steps.0.type: Field required'
    """
    reason, _, path = told.partition(" - at `$")
    field = re.sub(r"\[(\d+)\]", r".\1", path.rstrip("`").replace("[...]", "")).strip(".")
    if name := re.fullmatch(r"(?s)Object (missing required|contains unknown) field `(.*)`", reason):
        field = f"{field}.{name[2]}".lstrip(".")
        reason = "Field required" if name[1] == "missing required" else "is not a field of a trace"
    elif not field and reason.startswith("Expected `object`, got `"):
        found = reason.split("`")[3]
        return f"expected an object such as {_EXAMPLE}, found {_KINDS.get(found, found)}"
    else:
        reason = reason[0].lower() + reason[1:].replace("`", "")
    return f"{field or 'trace'}: {reason}"


def _why_no_json(line: str | bytes) -> str:
    try:
        json.loads(line if isinstance(line, str) else line.decode())
    except json.JSONDecodeError as error:
        return f"{error.msg.removesuffix(' at')} at character {error.pos + 1}"
    except UnicodeDecodeError:
        return "it is not UTF-8"
    except (ValueError, RecursionError):
        return "it has a number that is too long, or is nested too deep"
    return "it has NaN, an infinite number or half a surrogate pair"


def check_json(meta: dict[str, Any]) -> bool:
    """Check that `meta` is valid JSON; tell if msgspec and Python format its floats differently.

    Args:
      meta: the `meta` of a trace.

    Returns:
      True if some float in `meta` is written with an exponent, such as 1e-07. If so, apply `exact`
      to `meta` before msgspec writes it; the text is then the same as Python's.

    Raises:
      ValueError: `meta.path: reason`, if something cannot be written as JSON.
      RecursionError: `meta` has more than 64 levels.
    """
    try:
        return _check(meta, 1)
    except ValueError as error:
        raise ValueError(f"meta{error}") from None


def _check(value: Any, level: int) -> bool:
    """Check a value inside `meta`; tell if it has a float with an exponent.

    Errors begin with `: `, because each caller puts the key of the value in front.

    Args:
      value: the value.
      level: how deep it is nested; `meta` itself is on level 1.
    """
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return False
    if kind is int:
        if not -(1 << 63) <= value < 1 << 64:
            raise ValueError(": is an integer beyond 64 bits")
        return False
    if kind is float:
        if not math.isfinite(value):
            raise ValueError(f": is {value}, which is not a JSON number")
        return value != 0.0 and not 1e-4 <= abs(value) < 1e16  # else it gets an exponent
    if kind is not dict and kind is not list:
        raise ValueError(f": is of type {kind.__name__}, expected a JSON value")
    if level > MAX_DEPTH:
        raise RecursionError
    odd = False
    for key, inner in value.items() if kind is dict else enumerate(value):
        if kind is dict and type(key) is not str:
            raise ValueError(f": has the key {key!r}, which is not text")
        try:
            odd |= _check(inner, level + 1)
        except ValueError as error:
            raise ValueError(f".{one_line(str(key), 40)}{error}") from None
    return odd


def exact(value: Any) -> Any:
    """Copy a JSON value; replace each float by raw JSON text, formatted as Python's `json` does.

    Then msgspec writes these floats as Python would.
    """
    if type(value) is float:
        return msgspec.Raw(repr(value).encode())
    if type(value) is dict:
        return {key: exact(inner) for key, inner in value.items()}
    return [exact(inner) for inner in value] if type(value) is list else value
