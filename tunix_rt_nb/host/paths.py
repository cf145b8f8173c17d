"""The paths of the project, and of the folder where a run may write."""

import os
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
PACKAGE = Path(__file__).resolve().parents[1]
NOTEBOOKS = PROJECT / "notebooks"
SOURCES = (".py", ".pyi", ".sql", ".jinja")  # suffixes of the package files needed to run it
EVAL_SETS = PROJECT / "data" / "evalsets"


def home() -> Path:
    """Find the folder that contains `runs/`.

    This is `TUNIX_RT_HOME` if it is set, else the checkout, else the working folder.
    """
    chosen = os.environ.get("TUNIX_RT_HOME")
    if chosen:
        return Path(chosen).expanduser().resolve()
    return PROJECT if NOTEBOOKS.is_dir() else Path.cwd()


def sources(folder: Path = PACKAGE) -> Iterator[Path]:
    """Yield the code, queries and templates in a folder of the package, sorted by path."""
    yield from (path for path in sorted(folder.rglob("*")) if path.suffix in SOURCES)
