"""Atomic writes, reading of lines and JSON, and hashes of files."""

import fcntl
import gzip
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, cast

import msgspec

from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.common.text import one_line


class Draft:
    """A file that has a temporary name until `publish` gives it its final name.

    Attributes:
      path: the temporary path.
      file: the file object, open for writing bytes.
    """

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self.path = path
        self.file = file

    def settle(self) -> None:
        """Flush everything written so far to the disk."""
        self.file.flush()
        os.fsync(self.file.fileno())

    def publish(self, path: Path) -> None:
        """Give the file its final name, atomically and durably; replace any file of that name."""
        self.settle()
        self.path.chmod(0o644)
        os.replace(self.path, path)
        _sync_folder(path.parent)


@contextmanager
def draft(folder: Path) -> Iterator[Draft]:
    """Open a temporary file in a folder; delete it on exit unless its `publish` was called.

    Raises:
      InputError: the folder cannot be written to, or its disk is full.

    Example:
      >>> folder = Path(tempfile.mkdtemp())
      >>> with draft(folder) as new:
      ...     _ = new.file.write(b"whole")
      ...     new.publish(folder / "x")
      >>> (folder / "x").read_bytes()
      b'whole'
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, path = _locked_file(folder)
        try:
            with os.fdopen(handle, "wb", buffering=1 << 20) as file:
                yield Draft(path, file)
        finally:
            with suppress(OSError):
                path.unlink()
    except OSError as error:
        raise unwritable(folder, error) from None


@contextmanager
def atomic(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing; it appears at `path` complete and on disk, or not at all.

    Example:
      >>> with atomic(Path(tempfile.mkdtemp()) / "x") as file:
      ...     _ = file.write(b"whole")
    """
    with draft(path.parent) as new:
        yield new.file
        new.publish(path)


def sweep(folder: Path) -> None:
    """Remove the temporary files of `draft` that killed processes left in a folder."""
    for path in folder.glob(".draft-*.tmp"):
        with suppress(OSError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while the writer lives
            path.unlink(missing_ok=True)


def remove(paths: Iterable[Path]) -> None:
    """Remove files if they exist, and flush the removal to the disk."""
    gone = list(paths)
    for path in gone:
        path.unlink(missing_ok=True)
    for folder in {path.parent for path in gone}:
        _sync_folder(folder)


def _locked_file(folder: Path) -> tuple[int, Path]:
    """Create the temporary file of a draft, locked until it is closed or this process ends.

    Returns:
      Its file descriptor and its path.
    """
    while True:
        handle, name = tempfile.mkstemp(dir=folder, prefix=".draft-", suffix=".tmp")
        with suppress(OSError):  # some file systems have no locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:  # else `sweep` deleted the file before it was locked
            return handle, Path(name)
        os.close(handle)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def unwritable(folder: Path, error: OSError) -> InputError:
    """Return the error to raise for a folder that cannot be written to; `error` is the cause."""
    return InputError(f"{folder}: cannot be written: {error.strerror or error}")


def lines(file: IO[bytes], most: int) -> Iterator[bytes]:
    r"""Yield the lines of a file; truncate each line longer than `most` bytes, line break included.

    A truncated line has `most + 1` bytes, so its length shows that it was too long. Long lines need
    no more memory, because the rest is read in parts and dropped.

    Example:
      >>> import io
      >>> list(lines(io.BytesIO(b"ab\nabcdefg\nc"), 3))
      [b'ab\n', b'abcd', b'c']
    """
    while line := file.readline(most + 1):
        rest = line
        while len(rest) > most and not rest.endswith(b"\n"):
            rest = file.readline(most + 1)
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
    return content(path).splitlines()


def content(path: Path) -> bytes:
    """Return the bytes of a file; raise `InputError` if it is unreadable."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def json_line(record: Mapping[str, Any]) -> bytes:
    """Encode a record as a line of JSON in UTF-8, line break included; keep the order of keys."""
    return json.dumps(record, ensure_ascii=False).encode() + b"\n"


def write_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Write records as JSON lines; the file appears at `path` complete, or not at all."""
    with atomic(path) as file:
        file.writelines(json_line(record) for record in records)


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Read the records of a JSON lines file that this package wrote."""
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def json_object(line: bytes, where: str) -> dict[str, Any]:
    """Parse one line of a file that may be invalid; the line must be a JSON object.

    Args:
      line: the line, in UTF-8.
      where: a prefix for the error message, such as `file.jsonl:1: `.

    Raises:
      InputError: the line is not JSON, or not an object.

    Example:
      >>> json_object(b'{"a": 1}', "x.jsonl:1: ")
      {'a': 1}
    """
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}not a JSON object: {one_line(str(error))}") from None
    if not isinstance(found, dict):
        raise InputError(f"{where}expected a JSON object, found {type(found).__name__}")
    return found


def whole_lines(path: Path) -> list[bytes]:
    """Return the complete lines of a file that a writer appends to, each with its line break.

    A last line without a line break is left out: its writer was killed, or has not finished the
    line. A missing file has no lines.

    Example:
      >>> path = Path(tempfile.mkdtemp()) / "x"
      >>> _ = path.write_bytes(b"1\\n2\\n3")
      >>> whole_lines(path)
      [b'1\\n', b'2\\n']
    """
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    return [line for line in lines if line.endswith(b"\n")]


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON; the file appears at `path` complete, or not at all."""
    with atomic(path) as file:
        text = json.dumps(value, ensure_ascii=False).encode()
        # The json module indents much slower than msgspec.
        file.write(msgspec.json.format(text, indent=2) + b"\n")


def read_json(path: Path) -> Any:
    """Read a file with one JSON value; raise `InputError` if it is not JSON."""
    try:
        return json.loads(path.read_bytes())
    except ValueError:
        raise InputError(f"{path}: is not JSON, remove it or use another folder") from None


def read_manifest(folder: Path, made_by: str) -> dict[str, Any]:
    """Read the manifest of a folder: its `manifest.json`, which is written after all other files.

    Args:
      folder: the folder.
      made_by: the command that makes the folder, to be named in the error.

    Raises:
      InputError: the folder has no manifest, so it is incomplete; run `made_by` again.
    """
    path = folder / "manifest.json"
    if not path.exists():
        raise InputError(f"{folder}: has no manifest.json, run {made_by} again")
    return read_json(path)


def check_unaltered(path: Path, manifest: Mapping[str, Any], altered: str) -> None:
    """Check a file's sha256 against the manifest of its folder.

    Args:
      path: the file.
      manifest: the manifest; its `files` maps file names to sha256.
      altered: the reason to give in the error, such as `was altered after the build`.

    Raises:
      InputError: the sha256 differs; the message is `{path}: {altered}`.
    """
    if sha256(path) != manifest["files"][path.name]:
        raise InputError(f"{path}: {altered}")


def sha256(path: Path) -> str:
    """Return the sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(value: Any) -> str:
    """Return the sha256 of a JSON value; the order of its keys does not matter.

    Example:
      >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
      True
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
