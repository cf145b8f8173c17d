"""The five notebooks as one chain, driven by papermill.

Each step of the chain is one notebook. A step is skipped if its outputs, and everything that they
depend on, are unchanged since it last completed. They depend on its notebook, its parameters, its
inputs and the code of the subpackages that it uses. An interrupted step starts again. If it was
training, it resumes from its latest checkpoint. It refuses to resume with other data or settings,
because the trained weights would then differ.
"""

import contextlib
import hashlib
import json
import os
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout

import tunix_rt_nb
from tunix_rt_nb.common import InputError, files
from tunix_rt_nb.host import paths, plugins
from tunix_rt_nb.runs.folder import (
    FORMAT,
    GROUND,
    READS,
    ROOMS,
    STEPS,
    Step,
    before,
    content_hash,
    is_interrupted,
    lineage,
    newest,
    notebook_of,
    outputs,
    result,
    stem,
    take,
)
from tunix_rt_nb.runs.parameters import named_files, resolve
from tunix_rt_nb.runs.sieves import notes_of
from tunix_rt_nb.trace import inputs as sources

_MALLOC = {  # for glibc; other C libraries ignore it
    "MALLOC_ARENA_MAX": "1",  # one arena for all threads, because only the first can be large
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**40),
}


class StepFailed(Exception):
    """The error for a notebook with a cell that raised, or whose kernel died.

    The message says what failed, and where the executed notebook or its log is.
    """


class StepUnfinished(StepFailed):
    """The error for a notebook that stopped itself at its deadline. Run it again to continue."""


class StepReport(NamedTuple):
    """The outcome of one step.

    Attributes:
      name: the name of the step.
      seconds: how long it took.
      skipped: True if it was not run, because nothing that it depends on has changed.
      notes: warnings, such as that the step left out many traces, and why.
    """

    name: str
    seconds: float
    skipped: bool
    notes: Sequence[str] = ()


def begin(step: str, run_dir: str = "", dataset: str = "") -> Step:
    """Lock the folder where a notebook works, and find the outputs of the steps before it.

    This is the first call of a notebook. A notebook that is run alone works in the folder
    `runs/notebook` and reads the newest output of the step before it, from any run. If no run has
    such an output, the notebooks before it are run first.

    Args:
      step: the step of the notebook, such as `train`.
      run_dir: the run's folder, as the chain sets it; empty if the notebook is run alone.
      dataset: the folder of a dataset, used instead of the outputs of the steps before.

    Raises:
      InputError: another process is at work in the step's folder; an earlier step is not complete;
        or an earlier step was run again and wrote other outputs than the next step had read.
    """
    chosen = Path(run_dir) if run_dir else paths.home() / "runs" / "notebook"
    earlier = None if dataset else before(step)
    if earlier is None:
        return take(step, chosen, {}, alone=not run_dir)
    source = chosen / stem(earlier) if run_dir else newest(earlier)
    if source is None:
        print(f"Nothing to go on from yet: running the notebooks up to {stem(earlier)} first.")
        run(chosen, {}, from_step=_next(chosen, step), to_step=earlier)
        source = chosen / stem(earlier)
    return take(step, chosen, lineage(earlier, source), alone=not run_dir)


def _next(run_dir: Path, step: str) -> str:
    """Return the first step that must be run so that `step` has its inputs.

    All steps before the returned one are complete and up to date.
    """
    place = STEPS.index(step)
    for k in reversed(range(place)):
        with contextlib.suppress(InputError):
            lineage(STEPS[k], run_dir / stem(STEPS[k]))
            return STEPS[k + 1]
    return STEPS[0]


def run(
    run_dir: Path,
    values: Mapping[str, Any],
    from_step: str = STEPS[0],
    to_step: str = STEPS[-1],
    fresh: bool = False,
    profile: str = "",
    job: Mapping[str, Any] | None = None,
    on_start: Callable[[str], None] = lambda step: None,
    on_step: Callable[[StepReport], None] = lambda report: None,
    echo: bool = False,
) -> list[StepReport]:
    """Run the notebooks from one step to another in a run folder.

    Args:
      run_dir: the run folder; created if it does not exist.
      values: parameters, by name. With a `DATASET`, the step generate is left out.
      from_step: the first step to run.
      to_step: the last step to run.
      fresh: first remove the outputs of the first step and of all steps after it.
      profile: the name of the profile that the values are from, to be recorded in `run.json`.
      job: the fields of the Tunix job (a YAML file, instead of a profile) that the values are from,
        to be recorded in `run.json`; None if they are from no job.
      on_start: called before each step.
      on_step: called after each step.
      echo: also print here what the notebooks print.

    Returns:
      A report for each step, in order.

    Raises:
      InputError: a parameter is wrong, the run folder is in use or was written in another format,
        a step before `from_step` is not complete, or a notebook raised an `InputError`.
      StepFailed: a cell raised an error, or the deadline passed (`StepUnfinished`).
    """
    # Check everything that can be checked before the folder is touched.
    parameters = resolve(values)
    steps = _steps(parameters, from_step, to_step)
    _check_format(run_dir, fresh and from_step == STEPS[0])
    for earlier in _reads(steps[0], parameters[steps[0]]):
        result(run_dir / stem(earlier))
    run_dir.mkdir(parents=True, exist_ok=True)
    lock = FileLock(run_dir / ".chain.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(
            f"{run_dir}: another run uses this folder, wait for it or stop it"
        ) from None
    with lock:
        if fresh:
            for step in STEPS[STEPS.index(steps[0]) :]:
                shutil.rmtree(run_dir / stem(step), ignore_errors=True)
        told = {
            "format": FORMAT,
            "version": tunix_rt_nb.__version__,
            "run_id": run_dir.name,
            "profile": profile,
            "job": job,
            "parameters": parameters,
        }
        files.write_json(run_dir / "run.json", told)
        reports = []
        for step in steps:
            on_start(step)
            reports.append(_run_step(run_dir, step, parameters[step], echo))
            on_step(reports[-1])
    return reports


def _steps(parameters: Mapping[str, Any], from_step: str, to_step: str) -> Sequence[str]:
    first, last = STEPS.index(from_step), STEPS.index(to_step)
    if first > last:
        raise InputError(f"--from {from_step} comes after --to {to_step}")
    if not _reads("build", parameters["build"]):
        first = max(first, STEPS.index("build"))
    if first > last:
        raise InputError(
            f"--to {to_step}: comes before build, the first step of a run that has a DATASET"
        )
    return STEPS[first : last + 1]


def _reads(step: str, parameters: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the steps whose outputs a step reads; none if its `DATASET` replaces them."""
    return () if parameters.get("DATASET") else READS[step]


def _check_format(run_dir: Path, fresh: bool) -> None:
    path = run_dir / "run.json"
    if not path.exists():
        return
    told = files.read_json(path)
    found = told.get("format") if isinstance(told, dict) else None
    if found != FORMAT and not fresh:
        raise InputError(
            f"{path}: the run folder has format {found}, expected {FORMAT}:"
            " use another --run-id, or --fresh to start again"
        )


def _run_step(run_dir: Path, step: str, parameters: Mapping[str, Any], echo: bool) -> StepReport:
    started = time.perf_counter()
    folder = run_dir / stem(step)
    key, key_file = _key(run_dir, step, parameters), folder / "key"
    same = key_file.exists() and key_file.read_text() == key
    if same and _is_whole(folder):
        return StepReport(step, time.perf_counter() - started, True, notes_of(folder))
    # If something that the outputs depend on has changed, start anew and write the new key.
    if not same:
        if not is_interrupted(folder):  # else training decides if it can resume
            shutil.rmtree(folder, ignore_errors=True)
        with files.atomic(key_file) as file:
            file.write(key.encode())
    execute(
        notebook_of(step),
        run_dir / f"{stem(step)}.ipynb",
        {**parameters, "RUN_DIR": str(run_dir)},
        echo,
    )
    told = notes_of(folder)  # raises if the notebook ended before it wrote its result
    return StepReport(step, time.perf_counter() - started, False, told)


def _is_whole(folder: Path) -> bool:
    """Tell whether a step completed, and its outputs are unchanged since then.

    Args:
      folder: the folder of the step.
    """
    try:
        return outputs(folder) == result(folder)["outputs"]
    except InputError:  # interrupted before it wrote its result, or while it did
        return False


def _key(run_dir: Path, step: str, parameters: Mapping[str, Any]) -> str:
    """Hash everything that a step's outputs depend on.

    Hash its code, its parameters, the outputs that it reads, and the files that parameters name.
    """
    earlier = _reads(step, parameters)
    inputs = [content_hash(run_dir / stem(name)) for name in earlier]
    named = [Path(name) for name in named_files(parameters)]
    folders = [Path(parameters[name]) for name in ("DATASET", "MODEL") if parameters.get(name)]
    named += sorted(path for folder in folders for path in folder.glob("*") if path.is_file())
    own = [Path(name) for name in parameters.get("IMPORT", ())]
    named += [path for folder in own if folder.is_dir() for path in sources.files_of(folder)]
    if "tasks" in ROOMS[step]:
        named += plugins.sources()
    read = {str(path): files.sha256(path) for path in named}
    if any(name.startswith("EVAL_SET") for name in parameters):  # it may name one that ships
        read |= {path.name: files.sha256(path) for path in paths.EVAL_SETS.glob("*.jsonl")}
    return files.digest([FORMAT, _code_hash(step), parameters, inputs, read])


def _code_hash(step: str) -> str:
    """Hash the code of a step's notebook and of the subpackages that it uses.

    No other code counts, so a change to other code does not make the step run again.
    """
    notebook = json.loads(notebook_of(step).read_text(encoding="utf-8"))
    cells = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]
    found = hashlib.sha256(json.dumps(cells).encode())
    for room in (*GROUND, *ROOMS[step]):
        for path in paths.sources(paths.PACKAGE / room):
            name = path.relative_to(paths.PACKAGE).as_posix()
            found.update(f"{name}\0".encode() + path.read_bytes())
    return found.hexdigest()


def _keep_freed() -> None:
    """Set environment variables that make new child processes keep the memory that they free.

    A train step on a CPU allocates and frees hundreds of megabytes. By default the C library
    returns this memory to the system each time, and gets it back page by page, filled with zeros.
    For Gemma 3 270M, these exchanges take a sixth of the time of a train step. The C library reads
    the variables when a process starts, so they do not affect a notebook that already runs. A
    variable that is already set keeps its value.

    Source: mallopt(3).
    """
    for name, value in _MALLOC.items():
        os.environ.setdefault(name, value)


@contextlib.contextmanager
def _stderr_to(path: Path) -> Iterator[None]:
    """Redirect the stderr of this process and its children to a file, within a `with` block."""
    sys.stderr.flush()
    saved = os.dup(2)
    with path.open("wb") as log:
        os.dup2(log.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def execute(
    notebook: Path, output: Path, parameters: Mapping[str, Any], echo: bool = False
) -> None:
    """Execute one notebook with papermill. Keep the executed copy, even if a cell fails.

    What papermill and the kernel write to stderr goes into a log next to the copy.

    Args:
      notebook: the notebook to execute.
      output: the path of the executed copy.
      parameters: parameters by name; they override those of the notebook.
      echo: also print here what the notebook prints.

    Raises:
      InputError: a cell raised an `InputError`, which means bad input; the message is repeated.
      StepUnfinished: the notebook stopped itself at its deadline.
      StepFailed: a cell raised any other error, or the kernel died.
    """
    import papermill
    from nbclient.exceptions import DeadKernelError

    log = output.with_suffix(".log")
    _keep_freed()
    try:
        with _stderr_to(log), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            papermill.execute_notebook(
                str(notebook),
                str(output),
                parameters=dict(parameters),
                kernel_name="python3",
                progress_bar=False,
                stdout_file=sys.stdout if echo else None,
            )
    except papermill.PapermillExecutionError as error:
        told = "\n".join(" ".join(line.split()) for line in str(error.evalue).splitlines())
        if error.ename == "InputError":
            raise InputError(f"{notebook.name} failed: {told} (see {output})") from None
        if error.ename == "OutOfTime":
            raise StepUnfinished(f"{notebook.name}: {told}") from None
        raise StepFailed(f"{notebook.name} failed: {error.ename}: {told} (see {output})") from None
    except DeadKernelError:
        raise StepFailed(
            f"{notebook.name} failed: its kernel died, perhaps because memory ran out (see {log})"
        ) from None
