"""The first line of a notebook: what it reads, how much that is, and when it was written."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from tunix_rt_nb.common import InputError, files
from tunix_rt_nb.host import paths, place
from tunix_rt_nb.runs.folder import Result, result


def of_step(earlier: str, inputs: Mapping[str, Path]) -> str:
    """Return the line for a notebook that reads the outputs of an earlier step.

    Args:
      earlier: the name of the step right before the notebook.
      inputs: step name -> folder of each step before the notebook, all complete.

    Example: `Reads runs/quickstart/1_generate of 2026-01-01 12:00 UTC: 3,600 traces`.
    """
    folder = inputs[earlier]
    written = datetime.fromtimestamp((folder / "result.json").stat().st_mtime, UTC)
    told = [earlier, "render"] if earlier == "train" else [earlier]
    counts = [_count(name, result(inputs[name])) for name in told if name in inputs]
    shown = folder.relative_to(paths.home()) if folder.is_relative_to(paths.home()) else folder
    much = ", ".join(filter(None, counts)) or "it does not say how much"
    return f"Reads {shown} of {written:%Y-%m-%d %H:%M} UTC: {much}"


def of_dataset(dataset: str) -> str:
    """Return the line for a notebook that reads a finished dataset: a folder or a handle."""
    with suppress(InputError, OSError, KeyError, TypeError):
        manifest = files.read_json(place.folder(dataset) / "manifest.json")
        count, newest = manifest["trace_count"], manifest["created_at"]
        return f"Reads the dataset {dataset}: {count} traces, the newest of {newest}"
    return f"Reads the dataset {dataset}"  # if it is damaged, the notebook will say so


def _count(step: str, found: Result) -> str:
    """Say how much a step wrote; nothing if its result does not tell."""
    sides = found.get("split") if step == "build" else found.get("examples")
    if step in ("build", "render") and sides:
        kind = f"traces in {found.get('dataset')}" if step == "build" else "examples"
        return f"{sides['train']:,} {kind} to train on, {sides['eval']:,} held out"
    if step == "generate" and "traces" in found:
        return f"{found['traces']:,} traces"
    card = found.get("after") if step == "evaluate" else None
    if isinstance(card, dict) and isinstance(card.get("n_scored"), int):
        return f"{card['n_scored']:,} items graded"
    return f"{found['steps']:,} steps of training" if "steps" in found else ""
