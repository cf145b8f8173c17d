"""Reading of files, lines and JSON, hashes of files, and atomic writes as `drafts` does them."""

import gzip
import hashlib
import io
import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

import msgspec

from tunix_rt_nb.common import strict_json
from tunix_rt_nb.common.drafts import (
    Draft as Draft,
    atomic as atomic,
    draft as draft,
    remove as remove,
    sweep as sweep,
    unwritable as unwritable,
)
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.common.text import one_line

_MOST = 256 << 20  # bytes of a file that is read as a whole
_MOST_LINES = 1 << 30  # bytes of a file whose lines are read as a whole
_MOST_JSON = 16 << 20  # bytes of a JSON value; parsed, it takes 20 times the memory
_MOST_REST = 8  # how many times its limit a line may take before the file is given up


def lines(file: IO[bytes], most: int) -> Iterator[bytes]:
    r"""Yield the lines of a file; truncate each line longer than `most` bytes, line break included.

    A truncated line has `most + 1` bytes, so its length shows that it was too long. Long lines need
    no more memory, because the rest is read in parts and dropped.

    Raises:
      InputError: a line is more than eight times too long, so the file does not consist of lines.

    Example:
      >>> import io
      >>> list(lines(io.BytesIO(b"ab\nabcdefg\nc"), 3))
      [b'ab\n', b'abcd', b'c']
    """
    number = 0
    while line := file.readline(most + 1):
        rest, parts, number = line, 1, number + 1
        while len(rest) > most and not rest.endswith(b"\n"):
            rest, parts = file.readline(most + 1), parts + 1
            if parts > _MOST_REST:
                where = one_line(f"{getattr(file, 'name', 'file')}:{number}", 1_000)
                raise InputError(f"{where}: takes over {_MOST_REST * most:,} bytes, is no line")
        yield line


def numbered(raw: io.BufferedReader, most: int) -> Iterator[tuple[int, bytes]]:
    """Yield (line number, line) for a file, plain or gzip.

    Numbers begin at 1. A byte order mark at the start of the file is dropped.

    Args:
      raw: the file, open for reading bytes.
      most: the most bytes of a line, line break included. A longer line is truncated to `most + 1`
        bytes, so its length shows that it was too long.
    """
    is_gzip = raw.peek(2).startswith(b"\x1f\x8b")
    file = cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if is_gzip else raw
    for number, line in enumerate(lines(file, most), 1):
        yield number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line


def all_lines(path: Path) -> list[bytes]:
    """Read all lines of a file, without line breaks; raise `InputError` if it is unreadable."""
    return content(path, _MOST_LINES).splitlines()


def content(path: Path, most: int = _MOST) -> bytes:
    """Return the bytes of a file.

    Raises:
      InputError: it is unreadable, is not a file, or takes more than `most` bytes.
    """
    with opened(path) as file:
        try:
            size = os.fstat(file.fileno()).st_size
            # A file in /proc tells the size 0, whatever it holds.
            data = b"" if size > most else file.read(-1 if size else most + 1)
        except OSError as error:
            raise unreadable(path, error) from None
    if max(size, len(data)) > most:
        raise InputError(f"{path}: takes over {most >> 20} MiB, which is too large for its kind")
    return data


def opened(path: Path) -> io.BufferedReader:
    """Open a file for reading bytes.

    A pipe or a device is refused, because it may never end, and waits for a writer.

    Raises:
      InputError: it is missing or unreadable, or is not a file.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError(f"{path}: is a folder, a pipe or a device, expected a file")
        return path.open("rb")
    except (OSError, ValueError) as error:  # a path with a null character is a ValueError
        raise unreadable(path, error) from None


def folders(path: Path) -> list[Path]:
    """List the folders in a folder by name, without hidden ones; none if it does not exist.

    Raises:
      InputError: it cannot be read, or is not a folder.
    """
    try:
        found = sorted(path.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise unreadable(path, error) from None
    return [one for one in found if not one.name.startswith(".") and one.is_dir()]


def unreadable(path: Path, error: Exception) -> InputError:
    """Return the error to raise for a file or folder that cannot be read; `error` is the cause."""
    reason = getattr(error, "strerror", None) or error
    return InputError(f"{one_line(str(path), 1_000)}: cannot be read: {reason}")


def json_line(record: Mapping[str, Any]) -> bytes:
    """Encode a record as a line of JSON in UTF-8, line break included; keep the order of keys."""
    return json.dumps(record, ensure_ascii=False).encode() + b"\n"


def write_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Write records as JSON lines; the file appears at `path` complete, or not at all."""
    with atomic(path) as file:
        file.writelines(json_line(record) for record in records)


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Read the records of a JSON lines file that this package wrote.

    Raises:
      InputError: the file is unreadable, or a line is not a JSON object.
    """
    with opened(path) as file:
        for number, line in enumerate(lines(file, _MOST_JSON), 1):
            yield json_object(line, f"{path}:{number}: ")


def json_object(line: bytes, where: str) -> dict[str, Any]:
    """Parse one line of a file that may be invalid; the line must be a JSON object.

    Args:
      line: the line, in UTF-8.
      where: a prefix for the error message, such as `file.jsonl:1: `.

    Raises:
      InputError: the line is not JSON as `strict_json.load` takes it, or not an object.

    Example:
      >>> json_object(b'{"a": 1}', "x.jsonl:1: ")
      {'a': 1}
    """
    try:
        found = strict_json.load(line)
    except ValueError as error:
        raise InputError(f"{where}not a JSON object: {one_line(str(error))}") from None
    if not isinstance(found, dict):
        raise InputError(f"{where}expected a JSON object, found {type(found).__name__}")
    return found


def whole_lines(path: Path) -> list[bytes]:
    """Return the complete lines of a file that a writer appends to, each with its line break.

    A last line without a line break is left out: its writer was killed, or has not finished the
    line. A missing file has no lines.

    Example:
      >>> import tempfile
      >>> path = Path(tempfile.mkdtemp()) / "x"
      >>> _ = path.write_bytes(b"1\\n2\\n3")
      >>> whole_lines(path)
      [b'1\\n', b'2\\n']
    """
    lines = content(path, _MOST_LINES).splitlines(keepends=True) if path.exists() else []
    return [line for line in lines if line.endswith(b"\n")]


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON; the file appears at `path` complete, or not at all."""
    with atomic(path) as file:
        text = json.dumps(value, ensure_ascii=False).encode()
        # The json module indents much slower than msgspec.
        file.write(msgspec.json.format(text, indent=2) + b"\n")


def read_json(path: Path, most: int = _MOST_JSON) -> Any:
    """Read a file with one JSON value.

    Raises:
      InputError: the file is unreadable, takes more than `most` bytes, or is not JSON as
        `strict_json.load` takes it.
    """
    text = content(path, most)
    try:
        return strict_json.load(text)
    except ValueError as error:
        told = "" if isinstance(error, json.JSONDecodeError) else f" ({one_line(str(error), 80)})"
        raise InputError(f"{path}: is not JSON{told}, remove it or use another folder") from None


def read_manifest(folder: Path, made_by: str) -> dict[str, Any]:
    """Read the manifest of a folder: its `manifest.json`, which is written after all other files.

    Args:
      folder: the folder.
      made_by: the command that makes the folder, to be named in the error.

    Raises:
      InputError: the folder has no manifest, so it is incomplete; run `made_by` again. Or the
        manifest is not a JSON object.
    """
    path = folder / "manifest.json"
    if not path.exists():
        raise InputError(f"{folder}: has no manifest.json, run {made_by} again")
    found = read_json(path, _MOST)  # it lists every trace
    if not isinstance(found, dict):
        raise InputError(f"{path}: is not a manifest, run {made_by} again")
    return found


def check_unaltered(path: Path, manifest: Mapping[str, Any], altered: str) -> None:
    """Check a file's sha256 against the manifest of its folder.

    Args:
      path: the file.
      manifest: the manifest; its `files` maps file names to sha256.
      altered: the reason to give in the error, such as `was altered after the build`.

    Raises:
      InputError: the sha256 differs; the message is `{path}: {altered}`.
    """
    hashes = manifest.get("files")
    if not isinstance(hashes, dict) or hashes.get(path.name) != sha256(path):
        raise InputError(f"{path}: {altered}")


def sha256(path: Path) -> str:
    """Return the sha256 of a file, in hexadecimal; raise `InputError` if it is unreadable."""
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(value: Any) -> str:
    """Return the sha256 of a JSON value; the order of its keys does not matter.

    Example:
      >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
      True
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
