"""Verification of a store from its files alone: every file, line, id, step and answer."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Set
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tunix_rt_nb.common import InputError, cluster, files, one_line, strict_json, workers
from tunix_rt_nb.store import index, listing, locks, shards
from tunix_rt_nb.trace import id_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_CHUNK = 1 << 20  # bytes of a shard that a process checks at a time


class _Job(NamedTuple):
    shard: Path
    first: int  # line number of the first line in this part
    start: int
    end: int


class _Part(NamedTuple):
    keys: bytes
    numbers: array  # the line numbers of these keys
    checked: int
    sums: tuple[int, int, int]  # right, wrong, not checkable steps of traces of no known task
    wrong: list[str]


class Verification:
    """A verification of a store. Iterate over it to run it; it yields a line for each problem.

    Args:
      folder: the folder of the store.
      steps: also check each trace that is not deleted: its steps and answer if its `meta.task` is
        one of `tasks.TASKS`, else only the sums in its steps, such as `2 + 2 = 4`.
      processes: how many processes share the work; the result does not depend on it.
      spark: a session of Spark whose workers share the work instead, and see the folder.

    Attributes:
      traces: the number of traces, deleted ones included; set after everything is read.
      checked: the number of traces that one of `tasks.TASKS` has checked so far.
      sums: for the other traces so far, the numbers of steps that are right, that are wrong, and
        that cannot be checked.
      recorded: False if no file in the folder tells which shards and deletion files it should hold,
        because an earlier version wrote it; then nothing tells if one was removed.

    Example:
      >>> list(Verification(Path("nothing")))
      []
    """

    def __init__(
        self,
        folder: Path,
        steps: bool = True,
        processes: int = 1,
        spark: "SparkSession | None" = None,
    ) -> None:
        self._folder, self._steps, self._processes, self._spark = folder, steps, processes, spark
        self.traces = self.checked = 0
        self.sums = (0, 0, 0)
        self.recorded = True

    def __iter__(self) -> Iterator[str]:
        keys, numbers, lengths = bytearray(), array("q"), []
        with locks.reading(self._folder):
            there = listing.found(self._folder)
            found = there.shards
            self.recorded = there.recorded or not found
            yield from map(listing.removed, there.missing)
            deleted = []
            for path in there.deletions:
                try:
                    deleted.append(shards.deleted([path]))
                except InputError as error:
                    yield str(error)
            gone = frozenset(index.keys(index.concatenate(deleted)))
            jobs = [list(_jobs(shard)) for shard in found]
            parts = self._checked(partial(_check_part, self._steps, gone), chain(*jobs))
            # The parts come in the order of the jobs, so those of a shard follow each other.
            for shard, several in zip(found, jobs, strict=True):
                wrong, before = 0, len(numbers)
                for part in islice(parts, len(several)):
                    keys += part.keys
                    numbers += part.numbers
                    self.checked += part.checked
                    self.sums = _added(self.sums, part.sums)
                    wrong += len(part.wrong)
                    yield from part.wrong
                # Compare a shard with its name and its index only if all its lines are valid.
                lengths.append(len(numbers) - before)
                if not wrong:
                    yield from _altered(shard, index.rows(bytes(keys[16 * before :])))
        self.traces = len(numbers)
        yield from _twice(found, lengths, bytes(keys), numbers)

    def _checked(self, check: Callable[[_Job], _Part], jobs: Iterable[_Job]) -> Iterator[_Part]:
        if self._spark is None:
            return workers.ordered(check, jobs, self._processes)
        return cluster.ordered(self._spark, check, list(jobs))


def _jobs(shard: Path) -> Iterator[_Job]:
    number = 1
    with shard.open("rb") as file:
        while block := file.read(_CHUNK):
            start, count = file.tell() - len(block), block.count(b"\n")
            while block and not block.endswith(b"\n"):  # read the last line of the block to its end
                block = file.readline(strict_json.MAX_LINE)
                count += block.endswith(b"\n")
            yield _Job(shard, number, start, file.tell())
            number += count


def _check_part(steps: bool, gone: Set[bytes], job: _Job) -> _Part:
    keys, numbers, checked = bytearray(), array("q"), 0
    sums = (0, 0, 0)
    wrong: list[str] = []
    with job.shard.open("rb") as file:
        file.seek(job.start)
        lines = enumerate(files.lines(file, strict_json.MAX_LINE), job.first)
        while file.tell() < job.end:
            number, line = next(lines)
            where = f"{job.shard}:{number}"
            try:
                trace = shards.Stored.of(line, where).trace
            except InputError as error:
                wrong.append(str(error))
                continue
            keys += trace.key
            numbers.append(number)
            if steps and trace.key not in gone:
                from tunix_rt_nb import tasks  # slow to load

                found = tasks.check(trace)
                checked += found.known
                if not found.known:
                    sums = _added(sums, found.counts)
                for told in found.problems:
                    wrong.append(f"{where}: trace {trace.id[:8]}: {one_line(told)}")
    return _Part(bytes(keys), numbers, checked, sums, wrong)


def _added(a: tuple[int, int, int], b: tuple[int, int, int]) -> tuple[int, int, int]:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


def _altered(shard: Path, table: np.ndarray) -> Iterator[str]:
    """Yield a message if a shard of valid lines was altered or does not fit its index.

    Args:
      shard: the shard.
      table: the index rows built from its lines, an array of the dtype `store.ROW`.
    """
    try:
        indexed = index.read(shard)
    except InputError as error:
        yield str(error)
        return
    if shards.is_altered(shard):
        yield shards.altered(shard)
    elif not np.array_equal(table[["hi", "lo"]], indexed[["hi", "lo"]]):
        yield f"{index.path_of(shard)}: this index does not match its shard, remove the index"


def _twice(found: list[Path], lengths: list[int], keys: bytes, numbers: array) -> Iterator[str]:
    """Yield a message for each line that has the same id as an earlier line of the store.

    Args:
      found: the shards.
      lengths: the number of valid lines in each shard.
      keys: the ids in all valid lines, 16 bytes each, concatenated.
      numbers: for each of these ids the number of its line in its shard.
    """
    ends = np.cumsum(lengths)
    table = index.rows(keys, [0], numbers)
    for k in index.repeated(table).nonzero()[0]:
        shard = found[int(np.searchsorted(ends, k, side="right"))]
        id = id_of(index.keys(table[k : k + 1])[0])
        yield f"{shard}:{table['place'][k]}: id: {id} appears a second time"
