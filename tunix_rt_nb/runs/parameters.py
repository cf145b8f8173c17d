"""The parameters of the notebooks: what each notebook declares, and the values of a profile."""

import ast
import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from tunix_rt_nb.common import InputError, strict_yaml, unknown
from tunix_rt_nb.host import paths
from tunix_rt_nb.runs.folder import STEPS, notebook_of

OURS = {"RUN_DIR", "JOB"}  # say where a notebook works; set by the chain, not by a profile
_TYPES = {
    "int": int,
    "float": float,
    "str": str,
    "bool": bool,
    "dict": dict[str, Any],
    "list[str]": list[str],
}


def profile_names() -> list[str]:
    """List the profiles that ship."""
    return sorted(path.stem for path in (paths.NOTEBOOKS / "profiles").glob("*.yaml"))


def load_profile(name: str) -> dict[str, Any]:
    """Read the values of a profile, given the name of one that ships or the path of a YAML file.

    Raises:
      InputError: there is no such profile, or it is not a YAML mapping.
    """
    path = paths.NOTEBOOKS / "profiles" / f"{name}.yaml"
    if name not in profile_names():
        path = Path(name)
        if path.suffix not in (".yaml", ".yml") or not is_file(name):
            raise unknown("profile", name, profile_names())
    return strict_yaml.read(path)


def declared(notebook: Path) -> dict[str, tuple[str, Any]]:
    """Return the parameters of a notebook from its tagged cell: name -> (type, default).

    Raises:
      InputError: a parameter has no type, or a type that a profile cannot give.
    """
    import papermill

    found = {}
    for name, parameter in papermill.inspect_notebook(str(notebook)).items():
        kind = str(parameter["inferred_type_name"]).replace(" ", "")
        if kind not in _TYPES:
            expected = ", ".join(_TYPES)
            raise InputError(f"{notebook}: {name}: has type {kind}, expected one of {expected}")
        found[name] = (kind, ast.literal_eval(parameter["default"]))
    return found


def resolve(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return every parameter of every step, typed. Given values replace the defaults.

    Names are matched in any case. A name that several notebooks declare goes to all of them.

    Raises:
      InputError: a name is unknown, or a value has another type.
    """
    by_step = {step: declared(notebook_of(step)) for step in STEPS}
    known = {name for parameters in by_step.values() for name in parameters} - OURS
    given = {}
    for name, value in values.items():
        if name.upper() not in known:
            raise unknown("parameter", name, sorted(known))
        given[name.upper()] = value
    return {
        step: {
            name: typed(name, kind, given[name]) if name in given else default
            for name, (kind, default) in parameters.items()
            if name not in OURS
        }
        for step, parameters in by_step.items()
    }


def typed(name: str, kind: str, value: Any) -> Any:
    """Convert a value to the type of its parameter; raise `InputError` if it has another type."""
    if kind == "float" and type(value) in (int, str):  # YAML 1.1 reads 1e-3 as text
        with contextlib.suppress(ValueError):
            value = float(value)
    try:
        return TypeAdapter(_TYPES[kind]).validate_python(value, strict=True)
    except ValidationError:
        raise InputError(f"{name}: expected {kind}, found {value!r}") from None


def named_files(values: Mapping[str, Any]) -> list[str]:
    """List the files that parameters name."""
    several = [v if isinstance(v, list) else [v] for v in values.values()]
    return [v for some in several for v in some if isinstance(v, str) and v and is_file(v)]


def is_file(name: str) -> bool:
    """Tell whether a text names a file."""
    try:
        return Path(name).is_file()
    except OSError:  # too long to be a name
        return False
