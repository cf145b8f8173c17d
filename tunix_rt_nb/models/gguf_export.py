"""Export of a model folder as a GGUF file, the format of llama.cpp.

The names of settings and tensors are those that llama.cpp's own converter writes. `gguf_file` reads
such a file back.

Source: https://github.com/ggml-org/llama.cpp/blob/master/convert_hf_to_gguf.py
"""

import math
import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from tunix_rt_nb.common import InputError, files, one_line, unknown
from tunix_rt_nb.models import (
    architecture,
    folder as folders,
    hf_names,
    pieces,
    tokenizer_files,
    weights,
)
from tunix_rt_nb.models.gguf_file import LARGEST, NAMES
from tunix_rt_nb.models.tokenizer import BOS, EOS, PAD, UNK, Tokenizer

KINDS = {
    "f32": (gguf.GGMLQuantizationType.F32, gguf.LlamaFileType.ALL_F32),
    "f16": (gguf.GGMLQuantizationType.F16, gguf.LlamaFileType.MOSTLY_F16),
    "q8_0": (gguf.GGMLQuantizationType.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0),
}
_FAMILIES = {"gemma3_text": "gemma3", "gemma2": "gemma2"}
_THEIRS = {ours: theirs for theirs, ours in NAMES.items()}
_EMBEDDING = "token_embd.weight"
_BLOCK = 32  # numbers of a row that share a scale in Q8_0
_QUANTISATION_VERSION = 2


def write_gguf(folder: Path, path: Path, kind: str = "f16") -> Path:
    """Write a model folder as one GGUF file, which llama.cpp loads; return the path of the file.

    The file holds the settings, the weights, the tokenizer and the chat template. Norms stay in
    float32, as in llama.cpp's own files. Only one tensor at a time is in memory.

    Args:
      folder: the model folder.
      path: the file to write.
      kind: the type of the matrices, a key of `KINDS`: f32, f16, or q8_0 with 8 bits a number. If
        the rows of a matrix are no multiple of 32 numbers, it is written as f16 instead of q8_0.

    Raises:
      InputError: `kind` is unknown; the folder holds no Gemma 2 or 3, or one that llama.cpp would
        compute in another way; a weight is too large for f16; or the file cannot be written.
    """
    if kind not in KINDS:
        raise unknown("type", kind, KINDS)
    config, tokenizer = folders.described(folder)
    settings = architecture.written(config, "float32")
    _check(folder, settings)
    found = weights.find(folder, hf_names.shapes(config))
    with files.draft(path.parent) as draft:
        with closing(gguf.GGUFWriter(draft.path, _FAMILIES[settings["model_type"]])) as writer:
            writer.add_file_type(KINDS[kind][1])
            writer.add_quantization_version(_QUANTISATION_VERSION)
            _add_settings(writer, settings)
            _add_tokenizer(writer, tokenizer)
            _write(writer, found, len(tokenizer), kind)
        draft.publish(path)
    return path


def _check(folder: Path, settings: Mapping[str, Any]) -> None:
    """Raise `InputError` if llama.cpp would compute the model in another way than its settings."""
    for name, value in _known(settings).items():
        if settings[name] != value:
            raise InputError(
                f"{folder / 'config.json'}: {name}: {one_line(repr(settings[name]), 80)}, but"
                f" llama.cpp takes {one_line(repr(value), 80)} for such a model, so it cannot be"
                " written as GGUF"
            )


def _known(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that llama.cpp knows by a model's family and size, not from the file."""
    layers, heads = settings["num_hidden_layers"], settings["num_attention_heads"]
    each = settings["hidden_size"] // heads
    known = {"query_pre_attn_scalar": each if layers in LARGEST else settings["head_dim"]}
    if settings["model_type"] == "gemma2":
        kinds = "sliding_attention", "full_attention"
        known["layer_types"] = [kinds[n % 2] for n in range(layers)]
        # A cap has a place in the file, but "no cap" has none.
        known["attn_logit_softcapping"] = settings["attn_logit_softcapping"] or 50.0
        known["final_logit_softcapping"] = settings["final_logit_softcapping"] or 30.0
    return known


def _add_settings(writer: gguf.GGUFWriter, settings: Mapping[str, Any]) -> None:
    # llama.cpp fails on a Gemma 3 without any layer of full attention. Within the window, sliding
    # attention is full attention, so such a model is written without one, and no longer text.
    near_only = "full_attention" not in settings["layer_types"]
    window = settings["sliding_window"]
    writer.add_context_length(window if near_only else settings["max_position_embeddings"])
    writer.add_embedding_length(settings["hidden_size"])
    writer.add_block_count(settings["num_hidden_layers"])
    writer.add_feed_forward_length(settings["intermediate_size"])
    writer.add_head_count(settings["num_attention_heads"])
    writer.add_head_count_kv(settings["num_key_value_heads"])
    writer.add_key_length(settings["head_dim"])
    writer.add_value_length(settings["head_dim"])
    writer.add_layer_norm_rms_eps(settings["rms_norm_eps"])
    near = settings.get("rope_local_base_freq", settings["rope_theta"])
    writer.add_rope_freq_base(near if near_only else settings["rope_theta"])
    writer.add_rope_freq_base_swa(near)
    if not near_only:
        writer.add_sliding_window(window)
    scaling = None if near_only else settings.get("rope_scaling")
    if scaling:
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(scaling["factor"])
    if cap := settings.get("attn_logit_softcapping"):
        writer.add_attn_logit_softcapping(cap)
    if cap := settings.get("final_logit_softcapping"):
        writer.add_final_logit_softcapping(cap)


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    """Add the vocabulary, the control tokens by their roles, and the chat template."""
    every, steering = list(pieces.read(tokenizer.model)), tokenizer_files.special(tokenizer)
    writer.add_tokenizer_model("llama")  # llama.cpp's name for SentencePiece
    writer.add_tokenizer_pre("default")
    writer.add_token_list([_text(piece) for piece in every])
    writer.add_token_scores([piece.score for piece in every])
    writer.add_token_types([_kind(piece, steering) for piece in every])
    writer.add_bos_token_id(BOS)
    writer.add_eos_token_id(EOS)
    writer.add_unk_token_id(UNK)
    writer.add_pad_token_id(PAD)
    if stops := [tokenizer.control(stop) for stop in tokenizer_files.stops(tokenizer)]:
        writer.add_eot_token_id(stops[0])
    told = tokenizer_files.settings(tokenizer)
    writer.add_add_bos_token(told["add_bos_token"])
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)
    if "chat_template" in told:
        writer.add_chat_template(told["chat_template"])


def _text(piece: pieces.Piece) -> bytes:
    """Return the text of a piece; llama.cpp wants real spaces in the USER_DEFINED ones."""
    spaced = piece.kind == pieces.USER_DEFINED
    return (piece.text.replace("▁", " ") if spaced else piece.text).encode()


def _kind(piece: pieces.Piece, steering: set[str]) -> int:
    """Return the kind of a piece: llama.cpp never finds a CONTROL piece in the text of a user."""
    return pieces.CONTROL if piece.text in steering - {"<unk>"} else piece.kind


def _write(
    writer: gguf.GGUFWriter, found: Mapping[str, weights.Tensor], vocabulary: int, kind: str
) -> None:
    """Write the head of the file, then one tensor after the other.

    Args:
      writer: the writer, which has all settings.
      found: Transformers' name of each tensor -> where it is.
      vocabulary: the number of tokens. The embeddings after them, which Gemma 3 4B has for images,
        are left out, as llama.cpp demands.
      kind: the type of the matrices.
    """
    every = {_name(name): tensor for name, tensor in found.items()}
    for name, tensor in every.items():
        shape = (vocabulary, tensor.shape[1]) if name == _EMBEDDING else tensor.shape
        quantised = _type(shape, kind)
        size = math.prod(gguf.quant_shape_to_byte_shape(shape, quantised))
        writer.add_tensor_info(name, shape, np.dtype(np.float32), size, quantised)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for name, tensor in every.items():
        values = weights.read(tensor).astype(np.float32)
        values = values[:vocabulary] if name == _EMBEDDING else values
        writer.write_tensor_data(_quantised(tensor, values, _type(values.shape, kind)))


def _name(name: str) -> str:
    """Return llama.cpp's name of a tensor.

    Example:
      >>> _name("model.layers.3.mlp.up_proj.weight"), _name("model.norm.weight")
      ('blk.3.ffn_up.weight', 'output_norm.weight')
    """
    *outer, module = re.split(r"^(\d+)\.", name.removeprefix("model.").removeprefix("layers."))
    layer = f"blk.{outer[1]}." if outer else ""
    return f"{layer}{_THEIRS[module.removesuffix('.weight')]}.weight"


def _type(shape: Sequence[int], kind: str) -> gguf.GGMLQuantizationType:
    """Return the type that a tensor of this shape is written in."""
    if len(shape) == 1:
        return gguf.GGMLQuantizationType.F32
    whole = shape[-1] % _BLOCK == 0 or kind != "q8_0"
    return KINDS[kind if whole else "f16"][0]


def _quantised(
    tensor: weights.Tensor, values: np.ndarray, kind: gguf.GGMLQuantizationType
) -> np.ndarray:
    """Return the values of a tensor, float32, as the file holds them.

    For the scale of a norm, llama.cpp stores 1 + w and Hugging Face stores w.

    Raises:
      InputError: a value is too large for f16.
    """
    if values.ndim == 1:
        return values + 1
    with np.errstate(over="ignore"):
        found = gguf.quantize(np.ascontiguousarray(values), kind)
    if kind == gguf.GGMLQuantizationType.F16 and not weights.is_finite(found):
        raise InputError(f"{tensor.path}: {tensor.name} has values too large for f16, use f32")
    return found
