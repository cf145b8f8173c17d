"""Sieves: the reasons for which steps leave out traces, each with the parameter that sets it."""

from pathlib import Path

from tunix_rt_nb.common import counted, files, first_of, one_line
from tunix_rt_nb.runs.folder import SKIPPED, Result, result as result_of

SIEVES = {  # reason -> what is left out, and the parameter that governs it
    "duplicate_prompt": ("duplicate prompts", "STRATEGY says which trace of a prompt is kept"),
    "near_duplicate": ("near duplicates", "NEAR_DUPLICATES sets the threshold"),
    "in_eval_set": ("prompts of eval sets", "EVAL_SETS names the sets"),
    "too_long": ("long examples", "MAX_LENGTH sets the longest"),
}


def notes_of(folder: Path) -> list[str]:
    """Return what a terminal tells about a complete step, given its folder.

    These are what its import found, the records that it left out, and the lines of `notes`.

    Raises:
      InputError: the step is not complete.
    """
    found = result_of(folder)
    told = [line for line in found.get("imported", []) if not line.startswith("skipped ")]
    return [*told, *_skipped(folder), *notes(found)]


def _skipped(folder: Path) -> list[str]:
    """Return how many records the import of a step left out, and the first of them."""
    path = folder / SKIPPED
    found = files.all_lines(path) if path.exists() else []
    lines = [one_line(line.decode(errors="replace"), 1_000) for line in found]
    told = f"{counted(len(lines), 'line{s} skipped')}, listed in {path}:"
    return [told, *first_of(lines)] if lines else []


def notes(result: Result) -> list[str]:
    """Return a line for each reason for which a step left out more than a tenth of the traces.

    If the text of some responses parses into other steps than their traces have, return one more
    line, which says how many.

    Args:
      result: the content of the step's `result.json`. `rejected` has the number of traces left out
        for each reason; `split` or `examples` has the number kept on each side, train and eval.

    Example:
      >>> notes({"examples": {"train": 1, "eval": 0}, "rejected": {"too_long": 199}})
      ['long examples: 199 of 200 left out, more than a tenth: MAX_LENGTH sets the longest']
    """
    rejected = result.get("rejected", {})
    kept = result.get("split", result.get("examples", {}))
    whole = sum(kept.values()) + sum(rejected.values())
    otherwise = result.get("read_otherwise", 0)
    told = counted(otherwise, "response{s} read back with other steps")
    return [f"{told}: a line in a step begins like a step"] * bool(otherwise) + [
        f"{name}: {rejected[reason]:,} of {whole:,} left out, more than a tenth: {parameter}"
        for reason, (name, parameter) in SIEVES.items()
        if rejected.get(reason, 0) * 10 > whole
    ]
