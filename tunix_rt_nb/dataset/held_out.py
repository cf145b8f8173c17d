"""The held-out side of a dataset as an eval set, a file of its own."""

from pathlib import Path
from typing import Any

from tunix_rt_nb.common import InputError, files
from tunix_rt_nb.dataset import folder
from tunix_rt_nb.trace import EARLIER, Trace


def write_evalset(dataset: Path, path: Path) -> int:
    """Write the held-out traces of a dataset as an eval set; return how many.

    Raises:
      InputError: the dataset is incomplete or has no held-out trace, or the file cannot be written.
    """
    lines = [_line(id, trace) for id, trace in folder.load(dataset, "eval")]
    if not lines:
        raise InputError(f"{dataset}: holds nothing out, see eval_fraction")
    files.write_lines(path, lines)
    return len(lines)


def _line(id: str, trace: Trace) -> dict[str, Any]:
    meta = trace.meta or {}
    told = {
        "section": meta.get("section"),
        "category": meta.get("category") or trace.task,
        "difficulty": meta.get("difficulty"),
        EARLIER: meta.get(EARLIER),
    }
    asked = {"id": id, "prompt": trace.prompt, "expected_answer": trace.final_answer}
    return {**asked, **{name: value for name, value in told.items() if value}}
