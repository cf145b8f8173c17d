"""Drawing, importing, listing and verifying traces, each command in a process of its own."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median

from tests.bench.measure import Line, seconds
from tunix_rt_nb import tasks
from tunix_rt_nb.common import files
from tunix_rt_nb.store.store import TraceStore
from tunix_rt_nb.tasks.gym import SOURCE, GymTask, gym
from tunix_rt_nb.trace.trace import Trace

_COMPILED = {
    "PYTHONDONTWRITEBYTECODE": "",
    "PYTHONPYCACHEPREFIX": f"{tempfile.gettempdir()}/tunix-rt-bench",
}
SIZES = (10_000, 100_000, 1_000_000)


def generate() -> Iterator[Line]:
    """Drawing traces of every task, each step checked."""

    def draw(name: str, n: int) -> list[Trace]:
        return list(tasks.draw(name, n, seed=0))

    for name in tasks.TASKS:
        draw(name, 1)  # imports what it needs
        n = min(3_000, (tasks.get(name).space() or 12_000) // 4)
        yield Line(f"generate {name}", n / seconds(partial(draw, name, n)), "traces/s")


def mix() -> Iterator[Line]:
    """Drawing every task and difficulty in equal shares; reasoning-gym draws problems alone."""
    pairs = [(name, level) for name in tasks.TASKS for level in tasks.DIFFICULTIES]
    shared = [pair for pair in pairs if tasks.TASKS[pair[0]].source == SOURCE]
    turns = []
    _pace(_checked, pairs, 1)  # imports what they need
    for _ in range(3):
        few, many = (_pace(_checked, pairs, n) for n in (100, 1_000))
        turns.append((many, few / many, _pace(_checked, shared, 100), _pace(_bare, shared, 100)))
    rate, growth, ours, theirs = map(median, zip(*turns, strict=True))
    yield Line(f"mix of {len(pairs)} pairs", rate, "traces/s a core")
    yield Line("mix, time a trace at 10 times", growth, "times")
    yield Line(f"mix of {len(shared)} shared pairs", ours, "traces/s a core", theirs, ours / theirs)


def _pace(draw: Callable[[str, str, int], object], pairs: list[tuple[str, str]], n: int) -> float:
    """Draws a second of one core, where all pairs have the same share; each is drawn n times."""
    spent = 0.0
    for name, level in pairs:
        most = min(n, (tasks.get(name, level).space() or 4 * n) // 4)
        started = time.process_time()
        draw(name, level, most)
        spent += (time.process_time() - started) / most
    return len(pairs) / spent


def _checked(name: str, level: str, n: int) -> None:
    for _ in tasks.draw(name, n, 0, level):
        pass


def _bare(name: str, level: str, n: int) -> None:
    task = tasks.TASKS[name]
    how = task.settings[level] if issubclass(task, GymTask) else {}
    dataset = gym().create_dataset(name, seed=0, size=n, **how)
    for k in range(n):
        dataset[k]


def add() -> Iterator[Line]:
    """Importing a file of other people's traces into a new store: checked, each once, on disk."""
    for n in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "traces.jsonl"
            files.write_lines(source, foreign(n))
            took, peak = command("traces", "import", str(source), "--store", f"{folder}/store")
        yield Line(f"import {n}", n / took, "traces/s")
        yield Line(f"import {n}, peak memory", peak, "MiB")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "traces.jsonl"
        drawn = every_task(10_000)
        files.write_lines(source, (trace.model_dump() for trace in drawn))
        took, _ = command("traces", "import", str(source), "--store", f"{folder}/store")
        yield Line(f"import {len(drawn)} of known tasks", len(drawn) / took, "traces/s")


def listing() -> Iterator[Line]:
    """Listing the newest 100 of a store."""
    for n in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "traces.jsonl"
            files.write_lines(source, foreign(n))
            command("traces", "import", str(source), "--store", f"{folder}/store")
            show = partial(
                command, "traces", "list", "--limit", "100", "--store", f"{folder}/store"
            )
            show()
            yield Line(f"list 100 of {n}", seconds(show), "s")


def verify() -> Iterator[Line]:
    """Checking every step and answer of a store again."""
    with tempfile.TemporaryDirectory() as folder:
        drawn = every_task(60_000)
        TraceStore(Path(folder)).add(drawn, "2026-01-01")
        took, _ = command("traces", "verify", "--store", folder)
        yield Line(f"verify {len(drawn)}", len(drawn) / took, "traces/s")


def every_task(n: int) -> list[Trace]:
    """Traces in equal shares of all tasks and difficulties."""
    kinds = [(name, level) for name in tasks.TASKS for level in tasks.DIFFICULTIES]
    return [trace for name, level in kinds for trace in islice(_draw(name, level), n // len(kinds))]


def _draw(name: str, level: str) -> Iterator[Trace]:
    space = tasks.get(name, level).space() or 10_000
    return tasks.draw(name, min(space, 10_000), 0, level)


def foreign(n: int) -> Iterator[dict[str, object]]:
    """Traces of no known task, five steps and some 600 bytes each."""
    step = "We take what the step before gave us, and see what of it the question asks for"
    for k in range(n):
        yield {
            "trace_version": "1.0",
            "prompt": f"Of {k} marbles {k % 7} are red, the rest blue. How many are blue?",
            "steps": [{"i": i, "type": "reason", "content": f"{step}: {k + i}."} for i in range(5)],
            "final_answer": str(k - k % 7),
            "meta": {"origin": "elsewhere", "number": k},
        }


def command(*arguments: str) -> tuple[float, float]:
    """Runs `tunix-rt-nb` in a new process: seconds, and peak memory in MiB."""
    return process(["-m", "tunix_rt_nb.cli", *arguments])


def process(arguments: list[str], environment: dict[str, str] | None = None) -> tuple[float, float]:
    """Runs Python in a new process: seconds, and peak memory in MiB.

    What it imports is compiled once and kept, as it is wherever a package has been installed.
    """
    code = (
        "import os, sys, time; started = time.perf_counter()\n"
        "pid = os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, *sys.argv[1:]])\n"
        "_, status, usage = os.wait4(pid, 0)\n"
        "print(status, time.perf_counter() - started, usage.ru_maxrss / 1024, file=sys.stderr)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **_COMPILED, **(environment or {})},
    ).stderr
    status, took, peak = told.splitlines()[-1].split()
    if status != "0":
        sys.exit(f"bench: {' '.join(arguments)[:200]}: {told}")
    return float(took), float(peak)
