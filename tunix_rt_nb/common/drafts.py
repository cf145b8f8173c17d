"""Atomic writes: a file has a temporary name until it is complete and on the disk."""

import fcntl
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from tunix_rt_nb.common.errors import InputError


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

    Raises:
      InputError: `path` is a folder, or its folder cannot be written to.

    Example:
      >>> with atomic(Path(tempfile.mkdtemp()) / "x") as file:
      ...     _ = file.write(b"whole")
    """
    if path.is_dir():
        raise InputError(f"{path}: is a folder, expected the name of a file")
    with draft(path.parent) as new:
        yield new.file
        new.publish(path)


def sweep(folder: Path) -> None:
    """Remove the temporary files of `draft` that killed processes left in a folder."""
    for path in folder.glob(".draft-*.tmp"):
        if path.is_symlink() or not path.is_file():  # opening a pipe would wait for ever
            continue
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
