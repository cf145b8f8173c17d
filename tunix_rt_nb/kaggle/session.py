"""A run in a Kaggle session: it ends in time, and a later session can resume from its output."""

import os
import shutil
import tempfile
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from tunix_rt_nb import report, runs
from tunix_rt_nb.common import InputError, OutOfTime, files, one_line
from tunix_rt_nb.evaluate import scorecards
from tunix_rt_nb.host import paths, place
from tunix_rt_nb.runs import chain

OUTPUT = "output.json"  # lists what a kernel left: path -> sha256
ROOM = 19e9  # most bytes kept of a session: Kaggle's 20 GB, less some for the notebook itself


def run(run_id: str, values: Mapping[str, Any], hours: float, profile: str = "") -> Path:
    """Run the five notebooks, and copy their run folder to `runs/` in the working folder.

    They run on a scratch disk, which has space for more than one checkpoint. The output of training
    is copied before evaluation begins, because the session may end before all answers are
    generated. If an earlier output of this run is attached, the run resumes from it.

    Args:
      run_id: the name of the run folder.
      values: parameters by name; a model or dataset may be the handle of an attached input.
      hours: training stops itself with a checkpoint this many hours from now; the rest of the
        session is for the evaluation.
      profile: the name of the profile that the parameters are from, to be recorded.

    Returns:
      The copied run folder.

    Raises:
      StepFailed: a cell of a notebook raised an error. All files written before were copied.
    """
    _begin(hours)
    kept = Path.cwd() / "runs" / run_id
    with tempfile.TemporaryDirectory(prefix="tunix-rt-") as scratch:
        run_dir = Path(scratch) / "runs" / run_id
        _go_on(run_id, run_dir)
        how: dict[str, Any] = {"profile": profile, "on_step": _tell, "echo": True}
        try:
            chain.run(run_dir, values, to_step="train", **how)
            keep(run_dir, kept)
            chain.run(run_dir, values, from_step="evaluate", **how)
            print(report.before_after_text(*scorecards(run_dir / runs.stem("evaluate"))))
        except chain.StepUnfinished as late:
            _tell_late(late)
        finally:
            if run_dir.is_dir():
                keep(run_dir, kept)
    return kept


def _begin(hours: float) -> None:
    os.environ["TUNIX_RT_DEADLINE"] = str(time.time() + 3600 * hours)


def _tell_late(late: Exception) -> None:
    print(f"{late}: push this kernel with --resume")


def _go_on(run_id: str, run_dir: Path) -> None:
    """Copy this run to `run_dir` if it is in the attached output of an earlier kernel.

    Check the hashes of its files first. The run is copied because attached inputs are read-only.
    """
    source = place.earlier(run_id)
    if source is None:
        print("no earlier output of this run is attached: it begins anew")
        return
    check(source)
    print(f"going on from {source}")
    shutil.copytree(source, run_dir, copy_function=shutil.copyfile)
    (run_dir / OUTPUT).unlink()


def _tell(step: chain.StepReport) -> None:
    what = "skipped, nothing changed" if step.skipped else f"{step.seconds:6.1f} s"
    print(f"  {runs.stem(step.name):<12} {what}", *step.notes, sep="\n  ", flush=True)


def keep(run_dir: Path, target: Path) -> Path:
    """Copy a run folder to `target`, and write the hashes of its files to `output.json` there.

    Copy only new and changed files; remove from `target` those that are gone from the run. Copy
    checkpoints only if training is not complete and there is enough space, and then only the last
    and the best.

    Args:
      run_dir: the run folder on the scratch disk.
      target: a folder that Kaggle keeps after the session.

    Returns:
      `target`.
    """
    found = {path.as_posix(): files.sha256(run_dir / path) for path in sorted(_chosen(run_dir))}
    listed = target / OUTPUT
    told = files.read_json(listed) if listed.exists() else {}
    kept: dict[str, Any] = told if isinstance(told, dict) else {}
    old = {path.as_posix() for path in _files(target)} if kept else set()
    for name in old & kept.keys() - found.keys():  # a damaged list cannot name other folders' files
        (target / name).unlink()
    for name in found:
        if found[name] != kept.get(name):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(run_dir / name, target / name)
    files.write_json(listed, found)
    return target


def _chosen(run_dir: Path) -> set[Path]:
    """Choose the files of a run that `keep` copies, as paths relative to `run_dir`."""
    found = _files(run_dir)
    done = Path(runs.stem("train"))
    if done / "result.json" in found:
        found -= {path for path in found if path.is_relative_to(done / "checkpoints")}
    train = runs.working(run_dir / done).relative_to(run_dir)
    checkpoints = {path for path in found if path.is_relative_to(train / "checkpoints")}
    # Training resumes from the newest checkpoint, so the older ones in `last` are left out.
    last = train / "checkpoints" / "last"
    newest = [path.relative_to(run_dir) for path in runs.checkpoints(run_dir / last)[-1:]]
    found -= {
        path
        for path in checkpoints
        if path.is_relative_to(last) and not any(map(path.is_relative_to, newest))
    }
    size = sum((run_dir / path).stat().st_size for path in found)
    if size > ROOM:
        print(f"checkpoints: dropped, with them there are {size / 1e9:.1f} GB to be kept")
        return found - checkpoints
    return found


def hashes(folder: Path) -> dict[str, str]:
    """Hash the files in a folder, except `output.json` and locks: relative path -> sha256."""
    found = sorted(_files(folder) - {Path(OUTPUT)})
    return {path.as_posix(): files.sha256(folder / path) for path in found}


def _files(folder: Path) -> set[Path]:
    """Find the files in a folder and its subfolders, except locks, as paths relative to it."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    return {path.relative_to(folder) for path in found}


def check(folder: Path, but: Collection[str] = ()) -> None:
    """Check a run folder from a kernel's output against the hashes in its `output.json`.

    Args:
      folder: the run folder.
      but: names of files and folders directly in `folder` that are not checked.

    Raises:
      InputError: a file is missing, altered or not listed; or there is no valid `output.json`.
    """
    path = folder / OUTPUT
    if not path.exists():
        raise InputError(
            f"{path}: is missing, because the kernel was stopped before it could save its output"
        )
    expected, found = files.read_json(path), hashes(folder)
    if not isinstance(expected, dict):
        raise InputError(f"{path}: is damaged, expected a JSON object")
    for name in sorted(expected.keys() | found.keys()):
        if name.partition("/")[0] in but:
            continue
        if name not in found:
            raise InputError(f"{folder}/{one_line(name)}: is missing, but {OUTPUT} lists it")
        if expected.get(name) != found[name]:
            raise InputError(f"{folder / name}: is new or altered, {OUTPUT} lacks its sha256")


def settle(run_id: str, hours: float) -> None:
    """Prepare the session for a single notebook, which then works on a scratch disk.

    If the output of an earlier kernel with this run is attached, resume from it. If a cell fails,
    all files written until then are copied to the working folder. If training stops itself at the
    deadline, the notebook ends there without an error.

    Args:
      run_id: the name of the run's folder in `runs/` of the working folder.
      hours: training stops itself with a checkpoint this many hours from now.
    """
    from IPython import get_ipython

    def failed(shell: Any, kind: type, error: Exception, trace: Any, tb_offset: Any = None) -> None:
        finish(run_id)
        if not isinstance(error, OutOfTime):
            return shell.showtraceback(running_compiled_code=True)
        _tell_late(error)
        # Papermill takes a SystemExit for success, and skips the cells after it.
        return shell.showtraceback((SystemExit, SystemExit(), None), exception_only=True)

    _begin(hours)
    os.environ["TUNIX_RT_HOME"] = tempfile.mkdtemp(prefix="tunix-rt-")
    place.settle()
    _go_on(run_id, _own())
    get_ipython().set_custom_exc((Exception,), failed)


def finish(run_id: str) -> Path | None:
    """Copy the run of a single notebook to the working folder.

    Args:
      run_id: the name of the copied folder, in `runs/`.

    Returns:
      The copied folder; None if the notebook made no run.
    """
    return keep(_own(), Path.cwd() / "runs" / run_id) if _own().is_dir() else None


def _own() -> Path:
    return paths.home() / "runs" / "notebook"
