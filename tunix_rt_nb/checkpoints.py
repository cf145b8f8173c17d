"""What a run leaves to go on from: its last checkpoints, and the best weights so far.

checkpoints/
  run.json           what the weights depend on: the configuration, the rows, the model
  last/              the last two checkpoints, by step: weights, optimiser, step
  best.safetensors   the trained weights with the lowest held-out loss, and that loss
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from tunix_rt_nb import files, lora
from tunix_rt_nb.config import SftConfig
from tunix_rt_nb.errors import InputError
from tunix_rt_nb.packing import Rows
from tunix_rt_nb.text import one_line

_OF_NO_WEIGHT = {"checkpoint_every", "eval_every", "keep"}  # a run may go on with others
_FULL = ("No space left", "File too large", "Disk quota")  # what systems say


def identity(config: SftConfig, rows: Rows, model: nnx.Module) -> dict[str, Any]:
    """What the weights of a run depend on."""
    content = hashlib.sha256()
    for array in (rows.order, rows.ends, rows.examples.index, rows.examples.tokens):
        content.update(np.ascontiguousarray(array).view(np.uint8).data)
    return {
        **config.model_dump(exclude=_OF_NO_WEIGHT),
        "max_length": rows.length,
        "rows": content.hexdigest(),
        "model": _shapes(model),
    }


def _shapes(model: nnx.Module) -> str:
    """A hash of which weights there are, and which of them are trained."""
    named = {name: [list(value.shape), str(value.dtype)] for name, value in trained(model).items()}
    return files.digest(named)


def claim(folder: Path, run: dict[str, Any]) -> Path:
    """The folder of the last checkpoints of a run; those of one that is complete are removed.

    Raises:
      InputError: another run was interrupted here; says what is different.
    """
    path = folder / "run.json"
    found = files.read_json(path) if path.exists() else {}
    if found.get("complete") and found["run"] != run:
        shutil.rmtree(folder)
    elif found and found["run"] != run:
        raise InputError(f"{folder}: {_difference(found['run'], run)}; remove it to start anew")
    folder.mkdir(parents=True, exist_ok=True)
    if not found or found["run"] != run:
        files.write_json(path, {"complete": False, "run": run})
    return folder / "last"


def complete(folder: Path, run: dict[str, Any]) -> None:
    """Notes that a run is complete: another may take its place."""
    files.write_json(folder / "run.json", {"complete": True, "run": run})


def _difference(found: dict[str, Any], run: dict[str, Any]) -> str:
    name = next(name for name in run if found.get(name) != run[name])
    if name in ("rows", "model"):
        what = "on other data" if name == "rows" else "with another model"
        return f"an interrupted run {what} was here and cannot go on"
    return (
        f"an interrupted run with {name} {found.get(name)} was here and cannot go on with {name}"
        f" {run[name]}"
    )


@contextmanager
def readable(folder: Path) -> Iterator[None]:
    """Says which checkpoint is damaged where one cannot be read."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        steps = sorted((path for path in folder.glob("[0-9]*")), key=lambda path: int(path.name))
        if not steps or is_full(error):
            raise
        told = one_line(str(error), 200)
        before = f"go on from step {steps[-2].name}" if len(steps) > 1 else "start anew"
        raise InputError(f"{steps[-1]}: is damaged, remove it to {before}: {told}") from error


def is_full(error: BaseException) -> bool:
    """Whether an error comes of a full disk."""
    return any(word in str(error) for word in _FULL)


def trained(model: nnx.Module) -> dict[str, jax.Array]:
    """The weights that are trained, by their paths: all, or those of the adapters."""
    return {_name(path): x for path, x in jax.tree.leaves_with_path(_state(model))}


def _state(model: nnx.Module) -> nnx.State:
    return nnx.state(model, nnx.LoRAParam if lora.is_applied(model) else nnx.Param)


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")


def save_best(folder: Path, model: nnx.Module, step: int, loss: float) -> None:
    """Keeps the trained weights as the best so far."""
    weights = {name: np.asarray(x) for name, x in trained(model).items()}
    # One entry only: safetensors writes several in an order that is drawn anew each time.
    told = json.dumps({"step": step, "eval_loss": loss})
    with files.atomic(folder / "best.safetensors") as file:
        file.write(save(weights, {"best": told}))


def listing(folder: Path) -> list[dict[str, Any]]:
    """What there is to go on from or to go back to: the steps, and the best one's loss."""
    steps = sorted(int(path.name) for path in (folder / "last").glob("[0-9]*"))
    found: list[dict[str, Any]] = [{"checkpoint": "last", "step": step} for step in steps]
    if (path := folder / "best.safetensors").exists():
        with safe_open(path, "numpy") as file:
            told = json.loads(file.metadata()["best"])
        loss = f"held-out loss {told['eval_loss']:.4f}"
        found.append({"checkpoint": f"best, {loss}", "step": told["step"]})
    return found


def load_best(folder: Path, model: nnx.Module) -> int:
    """Puts the best weights into the model.

    Returns:
      The step that they are of.

    Raises:
      InputError: there are none, or the file is damaged.
    """
    path = folder / "best.safetensors"
    try:
        with safe_open(path, "numpy") as file:

            def read(path: Any, x: jax.Array) -> jax.Array:
                return jax.device_put(file.get_tensor(_name(path)), x.sharding)

            nnx.update(model, jax.tree.map_with_path(read, _state(model)))
            return json.loads(file.metadata()["best"])["step"]
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: cannot be read: {one_line(str(error))}") from None
