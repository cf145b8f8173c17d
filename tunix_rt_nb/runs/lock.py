"""A lock on a file of a run or of a promoted model, which only one process can hold."""

from pathlib import Path

from filelock import FileLock, Timeout

from tunix_rt_nb.common import InputError


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
