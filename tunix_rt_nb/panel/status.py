"""What is installed on this machine, what is missing, and what JAX finds."""

import json
import os
import subprocess
import sys

from tunix_rt_nb.common import InputError
from tunix_rt_nb.host import paths
from tunix_rt_nb.panel import parts
from tunix_rt_nb.panel.work import Work


class Status:
    """The rows of `tunix-rt-nb status`."""

    title = "Status"

    def __init__(self) -> None:
        self._rows = parts.html()
        self._again = parts.button("Check again", self._read)
        self._work = Work(self._again)
        self.widget = parts.stack(
            parts.lead(f"Data and runs are in {paths.home()}."),
            self._rows,
            self._work.line,
            parts.row(self._again),
        )

    def refresh(self) -> None:
        """Read the rows, unless they were read before."""
        if not self._rows.value:
            self._read()

    def _read(self) -> None:
        self._work("Looking at this machine", self._show)

    def _show(self) -> None:
        self._rows.value = parts.table([_marked(row) for row in _rows()], "What is installed")


def _marked(row: dict[str, str]) -> dict[str, str]:
    """Return a row of the table, its state with the mark that the command line gives it."""
    mark = "✓" if not row["install"] else "·" if row["state"] == "missing" else "✗"
    return {
        "component": row["component"],
        "state": f"{mark} {row['state']}",
        "install": row["install"],
    }


def _rows() -> list[dict[str, str]]:
    """Ask the command line, in a process of its own: only one process at a time can hold a TPU."""
    command = [sys.executable, "-m", "tunix_rt_nb.cli", "status", "--json"]
    made = {**os.environ, "TUNIX_RT_HOME": str(paths.home())}
    asked = subprocess.run(command, capture_output=True, text=True, env=made, timeout=300)
    if asked.returncode:
        raise InputError(f"status: {asked.stderr.strip() or 'failed'}")
    rows: list[dict[str, str]] = json.loads(asked.stdout)
    return rows
