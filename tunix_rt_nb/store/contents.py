"""The traces in a store, found by their ids and read one at a time, without reading the others."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from tunix_rt_nb.common import InputError, strict_json
from tunix_rt_nb.store import index, listing, shards
from tunix_rt_nb.store.shards import Stored
from tunix_rt_nb.trace import id_of

_BLOCK = 1000  # lines that are read and yielded at a time


class Contents:
    """The location of every trace in a folder of shards: its shard, and the byte where it begins.

    A shard is a file with a trace in each line. Deleted traces are left out.

    Attributes:
      table: the index row of each trace: its id, time and place, in an array of the dtype
        `store.ROW`. A row number in the methods is an index into this array.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        there = listing.complete(folder)
        self._shards = there.shards
        tables = [index.read(shard) for shard in self._shards]
        whole = index.concatenate(tables)
        shard_of = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
        # A line ends where the next one begins; the last line ends with its shard.
        ends = [
            np.append(t["place"], s.stat().st_size)[1:]
            for t, s in zip(tables, self._shards, strict=True)
        ]
        self._gone = shards.deleted(there.deletions)
        kept = ~index.among(whole, self._gone)
        self.table, self._shard_of = whole[kept], shard_of[kept]
        self._end = np.concatenate([np.empty(0, np.int64), *ends])[kept]

    def rows(self, ids: Iterable[str]) -> np.ndarray:
        """Return the row numbers of the traces with these ids: int64[rows].

        The order is that of `ids`. Unknown ids are skipped.
        """
        return index.places(self.table, index.rows(b"".join(map(index.key_of, ids))))

    def find(self, id: str) -> int:
        """Return the row number of a trace, given its id or a unique beginning of it.

        Raises:
          InputError: no trace has an id that begins like this, or several do. The message says if
            the trace was deleted.
        """
        found = index.starting_with(self.table, id)
        if len(found) == 1:
            return int(found[0])
        if len(found):
            some = ", ".join(self.ids(found[:3]))
            raise InputError(
                f"id: {len(found)} ids begin with {id!r}, give more characters: {some}"
            )
        was = "was deleted" if len(index.starting_with(self._gone, id)) else "does not exist"
        raise InputError(f"id: {id!r} {was} in {self._folder}")

    def ids(self, rows: Sequence[int] | np.ndarray) -> list[str]:
        """Return the ids of the traces with these row numbers."""
        return [id_of(key) for key in index.keys(self.table[rows])]

    def take(self, rows: Iterable[int]) -> list[Stored]:
        """Read the traces with these row numbers, in this order."""
        return [self._read(int(k)) for k in rows]

    def lines(self, wanted: np.ndarray) -> Iterator[bytes]:
        """Yield the lines of some traces, joined into blocks of up to 1000 lines.

        If a shard has no index, someone put it into the folder by hand. Its lines are parsed and
        formatted again, so that a trace has the same line, byte by byte, whichever shard it is in.

        Args:
          wanted: the ids of the traces in the wanted order, as an array of the dtype `store.ROW`.
            Only its fields `hi` and `lo` are used, the two halves of each id.

        Raises:
          InputError: a trace is missing, because it was deleted meanwhile, a shard or its index was
            altered, or a line is damaged.
        """
        rows = index.places(self.table, wanted)
        if len(rows) < len(wanted):
            gone = len(wanted) - len(rows)
            raise InputError(f"{self._folder}: {gone} traces were deleted meanwhile, try again")
        for shard in self._shards:
            shards.check(shard)
        by_hand = [not index.path_of(shard).exists() for shard in self._shards]
        with ExitStack() as stack:
            handles = [stack.enter_context(shard.open("rb")).fileno() for shard in self._shards]
            for start in range(0, len(rows), _BLOCK):
                block = rows[start : start + _BLOCK]
                of = self._shard_of[block].tolist()
                places = self.table["place"][block]
                sizes = (self._end[block] - places).tolist()
                # Use pread: memory-mapped files would count as memory, and are not faster.
                lines = [
                    os.pread(handles[k], size, place)
                    for k, size, place in zip(of, sizes, places.tolist(), strict=True)
                ]
                self._check_begins(lines, block, by_hand)
                if any(by_hand):
                    lines = [
                        self._rewritten(line, row) if by_hand[shard] else line
                        for line, row, shard in zip(lines, block.tolist(), of, strict=True)
                    ]
                yield b"".join(lines)

    def _check_begins(self, lines: list[bytes], block: np.ndarray, by_hand: list[bool]) -> None:
        """Raise `InputError` if the indexes led to other lines than those of the wanted traces."""
        begins = [b'{"id":"%08x' % n for n in (self.table["hi"][block] >> np.uint64(32)).tolist()]
        for line, begin, shard in zip(lines, begins, self._shard_of[block].tolist(), strict=True):
            if not (
                by_hand[shard] or (line.startswith(begin) and line.find(b"\n") == len(line) - 1)
            ):
                raise self._misfit(shard)

    def _misfit(self, shard: int) -> InputError:
        path = index.path_of(self._shards[shard])
        return InputError(f"{path}: this index does not match its shard, remove the index")

    def _rewritten(self, line: bytes, row: int) -> bytes:
        try:
            trace, created_at = Stored.of(line, "")
        except InputError:
            trace, created_at = self._read(row)  # this error names the line
        return shards.line_of(trace, trace.key, created_at)

    def _read(self, k: int) -> Stored:
        shard, place = self._shards[self._shard_of[k]], int(self.table["place"][k])
        with shard.open("rb") as file:
            file.seek(place)
            line = file.readline(strict_json.MAX_LINE + 1)
        try:
            stored = Stored.of(line, "")
        except InputError as error:  # count lines only now, because that reads the shard
            raise InputError(f"{shard}:{_line_number(shard, place)}{error}") from None
        if stored.trace.id not in self.ids([k]):
            raise self._misfit(int(self._shard_of[k]))
        return stored


def _line_number(shard: Path, place: int) -> int:
    """Return the number of the line that begins at the byte `place`; the first line is 1."""
    with shard.open("rb") as file:
        return 1 + sum(
            file.read(min(1 << 20, place - k)).count(b"\n") for k in range(0, place, 1 << 20)
        )
