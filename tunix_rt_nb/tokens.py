"""Text to ids and loss mask, together; and examples packed into rows.

Prompt and response are tokenised separately and joined, so the prompt's ids are a prefix by
construction and no marker has to be searched for.
"""

import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import sentencepiece

from tunix_rt_nb.chat import Chat, Segment
from tunix_rt_nb.errors import InputError

PAD, EOS, BOS, UNK = 0, 1, 2, 3  # as Gemma numbers them
_SPACE = "▁"  # how SentencePiece writes a space
_TURNS = ("<start_of_turn>", "<end_of_turn>")


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
        self._pieces.LoadFromSerializedProto(model)

    def __len__(self) -> int:
        return len(self._pieces)

    @cached_property
    def controls(self) -> dict[str, int]:
        """Every piece that steers a model, and its id."""
        marked = [i for i in range(len(self)) if self._pieces.IsControl(i)]
        turns = [self._pieces.PieceToId(piece) for piece in _TURNS]
        return {self._pieces.IdToPiece(i): i for i in [*marked, *turns]}

    @cached_property
    def _inside_control(self) -> re.Pattern[str]:
        """Matches the place after the first character of each control piece in a text."""
        pieces = "|".join(f"(?<={re.escape(p[0])})(?={re.escape(p[1:])})" for p in self.controls)
        return re.compile(pieces)

    @cached_property
    def _space_bytes(self) -> list[int]:
        return [self._pieces.PieceToId(f"<0x{byte:02X}>") for byte in _SPACE.encode()]

    def control(self, piece: str) -> int:
        """The id of a control piece; `InputError` where this tokenizer has none of that name."""
        if piece not in self.controls:
            raise InputError(f"tokenizer: has no control piece {piece!r}, the template needs it")
        return self.controls[piece]

    def literal(self, text: str) -> list[int]:
        """The ids of a text in which nothing is a control token, whatever it looks like.

        A control piece in the text is cut after its first character and the parts are encoded
        apart; joined, they decode to the same text. So does SentencePiece's own mark for a space,
        which is spelled in bytes.
        """
        ids: list[int] = []
        for part in self._inside_control.split(text):
            for n, run in enumerate(part.split(_SPACE)):
                ids += (self._space_bytes if n else []) + self._pieces.Encode(run)
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """The text of some ids; control tokens that are not turns are left out."""
        return self._pieces.Decode([int(i) for i in ids])

    def piece(self, token: int) -> str:
        """How one token looks, for people."""
        return self._pieces.IdToPiece(token).replace(_SPACE, " ").replace("<0x0A>", "\n")


@dataclass(frozen=True)
class Example:
    """The token ids of one chat and, of the same length, whether each is trained on."""

    id: str
    ids: tuple[int, ...]
    mask: tuple[bool, ...]

    def __len__(self) -> int:
        return len(self.ids)


def encode(chat: Chat, tokenizer: Tokenizer, bos: str = "<bos>", trace_id: str = "") -> Example:
    """Tokenises a chat: one BOS, the prompt (not trained), the response and its stop (trained).

    Raises:
      InputError: the tokenizer lacks a piece of the template.
    """
    ids: list[int] = [tokenizer.control(bos)]
    mask: list[bool] = [False]

    def add(segments: Sequence[Segment], trained: bool) -> None:
        for segment in _joined(segments):
            new = (
                [tokenizer.control(segment.text)]
                if segment.control
                else tokenizer.literal(segment.text)
            )
            ids.extend(new)
            mask.extend([trained] * len(new))

    add(chat.prompt, trained=False)
    add(chat.response, trained=True)
    return Example(trace_id, tuple(ids), tuple(mask))


def encode_prompt(
    segments: Sequence[Segment], tokenizer: Tokenizer, bos: str = "<bos>"
) -> list[int]:
    """The ids a model is given to answer: exactly those that stand before a trained response."""
    return list(encode(Chat(tuple(segments), ()), tokenizer, bos).ids)


def _joined(segments: Sequence[Segment]) -> list[Segment]:
    """Neighbouring literal segments as one, so that they are tokenised as one text."""
    joined: list[Segment] = []
    for segment in segments:
        if joined and not segment.control and not joined[-1].control:
            joined[-1] = Segment(joined[-1].text + segment.text)
        else:
            joined.append(segment)
    return joined


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


def train_tokenizer(texts: Iterable[str], vocab_size: int = 640) -> bytes:
    """Trains a small SentencePiece model the way Gemma's is set up: BPE with byte fallback, single
    digits, no dummy prefix, nothing normalised, and Gemma's control pieces. Unlike Gemma's, a piece
    may hold several words, spaces at its end: set phrases become one token, which a model that is
    trained on little needs.

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
        bos_piece="<bos>",
        eos_piece="<eos>",
        pad_piece="<pad>",
        user_defined_symbols=[*_TURNS, "\n"],
        num_threads=1,
        minloglevel=2,
    )
    return model.getvalue()
