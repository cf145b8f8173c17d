"""From a store to a rendered file: filter, select, render, export; ours and the usual route."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tests.bench.measure import Line
from tests.bench.traces import command, foreign, process
from tunix_rt_nb import files
from tunix_rt_nb.store import TraceStore
from tunix_rt_nb.trace import Trace

SIZES = (10_000, 200_000, 1_000_000)
PAIRED = 200_000  # the size at which the other route runs too; it takes a minute
REPEATS = 3

SPEC = """
dataset_name: bench
filters: {number: {">=": 1000}}
selection_strategy: random
seed: 0
near_duplicates: null  # the other route has none
"""

PEER = """
import sys
import datasets

datasets.disable_progress_bars()
rows = datasets.load_dataset("json", data_files=sys.argv[1], split="train")
rows = rows.filter(lambda row: row["meta"]["number"] >= 1000).shuffle(seed=0)


def render(row):
    steps = "".join(f"{k}. {step['content']}\\n" for k, step in enumerate(row["steps"], 1))
    text = f"<start_of_turn>user\\n{row['prompt']}<end_of_turn>\\n<start_of_turn>model\\n"
    metadata = {"created_at": row["created_at"], "trace_version": row["trace_version"]}
    return {
        "prompts": f"{text}Reasoning:\\n{steps}Answer: {row['final_answer']}<end_of_turn>",
        "metadata": {**metadata, "format": "tunix_sft", **row["meta"]},
    }


columns = ["prompt", "steps", "created_at", "trace_version", "meta"]
rows.map(render, remove_columns=columns).to_json(sys.argv[2])
"""


def pipeline() -> Iterator[Line]:
    """A store filtered, put into a random order, rendered and exported as JSON lines."""
    for n in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            store = TraceStore(home / "store")
            store.add((Trace.model_validate(fields) for fields in foreign(n)), "2026-01-01")
            runs = [_ours(home) for _ in range(REPEATS if n <= PAIRED else 1)]
            seconds, peak = median(took for took, _ in runs), max(peak for _, peak in runs)
            theirs = None
            if n == PAIRED:
                [shard] = store.shards()
                theirs = median(_theirs(home, shard) for _ in range(REPEATS))
                _check_same(home)
        ratio = theirs / seconds if theirs else None
        peer = n / theirs if theirs else None
        yield Line(f"pipeline {n}", n / seconds, "traces/s", peer, ratio)
        yield Line(f"pipeline {n}, peak memory", peak, "MiB")


def _ours(home: Path) -> tuple[float, float]:
    """Builds and exports, each in a new process."""
    (home / "spec.yaml").write_text(SPEC)
    out = Path(tempfile.mkdtemp(dir=home))
    build = ("datasets", "build", str(home / "spec.yaml"), "--store", str(home / "store"))
    first = command(*build, "--out", str(out))
    export = ("--format", "tunix_sft", "-o", str(home / "ours.jsonl"))
    second = command("datasets", "export", str(out / "bench-v1"), *export)
    return first[0] + second[0], max(first[1], second[1])


def _theirs(home: Path, shard: Path) -> float:
    cache = tempfile.mkdtemp(dir=home)
    environment = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": cache}
    took, _ = process(["-c", PEER, str(shard), str(home / "theirs.jsonl")], environment)
    return took


def _check_same(home: Path) -> None:
    """Both wrote the same texts."""
    ours, theirs = (
        {line["id"]: line["prompts"] for line in files.read_lines(home / f"{name}.jsonl")}
        for name in ("ours", "theirs")
    )
    if ours != theirs:
        sys.exit("bench: pipeline: the two routes wrote other texts")
