"""From traces to packed rows: rendered, tokenised, checked, packed; ours and the usual route.

Each in a new process, timed from after its imports. The usual route gets the texts rendered
already, checks nothing, and its packing is the plain one: a row is full when the next example does
not fit.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.measure import Line
from tests.bench.traces import process
from tunix_rt_nb import dataset, render, tasks
from tunix_rt_nb.common import files
from tunix_rt_nb.store.store import TraceStore
from tunix_rt_nb.trace.chat import render as render_chat

SIZES = (10_000, 200_000)
REPEATS = 3
LENGTH = 256
TASKS = (
    "arithmetic",
    "spades_legal",
    "letter_counting",
    "family_relationships",
    "number_filtering",
)

OURS = f"""
import sys, time
from pathlib import Path
from tunix_rt_nb.common import files
from tunix_rt_nb import render
from tunix_rt_nb.render.packing import pack
from tunix_rt_nb.models.tokenizer import Tokenizer

home = Path(sys.argv[1])
started = time.perf_counter()
tokenizer = Tokenizer((home / "tokenizer.model").read_bytes())
render.render_dataset(home / "bench-v1", home / "rendered", tokenizer, max_length={LENGTH})
examples = render.load(home / "rendered", "train")
rows = pack(examples, {LENGTH})
seconds = time.perf_counter() - started
lengths, prompts = examples.index["length"], examples.index["prompt"]
files.write_json(home / "ours.json", {{
    "seconds": seconds,
    "examples": len(examples),
    "tokens": int(lengths.sum()),
    "trained": int((lengths - prompts).sum()),
    "rows": len(rows),
}})
"""

PEER = f"""
import json, sys, time
from pathlib import Path
import datasets
import sentencepiece

datasets.disable_progress_bars()
home = Path(sys.argv[1])
started = time.perf_counter()
pieces = sentencepiece.SentencePieceProcessor(model_file=str(home / "tokenizer.model"))


def tokenize(batch):
    prompts = pieces.Encode(batch["prompt"], add_bos=True)
    responses = pieces.Encode(batch["response"])
    pairs = list(zip(prompts, responses))
    return {{
        "ids": [prompt + response for prompt, response in pairs],
        "mask": [[0] * len(prompt) + [1] * len(response) for prompt, response in pairs],
    }}


def pack(batch):
    rows = {{"ids": [], "mask": [], "segments": []}}
    row = {{name: [] for name in rows}}
    number = 0
    for ids, mask in zip(batch["ids"], batch["mask"]):
        if len(ids) > {LENGTH}:
            continue
        if len(row["ids"]) + len(ids) > {LENGTH}:
            for name in rows:
                rows[name].append(row[name] + [0] * ({LENGTH} - len(row[name])))
            row = {{name: [] for name in rows}}
            number = 0
        number += 1
        row["ids"] += ids
        row["mask"] += mask
        row["segments"] += [number] * len(ids)
    for name in rows:
        rows[name].append(row[name] + [0] * ({LENGTH} - len(row[name])))
    return rows


texts = datasets.load_dataset("json", data_files=str(home / "texts.jsonl"), split="train")
examples = texts.map(tokenize, batched=True, remove_columns=texts.column_names)
rows = examples.map(pack, batched=True, remove_columns=examples.column_names)
seconds = time.perf_counter() - started
short = [mask for mask in examples["mask"] if len(mask) <= {LENGTH}]
(home / "theirs.json").write_text(json.dumps({{
    "seconds": seconds,
    "examples": len(short),
    "tokens": sum(map(len, short)),
    "trained": sum(map(sum, short)),
    "rows": len(rows),
}}))
"""


def packing() -> Iterator[Line]:
    """Traces of a dataset rendered, tokenised, checked and packed, against texts tokenised."""
    for n in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            _prepare(home, n)
            runs = [(_run(home, OURS, "ours"), _run(home, PEER, "theirs")) for _ in range(REPEATS)]
        for (ours, _), (theirs, _) in runs:
            if any(ours[name] != theirs[name] for name in ("examples", "tokens", "trained")):
                sys.exit(f"bench: pack: the two routes made other examples: {ours}, {theirs}")
        seconds, peer = (median(run[k][0]["seconds"] for run in runs) for k in (0, 1))
        yield Line(f"pack {n}", n / seconds, "traces/s", n / peer, peer / seconds)
        rows, their_rows = (runs[0][k][0]["rows"] for k in (0, 1))
        yield Line(f"pack {n}, rows", rows, "rows", their_rows, their_rows / rows)
        peak, their_peak = (max(run[k][1] for run in runs) for k in (0, 1))
        yield Line(f"pack {n}, peak memory", peak, "MiB", their_peak, their_peak / peak)


def _prepare(home: Path, n: int) -> None:
    """A dataset of so many traces, a tokenizer, and the same texts rendered."""
    store = TraceStore(home / "store")
    for name in TASKS:
        store.add(tasks.draw(name, n // len(TASKS), 0), "2026-01-01")
    spec = dataset.DatasetSpec.of(dataset_name="bench", eval_fraction=0.0)
    source = dataset.build(store, spec, home)
    tokenizer = render.tokenizer_for("tiny", source, 640, "gemma", "numbered")
    (home / "tokenizer.model").write_bytes(tokenizer.model)
    chats = (render_chat(trace) for _, trace in dataset.load(source, "train"))
    texts = ({"prompt": chat.given, "response": chat.trained} for chat in chats)
    files.write_lines(home / "texts.jsonl", texts)


def _run(home: Path, code: str, name: str) -> tuple[dict[str, Any], float]:
    """Return what a route says of itself, and its peak memory in MiB."""
    cache = tempfile.mkdtemp(dir=home)
    _, peak = process(["-c", code, str(home)], {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": cache})
    return files.read_json(home / f"{name}.json"), peak
