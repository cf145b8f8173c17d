"""A run in a Kaggle session: it ends in time, and leaves what one can go on from."""

import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tunix_rt_nb import chain, files, report, runs
from tunix_rt_nb.errors import InputError
from tunix_rt_nb.kernels import place

OUTPUT = "output.json"  # what a kernel left, and the sha256 of each file
ROOM = 19e9  # bytes that are kept of a session: Kaggle's 20 GB, less some for the notebook itself
_LOCKS = "*.lock"


def run(run_id: str, values: Mapping[str, Any], hours: float, profile: str = "") -> Path:
    """Runs the chain, and leaves its run folder in `runs/` of the working folder.

    The work is done on a scratch disk, where there is room for more than one checkpoint. An earlier
    output of this run that is attached is gone on from.

    Args:
      values: parameters by name; a model or dataset may be a handle of what is attached.
      hours: training ends itself so long after now, with a checkpoint; what is left of the session
        is for what comes after.

    Raises:
      StepFailed: a cell raised; what there is has been kept.
    """
    os.environ["TUNIX_RT_DEADLINE"] = str(time.time() + 3600 * hours)
    kept = Path.cwd() / "runs" / run_id
    with tempfile.TemporaryDirectory(prefix="tunix-rt-") as scratch:
        run_dir = Path(scratch) / "runs" / run_id
        _go_on(run_id, run_dir)
        try:
            chain.run(run_dir, values, profile=profile, on_step=_tell, echo=True)
            print(report.before_after_text(runs.result(run_dir / runs.stem("evaluate"))))
        except chain.StepUnfinished as late:
            print(f"{late}: push this kernel with --resume")
        finally:
            if run_dir.is_dir():
                keep(run_dir, kept)
    return kept


def _go_on(run_id: str, run_dir: Path) -> None:
    """Copies what an earlier kernel left, if it is attached and whole; inputs are read-only."""
    source = place.earlier(run_id)
    if source is None:
        return
    check(source)
    print(f"going on from {source}")
    shutil.copytree(source, run_dir, copy_function=shutil.copyfile)
    (run_dir / OUTPUT).unlink()


def _tell(step: chain.StepReport) -> None:
    what = "skipped, nothing changed" if step.skipped else f"{step.seconds:6.1f} s"
    print(f"  {runs.stem(step.name):<12} {what}", flush=True)


def keep(run_dir: Path, target: Path) -> Path:
    """Moves a run folder to where it outlives the session, and writes the hashes of its files.

    Checkpoints go along only where training is not complete, the last one and the best, and only
    if there is room.
    """
    for path in run_dir.glob(_LOCKS):
        path.unlink()
    checkpoints = run_dir / runs.stem("train") / "checkpoints"
    if (checkpoints.parent / "result.json").exists():
        shutil.rmtree(checkpoints, ignore_errors=True)
    steps = runs.checkpoints(checkpoints / "last")
    for path in steps[:-1]:
        shutil.rmtree(path)
    if size(run_dir) > ROOM:
        print(f"checkpoints: dropped, with them there are {size(run_dir) / 1e9:.1f} GB to be kept")
        shutil.rmtree(checkpoints, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(target, ignore_errors=True)
    shutil.move(run_dir, target)
    files.write_json(target / OUTPUT, hashes(target))
    return target


def size(folder: Path) -> int:
    """The bytes of all files of a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def hashes(folder: Path) -> dict[str, str]:
    """The sha256 of every file of a folder by its path, but of the list itself."""
    return {
        path.relative_to(folder).as_posix(): files.sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / OUTPUT
    }


def check(folder: Path) -> None:
    """Holds a run folder that a kernel left to the hashes that it left with it.

    Raises:
      InputError: a file is missing, was altered, or was not there; or there are no hashes.
    """
    path = folder / OUTPUT
    if not path.exists():
        raise InputError(
            f"{path}: is missing, the kernel was ended before it could keep its output"
        )
    expected, found = files.read_json(path), hashes(folder)
    if not isinstance(expected, dict):
        raise InputError(f"{path}: is damaged")
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            raise InputError(f"{folder / name}: is missing, though the kernel left it")
        if expected.get(name) != found[name]:
            raise InputError(f"{folder / name}: is not what the kernel left, its sha256 is another")


def settle() -> None:
    """Lets a notebook that runs as a kernel by itself work on a scratch disk."""
    os.environ["TUNIX_RT_HOME"] = tempfile.mkdtemp(prefix="tunix-rt-")
    place.settle()


def finish(run_id: str) -> Path | None:
    """Keeps what such a notebook has made, if it has made a run."""
    made = runs.home() / "runs" / "notebook"
    return keep(made, Path.cwd() / "runs" / run_id) if made.is_dir() else None
