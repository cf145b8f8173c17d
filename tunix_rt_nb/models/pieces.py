"""What the file of a SentencePiece model says of its pieces, beyond what the library tells.

The file is a protocol buffer, sentencepiece_model.proto: field 1 of the model, repeated, is a piece
(1: its text, 2: its score, 3: its kind), all other fields are messages too.
https://protobuf.dev/programming-guides/encoding
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

NORMAL, CONTROL, USER_DEFINED = 1, 3, 4  # kinds of pieces
_PIECE, _SCORE, _KIND = b"\x0a", b"\x15", b"\x18"  # fields, each with how it is written


class Piece(NamedTuple):
    """A piece of the vocabulary; in its text a space is `▁`."""

    text: str
    score: float
    kind: int


def controls(model: bytes) -> dict[str, int]:
    """Every piece that steers a model, and its id.

    Those are the control pieces, which no text contains; and the user-defined ones, which are taken
    from a text wherever they stand, but for white space and single characters: these mean
    themselves.

    Args:
      model: a SentencePiece model, as its file holds it.
    """
    found = {}
    for number, piece in enumerate(read(model)):
        text = piece.text.replace("▁", " ")
        marks = piece.kind == USER_DEFINED and len(text) > 1 and not text.isspace()
        if piece.kind == CONTROL or marks:
            found[text] = number
    return found


def as_it_is(model: bytes) -> bytes:
    """The same model, but one that puts no space before a text and drops none in it.

    So a text can be encoded in parts, and decodes to itself. A message that is appended to another
    is merged into it; this one has only field 3, the normalizer, with its fields 3
    (`add_dummy_prefix`) and 4 (`remove_extra_whitespaces`) false.
    """
    return model + b"\x1a\x04\x18\x00\x20\x00"


def read(model: bytes) -> Iterator[Piece]:
    """The pieces of a model, in the order of their ids."""
    at = 0
    while at < len(model):
        field, (size, start) = model[at : at + 1], _varint(model, at + 1)
        at = start + size
        if field == _PIECE:
            length, text = _varint(model, start + 1)
            piece = model[text : text + length].decode()
            rest, score = model[text + length : at], 0.0
            if rest.startswith(_SCORE):
                (score,), rest = struct.unpack_from("<f", rest, 1), rest[5:]
            yield Piece(piece, score, rest[1] if rest.startswith(_KIND) else NORMAL)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The whole number that stands at a place, seven bits a byte, and the place after it."""
    number = shift = 0
    while data[at] & 0x80:
        number |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
    return number | data[at] << shift, at + 1
