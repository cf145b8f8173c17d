"""Run folders: where each step works, from generate to improve, and what it leaves behind.

runs/quickstart/
  run.json            profile or job, parameters, versions
  1_generate.ipynb    the executed notebook
  1_generate/         its outputs, and result.json, written last
  ...

A complete step that is run again works in a hidden folder beside its own, see `step.py`.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

import typing_extensions

from tunix_rt_nb.common import InputError, checked, files, one_line
from tunix_rt_nb.host import paths

FORMAT = 1  # of a run folder; a folder with another format is not touched
STEPS = ("generate", "build", "render", "train", "evaluate", "improve")
LAST = "evaluate"  # the last step of a chain, unless a later one is asked for
READS = {  # the steps whose outputs each step reads
    "generate": (),
    "build": ("generate",),
    "render": ("build",),
    "train": ("render",),
    "evaluate": ("build", "render", "train"),
    "improve": ("build", "render", "train", "evaluate"),
}
GROUND = ("common", "host", "trace", "runs")  # rooms that every step depends on
ROOMS = {  # rooms whose code decides what each step writes: its own, and those it imports
    "generate": ("tasks", "store"),
    "build": ("dataset", "tasks", "store"),
    "render": ("render", "dataset", "models"),
    "train": ("train", "dataset", "models", "render"),
    "evaluate": ("evaluate", "dataset", "models", "render", "tasks"),
    "improve": ("improve", "evaluate", "train", "dataset", "models", "render", "store", "tasks"),
}
KEPT = (
    "checkpoints",
    "metrics.jsonl",
    "tensorboard",
    "answers",
    "rounds",
    "key",
)  # needed to resume
_LONGEST = 1_000  # characters of the path from a step's folder to another's
_LONGEST_PART = 255  # bytes of a name, on all usual file systems
SKIPPED = "skipped.txt"  # in the folder of generate: which records an import left out, and why
_NO_OUTPUT = (
    "result.json",
    SKIPPED,  # names the imported files by their paths, and nothing reads it
    "model/README.md",  # evaluation adds the scores to the model card
)


def stem(step: str) -> str:
    """Return the name of a step's notebook and of its folder: the step with its number.

    Example:
      >>> stem("train")
      '4_train'
    """
    return f"{STEPS.index(step) + 1}_{step}"


def notebook_of(step: str) -> Path:
    """Return the path of a step's notebook, as this package ships it."""
    return paths.NOTEBOOKS / f"{stem(step)}.ipynb"


def before(step: str) -> str | None:
    """Return the step before this one, or None for the first."""
    place = STEPS.index(step)
    return STEPS[place - 1] if place else None


def outputs(folder: Path) -> dict[str, str]:
    """Hash every file that a step wrote: relative path -> sha256.

    Leave out `result.json`; files that the step needs only to resume; the list of skipped records,
    because it has the paths of the imported files, and the same file may be imported by another
    path; and the model card, because evaluation adds the scores to it later.
    """
    return {
        str(path.relative_to(folder)): files.sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and path.relative_to(folder).parts[0] not in KEPT
        and path.relative_to(folder).as_posix() not in _NO_OUTPUT
        and not path.name.endswith(".tmp")
    }


class MadeFrom(TypedDict):
    """An earlier step, whose outputs a later step used as its input.

    Attributes:
      folder: the earlier step's folder, relative to the folder of the step that read it.
      sha256: the hash of the earlier step's outputs.
    """

    folder: str
    sha256: str


# What Pydantic reads instead of its `with_config`, which would load it with the command line.
_STRICT = {"strict": True}


class _Made(typing_extensions.TypedDict):
    __pydantic_config__ = _STRICT  # type: ignore[misc]

    folder: str
    sha256: str


class _Parts(typing_extensions.TypedDict):
    """The fields of `result.json` that are read of any run, old or damaged, and so are checked."""

    __pydantic_config__ = _STRICT  # type: ignore[misc]

    version: NotRequired[str]
    inputs: dict[str, _Made]
    outputs: dict[str, str]
    traces: NotRequired[int]
    split: NotRequired[dict[str, int]]
    examples: NotRequired[dict[str, int]]
    rejected: NotRequired[dict[str, int]]
    read_otherwise: NotRequired[int]
    steps: NotRequired[int]


class Result(TypedDict, total=False):
    """The content of a step's `result.json`.

    Every step writes the first four fields. Each other field is from the step that is named with
    it. The sides of a dataset are `train` and `eval`.

    Attributes:
      step: the name of the step.
      version: the version of this package.
      inputs: the earlier steps whose outputs the step read, by step name.
      outputs: relative path -> sha256 of each file that the step wrote.
      traces: the number of traces in the store, from generate.
      imported: a line about each file that was imported, from generate; missing without IMPORT.
      dataset, split: the key of the dataset, and side -> number of traces, from build.
      examples, rows: side -> number of examples, and the number of packed rows, from render.
      rejected: reason -> number of traces left out for this reason, from build and render.
      read_otherwise: the number of responses whose text parses into other steps than the trace has,
        from render.
      steps, eval_loss: the steps trained and the last held-out loss, from train.
      base, card: the folder of the base model, and the facts of the model card, from train.
      before, after: the scorecards before and after training, from evaluate.
    """

    step: str
    version: str
    inputs: dict[str, MadeFrom]
    outputs: dict[str, str]
    traces: int
    imported: list[str]
    dataset: str
    split: dict[str, int]
    examples: dict[str, int]
    rows: int
    rejected: dict[str, int]
    read_otherwise: int
    steps: int
    eval_loss: float
    base: str
    card: dict[str, Any]
    before: dict[str, Any]
    after: dict[str, Any]


def checkpoints(folder: Path) -> list[Path]:
    """List the complete checkpoints in a folder, oldest first.

    The name of a complete one is its training step; Orbax gives an incomplete one a longer name.

    Example:
      >>> import tempfile
      >>> folder = Path(tempfile.mkdtemp())
      >>> for name in ("20", "100", "120.orbax-checkpoint-tmp"):
      ...     (folder / name).mkdir()
      >>> [path.name for path in checkpoints(folder)]
      ['20', '100']
    """
    found = [path for path in folder.glob("*") if path.name.isdecimal()]
    return sorted(found, key=lambda path: int(path.name))


def is_interrupted(folder: Path) -> bool:
    """Tell whether a step's folder has the checkpoints of a training that was interrupted."""
    path = folder / "checkpoints" / "run.json"
    told = files.read_json(path) if path.exists() else None
    return isinstance(told, dict) and not told.get("complete")


def is_taken(folder: Path) -> bool:
    """Tell whether a folder holds a run that was not made from a Tunix job (a YAML file).

    The `run.json` in the folder says what its run was made from. If there is none, the folder holds
    such a run if it has an output folder or an executed notebook of any step.
    """
    if (folder / "run.json").exists():
        told = files.read_json(folder / "run.json")
        return not (isinstance(told, dict) and told.get("job"))
    stems = tuple(stem(step) for step in STEPS)
    return any(path.name.startswith(stems) for path in folder.glob("*"))


def newest(step: str) -> Path | None:
    """Return the folder of a step's newest complete output in any run; None if there is none."""
    found = (paths.home() / "runs").glob(f"*/{stem(step)}/result.json")
    last = max(found, key=lambda path: (path.stat().st_mtime_ns, str(path.parent)), default=None)
    return last and last.parent


def lineage(
    step: str, folder: Path, read: Callable[[Path], Result] | None = None
) -> dict[str, Path]:
    """Return the folders of a complete step and of every step it depends on: step name -> folder.

    Args:
      step: the name of the step.
      folder: the folder of the step.
      read: `result`, or a function that remembers what `result` returned.

    Raises:
      InputError: one of these steps is not complete, or was run again and wrote other outputs than
        the next step had read.
    """
    read = read or cache(result)  # several steps read the same one

    @cache
    def walk(step: str, folder: Path) -> dict[str, Path]:
        found = {step: folder}
        for name, made in read(folder)["inputs"].items():
            source = _source(step, folder, name, made)
            if files.digest(read(source)["outputs"]) != made["sha256"]:
                raise InputError(
                    f"{folder}: was made from another version of {source.name}, run {folder.name}"
                    " again"
                )
            found = walk(name, source) | found
        return found

    return walk(step, folder)


def _source(step: str, folder: Path, name: str, made: MadeFrom) -> Path:
    """Return the folder of the earlier step `name`, which `step` in `folder` was made from.

    Raises:
      InputError: `step` reads no such step, or what `made` names as its folder is no path.
    """
    path = folder / "result.json"
    if name not in READS[step]:  # a loop would never end
        raise InputError(f"{path}: inputs: {one_line(name, 60)!r} is no input of {step}")
    if not _is_path(made["folder"]):
        raise InputError(f"{path}: inputs: {name}: is no path, run {folder.name} again")
    return (folder / made["folder"]).resolve()


def _is_path(text: str) -> bool:
    """Tell whether a text can be a path: it is printable, and neither it nor a part is too long."""
    if not text.isprintable() or len(text) > _LONGEST:
        return False
    return all(len(part.encode()) <= _LONGEST_PART for part in Path(text).parts)


def result(folder: Path) -> Result:
    """Read the `result.json` of a complete step; raise `InputError` if it is missing or damaged."""
    path = folder / "result.json"
    if not path.exists():
        step = folder.name
        raise InputError(f"{path}: is missing, run {step}.ipynb (or `tunix-rt-nb run`) first")
    found: Any = files.read_json(path)
    if not isinstance(found, dict) or not {"inputs", "outputs"} <= found.keys():
        raise InputError(f"{path}: is damaged, run {folder.name}.ipynb again")
    checked(_Parts, found, f"{path}: ")
    return cast("Result", found)


def content_hash(folder: Path) -> str:
    """Return one hash over all outputs of a complete step."""
    return files.digest(result(folder)["outputs"])
