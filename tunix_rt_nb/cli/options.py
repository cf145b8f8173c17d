"""Options that several commands share."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from tunix_rt_nb import common, runs, store
from tunix_rt_nb.common import InputError, cluster, nearest
from tunix_rt_nb.host import paths

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

FILE = click.Path(path_type=Path)
default_option = partial(click.option, show_default=True)  # an option whose default the help shows


class Choice(click.Choice):
    """One of some names; for an unknown name it suggests the nearest one, or else lists all."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the name that `value` is."""
        near = "" if value in self.choices else nearest(str(value), map(str, self.choices))
        if near:
            self.fail(f"unknown {value!r}, did you mean {near}?", param, ctx)
        return super().convert(value, param, ctx)


def folder_option(*names: str, **how: Any) -> Callable[[Any], Any]:
    """Return an option that takes a folder.

    Args:
      names, how: the names of the option and other arguments, as `click.option` takes them.
    """
    kind = click.Path(file_okay=False, path_type=Path)
    return click.option(*names, metavar="FOLDER", type=kind, **how)


def output_option(help: str, kind: click.Path = FILE, required: bool = False) -> Any:
    """Return the option `--output`, which takes a file; `kind` is its type in click."""
    names = "-o", "--output", "path"
    return click.option(*names, metavar="FILE", type=kind, required=required, help=help)


def form_option(name: str, known: Iterable[str], default: str) -> Callable[[Any], Any]:
    """Return the option `name`, which takes the format of the records in a file, one of `known`."""
    kind = Choice(list(known))
    return default_option(name, "form", type=kind, default=default, help="Format of the records.")


map_option = click.option(
    "--map",
    "names",
    metavar="PART=FIELD,...",
    default="",
    help="Which fields hold the parts of a record: prompt, system, reasoning, response, answer.",
)
skip_option = click.option("--skip-bad", is_flag=True, help="Leave out bad records, and list them.")


def where_option(metavar: str, help: str) -> Callable[[Any], Any]:
    """Return the option `--where`; `filters_of` parses the conditions that it takes."""
    told = f"{help}; != < <= > >= work too."
    return click.option("--where", "conditions", metavar=metavar, multiple=True, help=told)


def store_option(help: str) -> Callable[[Any], Any]:
    """Return the option `--store`, which takes the folder of a trace store."""
    return folder_option("--store", "folder", help=help)


store_to_read = store_option(
    "Folder of the traces; by default data/traces or, while that is empty, the newest run's."
)
store_to_change = store_option("Folder of the traces; by default data/traces.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def engine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options `--engine` and `--master`; `engine_of` opens what they name."""
    engine = default_option(
        "--engine",
        type=Choice(["duckdb", "spark"]),
        default="duckdb",
        help="This machine alone, or a Spark cluster; the result is the same.",
    )
    master = click.option(
        "--master",
        metavar="URL",
        help="The cluster, such as local[2], spark://HOST:7077 or sc://HOST.",
    )
    return engine(master(command))


def engine_of(engine: str, master: str | None) -> "AbstractContextManager[SparkSession | None]":
    """Open the engine that `--engine` and `--master` name, for a `with` block: None for DuckDB.

    Raises:
      InputError: a master is named without `--engine spark`, or Spark cannot be used.
    """
    if engine == "spark":
        return cluster.session(master)
    if master is not None:
        raise InputError("--master: has no effect without --engine spark")
    return nullcontext()


set_option = click.option(
    "--set",
    "settings",
    metavar="KEY=VALUE",
    multiple=True,
    help="Set a parameter: text as it is, anything else as YAML.",
)


def settings_of(
    settings: tuple[str, ...], kinds: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Parse what `--set` takes; return the values of parameters by name, in capitals.

    A parameter of type `str` gets its text as it stands; the value of any other is YAML.

    Args:
      settings: texts such as `KEY=VALUE`.
      kinds: the types of the parameters by name; those of all notebooks if None.

    Raises:
      InputError: a setting is not KEY=VALUE, or its value is not YAML.
    """
    if settings and kinds is None:
        kinds = runs.parameters.kinds()
    values = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name:
            raise InputError(f"--set: expected KEY=VALUE, found {setting!r}")
        values[name.upper()] = _typed(name, (kinds or {}).get(name.upper()), value)
    return values


def _typed(name: str, kind: str | None, text: str) -> Any:
    """Parse the value that --set gives to a parameter, by the type of the parameter.

    If `kind` is None, the parameter is unknown: return the text, and let a later check refuse it.
    """
    if kind in (None, "str"):
        return text
    texts = kind in runs.parameters.TEXTS
    return common.strict_yaml.parse(f"--set: {name}", text, texts)


def filters_of(conditions: tuple[str, ...]) -> dict[str, Any]:
    """Parse conditions such as `PATH=VALUE` into filters: path -> operator -> value.

    A VALUE that is not JSON is text.

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

    If `data/traces` is empty and `to_read` is True, open the traces of the newest run instead.

    Raises:
      InputError: the folder to read from does not exist.
    """
    if folder is not None:
        if to_read and not folder.is_dir():
            raise InputError(f"--store: {folder} is not a folder")
        return store.TraceStore(folder)
    own = store.TraceStore(paths.home() / "data" / "traces")
    newest = None if own.shards() or not to_read else runs.newest("generate")
    return store.TraceStore(newest / "traces") if newest else own
