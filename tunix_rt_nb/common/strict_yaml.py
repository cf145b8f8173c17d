"""YAML as people mean it: times stay text, and a repeated key is an error."""

from pathlib import Path
from typing import Any

import yaml

from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.common.text import one_line


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for place, key in enumerate(keys):
            if key in keys[:place]:
                line = node.value[place][0].start_mark.line + 1
                raise yaml.YAMLError(f"line {line}: {key!r} stands there twice")
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def parse(where: str, text: str | bytes) -> Any:
    """Parse a YAML value; `InputError` says where it comes from and what is wrong with it.

    Example:
      >>> parse("--set: X", "{a: [1, 2026-01-01]}")
      {'a': [1, '2026-01-01']}
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{where}: is not YAML: {one_line(str(error))}") from None


def read(path: Path) -> dict[str, Any]:
    """Read the `NAME: value` lines of a YAML file.

    Raises:
      InputError: the file cannot be read, or contains anything else.
    """
    values = parse(str(path), files.content(path))
    if not isinstance(values, dict | None):
        raise InputError(f"{path}: expected `NAME: value` lines, found {type(values).__name__}")
    return {str(key): value for key, value in (values or {}).items()}
