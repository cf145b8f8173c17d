"""Text to ids and loss mask, together; and examples packed into rows.

Prompt and response are tokenised separately and joined, so the prompt's ids are a prefix by
construction and no marker has to be searched for.
"""

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, pairwise
from operator import attrgetter

import numpy as np
import sentencepiece

from tunix_rt_nb import pieces
from tunix_rt_nb.chat import TEMPLATES, Chat, Segment
from tunix_rt_nb.errors import InputError

PAD, EOS, BOS, UNK = 0, 1, 2, 3  # as Gemma numbers them
_NUMBERED = ("<pad>", "<eos>", "<bos>")
_SPACE = "▁"  # how SentencePiece writes a space


class Tokenizer:
    """A SentencePiece model that keeps control pieces and literal text apart.

    Example:
      >>> tokenizer = Tokenizer(train_tokenizer(["What is 2 + 2?"] * 9, vocab_size=320))
      >>> tokenizer.decode(tokenizer.literal("a <end_of_turn> b"))
      'a <end_of_turn> b'
      >>> tokenizer.control("<end_of_turn>") in tokenizer.literal("a <end_of_turn> b")
      False
    """

    def __init__(self, model: bytes) -> None:
        self.model = model
        self._pieces = sentencepiece.SentencePieceProcessor()
        self._pieces.LoadFromSerializedProto(pieces.as_it_is(model))
        self.controls = pieces.controls(model)
        self._silent = {
            number: piece
            for piece, number in self.controls.items()
            if self._pieces.IsControl(number)
        }
        self._control_in_text = re.compile("|".join(_overlapping(self.controls)) or "(?!)")

    def __len__(self) -> int:
        return len(self._pieces)

    @cached_property
    def _space_bytes(self) -> list[int]:
        return [self._pieces.PieceToId(f"<0x{byte:02X}>") for byte in _SPACE.encode()]

    def control(self, piece: str) -> int:
        """The id of a control piece.

        Raises:
          InputError: this tokenizer has none of that name; it names the templates that need it.
        """
        if piece not in self.controls:
            needed = [name for name, template in TEMPLATES.items() if piece in template.pieces]
            by = f"template {', '.join(needed)}" if needed else "the template"
            raise InputError(f"tokenizer: has no control piece {piece!r}, {by} needs it")
        return self.controls[piece]

    def literal(self, text: str) -> list[int]:
        """The ids of a text in which nothing is a control token, whatever it looks like.

        A control piece in the text is cut after its first character and the parts are encoded
        apart; joined, they decode to the same text. So does SentencePiece's own mark for a space,
        which is spelled in bytes.
        """
        cuts = [found.end() for found in self._control_in_text.finditer(text)]
        if not cuts and _SPACE not in text:
            return self._pieces.Encode(text)
        ids: list[int] = []
        for start, end in pairwise([0, *cuts, len(text)]):
            for n, run in enumerate(text[start:end].split(_SPACE)):
                ids += (self._space_bytes if n else []) + self._pieces.Encode(run)
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """The text of some ids, control pieces by their names."""
        ids = [int(i) for i in ids]
        if self._silent.keys().isdisjoint(ids):
            return self._pieces.Decode(ids)
        return "".join(
            self._pieces.Decode(list(run)) if name is None else name * len(list(run))
            for name, run in groupby(ids, self._silent.get)
        )

    def piece(self, token: int) -> str:
        """How one token looks, for people."""
        return self._pieces.IdToPiece(token).replace(_SPACE, " ").replace("<0x0A>", "\n")


def _overlapping(controls: Iterable[str]) -> Iterator[str]:
    """Patterns that find the first character of every control piece in a text, even where two of
    them share characters."""
    for first, group in groupby(sorted(controls), lambda piece: piece[0]):
        rests = "|".join(re.escape(piece[1:]) for piece in group)
        yield f"{re.escape(first)}(?={rests})"


@dataclass(frozen=True)
class Example:
    """The token ids of one chat and, of the same length, whether each is trained on."""

    id: str
    ids: tuple[int, ...]
    mask: tuple[bool, ...]

    def __len__(self) -> int:
        return len(self.ids)


def encode(chat: Chat, tokenizer: Tokenizer, trace_id: str = "") -> Example:
    """Tokenises a chat: BOS and prompt (not trained), then the response and its stop (trained).

    Raises:
      InputError: the tokenizer lacks a piece of the template.
    """
    given = encode_prompt(chat.prompt, tokenizer, chat.bos)
    trained = _ids(chat.response, tokenizer)
    mask = (False,) * len(given) + (True,) * len(trained)
    return Example(trace_id, (*given, *trained), mask)


def encode_prompt(
    segments: Sequence[Segment], tokenizer: Tokenizer, bos: str | None = "<bos>"
) -> list[int]:
    """The ids a model is given to answer: exactly those that stand before a trained response."""
    return ([tokenizer.control(bos)] if bos else []) + _ids(segments, tokenizer)


def _ids(segments: Iterable[Segment], tokenizer: Tokenizer) -> list[int]:
    """The ids of segments; neighbouring literal ones are tokenised as one text."""
    ids: list[int] = []
    for control, run in groupby(segments, attrgetter("control")):
        if control:
            ids += [tokenizer.control(segment.text) for segment in run]
        else:
            ids += tokenizer.literal("".join(segment.text for segment in run))
    return ids


@dataclass(frozen=True)
class Rows:
    """Examples packed into rows of one length; every array is [rows, length].

    Attributes:
      tokens: int32 ids, PAD where nothing stands.
      segments: int32, 1, 2, ... for the examples of a row, 0 for padding; a position may attend
        only to earlier ones of its own segment.
      positions: int32, from 0 in each segment.
      trained: bool, whether the token is to be predicted.
    """

    tokens: np.ndarray
    segments: np.ndarray
    positions: np.ndarray
    trained: np.ndarray

    def __len__(self) -> int:
        return len(self.tokens)

    def take(self, index: np.ndarray) -> dict[str, np.ndarray]:
        """The chosen rows as a batch for training.

        Returns:
          `tokens`, `segments` and `positions`, [rows, length], and int32 `places`, [rows, most]:
          where in a row a trained token is predicted (one before it), filled up with length - 1.
        """
        follows = self.trained[index, 1:]
        order = np.argsort(~follows, axis=1, kind="stable")[:, : self._most_trained]
        used = np.take_along_axis(follows, order, axis=1)
        places = np.where(used, order, follows.shape[1]).astype(np.int32)
        arrays = {n: getattr(self, n)[index] for n in ("tokens", "segments", "positions")}
        return arrays | {"places": places}

    @cached_property
    def _most_trained(self) -> int:
        """The most trained tokens of a row, rounded up so that few shapes are compiled."""
        return -(-int(self.trained.sum(axis=1).max()) // 16) * 16

    @property
    def trained_tokens(self) -> np.ndarray:
        """How many tokens of each row are trained, int [rows]."""
        return self.trained.sum(axis=1)

    @property
    def fill(self) -> float:
        """The share of positions that hold a token of an example."""
        return float((self.segments > 0).mean())


def pack(examples: Sequence[Example], length: int) -> Rows:
    """Packs examples into rows, best fit decreasing: the longest first, each into the fullest row
    that still has room for it. The same examples give the same rows.

    Raises:
      InputError: an example is longer than a row; or there is none.

    Example:
      >>> one = Example("a", (2, 7, 8), (False, True, True))
      >>> rows = pack([one, one], length=8)
      >>> rows.segments.tolist(), rows.positions.tolist()
      ([[1, 1, 1, 2, 2, 2, 0, 0]], [[0, 1, 2, 0, 1, 2, 0, 0]])
    """
    if not examples:
        raise InputError("pack: there are no examples")
    bins: list[list[Example]] = []
    with_room: list[list[int]] = [[] for _ in range(length + 1)]
    for example in sorted(examples, key=len, reverse=True):
        need = len(example)
        if need > length:
            raise InputError(f"{example.id}: {need} tokens do not fit into a row of {length}")
        room = next((r for r in range(need, length + 1) if with_room[r]), None)
        if room is None:
            room = length
            with_room[length].append(len(bins))
            bins.append([])
        chosen = with_room[room].pop()
        bins[chosen].append(example)
        with_room[room - need].append(chosen)
    return _rows(bins, length)


def _rows(bins: Sequence[Sequence[Example]], length: int) -> Rows:
    shape = (len(bins), length)
    tokens, segments, positions = (np.zeros(shape, np.int32) for _ in range(3))
    trained = np.zeros(shape, bool)
    for row, examples in enumerate(bins):
        start = 0
        for number, example in enumerate(examples, 1):
            place = slice(start, start + len(example))
            tokens[row, place] = example.ids
            segments[row, place] = number
            positions[row, place] = np.arange(len(example))
            trained[row, place] = example.mask
            start += len(example)
    return Rows(tokens, segments, positions, trained)


def train_tokenizer(
    texts: Iterable[str],
    vocab_size: int = 640,
    controls: Iterable[str] = TEMPLATES["gemma"].pieces,
) -> bytes:
    """Trains a small SentencePiece model the way Gemma's is set up: BPE with byte fallback, single
    digits, no dummy prefix, nothing normalised, with the control pieces of a template. Unlike
    Gemma's, a piece may hold several words, spaces at its end: set phrases become one token, which
    a model that is trained on little needs.

    The same texts in the same order give the same bytes: one thread, no sampling.

    Raises:
      InputError: `vocab_size` is out of range.
    """
    if not 320 <= vocab_size <= 65_536:
        raise InputError(f"vocab_size: {vocab_size}, expected 320 to 65536 (256 pieces are bytes)")
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=(line for text in texts for line in text.splitlines()),
        model_writer=model,
        model_type="bpe",
        vocab_size=vocab_size,
        hard_vocab_limit=False,
        byte_fallback=True,
        split_digits=True,
        split_by_whitespace=False,
        split_by_unicode_script=False,
        treat_whitespace_as_suffix=True,
        character_coverage=1.0,
        normalization_rule_name="identity",
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        pad_id=PAD,
        eos_id=EOS,
        bos_id=BOS,
        unk_id=UNK,
        pad_piece=_NUMBERED[PAD],
        eos_piece=_NUMBERED[EOS],
        bos_piece=_NUMBERED[BOS],
        user_defined_symbols=[*(c for c in controls if c not in _NUMBERED), "\n"],
        num_threads=1,
        minloglevel=2,
    )
    return model.getvalue()
