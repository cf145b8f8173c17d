"""Export of a model folder as an Orbax checkpoint in the layout of Google's checkpoints of Gemma.

Tunix's own code loads it. For Gemma 3 that is `create_model_from_checkpoint` in
`tunix.models.gemma3.params`. For Gemma 2 it is `load_and_format_params` in
`tunix.models.gemma.params`, and the layout is the one that Tunix 0.1.7 reads.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import orbax.checkpoint as ocp
from tunix.models.gemma3 import model as gemma3

from tunix_rt_nb.common import InputError, files
from tunix_rt_nb.models import folder as folders, hf_names

_LAYER = re.compile(r"^layers\.(\d+)\.")


def write_orbax(folder: Path, target: Path) -> Path:
    """Write a model folder as an Orbax checkpoint; return its folder.

    `tokenizer.model` is not part of the checkpoint and stays where it is.

    Args:
      folder: the model folder.
      target: the folder to write; it must not exist, or be empty.

    Raises:
      InputError: `folder` holds no Gemma 2 or 3; or `target` holds something, or cannot be written.
    """
    if target.is_dir() and not any(target.iterdir()):
        target.rmdir()
    if target.exists():
        raise InputError(f"{target}: exists already, expected a new folder")
    model, _ = folders.load(folder)
    weights = {path: np.asarray(weight) for path, weight in hf_names.by_path(model).items()}
    told = _checkpoint(weights, isinstance(model, gemma3.Gemma3))
    try:
        with ocp.StandardCheckpointer() as checkpointer:
            checkpointer.save(target.absolute(), told)
    except OSError as error:
        raise files.unwritable(target, error) from None
    return target


def _checkpoint(
    weights: Mapping[str, np.ndarray], of_gemma3: bool
) -> dict[str, dict[str, np.ndarray]]:
    """Return the content of a checkpoint: name of a module -> name of a parameter -> array.

    Args:
      weights: path in Tunix's model -> array.
      of_gemma3: True for a Gemma 3, False for a Gemma 2.
    """
    found: dict[str, dict[str, np.ndarray]] = {}
    for path, weight in weights.items():
        module, parameter = _place(path)
        found.setdefault(module, {})[parameter] = weight
    for module in [name for name in found if name.endswith("/mlp")]:
        kernels = found.pop(module)
        gates = [kernels[name] for name in ("gate_proj.kernel", "up_proj.kernel")]
        # For Gemma 3, Tunix transposes each of the two matrices as it loads them.
        gating = np.stack([gate.T if of_gemma3 else gate for gate in gates])
        found[f"{module}/gating_einsum"] = {"w": gating}
        found[f"{module}/linear"] = {"w": kernels["down_proj.kernel"]}
    return found


def _place(path: str) -> tuple[str, str]:
    """Return where the checkpoint has a weight: the name of its module and of the parameter.

    Example:
      >>> _place("layers.7.attn.q_einsum.w"), _place("layers.7.mlp.up_proj.kernel")
      (('transformer/layer_7/attn/q_einsum', 'w'), ('transformer/layer_7/mlp', 'up_proj.kernel'))
    """
    named = _LAYER.sub(r"layer_\1.", path).replace("post_attn_norm", "post_attention_norm")
    parts = named.split(".")
    outer = 2 if parts[1] == "mlp" else len(parts) - 1
    return "/".join(["transformer", *parts[:outer]]), ".".join(parts[outer:])
