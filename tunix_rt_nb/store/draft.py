"""A shard that is being written, and how it gets its name."""

import hashlib
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path

import numpy as np

from tunix_rt_nb.common import files, strict_json
from tunix_rt_nb.store import index
from tunix_rt_nb.store.shards import Lines, Stored, line_of


class ShardDraft:
    """A shard that is being written to a temporary file, together with the rows of its index."""

    def __init__(self, draft: files.Draft) -> None:
        self._draft = draft
        self._keys, self._times, self._places = bytearray(), array("q"), array("q")
        self._size = 0
        self._hash = hashlib.sha256()

    def append(self, line: bytes, key: bytes, at: int) -> None:
        """Add the line of a trace.

        Args:
          line: the line, with its line break.
          key: the id of the trace as 16 bytes.
          at: its time in microseconds since 1970.
        """
        self._draft.file.write(line)
        self._hash.update(line)
        self._keys += key
        self._times.append(at)
        self._places.append(self._size)
        self._size += len(line)

    def extend(self, lines: Lines, at: int) -> None:
        """Add the lines of traces that all have the time `at`, in microseconds since 1970."""
        self._draft.file.write(lines.text)
        self._hash.update(lines.text)
        self._keys += lines.keys
        self._times.extend([at] * len(lines.lengths))
        self._places.extend(accumulate(lines.lengths[:-1], initial=self._size))
        self._size += len(lines.text)

    def copy(
        self, source: Path, table: np.ndarray, keep: np.ndarray, rewrite: bool = False
    ) -> None:
        """Add some of the lines of another file.

        Args:
          source: the file, in the format of a shard.
          table: the index row of each of its lines, an array of the dtype `store.ROW`.
          keep: True for each line to copy: bool[lines].
          rewrite: parse each line and format it again, for a file that another program may have
            written.
        """
        chosen = zip(keep.tolist(), index.keys(table), table["at"].tolist(), strict=True)
        with source.open("rb") as file:
            for line, (kept, key, at) in zip(
                files.lines(file, strict_json.MAX_LINE), chosen, strict=True
            ):
                if kept and rewrite:
                    trace, created_at = Stored.of(line, str(source))
                    line = line_of(trace, key, created_at)
                if kept:
                    self.append(line, key, at)

    def table(self) -> np.ndarray:
        """Return the index rows of the traces added so far, an array of the dtype `store.ROW`."""
        return index.rows(bytes(self._keys), self._times, self._places)

    def settle(self) -> Path:
        """Flush the temporary file to the disk. Return its path."""
        self._draft.settle()
        return self._draft.path

    def name(self) -> str:
        """Return the shard's final file name, `traces-HASH.jsonl`, with a hash of its content."""
        return f"traces-{self._hash.hexdigest()[:16]}.jsonl"

    def publish(self, folder: Path) -> Path:
        """Write the index, then rename the file, which makes it a shard of `folder`.

        Returns:
          The path of the shard.
        """
        path = folder / self.name()
        # Write the index first, so that our shards always have one. If a kill comes in between,
        # the index has no shard, and the next writer removes it.
        index.write(path, self._size, self.table())
        self._draft.publish(path)
        return path


@contextmanager
def draft(folder: Path) -> Iterator[ShardDraft]:
    """Open a temporary file for a new shard; delete it on exit unless it was published."""
    with files.draft(folder) as new:
        yield ShardDraft(new)
