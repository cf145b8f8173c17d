"""The paths of the project's own files, and of the folder that holds `runs/`."""

import os
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
PACKAGE = Path(__file__).resolve().parents[1]
NOTEBOOKS = PROJECT / "notebooks"
SOURCES = (".py", ".pyi", ".sql", ".jinja")  # suffixes of the package files needed to run it
EVAL_SETS = PROJECT / "data" / "evalsets"


def home() -> Path:
    """Find the folder that contains `runs/`, in which each run has a folder.

    This is the environment variable `TUNIX_RT_HOME` if it is set, else the checkout of the
    repository if there is one, else the working folder.
    """
    chosen = os.environ.get("TUNIX_RT_HOME")
    if chosen:
        return Path(chosen).expanduser().resolve()
    return PROJECT if NOTEBOOKS.is_dir() else Path.cwd()


def sources(folder: Path = PACKAGE) -> Iterator[Path]:
    """Yield the paths of the code, SQL queries and templates in a folder of the package, sorted."""
    yield from (path for path in sorted(folder.rglob("*")) if path.suffix in SOURCES)
