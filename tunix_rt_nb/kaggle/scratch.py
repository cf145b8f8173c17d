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

    First clear away what killed pulls left.
    """
    runs = run_dir.parent
    runs.mkdir(parents=True, exist_ok=True)
    handle = os.open(runs, os.O_RDONLY)
    try:
        _clear(handle, runs)
        with suppress(OSError):  # some file systems have no locks
            fcntl.flock(handle, fcntl.LOCK_SH)
        with tempfile.TemporaryDirectory(dir=runs, prefix=f".pull-{run_dir.name}-") as name:
            yield Path(name)
    finally:
        os.close(handle)


def clear(runs: Path) -> None:
    """Remove the scratch folders of killed pulls; bring back the runs that are hidden in them.

    Args:
      runs: the folder with the run folders.
    """
    if any(runs.glob(".pull-*")):
        handle = os.open(runs, os.O_RDONLY)
        try:
            _clear(handle, runs)
        finally:
            os.close(handle)


def _clear(handle: int, runs: Path) -> None:
    """Do as `clear`; do nothing while another pull is at work, which holds a shared lock.

    Args:
      handle: an open file descriptor of the folder; it may keep the lock.
      runs: the folder.
    """
    with suppress(OSError):  # another pull is at work, or the file system has no locks
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for left in runs.glob(".pull-*"):
            name = _run_of(left)
            if (left / _OLD).is_dir() and name and not (runs / name).exists():
                (left / _OLD).rename(runs / name)
            if not (left / _OLD).exists() or (name and (runs / name).exists()):
                shutil.rmtree(left, ignore_errors=True)


def _run_of(left: Path) -> str:
    """Return the name of the run that a killed pull was for; empty if nothing tells it."""
    name = left.name.removeprefix(".pull-").rpartition("-")[0]
    for path, field in (("kernel/plan.json", "run_id"), ("run.json", "run_id")):
        with suppress(OSError, InputError, KeyError, TypeError):
            name = name or check_name("run-id", files.read_json(left / _OLD / path)[field])
    return name


def swap(made: Path, run_dir: Path, scratch: Path) -> None:
    """Put the new run folder in the place of the old one, if there is an old one.

    If the second move fails, undo the first. If the process is killed between them, `clear` does.

    Args:
      made: the new run folder.
      run_dir: the place of the run folder.
      scratch: the scratch folder, which gets the old one.
    """
    old = scratch / _OLD
    try:
        if run_dir.exists():
            run_dir.rename(old)
        made.rename(run_dir)
    finally:
        if old.exists() and not run_dir.exists():
            old.rename(run_dir)
