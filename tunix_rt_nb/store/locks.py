"""The locks that coordinate the readers and writers of a trace store.

Readers hold a shared lock on the folder. Only a merge of shards takes the exclusive lock. The one
process that may add shards or deletions locks the file `.lock`. The operating system releases the
locks of a killed process.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tunix_rt_nb.common import InputError, files

PATIENCE = 60.0  # seconds to wait for another process to release a lock


def reading(folder: Path) -> AbstractContextManager[None]:
    """Hold the folder's shared lock within a `with` block, so that no merge removes a shard."""
    return _folder_lock(folder, fcntl.LOCK_SH)


def merging(folder: Path) -> AbstractContextManager[None]:
    """Hold the folder's exclusive lock within a `with` block, so that nobody reads the shards."""
    return _folder_lock(folder, fcntl.LOCK_EX)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Hold the folder's lock for writers within a `with` block; only one process can hold it.

    Wait up to 60 seconds for it.

    Raises:
      InputError: another writer holds the lock for too long, or the folder cannot be written to.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / ".lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=PATIENCE, poll_interval=0.01)
    except Timeout:
        raise _busy(folder) from None
    except OSError as error:
        raise files.unwritable(folder, error) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _folder_lock(folder: Path, kind: int) -> Iterator[None]:
    try:
        handle = os.open(folder, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):  # nothing there to lock
        yield
        return
    try:
        _acquire(handle, folder, kind)
        yield
    finally:
        os.close(handle)  # this releases the lock


def _acquire(handle: int, folder: Path, kind: int) -> None:
    # Try again and again, because flock itself knows no time limit.
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise _busy(folder) from None
            time.sleep(0.02)
        except OSError:  # a file system without locks: go on without one
            return None


def _busy(folder: Path) -> InputError:
    return InputError(f"{folder}: another process uses this folder, wait for it or stop it")
