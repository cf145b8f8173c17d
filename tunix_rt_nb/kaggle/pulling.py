"""What a kernel has left, as a run folder: as if it had been run here.

runs/quickstart/
  ...             the run, as the kernel left it
  kernel/
    executed.ipynb  the notebook as Kaggle executed it
    kaggle.log      its log
    output/         what else the kernel has left
"""

import contextlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import requests

from tunix_rt_nb.common import InputError, one_line
from tunix_rt_nb.kaggle import account, session, version
from tunix_rt_nb.kaggle.submission import Submission
from tunix_rt_nb.kaggle.version import Version

_EXECUTED = "__notebook__.ipynb"  # where Kaggle keeps what it has executed
_OURS = ("kernel", "kaggle.json", "kaggle.jsonl")
_PULLED = ("executed.ipynb", "kaggle.log", "output")  # of kernel/

Told = Callable[[str], None]


def pull(pushed: Submission, told: Told = print) -> Path:
    """Brings the output of a kernel into its run folder: all of it, with its hashes right, or none.

    The kernel's log and notebook come along. What the run folder had from an earlier pull is
    replaced, but only if nothing was changed in it since.

    Raises:
      InputError: the kernel has not ended; a name that leaves the folder; a file that is missing or
        not what the kernel left; something that was made here is in the way; no answer.
    """
    check_replaceable(pushed.run_dir)
    known = version.of(account.login(), pushed.handle, pushed.version)
    pushed = pushed._replace(version=known.number)
    state, _ = known.state()
    if version.is_under_way(state):
        raise InputError(
            f"{pushed.handle}: is {state.lower()}: tunix-rt-nb kaggle watch, then pull"
        )
    pushed.run_dir.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=pushed.run_dir.parent, prefix=".pull-") as scratch:
        output = Path(scratch) / "output"
        log = _download(known, output, told)
        made = Path(scratch) / "run"
        _take_run(pushed, output, made, told)
        _add_ours(pushed, made)
        (made / "kernel" / "kaggle.log").write_text(log, encoding="utf-8", errors="replace")
        _add_rest(known, output, made / "kernel", told)
        _swap(made, pushed.run_dir, Path(scratch) / "old")
    return pushed.run_dir


def check_replaceable(run_dir: Path) -> None:
    """`InputError` where a folder holds anything that was not pulled into it, or pushed from it."""
    names = {path.name for path in run_dir.glob("*") if path.suffix != ".lock"}
    if names <= {*_OURS}:
        return
    if not (run_dir / session.OUTPUT).exists():
        raise InputError(f"{run_dir}: has a run of this machine, rename it first")
    try:
        session.check(run_dir, but=_OURS)
    except InputError as error:
        raise InputError(
            f"{run_dir}: was changed since it was pulled, rename it first ({error})"
        ) from None


def _swap(made: Path, run_dir: Path, old: Path) -> None:
    """Puts a folder in the place of another, which stays where it is if that is cut off."""
    try:
        if run_dir.exists():
            run_dir.rename(old)
        made.rename(run_dir)
    finally:
        if old.exists() and not run_dir.exists():
            old.rename(run_dir)


def _download(known: Version, folder: Path, told: Told) -> str:
    """Downloads all output, and returns the log."""
    log, count = "", 0
    folder.mkdir()
    with requests.Session() as addresses:
        addresses.auth = _nobody
        for token, page in known.pages():
            urls = _urls(page)
            for name in urls:
                path = folder / safe(known.handle, name)
                if not _fetch(addresses, urls[name], path):  # an address expires
                    urls = urls | _urls(known.output(token))
                    if not _fetch(addresses, urls[name], path):
                        raise InputError(
                            f"{known.handle}: Kaggle does not let {name} be downloaded"
                        )
            count += len(urls)
            log = log or page.log or ""
            told(f"{count} files")
    if not count:
        raise InputError(f"{known.handle}: version {known.number} has left nothing to pull")
    if not log:
        told(f"{known.handle}: its log is empty")
    return log


def _urls(page: Any) -> dict[str, str]:
    return {file.file_name: file.url for file in page.files or []}


def _take_run(pushed: Submission, output: Path, made: Path, told: Told) -> None:
    """Moves the run out of an output, checked; where the kernel has made none, it is empty."""
    found = sorted(output.glob("runs/*/"))
    if not found:
        told(f"{pushed.handle}: has left no run, its files are in kernel/output")
        return made.mkdir()
    names = [path.name for path in found]
    expected = pushed.run_dir.name
    if (pushed.run_dir / "kernel" / "plan.json").exists() and names != [expected]:
        raise InputError(f"{pushed.handle}: left runs/{', runs/'.join(names)}, not runs/{expected}")
    if len(names) > 1:
        raise InputError(f"{pushed.handle}: left {len(names)} runs, expected one")
    session.check(found[0])
    taken = [name for name in _OURS if (found[0] / name).exists()]
    if taken:
        raise InputError(f"{pushed.handle}: left a {taken[0]} in its run, nothing is taken")
    found[0].rename(made)
    with contextlib.suppress(OSError):  # there is more in it, which comes along
        found[0].parent.rmdir()
    return None


def safe(what: str, name: str) -> PurePosixPath:
    """A name from outside as a path that stays in its folder.

    Raises:
      InputError: it would not.

    Example:
      >>> safe("me/kernel", "runs/x/run.json").parts
      ('runs', 'x', 'run.json')
    """
    path = PurePosixPath(name)
    unsafe = not path.parts or path.is_absolute() or ".." in path.parts or not name.isprintable()
    if unsafe or "\\" in name or len(name) > 1_000:
        raise InputError(
            f"{what}: a file of its output is called {one_line(name)!r}, nothing is taken"
        )
    return path


def _fetch(addresses: requests.Session, url: str, path: Path) -> bool:
    """Downloads a file whole; the address has its own permission and gets no credentials.

    Returns:
      Whether there is a file at the address, or is one still.
    """

    def call() -> bool:
        with addresses.get(url, stream=True) as answer:
            answer.raise_for_status()
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                for part in answer.iter_content(1 << 20):
                    file.write(part)
        return True

    try:
        return account.found(path.name, call) or False
    except OSError as error:  # too long a name; a file and a folder of one name; a full disk
        raise InputError(
            f"{one_line(path.name)}: cannot be written, nothing is taken: {error.strerror}"
        ) from None


def _nobody(request: Any) -> Any:
    """Keeps `requests` from looking for credentials in ~/.netrc."""
    return request


def _add_ours(pushed: Submission, made: Path) -> None:
    """Puts beside a run what was prepared and watched here."""
    if (pushed.run_dir / "kernel").is_dir():
        ignored = shutil.ignore_patterns(*_PULLED)
        shutil.copytree(pushed.run_dir / "kernel", made / "kernel", ignore=ignored)
    (made / "kernel").mkdir(exist_ok=True)
    if (pushed.run_dir / "kaggle.jsonl").exists():
        shutil.copyfile(pushed.run_dir / "kaggle.jsonl", made / "kaggle.jsonl")
    pushed._replace(run_dir=made).record()


def _add_rest(known: Version, output: Path, kernel: Path, told: Told) -> None:
    """Puts beside them what else the kernel has left."""
    executed = kernel / "executed.ipynb"
    if (output / _EXECUTED).is_file():
        (output / _EXECUTED).rename(executed)
    else:
        told(f"{known.handle}: left no {_EXECUTED}, {executed.name} is as it was pushed")
        executed.write_text(known.source(), encoding="utf-8", errors="replace")
    if any(output.iterdir()):
        output.rename(kernel / "output")
