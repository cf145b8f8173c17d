"""YAML as people mean it: YAML 1.2's core schema, in which a repeated key is an error.

PyYAML reads YAML 1.1, in which `No` is false, `010` is 8, `1:30` is 90 and `1e-3` is text. Here
`No` is text, `010` is 10, `1:30` is text and `1e-3` is 0.001. Dates and times stay text too.

A value is plain: text, a finite number, a boolean, null, or a list or mapping of such values. The
file may come from anyone, so its size, its depth and what its aliases repeat are limited.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.common.text import one_line

_MOST_BYTES = 1 << 20
_MOST_VALUES = 100_000  # an alias counts as all the values that it repeats
_MOST_LEVELS = 64  # of lists and mappings

_DIGITS = "[0-9]+(?:_[0-9]+)*"
_CORE = {  # type -> the regex of its unquoted scalars, and the first characters they may have
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (rf"[-+]?{_DIGITS}" r"|0o[0-7]{1,16}|0x[0-9a-fA-F]{1,16}", list("-+0123456789")),
    "float": (
        rf"[-+]?(?:\.{_DIGITS}|{_DIGITS}(?:\.(?:{_DIGITS})?)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+0123456789."),
    ),
}
_TYPES = {type: re.compile(pattern) for type, (pattern, _) in _CORE.items()}
_TAG = "tag:yaml.org,2002:"
_Parser = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C is 20 times as fast


class _Dumper(yaml.SafeDumper):
    """A dumper that quotes each text that YAML 1.1 or 1.2 would read as another type."""

    def ignore_aliases(self, data: Any) -> bool:
        """Return True: a value that stands in two places is written twice."""
        return True


for _type, (_pattern, _first) in _CORE.items():
    _Dumper.add_implicit_resolver(_TAG + _type, re.compile(rf"(?:{_pattern})\Z"), _first)


class _Anchored(NamedTuple):
    """A value that aliases repeat: the number of values in it, and the levels of its lists."""

    value: Any
    size: int
    levels: int


class _Reader:
    """The value of one YAML document, built from the events of PyYAML's parser.

    Args:
      text: the YAML.
      texts: keep unquoted scalars as text.
    """

    def __init__(self, text: str | bytes, texts: bool) -> None:
        self._events: Iterator[Any] = yaml.parse(text, Loader=_Parser)
        self._texts = texts
        self._anchors: dict[str, _Anchored] = {}
        self._size = 0  # the values that were built so far

    def document(self) -> Any:
        """Build the value of the document; return None if there is no document."""
        next(self._events)  # the start of the stream
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        value, _ = self._value(next(self._events), 0)
        next(self._events)  # the end of the document
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise _wrong(after, "begins another document, expected one")
        return value

    def _value(self, event: Any, level: int) -> tuple[Any, int]:
        """Build the value that begins with an event.

        Args:
          event: the event.
          level: how many lists and mappings the value is in.

        Returns:
          The value, and its levels of lists and mappings.
        """
        if isinstance(event, yaml.AliasEvent):
            return self._repeated(event, level)
        before = self._size
        self._count(event, 1, level)
        if isinstance(event, yaml.ScalarEvent):
            value, levels = self._scalar(event), 0
        else:
            self._count(event, 0, level + 1)
            is_list = isinstance(event, yaml.SequenceStartEvent)
            _check_tag(event, "seq" if is_list else "map")
            value, levels = (self._list if is_list else self._mapping)(level + 1)
        if event.anchor:
            self._anchors[event.anchor] = _Anchored(value, self._size - before, levels)
        return value, levels

    def _repeated(self, event: Any, level: int) -> tuple[Any, int]:
        found = self._anchors.get(event.anchor)
        if found is None:  # unknown, or the alias is inside the value that it repeats
            raise _wrong(event, f"*{event.anchor}: stands before the end of its &{event.anchor}")
        self._count(event, found.size, level + found.levels)
        return found.value, found.levels

    def _count(self, event: Any, size: int, level: int) -> None:
        """Count `size` more values; raise `InputError` if they are too many, or nested too deep."""
        self._size += size
        if self._size > _MOST_VALUES:
            raise _wrong(event, f"holds over {_MOST_VALUES:,} values, aliases counted in full")
        if level > _MOST_LEVELS:
            raise _wrong(event, f"has more than {_MOST_LEVELS} levels")

    def _list(self, level: int) -> tuple[list[Any], int]:
        found, most = [], 0
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            value, levels = self._value(event, level)
            found.append(value)
            most = max(most, levels)
        return found, most + 1

    def _mapping(self, level: int) -> tuple[dict[str, Any], int]:
        found: dict[str, Any] = {}
        most = 0
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event)
            if key in found:
                raise _wrong(event, f"{key!r} appears twice")
            found[key], levels = self._value(next(self._events), level)
            most = max(most, levels)
        return found, most + 1

    def _key(self, event: Any) -> str:
        """Return the text of a key as it is written, so `1` and `No` are text."""
        if not isinstance(event, yaml.ScalarEvent):
            raise _wrong(event, "has a list, a mapping or an alias as a key, expected text")
        _check_tag(event, "str")
        key = _text(event)
        if event.anchor:
            self._anchors[event.anchor] = _Anchored(key, 1, 0)
        return key

    def _scalar(self, event: Any) -> Any:
        text, tag = _text(event), event.tag
        if tag in (None, "!"):
            is_text = self._texts or tag or not event.implicit[0]  # quoted, for example
            types = [] if is_text else [t for t, regex in _TYPES.items() if regex.fullmatch(text)]
            return _plain(event, types[0], text) if types else text
        _check_tag(event, "str", *_TYPES)
        type = tag.removeprefix(_TAG)
        if type != "str" and not _TYPES[type].fullmatch(text):
            raise _wrong(event, f"{one_line(text, 40)!r} is not of the type !!{type}")
        return text if type == "str" else _plain(event, type, text)


def _wrong(event: Any, reason: str) -> InputError:
    return InputError(f"line {event.start_mark.line + 1}: {one_line(reason)}")


def _check_tag(event: Any, *known: str) -> None:
    """Raise `InputError` if the value of an event has a tag that is not one of these types."""
    if event.tag not in (None, "!", *(_TAG + type for type in known)):
        tag = event.tag.replace(_TAG, "!!")
        raise _wrong(event, f"{tag}: is not supported, expected a plain value without it")


def _text(event: Any) -> str:
    """Return the text of a scalar.

    Raises:
      InputError: it has a null character, which no path may have, or half a surrogate pair.
    """
    text: str = event.value
    if "\0" in text or re.search("[\ud800-\udfff]", text):
        raise _wrong(event, "has a null character or half a surrogate pair, expected text")
    return text


def _plain(event: Any, type: str, text: str) -> int | float | bool | None:
    """Convert an unquoted scalar to a value of the type that it matched.

    Raises:
      InputError: it is a number that JSON cannot hold: not finite, or a long integer.
    """
    if type in ("null", "bool"):
        return None if type == "null" else text.lower() == "true"
    if type == "int" and len(text) < 99:
        whole = int(text, 0 if text.startswith(("0o", "0x")) else 10)
        if -(1 << 63) <= whole < 1 << 64:
            return whole
    if type == "int":
        raise _wrong(event, f"{one_line(text, 40)}: is an integer beyond 64 bits")
    special = text.lower().endswith(("inf", "nan"))
    number = math.nan if special else float(text)
    if not math.isfinite(number):
        raise _wrong(event, f"{one_line(text, 40)}: expected a finite number")
    return number


def parse(where: str, text: str | bytes, texts: bool = False) -> Any:
    """Parse a YAML value.

    Args:
      where: the source of the text, such as a path or an option, to be named in the error.
      text: the YAML.
      texts: keep unquoted scalars as text, instead of converting numbers, booleans and nulls.

    Returns:
      Text, a finite number, a boolean, None, or a list or dict of such values. Keys are text as it
      is written.

    Raises:
      InputError: the text is not YAML, repeats a key, is too large or too deep, or holds something
        else than plain values; the message is `where: line N: reason`.

    Example:
      >>> parse("--set: X", "{a: [010, 1e-3, No, 2026-01-01]}")
      {'a': [10, 0.001, 'No', '2026-01-01']}
      >>> parse("--set: X", "[010, No]", texts=True)
      ['010', 'No']
    """
    try:
        return _Reader(text, texts).document()
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # `"\UFFFFFFFF"` overflows
        raise InputError(f"{where}: is not YAML: {one_line(str(error))}") from None


def read(path: Path, texts: bool = False) -> dict[str, Any]:
    """Read a YAML file of `NAME: value` lines.

    Args:
      path: the file.
      texts: keep unquoted scalars as text, instead of converting numbers, booleans and nulls.

    Raises:
      InputError: the file cannot be read, is not YAML, or holds something other than a mapping; or
        a value is not plain, as in `parse`.
    """
    values = parse(str(path), files.content(path, _MOST_BYTES), texts)
    if not isinstance(values, dict | None):
        raise InputError(f"{path}: expected `NAME: value` lines, found {type(values).__name__}")
    return values or {}


def dump(value: Any) -> str:
    """Format a value as YAML that parsers of YAML 1.1 and of YAML 1.2 read back as the same value.

    Example:
      >>> dump({"name": "1e3", "number": 1000.0})
      "name: '1e3'\\nnumber: 1000.0\\n"
    """
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False)
