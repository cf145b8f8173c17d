"""The traces of a dataset's two sides: in one file a side, or cut into shards.

datasets/cards-v1/, built with 16 shards
  train-00000-of-00016.jsonl    the traces to train on whose ids begin with 0
  train-00001-of-00016.jsonl    those whose ids begin with 1, and so on
  train.ids                     the ids of all traces to train on, one a line, in their order
  eval-00000-of-00016.jsonl     the same for the traces that are held out
  eval.ids

An id is a hash of the trace, and its first bits name the shard. So a trace is in the same shard
whatever else is in the dataset, and shard 3 of 8 is shards 6 and 7 of 16. Within a shard the traces
keep the order of the dataset. The ids tell from which shard the next trace comes, so everything is
read in the same order as from one file.
"""

import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast, get_args

from tunix_rt_nb.common import InputError, files
from tunix_rt_nb.dataset.folder import ALTERED, SIDES, read_manifest
from tunix_rt_nb.dataset.manifest import Manifest, ShardCount
from tunix_rt_nb.trace import Trace, parse_line

COUNTS: tuple[int, ...] = get_args(ShardCount)
_FIRST = {f"{byte:02x}": byte for byte in range(256)}  # the first two digits of an id -> its byte


def check_count(count: int | None) -> None:
    """Raise `InputError` if a side cannot be cut into `count` shards; None is for no shards."""
    if count is not None and count not in COUNTS:
        raise InputError(f"shards: {count} is no power of two from 1 to {COUNTS[-1]}")


def names(side: str, count: int | None) -> list[str]:
    """Return the names of the files that hold the traces of one side.

    Args:
      side: `train` or `eval`.
      count: the number of shards; None if the side is not cut.

    Example:
      >>> names("eval", None), names("eval", 2)
      (['eval.jsonl'], ['eval-00000-of-00002.jsonl', 'eval-00001-of-00002.jsonl'])
    """
    if count is None:
        return [f"{side}.jsonl"]
    return [f"{side}-{k:05}-of-{count:05}.jsonl" for k in range(count)]


def number(id: str, count: int) -> int:
    """Return the number of the shard that a trace is in; 0 is the first of `count`.

    Example:
      >>> number("3f2504e0-4f89-51d3-9a0c-0305e82c3301", 8)
      1
    """
    return _FIRST[id[:2]] * count >> 8


def cut(
    contents: Mapping[str, Iterable[bytes]], ids: Iterable[str], count: int | None
) -> Iterator[tuple[str, bytes]]:
    """Yield what is to be appended to the files of a dataset: (name of the file, bytes).

    Each file is named at least once, so that an empty one is written too.

    Args:
      contents: name of a file -> its bytes, in blocks of whole lines, if no side is cut.
      ids: the ids of the traces, the side to train on first.
      count: the number of shards; None to cut nothing.
    """
    ids = iter(ids)
    for name, blocks in contents.items():
        side = name.removesuffix(".jsonl")
        if count is None or side not in SIDES:
            yield name, b""
            yield from ((name, block) for block in blocks)
        else:
            yield from _shards(side, blocks, ids, count)


def _shards(
    side: str, blocks: Iterable[bytes], ids: Iterator[str], count: int
) -> Iterator[tuple[str, bytes]]:
    listed, shards = f"{side}.ids", names(side, count)
    yield from ((name, b"") for name in [listed, *shards])
    for block in blocks:
        lines = list(io.BytesIO(block))  # `splitlines` would break at a carriage return, too
        some = list(islice(ids, len(lines)))
        parts = defaultdict(list)
        for id, line in zip(some, lines, strict=True):
            parts[number(id, count)].append(line)
        yield listed, "".join(f"{id}\n" for id in some).encode()
        yield from ((shards[k], b"".join(part)) for k, part in parts.items())


def remove_others(folder: Path, kept: Iterable[str]) -> None:
    """Remove the files of both sides that an interrupted build left, except those in `kept`."""
    ours = ("{}.jsonl", "{}.ids", "{}-?????-of-?????.jsonl")
    there = {path for side in SIDES for name in ours for path in folder.glob(name.format(side))}
    files.remove(there - {folder / name for name in kept})


def load(folder: Path, side: str) -> Iterator[tuple[str, Trace]]:
    """Yield the (id, trace) pairs of one side, `train` or `eval`, of a complete dataset.

    Raises:
      InputError: the folder has no manifest (the build was interrupted), or a file was altered
        after the build.
    """
    for where, line in lines(folder, side):
        trace = parse_line(line, where)
        yield trace.id, trace


def lines(folder: Path, side: str) -> Iterator[tuple[str, bytes]]:
    """Yield the lines of one side of a complete dataset in order, each with its `file:number`.

    Raises:
      InputError: as for `load`.
    """
    manifest = read_manifest(folder)
    check_side(folder, side, manifest)
    yield from joined(folder, side, manifest.get("shards"))


def check_side(folder: Path, side: str, manifest: Manifest) -> None:
    """Check that the files of one side are those of the build.

    Raises:
      InputError: a file was altered, cut off or removed; the message names it.
    """
    count = manifest.get("shards")
    listed = [] if count is None else [f"{side}.ids"]
    for name in [*listed, *names(side, count)]:
        files.check_unaltered(folder / name, manifest, ALTERED)


def joined(folder: Path, side: str, count: int | None) -> Iterator[tuple[str, bytes]]:
    """Yield what `lines` does, of files that are not checked.

    Raises:
      InputError: a shard holds other traces than the list of ids.
    """
    paths = [folder / name for name in names(side, count)]
    with ExitStack() as stack:
        parts = [_numbered(path, stack.enter_context(files.opened(path))) for path in paths]
        if count is None:
            yield from parts[0]
            return
        for id in _ids(folder / f"{side}.ids"):
            k = number(id, count)
            if (line := next(parts[k], None)) is None:
                raise InputError(f"{paths[k]}: {ALTERED}")
            yield line
        for path, part in zip(paths, parts, strict=True):
            if next(part, None):
                raise InputError(f"{path}: {ALTERED}")


def _numbered(path: Path, file: BinaryIO) -> Iterator[tuple[str, bytes]]:
    return ((f"{path}:{n}", line) for n, line in enumerate(file, 1))


def _ids(path: Path) -> Iterator[str]:
    with files.opened(path) as file:
        for n, line in enumerate(file, 1):
            id = line.rstrip().decode("ascii", "replace")
            if id[:2] not in _FIRST:
                raise InputError(f"{path}:{n}: expected the id of a trace")
            yield id


@contextmanager
def whole(
    folder: Path, sides: Iterable[str], count: int | None, scratch: Path
) -> Iterator[list[Path]]:
    """Give one file for each side, with all of its lines in order, within a `with` block.

    Args:
      folder: the folder of the dataset.
      sides: `train` or `eval`, or both.
      count: the number of shards. They are joined into temporary files; None needs none.
      scratch: the folder for temporary files.
    """
    if count is None:
        yield [folder / f"{side}.jsonl" for side in sides]
        return
    with ExitStack() as stack:
        drafts = {side: stack.enter_context(files.draft(scratch)) for side in sides}
        for side, one in drafts.items():
            one.file.writelines(line for _, line in joined(folder, side, count))
            one.file.flush()
            one.path.chmod(0o644)  # the workers of Spark may be other users
        yield [one.path for one in drafts.values()]


def with_ids(folder: Path) -> Manifest:
    """Read the manifest of a complete dataset, with `trace_ids` even if other files hold them.

    Raises:
      InputError: as for `read_manifest`, or a list of ids was altered after the build.
    """
    manifest = read_manifest(folder)
    if "shards" not in manifest:
        return manifest
    ids: list[str] = []
    for side in SIDES:
        path = folder / f"{side}.ids"
        files.check_unaltered(path, manifest, ALTERED)
        ids += _ids(path)
    return cast("Manifest", {**manifest, "trace_ids": ids})
