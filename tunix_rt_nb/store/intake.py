"""Import of traces from files that others made, in any of the formats that `trace` reads."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from tunix_rt_nb.common import InputError, one_line, workers
from tunix_rt_nb.store.shards import Lines, lines_of
from tunix_rt_nb.trace import EARLIER, Trace, formats, inputs

MAX_TOLD = 20  # bad records that are reported one by one
_BLOCK = 1 << 20  # bytes of records that are parsed at a time


@dataclass(frozen=True)
class How:
    """The settings of an import.

    Attributes:
      form: the format of the records, one of `formats.FORMATS`; `auto` takes for each file the
        format of its first record that is recognised.
      names: part of a trace -> the field of a record that holds it. The parts are `prompt`,
        `system`, `reasoning`, `response` and `answer`. If `names` is given, `form` is ignored.
      skip_bad: leave out bad records and report them, instead of refusing the whole import.
      report: called with one line of text at a time: what a file holds, which records are left out.
    """

    form: str = "trace"
    names: Mapping[str, str] = field(default_factory=dict)
    skip_bad: bool = False
    report: Callable[[str], None] = lambda line: None


class _Block(NamedTuple):
    """Some consecutive records of a file.

    Attributes:
      path: the file.
      form: the format of the records.
      records: pairs of record number and record.
      wrong: the error that ended the reading of the file; empty if there was none.
    """

    path: Path
    form: str
    records: list[tuple[int, bytes]]
    wrong: str = ""


class _Read(NamedTuple):
    """The traces and the errors in some consecutive records of a file.

    Attributes:
      path: the file.
      lines: the traces, as lines for a shard.
      bad: a message for each bad record.
      counts: how many traces of a kind there are, such as `chats`; how many have a detail, such as
        `with a system message`; how many records are bad, under `skipped`.
      wrong: the error that ended the reading of the file; empty if there was none.
    """

    path: Path
    lines: Lines
    bad: list[str]
    counts: Counter[str]
    wrong: str


def read(
    paths: Iterable[Path],
    created_at: str,
    how: How = How(),
    progress: inputs.Progress = inputs.unseen,
    processes: int = 1,
) -> Iterator[Lines]:
    """Yield the traces of some files as lines for a shard, about 1 MiB at a time.

    If `meta.task` of a trace is one of `tasks.TASKS`, that task checks its steps and answer.

    Args:
      paths: JSON lines, a JSON array, Parquet, CSV or Arrow, or folders; `-` is standard input.
      created_at: the time to store with every trace, ISO 8601 in UTC.
      how: the settings of the import.
      progress: called with the numbers of lines and of bytes read since its last call.
      processes: how many processes share the work.

    Raises:
      InputError: `how` names an unknown format or part; raised before any file is read. Or a file
        cannot be read, or holds only bad records, or records are bad and `how.skip_bad` is False;
        raised after all files are read. The message has `file:line: field: reason` for each of the
        first 20 errors, and counts the others.
    """
    formats.reader(how.form, how.names)  # raises if there is no such format
    every = [file for path in paths for file in inputs.files_of(path)]
    parse = partial(_parsed, how.names, created_at)
    found = workers.ordered(parse, _blocks(every, how.form, progress), processes)
    told: list[str] = []
    count = 0
    for path, parts in groupby(found, itemgetter(0)):
        bad, counts = [], Counter[str]()
        for part in parts:
            bad += [*part.bad, *([part.wrong] if part.wrong else [])]
            counts += part.counts
            # After a bad record nothing will be imported. Read on only to report the others.
            count += len(part.bad) * (not how.skip_bad) + bool(part.wrong)
            if not count:
                yield part.lines
        if not count:
            how.report(f"{path}: {_summary(counts)}")
            if counts["skipped"] == counts.total():
                bad, count = [f"{path}: holds no record that can be read, see --as and --map"], 1
        if how.skip_bad:
            for line in [*bad[:MAX_TOLD], *_more(len(bad))]:
                how.report(f"skipped {line}")
        told += bad[: MAX_TOLD - len(told)] if count else []
    if count > 1:
        told.append(f"{'; '.join(_more(count)) or f'{count} bad lines'}; nothing was imported")
    if told:
        raise InputError("\n".join(told))


def _more(bad: int) -> list[str]:
    return [f"and {bad - MAX_TOLD} more bad lines"] if bad > MAX_TOLD else []


def _summary(counts: Counter[str]) -> str:
    """Describe a file, as in `312 chats (9 with a system message), 4 lines skipped`.

    Args:
      counts: how many traces of each kind and with each detail, and how many bad records, under
        `skipped`; as in `_Read`, but for the whole file.
    """
    nouns = [one.noun for one in formats.FORMATS.values()]
    kinds = [f"{counts[noun]:,} {noun}" for noun in dict.fromkeys(nouns) if counts[noun]]
    details = [f"{counts[name]:,} {name}" for name in _DETAILS if counts[name]]
    skipped = [f"{counts['skipped']:,} lines skipped"] if counts["skipped"] else []
    about = f" ({', '.join(details)})" if details else ""
    return ", ".join([f"{' and '.join(kinds) or 'nothing'}{about}", *skipped])


_DETAILS = ("with a system message", "with earlier turns", "with an answer only")


def _details(trace: Trace) -> list[str]:
    if trace.steps and EARLIER not in (trace.meta or {}):  # true of most traces
        return []
    earlier = trace.earlier
    holds = (bool(earlier.system), bool(earlier.turns), not trace.steps)
    return [name for name, held in zip(_DETAILS, holds, strict=True) if held]


def _parsed(names: Mapping[str, str], created_at: str, block: _Block) -> _Read:
    """Parse the records of a block.

    Args:
      names: part of a trace -> the field of a record that holds it, as in `How`.
      created_at: the time to store with every trace, ISO 8601 in UTC.
      block: the records.
    """
    parse = formats.reader(block.form, names)
    noun = formats.FORMATS["tagged" if names or block.form == formats.AUTO else block.form].noun
    traces, bad = [], []
    counts = Counter[str]()
    for number, record in block.records:
        try:
            trace = parse(record)
            if trace.meta and "task" in trace.meta:
                from tunix_rt_nb import tasks  # slow to load, and only these traces need it

                if wrong := tasks.problems(trace):
                    raise InputError(one_line(wrong[0]))
        except InputError as error:
            bad.append(f"{block.path}:{number}: {error}")
        else:
            traces.append(trace)
    counts[noun], counts["skipped"] = len(traces), len(bad)
    counts.update(name for trace in traces for name in _details(trace))
    return _Read(block.path, lines_of(traces, created_at), bad, counts, block.wrong)


def _blocks(paths: Iterable[Path], form: str, progress: inputs.Progress) -> Iterator[_Block]:
    for path in paths:
        found: list[tuple[int, bytes]] = []
        size, wrong, own = 0, "", form
        try:
            for number, record in inputs.records(path, progress):
                found.append((number, record))
                size += len(record)
                if size >= _BLOCK:
                    own = _own(own, found)
                    yield _Block(path, own, found)
                    found, size = [], 0
        except InputError as error:  # about the file, not about one of its records
            wrong = str(error)
        yield _Block(path, _own(own, found), found, wrong)


def _own(form: str, found: list[tuple[int, bytes]]) -> str:
    """Return the format of a file: `form`, or for `auto` that of the first recognised record.

    It stays `auto` if none of these records is recognised.

    Args:
      form: a format, or `auto`.
      found: pairs of record number and record, from the beginning of the file.
    """
    return formats.form_of(record for _, record in found) if form == formats.AUTO else form
