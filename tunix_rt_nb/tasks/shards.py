"""One draw on many machines: each draws a shard into a file, and one joins the files."""

import hashlib
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tunix_rt_nb.common import InputError, files, first_of, strict_json
from tunix_rt_nb.tasks import drawing
from tunix_rt_nb.trace import Trace, parse_line

_WANTED = "expected K/N with K from 0 to N - 1, auto, or auto/N"
_INDEX = re.compile(r"(auto|\d{1,6})(?:/(\d{1,6}))?", re.ASCII)


class Shard(NamedTuple):
    """One of `of` shares of a draw, counted by `number` from 0."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str, environment: Mapping[str, str] = os.environ) -> "Shard":
        """Read `K/N`, or find in the environment which shard is this process's to draw.

        `auto/N` reads the task id of a Slurm array, the completion index of a Kubernetes job, or
        the number of the Spark partition that calls this. `auto` also takes N from the environment,
        and Slurm counts from the array's least id.

        Raises:
          InputError: the text is not of this form, K is not below N, or the environment does not
            tell K or N.

        Example:
          >>> Shard.parse("3/8")
          Shard(number=3, of=8)
          >>> Shard.parse("auto/8", {"JOB_COMPLETION_INDEX": "5"})
          Shard(number=5, of=8)
        """
        match = _INDEX.fullmatch(text)
        if not match or (match[1] != "auto" and not match[2]):
            raise InputError(f"--shard: {text!r}, {_WANTED}")
        of = int(match[2] or 0)
        found = _own(environment, of) if match[1] == "auto" else cls(int(match[1]), of)
        if not 0 <= found.number < found.of:
            here = "" if match[1] != "auto" else f" is {found.number}/{found.of} here"
            raise InputError(f"--shard: {text!r}{here}, {_WANTED}")
        return found

    def indices(self, n: int) -> range:
        """Return the indices of its items of a draw of `n`."""
        return range(self.number * n // self.of, (self.number + 1) * n // self.of)


def _own(environment: Mapping[str, str], of: int) -> Shard:
    """Return the shard of this process: one of `of` or, if that is 0, of as many as Slurm tells."""
    spark = sys.modules.get("pyspark")
    context = spark and spark.TaskContext.get()
    try:
        if context:
            index, least = context.partitionId(), 0
        elif "SLURM_ARRAY_TASK_ID" in environment:
            index = int(environment["SLURM_ARRAY_TASK_ID"])
            least = 0 if of else int(environment["SLURM_ARRAY_TASK_MIN"])
            of = of or int(environment["SLURM_ARRAY_TASK_COUNT"])
        else:
            index, least = int(environment["JOB_COMPLETION_INDEX"]), 0
    except (KeyError, ValueError):
        raise InputError(
            "--shard: auto, but this process is in no array of Slurm, indexed job of Kubernetes or"
            " task of Spark; expected K/N"
        ) from None
    if not of:
        raise InputError(
            "--shard: auto, but only Slurm tells how many shards there are; expected auto/N"
        )
    return Shard(index - least, of)


def write_shard(folder: Path, shard: Shard, name: str, n: int, seed: int, **how: Any) -> Path:
    """Draw a shard of what `draw` draws into a file, and return its path.

    The name of the file tells what is in it, and ends with the beginning of the sha256 of its
    bytes. So a shard that is drawn again, or twice at once, is the same file.

    Args:
      folder: the folder of the file.
      shard: which part to draw.
      name, n, seed, how: the arguments of `draw` for the whole draw.

    Raises:
      InputError: an argument is bad, or the folder cannot be written to.
    """
    drawn = drawing.share(shard.indices(n), name, n, seed, **how)
    digest = hashlib.sha256()
    with files.draft(folder) as new:
        for trace in drawn:
            line = trace.canonical_bytes() + b"\n"
            new.file.write(line)
            digest.update(line)
        stem = _stem(name, n, seed, **how)
        path = folder / f"{stem}-{shard.number}-of-{shard.of}-{digest.hexdigest()[:16]}.jsonl"
        new.publish(path)
    return path


def join_shards(folder: Path, name: str, n: int, seed: int, **how: Any) -> Iterator[Trace]:
    """Join the shards of a draw: yield exactly the traces that `draw` yields.

    Args:
      folder: the folder of the files that `write_shard` wrote.
      name, n, seed, how: the arguments with which the shards were drawn.

    Raises:
      InputError: an argument is bad, or a shard is missing, altered or there in two versions.
    """
    return drawing.joined(_read(_found(folder, _stem(name, n, seed, **how))), name, n, seed, **how)


def _stem(
    name: str,
    n: int,
    seed: int,
    difficulty: str = "easy",
    grain: str = "fine",
    mistakes: float = 0.0,
) -> str:
    return f"{name}-{difficulty}-{grain}-mistakes{float(mistakes)}-seed{seed}-n{n}"


def _found(folder: Path, stem: str) -> list[Path]:
    """List the files of all shards of a draw in order; raise `InputError` if one is missing."""
    form = re.compile(
        rf"{re.escape(stem)}-(\d{{1,6}})-of-([1-9]\d{{0,5}})-([0-9a-f]{{16}})\.jsonl", re.ASCII
    )
    found: dict[Shard, Path] = {}
    for path in sorted(folder.glob("*.jsonl")):
        if match := form.fullmatch(path.name):
            shard = Shard(int(match[1]), int(match[2]))
            if shard in found:
                raise InputError(
                    f"{path}: is another version of {found[shard].name}, expected one; remove one"
                )
            found[shard] = path
    counts = sorted({shard.of for shard in found})
    if len(counts) != 1:
        told = f"shards of {' and of '.join(map(str, counts))}" if counts else "no shards"
        raise InputError(f"{folder}: has {told} of {stem}, expected all shards of one draw")
    [of] = counts
    if missing := [str(k) for k in range(of) if Shard(k, of) not in found]:
        told = ", ".join(first_of(missing))
        raise InputError(f"{folder}: shards {told} of {of} of {stem} are missing; draw them")
    return [found[Shard(k, of)] for k in range(of)]


def _read(paths: Iterable[Path]) -> Iterator[Trace]:
    for path in paths:
        if not path.stem.endswith(files.sha256(path)[:16]):
            raise InputError(f"{path}: was altered or cut off after it was written; draw it again")
        with files.opened(path) as file:
            for number, line in enumerate(files.lines(file, strict_json.MAX_LINE), 1):
                yield parse_line(line, f"{path}:{number}")
