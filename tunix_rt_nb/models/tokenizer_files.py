"""The files from which Transformers loads a tokenizer."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tunix_rt_nb.models import pieces
from tunix_rt_nb.models.tokenizer import Tokenizer
from tunix_rt_nb.trace import TEMPLATES

_NAMED = {name: f"<{name}>" for name in ("bos", "eos", "pad", "unk", "mask")}
# White space around messages stays. The system message is put before the first user message.
_GEMMA_CHAT = (
    "{{ bos_token }}"
    "{% if messages[0]['role'] == 'system' %}"
    "{% set opening = messages[0]['content'] + '\n\n' %}{% set turns = messages[1:] %}"
    "{% else %}{% set opening = '' %}{% set turns = messages %}{% endif %}"
    "{% for turn in turns %}"
    "{{ '<start_of_turn>' + ('model' if turn['role'] == 'assistant' else 'user') + '\n' }}"
    "{{ (opening if loop.first else '') + turn['content'] + '<end_of_turn>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)


def contents(tokenizer: Tokenizer) -> dict[str, bytes]:
    """Build the files from which Transformers loads a tokenizer: file name -> content."""
    return {
        "tokenizer.model": tokenizer.model,
        "tokenizer.json": _json(_tokenizer(tokenizer), indent=None),
        "tokenizer_config.json": _json(settings(tokenizer)),
        "generation_config.json": _json(_generation(tokenizer)),
    }


def _json(value: Any, indent: int | None = 2) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=indent).encode() + b"\n"


def _generation(tokenizer: Tokenizer) -> dict[str, Any]:
    """Build the content of generation_config.json.

    It holds the ids of BOS, of PAD and of the tokens that end an answer.
    """
    controls = tokenizer.controls
    ends = [stop for stop in ("<eos>", *stops(tokenizer)) if stop in controls]
    return {
        "bos_token_id": controls.get("<bos>"),
        "eos_token_id": list(dict.fromkeys(controls[stop] for stop in ends)),
        "pad_token_id": controls.get("<pad>"),
    }


def stops(tokenizer: Tokenizer) -> list[str]:
    """List the tokens that end an answer in the chat templates that a tokenizer supports."""
    return _chat_pieces(tokenizer, "stops")


def special(tokenizer: Tokenizer) -> set[str]:
    """Return the control tokens that no text of a user may become, such as `<start_of_turn>`."""
    return {*_NAMED.values(), *_chat_pieces(tokenizer, "pieces")}


def _chat_pieces(tokenizer: Tokenizer, which: str) -> list[str]:
    """List the control tokens of all chat templates that a tokenizer supports.

    A tokenizer supports a template if it has all the template's control tokens. Having one of them
    is not enough: Gemma has `</s>`, but there it is the HTML tag that ends struck-through text.

    Args:
      tokenizer: the tokenizer.
      which: `pieces` for all control tokens of a template, `stops` for those that end an answer.
    """
    known = [t for t in TEMPLATES.values() if tokenizer.controls.keys() >= {*t.pieces}]
    return [piece for template in known for piece in getattr(template, which)]


def settings(tokenizer: Tokenizer) -> dict[str, Any]:
    """Build the content of tokenizer_config.json, the chat template included."""
    controls = tokenizer.controls.keys() | {"<unk>"}
    chat = {"chat_template": _GEMMA_CHAT} if "<start_of_turn>" in controls else {}
    return {
        "tokenizer_class": "GemmaTokenizer",
        **{f"{name}_token": piece if piece in controls else None for name, piece in _NAMED.items()},
        "add_bos_token": "<bos>" in controls,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
        **chat,
    }


def _tokenizer(tokenizer: Tokenizer) -> dict[str, Any]:
    """Build the content of tokenizer.json: the SentencePiece model as `tokenizers` reads it."""
    every = list(pieces.read(tokenizer.model))
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": list(_added(every, special(tokenizer))),
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        "pre_tokenizer": None,
        "post_processor": _opening(tokenizer.controls),
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
            ],
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": "<unk>",
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": {piece.text: number for number, piece in enumerate(every)},
            "merges": _merges({p.text: p.score for p in every if p.kind == pieces.NORMAL}),
        },
    }


def _added(every: list[pieces.Piece], special: set[str]) -> Iterator[dict[str, Any]]:
    """Yield the entries of `added_tokens` in tokenizer.json.

    Transformers finds the added tokens in a text before it merges any pieces.

    Args:
      every: all pieces of the vocabulary, in the order of their ids.
      special: texts of tokens to mark as special.
    """
    for number, piece in enumerate(every):
        if piece.kind in (pieces.CONTROL, pieces.USER_DEFINED) or piece.text in special:
            yield {
                "id": number,
                "content": piece.text,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": "▁" in piece.text,  # the text has spaces
                "special": piece.kind == pieces.CONTROL or piece.text in special,
            }


def _opening(controls: Mapping[str, int]) -> dict[str, Any] | None:
    """Build the `post_processor` of tokenizer.json, which puts BOS before a text.

    Return None if the tokenizer has no BOS.

    Args:
      controls: the tokenizer's control tokens: text -> id.
    """
    if "<bos>" not in controls:
        return None
    bos, text = {"SpecialToken": {"id": "<bos>", "type_id": 0}}, {"id": "A", "type_id": 0}
    other = {"Sequence": {"id": "B", "type_id": 1}}
    return {
        "type": "TemplateProcessing",
        "single": [bos, {"Sequence": text}],
        "pair": [bos, {"Sequence": text}, other],
        "special_tokens": {
            "<bos>": {"id": "<bos>", "ids": [controls["<bos>"]], "tokens": ["<bos>"]}
        },
    }


def _merges(scores: Mapping[str, float]) -> list[list[str]]:
    """List the BPE merges for tokenizer.json: all pairs of pieces that make a third piece.

    SentencePiece derives the pairs from the scores, but tokenizer.json has to list them. The pair
    whose result has the highest score comes first.

    Args:
      scores: text of each piece -> its score.
    """
    found = [
        (-score, cut, piece)
        for piece, score in scores.items()
        for cut in range(1, len(piece))
        if piece[:cut] in scores and piece[cut:] in scores
    ]
    return [[piece[:cut], piece[cut:]] for _, cut, piece in sorted(found)]
