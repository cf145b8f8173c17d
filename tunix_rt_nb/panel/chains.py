"""Chains that the panel starts: `tunix-rt-nb run` in a process of its own, followed by its log.

runs/.panel/
  quickstart.log    what the command prints; locked as long as the command runs
  quickstart.json   the id of its process, and what the form held

So a chain goes on if the page or its kernel ends, and a page that is opened again finds it.
"""

import fcntl
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from tunix_rt_nb.common import InputError, check_name, files, printable
from tunix_rt_nb.host import paths

_TAIL = 1 << 16  # bytes of a log that are read
# What a notebook's kernel sets for its own output, and a log must not have.
_OF_KERNEL = ("FORCE_COLOR", "CLICOLOR_FORCE", "CLICOLOR", "MPLBACKEND")
# The command, which SIGINT interrupts: a notebook's kernel ignores it, and so would its children.
_COMMAND = (
    "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    " runpy.run_module('tunix_rt_nb.cli', run_name='__main__', alter_sys=True)"
)
_processes: list[subprocess.Popen[bytes]] = []  # those that this process has to wait for


def start(run: str, arguments: list[str], form: Mapping[str, str] | None = None) -> None:
    """Start `tunix-rt-nb run` with these arguments.

    Args:
      run: the name of the run.
      arguments: the arguments of the command.
      form: what the arguments were made of, for `asked`.

    Raises:
      InputError: the run is running already, or its name is unsafe.
    """
    log = _log(check_name("run", run))
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        if not _locked(file):
            raise InputError(f"{run}: is running, stop it first")
        file.truncate(0)
        made = {k: v for k, v in os.environ.items() if k not in _OF_KERNEL}
        process = subprocess.Popen(
            [sys.executable, "-c", _COMMAND, "run", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=file,  # the lock lasts until the last process with this file has ended
            stderr=file,
            env={**made, "TUNIX_RT_HOME": str(paths.home()), "NO_COLOR": "1"},
            start_new_session=True,
        )
    _processes.append(process)
    files.write_json(log.with_suffix(".json"), {"process": process.pid, "form": {**(form or {})}})


def asked(run: str) -> dict[str, str]:
    """Return what the form held as a chain was started; empty if that is unknown."""
    with suppress(OSError, InputError, TypeError, KeyError, AttributeError):
        form = files.read_json(_log(run).with_suffix(".json"))["form"]
        return {name: value for name, value in form.items() if isinstance(value, str)}
    return {}


def stop(run: str) -> None:
    """Interrupt a running chain, as Ctrl-C does. The second time, it stops at once."""
    if is_running(run):
        told = files.read_json(_log(run).with_suffix(".json"))
        with suppress(ProcessLookupError, TypeError, KeyError):
            os.kill(told["process"], signal.SIGINT)


def is_running(run: str) -> bool:
    """Tell whether a chain that a panel started is running."""
    for process in [*_processes]:
        if process.poll() is not None:
            _processes.remove(process)
    try:
        with _log(run).open("rb") as file:
            return not _locked(file)
    except FileNotFoundError:
        return False


def started() -> list[str]:
    """List the runs whose chains a panel started, the one that printed last first."""
    logs = (paths.home() / "runs" / ".panel").glob("*.log")
    newest = sorted(logs, key=lambda log: log.stat().st_mtime_ns, reverse=True)
    return [log.stem for log in newest]


def told(run: str) -> list[str]:
    """Return the last lines that a chain printed; of a line that was overwritten, its last text."""
    try:
        with _log(run).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    lines = [line.rstrip("\r").rpartition("\r")[2].rstrip() for line in text.split("\n")]
    return [printable(re.sub(r"\x1b\[[0-9;]{0,20}[A-Za-z]", "", line)) for line in lines if line]


def _log(run: str) -> Path:
    return paths.home() / "runs" / ".panel" / f"{run}.log"


def _locked(file: BinaryIO) -> bool:
    """Take the lock of a log; return False if a chain holds it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
