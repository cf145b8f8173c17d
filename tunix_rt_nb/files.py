"""Files that are whole or not there, and what they contain as a hash."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from tunix_rt_nb.errors import InputError


@contextmanager
def atomic(path: Path) -> Iterator[IO[bytes]]:
    """A file to write that appears under its name complete, on disk, or not at all.

    Example:
      >>> with atomic(Path(tempfile.mkdtemp()) / "x") as file:
      ...     _ = file.write(b"whole")
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


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


def write_json(path: Path, value: Any) -> None:
    """Writes one indented JSON value, atomically."""
    with atomic(path) as file:
        file.write(json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n")


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
