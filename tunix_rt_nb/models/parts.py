"""The files that a model folder consists of, and what to do if one is missing."""

import re
from pathlib import Path
from typing import Any

from tunix_rt_nb.common import InputError, files, one_line

INDEX = "model.safetensors.index.json"
_SHARD = re.compile(r"[A-Za-z0-9_. +=-]{1,200}\.safetensors")
_MOST_JSON = 16 << 20  # bytes; parsed, they take 20 times the memory


def weight_files(folder: Path) -> list[Path]:
    """List the safetensors files of a model's weights; leave out adapters in the same folder."""
    found = sorted(folder.glob("*.safetensors"))
    return [path for path in found if path.is_file() and not path.name.startswith("adapter_")]


def settings(path: Path) -> dict[str, Any]:
    """Read a JSON file of a model folder; raise `InputError` unless it holds an object."""
    return files.json_object(files.content(path, _MOST_JSON), f"{path}: ")


def shards(folder: Path) -> dict[str, str]:
    """Read model.safetensors.index.json: name of each tensor -> name of its file.

    Return {} if the model folder has no index, because all its tensors are in one file.

    Raises:
      InputError: the index is damaged, or names a file outside the folder.
    """
    path = folder / INDEX
    if not path.exists():
        return {}
    named = settings(path).get("weight_map")
    if not isinstance(named, dict):
        raise InputError(f"{path}: has no weight_map from tensors to files")
    for name in named.values():
        if not isinstance(name, str) or not _SHARD.fullmatch(name):
            found = one_line(repr(name), 80)
            raise InputError(
                f"{path}: weight_map: {found}, expected the name of a safetensors file"
            )
    return named


def missing(folder: Path) -> str | None:
    """Return the name of the first file that a model folder lacks; None if it is complete.

    Raises:
      InputError: the folder's model.safetensors.index.json is damaged.
    """
    one = next((path.name for path in weight_files(folder)), "model.safetensors")
    needed = ["config.json", "tokenizer.model", *(sorted({*shards(folder).values()}) or [one])]
    return next((name for name in needed if not (folder / name).is_file()), None)


def remedy(folder: Path, lacks: str) -> str:
    """Return the end of an error message: what to do about a model folder that lacks a file.

    Args:
      folder: the folder.
      lacks: the name of the missing file.

    Returns:
      Text to append to the name of the missing file. It is empty unless another file in the folder
      shows why the first is missing, as `adapter_config.json` or a GGUF file does.
    """
    if lacks == "tokenizer.model" and (folder / "tokenizer.json").exists():
        return (
            ", which tokenizer.json does not replace: copy it from the base model, such as"
            " google/gemma-3-270m on huggingface.co"
        )
    if lacks != "tokenizer.model" and (folder / "adapter_config.json").exists():
        named = settings(folder / "adapter_config.json").get("base_model_name_or_path")
        base = one_line(named, 80) if isinstance(named, str) and named else "its base model"
        return (
            f": it is an adapter of {base}, merge it first: with the library PEFT,"
            f" AutoPeftModelForCausalLM.from_pretrained({str(folder)!r}).merge_and_unload()"
            f".save_pretrained('merged'), then copy tokenizer.model of {base} into merged"
        )
    if found := sorted(folder.glob("*.gguf")):
        return f": give the file {found[0]} in place of the folder"
    if lacks == "model.safetensors" and any(folder.glob("*.bin")):
        return (
            f": its weights are in PyTorch's format, convert them first: with the library"
            f" Transformers, AutoModelForCausalLM.from_pretrained({str(folder)!r})"
            f".save_pretrained('converted'), then copy tokenizer.model into converted"
        )
    return ""
