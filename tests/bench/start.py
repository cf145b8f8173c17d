"""Commands from the first import to the last line: CPU seconds, ours and those of what is beside us."""

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from tests.bench.measure import Line

REPEATS = 7
BIN = Path(sys.executable).parent
OURS = str(BIN / "tunix-rt-nb")
PYTHON = [sys.executable, "-W", "ignore", "-c"]
GYM = """
import sys, types
sys.modules["pycosat"] = types.ModuleType("pycosat")  # for a puzzle that nobody asks for
import reasoning_gym
print(*reasoning_gym.factory.DATASETS)
"""
PEERS = {  # our command -> one with which others answer the same, or start at all
    "--help": [str(BIN / "papermill"), "--help"],
    "status": [str(BIN / "jupyter"), "--version"],
    "tasks": [*PYTHON, GYM],
}
SHORT = ("run", "quickstart", "--set", "STEPS=20", "--set", "ITEMS=8")
RUNS = (100, 1_000)


def start() -> Iterator[Line]:
    """Commands that answer at once, a chain that skips every step, and the list of many runs."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        for command, peer in PEERS.items():
            yield _line(f"start {command}", home, [command], peer)
        _ours(home, SHORT)
        yield _line("start run, all skipped", home, SHORT, [str(BIN / "papermill"), "--help"])
        for n in RUNS:
            many = home / str(n)
            _copy(home / "runs" / "quickstart", many / "runs", n)
            yield _line(f"start runs list, {n} runs", many, ["runs", "list"], PEERS["--help"])


def _line(name: str, home: Path, command: Sequence[str], peer: Sequence[str]) -> Line:
    """Measure our command and the peer's in turn, so that a busy machine slows both."""
    _ours(home, command), _cpu_seconds(peer)  # Python compiles what it imports first
    pairs = [(_ours(home, command), _cpu_seconds(peer)) for _ in range(REPEATS)]
    ours, theirs = (median(each) for each in zip(*pairs, strict=True))
    return Line(name, ours, "CPU s", theirs, theirs / ours)


def _ours(home: Path, command: Sequence[str]) -> float:
    return _cpu_seconds([OURS, *command], TUNIX_RT_HOME=str(home))


def _cpu_seconds(command: Sequence[str], **variables: str) -> float:
    """Run a command; return the CPU seconds that it took, those of its own processes too."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", **variables}
    subprocess.run(command, env=environment, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _copy(run: Path, runs: Path, n: int) -> None:
    """Make `n` runs like this one, with hard links instead of copies of its files."""
    files = [path.relative_to(run) for path in run.rglob("*") if path.is_file()]
    for k in range(n):
        for path in files:
            link = runs / f"run-{k}" / path
            link.parent.mkdir(parents=True, exist_ok=True)
            link.hardlink_to(run / path)
