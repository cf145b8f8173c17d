"""Download of a kernel's output into a run folder, as if the run had been made here.

runs/quickstart/
  ...             the run, as the kernel left it
  kernel/
    executed.ipynb  the notebook as Kaggle executed it
    kaggle.log      its log
    output/         the other files of its output
"""

import contextlib
import shutil
from pathlib import Path, PurePosixPath
from typing import Any

import requests

from tunix_rt_nb.common import InputError, one_line
from tunix_rt_nb.kaggle import account, scratch, session, version
from tunix_rt_nb.kaggle.account import Told
from tunix_rt_nb.kaggle.submission import Submission
from tunix_rt_nb.kaggle.version import Version

_EXECUTED = "__notebook__.ipynb"  # the executed notebook in Kaggle's output
_OURS = ("kernel", "kaggle.json", "kaggle.jsonl")  # made on this machine and not by the kernel


def pull(pushed: Submission, told: Told = print) -> Path:
    """Pull the output of a kernel into its run folder: all of it, with correct hashes, or nothing.

    Pull the kernel's log and executed notebook too. Replace the files of an earlier pull, but only
    if none was changed since.

    Args:
      pushed: the kernel and its run folder.
      told: called with each line about the progress.

    Returns:
      The run folder.

    Raises:
      InputError: another pull of this run is at work; the kernel has not ended; a file name points
        outside the folder; a file is missing or has another hash; the run folder has files that
        were not pulled; Kaggle does not answer.
    """
    # Build everything in a scratch folder, so that a pull that fails changes nothing.
    with scratch.scratch(pushed.run_dir) as folder:
        check_replaceable(pushed.run_dir)
        known = version.of(account.login(), pushed.handle, pushed.version)
        pushed = pushed._replace(version=known.number)
        state, _ = known.state()
        if version.is_under_way(state):
            raise InputError(
                f"{pushed.handle}: is {state.lower()}: run tunix-rt-nb kaggle watch, then pull"
                " again"
            )
        output, made = folder / "output", folder / "run"
        log = _download(known, output, told)
        _take_run(pushed, output, made, told)
        _add_ours(pushed, made)
        (made / "kernel" / "kaggle.log").write_text(log, encoding="utf-8", errors="replace")
        _add_rest(known, output, made / "kernel", told)
        scratch.swap(made, pushed.run_dir, folder)
    return pushed.run_dir


def check_replaceable(run_dir: Path) -> None:
    """Check that a pull may replace a run folder.

    It may if each file was written by a push or an earlier pull, and nobody changed it since.

    Raises:
      InputError: the folder has other files.
    """
    names = {path.name for path in run_dir.glob("*") if path.suffix != ".lock"}
    if names <= {*_OURS}:
        return
    if not (run_dir / session.OUTPUT).exists():
        raise InputError(f"{run_dir}: holds a run made on this machine, rename that folder first")
    try:
        session.check(run_dir, but=_OURS)
    except InputError as error:
        raise InputError(
            f"{run_dir}: was changed since it was pulled, rename that folder first ({error})"
        ) from None


def _download(known: Version, folder: Path, told: Told) -> str:
    """Download all output of a kernel's version into a new folder; return the text of its log.

    Args:
      known: the version.
      folder: the folder to create.
      told: called with each line about the progress.

    Raises:
      InputError: the version has no output, a file cannot be downloaded or written, or its name is
        unsafe.
    """
    log, count = "", 0
    folder.mkdir()
    with requests.Session() as addresses:
        addresses.auth = lambda request: request  # else `requests` sends credentials from ~/.netrc
        for token, page in known.pages():
            urls = _urls(page)
            for name in urls:
                path = folder / safe(known.handle, name)
                if not _fetch(addresses, urls[name], path):  # the URL has expired: get a new one
                    urls = urls | _urls(known.output(token))
                    if not _fetch(addresses, urls[name], path):
                        raise InputError(f"{known.handle}: {name} cannot be downloaded from Kaggle")
            count += len(urls)
            log = log or page.log or ""
            told(f"{count} files")
    if not count:
        raise InputError(f"{known.handle}: version {known.number} has no output to pull")
    if not log:
        told(f"{known.handle}: its log is empty")
    return log


def _urls(page: Any) -> dict[str, str]:
    return {file.file_name: file.url for file in page.files or []}


def _take_run(pushed: Submission, output: Path, made: Path, told: Told) -> None:
    """Check the run in the downloaded output and move it to `made`.

    If the output has no run, create `made` as an empty folder.

    Args:
      pushed: the kernel and its run folder.
      output: the folder of the downloaded output.
      made: the folder to create.
      told: called with a line if there is no run.

    Raises:
      InputError: the output has several runs, another run than expected, or altered files; or the
        run has a file or folder that only push and pull may write (`_OURS`).
    """
    found = sorted(output.glob("runs/*/"))
    if not found:
        told(f"{pushed.handle}: has left no run, its files are in kernel/output")
        return made.mkdir()
    names = [path.name for path in found]
    expected = pushed.run_dir.name
    if (pushed.run_dir / "kernel" / "plan.json").exists() and names != [expected]:
        raise InputError(
            f"{pushed.handle}: its output has runs/{', runs/'.join(names)},"
            f" expected runs/{expected}"
        )
    if len(names) > 1:
        raise InputError(f"{pushed.handle}: its output has {len(names)} runs, expected one")
    session.check(found[0])
    taken = [name for name in _OURS if (found[0] / name).exists()]
    if taken:
        raise InputError(
            f"{pushed.handle}: its run contains {taken[0]}, which only push and pull may write:"
            " nothing was pulled"
        )
    found[0].rename(made)
    with contextlib.suppress(OSError):  # `runs` stays if it has other files
        found[0].parent.rmdir()
    return None


def safe(what: str, name: str) -> PurePosixPath:
    """Convert a file name in a kernel's output to a relative path that stays inside its folder.

    Args:
      what: the handle of the kernel, to be named in the error.
      name: the name, with `/` between folders.

    Raises:
      InputError: the path would leave the folder, is too long, or has a backslash or unprintable
        characters.

    Example:
      >>> safe("me/kernel", "runs/x/run.json").parts
      ('runs', 'x', 'run.json')
    """
    path = PurePosixPath(name)
    unsafe = not path.parts or path.is_absolute() or ".." in path.parts or not name.isprintable()
    if unsafe or "\\" in name or len(name) > 1_000:
        raise InputError(
            f"{what}: its output has a file with the unsafe name {one_line(name)!r}, nothing was"
            " pulled"
        )
    return path


def _fetch(addresses: requests.Session, url: str, path: Path) -> bool:
    """Download a file to `path`; send no credentials, because the URL itself grants access.

    Args:
      addresses: an HTTP session without credentials.
      url: the URL of the file.
      path: where to write it.

    Returns:
      True; False if the URL has expired or names no file.
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
    except OSError as error:  # the name is too long or is also a folder, or the disk is full
        raise InputError(
            f"{one_line(path.name)}: cannot be written, nothing was pulled: {error.strerror}"
        ) from None


def _add_ours(pushed: Submission, made: Path) -> None:
    """Copy the files of the push and of `watch` from the old run folder into the new one.

    These are the folder `kernel`, without the files that an earlier pull put there, and the log in
    `kaggle.jsonl`. Write `kaggle.json` anew.

    Args:
      pushed: the kernel and its old run folder.
      made: the new run folder.
    """
    if (pushed.run_dir / "kernel").is_dir():
        ignored = shutil.ignore_patterns("executed.ipynb", "kaggle.log", "output")  # pulled earlier
        shutil.copytree(pushed.run_dir / "kernel", made / "kernel", ignore=ignored)
    (made / "kernel").mkdir(exist_ok=True)
    if (pushed.run_dir / "kaggle.jsonl").exists():
        shutil.copyfile(pushed.run_dir / "kaggle.jsonl", made / "kaggle.jsonl")
    pushed._replace(run_dir=made).record()


def _add_rest(known: Version, output: Path, kernel: Path, told: Told) -> None:
    """Move the executed notebook and the rest of the output into the folder `kernel`.

    If the executed notebook is missing, write the notebook that was pushed instead.

    Args:
      known: the kernel's version.
      output: the folder of the downloaded output.
      kernel: the folder `kernel` of the new run folder.
      told: called with a line if the executed notebook is missing.
    """
    executed = kernel / "executed.ipynb"
    if (output / _EXECUTED).is_file():
        (output / _EXECUTED).rename(executed)
    else:
        told(f"{known.handle}: left no {_EXECUTED}, {executed.name} is as it was pushed")
        executed.write_text(known.source(), encoding="utf-8", errors="replace")
    if any(output.iterdir()):
        output.rename(kernel / "output")
