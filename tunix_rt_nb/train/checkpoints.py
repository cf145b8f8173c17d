"""Checkpoints of a run: the latest ones, to resume from, and the best weights so far.

checkpoints/
  run.json           the run's settings, hashes of its rows and model, and whether it is complete
  last/              the two latest checkpoints, named by step: weights, optimiser, step count
  best.safetensors   the trained weights with the lowest held-out loss; that loss and its step
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
from flax import nnx
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from tunix_rt_nb import runs
from tunix_rt_nb.common import InputError, arrays, files, one_line
from tunix_rt_nb.models import hosts, lora
from tunix_rt_nb.render import Rows
from tunix_rt_nb.train.batches import Feed, hash_of_rows
from tunix_rt_nb.train.config import SftConfig

_OTHER = {  # fields that an identity holds only as a hash
    "rows": "on other data",
    "eval_rows": "with other held-out data",
    "model": "with another model",
}
_FULL = ("No space left", "File too large", "Disk quota")  # how systems report a full disk


def identity(config: SftConfig, feed: Feed, eval_rows: Rows, model: nnx.Module) -> dict[str, Any]:
    """Return what identifies a run: its settings, its batches, and hashes of the rest.

    A run resumes only from checkpoints of a run with the same identity.
    """
    return {
        **config.model_dump(),
        **feed.identity(),
        "eval_rows": hash_of_rows(eval_rows),
        "model": _hash_of_model(model),
        "lora_scale": model.lora_scale if lora.is_applied(model) else None,
    }


def _hash_of_model(model: nnx.Module) -> str:
    """Hash the names, shapes and types of trained weights, and the values of frozen weights."""
    # The values of trained weights come from the checkpoint, so only the rest has to agree.
    named = {name: [list(value.shape), str(value.dtype)] for name, value in trained(model).items()}
    # No checkpoint holds the frozen weights, so their values have to agree.
    frozen = nnx.state(model, nnx.All(nnx.Param, nnx.Not(nnx.LoRAParam)))
    held = jax.tree.leaves(frozen) if lora.is_applied(model) else []
    return arrays.sha256(map(hosts.whole, held), files.digest(named).encode())


def claim(folder: Path, run: dict[str, Any]) -> Path:
    """Record in a checkpoint folder which run uses it; return the subfolder for new checkpoints.

    Keep the checkpoints of a run with the same identity, to resume from. Remove the files of
    another run if that run is complete or has no checkpoint to resume from.

    Args:
      folder: the checkpoint folder.
      run: what identifies the run, from `identity`.

    Raises:
      InputError: another run was interrupted here; the message says what is different.
    """
    files.sweep(folder)
    path = folder / "run.json"
    found = files.read_json(path) if path.exists() else {}
    if found and not (isinstance(found, dict) and isinstance(found.get("run"), dict)):
        raise InputError(f"{path}: is damaged, remove the folder {folder} to start again")
    if found and (different := _different(found["run"], run)):
        # Another run gives way if it is complete or has nothing to resume from.
        if not found.get("complete") and listing(folder):
            raise InputError(f"{folder}: {_told(found['run'], run, different)}")
        shutil.rmtree(folder)
    # A run with the same identity keeps its checkpoints. Tunix restores the latest one in the
    # folder returned here; its step count says which batch comes next.
    files.write_json(path, {"complete": False, "run": run})
    return folder / "last"


def complete(folder: Path, run: dict[str, Any]) -> None:
    """Record that a run is complete, so that another run may replace its checkpoints.

    Args:
      folder: the checkpoint folder.
      run: what identifies the run, from `identity`.
    """
    files.write_json(folder / "run.json", {"complete": True, "run": run})


def _different(found: dict[str, Any], run: dict[str, Any]) -> str | None:
    """Return the first field in which two identities differ; None if `run` can resume `found`.

    Fields that do not change how weights are trained may differ.

    Args:
      found: the identity of the run whose checkpoints were found.
      run: the identity of the run that wants to resume.
    """
    # These fields do not change how the weights are trained, so they may differ.
    free = {"checkpoint_every", "keep"}
    if not run["patience"] and run["keep"] == "last":  # then no held-out loss changes the result
        free.add("eval_every")
    return next((name for name in run if name not in free and found.get(name) != run[name]), None)


def _told(found: dict[str, Any], run: dict[str, Any], name: str) -> str:
    of = _OTHER.get(name, f"with {name} {found.get(name)}")
    with_this = "" if name in _OTHER else f" with {name} {run[name]}"
    told = f"holds checkpoints of an interrupted run {of} and cannot resume it{with_this}"
    return f"{told}: remove the folder to start again"


@contextmanager
def readable(folder: Path) -> Iterator[None]:
    """Turn an error of a `with` block that restores a checkpoint into an `InputError`.

    The message says that the latest checkpoint is damaged. An error passes through unchanged if it
    is an `InputError` already, if the disk is full, or if there is no checkpoint.

    Args:
      folder: the folder that the block restores a checkpoint from.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        steps = runs.checkpoints(folder)
        if not steps or is_full(error):
            raise
        told = one_line(str(error), 200)
        before = f"resume from step {steps[-2].name}" if len(steps) > 1 else "start again"
        raise InputError(f"{steps[-1]}: is damaged, remove it to {before}: {told}") from error


def is_full(error: BaseException) -> bool:
    """Tell whether an error comes from a full disk."""
    return any(word in str(error) for word in _FULL)


def trained(model: nnx.Module) -> dict[str, jax.Array]:
    """Return the trained weights by their dotted paths: the adapters if there are any, else all."""
    return {_name(path): x for path, x in jax.tree.leaves_with_path(_state(model))}


def trained_count(model: nnx.Module) -> int:
    """Count the trained parameters: those of the adapters if there are any, else all."""
    return sum(weights.size for weights in trained(model).values())


def _state(model: nnx.Module) -> nnx.State:
    return nnx.state(model, nnx.LoRAParam if lora.is_applied(model) else nnx.Param)


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")


def save_best(folder: Path, model: nnx.Module, step: int, loss: float) -> None:
    """Save the trained weights as the best so far, with their step and held-out loss."""
    # Keep them aside from `last/`, where later checkpoints replace the one of this step.
    weights = hosts.gathered(trained(model))
    # Use one metadata entry only: safetensors would write several in a random order each time.
    told = json.dumps({"step": step, "eval_loss": loss})

    def write() -> None:
        with files.atomic(folder / "best.safetensors") as file:
            file.write(save(weights, {"best": told}))

    hosts.first(write)


def listing(folder: Path) -> list[dict[str, str | int]]:
    """List the checkpoints in `last/`, then the best weights, as records for a table.

    Each record has a `step` and a `checkpoint`. `checkpoint` is `last` or `the one before` for
    those in `last/`, and a text such as `best, held-out loss 0.1234` for the best weights.
    """
    steps = [int(path.name) for path in runs.checkpoints(folder / "last")]
    found: list[dict[str, str | int]] = [
        {"checkpoint": "last" if step == steps[-1] else "the one before", "step": step}
        for step in steps
    ]
    if (path := folder / "best.safetensors").exists():
        with _best(path) as file:
            step, loss = _told_of_best(file)
        found.append({"checkpoint": f"best, held-out loss {loss:.4f}", "step": step})
    return found


@contextmanager
def _best(path: Path) -> Iterator[Any]:
    """Open the file of the best weights; raise `InputError` if it is missing or damaged."""
    try:
        with safe_open(path, "numpy") as file:
            yield file
    except (OSError, SafetensorError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read: {one_line(str(error))}") from None


def _told_of_best(file: Any) -> tuple[int, float]:
    """Return the step and the held-out loss of the best weights."""
    told = json.loads(file.metadata()["best"])
    return int(told["step"]), float(told["eval_loss"])


def load_best(folder: Path, model: nnx.Module) -> int:
    """Put the best weights into the model.

    Returns:
      The step after which they were saved.

    Raises:
      InputError: there are no best weights, or their file is damaged.
    """
    path = folder / "best.safetensors"
    with _best(path) as file:

        def read(path: Any, x: jax.Array) -> jax.Array:
            # Read one weight at a time, straight to the devices of the one that it replaces.
            found = file.get_tensor(_name(path))
            if (found.shape, found.dtype) != (x.shape, x.dtype):
                raise ValueError(f"{_name(path)}: has another shape or type than the model's")
            return hosts.put(found, x.sharding)

        nnx.update(model, jax.tree.map_with_path(read, _state(model)))
        step, _ = _told_of_best(file)
    return step
