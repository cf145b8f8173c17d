"""YAML as people mean it: YAML 1.2's core schema, in which a repeated key is an error.

PyYAML reads YAML 1.1, in which `No` is false, `010` is 8, `1:30` is 90 and `1e-3` is text. Here
`No` is text, `010` is 10, `1:30` is text and `1e-3` is 0.001. Dates and times stay text too.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.common.text import one_line

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


class _Texts(yaml.SafeLoader):
    """A loader that keeps every unquoted scalar as text and refuses repeated keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for place, key in enumerate(keys):
            if key in keys[:place]:
                line = node.value[place][0].start_mark.line + 1
                raise yaml.YAMLError(f"line {line}: {key!r} appears twice")
        return super().construct_mapping(node, deep)


class _Loader(_Texts):
    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        text = self.construct_scalar(node)
        return int(text, 0 if text.startswith(("0o", "0x")) else 10)

    def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
        text = self.construct_scalar(node)
        special = text.lower().endswith(("inf", "nan"))  # YAML writes `.inf`, Python `inf`
        return float(text.replace(".", "") if special else text)


class _Dumper(yaml.SafeDumper):
    """A dumper that quotes each text that YAML 1.1 or 1.2 would read as another type."""


_Texts.yaml_implicit_resolvers = {}
for _type, (_pattern, _first) in _CORE.items():
    for _class in (_Loader, _Dumper):
        _whole = re.compile(rf"(?:{_pattern})\Z")
        _class.add_implicit_resolver(f"tag:yaml.org,2002:{_type}", _whole, _first)
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_yaml_float)


def parse(where: str, text: str | bytes, texts: bool = False) -> Any:
    """Parse a YAML value.

    Args:
      where: the source of the text, such as a path or an option, to be named in the error.
      text: the YAML.
      texts: keep unquoted scalars as text, instead of converting numbers, booleans and nulls.

    Raises:
      InputError: the text is not YAML, or repeats a key; the message is `where: reason`.

    Example:
      >>> parse("--set: X", "{a: [010, 1e-3, No, 2026-01-01]}")
      {'a': [10, 0.001, 'No', '2026-01-01']}
      >>> parse("--set: X", "[010, No]", texts=True)
      ['010', 'No']
    """
    try:
        return yaml.load(text, Loader=_Texts if texts else _Loader)
    except Exception as error:  # a bad `!!timestamp` raises AttributeError, and so on
        raise InputError(f"{where}: is not YAML: {one_line(str(error))}") from None


def read(path: Path, texts: bool = False) -> dict[str, Any]:
    """Read a YAML file of `NAME: value` lines.

    Args:
      path: the file.
      texts: keep unquoted scalars as text, instead of converting numbers, booleans and nulls.

    Raises:
      InputError: the file cannot be read, is not YAML, or holds something other than a mapping.
    """
    values = parse(str(path), files.content(path), texts)
    if not isinstance(values, dict | None):
        raise InputError(f"{path}: expected `NAME: value` lines, found {type(values).__name__}")
    return {str(key): value for key, value in (values or {}).items()}


def dump(value: Any) -> str:
    """Format a value as YAML that parsers of YAML 1.1 and of YAML 1.2 read back as the same value.

    Example:
      >>> dump({"name": "1e3", "number": 1000.0})
      "name: '1e3'\\nnumber: 1000.0\\n"
    """
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False)
