"""Select, clean and split traces into a dataset: a folder that one can cite."""

import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

import tunix_rt_nb
from tunix_rt_nb import files
from tunix_rt_nb.dataset import clean
from tunix_rt_nb.errors import InputError, check_name
from tunix_rt_nb.filters import condition
from tunix_rt_nb.sql import sql
from tunix_rt_nb.store import COLUMNS, TraceStore
from tunix_rt_nb.trace import Trace, checked, parse_line

SCHEMA_VERSION = "1.0"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "tunix_rt_nb/dataset")
_ORDER = {"latest": "created_at DESC, id", "random": "sha256($seed || ':' || id), id"}


class DatasetSpec(BaseModel):
    """What a dataset is to contain.

    Attributes:
      dataset_name, dataset_version: together the key; letters, digits, `.`, `_`, `-`.
      filters: a dotted `meta` path -> a value it must equal, or `{operator: value}` with `=`,
        `!=`, `<`, `<=`, `>`, `>=`, `in`, `exists`. All must hold.
      limit: how many traces at most; None for all.
      selection_strategy: `latest` (newest first) or `random` (by a hash of seed and id).
      seed: needed by `random`.
      eval_fraction: the share of prompts that is held out, by the hash of the prompt.
      near_duplicates: the similarity (Jaccard, of every three words in a row) from which on one of
        two prompts of no known task stays out; None keeps both.
      eval_sets: JSON lines files whose prompts must not be in the dataset.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset_name: str
    dataset_version: str = "v1"
    filters: dict[str, Any] = {}
    limit: int | None = Field(default=None, ge=1)
    selection_strategy: Literal["latest", "random"] = "latest"
    seed: int | None = None
    eval_fraction: float = Field(default=0.1, ge=0.0, lt=1.0)
    near_duplicates: float | None = Field(default=0.8, ge=0.5, le=1.0)
    eval_sets: list[str] = []
    session_id: str | None = None
    parent_dataset_id: str | None = None
    training_run_id: str | None = None

    @property
    def key(self) -> str:
        """The name of the dataset's folder."""
        return f"{self.dataset_name}-{self.dataset_version}"

    @classmethod
    def of(cls, **fields: Any) -> "DatasetSpec":
        """Checks the fields of a spec.

        Raises:
          InputError: one line that names the field; also where `random` comes without a seed.

        Example:
          >>> DatasetSpec.of(dataset_name="cards", dataset_version="v2").key
          'cards-v2'
        """
        spec = checked(cls, fields)
        check_name("dataset_name", spec.dataset_name)
        check_name("dataset_version", spec.dataset_version)
        if spec.selection_strategy == "random" and spec.seed is None:
            raise InputError("seed: selection_strategy random needs a seed, give an integer")
        return spec


def build(store: TraceStore, spec: DatasetSpec, parent: Path) -> Path:
    """Builds the dataset folder `parent/{key}`; the manifest is written last.

    The same store content and spec give the same bytes on any day and thread count: `created_at`
    is the newest trace's, `build_id` a hash of the content. A folder without a manifest is an
    interrupted build and is made anew.

    Raises:
      InputError: nothing selected or left, a damaged shard, a bad filter or eval set, or the key
        exists with other content.
    """
    items = clean.eval_items(spec.eval_sets)
    rows = select(store, spec, items)
    rejects = clean.rejects(rows, spec.near_duplicates, items)
    refused = {reject["id"] for reject in rejects}
    kept = [row for row in rows if row["id"] not in refused]
    sides = {
        "train": [_record(row) for row in kept if not row["is_eval"]],
        "eval": [_record(row) for row in kept if row["is_eval"]],
    }
    if not sides["train"]:
        raise InputError(
            f"eval_fraction: {spec.eval_fraction} leaves nothing to train on:"
            f" {len(rows)} selected, {len(rejects)} refused, {len(kept)} held out"
        )
    folder = parent / spec.key
    present = folder / "manifest.json"
    contents = {**sides, "rejects": rejects}
    hashes = {f"{name}.jsonl": _hash_lines(records) for name, records in contents.items()}
    if present.exists():
        if files.read_json(present)["files"] != hashes:
            raise InputError(
                f"{folder}: exists with other content; a dataset never changes,"
                " give another dataset_version"
            )
        return folder
    for name, records in contents.items():
        files.write_lines(folder / f"{name}.jsonl", records)
    manifest = _manifest(spec, kept, sides, rejects, hashes)
    with files.atomic(folder / "README.md") as file:
        file.write(card(manifest).encode())
    files.write_json(present, manifest)
    return folder


def select(
    store: TraceStore, spec: DatasetSpec, items: Sequence[clean.EvalItem] = ()
) -> list[dict[str, Any]]:
    """The rows that a spec selects, in order, each with `is_eval`, `first_id` and `eval_item`."""
    where, parameters = condition(spec.filters)
    if spec.selection_strategy == "random":
        parameters["seed"] = str(spec.seed)
    parameters |= {
        "limit": spec.limit,
        "eval_fraction": spec.eval_fraction,
        "eval_items": [item.name for item in items],
        "eval_prompts": [item.prompt for item in items],
    }
    order = _ORDER[spec.selection_strategy]
    query = sql("select").format(where=where, order=order, prompt_key=sql("prompt_key"))
    rows = store.query(query, parameters)
    if not rows:
        raise InputError(
            f"filters: none of the {store.count()} traces in {store.folder} match {spec.filters}"
        )
    if any(row[name] is None for row in rows for name in ("prompt", "steps", "final_answer")):
        store.check()
    return rows


def funnel(store: TraceStore, manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """How many traces are left after each sieve, from all in the store to both sides."""
    rejected = [manifest["rejected"].get(reason, 0) for reason in clean.REASONS]
    kept = manifest["trace_count"]
    sieves = {
        "in the store": store.count(),
        "selected": kept + sum(rejected),
        "one of each prompt": kept + sum(rejected[1:]),
        "no near-duplicates": kept + sum(rejected[2:]),
        "in no eval set": kept,
        "to train on": manifest["split"]["train"],
        "held out": manifest["split"]["eval"],
    }
    return [{"sieve": name, "traces": count} for name, count in sieves.items()]


def by_task(folder: Path) -> list[dict[str, Any]]:
    """How many traces of each task are on each side of a dataset."""
    sides = {
        side: Counter(trace.task or "unknown" for _, trace in load(folder, side))
        for side in ("train", "eval")
    }
    return [
        {"task": task, "to train on": sides["train"][task], "held out": sides["eval"][task]}
        for task in sorted({*sides["train"], *sides["eval"]})
    ]


def load(folder: Path, side: str) -> Iterator[tuple[str, Trace]]:
    """The (id, trace) pairs of one side, `train` or `eval`, of a complete dataset.

    Raises:
      InputError: no manifest (the build was interrupted), or a file that was altered since.
    """
    path = folder / f"{side}.jsonl"
    files.check_unaltered(
        path, read_manifest(folder), "was altered after the build, build it again"
    )
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            trace = parse_line(line, f"{path}:{number}")
            yield trace.id, trace


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a complete dataset folder."""
    return files.read_manifest(folder, "2_build")


def _record(row: Mapping[str, Any]) -> dict[str, Any]:
    record = {name: row[name] for name in COLUMNS}
    return record | {"meta": json.loads(row["meta"]) if row["meta"] else None}


def _hash_lines(records: Iterable[Mapping[str, Any]]) -> str:
    content = hashlib.sha256()
    for record in records:
        content.update(files.json_line(record))
    return content.hexdigest()


def _manifest(
    spec: DatasetSpec,
    kept: list[dict[str, Any]],
    sides: Mapping[str, list[dict[str, Any]]],
    rejects: list[dict[str, Any]],
    hashes: dict[str, str],
) -> dict[str, Any]:
    content = files.digest([spec.key, hashes])
    counts = [len(row["steps"]) for row in kept]
    chars = [
        len(row["prompt"]) + len(row["final_answer"]) + sum(len(s["content"]) for s in row["steps"])
        for row in kept
    ]
    records = [*sides["train"], *sides["eval"]]
    by_task = Counter(str((record["meta"] or {}).get("task", "unknown")) for record in records)
    return {
        "dataset_key": spec.key,
        "build_id": str(uuid.uuid5(_NAMESPACE, content)),
        "dataset_schema_version": SCHEMA_VERSION,
        "code_version": tunix_rt_nb.__version__,
        "created_at": max(row["created_at"] for row in kept),
        **spec.model_dump(),
        "eval_sets": {path: files.sha256(Path(path)) for path in spec.eval_sets},
        "sha256": content,
        "files": hashes,
        "trace_count": len(kept),
        "split": {side: len(records) for side, records in sides.items()},
        "tasks": dict(sorted(by_task.items())),
        "rejected": dict(Counter(reject["reason"] for reject in rejects)),
        "stats": {
            "avg_step_count": round(fmean(counts), 4),
            "min_step_count": min(counts),
            "max_step_count": max(counts),
            "avg_total_chars": round(fmean(chars), 4),
        },
        "trace_ids": [row["id"] for row in kept],
    }


def card(manifest: Mapping[str, Any]) -> str:
    """The dataset's README, with the front matter that the Hugging Face hub reads."""
    tasks = "\n".join(f"| {task} | {n} |" for task, n in manifest["tasks"].items())
    split = manifest["split"]
    return f"""---
configs:
- config_name: default
  data_files:
  - split: train
    path: train.jsonl
  - split: eval
    path: eval.jsonl
---
# {manifest["dataset_key"]}

{manifest["trace_count"]} reasoning traces; of known tasks each step was checked by a program:
{split["train"]} to train on, {split["eval"]} held out by the hash of the prompt.
Built by tunix_rt_nb {manifest["code_version"]}.

| task | traces |
| --- | --- |
{tasks}

sha256 `{manifest["sha256"]}`; `manifest.json` says how every trace was chosen.
"""
