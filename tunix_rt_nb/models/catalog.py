"""The models known by name, and where their weights are.

This module imports nothing slow, so names can be checked before JAX is imported.
"""

from pathlib import Path
from typing import NamedTuple

from tunix_rt_nb.common import InputError, nearest, unknown


class Known(NamedTuple):
    """A model known by name.

    Attributes:
      name: its name in this package, such as `gemma3-1b`.
      family: its architecture, gemma3 or gemma2.
      hugging_face: its repository on the Hugging Face hub; empty if it is made from scratch.
      revision: the commit of that repository, so that a name always means the same bytes.
      kaggle: its handle on Kaggle, owner/model/framework/variation/version.
      gguf: True if a Python package contains its weights. Loading the model then needs no account
        at Kaggle or Hugging Face.
    """

    name: str
    family: str
    hugging_face: str
    revision: str
    kaggle: str
    gguf: bool = False


_GEMMA_3 = "google/gemma-3/transformers"
_GEMMA_2 = "google/gemma-2/transformers"

# Names without `-it` are pretrained models; names with it are tuned to follow instructions.
# gemma3-4b means the language part only. Its files also hold an image encoder, which is left out,
# so the model cannot be asked about images.
MODELS = {
    known.name: known
    for known in (
        Known("tiny", "gemma3", "", "", ""),
        Known(
            "gemma3-270m",
            "gemma3",
            "google/gemma-3-270m",
            "9b0cfec892e2bc2afd938c98eabe4e4a7b1e0ca1",
            f"{_GEMMA_3}/gemma-3-270m/2",
            gguf=True,
        ),
        Known(
            "gemma3-270m-it",
            "gemma3",
            "google/gemma-3-270m-it",
            "ac82b4e820549b854eebf28ce6dedaf9fdfa17b3",
            f"{_GEMMA_3}/gemma-3-270m-it/1",
        ),
        Known(
            "gemma3-1b",
            "gemma3",
            "google/gemma-3-1b-pt",
            "fcf18a2a879aab110ca39f8bffbccd5d49d8eb29",
            f"{_GEMMA_3}/gemma-3-1b-pt/1",
        ),
        Known(
            "gemma3-1b-it",
            "gemma3",
            "google/gemma-3-1b-it",
            "dcc83ea841ab6100d6b47a070329e1ba4cf78752",
            f"{_GEMMA_3}/gemma-3-1b-it/1",
        ),
        Known(
            "gemma3-4b",
            "gemma3",
            "google/gemma-3-4b-pt",
            "cc012e0a6d0787b4adcc0fa2c4da74402494554d",
            f"{_GEMMA_3}/gemma-3-4b-pt/1",
        ),
        Known(
            "gemma2-2b",
            "gemma2",
            "google/gemma-2-2b",
            "c5ebcd40d208330abc697524c919956e692655cf",
            f"{_GEMMA_2}/gemma-2-2b/2",
        ),
        Known(
            "gemma2-2b-it",
            "gemma2",
            "google/gemma-2-2b-it",
            "299a8560bedf22ed1c72a8a11e7dce4a7f9f51f8",
            f"{_GEMMA_2}/gemma-2-2b-it/2",
        ),
    )
}


def named(model: str) -> str:
    """Return the name in `MODELS` of a model that is given by its Hugging Face repository.

    Return any other name unchanged, and also the path of an existing folder or file.

    Example:
      >>> named("google/gemma-3-1b-it"), named("my/folder")
      ('gemma3-1b-it', 'my/folder')
    """
    if Path(model).exists():
        return model
    repositories = {known.hugging_face: known.name for known in MODELS.values()}
    return repositories.get(model, model) if model else model


def is_known(model: str) -> bool:
    """Tell whether `model` names a model in `MODELS`, or an existing folder or file.

    A model in `MODELS` may also be named by its Hugging Face repository.
    """
    try:
        return named(model) in MODELS or (model != "" and Path(model).exists())
    except OSError:  # too long for a path
        return False


def unknown_model(what: str, name: str) -> InputError:
    """Return the error for an unknown model; it suggests the nearest name or hub repository.

    Args:
      what: what names the model, such as `model`; the message begins with it.
      name: the unknown name.

    Example:
      >>> print(unknown_model("model", "google/gemma-3-1b-itt"))
      model: unknown 'google/gemma-3-1b-itt', did you mean google/gemma-3-1b-it?
    """
    if "/" not in name:
        return unknown(what, name, MODELS)
    repositories = [known.hugging_face for known in MODELS.values() if known.hugging_face]
    if nearest(name, repositories):
        return unknown(what, name, repositories)
    return InputError(f"{what}: {name} does not exist, known names: {', '.join(MODELS)}")


def get(name: str) -> Known:
    """Return the entry of a model in `MODELS`, by its name or its Hugging Face repository.

    Raises:
      InputError: unknown name; the message suggests the nearest one.

    Example:
      >>> get("gemma3-1b").hugging_face
      'google/gemma-3-1b-pt'
    """
    if named(name) not in MODELS:
        raise unknown_model("model", name)
    return MODELS[named(name)]
