"""Where the project lies, and where a run may write."""

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
NOTEBOOKS = PROJECT / "notebooks"
EVAL_SETS = PROJECT / "data" / "evalsets"


def home() -> Path:
    """Finds the folder of `runs/`: `TUNIX_RT_HOME`, else the checkout, else where we are."""
    chosen = os.environ.get("TUNIX_RT_HOME")
    if chosen:
        return Path(chosen).expanduser().resolve()
    return PROJECT if NOTEBOOKS.is_dir() else Path.cwd()
