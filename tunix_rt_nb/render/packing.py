"""Packing: put examples into rows of one length, so that little of a batch is padding."""

from bisect import bisect_left, insort
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from tunix_rt_nb.common import InputError, arrays
from tunix_rt_nb.render.examples import Examples

BLOCK = 32  # the size of a block of a row is a multiple of this many tokens


class Least(NamedTuple):
    """Sizes that are assumed even if all examples are smaller.

    Rows of other examples then give batches of the same shapes, and JAX compiles one train step.

    Attributes:
      longest: the length of the longest example, in tokens.
      trained: the largest number of trained tokens in a row.
    """

    longest: int = 0
    trained: int = 0


_NONE = Least()


@dataclass(frozen=True)
class Rows:
    """Packed rows: which examples share a row. Tokens are copied only when a row is requested.

    Attributes:
      examples: the packed examples.
      length: the length of every row, in tokens.
      order: indices into `examples`, row after row.
      ends: for each row, the index in `order` after its last example.
      least: sizes that batches are made for at least.
    """

    examples: Examples
    length: int
    order: np.ndarray
    ends: np.ndarray
    least: Least = _NONE

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
        """The number of trained tokens in each row, int [rows]."""
        index = self.examples.index[self.order]
        return np.add.reduceat(index["length"] - index["prompt"], self._starts)

    @cached_property
    def most_trained(self) -> int:
        """The largest number of trained tokens in any row, rounded up to a multiple of 16.

        JAX compiles the train step for each shape, and rounding gives fewer shapes.
        """
        return -(-max(self.least.trained, int(self.trained_tokens.max())) // 16) * 16

    @cached_property
    def _blocks(self) -> tuple[int, int]:
        longest = max(self.least.longest, int(self.examples.index["length"].max()))
        return blocks(self.length, longest)

    def ids(self, row: int) -> list[bytes]:
        """Return the ids, as bytes, of the examples in the row with index `row`."""
        return self.examples.index["id"][self.order[self._starts[row] : self.ends[row]]].tolist()

    def arrays(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Build the arrays of the chosen rows, each [rows, length].

        Args:
          rows: int [rows], the indices of the chosen rows.

        Returns:
          tokens: int32, the token ids; 0 for padding.
          segments: int32, the number of each token's example in its row, from 1; 0 for padding. A
            token may attend only to itself and earlier tokens of its own segment.
          positions: int32, the position of each token in its segment, from 0.
          trained: bool, True if the loss counts the prediction of this token.
          weights: float32, the weight of each token; only if the examples have weights.
        """
        shape = (len(rows), self.length)
        tokens, segments, positions = (np.zeros(shape, np.int32) for _ in range(3))
        trained = np.zeros(shape, bool)
        # Look up the examples of these rows, in row order: `held` examples in each row.
        held = self.ends[rows] - self._starts[rows]
        index = self.examples.index[self.order[arrays.spans(self._starts[rows], held)]]
        lengths = index["length"]
        # Place them: an example's column is the number of tokens before it in its own row, and
        # `place` is where each of its tokens goes in the flattened rows.
        before = np.cumsum(lengths) - lengths
        column = before - np.repeat(before[np.cumsum(held) - held], held)
        place = arrays.spans(np.repeat(np.arange(len(rows)), held) * self.length + column, lengths)
        position = arrays.spans(np.zeros_like(lengths), lengths)
        # Fill all arrays at those places. The segments keep examples apart in attention, and
        # positions restart, so an example computes the same as in a row of its own.
        source = arrays.spans(index["start"], lengths)
        tokens.flat[place] = self.examples.tokens[source]
        segments.flat[place] = np.repeat(arrays.spans(np.ones_like(held), held), lengths)
        positions.flat[place] = position
        trained.flat[place] = position >= np.repeat(index["prompt"], lengths)
        found = {"tokens": tokens, "segments": segments, "positions": positions, "trained": trained}
        if self.examples.weights is not None:
            found["weights"] = np.zeros(shape, np.float32)
            found["weights"].flat[place] = self.examples.weights[source]
        return found

    def take(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Build a training batch of the chosen rows.

        Args:
          rows: int [rows], the indices of the chosen rows.

        Returns:
          tokens: int32 [rows, length], the token ids; 0 for padding.
          positions: int32 [rows, length], the position of each token in its example, from 0.
          segments: int32 [rows, blocks, size], the number of each token's example in its row, from
            1; 0 for padding. It is cut into blocks, each at least as long as the longest example,
            as `attention.attend` needs them.
          places: int32 [rows, most_trained], the columns that predict a trained token: each is the
            column just before such a token. Unused entries at the end of a row are length - 1.
          weights: float32 [rows, most_trained], the weight of each of these trained tokens; 0 if
            unused. Only if the examples have weights.
        """
        arrays = self.arrays(rows)
        blocks, size = self._blocks
        # Cut the segments into blocks: each example then lies in at most two neighbouring blocks.
        segments = np.pad(arrays["segments"], ((0, 0), (0, blocks * size - self.length)))
        arrays["segments"] = segments.reshape(len(rows), blocks, size)
        # List the places whose next token is trained, in order; the stable sort puts them first.
        # Logits are then computed at these places only.
        follows = arrays.pop("trained")[:, 1:]
        order = np.argsort(~follows, axis=1, kind="stable")[:, : self.most_trained]
        used = np.take_along_axis(follows, order, axis=1)
        if "weights" in arrays:
            weights = np.take_along_axis(arrays["weights"][:, 1:], order, axis=1)
            arrays["weights"] = np.where(used, weights, np.float32(0))
        return arrays | {"places": np.where(used, order, self.length - 1).astype(np.int32)}


def blocks(length: int, longest: int) -> tuple[int, int]:
    """Return into how many blocks attention cuts a row, and the tokens per block.

    No block is shorter than the longest example. A token attends only to tokens in its own block
    and the block before. If a row would have only two blocks, nothing is saved, so use one block.

    Args:
      length: the length of a row, in tokens.
      longest: the length of the longest example, in tokens.

    Example:
      >>> blocks(256, longest=60)
      (4, 64)
    """
    size = -(-longest // BLOCK) * BLOCK
    return (1, length) if 2 * size >= length else (-(-length // size), size)


def pack(examples: Examples, length: int, least: Least = _NONE, together: int = 1) -> Rows:
    """Pack examples into rows of `length` tokens by best fit decreasing.

    Place the longest examples first, each into the fullest row that still has space for it. The
    same examples give the same rows.

    Args:
      examples: the examples.
      length: the length of a row, in tokens.
      least: sizes that batches of these rows are made for at least.
      together: each run of this many examples stays in one row; their number is a multiple of it.

    Raises:
      InputError: an example is longer than a row, or there are no examples.

    Source: Johnson 1973, "Near-Optimal Bin Packing Algorithms"; for training sequences: Krell et
    al. 2021, "Efficient Sequence Packing without Cross-contamination".

    Example:
      >>> from tunix_rt_nb.render.examples import Example
      >>> rows = pack(Examples.of([Example("a", (2, 7, 8), 1), Example("b", (2, 9), 1)]), length=8)
      >>> rows.arrays(np.array([0]))["segments"].tolist()
      [[1, 1, 1, 2, 2, 0, 0, 0]]
    """
    if not len(examples):
        raise InputError("pack: there are no examples")
    # Decreasing: sort by length, stable, so that the result depends on the examples alone.
    lengths = examples.index["length"].reshape(-1, together).sum(axis=1)
    order = np.argsort(-lengths, kind="stable")
    if (longest := int(lengths[order[0]])) > length:
        raise InputError(
            f"example {examples[int(order[0]) * together].id}: {longest} tokens do not fit into a"
            f" row of {length}, render again with max_length: {length}"
        )
    # Find a row for each example, then list the examples row after row.
    rows = _best_fit(lengths[order], length)
    units = order[np.argsort(rows, kind="stable")]
    in_rows = (units[:, None] * together + np.arange(together)).ravel()
    return Rows(examples, length, in_rows, np.cumsum(np.bincount(rows)) * together, least)


def pack_full(examples: Examples, longest: int, fill: float = 0.95) -> Rows:
    """Pack examples of up to `longest` tokens into the shortest rows that are nearly full.

    Attention costs more in longer rows, and padding is wasted. So try rows of `longest` tokens
    first, then multiples of 16 tokens up to three times as long, until examples fill at least the
    share `fill` of all positions. If no length reaches `fill`, return the fullest rows.

    Raises:
      InputError: an example is longer than `longest`, or there are no examples.

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
    """Return the index of the row that each example is put into.

    Place all examples of equal length together. Find the fullest row that has space for one of
    them, and put as many into it as fit. This is the same as best fit one by one: an example makes
    the fullest row still fuller, so the next example of this length goes there, too.

    Args:
      lengths: the length of each example in tokens, in decreasing order.
      length: the length of a row in tokens.
    """
    row_of = np.empty(len(lengths), np.int64)
    with_room: dict[int, list[np.ndarray]] = {}  # space left -> arrays of rows
    rooms: list[int] = []  # the keys of `with_room`, sorted
    opened = 0

    def keep(room: int, rows: np.ndarray) -> None:
        if room and len(rows):
            if room not in with_room:
                insort(rooms, room)
            with_room.setdefault(room, []).append(rows)

    # Go through the groups of equal length, the longest first.
    starts = np.flatnonzero(np.diff(lengths, prepend=length + 1))
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(lengths)], strict=True):
        need, done = int(lengths[start]), start
        while done < end:
            # Best fit: the rows with the least space that is enough. If there are none, open rows
            # for all the rest of the group.
            at = bisect_left(rooms, need)
            if at < len(rooms):
                room = rooms.pop(at)
                rows = np.concatenate(with_room.pop(room))[::-1]  # use the row kept last first
            else:
                room = length
                rows = np.arange(opened, opened - (done - end) // (length // need))
                opened += len(rows)
            # Give each row as many as fit; the last row used may get fewer (`rest`).
            each = room // need
            full, rest = divmod(min(end - done, each * len(rows)), each)
            placed = np.repeat(rows, each)[: full * each + rest]
            row_of[done : done + len(placed)] = placed
            done += len(placed)
            # Keep the rows again by the space they have now; unused rows go back in their order.
            keep(room - each * need, rows[:full])
            if rest:
                keep(room - rest * need, rows[full : full + 1])
            keep(room, rows[full + (rest > 0) :][::-1])
    return row_of
