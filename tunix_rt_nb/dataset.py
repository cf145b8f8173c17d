"""Select, clean and split traces into a dataset: a folder that one can cite."""

import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

import tunix_rt_nb
from tunix_rt_nb import files
from tunix_rt_nb.errors import InputError, check_name, unknown
from tunix_rt_nb.store import COLUMNS, TraceStore, sql
from tunix_rt_nb.trace import Trace, checked, parse_line

SCHEMA_VERSION = "1.0"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "tunix_rt_nb/dataset")
_ORDER = {"latest": "created_at DESC, id", "random": "sha256($seed || ':' || id), id"}
_NUMBER = "TRY_CAST({field} AS DOUBLE)"
_COMPARE: dict[str, tuple[str, Any]] = {  # operator -> condition, and what its operand must be
    "=": ("{field}::VARCHAR = {value}", object),
    "!=": ("{field}::VARCHAR IS DISTINCT FROM {value}", object),
    "<": (_NUMBER + " < {value}", (int, float)),
    "<=": (_NUMBER + " <= {value}", (int, float)),
    ">": (_NUMBER + " > {value}", (int, float)),
    ">=": (_NUMBER + " >= {value}", (int, float)),
    "in": ("list_contains({value}::VARCHAR[], {field}::VARCHAR)", list),
    "exists": ("({field} IS NOT NULL) = {value}", bool),
}


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
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset_name: str
    dataset_version: str = "v1"
    filters: dict[str, Any] = {}
    limit: int | None = Field(default=None, ge=1)
    selection_strategy: Literal["latest", "random"] = "latest"
    seed: int | None = None
    eval_fraction: float = Field(default=0.1, ge=0.0, lt=1.0)
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
      InputError: nothing selected, a damaged shard or a bad filter, or the key exists with other
        content.
    """
    rows = select(store, spec)
    kept = [row for row in rows if row["first_id"] == row["id"]]
    sides = {
        "train": [_record(row) for row in kept if not row["is_eval"]],
        "eval": [_record(row) for row in kept if row["is_eval"]],
    }
    rejects = [
        {"id": row["id"], "reason": "duplicate_prompt", "of": row["first_id"]}
        for row in rows
        if row["first_id"] != row["id"]
    ]
    if not sides["train"]:
        raise InputError(f"eval_fraction: {spec.eval_fraction} leaves nothing to train on")
    folder = parent / spec.key
    present = folder / "manifest.json"
    hashes = {f"{side}.jsonl": _hash_lines(records) for side, records in sides.items()}
    if present.exists():
        if files.read_json(present)["files"] != hashes:
            raise InputError(
                f"{folder}: exists with other content; a dataset never changes,"
                " give another dataset_version"
            )
        return folder
    for side, records in sides.items():
        files.write_lines(folder / f"{side}.jsonl", records)
    files.write_lines(folder / "rejects.jsonl", rejects)
    manifest = _manifest(spec, kept, sides, rejects, hashes)
    with files.atomic(folder / "README.md") as file:
        file.write(card(manifest).encode())
    files.write_json(present, manifest)
    return folder


def select(store: TraceStore, spec: DatasetSpec) -> list[dict[str, Any]]:
    """The rows that a spec selects, in order, each with `is_eval` and `first_id`."""
    where, parameters = _where(spec.filters)
    if spec.selection_strategy == "random":
        parameters["seed"] = str(spec.seed)
    parameters |= {"limit": spec.limit, "eval_fraction": spec.eval_fraction}
    query = sql("select").format(where=where, order=_ORDER[spec.selection_strategy])
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
    refused = sum(manifest["rejected"].values())
    kept = manifest["trace_count"]
    sieves = {
        "in the store": store.count(),
        "selected": kept + refused,
        "one of each prompt": kept,
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


def _where(filters: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The filters as one SQL condition, with every path and value bound, never pasted in."""
    conditions = ["true"]
    parameters: dict[str, Any] = {}
    for path, wanted in filters.items():
        operators = wanted if isinstance(wanted, Mapping) and wanted else {"=": wanted}
        for operator, value in operators.items():
            if operator not in _COMPARE:
                raise unknown(f"filters: {path}", operator, _COMPARE)
            condition, kind = _COMPARE[operator]
            if not isinstance(value, kind) or (isinstance(value, bool) and kind == (int, float)):
                raise InputError(f"filters: {path}: {operator!r} cannot take {value!r}")
            k = len(parameters)
            parameters |= {f"p{k}": _pointer(path), f"v{k + 1}": _operand(operator, value)}
            field = f"json_extract(meta, $p{k})"
            conditions.append(condition.format(field=field, value=f"$v{k + 1}"))
    return " AND ".join(conditions), parameters


def _operand(operator: str, value: Any) -> Any:
    """A value as its condition compares it: `=` and `in` compare JSON texts."""
    if operator in ("=", "!="):
        return _json(value)
    return [_json(v) for v in value] if operator == "in" else value


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _pointer(path: str) -> str:
    """`a.b` as a JSON pointer, so that no character of a key means anything."""
    parts = path.removeprefix("meta.").split(".")
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)


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
