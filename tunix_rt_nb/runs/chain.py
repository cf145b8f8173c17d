"""The six notebooks as one chain, driven by papermill.

Each step of the chain is one notebook. A step is skipped if its outputs, and everything that they
depend on, are unchanged since it last completed. They depend on its notebook, its parameters, its
inputs and the code of the subpackages that it uses. An interrupted step starts again. If it was
training, it resumes from its latest checkpoint. It refuses to resume with other data or settings,
because the trained weights would then differ. A complete step keeps its outputs until those of
another run of it are complete.
"""

import contextlib
import math
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import tunix_rt_nb
from tunix_rt_nb.common import InputError, files, live
from tunix_rt_nb.host import launch, paths
from tunix_rt_nb.runs import lock, origin
from tunix_rt_nb.runs.ending import CHAIN, Ending
from tunix_rt_nb.runs.errors import (
    StepFailed as StepFailed,
    StepStopped,
    StepUnfinished as StepUnfinished,
)
from tunix_rt_nb.runs.execution import execute
from tunix_rt_nb.runs.folder import (
    FORMAT,
    LAST,
    STEPS,
    before,
    is_interrupted,
    lineage,
    newest,
    notebook_of,
    outputs,
    result,
    stem,
)
from tunix_rt_nb.runs.keys import key_of, reads
from tunix_rt_nb.runs.parameters import resolve
from tunix_rt_nb.runs.sieves import notes_of
from tunix_rt_nb.runs.step import Step, adopt, restore, take, working

_SHARED = ("generate", "build", "render")  # their outputs do not say in which run they were made


class StepReport(NamedTuple):
    """The outcome of one step.

    Attributes:
      name: the name of the step.
      seconds: how long it took.
      skipped: True if it was not run, because nothing that it depends on has changed.
      notes: warnings, such as that the step left out many traces, and why.
      taken_from: the run whose outputs the step took; empty if it took none.
    """

    name: str
    seconds: float
    skipped: bool
    notes: Sequence[str] = ()
    taken_from: str = ""


def begin(step: str, run_dir: str = "", dataset: str = "") -> Step:
    """Lock the folder where a notebook works, and find the outputs of the steps before it.

    This is the first call of a notebook. A notebook that is run alone works in the folder
    `runs/notebook` and reads the newest output of the step before it, from any run. If no run has
    such an output, the notebooks before it are run first. Print a line that says what the notebook
    reads: the run, how much it has, and when it was written.

    Args:
      step: the step of the notebook, such as `train`.
      run_dir: the run's folder, as the chain sets it; empty if the notebook is run alone.
      dataset: the folder of a dataset, used instead of the outputs of the steps before.

    Raises:
      InputError: another process is at work in the step's folder; an earlier step is not complete;
        or an earlier step was run again and wrote other outputs than the next step had read.
    """
    chosen = Path(run_dir) if run_dir else paths.home() / "runs" / "notebook"
    for hidden in [*chosen.glob(".*.old"), *(paths.home() / "runs").glob("*/.*.old")]:
        restore(hidden.parent)
    earlier = None if dataset else before(step)
    if earlier is None:
        taken = take(step, chosen, {}, alone=not run_dir)
        if dataset:
            print(origin.of_dataset(dataset))
        return taken
    source = chosen / stem(earlier) if run_dir else newest(earlier)
    if source is None:
        print(f"Nothing to go on from yet: running the notebooks up to {stem(earlier)} first.")
        told = live.every(10, print)
        run(
            chosen,
            {},
            from_step=_next(chosen, step),
            to_step=earlier,
            on_progress=lambda step, state: told(f"  {stem(step):<12} {state}"),
        )
        source = chosen / stem(earlier)
    taken = take(step, chosen, lineage(earlier, source), alone=not run_dir)
    print(origin.of_step(earlier, taken.inputs))
    return taken


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
    to_step: str = LAST,
    fresh: bool = False,
    profile: str = "",
    job: Mapping[str, Any] | None = None,
    on_start: Callable[[str], None] = lambda step: None,
    on_step: Callable[[StepReport], None] = lambda report: None,
    on_progress: Callable[[str, str], None] = lambda step, state: None,
    echo: bool = False,
    by_step: Mapping[str, Mapping[str, Any]] | None = None,
    donors: Sequence[Path] = (),
    timeout: float = math.inf,
) -> list[StepReport]:
    """Run the notebooks from one step to another in a run folder.

    Args:
      run_dir: the run folder; created if it does not exist.
      values: parameters, by name. With a `DATASET`, the step generate is left out.
      from_step: the first step to run.
      to_step: the last step to run.
      fresh: True to run every step from its beginning, even if nothing has changed.
      profile: the name of the profile that the values are from, to be recorded in `run.json`.
      job: the fields of the Tunix job (a YAML file, instead of a profile) that the values are from,
        to be recorded in `run.json`; None if they are from no job.
      on_start: called before each step.
      on_step: called after each step.
      on_progress: called every second with the step and what it is doing, such as
        `1,240/2,400  loss 0.0213`; in another thread, and while stderr is a log.
      echo: also print here what the notebooks print.
      by_step: parameters of single steps, which count instead of `values`: step -> name -> value.
      donors: other run folders. If generate, build or render is complete in one of them, and was
        made from the same code, parameters and inputs, its outputs are taken over.
      timeout: seconds after which the run is stopped, as a signal stops it.

    Returns:
      A report for each step, in order.

    Raises:
      InputError: a parameter is wrong, the run folder is in use or was written in another format,
        a step before `from_step` is not complete, or a notebook raised an `InputError`.
      StepFailed: a cell raised an error; the deadline or `timeout` passed, or `cancel` ended the
        run (`StepUnfinished`); or SIGINT or SIGTERM stopped it (`StepStopped`).
    """
    # Check everything that can be checked before the folder is touched.
    parameters = resolve(values, by_step)
    steps = _steps(parameters, from_step, to_step)
    here = launch.place()
    if here.processes > 1 and list(steps) != ["train"]:
        raise InputError(
            f"--from, --to: this is one of {here.processes} processes, which can only train:"
            " use --from train --to train, and run the other steps in one process"
        )
    if here.process:
        return [_follow(run_dir, parameters["train"], fresh, here.process, echo)]
    other_format = _is_of_other_format(run_dir, fresh and from_step == STEPS[0])
    restore(run_dir)
    for earlier in reads(steps[0], parameters[steps[0]]):
        result(run_dir / stem(earlier))
    run_dir.mkdir(parents=True, exist_ok=True)
    with lock.held(run_dir / CHAIN, 0, f"{run_dir}: another run uses this folder"):
        ending = Ending(run_dir, timeout)
        files.sweep(run_dir)
        for step in STEPS if other_format else ():
            shutil.rmtree(run_dir / stem(step), ignore_errors=True)
        told = _told(run_dir, profile, job, {**parameters, **_of_complete(run_dir, steps)})
        files.write_json(run_dir / "run.json", told)
        reports = []
        for step in steps:
            on_start(step)
            how = {"echo": echo, "on_progress": partial(on_progress, step), "ending": ending}
            with _recording(run_dir, told, step):
                reports.append(_run_step(run_dir, step, parameters[step], fresh, donors, **how))
            told["parameters"][step] = parameters[step]
            files.write_json(run_dir / "run.json", told)
            on_step(reports[-1])
    return reports


def accept(
    run_dir: Path,
    values: Mapping[str, Any],
    profile: str = "",
    by_step: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Write the `run.json` of a run that waits for its turn, so that it is listed as `pending`.

    The arguments are those of `run`. A run folder that exists is left as it is.
    """
    if not run_dir.exists():
        told = _told(run_dir, profile, None, resolve(values, by_step))
        files.write_json(run_dir / "run.json", told)


def _told(run_dir: Path, profile: str, job: Any, parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the content of `run.json`."""
    return {
        "format": FORMAT,
        "version": tunix_rt_nb.__version__,
        "run_id": run_dir.name,
        "profile": profile,
        "job": job,
        "parameters": parameters,
    }


@contextlib.contextmanager
def _recording(run_dir: Path, told: Mapping[str, Any], step: str) -> Iterator[None]:
    """Record in `run.json` how a step ended in a `with` block, if it ended before its time.

    Args:
      run_dir: the run folder.
      told: the content of `run.json`; the next chain writes it without the record.
      step: the step.
    """
    try:
        try:
            yield
        except KeyboardInterrupt:  # between two notebooks
            raise StepStopped(f"{stem(step)}: stopped, run again to go on") from None
    except (StepFailed, InputError) as error:
        ended = {"step": step, "state": getattr(error, "state", StepFailed.state)}
        with contextlib.suppress(InputError):  # a full disk; the error itself says more
            files.write_json(run_dir / "run.json", {**told, "ended": ended})
        raise


def _of_complete(run_dir: Path, steps: Sequence[str]) -> dict[str, Any]:
    """Return the parameters in `run.json` of those steps that are complete: step -> parameters.

    They tell how the outputs of a step were made, until it has made others.
    """
    path = run_dir / "run.json"
    told = files.read_json(path) if path.exists() else {}
    known = told.get("parameters") if isinstance(told, dict) else None
    complete = [step for step in steps if (run_dir / stem(step) / "result.json").exists()]
    return {s: known[s] for s in complete if s in known} if isinstance(known, dict) else {}


def _steps(parameters: Mapping[str, Any], from_step: str, to_step: str) -> Sequence[str]:
    first, last = STEPS.index(from_step), STEPS.index(to_step)
    if first > last:
        raise InputError(f"--from {from_step} comes after --to {to_step}")
    if not reads("build", parameters["build"]):
        first = max(first, STEPS.index("build"))
    if first > last:
        raise InputError(
            f"--to {to_step}: comes before build, the first step of a run that has a DATASET"
        )
    return STEPS[first : last + 1]


def _is_of_other_format(run_dir: Path, fresh: bool) -> bool:
    """Tell whether a run folder was written in another format, which nothing here can read.

    Raises:
      InputError: it was, and the run is not to start again (`fresh`).
    """
    path = run_dir / "run.json"
    if not path.exists():
        return False
    told = files.read_json(path)
    found = told.get("format") if isinstance(told, dict) else None
    if found != FORMAT and not fresh:
        raise InputError(
            f"{path}: the run folder has format {found}, expected {FORMAT}:"
            " use another --run-id, or --fresh to start again"
        )
    return bool(found != FORMAT)


def _run_step(
    run_dir: Path,
    step: str,
    parameters: Mapping[str, Any],
    fresh: bool,
    donors: Sequence[Path],
    **how: Any,
) -> StepReport:
    started = time.perf_counter()
    folder = run_dir / stem(step)
    key = key_of(run_dir, step, parameters)
    if not fresh and _has_key(folder, key) and _is_whole(folder):
        if not working(folder).exists():  # a kill can come after the outputs were published
            _publish_notebook(run_dir, step)
        return StepReport(step, time.perf_counter() - started, True, notes_of(folder))
    for donor in donors if step in _SHARED and not fresh else ():
        if _has_key(donor / stem(step), key) and _is_whole(donor / stem(step)):
            adopt(step, run_dir, donor)
            seconds = time.perf_counter() - started
            return StepReport(step, seconds, True, taken_from=donor.name)
    work = working(folder)
    # If something that the outputs depend on has changed, start anew and write the new key.
    if fresh or not _has_key(work if work.exists() else folder, key):
        if fresh or not is_interrupted(work):  # else training decides if it can resume
            shutil.rmtree(work, ignore_errors=True)
        with files.atomic(work / "key") as file:
            file.write(key.encode())
    _execute(run_dir, step, {**parameters, "RUN_DIR": str(run_dir)}, work != folder, **how)
    told = notes_of(folder)  # raises if the notebook ended before it wrote its result
    return StepReport(step, time.perf_counter() - started, False, told)


def _follow(
    run_dir: Path, parameters: Mapping[str, Any], fresh: bool, process: int, echo: bool
) -> StepReport:
    """Train together with the process that holds the run's folder, which does all that is written.

    Args:
      run_dir: the run folder.
      parameters: the parameters of the step train.
      fresh: True to train even if nothing has changed.
      process: the number of this process, in the name of its own copy of the notebook.
      echo: also print here what the notebook prints.
    """
    started, step = time.perf_counter(), "train"
    folder = run_dir / stem(step)
    skipped = (
        not fresh and _has_key(folder, key_of(run_dir, step, parameters)) and _is_whole(folder)
    )
    if not skipped:  # then the first process trains too, and waits for this one
        own = run_dir / f".{stem(step)}.{process}.ipynb"
        execute(notebook_of(step), own, {**parameters, "RUN_DIR": str(run_dir)}, echo)
    return StepReport(step, time.perf_counter() - started, skipped, notes_of(folder))


def _execute(
    run_dir: Path, step: str, parameters: Mapping[str, Any], again: bool, **how: Any
) -> None:
    """Execute the notebook of a step; if it fails, keep the notebook of the complete step.

    Args:
      run_dir: the run folder.
      step: the step.
      parameters: the parameters of the notebook, with `RUN_DIR`.
      again: True if the step is complete and is run again.
      how: `echo`, `on_progress` and `ending` of `execute`.
    """
    kept = run_dir / f"{stem(step)}.ipynb"
    made = kept.with_suffix(".new.ipynb") if again else kept
    execute(notebook_of(step), made, parameters, **how)
    if again:
        if working(run_dir / stem(step)).exists():
            raise InputError(f"{made}: ended before it wrote its result, run it again")
        _publish_notebook(run_dir, step)


def _publish_notebook(run_dir: Path, step: str) -> None:
    """Let the executed notebook and log of a step that ran again take the place of the old ones."""
    for suffix in (".ipynb", ".log"):
        made = run_dir / f"{stem(step)}.new{suffix}"
        if made.exists():
            made.replace(run_dir / f"{stem(step)}{suffix}")


def _has_key(folder: Path, key: str) -> bool:
    return (folder / "key").exists() and (folder / "key").read_bytes() == key.encode()


def _is_whole(folder: Path) -> bool:
    """Tell whether a step completed, and its outputs are unchanged since then.

    Args:
      folder: the folder of the step.
    """
    try:
        return outputs(folder) == result(folder)["outputs"]
    except InputError:  # interrupted before it wrote its result, or while it did
        return False
