"""What a manifest says: which traces are in a dataset, why these, and the hashes of its files."""

from typing import Any, NotRequired, TypedDict


class Considered(TypedDict):
    """How many traces the store holds, match the filters, and were selected."""

    in_store: int
    matching: int
    selected: int


class Stats(TypedDict):
    """Lengths of the traces, in steps and in characters."""

    avg_step_count: float
    min_step_count: int
    max_step_count: int
    avg_total_chars: float


class Tokens(TypedDict):
    """Lengths of a sample of traces before a model is chosen, in words, digits and signs."""

    unit: str
    sample: int
    min: int
    mean: float
    median: int
    p95: int
    max: int
    histogram: list[tuple[int, int]]


class Manifest(TypedDict):
    """The fields of `manifest.json`; those of the spec stand in it as they were asked for.

    Attributes:
      sha256: the hash of the content: of the key and the hashes of its files.
      files: name of a file -> its sha256.
      eval_sets: name of each eval set that was kept out -> its sha256.
      split, tasks: side -> how many traces, of all and of each task.
      rejected: reason -> how many traces were left out.
      merged_from: key -> sha256 of the datasets that the traces come from.
      changes: counts of what differs from the parent dataset.
      manifest_sha256: the hash of all the rest.
    """

    dataset_key: str
    build_id: str
    dataset_schema_version: str
    code_version: str
    dataset_name: str
    dataset_version: str
    filters: dict[str, Any]
    limit: int | None
    selection_strategy: str
    seed: int | None
    stratify_by: str | None
    quotas: dict[str, int] | None
    proportions: dict[str, float] | None
    quality_by: str
    quality_floor: float | None
    condition: str | None
    eval_fraction: float
    near_duplicates: float | None
    eval_sets: dict[str, str]
    parent_dataset_id: str | None
    tags: list[str]
    session_id: str | None
    training_run_id: str | None
    sha256: str
    files: dict[str, str]
    merged_from: dict[str, str] | None
    considered: Considered
    split: dict[str, int]
    created_at: str
    trace_count: int
    tasks: dict[str, dict[str, int]]
    stats: Stats
    rejected: dict[str, int]
    tokens: Tokens
    trace_ids: list[str]
    changes: NotRequired[dict[str, Any]]
    manifest_sha256: str
