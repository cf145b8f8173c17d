"""The five notebooks as one chain, driven by papermill.

A step is skipped when its notebook, the package, its parameters and its inputs are what they were
when it last completed, and its outputs are still what it wrote. A step that was cut off starts
again; training then goes on from its last checkpoint.
"""

import ast
import contextlib
import hashlib
import json
import os
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

import tunix_rt_nb
from tunix_rt_nb import files, runs, strict_yaml
from tunix_rt_nb.errors import InputError, unknown

NOTEBOOKS = runs.PROJECT / "notebooks"
_TYPES = {
    "int": int,
    "float": float,
    "str": str,
    "bool": bool,
    "dict": dict[str, Any],
    "list[str]": list[str],
}
_OURS = "RUN_DIR"  # told by the chain, not by a profile


class StepFailed(Exception):
    """A notebook's cell raised; the message shows the cell's own error and the notebook's path."""


class StepReport(NamedTuple):
    """How one step went."""

    name: str
    seconds: float
    skipped: bool


def begin(step: str, run_dir: str = "") -> runs.Stop:
    """A notebook's first call: where to work, and the newest output of the steps before.

    Args:
      run_dir: the run's folder, as the chain tells it; empty where the notebook is run alone. Then
        it works in `runs/notebook`, and where there is nothing to go on from, the notebooks before
        it are run first.
    """
    chosen = Path(run_dir) if run_dir else runs.home() / "runs" / "notebook"
    earlier = runs.before(step)
    if earlier is None:
        return runs.begin(step, chosen, {}, alone=not run_dir)
    source = chosen / runs.stem(earlier) if run_dir else runs.newest(earlier)
    if source is None:
        print(f"Nothing to go on from yet: running the notebooks up to {runs.stem(earlier)} first.")
        done = [s for s in runs.STEPS if (chosen / runs.stem(s) / "result.json").exists()]
        first = runs.STEPS[len(done)] if done == list(runs.STEPS[: len(done)]) else runs.STEPS[0]
        run(chosen, {}, from_step=first, to_step=earlier)
        source = chosen / runs.stem(earlier)
    return runs.begin(step, chosen, runs.lineage(earlier, source), alone=not run_dir)


def profile_names() -> list[str]:
    """The profiles that ship."""
    return sorted(path.stem for path in (NOTEBOOKS / "profiles").glob("*.yaml"))


def load_profile(name: str) -> dict[str, Any]:
    """The parameters of a profile: the name of one that ships, or the path of a YAML file.

    Raises:
      InputError: no such profile, or not a YAML mapping.
    """
    path = NOTEBOOKS / "profiles" / f"{name}.yaml"
    if name not in profile_names():
        path = Path(name)
        if path.suffix not in (".yaml", ".yml") or not _is_file(name):
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
    by_step = {step: declared(NOTEBOOKS / f"{runs.stem(step)}.ipynb") for step in runs.STEPS}
    known = {name for parameters in by_step.values() for name in parameters} - {_OURS}
    given = {}
    for name, value in values.items():
        if name.upper() not in known:
            raise unknown("parameter", name, sorted(known))
        given[name.upper()] = value
    return {
        step: {
            name: _typed(name, kind, given[name]) if name in given else default
            for name, (kind, default) in parameters.items()
            if name != _OURS
        }
        for step, parameters in by_step.items()
    }


def _typed(name: str, kind: str, value: Any) -> Any:
    if kind == "float" and type(value) is int:
        value = float(value)
    elif kind == "float" and isinstance(value, str):  # YAML 1.1 reads 1e-3 as text
        with contextlib.suppress(ValueError):
            value = float(value)
    try:
        return TypeAdapter(_TYPES[kind]).validate_python(value, strict=True)
    except ValidationError:
        raise InputError(f"{name}: expected {kind}, found {value!r}") from None


def run(
    run_dir: Path,
    values: Mapping[str, Any],
    from_step: str = runs.STEPS[0],
    to_step: str = runs.STEPS[-1],
    fresh: bool = False,
    profile: str = "",
    on_start: Callable[[str], None] = lambda step: None,
    on_step: Callable[[StepReport], None] = lambda report: None,
) -> list[StepReport]:
    """Runs the notebooks from one step to another in a run folder.

    Raises:
      InputError: bad parameters, or a run folder that is in use or of another format.
      StepFailed: a cell raised.
    """
    parameters = resolve(values)
    first, last = runs.STEPS.index(from_step), runs.STEPS.index(to_step)
    if first > last:
        raise InputError(f"--from {from_step} comes after --to {to_step}")
    _check_format(run_dir, fresh and first == 0)
    if earlier := runs.before(from_step):
        runs.result(run_dir / runs.stem(earlier))
    run_dir.mkdir(parents=True, exist_ok=True)
    lock = FileLock(run_dir / ".chain.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(f"{run_dir}: another run is at work there, wait or stop it") from None
    with lock:
        if fresh:
            for step in runs.STEPS[first:]:
                shutil.rmtree(run_dir / runs.stem(step), ignore_errors=True)
        _write_run(run_dir, profile, parameters)
        reports = []
        for step in runs.STEPS[first : last + 1]:
            on_start(step)
            reports.append(_run_step(run_dir, step, parameters[step]))
            on_step(reports[-1])
    return reports


def _check_format(run_dir: Path, fresh: bool) -> None:
    path = run_dir / "run.json"
    if not path.exists():
        return
    told = files.read_json(path)
    found = told.get("format") if isinstance(told, dict) else None
    if found != runs.FORMAT and not fresh:
        raise InputError(
            f"{path}: run folder of format {found}, this version writes {runs.FORMAT}:"
            " use another --run-id, or --fresh to start it anew"
        )


def _write_run(run_dir: Path, profile: str, parameters: Mapping[str, Any]) -> None:
    files.write_json(
        run_dir / "run.json",
        {
            "format": runs.FORMAT,
            "version": tunix_rt_nb.__version__,
            "run_id": run_dir.name,
            "profile": profile,
            "parameters": parameters,
        },
    )


def _run_step(run_dir: Path, step: str, parameters: Mapping[str, Any]) -> StepReport:
    started = time.perf_counter()
    folder = run_dir / runs.stem(step)
    key = _key(run_dir, step, parameters)
    if _is_done(folder, key):
        return StepReport(step, time.perf_counter() - started, skipped=True)
    key_file = folder / "key"
    if not key_file.exists() or key_file.read_text() != key:
        shutil.rmtree(folder, ignore_errors=True)
        with files.atomic(key_file) as file:
            file.write(key.encode())
    execute(
        NOTEBOOKS / f"{runs.stem(step)}.ipynb",
        run_dir / f"{runs.stem(step)}.ipynb",
        {**parameters, _OURS: str(run_dir)},
    )
    runs.result(folder)  # a notebook that ends without its result did not do its step
    return StepReport(step, time.perf_counter() - started, skipped=False)


def _is_done(folder: Path, key: str) -> bool:
    """Whether the step completed under this key and its outputs are as it left them."""
    if not (folder / "key").exists() or (folder / "key").read_text() != key:
        return False
    try:
        return runs.outputs(folder) == runs.result(folder)["outputs"]
    except InputError:  # cut off before its result, or in it
        return False


def _key(run_dir: Path, step: str, parameters: Mapping[str, Any]) -> str:
    """The hash of all that a step's outputs depend on: code, parameters, inputs."""
    inputs = [runs.content_hash(run_dir / runs.stem(name)) for name in runs.READS[step]]
    read = {path: files.sha256(Path(path)) for path in _named_files(parameters)}
    return files.digest([runs.FORMAT, _code_hash(step), parameters, inputs, read])


def _named_files(parameters: Mapping[str, Any]) -> list[str]:
    """The files that parameters name: they count by their content."""
    values = [
        v for value in parameters.values() for v in (value if isinstance(value, list) else [value])
    ]
    return [v for v in values if isinstance(v, str) and v and _is_file(v)]


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except OSError:  # too long to be a name
        return False


def _code_hash(step: str) -> str:
    notebook = json.loads((NOTEBOOKS / f"{runs.stem(step)}.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]
    package = Path(tunix_rt_nb.__file__).parent
    sources = sorted([*package.rglob("*.py"), *package.rglob("*.sql")])
    found = hashlib.sha256(json.dumps(cells).encode())
    for path in sources:
        found.update(f"{path.relative_to(package)}\0".encode() + path.read_bytes())
    return found.hexdigest()


@contextlib.contextmanager
def _stderr_to(path: Path) -> Iterator[None]:
    """Sends what this process and its children write to stderr into a file."""
    sys.stderr.flush()
    saved = os.dup(2)
    with path.open("wb") as log:
        os.dup2(log.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def execute(notebook: Path, output: Path, parameters: Mapping[str, Any]) -> None:
    """Executes one notebook with papermill; the executed copy is kept, also where a cell fails.

    What papermill and the kernel have to say beside the notebook goes into a log next to it.

    Raises:
      StepFailed: a cell raised.
      InputError: a cell raised one: bad input is bad input wherever it is found.
    """
    import papermill
    from nbclient.exceptions import DeadKernelError

    log = output.with_suffix(".log")
    try:
        with _stderr_to(log), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            papermill.execute_notebook(
                str(notebook),
                str(output),
                parameters=dict(parameters),
                kernel_name="python3",
                progress_bar=False,
            )
    except papermill.PapermillExecutionError as error:
        told = " ".join(str(error.evalue).split())
        if error.ename == "InputError":
            raise InputError(f"{notebook.name} failed: {told} (see {output})") from None
        raise StepFailed(f"{notebook.name} failed: {error.ename}: {told} (see {output})") from None
    except DeadKernelError:
        raise StepFailed(
            f"{notebook.name} failed: its kernel died, out of memory? (see {log})"
        ) from None
