"""The paths of the project's own files, and of the folder that holds `runs/`."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from tunix_rt_nb.common import InputError

PACKAGE = Path(__file__).resolve().parents[1]
IMPORTED_FROM = PACKAGE.parent  # the checkout, or a folder with installed packages
_IN_WHEEL = PACKAGE / "project"  # setup.py copies the project's other files there
PROJECT = _IN_WHEEL if _IN_WHEEL.is_dir() else IMPORTED_FROM
NOTEBOOKS = PROJECT / "notebooks"
SOURCES = (".py", ".pyi", ".sql", ".jinja")  # suffixes of the package files needed to run it
EVAL_SETS = PROJECT / "data" / "evalsets"


def home() -> Path:
    """Find the folder that contains `runs/`, in which each run has a folder.

    This is the environment variable `TUNIX_RT_HOME` if it is set, else the checkout of the
    repository if there is one, else the working folder.

    Raises:
      InputError: `TUNIX_RT_HOME` cannot be the path of a folder on this machine.
    """
    chosen = os.environ.get("TUNIX_RT_HOME")
    if chosen:
        return _folder(chosen)
    return PROJECT if PROJECT == IMPORTED_FROM and NOTEBOOKS.is_dir() else Path.cwd()


def _folder(chosen: str) -> Path:
    try:
        if os.sep == "/" and re.match(r"[A-Za-z]:\\|\\\\", chosen):
            raise OSError("is a path of Windows")
        found = Path(chosen).expanduser().resolve()
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            found.lstat()  # raises for a name that is too long and a loop of links
    except (RuntimeError, OSError) as error:  # a loop of links, `~` and no user of that name
        told = str(getattr(error, "strerror", None) or error).rstrip(".")
        short = chosen if len(chosen) < 200 else f"{chosen[:200]}..."
        raise InputError(f"TUNIX_RT_HOME: {short}: {told}, expected a folder") from None
    return found


def sources(folder: Path = PACKAGE) -> Iterator[Path]:
    """Yield the paths of the code, SQL queries and templates in a folder of the package, sorted."""
    yield from (path for path in sorted(folder.rglob("*")) if path.suffix in SOURCES)
