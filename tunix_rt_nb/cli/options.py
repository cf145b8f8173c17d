"""Options that several commands share."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tunix_rt_nb import common, runs, store
from tunix_rt_nb.common import InputError
from tunix_rt_nb.host import paths

if TYPE_CHECKING:
    from tunix_rt_nb.store import TraceStore


def store_option(help: str) -> Callable[[Any], Any]:
    """Return the option `--store`, with the help text of a command."""
    folder = click.Path(file_okay=False, path_type=Path)
    return click.option("--store", "folder", metavar="FOLDER", type=folder, help=help)


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


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def open_store(folder: Path | None, to_read: bool = True) -> "TraceStore":
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
