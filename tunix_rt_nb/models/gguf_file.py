"""Conversion of a GGUF file to a model folder in Hugging Face's format.

GGUF is the format of llama.cpp: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md

This module also writes `tokenizer.model`, a protocol buffer. It encodes the file by hand instead of
with SentencePiece's protocol buffer classes, for two reasons. First, these classes work with few
versions of protobuf, as the module `pieces` explains. Second, they would write the trainer's
settings in another order than this module does. Datasets tokenised earlier keep a copy of the file,
and training refuses a dataset whose copy differs from the model's file in any byte.
"""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from tunix_rt_nb.common import InputError, files, one_line
from tunix_rt_nb.models import parts
from tunix_rt_nb.models.gguf_contents import FAMILIES, Contents
from tunix_rt_nb.models.tokenizer import Tokenizer

NAMES = {
    "token_embd": "embed_tokens",
    "output_norm": "norm",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "post_ffw_norm": "post_feedforward_layernorm",
}
LARGEST = (46, 62)  # layers of the 27B models, which scale queries by hidden_size / heads
_OF_GEMMA_3 = ("attn_q_norm", "attn_k_norm")
_OUTER = ("token_embd", "output_norm")
_SPECIAL = ["<pad>", "<eos>", "<bos>", "<unk>"]  # ids 0 to 3 in every Gemma
_UNKNOWN, _CONTROL, _USER_DEFINED = 2, 3, 4  # kinds of pieces, the same in GGUF and SentencePiece


def convert(path: Path, cache: Path) -> Path:
    """Convert a GGUF file to a model folder inside the folder `cache`; return the new folder.

    If an earlier call converted the same file, return that folder. The weights are written in
    float32, which can hold the values of every quantisation.

    Raises:
      InputError: the file is not GGUF, is cut off, or holds no Gemma 2 or 3 that Tunix supports; a
        weight is NaN or infinite; or the disk is full.
    """
    folder = cache / f"{path.stem}-{files.sha256(path)[:16]}"
    if parts.missing(folder) is None:
        return folder
    _write(Contents(path), folder)
    return folder


def _write(contents: Contents, folder: Path) -> None:
    """Write a model folder from a GGUF file; `config.json` comes last and marks completion."""
    names, config, tokenizer = _names(contents), _config(contents), _tokenizer(contents)
    _check(contents, names, config)
    files.sweep(folder)
    with files.atomic(folder / "model.safetensors") as file:  # first, as a weight may be refused
        _write_weights(contents, names, file)
    with files.atomic(folder / "tokenizer.model") as file:
        file.write(tokenizer)
    files.write_json(folder / "config.json", config)


def _check(contents: Contents, names: Mapping[str, str], config: dict[str, Any]) -> None:
    """Raise `InputError` unless Tunix supports the model, and all tensors have its shapes.

    Args:
      contents: the GGUF file.
      names: Hugging Face's name of each tensor -> its name in the GGUF file.
      config: the content of the model's config.json.
    """
    # These modules load JAX, which a model that was converted before does not need.
    from tunix_rt_nb.models import architecture, hf_names

    for name, shape in hf_names.shapes(architecture.parse(config, contents.path)).items():
        found = contents.tensors[names[name]].shape
        if found != shape:
            raise InputError(
                f"{contents.path}: {names[name]} has the shape {list(found)}, expected"
                f" {list(shape)} as its metadata says"
            )


def _write_weights(contents: Contents, names: Mapping[str, str], file: IO[bytes]) -> None:
    """Write a safetensors file one tensor at a time.

    The library `safetensors` would hold all tensors in memory, twice.

    Args:
      contents: the GGUF file.
      names: Hugging Face's name of each tensor -> its name in the GGUF file.
      file: the safetensors file, open for writing.

    Source: https://huggingface.co/docs/safetensors, "Format".
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, theirs in names.items():
        shape = contents.tensors[theirs].shape
        start, end = end, end + 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    for theirs in names.values():
        file.write(contents.values(theirs).data)


def _names(contents: Contents) -> dict[str, str]:
    """List the names of all tensors: Hugging Face's name -> name in the GGUF file.

    Raises:
      InputError: the file lacks a tensor, or has one that a model of its family does not have.
    """
    layers = contents.count("block_count")
    if layers > len(contents.tensors):
        raise InputError(
            f"{contents.path}: block_count: {layers}, but it has only {len(contents.tensors)}"
            " tensors, get the whole file"
        )
    inner = [name for name in NAMES if name not in _OUTER]
    if contents.family != "gemma3":
        inner = [name for name in inner if name not in _OF_GEMMA_3]
    wanted = {f"{name}.weight": f"model.{NAMES[name]}.weight" for name in _OUTER}
    for n in range(layers):
        for name in inner:
            wanted[f"blk.{n}.{name}.weight"] = f"model.layers.{n}.{NAMES[name]}.weight"
    for name in [*wanted, *contents.tensors]:
        contents.tensor(name)
        if name not in wanted:
            raise InputError(
                f"{contents.path}: has tensor {one_line(name, 80)}, which {contents.family} does"
                " not have"
            )
    return {name: theirs for theirs, name in wanted.items()}


def _config(contents: Contents) -> dict[str, Any]:
    """Build the content of Hugging Face's config.json for a GGUF file.

    A GGUF file leaves out settings that all models of a family, Gemma 2 or Gemma 3, share. This
    function adds them.

    Raises:
      InputError: the file lacks a setting that differs between the models of a family.
    """
    heads, hidden = contents.count("attention.head_count"), contents.count("embedding_length")
    layers, head_dim = contents.count("block_count"), contents.count("attention.key_length")
    longest = contents.count("context_length")
    config = {
        "architectures": [FAMILIES[contents.family]],
        "vocab_size": contents.tensor("token_embd.weight").shape[0],
        "hidden_size": hidden,
        "intermediate_size": contents.count("feed_forward_length"),
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": contents.count("attention.head_count_kv"),
        "head_dim": head_dim,
        "query_pre_attn_scalar": hidden // heads if layers in LARGEST else head_dim,
        "sliding_window": contents.count("attention.sliding_window", longest),
        "max_position_embeddings": longest,
        "hidden_activation": "gelu_pytorch_tanh",
        "attention_bias": False,
        "rms_norm_eps": round(contents.number("attention.layer_norm_rms_epsilon", 1e-6), 12),
        "pad_token_id": 0,
        "eos_token_id": contents.count("tokenizer.ggml.eos_token_id", 1),
        "bos_token_id": 2,
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
    }
    return config | (_of_gemma_3 if contents.family == "gemma3" else _of_gemma_2)(contents)


def _of_gemma_3(contents: Contents) -> dict[str, Any]:
    scaling = contents.number("rope.scaling.factor", 0)
    return {
        "model_type": "gemma3_text",
        "sliding_window_pattern": 6,  # five layers attend to a window, the sixth to everything
        "rope_theta": contents.number("rope.freq_base", 1_000_000.0),
        "rope_local_base_freq": contents.number("rope.freq_base_swa", 10_000.0),
        "rope_scaling": {"rope_type": "linear", "factor": scaling} if scaling else None,
        "attn_logit_softcapping": None,
        "final_logit_softcapping": None,
    }


def _of_gemma_2(contents: Contents) -> dict[str, Any]:
    return {
        "model_type": "gemma2",
        "rope_theta": contents.number("rope.freq_base", 10_000.0),
        "attn_logit_softcapping": contents.number("attn_logit_softcapping", 50.0),
        "final_logit_softcapping": contents.number("final_logit_softcapping", 30.0),
    }


def _tokenizer(contents: Contents) -> bytes:
    """Rebuild the content of `tokenizer.model` from the vocabulary in a GGUF file.

    The file has the text, score and kind of each piece (entry of the vocabulary).

    Raises:
      InputError: the file has no tokenizer of a Gemma, or a damaged one.
    """
    tokens = contents.need("tokenizer.ggml.tokens")
    if not isinstance(tokens, list) or tokens[: len(_SPECIAL)] != _SPECIAL:
        first = ", ".join(_SPECIAL)
        raise InputError(
            f"{contents.path}: has no Gemma tokenizer, expected one whose first pieces are {first}"
        )
    if len(tokens) > contents.tensor("token_embd.weight").shape[0]:
        raise InputError(
            f"{contents.path}: its tokenizer has more pieces, {len(tokens)}, than the model has"
            " embeddings"
        )
    scores, kinds = (contents.need(f"tokenizer.ggml.{key}") for key in ("scores", "token_type"))
    if not len(tokens) == np.size(scores) == np.size(kinds):
        raise InputError(
            f"{contents.path}: its tokenizer has different numbers of pieces, scores and kinds"
        )
    try:
        pieces = map(_piece, tokens, scores.tolist(), kinds.tolist())
        model = b"".join(_message(1, piece) for piece in pieces) + _HOW
        Tokenizer(model)
    except (AttributeError, InputError, TypeError, ValueError):
        raise InputError(
            f"{contents.path}: no tokenizer can be built from its vocabulary"
        ) from None
    return model


def _piece(token: str, score: float, kind: int) -> bytes:
    """Encode a piece (entry of the vocabulary) as in Google's own tokenizer.model.

    GGUF files mark every control token as CONTROL. In Google's file only `<pad>`, `<eos>` and
    `<bos>` are of that kind. All others, such as `<start_of_turn>`, are USER_DEFINED, so that
    SentencePiece finds them in a text. The text of a USER_DEFINED piece has `▁` for each space.

    Args:
      token: the text of the piece.
      score: its score. When SentencePiece can merge several pairs of pieces, it merges the pair
        whose result has the highest score.
      kind: its kind in the GGUF file, by SentencePiece's numbers, such as 3 for CONTROL.
    """
    if token == "<unk>":
        kind = _UNKNOWN
    elif kind == _CONTROL and token not in _SPECIAL:
        kind = _USER_DEFINED
    if kind == _USER_DEFINED:
        token = token.replace(" ", "▁")
    number = np.array(score, "<f4").tobytes()
    return _message(1, token.encode()) + b"\x15" + number + _number(3, kind)


def _message(field: int, data: bytes) -> bytes:
    """Encode field number `field` of a protocol buffer; its value is text or another message."""
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _number(field: int, number: int) -> bytes:
    """Encode field number `field` of a protocol buffer; its value is a whole number."""
    return _varint(field << 3) + _varint(number)


def _varint(number: int) -> bytes:
    """Encode a whole number as a varint: seven bits a byte, the lowest first."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _trainer() -> Iterator[bytes]:
    """Yield the encoded fields of SentencePiece's message TrainerSpec, with Gemma's settings."""
    yield _number(3, 2)  # model_type: BPE
    yield _number(35, 1)  # byte_fallback
    for field, token in ((40, 3), (41, 2), (42, 1), (43, 0)):  # the ids of unk, bos, eos, pad
        yield _number(field, token)
        yield _message(field + 5, _SPECIAL[token].encode())


_IDENTITY = _message(1, b"identity") + _number(3, 0) + _number(4, 0) + _number(5, 1)
_HOW = _message(2, b"".join(_trainer())) + _message(3, _IDENTITY)
