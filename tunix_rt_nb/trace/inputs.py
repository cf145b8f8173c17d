"""Files of records to import: JSON lines, a JSON array, Parquet, CSV, Arrow, a dataset's folder.

Every kind of file is read as numbered JSON objects, one for each record, so that an error can name
`file:number`. In JSON lines and CSV, the number counts lines; in other files, it counts records.
"""

import csv
import io
import os
import re
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TextIO, cast

import msgspec

from tunix_rt_nb.common import InputError, files, one_line, strict_json

STDIN = Path("-")
LINES = (".jsonl", ".ndjson", ".jsonl.gz", ".json", ".json.gz")
KINDS = (*LINES, ".parquet", ".csv", ".arrow")
_EVERY = 5_000  # lines between two progress reports
_SPLIT = re.compile(r"(?:^|[^a-z])(train|test|validation|valid|dev|eval)(?=[^a-z]|$)")
_MOST = 1 << 30  # bytes of a JSON array at most, because it is read into memory at once

Progress = Callable[[int, int], None]
"""A callback that gets the number of lines and of file bytes read since its last call."""


def unseen(lines: int, size: int) -> None:
    """Do nothing; this is the default progress callback, for callers that show no progress."""


def files_of(path: Path, split: str = "train") -> list[Path]:
    """Return the files to read for a path: the file itself, or the data files of a folder.

    In a dataset's folder from Hugging Face, the names of files or folders contain the split, such
    as `train`. If any name contains a split, return only the files of `split`, else all.

    Args:
      path: a file or folder, or `-` for standard input.
      split: `train`, `validation` or `test`.

    Raises:
      InputError: the folder holds no data files, or none of this split.
    """
    if path == STDIN or not path.is_dir():
        return [path]
    every = sorted(_data_files(path))
    if not every:
        kinds = ", ".join(KINDS)
        raise InputError(f"{path}: holds no data files, expected names that end in {kinds}")
    named = {p: _split_of(p.relative_to(path)) for p in every}
    found = [p for p in every if named[p] == split]
    if not found and any(named.values()):
        there = ", ".join(sorted({name for name in named.values() if name}))
        raise InputError(f"{path}: has no split {split}, only {there}: name the files themselves")
    return found or every


_MOST_FILES = 100_000  # a folder with more entries is hardly a dataset


def _data_files(folder: Path) -> Iterator[Path]:
    """Yield the data files in a folder and its subfolders; pass over hidden ones.

    Raises:
      InputError: the folder has over 100,000 files.
    """
    seen = 0
    for place, subfolders, names in os.walk(folder):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        seen += len(names)
        if seen > _MOST_FILES:
            raise InputError(f"{folder}: has over {_MOST_FILES:,} files, name the files to read")
        for name in names:
            known = name.endswith(KINDS) and not name.startswith(".") and name not in _NOTES
            if known and Path(place, name).is_file():
                yield Path(place, name)


_NOTES = {"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"}


def _split_of(path: Path) -> str:
    """Return the split in a path such as `data/train-00000-of-00001.parquet`; empty if it has none.

    `valid`, `dev` and `eval` mean `validation`.
    """
    found = _SPLIT.findall(f"{path.as_posix()}".lower())
    name = found[-1] if found else ""
    return {"valid": "validation", "dev": "validation", "eval": "validation"}.get(name, name)


def records(path: Path, progress: Progress = unseen) -> Iterator[tuple[int, bytes]]:
    """Yield the number of each record of a file, and the record as a JSON object in bytes.

    The number counts lines in JSON lines and CSV, and records in other files, from 1.

    Args:
      path: the file; `-` is standard input.
      progress: called with the numbers of lines and of bytes read since its last call.

    Raises:
      InputError: the file cannot be read, is damaged, or holds no records.
    """
    read = {".parquet": _parquet, ".csv": _csv, ".arrow": _arrow}.get(path.suffix.lower(), _json)
    number = 0
    if path != STDIN:
        files.opened(path).close()
    try:
        for number, record in read(path, progress):
            yield number, record
    except (EOFError, zlib.error) as error:
        raise InputError(f"{path}:{number + 1}: gzip data is cut off or damaged: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    if not number:
        raise InputError(f"{path}: holds no records, expected JSON lines")


def _json(path: Path, progress: Progress) -> Iterator[tuple[int, bytes]]:
    """Yield (line number, line) for each non-empty line of a file of JSON lines.

    If the file holds a JSON array instead, yield its records as `_array` does.
    """
    told = 0
    with path.open("rb") if path != STDIN else _standard_input() as raw:
        lines = files.numbered(raw, strict_json.MAX_LINE)
        for number, line in lines:
            if number % _EVERY == 0:
                place = raw.tell() if raw.seekable() else 0
                progress(_EVERY, place - told)
                told = place
            if line.isspace():
                continue
            if number == 1 and line.lstrip().startswith(b"[") and path != STDIN:
                yield from _array(path)
                return
            yield number, line


def _array(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield (number, bytes) for each record in a JSON array; read the whole file into memory."""
    with path.open("rb") as raw:
        data = b"".join(_at_most(files.numbered(raw, _MOST), path))
    try:
        found = msgspec.json.decode(data, type=list[msgspec.Raw])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InputError(f"{path}: is no JSON array: {one_line(str(error))}") from None
    yield from enumerate((b" ".join(bytes(one).splitlines()) for one in found), 1)


def _at_most(lines: Iterable[tuple[int, bytes]], path: Path) -> Iterator[bytes]:
    """Yield the lines of a file; raise `InputError` if they are more than fits in memory."""
    size = 0
    for _, line in lines:
        size += len(line)
        if size > _MOST:
            raise InputError(f"{path}: a JSON array may take {_MOST >> 30} GiB, use JSON lines")
        yield line


def _csv(path: Path, progress: Progress) -> Iterator[tuple[int, bytes]]:
    """Yield (line number, JSON object) for each row of a CSV file.

    A cell is text, unless it holds a JSON list or object.
    """
    csv.field_size_limit(strict_json.MAX_LINE)
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(_text_lines(file, path), strict=True)
        try:
            _check_columns(path, rows.fieldnames or ())
            for row in rows:
                if None in row or None in row.values():
                    columns = len(rows.fieldnames or ())
                    raise InputError(f"{path}:{rows.line_num}: expected {columns} columns")
                yield rows.line_num, files.json_line({k: _cell(v) for k, v in row.items()})
        except (csv.Error, UnicodeDecodeError) as error:
            raise InputError(f"{path}:{rows.line_num + 1}: {one_line(str(error))}") from None


def _text_lines(file: TextIO, path: Path) -> Iterator[str]:
    """Yield the lines of a CSV file; raise `InputError` if one is longer than any trace can be."""
    while line := file.readline(strict_json.MAX_LINE + 1):
        if len(line) > strict_json.MAX_LINE:
            raise InputError(f"{path}: a line takes over {strict_json.MAX_LINE >> 20} MiB")
        yield line


def _check_columns(path: Path, names: Sequence[str]) -> None:
    """Raise `InputError` if two columns of a CSV file have the same name."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(f"{path}:1: column {one_line(name, 40)!r} appears twice")
        seen.add(name)


def _cell(text: str) -> Any:
    """Parse a cell that holds a JSON list or object; return any other cell unchanged."""
    if text[:1] not in ("[", "{"):
        return text
    try:
        return strict_json.load(text.encode())
    except ValueError:
        return text


def _parquet(path: Path, progress: Progress) -> Iterator[tuple[int, bytes]]:
    import duckdb

    name = re.sub(r"([*?\[])", r"[\1]", str(path))  # else DuckDB would read a glob
    try:
        with duckdb.connect() as connection:
            rows = connection.execute("SELECT to_json(t) FROM read_parquet($1) t", [name])
            batches = iter(partial(rows.fetchmany, _EVERY), [])
            for number, (record,) in enumerate(chain.from_iterable(batches), 1):
                yield number, record.encode()
    except duckdb.Error as error:
        raise InputError(f"{path}: cannot be read: {one_line(str(error))}") from None


def _arrow(path: Path, progress: Progress) -> Iterator[tuple[int, bytes]]:
    """Yield (number, JSON object) for each row of a file that `Dataset.save_to_disk` wrote."""
    try:
        import pyarrow as arrow
    except ImportError:
        raise InputError(f"{path}: needs a library to be read: pip install pyarrow") from None
    number = 0
    try:
        with arrow.memory_map(str(path)) as file:
            for batch in arrow.ipc.open_stream(file):
                batch.validate(full=True)  # else a damaged length would be read past the end
                for row in batch.to_pylist():
                    number += 1
                    yield number, files.json_line(row)
    except (arrow.ArrowException, ValueError, TypeError, OverflowError, MemoryError) as error:
        told = one_line(str(error)) or type(error).__name__
        raise InputError(f"{path}:{number or 1}: cannot be read: {told}") from None


@contextmanager
def _standard_input() -> Iterator["io.BufferedReader[Any]"]:
    reader = io.BufferedReader(cast("Any", sys.stdin.buffer))
    try:
        yield reader
    finally:
        reader.detach()  # else the reader would close standard input
