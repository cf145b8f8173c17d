"""Verification of a store from its files alone: every line, id, step and answer."""

import re
from array import array
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tunix_rt_nb.common import InputError, files, one_line, strict_json, workers
from tunix_rt_nb.store import index, shards
from tunix_rt_nb.trace import id_of

_CHUNK = 1 << 20  # bytes of a shard that a process checks at a time


class _Job(NamedTuple):
    shard: Path
    first: int  # number of its first line
    start: int
    end: int
    steps: bool
    gone: frozenset[bytes]


class _Part(NamedTuple):
    keys: bytes
    numbers: array  # the line numbers of these keys
    checked: int
    wrong: list[str]


class Verification:
    """The problems of a store, one line each. Iterate over it to find them.

    Args:
      folder: the store.
      steps: also check the steps and answers of all traces of known tasks that are not deleted.
      processes: how many processes share the work; the result does not depend on it.

    Attributes:
      traces: how many traces there are, deleted ones too; set once everything is read.
      checked: for how many of them the steps and the answer were checked.

    Example:
      >>> list(Verification(Path("nothing")))
      []
    """

    def __init__(self, folder: Path, steps: bool = True, processes: int = 1) -> None:
        self._folder, self._steps, self._processes = folder, steps, processes
        self.traces = self.checked = 0

    def __iter__(self) -> Iterator[str]:
        keys, numbers, lengths = bytearray(), array("q"), []
        with shards.reading(self._folder):
            found = shards.shards(self._folder)
            gone = frozenset(index.keys(shards.deleted(self._folder)))
            jobs = [list(_jobs(shard, self._steps, gone)) for shard in found]
            parts = workers.ordered(_check_part, chain.from_iterable(jobs), self._processes)
            # The parts come in the order of the jobs, so those of a shard follow each other.
            for shard, several in zip(found, jobs, strict=True):
                wrong, before = 0, len(numbers)
                for part in islice(parts, len(several)):
                    keys += part.keys
                    numbers += part.numbers
                    self.checked += part.checked
                    wrong += len(part.wrong)
                    yield from part.wrong
                # Compare a shard with its name and its index only if all its lines are sound.
                lengths.append(len(numbers) - before)
                if not wrong:
                    yield from _altered(shard, index.rows(bytes(keys[16 * before :])))
        self.traces = len(numbers)
        yield from _twice(found, lengths, bytes(keys), numbers)


def _jobs(shard: Path, steps: bool, gone: frozenset[bytes]) -> Iterator[_Job]:
    number = 1
    with shard.open("rb") as file:
        while block := file.read(_CHUNK):
            start, count = file.tell() - len(block), block.count(b"\n")
            while block and not block.endswith(b"\n"):  # read its last line to the end
                block = file.readline(strict_json.MAX_LINE)
                count += block.endswith(b"\n")
            yield _Job(shard, number, start, file.tell(), steps, gone)
            number += count


def _check_part(job: _Job) -> _Part:
    keys, numbers, checked = bytearray(), array("q"), 0
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
            if job.steps and trace.task is not None and trace.key not in job.gone:
                from tunix_rt_nb import tasks  # slow to load

                found = tasks.check(trace)
                checked += found is not None
                wrong += [f"{where}: {one_line(told)}" for told in found.problems] if found else []
    return _Part(bytes(keys), numbers, checked, wrong)


def _altered(shard: Path, table: np.ndarray) -> Iterator[str]:
    """Yield what is wrong with a shard of sound lines: altered content, or an unfit index."""
    try:
        indexed = index.read(shard)
    except InputError as error:
        yield str(error)
        return
    named = re.fullmatch(r"traces-([0-9a-f]{16})", shard.stem)
    if named and not files.sha256(shard).startswith(named[1]):
        yield f"{shard}: was altered after it was written, its name is the hash of other content"
    elif not np.array_equal(table[["hi", "lo"]], indexed[["hi", "lo"]]):
        yield f"{index.path_of(shard)}: does not fit its shard, remove it"


def _twice(found: list[Path], lengths: list[int], keys: bytes, numbers: array) -> Iterator[str]:
    """Yield a message for each line whose id an earlier line already has."""
    ends = np.cumsum(lengths)
    table = index.rows(keys, [0], numbers)
    for k in index.repeated(table).nonzero()[0]:
        shard = found[int(np.searchsorted(ends, k, side="right"))]
        id = id_of(index.keys(table[k : k + 1])[0])
        yield f"{shard}:{table['place'][k]}: id: {id} is there a second time"
