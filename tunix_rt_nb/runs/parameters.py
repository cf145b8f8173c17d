"""The parameters of the notebooks: what each of them declares, and the values of a profile."""

import ast
import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from tunix_rt_nb.common import InputError, strict_yaml, unknown
from tunix_rt_nb.host import paths
from tunix_rt_nb.runs.folder import STEPS, notebook_of

OURS = {"RUN_DIR", "JOB"}  # say where a notebook works: told by the chain, not by a profile
_TYPES = {
    "int": int,
    "float": float,
    "str": str,
    "bool": bool,
    "dict": dict[str, Any],
    "list[str]": list[str],
}


def profile_names() -> list[str]:
    """The profiles that ship."""
    return sorted(path.stem for path in (paths.NOTEBOOKS / "profiles").glob("*.yaml"))


def load_profile(name: str) -> dict[str, Any]:
    """The values of a profile: the name of one that ships, or the path of a YAML file.

    Raises:
      InputError: no such profile, or not a YAML mapping.
    """
    path = paths.NOTEBOOKS / "profiles" / f"{name}.yaml"
    if name not in profile_names():
        path = Path(name)
        if path.suffix not in (".yaml", ".yml") or not is_file(name):
            raise unknown("profile", name, profile_names())
    return strict_yaml.read(path)


def declared(notebook: Path) -> dict[str, tuple[str, Any]]:
    """The parameters of a notebook: name -> (type, default), from its tagged cell.

    Raises:
      InputError: a parameter without a type, or of one that a profile cannot give.
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
    """Every parameter of every step, the given values in the place of the defaults, all typed.

    Names are matched in any case; a name that several notebooks declare goes to all of them.

    Raises:
      InputError: an unknown name, or a value of another type.
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
    """A value as the type of its parameter; `InputError` where it is of another."""
    if kind == "float" and type(value) is int:
        value = float(value)
    elif kind == "float" and isinstance(value, str):  # YAML 1.1 reads 1e-3 as text
        with contextlib.suppress(ValueError):
            value = float(value)
    try:
        return TypeAdapter(_TYPES[kind]).validate_python(value, strict=True)
    except ValidationError:
        raise InputError(f"{name}: expected {kind}, found {value!r}") from None


def named_files(values: Mapping[str, Any]) -> list[str]:
    """The files that parameters name."""
    several = [v if isinstance(v, list) else [v] for v in values.values()]
    return [v for some in several for v in some if isinstance(v, str) and v and is_file(v)]


def is_file(name: str) -> bool:
    """Whether a text names a file."""
    try:
        return Path(name).is_file()
    except OSError:  # too long to be a name
        return False
