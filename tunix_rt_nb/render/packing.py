"""Examples packed into rows of one length, so that little of a batch is padding."""

from bisect import bisect_left, insort
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tunix_rt_nb.common import InputError, arrays
from tunix_rt_nb.render.examples import Examples

BLOCK = 32  # blocks of rows have a multiple of so many tokens


@dataclass(frozen=True)
class Rows:
    """Which examples share a row; their tokens are put there when a row is asked for.

    Attributes:
      length: of every row, in tokens.
      order: the places of the examples, row after row.
      ends: where in `order` each row ends.
    """

    examples: Examples
    length: int
    order: np.ndarray
    ends: np.ndarray

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def fill(self) -> float:
        """The share of positions that hold a token of an example."""
        return float(self.examples.index["length"].sum() / (len(self) * self.length))

    @cached_property
    def _starts(self) -> np.ndarray:
        return np.concatenate([[0], self.ends[:-1]])

    @cached_property
    def trained_tokens(self) -> np.ndarray:
        """How many tokens of each row are trained, int [rows]."""
        index = self.examples.index[self.order]
        return np.add.reduceat(index["length"] - index["prompt"], self._starts)

    @cached_property
    def most_trained(self) -> int:
        """The most trained tokens of a row, rounded up so that few shapes are compiled."""
        return -(-int(self.trained_tokens.max()) // 16) * 16

    @cached_property
    def _blocks(self) -> tuple[int, int]:
        return blocks(self.length, int(self.examples.index["length"].max()))

    def ids(self, row: int) -> list[bytes]:
        """Of the examples that share a row."""
        return self.examples.index["id"][self.order[self._starts[row] : self.ends[row]]].tolist()

    def arrays(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The chosen rows, each array [rows, length].

        Returns:
          tokens: int32 ids, 0 where nothing stands.
          segments: int32, 1, 2, ... for the examples of a row, 0 for padding; a position may attend
            only to earlier ones of its own segment.
          positions: int32, from 0 in each segment.
          trained: bool, whether the token is to be predicted.
        """
        shape = (len(rows), self.length)
        tokens, segments, positions = (np.zeros(shape, np.int32) for _ in range(3))
        trained = np.zeros(shape, bool)
        held = self.ends[rows] - self._starts[rows]
        index = self.examples.index[self.order[arrays.spans(self._starts[rows], held)]]
        lengths = index["length"]
        before = np.cumsum(lengths) - lengths
        column = before - np.repeat(before[np.cumsum(held) - held], held)
        place = arrays.spans(np.repeat(np.arange(len(rows)), held) * self.length + column, lengths)
        position = arrays.spans(np.zeros_like(lengths), lengths)
        tokens.flat[place] = self.examples.tokens[arrays.spans(index["start"], lengths)]
        segments.flat[place] = np.repeat(arrays.spans(np.ones_like(held), held), lengths)
        positions.flat[place] = position
        trained.flat[place] = position >= np.repeat(index["prompt"], lengths)
        return {"tokens": tokens, "segments": segments, "positions": positions, "trained": trained}

    def take(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The chosen rows as a batch for training.

        Returns:
          `tokens` and `positions` as `arrays` has them; `segments` cut into blocks no shorter than
          the longest example, [rows, blocks, size], filled up with 0, for `attention.attend`; and
          int32 `places`, [rows, most]: where in a row a trained token is predicted (one before it),
          filled up with length - 1.
        """
        arrays = self.arrays(rows)
        blocks, size = self._blocks
        segments = np.pad(arrays["segments"], ((0, 0), (0, blocks * size - self.length)))
        arrays["segments"] = segments.reshape(len(rows), blocks, size)
        follows = arrays.pop("trained")[:, 1:]
        order = np.argsort(~follows, axis=1, kind="stable")[:, : self.most_trained]
        used = np.take_along_axis(follows, order, axis=1)
        return arrays | {"places": np.where(used, order, self.length - 1).astype(np.int32)}


def blocks(length: int, longest: int) -> tuple[int, int]:
    """Into how many blocks a row is cut, and their size: none is shorter than an example.

    Example:
      >>> blocks(256, longest=60)
      (4, 64)
    """
    size = -(-longest // BLOCK) * BLOCK
    return (1, length) if 2 * size >= length else (-(-length // size), size)


def pack(examples: Examples, length: int) -> Rows:
    """Packs examples into rows, best fit decreasing: the longest first, each into the fullest row
    that still has room for it. The same examples give the same rows.

    Raises:
      InputError: an example is longer than a row; or there is none.

    Source: Johnson 1973, "Near-Optimal Bin Packing Algorithms"; of sequences for training: Krell et
    al. 2021, "Efficient Sequence Packing without Cross-contamination".

    Example:
      >>> from tunix_rt_nb.render.examples import Example
      >>> rows = pack(Examples.of([Example("a", (2, 7, 8), 1), Example("b", (2, 9), 1)]), length=8)
      >>> rows.arrays(np.array([0]))["segments"].tolist()
      [[1, 1, 1, 2, 2, 0, 0, 0]]
    """
    if not len(examples):
        raise InputError("pack: there are no examples")
    lengths = examples.index["length"]
    order = np.argsort(-lengths, kind="stable")
    longest = examples[int(order[0])]
    if len(longest) > length:
        raise InputError(
            f"{longest.id}: {len(longest)} tokens do not fit into a row of {length},"
            f" render with max_length: {length}"
        )
    rows = _best_fit(lengths[order], length)
    return Rows(
        examples, length, order[np.argsort(rows, kind="stable")], np.cumsum(np.bincount(rows))
    )


def pack_full(examples: Examples, longest: int, fill: float = 0.95) -> Rows:
    """Packs examples of up to `longest` tokens into the shortest rows that get full.

    Attention costs more the longer the row, padding is wasted: so rows are as long as the longest
    example may be, and 16 tokens longer each time as long as less than `fill` of them is used. Of
    rows up to three times as long, where none gets so full, the fullest are taken.

    Raises:
      InputError: as `pack`.

    Example:
      >>> from tunix_rt_nb.render.examples import Example
      >>> rows = pack_full(Examples.of([Example("a", tuple(range(1, 31)), 1)] * 9), longest=48)
      >>> rows.length, round(rows.fill, 2)
      (96, 0.94)
    """
    best = pack(examples, longest)
    for length in range(-(-longest // 16) * 16, 3 * longest + 1, 16):
        if best.fill >= fill:
            break
        best = max(best, pack(examples, length), key=lambda rows: rows.fill)
    return best


def _best_fit(lengths: np.ndarray, length: int) -> np.ndarray:
    """The row of each example, of which the longest come first.

    All examples of one length are placed at once. The fullest row with room for one is the fullest
    still when it has got one, as long as there is room; so it takes as many as fit.
    """
    row_of = np.empty(len(lengths), np.int64)
    with_room: dict[int, list[np.ndarray]] = {}  # rows by how much room they have
    rooms: list[int] = []  # those that some row has, in order
    opened = 0

    def keep(room: int, rows: np.ndarray) -> None:
        if room and len(rows):
            if room not in with_room:
                insort(rooms, room)
            with_room.setdefault(room, []).append(rows)

    starts = np.flatnonzero(np.diff(lengths, prepend=length + 1))
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(lengths)], strict=True):
        need, done = int(lengths[start]), start
        while done < end:
            at = bisect_left(rooms, need)
            if at < len(rooms):
                room = rooms.pop(at)
                rows = np.concatenate(with_room.pop(room))[::-1]  # the last to come first
            else:
                room = length
                rows = np.arange(opened, opened - (done - end) // (length // need))
                opened += len(rows)
            each = room // need
            full, rest = divmod(min(end - done, each * len(rows)), each)
            placed = np.repeat(rows, each)[: full * each + rest]
            row_of[done : done + len(placed)] = placed
            done += len(placed)
            keep(room - each * need, rows[:full])
            if rest:
                keep(room - rest * need, rows[full : full + 1])
            keep(room, rows[full + (rest > 0) :][::-1])
    return row_of
