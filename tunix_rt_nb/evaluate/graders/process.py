"""A worker process that compares formulas. It starts at the first question.

If a question takes too long, the process is killed, and the next question starts another.
"""

import atexit
import json
import os
import select
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

LIMIT = 5.0  # seconds to answer a question
_STARTS = 60.0  # seconds to import SymPy, on a busy machine
_WORKER = Path(__file__).with_name("worker.py")


class Missing(Exception):
    """The library that compares formulas, math-verify, is not installed."""


class Process:
    """One worker process. It also ends when this Python process ends and closes the pipe to it."""

    def __init__(self) -> None:
        self._started: subprocess.Popen[bytes] | None = None
        self._missing: str | None = None
        self._owner = os.getpid()
        self._lock = Lock()

    def equal(self, answer: str, expected: str, limit: float = LIMIT) -> bool | None:
        """Tell whether two formulas are equal; None if that is not known within `limit` seconds.

        Raises:
          Missing: math-verify is not installed.
        """
        with self._lock:
            if self._missing:
                raise Missing(self._missing)
            try:
                worker = self._running()
                assert worker.stdin
                worker.stdin.write(json.dumps([answer, expected]).encode() + b"\n")
                worker.stdin.flush()
                found = _answer(worker, limit)
                return None if found is None else bool(found)
            except (OSError, TimeoutError):
                self.stop()
                return None

    def stop(self) -> None:
        """Kill the worker; the next question starts another."""
        worker, self._started = self._started, None
        if worker and self._owner == os.getpid():
            worker.kill()
            worker.wait()
            for end in filter(None, (worker.stdin, worker.stdout)):
                with suppress(OSError):
                    end.close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._owner != os.getpid():  # a fork must not talk to its parent's worker
            self._started, self._owner = None, os.getpid()
        if self._started and self._started.poll() is None:
            return self._started
        self.stop()  # closes the pipes of a worker that was killed
        command = [sys.executable, "-P", str(_WORKER)]  # -P: files beside it hide no library
        pipe = subprocess.PIPE
        self._started = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL
        )
        self._missing = _answer(self._started, _STARTS)
        if self._missing:
            self.stop()
            raise Missing(self._missing)
        return self._started


def _answer(worker: "subprocess.Popen[bytes]", limit: float) -> Any:
    """Read one JSON line that a worker prints, and return its value.

    Raises:
      TimeoutError: no line comes within `limit` seconds.
      OSError: the worker ended.
    """
    assert worker.stdout
    if not select.select([worker.stdout], [], [], limit)[0]:
        raise TimeoutError
    line = worker.stdout.readline()
    if not line:
        raise OSError("the worker process ended")
    return json.loads(line)


SHARED = Process()
atexit.register(SHARED.stop)
