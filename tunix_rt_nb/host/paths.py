"""Where the project lies, and where a run may write."""

import os
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
PACKAGE = Path(__file__).resolve().parents[1]
NOTEBOOKS = PROJECT / "notebooks"
SOURCES = (".py", ".pyi", ".sql", ".jinja")  # files of the package that it needs to run
EVAL_SETS = PROJECT / "data" / "evalsets"


def home() -> Path:
    """Finds the folder of `runs/`: `TUNIX_RT_HOME`, else the checkout, else where we are."""
    chosen = os.environ.get("TUNIX_RT_HOME")
    if chosen:
        return Path(chosen).expanduser().resolve()
    return PROJECT if NOTEBOOKS.is_dir() else Path.cwd()


def sources(folder: Path = PACKAGE) -> Iterator[Path]:
    """Lists what a folder of the package needs to run, in order: code, queries and templates."""
    for path in sorted(folder.rglob("*")):
        if path.suffix in SOURCES:
            yield path
