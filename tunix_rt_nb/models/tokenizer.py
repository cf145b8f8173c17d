"""A SentencePiece tokenizer that never turns text written by a user into control tokens."""

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import groupby, pairwise
from operator import attrgetter
from pathlib import Path

import numpy as np
import sentencepiece

from tunix_rt_nb.common import InputError, arrays, files
from tunix_rt_nb.models import pieces
from tunix_rt_nb.trace import TEMPLATES, Segment

PAD, EOS, BOS, UNK = 0, 1, 2, 3  # the ids in Gemma
_NUMBERED = ("<pad>", "<eos>", "<bos>")
_SPACE = "▁"  # how SentencePiece writes a space


class Tokenizer:
    """A SentencePiece tokenizer that never turns the text of a message into control tokens.

    A control token, such as `<end_of_turn>`, steers a chat model. SentencePiece alone would also
    find it in a message that only quotes it.

    Args:
      model: the content of a `tokenizer.model` file.

    Attributes:
      model: the bytes of that file.
      controls: the control tokens: text -> id.

    Example:
      >>> tokenizer = Tokenizer(train_tokenizer(["What is 2 + 2?"] * 9, vocab_size=320))
      >>> tokenizer.decode(tokenizer.literal("a <end_of_turn> b"))
      'a <end_of_turn> b'
      >>> tokenizer.control("<end_of_turn>") in tokenizer.literal("a <end_of_turn> b")
      False

    Raises:
      InputError: the bytes are no SentencePiece model, or only a part of one.
    """

    def __init__(self, model: bytes) -> None:
        self.model = model
        self._pieces = sentencepiece.SentencePieceProcessor()
        try:
            self._pieces.LoadFromSerializedProto(pieces.as_it_is(model))
            self.controls = pieces.controls(model)
            theirs = self._pieces.IdToPiece([*self.controls.values()])
            if [piece.replace(_SPACE, " ") for piece in theirs] != [*self.controls]:
                raise ValueError("SentencePiece reads other pieces")
        except (IndexError, RuntimeError, ValueError):  # from SentencePiece, and from `pieces`
            raise InputError(
                "tokenizer: its SentencePiece model is cut off or damaged, get it again"
            ) from None
        self._silent = {
            number: piece
            for piece, number in self.controls.items()
            if self._pieces.IsControl(number)
        }
        cuts = [*_overlapping(self.controls), _SPACE]
        self._cut = re.compile("|".join(cuts))

    @classmethod
    def read(cls, path: Path) -> "Tokenizer":
        """Read a `tokenizer.model` file; raise `InputError` if it is missing or damaged."""
        model = files.content(path)
        try:
            return cls(model)
        except InputError as error:
            raise InputError(f"{path}: {str(error).removeprefix('tokenizer: ')}") from None

    def __len__(self) -> int:
        return len(self._pieces)

    @cached_property
    def _space_bytes(self) -> list[int]:
        return [self._pieces.PieceToId(f"<0x{byte:02X}>") for byte in _SPACE.encode()]

    def control(self, piece: str) -> int:
        """Return the id of a control token, given its text, such as `<end_of_turn>`.

        Raises:
          InputError: the tokenizer has no such token; the message names the chat templates that
            need it.
        """
        if piece not in self.controls:
            needed = [name for name, template in TEMPLATES.items() if piece in template.pieces]
            by = f"template {', '.join(needed)}" if needed else "the template"
            raise InputError(f"tokenizer: has no control token {piece!r}, which {by} needs")
        return self.controls[piece]

    def literal(self, text: str) -> list[int]:
        """Tokenise a text literally: nothing in it becomes a control token, whatever it looks like.

        If `text` quotes a control token, cut the text after the first character of the token,
        and tokenise the parts separately. The joined ids decode to the same text. Encode the
        character `▁` as bytes: SentencePiece uses it for spaces and would decode it to a space.
        """
        return self._apart(text) if self._cut.search(text) else self._pieces.Encode(text)

    def literals(self, texts: Sequence[str]) -> list[list[int]]:
        """Tokenise many texts as `literal` does, in half the time of separate calls."""
        ids = self._pieces.Encode(texts, num_threads=1)
        for place, text in enumerate(texts):
            if self._cut.search(text):
                ids[place] = self._apart(text)
        return ids

    def segments(self, segments: Iterable[Segment]) -> list[int]:
        """Tokenise the segments of a chat to one list of ids.

        A segment is either one control token or literal text, as its field `control` says. Literal
        segments that follow each other are tokenised as one text.
        """
        ids: list[int] = []
        for control, run in groupby(segments, attrgetter("control")):
            if control:
                ids += [self.control(segment.text) for segment in run]
            else:
                ids += self.literal("".join(segment.text for segment in run))
        return ids

    def _apart(self, text: str) -> list[int]:
        ids: list[int] = []
        cuts = [found.end() for found in self._cut.finditer(text)]
        for start, end in pairwise([0, *cuts, len(text)]):
            run = text[start:end]
            ids += self._pieces.Encode(run.removesuffix(_SPACE))
            if run.endswith(_SPACE):
                ids += self._space_bytes
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """Decode ids to text, in which control tokens appear as `<end_of_turn>` and the like."""
        ids = [int(i) for i in ids]
        if self._silent.keys().isdisjoint(ids):
            return self._pieces.Decode(ids)
        return "".join(
            self._pieces.Decode(list(run)) if name is None else name * len(list(run))
            for name, run in groupby(ids, self._silent.get)
        )

    def spell(self, tokens: np.ndarray) -> tuple[bytes, np.ndarray]:
        """Return the text of each token as UTF-8 bytes, control tokens as `<end_of_turn>` etc.

        For the unknown token, return 0xff, a byte that no UTF-8 text contains.

        Args:
          tokens: int [n], the ids.

        Returns:
          letters: the bytes of all tokens, concatenated.
          sizes: int [n], the number of bytes of each token.
        """
        letters, starts, sizes = self._spelling
        return letters[arrays.spans(starts[tokens], sizes[tokens])].tobytes(), sizes[tokens]

    @cached_property
    def _spelling(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        spelled = [self._spell(token) for token in range(len(self))]
        sizes = np.array([len(word) for word in spelled])
        return np.frombuffer(b"".join(spelled), np.uint8), np.cumsum(sizes) - sizes, sizes

    def _spell(self, token: int) -> bytes:
        piece = self._pieces.IdToPiece(token)
        if self._pieces.IsByte(token):
            return bytes([int(piece[1:-1], 16)])
        return b"\xff" if self._pieces.IsUnknown(token) else piece.replace(_SPACE, " ").encode()

    def piece(self, token: int) -> str:
        """Return one token as readable text, with real spaces and line breaks."""
        return self._pieces.IdToPiece(token).replace(_SPACE, " ").replace("<0x0A>", "\n")


def _overlapping(controls: Iterable[str]) -> Iterator[str]:
    """Yield regexes that together find every control token in a text.

    Yield one regex for each character that a control token begins with. The regex matches only this
    character, and checks the rest of the token by lookahead. Overlapping tokens are found too.

    Args:
      controls: the texts of the control tokens.
    """
    for first, group in groupby(sorted(controls), lambda piece: piece[0]):
        rests = "|".join(re.escape(piece[1:]) for piece in group)
        yield f"{re.escape(first)}(?={rests})"


def train_tokenizer(
    texts: Iterable[str],
    vocab_size: int = 640,
    controls: Iterable[str] = TEMPLATES["gemma"].pieces,
) -> bytes:
    """Train a small SentencePiece model with settings like Gemma's; return its file's content.

    As in Gemma's tokenizer, the settings are BPE with byte fallback, a token for each digit, no
    dummy prefix (space added to a text) and no normalisation. Unlike in Gemma's, a token may span
    several words, and a space belongs to the word before it. A fixed phrase can then become one
    token, which helps a model trained on little data.

    The same texts in the same order give the same bytes, because training uses one thread and does
    not sample the texts.

    Args:
      texts: the texts to train on; SentencePiece gets each line as a sentence.
      vocab_size: the largest number of tokens, 320 to 65536.
      controls: the texts of the control tokens, such as those of a chat template.

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
