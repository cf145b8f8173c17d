"""Scratch folders of pulls beside the run folders, and what killed pulls left in them.

runs/
  quickstart/
  .pull-quickstart-x1y2z3/
    output/  run/   what was downloaded, and the run folder that is made from it
    old/            the run folder as it was, for the moment until the new one is in its place
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tunix_rt_nb.common import InputError, check_name, files

_OLD = "old"


@contextmanager
def scratch(run_dir: Path) -> Iterator[Path]:
    """Make a scratch folder for the pull of a run; remove it at the end of the `with` block.

    First clear away what killed pulls left. The scratch folder stays locked within the block.

    Raises:
      InputError: another pull of the same run is at work.
    """
    runs = run_dir.parent
    runs.mkdir(parents=True, exist_ok=True)
    with settled(runs):
        if any(_is_held(path) for path in runs.glob(".pull-*") if _run_of(path) == run_dir.name):
            raise InputError(
                f"{run_dir}: another pull of this run is at work, wait for it or stop it"
            )
        made = tempfile.TemporaryDirectory(dir=runs, prefix=f".pull-{run_dir.name}-")
        handle = os.open(made.name, os.O_RDONLY)
        with suppress(OSError):  # some file systems have no locks
            fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        with made as name:
            yield Path(name)
    finally:
        os.close(handle)


@contextmanager
def settled(runs: Path) -> Iterator[None]:
    """Let no pull begin or swap run folders within the `with` block, which must be short.

    First remove the scratch folders of killed pulls; bring back the runs that are hidden in them.

    Args:
      runs: the folder with the run folders; it may be missing.
    """
    if not runs.is_dir():
        yield
        return
    handle = os.open(runs, os.O_RDONLY)
    try:
        with suppress(OSError):  # some file systems have no locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        _clear(runs)
        yield
    finally:
        os.close(handle)


def _clear(runs: Path) -> None:
    for left in runs.glob(".pull-*"):
        if _is_held(left) is not False:
            continue
        name = _run_of(left)
        if (left / _OLD).is_dir() and name and not (runs / name).exists():
            (left / _OLD).rename(runs / name)
        if not (left / _OLD).exists() or (name and (runs / name).exists()):
            shutil.rmtree(left, ignore_errors=True)


def _is_held(left: Path) -> bool | None:
    """Tell whether a pull works in a scratch folder; return None if nothing can tell."""
    try:
        handle = os.open(left, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # the file system has no locks
        return None
    finally:
        os.close(handle)
    return False


def _run_of(left: Path) -> str:
    """Return the name of the run that a killed pull was for; empty if nothing tells it."""
    name = left.name.removeprefix(".pull-").rpartition("-")[0]
    for path, field in (("kernel/plan.json", "run_id"), ("run.json", "run_id")):
        with suppress(OSError, InputError, KeyError, TypeError):
            name = name or check_name("run-id", files.read_json(left / _OLD / path)[field])
    return name


def swap(made: Path, run_dir: Path, scratch: Path) -> None:
    """Put the new run folder in the place of the old one, if there is an old one.

    If the second move fails, undo the first. If the process is killed between them, `settled` does.

    Args:
      made: the new run folder.
      run_dir: the place of the run folder.
      scratch: the scratch folder, which gets the old one.
    """
    old = scratch / _OLD
    with settled(run_dir.parent):
        try:
            if run_dir.exists():
                run_dir.rename(old)
            made.rename(run_dir)
        finally:
            if old.exists() and not run_dir.exists():
                old.rename(run_dir)
