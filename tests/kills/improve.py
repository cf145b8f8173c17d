"""Kills runs of the sixth notebook at random moments: `python -m tests.kills.improve [KILLS]`.

Each killed run goes on, until it ends in the outputs of a run that nobody killed, weights included.
It prints what was found, and exits with 1 if anything differs.
"""

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tunix_rt_nb import runs

VALUES = {
    "TRACES": "{high_card_duel: 300}",
    "STEPS": 120,
    "EVAL_EXAMPLES": 8,
    "ITEMS": 8,
    "MAX_NEW_TOKENS": 64,
    "EVAL_BATCH_SIZE": 16,
    "ASK": "[high_card_duel]",
    "ROUNDS": 3,
    "PROMPTS": 8,
    "GROUP": 4,
    "ROUND_STEPS": 6,
    "CHECKPOINT_EVERY": 4,
    "METHOD": "reward",
}
COMMAND = [
    *(sys.executable, "-m", "tunix_rt_nb.cli", "run", "--to", "improve", "--json"),
    *(f"--set={name}={value}" for name, value in VALUES.items()),
]


def started(home: Path) -> subprocess.Popen[str]:
    """Start the chain; the steps before the sixth are made once."""
    at = {**os.environ, "TUNIX_RT_HOME": str(home)}
    pipe = subprocess.PIPE
    return subprocess.Popen(COMMAND, env=at, stdout=pipe, stderr=pipe, text=True)


def ended(home: Path) -> dict[str, str]:
    """Let a run end; return the hash of each output of the sixth notebook."""
    process = started(home)
    _, error = process.communicate()
    assert process.returncode == 0, error
    return runs.outputs(home / "runs/quickstart/6_improve")


def forget(home: Path) -> None:
    """Remove all that the sixth notebook has left."""
    for path in (home / "runs/quickstart").glob("*6_improve*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def moment(home: Path) -> str:
    """Tell how far a killed run has come."""
    folder = home / "runs/quickstart/6_improve"
    steps = [int(p.name) for p in folder.glob("checkpoints/last/*") if p.name.isdigit()]
    return f"{len(list(folder.glob('rounds/*.jsonl')))} rounds answered, step {max([0, *steps])}"


def main(kills: int = 20, seed: int = 0) -> int:
    """Kill so many times; return the number of runs that ended in other outputs."""
    rng, killed, bad, ends = random.Random(seed), 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        ended(home)
        forget(home)
        begun = time.monotonic()
        whole = ended(home)
        seconds = time.monotonic() - begun
        forget(home)
        while killed < kills:
            process = started(home)
            delay = rng.uniform(0.1, 0.8) * seconds
            try:
                process.communicate(timeout=delay)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                killed += 1
                print(f"killed after {delay:.1f} s of {seconds:.1f} s: {moment(home)}", flush=True)
                if killed < kills:
                    continue
            found = ended(home)
            ends += 1
            differ = [
                name for name in whole.keys() | found.keys() if whole.get(name) != found.get(name)
            ]
            bad += bool(differ)
            print(
                f"ended, {sorted(differ)[:5] or 'the same outputs, weights included'}", flush=True
            )
            forget(home)
    print(f"{killed} kills, {ends} runs ended, {bad} of them in other outputs")
    return bad


if __name__ == "__main__":
    sys.exit(min(1, main(*map(int, sys.argv[1:]))))
