"""Kills commands at any moment and starts two at once: `python -m tests.kills [KILLS [PAIRS]]`.

It prints what was found, and exits with 1 if anything was lost, half visible or left over.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # a process with threads must not fork

import sys
import tempfile
import time
from pathlib import Path

from tests.kills.moments import FAULTS, Torture
from tests.kills.operations import OPERATIONS, kaggle
from tests.kills.pairs import PAIRS
from tunix_rt_nb.report import text_table


def main(kills: int = 30, pairs: int = 200) -> int:
    """Does everything; the number of faults."""
    started, told, killed, met = time.monotonic(), [], [], []
    with tempfile.TemporaryDirectory() as folder, kaggle():
        for operation in OPERATIONS:
            torture = Torture(operation, Path(folder) / operation.name)
            torture.run(kills)
            found = {fault: torture.wrong[fault] for fault in FAULTS}
            killed.append({"operation": operation.name, "kills": torture.kills, **found})
            told += torture.told
        for name, meet in PAIRS.items():
            ends, wrong = meet(Path(folder) / name, pairs)
            met.append({"two at once": name, "pairs": pairs, **ends, "wrong": len(wrong)})
            told += [f"{name}: {line}" for line in wrong]
    print(text_table(killed), text_table(met), *told, sep="\n\n")
    print(f"{time.monotonic() - started:.0f} s")
    return len(told)


if __name__ == "__main__":
    sys.exit(min(1, main(*map(int, sys.argv[1:]))))
