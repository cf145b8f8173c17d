"""A lock on a file of a run or of a promoted model, which only one process can hold."""

import fcntl
from pathlib import Path

from filelock import FileLock, Timeout

from tunix_rt_nb.common import InputError, files


def held(path: Path, seconds: float, told: str) -> FileLock:
    """Return the lock on a file, held by this process until it is released.

    Args:
      path: the file of the lock; it is made if it is missing.
      seconds: how long to wait for another process that holds the lock.
      told: the message of the error if the other process holds it longer.

    Raises:
      InputError: another process holds the lock.
    """
    lock = FileLock(path)
    try:
        lock.acquire(timeout=seconds)
    except Timeout:
        raise InputError(f"{told}, wait for it or stop it") from None
    return lock


def is_held(path: Path) -> bool:
    """Tell whether a process holds the lock on a file; to find out, try to take it for a moment."""
    try:
        with files.opened(path) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (OSError, InputError):  # no lock file, or a file system without locks
        pass
    return False
