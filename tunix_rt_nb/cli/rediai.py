"""The health of RediAI, a service of yours; by default it is not asked but assumed (`mock`).

Environment variables, the same that the web service tunix-rt reads:
  REDIAI_MODE: `mock` (the default) or `real`.
  REDIAI_BASE_URL: the address of the service; by default http://localhost:8080.
  REDIAI_HEALTH_PATH: the path that tells its health; by default /health.
"""

import hashlib
import os
import queue
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

from tunix_rt_nb.common import InputError, files, one_line

LIMIT = 5.0  # seconds in all, however the service behaves
KEPT = 30.0  # seconds for which an answer is kept
MODES = ("mock", "real")


class Health(NamedTuple):
    """The health of the service.

    Attributes:
      status: `healthy` or `down`.
      error: why it is down; empty if it is healthy.
      mode: `mock` or `real`.
    """

    status: str
    error: str
    mode: str


def health() -> Health:
    """Ask the service for its health, unless the mode is `mock`; never raise.

    An answer is kept in a file for `KEPT` seconds, because each command is a process of its own.
    """
    mode = os.environ.get("REDIAI_MODE") or "mock"
    if mode not in MODES:
        return Health("down", f"REDIAI_MODE: {one_line(mode, 40)!r}, expected mock or real", mode)
    if mode == "mock":
        return Health("healthy", "", mode)
    base = os.environ.get("REDIAI_BASE_URL") or "http://localhost:8080"
    url = base.rstrip("/") + (os.environ.get("REDIAI_HEALTH_PATH") or "/health")
    error = _kept(url)
    if error is None:
        error = _in_time(url)
        _keep(url, error)
    return Health("down" if error else "healthy", error, mode)


def _in_time(url: str) -> str:
    """Ask in a thread, because a name server or a slow sender outlasts every timeout of HTTP."""
    import httpx  # noqa: F401 - loaded before the clock runs, because that can take seconds

    answers: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=lambda: answers.put(_asked(url)), daemon=True).start()
    try:
        return answers.get(timeout=LIMIT)
    except queue.Empty:
        return f"no answer in {LIMIT:.0f} s"


def _asked(url: str) -> str:
    """Return why the service at `url` is down; an empty text if it is healthy."""
    import httpx

    try:
        with httpx.stream("GET", url, timeout=LIMIT, trust_env=False) as answer:
            return "" if answer.is_success else f"HTTP status {answer.status_code}"
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError, ValueError):
        return "REDIAI_BASE_URL: expected an address such as http://localhost:8080"
    except httpx.TimeoutException:
        return f"no answer in {LIMIT:.0f} s"
    except Exception as error:  # whatever it is, a table of states must not break
        return one_line(str(error), 120) or type(error).__name__


def _file(url: str) -> Path:
    """Return the file that keeps the answer of a URL, named by a hash: a URL may hold a key."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return folder / "tunix-rt-nb" / f"rediai-{hashlib.sha256(url.encode()).hexdigest()[:16]}.json"


def _kept(url: str) -> str | None:
    """Return the kept error of a URL, which is empty for `healthy`; None if there is none."""
    try:
        told: Any = files.read_json(_file(url))
        age, error = time.time() - told["at"], told["error"]
    except (InputError, OSError, RuntimeError, LookupError, TypeError):
        return None
    return one_line(error, 120) if isinstance(error, str) and 0 <= age < KEPT else None


def _keep(url: str, error: str) -> None:
    try:
        files.write_json(_file(url), {"at": time.time(), "error": error})
    except (InputError, OSError, RuntimeError):  # a home that cannot be written to, or none
        return
