"""What a kernel has left, as a run folder: as if it had been run here."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import requests

from tunix_rt_nb import files
from tunix_rt_nb.errors import InputError
from tunix_rt_nb.kernels import account, session, submission
from tunix_rt_nb.kernels.submission import Submission
from tunix_rt_nb.text import one_line

PAGE = 100
_EXECUTED = "__notebook__.ipynb"  # where Kaggle keeps what it has executed
_OURS = ("kernel", "kaggle.json", "kaggle.jsonl")

Told = Callable[[str], None]


def pull(pushed: Submission, told: Told = print) -> Path:
    """Brings the output of a kernel into its run folder: all of it, with its hashes right, or none.

    The kernel's log and notebook come along. What the run folder had from an earlier pull is
    replaced.

    Raises:
      InputError: the kernel has not ended; a name that leaves the folder; a file that is missing or
        not what the kernel left; a run of this machine is in the way; no answer.
    """
    if (pushed.run_dir / "run.json").exists() and not (pushed.run_dir / "kaggle.json").exists():
        raise InputError(f"{pushed.run_dir}: has a run of this machine, rename it first")
    api = account.login()
    state, _ = submission.state(api, pushed)
    if state in ("QUEUED", "RUNNING"):
        raise InputError(
            f"{pushed.handle}: is {state.lower()}: tunix-rt-nb kaggle watch, then pull"
        )
    pushed.run_dir.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=pushed.run_dir.parent, prefix=".pull-") as scratch:
        made = _download(api, pushed, Path(scratch) / "output", told)
        _keep_ours(api, pushed, made)
        old = Path(scratch) / "old"
        if pushed.run_dir.exists():
            pushed.run_dir.rename(old)
        made.rename(pushed.run_dir)
    return pushed.run_dir


def _download(api: Any, pushed: Submission, folder: Path, told: Told) -> Path:
    """Downloads all output, and returns the run folder in it, checked."""
    log, count = "", 0
    folder.mkdir()
    with requests.Session() as addresses:
        addresses.auth = _nobody
        for page in _pages(api, pushed.handle):
            for file in page.files or []:
                _fetch(addresses, file.url, folder / safe(pushed.handle, file.file_name))
                count += 1
            log = log or page.log or ""
            told(f"{count} files")
    (folder / "kaggle.log").write_text(log, encoding="utf-8")
    if not log:
        told(f"{pushed.handle}: its log is empty")
    found = sorted(folder.glob("runs/*/"))
    if len(found) != 1:
        raise InputError(
            f"{pushed.handle}: left {count} files and {len(found) or 'no'} run folders, expected"
            f" one: see {pushed.url}"
        )
    session.check(found[0])
    (found[0] / "kernel").mkdir(exist_ok=True)
    (folder / "kaggle.log").rename(found[0] / "kernel" / "kaggle.log")
    if (folder / _EXECUTED).exists():
        (folder / _EXECUTED).rename(found[0] / "kernel" / "executed.ipynb")
    return found[0]


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


def _pages(api: Any, handle: str) -> Iterator[Any]:
    from kagglesdk.kernels.types.kernels_api_service import ApiListKernelSessionOutputRequest

    request = ApiListKernelSessionOutputRequest()
    request.user_name, request.kernel_slug = handle.split("/")
    request.page_size, request.page_token = PAGE, ""

    def call() -> Any:
        with api.build_kaggle_client() as client:
            return client.kernels.kernels_api_client.list_kernel_session_output(request)

    while True:
        page = account.asked(handle, call)
        yield page
        if not page.next_page_token or page.next_page_token == request.page_token:
            return
        request.page_token = page.next_page_token


def _fetch(addresses: requests.Session, url: str, path: Path) -> None:
    """Downloads a file whole; the address has its own permission and gets no credentials."""

    def call() -> None:
        with addresses.get(url, stream=True, timeout=account.TIMEOUT) as answer:
            answer.raise_for_status()
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                for part in answer.iter_content(1 << 20):
                    file.write(part)

    account.asked(path.name, call)


def _nobody(request: Any) -> Any:
    """Keeps `requests` from looking for credentials in ~/.netrc."""
    return request


def _keep_ours(api: Any, pushed: Submission, made: Path) -> None:
    """Puts what was prepared and watched here beside what the kernel left."""
    for name in _OURS:
        source = pushed.run_dir / name
        if source.is_dir():
            shutil.copytree(source, made / name, dirs_exist_ok=True)
        elif source.exists():
            shutil.copyfile(source, made / name)
    if not (made / "kernel" / "executed.ipynb").exists():
        text = submission.kernel_source(api, pushed)
        (made / "kernel" / "executed.ipynb").write_text(text, encoding="utf-8")
    told = {"kernel": pushed.handle, "version": pushed.version, "url": pushed.url}
    files.write_json(made / "kaggle.json", told)
