"""A step at work: its lock, the folder that it works in, and the swap that publishes its outputs.

runs/quickstart/
  4_train/        the outputs of the step; the step works here until it is complete
  .4_train.new/   where the step works if it is complete and is run again
  .4_train.old/   the replaced outputs, for the moment until they are removed
  .4_train.lock   held by the process that works on the step

So a step that is run again and fails, or is killed, leaves its complete outputs as they were.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from filelock import FileLock

import tunix_rt_nb
from tunix_rt_nb.common import files
from tunix_rt_nb.runs.folder import KEPT, READS, Result, content_hash, outputs, stem
from tunix_rt_nb.runs.lock import held

PATIENCE = 20.0  # seconds to wait for another process; a killed chain's kernel notices late


@dataclass
class Step:
    """A step of the chain that this process is running; it holds a lock on the step's folder.

    Attributes:
      step: the name of the step.
      folder: the folder that the step works in; after `finish`, the folder of its outputs.
      inputs: step name -> folder of each step before it.
    """

    step: str
    folder: Path
    inputs: dict[str, Path]
    _lock: FileLock

    def place(self, path: Path) -> str:
        """Return a path as text for `result.json`: relative if it is inside the step's folder.

        A relative path stays right if the folder is moved.
        """
        return str(path.relative_to(self.folder) if path.is_relative_to(self.folder) else path)

    def finish(self, result: Mapping[str, Any]) -> Result:
        """Write `result.json`, which marks the step as complete, and unlock the folder.

        If the step was complete before, its new outputs take the place of the old ones now.

        Args:
          result: the fields that only this step writes; `finish` adds those that every step has.

        Returns:
          The content of `result.json`.
        """
        whole: Any = {
            "step": self.step,
            "version": tunix_rt_nb.__version__,
            "inputs": {
                name: {
                    "folder": os.path.relpath(path, self.folder),
                    "sha256": content_hash(path),
                }
                for name, path in self.inputs.items()
                if name in READS[self.step]
            },
            **result,
            "outputs": outputs(self.folder),
        }
        files.write_json(self.folder / "result.json", whole)
        folder = self.folder.with_name(stem(self.step))
        if self.folder != folder:
            self.folder = _publish(folder)
        self._lock.release()
        return cast("Result", whole)


_held: dict[Path, FileLock] = {}


def take(step: str, run_dir: Path, inputs: dict[str, Path], alone: bool = False) -> Step:
    """Lock a step's folder in `run_dir` for this process, and remove what an earlier try left.

    Files that are needed to resume stay. A step that is complete gets another folder to work in,
    which has these files too.

    Args:
      step: the name of the step.
      run_dir: the run folder.
      inputs: step name -> folder of each step before it.
      alone: True if the notebook is run by itself, and not by `chain.run`. Then the file `key` is
        removed too. There, `chain.run` keeps a hash of everything that the outputs depend on. It
        would not fit the new outputs.

    Raises:
      InputError: another process is at work in the step's folder.
    """
    folder = run_dir / stem(step)
    run_dir.mkdir(parents=True, exist_ok=True)
    if folder in _held:  # the same kernel begins the step again
        _held.pop(folder).release()
    lock = _held[folder] = _locked(folder)
    _restore(folder)
    work = working(folder)
    if work != folder and not work.exists():
        _link_kept(folder, work)
    work.mkdir(exist_ok=True)
    # Remove the result first, because it marks the step as complete. Keep what is needed to resume.
    (work / "result.json").unlink(missing_ok=True)
    for path in work.iterdir():
        if path.name not in KEPT or (alone and path.name == "key"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        elif path.is_dir():
            files.sweep(path)
    return Step(step, work, inputs, lock)


def working(folder: Path) -> Path:
    """Return where a step works: in its own folder, or beside it if the step is complete.

    Args:
      folder: the folder of the step.
    """
    return _beside(folder, "new") if (folder / "result.json").exists() else folder


def restore(run_dir: Path) -> None:
    """End each swap in a run folder that a kill has cut off, so that no step's outputs are hidden.

    Raises:
      InputError: another process is at work in the step's folder.
    """
    for old in run_dir.glob(".*.old"):
        folder = run_dir / old.name[1:].removesuffix(".old")
        lock = _locked(folder)
        try:
            _restore(folder)
        finally:
            lock.release()


def adopt(step: str, run_dir: Path, source: Path) -> None:
    """Give a run the outputs that a step has in another run, as if the step had run here.

    The files are hard links, or copies where the file system has none: the runs stay apart, because
    no output is ever changed in place. The executed notebook is written in place, so it is copied.

    Args:
      step: the name of the step. Its outputs must not say in which run they were made.
      run_dir: the run folder that gets the outputs; those that it has are replaced.
      source: the other run folder, in which the step is complete.

    Raises:
      InputError: another process is at work in the step's folder.
    """
    folder = run_dir / stem(step)
    part, new = _beside(folder, "part"), _beside(folder, "new")
    lock = _locked(folder)
    try:
        for old in (part, new):
            shutil.rmtree(old, ignore_errors=True)
        shutil.copytree(source / stem(step), part, copy_function=_link)
        for suffix in (".ipynb", ".log"):
            with suppress(FileNotFoundError):
                shutil.copyfile(*(at / f"{stem(step)}{suffix}" for at in (source, run_dir)))
        part.rename(new if folder.exists() else folder)
        if new.exists():
            _publish(folder)
    finally:
        lock.release()


def _beside(folder: Path, what: str) -> Path:
    return folder.with_name(f".{folder.name}.{what}")


def _locked(folder: Path) -> FileLock:
    """Return the lock of a step's folder, held by this process."""
    told = f"{folder}: another process uses this folder"
    return held(_beside(folder, "lock"), PATIENCE, told)


def _publish(folder: Path) -> Path:
    """Let the new outputs of a step take the place of its old ones; return the step's folder.

    A kill leaves the old ones, or what `_restore` makes into the new ones.

    Args:
      folder: the folder of the step, which this process has locked.
    """
    folder.rename(_beside(folder, "old"))
    _restore(folder)
    return folder


def _restore(folder: Path) -> None:
    """Do what is left of a swap after its first rename; do nothing if no swap has begun.

    Args:
      folder: the folder of the step, which this process has locked.
    """
    new, old = _beside(folder, "new"), _beside(folder, "old")
    if old.exists():
        if not folder.exists():
            (new if new.exists() else old).rename(folder)
        shutil.rmtree(old, ignore_errors=True)


def _link_kept(folder: Path, new: Path) -> None:
    """Make a folder with hard links to the files of a complete step that are needed to resume.

    No file in it is ever changed in place, so the complete step keeps its own.

    Args:
      folder: the folder of the step.
      new: the folder to make; it appears complete, or not at all.
    """

    def others(where: str, names: Sequence[str]) -> set[str]:
        return set(names) - {*KEPT} if Path(where) == folder else set()

    part = _beside(folder, "part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(folder, part, ignore=others, copy_function=_link)
    part.rename(new)


def _link(source: str, target: str) -> None:
    with suppress(OSError):
        return os.link(source, target)
    shutil.copyfile(source, target)  # this file system has no hard links
    return None
