"""The lock on a dataset, held by the one process that may give its files their names.

The lock is a file beside the dataset's folder, `.KEY.lock`. It is removed when the lock is
released. The operating system releases the lock of a killed process; the next one takes over the
file and removes it.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tunix_rt_nb.common import InputError, files

PATIENCE = 60.0  # seconds to wait for another process to release the lock


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Hold the lock on a dataset within a `with` block; only one process can hold it.

    Wait up to 60 seconds for it. Once it is held, remove the files that killed writers left behind.

    Args:
      folder: the folder of the dataset; created if it does not exist.

    Raises:
      InputError: another process holds the lock for too long, or the folder cannot be written to.
    """
    path = folder.with_name(f".{folder.name}.lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = _acquire(path, folder)
    except OSError as error:
        raise files.unwritable(folder, error) from None
    try:
        files.sweep(folder)
        yield
    finally:
        path.unlink(missing_ok=True)  # before it is released: whoever waits for it starts anew
        os.close(handle)


def _acquire(path: Path, folder: Path) -> int:
    """Open and lock a lock file, and return its file descriptor."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        # Take the lock only if the file is still there: whoever held the lock may have removed it.
        if _is_locked(handle) and os.fstat(handle).st_nlink:
            return handle
        os.close(handle)
        time.sleep(0.02)
    raise InputError(f"{folder}: another process writes this dataset, wait for it or stop it")


def _is_locked(handle: int) -> bool:
    """Try to lock a file; return True if it is locked now, or its file system has no locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
