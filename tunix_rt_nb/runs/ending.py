"""What ends a run before it is complete: its time limit, or another process that cancels it.

A run is cancelled by a file in its folder, which its chain looks for every second. So it does not
matter where the chain runs, in a container or in a notebook, and no process signals a wrong one.
"""

import math
import os
import time
from pathlib import Path

from tunix_rt_nb.common import InputError, files, live
from tunix_rt_nb.runs import lock

CHAIN = ".chain.lock"  # held by the process whose chain works in a run folder
TIMEOUT, CANCELLED = "timeout", "cancelled"
_REQUEST = ".cancel"
_OFTEN = 0.2  # seconds between two looks at a chain that was asked to stop
_LONGEST = 150.0  # seconds that a chain needs to stop, those until its kernel is killed included


class Ending:
    """Why a run must end now, if it must. Make it when the run's lock is taken.

    Args:
      folder: the run folder; a request that an earlier chain left there is removed.
      seconds: the time limit, from now on.
    """

    def __init__(self, folder: Path, seconds: float = math.inf) -> None:
        self._request = folder / _REQUEST
        self._request.unlink(missing_ok=True)
        self._until = time.monotonic() + seconds

    def __call__(self) -> str:
        """Return the state in which the run must end now; empty if it may go on."""
        if time.monotonic() >= self._until:
            return TIMEOUT
        return CANCELLED if os.path.lexists(self._request) else ""


def cancel(folder: Path, seconds: float = _LONGEST) -> bool:
    """Ask the chain that works in a run folder to stop as a signal stops it; wait until it has.

    Args:
      folder: the run folder.
      seconds: how long to wait.

    Returns:
      True if the chain was cancelled; False if it ended by itself before it saw the request.

    Raises:
      InputError: no chain works in the folder, or it has not stopped in time.
    """
    if not lock.is_held(folder / CHAIN):
        raise InputError(f"{folder}: is not running, so there is nothing to cancel")
    request = folder / _REQUEST
    request.touch()
    until = time.monotonic() + seconds
    while lock.is_held(folder / CHAIN):
        if time.monotonic() >= until:
            raise InputError(
                f"{folder}: still runs {live.duration(seconds)} after it was asked to stop"
            )
        time.sleep(_OFTEN)
    request.unlink(missing_ok=True)
    return CANCELLED in ended(folder).values()


def ended(folder: Path) -> dict[str, str]:
    """Return the step in which the last chain in a run folder ended before its time, and how.

    Returns:
      step -> state, for this one step; empty if the chain came to its end, is at work, or was
      killed, and if `run.json` does not tell it.
    """
    try:
        told = files.read_json(folder / "run.json")["ended"]
        return {str(told["step"]): str(told["state"])}
    except (InputError, LookupError, TypeError):
        return {}
