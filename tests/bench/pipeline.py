"""From a store to a rendered file: filter, select, render, export; ours and the usual route."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tests.bench.measure import Line
from tests.bench.traces import foreign, process
from tunix_rt_nb.common import files
from tunix_rt_nb.store.store import TraceStore
from tunix_rt_nb.trace.trace import Trace

SIZES = (10_000, 200_000, 1_000_000)
PAIRED = 200_000  # the size at which the other route runs too; it takes a minute
REPEATS = 3

OURS = """
import sys
import tempfile
from pathlib import Path
from tunix_rt_nb.dataset import DatasetSpec, build
from tunix_rt_nb.dataset.exporter import export
from tunix_rt_nb.store.store import TraceStore

spec = DatasetSpec.of(
    dataset_name="bench",
    filters={"number": {">=": 1000}},
    selection_strategy="random",
    seed=0,
    near_duplicates=None,  # the other route looks for none
)
folder = build(TraceStore(Path(sys.argv[1])), spec, Path(tempfile.mkdtemp(dir=sys.argv[3])))
export(Path(sys.argv[2]), "tunix_sft", dataset=folder, split="all")
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
            repeats = REPEATS if n <= PAIRED else 1
            ours = [_run(OURS, home, store.folder, "ours") for _ in range(repeats)]
            seconds, peak = median(took for took, _ in ours), max(peak for _, peak in ours)
            peer = ratio = None
            if n == PAIRED:
                [shard] = store.shards()
                theirs = median(_run(PEER, home, shard, "theirs")[0] for _ in range(REPEATS))
                peer, ratio = n / theirs, theirs / seconds
                _check_same(home)
        yield Line(f"pipeline {n}", n / seconds, "traces/s", peer, ratio)
        yield Line(f"pipeline {n}, peak memory", peak, "MiB")


def _run(code: str, home: Path, source: Path, name: str) -> tuple[float, float]:
    """Runs one of the two as a new process with an empty cache: seconds, and peak memory."""
    cache = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": tempfile.mkdtemp(dir=home)}
    return process(["-c", code, str(source), str(home / f"{name}.jsonl"), str(home)], cache)


def _check_same(home: Path) -> None:
    """Both wrote the same texts."""
    ours, theirs = (
        {line["id"]: line["prompts"] for line in files.read_lines(home / f"{name}.jsonl")}
        for name in ("ours", "theirs")
    )
    if ours != theirs:
        sys.exit("bench: pipeline: the two routes wrote other texts")
