"""Options that several commands share."""

import json
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import click

from tunix_rt_nb import common, runs, store
from tunix_rt_nb.common import InputError
from tunix_rt_nb.host import paths

FILE = click.Path(path_type=Path)
default_option = partial(click.option, show_default=True)  # an option whose default is told


def folder_option(*names: str, **how: Any) -> Callable[[Any], Any]:
    """Return an option that takes a folder."""
    kind = click.Path(file_okay=False, path_type=Path)
    return click.option(*names, metavar="FOLDER", type=kind, **how)


def output_option(help: str, kind: click.Path = FILE, required: bool = False) -> Any:
    """Return the option `--output` for a file, with the help text of a command."""
    names = "-o", "--output", "path"
    return click.option(*names, metavar="FILE", type=kind, required=required, help=help)


def form_option(name: str, known: Iterable[str], default: str) -> Callable[[Any], Any]:
    """Return the option that says what the records of a file are."""
    kind = click.Choice(list(known))
    return default_option(name, "form", type=kind, default=default, help="What the records are.")


def where_option(metavar: str, help: str) -> Callable[[Any], Any]:
    """Return the option `--where`, whose conditions `filters_of` parses."""
    told = f"{help}; also with != < <= > >=."
    return click.option("--where", "conditions", metavar=metavar, multiple=True, help=told)


def store_option(help: str) -> Callable[[Any], Any]:
    """Return the option `--store`, with the help text of a command."""
    return folder_option("--store", "folder", help=help)


store_to_read = store_option(
    "Where the traces are: data/traces unless given; while that is empty, those of the newest run."
)
store_to_change = store_option("Where the traces are: data/traces unless given.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


set_option = click.option(
    "--set", "settings", metavar="KEY=VALUE", multiple=True, help="A parameter, as YAML."
)


def settings_of(settings: tuple[str, ...]) -> dict[str, Any]:
    """Parse the parameters that `--set` gives, by name in capitals; values are YAML.

    Raises:
      InputError: a setting is not KEY=VALUE, or its value is not YAML.
    """
    values = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name:
            raise InputError(f"--set: expected KEY=VALUE, found {setting!r}")
        values[name.upper()] = common.strict_yaml.parse(f"--set: {name}", value)
    return values


def filters_of(conditions: tuple[str, ...]) -> dict[str, Any]:
    """Parse conditions such as `PATH=VALUE` into filters; a VALUE that is not JSON is text.

    Raises:
      InputError: a condition has no path or no operator.
    """
    filters: dict[str, Any] = {}
    for text in conditions:
        operator = next((op for op in ("!=", "<=", ">=", "=", "<", ">") if op in text), "")
        path, _, value = text.partition(operator) if operator else ("", "", "")
        if not path:
            raise InputError(f"--where: expected PATH=VALUE, found {text!r}")
        filters.setdefault(path, {})[operator] = _value(value)
    return filters


def end(right: bool) -> NoReturn:
    """End a command with exit code 0 if everything is right, or else with 1."""
    sys.exit(0 if right else 1)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def open_store(folder: Path | None, to_read: bool = True) -> "store.TraceStore":
    """Open the store that `--store` names, or else `data/traces`.

    To read, an empty `data/traces` gives way to the traces of the newest run.

    Raises:
      InputError: the folder to read from does not exist.
    """
    if folder is not None:
        if to_read and not folder.is_dir():
            raise InputError(f"--store: {folder} is no folder")
        return store.TraceStore(folder)
    own = store.TraceStore(paths.home() / "data" / "traces")
    newest = None if own.shards() or not to_read else runs.newest("generate")
    return store.TraceStore(newest / "traces") if newest else own
