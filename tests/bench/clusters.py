"""One machine beside Spark on it: `python -m tests.bench.clusters 200000 [build export verify]`.

Prints a row for each command: seconds, CPU seconds and the most memory, of all processes together,
and whether both wrote the same bytes. The traces are odd ones, as in the tests; some are nearly
equal, and some repeat an eval item. PySpark and Java must be there.
"""

import sys
import tempfile
import threading
import time
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from typing import NamedTuple

import psutil  # type: ignore[import-untyped]

from tests.helpers import odd_store
from tunix_rt_nb.common import files

ENGINES: dict[str, list[str]] = {
    "one machine": [],
    "local[2]": ["--engine", "spark", "--master", "local[2]"],
}
SPEC = """dataset_name: odd
eval_sets: [{eval_set}]
eval_fraction: 0.1
"""


class Cost(NamedTuple):
    """What a command took, with all processes that it started."""

    seconds: float
    cpu: float
    memory: int


def main(count: int, names: list[str]) -> None:
    """Print the table."""
    print("| command | traces | engine | seconds | CPU seconds | memory | the same bytes |")
    print("| --- | ---: | --- | ---: | ---: | ---: | --- |")
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        home = Path(folder)
        store, eval_set = odd_store.write(home, round(count / 1.4))
        (home / "odd.yaml").write_text(SPEC.format(eval_set=eval_set))
        for name in names or ["build", "export", "verify"]:
            alone = hashes(home / f"{name}-0.jsonl")
            for engine, how in ENGINES.items():
                out = home / f"{name}-{len(how)}.jsonl"
                cost = run([*command(name, home, store.folder, out), *how])
                alone = alone or hashes(out)
                print(
                    f"| {name} | {store.count():,} | {engine} | {cost.seconds:.0f} |"
                    f" {cost.cpu:.0f} | {cost.memory / 2**30:.1f} GB | {hashes(out) == alone} |",
                    flush=True,
                )


def command(name: str, home: Path, store: Path, out: Path) -> list[str]:
    """The arguments of a command that writes into a folder, or to a file in it."""
    built = home / "build-0.jsonl" / "odd-v1"
    given = {
        "build": ["datasets", "build", home / "odd.yaml", "--store", store, "--out", out],
        "export": ["datasets", "export", built, "--split", "all", "--store", store, "-o", out],
        "verify": ["traces", "verify", "--store", store],
    }
    return [str(part) for part in given[name]]


def run(arguments: list[str]) -> Cost:
    """Run a command and measure it."""
    before, started = getrusage(RUSAGE_CHILDREN), time.perf_counter()
    process = psutil.Popen([sys.executable, "-m", "tunix_rt_nb.cli", *arguments])
    peak = [0]
    watch = threading.Thread(target=_watch, args=(process, peak))
    watch.start()
    if process.wait():
        sys.exit(f"{' '.join(arguments)}: ended with {process.returncode}")
    watch.join()
    after = getrusage(RUSAGE_CHILDREN)
    cpu = sum(after[:2]) - sum(before[:2])
    return Cost(time.perf_counter() - started, cpu, peak[0])


def _watch(process: psutil.Popen, peak: list[int]) -> None:
    """Keep the most memory of a process and its children, until it ends."""
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        total = 0
        for each in [process, *process.children(recursive=True)]:
            try:
                total += each.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        peak[0] = max(peak[0], total)
        time.sleep(0.25)


def hashes(out: Path) -> dict[str, str]:
    """The sha256 of each file that was written."""
    found = [path for path in sorted(out.rglob("*")) if path.is_file()] if out.is_dir() else [out]
    return {path.name: files.sha256(path) for path in found if path.is_file()}


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
