"""Import of traces from files that others made, in any of the formats that `trace` reads."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from tunix_rt_nb.common import (
    InputError,
    counted,
    files,
    first_of,
    one_line,
    workers,
)
from tunix_rt_nb.store.shards import Lines, lines_of
from tunix_rt_nb.trace import EARLIER, Trace, formats, inputs, parse_object

_MAP = "or --map prompt=FIELD,answer=FIELD"
_SKIP = "--skip-bad (in a notebook: SKIP_BAD) leaves bad lines out"
_MOST = 20  # errors that are told one by one
_MOST_BAD = 1_000  # bad records after which an import that will be refused stops reading
_MOST_SKIPPED = 30_000  # bad records of a file that are left out before any good one is found
_BLOCK = 1 << 20  # bytes of records that are parsed at a time
_MOST_IN_BLOCK = 10_000  # records that are parsed at a time, however short they are

_Numbered = list[tuple[int, bytes]]  # records with their numbers


@dataclass(frozen=True)
class How:
    """The settings of an import.

    Attributes:
      form: the format of the records, one of `formats.FORMATS`; `auto` takes for each file the
        format of its first record that is recognised.
      names: part of a trace -> the field of a record that holds it. The parts are `prompt`,
        `system`, `reasoning`, `response` and `answer`. If `names` is given, `form` is ignored.
      skip_bad: leave out bad records and report them, instead of refusing the whole import.
      skipped: the file to list in which records are left out and why; not written if none is.
      report: called with one line of text at a time: what a file holds, and the first of the
        records that are left out.
    """

    form: str = "trace"
    names: Mapping[str, str] = field(default_factory=dict)
    skip_bad: bool = False
    skipped: Path | None = None
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
    records: _Numbered
    wrong: str = ""


class _Read(NamedTuple):
    """The traces and the errors in some consecutive records of a file.

    Attributes:
      path: the file.
      lines: the traces, as lines for a shard.
      bad: a message for each bad record.
      counts: three sorts of counts by name. For a noun such as `chat{s}`, the number of traces
        of this kind; for a detail such as `with a system message`, the number of traces with this
        detail; for `skipped`, the number of bad records.
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

    If a trace's `meta.task` names one of `tasks.TASKS`, that task checks the steps and the answer.
    If they are wrong, the record counts as bad.

    Args:
      paths: JSON lines, a JSON array, Parquet, CSV or Arrow, or folders; `-` is standard input.
      created_at: the time to store with every trace, ISO 8601 in UTC.
      how: the settings of the import.
      progress: called with the numbers of lines and of bytes read since its last call.
      processes: how many processes share the work.

    Raises:
      InputError: `how` names an unknown format or part; raised before any file is read. Or a file
        cannot be read, lacks the fields of its format, or holds only bad records; or records are
        bad and `how.skip_bad` is False; raised after all files are read, or after 1,000 bad
        records. The message has `file:line: field: reason` for each of the first 20 errors, and
        counts the others.
    """
    formats.reader(how.form, how.names)  # raises if there is no such format
    every = [file for path in paths for file in inputs.files_of(path)]
    auto = how.form == formats.AUTO
    parse = partial(_parsed, how.names, auto, how.skip_bad, created_at)
    found = workers.ordered(parse, _blocks(every, how, progress), processes)
    refused: list[str] = []  # why nothing will be imported
    left_out: list[str] = []
    skippable = False
    for path, parts in groupby(found, itemgetter(0)):
        bad, counts, wrong = [], Counter[str](), ""
        for part in parts:
            bad += part.bad
            counts += part.counts
            wrong = part.wrong
            # After a bad record nothing will be imported. Read on only to report the others.
            refused += [*([] if how.skip_bad else part.bad), *([wrong] if wrong else [])]
            if not refused:
                yield part.lines
            elif len(refused) >= _MOST_BAD:
                raise InputError(_refusal(refused, True))
            if counts.total() == counts["skipped"] >= _MOST_SKIPPED:
                most = f"none of its first {_MOST_SKIPPED:,} records can be read"
                raise InputError(f"{bad[0]}; {most}, see --as and --map")
        good = counts.total() > counts["skipped"]
        skippable |= good and bool(bad)
        if how.skip_bad and not (good or wrong):
            refused.append(f"{bad[0]}; no record of this file can be read, see --as and --map")
        if not refused:
            how.report(f"{path}: {_summary(counts)}")
            for line in first_of(bad, f"{how.skipped or ''}"):
                how.report(f"skipped {line}")
        left_out += bad
    if refused:
        raise InputError(_refusal(refused, skippable and not how.skip_bad))
    _list(left_out, how.skipped)


def _refusal(wrong: Sequence[str], skippable: bool) -> str:
    """Write the message that refuses an import, with the first 20 errors.

    Args:
      wrong: the errors.
      skippable: True if `skip_bad` would help.
    """
    told = list(wrong[:_MOST])
    if len(wrong) >= _MOST_BAD:
        told.append(f"… stopped after {_MOST_BAD:,} bad lines; nothing was imported")
    elif len(wrong) > 1:
        more = len(wrong) - _MOST
        count = f"and {more:,} more bad lines" if more > 0 else f"{len(wrong)} bad lines"
        told.append(f"{count}; nothing was imported")
    return "\n".join(told) + (f"; {_SKIP}" if skippable else "")


def _list(left_out: Iterable[str], path: Path | None) -> None:
    """Write the records that were left out to a file; remove the file if none were left out."""
    text = "".join(f"{line}\n" for line in left_out)
    if path and text:
        with files.atomic(path) as file:
            file.write(text.encode())
    elif path:
        path.unlink(missing_ok=True)


def _summary(counts: Counter[str]) -> str:
    """Describe what a file holds, as in `312 chats (9 with a system message), 4 lines skipped`.

    Args:
      counts: the numbers of traces and of bad records in the file, by the names in `_Read.counts`.
    """
    nouns = [one.noun for one in formats.FORMATS.values()]
    kinds = [counted(counts[noun], noun) for noun in dict.fromkeys(nouns) if counts[noun]]
    details = [f"{counts[name]:,} {name}" for name in _DETAILS if counts[name]]
    skipped = [counted(counts["skipped"], "line{s} skipped")] if counts["skipped"] else []
    about = f" ({', '.join(details)})" if details else ""
    return ", ".join([f"{' and '.join(kinds) or 'nothing'}{about}", *skipped])


_DETAILS = (
    "with a system message",
    "with earlier turns",
    "with an answer only",
    "with an answer of several lines",
)


def _details(trace: Trace) -> list[str]:
    several = "\n" in trace.final_answer
    if trace.steps and not several and EARLIER not in (trace.meta or {}):  # true of most traces
        return []
    earlier = trace.earlier
    holds = (bool(earlier.system), bool(earlier.turns), not trace.steps, several)
    return [name for name, held in zip(_DETAILS, holds, strict=True) if held]


def _parsed(
    names: Mapping[str, str], auto: bool, skip_bad: bool, created_at: str, block: _Block
) -> _Read:
    """Parse the records of a block.

    Args:
      names: part of a trace -> the field of a record that holds it, as in `How`.
      auto: True if the format of the file was recognised by its fields, and not named.
      skip_bad: True to parse all records; False to stop at the 1,000th bad one.
      created_at: the time to store with every trace, ISO 8601 in UTC.
      block: the records.
    """
    parse = formats.reader(block.form, names)
    noun = formats.FORMATS["tagged" if names or block.form == formats.AUTO else block.form].noun
    traces: list[Trace] = []
    bad: list[str] = []
    counts = Counter[str]()
    for number, record in block.records:
        if len(bad) >= _MOST_BAD and not skip_bad:
            break
        try:
            trace = parse(record)
            if trace.meta and "task" in trace.meta:
                from tunix_rt_nb import tasks  # slow to load, and only these traces need it

                if wrong := tasks.problems(trace):
                    raise InputError(one_line(wrong[0]))
        except InputError as error:
            why = _no_format(record) if auto and not names else ""
            bad.append(f"{block.path}:{number}: {why or error}")
        else:
            traces.append(trace)
    counts[noun], counts["skipped"] = len(traces), len(bad)
    counts.update(name for trace in traces for name in _details(trace))
    return _Read(block.path, lines_of(traces, created_at), bad, counts, block.wrong)


def _no_format(line: bytes) -> str:
    """Return an error text if a JSON object has no field of any known format; else an empty one."""
    with suppress(InputError):
        record = parse_object(line)
        try:
            formats.recognise(record)
        except formats.NoFormat as error:
            return f"{error}, {_MAP}" if record.keys().isdisjoint(formats.KNOWN) else ""
    return ""


def _blocks(paths: Iterable[Path], how: How, progress: inputs.Progress) -> Iterator[_Block]:
    for path in paths:
        form = how.form
        for n, (found, wrong) in enumerate(_parts(path, progress)):
            form = _own(form, found)
            misfit = None if n else formats.misfit([line for _, line in found], form, how.names)
            if misfit:
                more = f", {_MAP}" if isinstance(misfit, formats.NoFormat) else ""
                yield _Block(path, form, [], f"{path}: {misfit}{more}")
                break
            yield _Block(path, form, found, wrong)


def _parts(path: Path, progress: inputs.Progress) -> Iterator[tuple[_Numbered, str]]:
    """Yield the records of a file, about 1 MiB at a time.

    Returns:
      Pairs of some records, with their numbers, and the error that ended the reading of the file;
      the error is empty if there was none.
    """
    found: _Numbered = []
    size, wrong = 0, ""
    try:
        for number, record in inputs.records(path, progress):
            found.append((number, record))
            size += len(record)
            if size >= _BLOCK or len(found) >= _MOST_IN_BLOCK:
                yield found, ""
                found, size = [], 0
    except InputError as error:  # about the file, not about one of its records
        wrong = str(error)
    yield found, wrong


def _own(form: str, found: _Numbered) -> str:
    """Return the name of a file's format.

    This is `form`, unless `form` is `auto`. Then it is the format of the first recognised record,
    or still `auto` if no record is recognised.

    Args:
      form: a format, or `auto`.
      found: pairs of record number and record, from the beginning of the file.
    """
    return formats.form_of(record for _, record in found) if form == formats.AUTO else form
