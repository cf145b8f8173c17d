"""The parameters of the notebooks: what each notebook declares, and the values of a profile."""

import ast
import contextlib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, TypeAdapter, ValidationError

from tunix_rt_nb.common import InputError, files, one_line, strict_yaml, unknown
from tunix_rt_nb.host import paths
from tunix_rt_nb.runs.folder import STEPS, notebook_of
from tunix_rt_nb.runs.limits import LIMITS

OURS = {"RUN_DIR", "JOB"}  # say where a notebook works; set by the chain, not by a profile
TEXTS = ("str", "list[str]")  # types whose values stay text, whatever YAML would make of them


def _utf8(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:  # a command line may hold any bytes
        raise ValueError("expected text in UTF-8") from None
    return text


_Text = Annotated[str, AfterValidator(_utf8)]
_TYPES: dict[str, Any] = {
    "int": int,
    "float": float,
    "str": _Text,
    "bool": bool,
    "dict": dict[str, Any],
    "list[str]": list[_Text],
}
_TOLD = {  # how a message names each type
    "int": "a whole number",
    "float": "a finite number",
    "str": "text",
    "bool": "true or false",
    "dict": "a mapping such as {a: 1, b: 2}",
    "list[str]": "a list such as [a, b]",
}
_BOUNDS = {"ge": "from", "gt": "above", "le": "up to", "lt": "below"}


def profile_names() -> list[str]:
    """List the names of the profiles that ship with the package."""
    return sorted(path.stem for path in (paths.NOTEBOOKS / "profiles").glob("*.yaml"))


def load_profile(name: str) -> dict[str, Any]:
    """Read the values of a profile, given the name of one that ships or the path of a YAML file.

    If a parameter takes text, its value is the text as written: `No`, `2` and `1.0` stay text.
    Names of parameters are returned in capitals.

    Raises:
      InputError: there is no such profile, it is not a YAML mapping, or a name appears twice, such
        as `steps` and `STEPS`.
    """
    path = paths.NOTEBOOKS / "profiles" / f"{name}.yaml"
    if name not in profile_names():
        path = Path(name)
        if path.suffix not in (".yaml", ".yml") and "/" not in name:
            raise unknown("profile", name, profile_names())
        if path.suffix not in (".yaml", ".yml") or not is_file(name):
            raise InputError(f"profile: {one_line(name)}: expected a YAML file (.yaml) that exists")
    values, texts, types = strict_yaml.read(path), strict_yaml.read(path, texts=True), kinds()
    found: dict[str, Any] = {}
    for (given, value), text in zip(values.items(), texts.values(), strict=True):
        name = given.upper() if given.upper() in types else given
        if name in found:
            raise InputError(f"{path}: {name}: appears twice, in different case")
        found[name] = text if types.get(name) in TEXTS else value
    return found


def declared(notebook: Path) -> dict[str, tuple[str, Any]]:
    """Read a notebook's parameters from its cell tagged `parameters`: name -> (type, default).

    Raises:
      InputError: a parameter has no type annotation, or one that is not among `int`, `float`,
        `str`, `bool`, `dict` and `list[str]`; or the cell is not Python.
    """
    found = {}
    for name, annotation, value in _assigned(notebook):
        kind = annotation.replace(" ", "")
        if kind not in _TYPES:
            expected = ", ".join(_TYPES)
            told = f"has type {one_line(kind, 60)}, expected one of {expected}"
            raise InputError(f"{notebook}: {name}: {told}")
        try:
            found[name] = (kind, ast.literal_eval(value))
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            told = one_line(ast.unparse(value), 60)
            raise InputError(f"{notebook}: {name}: {told}: expected a plain value") from None
    return found


def _assigned(notebook: Path) -> Iterator[tuple[str, str, ast.expr]]:
    """Yield the name, the type and the value of each parameter; `None` is the type if it has none.

    Papermill could tell them too, but it takes seconds to load.
    """
    cells = files.read_json(notebook)["cells"]
    tagged = (cell for cell in cells if "parameters" in cell["metadata"].get("tags", ()))
    source = "".join(next(tagged, {"source": ""})["source"])
    try:
        lines = ast.parse(source).body
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        told = f"the cell of parameters is not Python: {one_line(str(error), 60)}"
        raise InputError(f"{notebook}: {told}") from None
    for line in lines:
        if isinstance(line, ast.AnnAssign) and line.value:
            yield ast.unparse(line.target), ast.unparse(line.annotation), line.value
        elif isinstance(line, ast.Assign):
            yield ast.unparse(line.targets[0]), "None", line.value


def kinds() -> dict[str, str]:
    """Return the type of each parameter that a profile may give, as the notebooks declare it.

    Example:
      >>> kinds()["LEARNING_RATE"]
      'float'
    """
    every = [declared(notebook_of(step)) for step in STEPS]
    return {name: kind for each in every for name, (kind, _) in each.items() if name not in OURS}


def resolve(
    values: Mapping[str, Any], by_step: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, dict[str, Any]]:
    """Return all parameters of all steps, typed and checked: step -> name -> value.

    `values` replace the defaults. Names are matched in any case. A name that several notebooks
    declare goes to all of them.

    Args:
      values: name -> value.
      by_step: values for single steps, which count instead: step -> name, in capitals -> value.

    Raises:
      InputError: a name is unknown, or a value has another type or is beyond its limits.
    """
    every = {step: declared(notebook_of(step)) for step in STEPS}
    known = {name for parameters in every.values() for name in parameters} - OURS
    given = {}
    for name, value in values.items():
        if name.upper() not in known:
            raise unknown("parameter", name, sorted(known))
        given[name.upper()] = value
    return {
        step: {
            name: typed(name, kind, {**given, **(by_step or {}).get(step, {})}.get(name, default))
            for name, (kind, default) in parameters.items()
            if name not in OURS
        }
        for step, parameters in every.items()
    }


def is_ours(names: Mapping[str, Any]) -> bool:
    """Tell whether a notebook has all parameters of one of the notebooks of this package.

    If so, it is that notebook, or was made from it.

    Args:
      names: the parameters of the notebook, by name.
    """
    return any(declared(notebook_of(step)).keys() <= names.keys() for step in STEPS)


def typed(name: str, kind: str, value: Any, limited: bool = True) -> Any:
    """Convert a value to the type of its parameter.

    Args:
      name: the name of the parameter; error messages begin with it.
      kind: the type, as `declared` returns it, such as `int` or `list[str]`.
      value: the value to convert.
      limited: True to apply `LIMITS`; False for the parameter of a notebook that is not one of the
        five of this package.

    Raises:
      InputError: the value has another type, or is beyond its limits.

    Example:
      >>> typed("STEPS", "int", 0)
      Traceback (most recent call last):
      tunix_rt_nb.common.errors.InputError: STEPS: expected a whole number from 1, found 0
    """
    limit = LIMITS.get(name) if limited else None
    choices = limit if isinstance(limit, tuple) else ()
    if kind == "float" and isinstance(value, str):  # such as `nan`, which YAML takes for text
        with contextlib.suppress(ValueError):
            value = float(value)
    try:
        found = _adapter(kind, name if limited and not choices else "").validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        told = str(first["ctx"]["error"]) if first["type"] == "value_error" else ""
        expected = told or f"expected {_TOLD[kind]}{_bounds(limit)}"
        raise InputError(f"{name}: {expected}, found {one_line(repr(value))}") from None
    if choices:
        _check_choice(name, found, choices)
    return found


def _check_choice(name: str, value: str | list[str], choices: tuple[str, ...]) -> None:
    several = value if isinstance(value, list) else [value]
    for one in several:
        if one not in choices:
            raise unknown(name, one, filter(None, choices))
    if not several or len(set(several)) < len(several):
        raise InputError(f"{name}: expected some of {', '.join(choices)}, each once, found {value}")


@cache
def _adapter(kind: str, limited: str) -> TypeAdapter[Any]:
    """Return pydantic's validator of a type.

    Args:
      kind: the type, such as `int`.
      limited: the name of the parameter whose `LIMITS` apply; empty for no limits.
    """
    limit = LIMITS.get(limited)
    whole: Any = Annotated[_TYPES[kind], limit] if limit else _TYPES[kind]
    return TypeAdapter(whole, config=ConfigDict(strict=True, allow_inf_nan=False))


def _bounds(limit: Any) -> str:
    r"""Return the range of a number in words; empty if it has no limits.

    Args:
      limit: the row of the parameter in `LIMITS`.

    Example:
      >>> _bounds(LIMITS["LEARNING_RATE"])
      ' from 0 and up to 1'
    """
    found = [
        f"{word} {getattr(bound, name)}"
        for bound in getattr(limit, "metadata", ())
        for name, word in _BOUNDS.items()
        if hasattr(bound, name)
    ]
    return f" {' and '.join(found)}" if found else ""


def named_files(values: Mapping[str, Any]) -> list[str]:
    """List the values, and the items of lists, that are paths of existing files.

    Args:
      values: parameter name -> value.
    """
    several = [v if isinstance(v, list) else [v] for v in values.values()]
    return [v for some in several for v in some if isinstance(v, str) and v and is_file(v)]


def is_file(name: str) -> bool:
    """Tell whether a text is the path of an existing file."""
    try:
        return Path(name).is_file()
    except OSError:  # too long to be a name
        return False
