"""Files that are whole or not there, and what they contain as a hash."""

import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import msgspec

from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.common.text import one_line


class Draft:
    """A file that is being written and has no name yet."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self.path = path
        self.file = file

    def settle(self) -> None:
        """Brings to the disk what was written."""
        self.file.flush()
        os.fsync(self.file.fileno())

    def publish(self, path: Path) -> None:
        """Gives the file its name, at once and for good; what had that name is replaced."""
        self.settle()
        self.path.chmod(0o644)
        os.replace(self.path, path)
        _sync_folder(path.parent)


@contextmanager
def draft(folder: Path) -> Iterator[Draft]:
    """A new file in a folder; it is gone again unless it is published.

    Raises:
      InputError: the folder cannot be written to, or is full.

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
        handle, name = _locked_file(folder)
    except OSError as error:
        raise unwritable(folder, error) from None
    path = Path(name)
    try:
        with os.fdopen(handle, "wb", buffering=1 << 20) as file:
            yield Draft(path, file)
    except OSError as error:
        raise unwritable(folder, error) from None
    finally:
        with suppress(OSError):
            path.unlink()


@contextmanager
def atomic(path: Path) -> Iterator[IO[bytes]]:
    """A file to write that appears under its name complete, on disk, or not at all.

    Example:
      >>> with atomic(Path(tempfile.mkdtemp()) / "x") as file:
      ...     _ = file.write(b"whole")
    """
    with draft(path.parent) as new:
        yield new.file
        new.publish(path)


def sweep(folder: Path) -> None:
    """Removes the drafts of writers that were killed."""
    for path in folder.glob(".draft-*.tmp"):
        with suppress(OSError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while its writer lives
            path.unlink(missing_ok=True)


def remove(paths: Iterable[Path]) -> None:
    """Removes files, for good."""
    folders = set()
    for path in paths:
        path.unlink(missing_ok=True)
        folders.add(path.parent)
    for folder in folders:
        _sync_folder(folder)


def _locked_file(folder: Path) -> tuple[int, str]:
    """A new file that the kernel holds locked for as long as this process lives."""
    while True:
        handle, name = tempfile.mkstemp(dir=folder, prefix=".draft-", suffix=".tmp")
        with suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:  # else a sweep came in between
            return handle, name
        os.close(handle)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def unwritable(folder: Path, error: OSError) -> InputError:
    """The error for a folder that cannot be written to, with the reason that the system gives."""
    return InputError(f"{folder}: cannot be written: {error.strerror or error}")


def lines(file: IO[bytes], most: int) -> Iterator[bytes]:
    r"""The lines of a file, however long: one over `most` bytes is cut off after one byte more.

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


def all_lines(path: Path) -> list[bytes]:
    """The lines of a file that fits in memory; `InputError` where it cannot be read."""
    try:
        return path.read_bytes().splitlines()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def json_line(record: Mapping[str, Any]) -> bytes:
    """One record as a JSON line, keys in the order given, readable characters kept."""
    return json.dumps(record, ensure_ascii=False, separators=(", ", ": ")).encode() + b"\n"


def write_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Writes records as JSON lines, atomically."""
    with atomic(path) as file:
        file.writelines(json_line(record) for record in records)


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Reads the records of a JSON lines file that this package wrote."""
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def json_object(line: bytes, where: str) -> dict[str, Any]:
    """The object of a JSON line that came from outside; `InputError` begins with `where`.

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
    """The lines of a file that is appended to, each with its end; one that was cut off is left out.

    Example:
      >>> path = Path(tempfile.mkdtemp()) / "x"
      >>> _ = path.write_bytes(b"1\\n2\\n3")
      >>> whole_lines(path)
      [b'1\\n', b'2\\n']
    """
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    return [line for line in lines if line.endswith(b"\n")]


def write_json(path: Path, value: Any) -> None:
    """Writes one indented JSON value, atomically."""
    with atomic(path) as file:
        text = json.dumps(value, ensure_ascii=False).encode()
        file.write(msgspec.json.format(text, indent=2) + b"\n")  # json indents much slower


def read_json(path: Path) -> Any:
    """Reads one JSON value; `InputError` where the file holds none."""
    try:
        return json.loads(path.read_bytes())
    except ValueError:
        raise InputError(f"{path}: is not JSON, remove it or use another folder") from None


def read_manifest(folder: Path, made_by: str) -> dict[str, Any]:
    """The manifest of a folder; without one the folder is not complete, and `made_by` makes it."""
    path = folder / "manifest.json"
    if not path.exists():
        raise InputError(f"{folder}: has no manifest.json, run {made_by} again")
    return read_json(path)


def check_unaltered(path: Path, manifest: Mapping[str, Any], altered: str) -> None:
    """Holds a file to the sha256 in its folder's manifest; `InputError` says `path: altered`."""
    if sha256(path) != manifest["files"][path.name]:
        raise InputError(f"{path}: {altered}")


def sha256(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(value: Any) -> str:
    """The sha256 of a JSON value, the same for the same content whatever the order of keys.

    Example:
      >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
      True
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
