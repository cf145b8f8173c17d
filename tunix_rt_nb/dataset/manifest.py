"""The fields of a manifest: which traces are in a dataset, why, and the hashes of its files."""

from typing import Any, Literal, NotRequired, TypedDict

# A byte of the id must tell the shard, and a process must be able to open all of them.
ShardCount = Literal[1, 2, 4, 8, 16, 32, 64, 128]


class Considered(TypedDict):
    """The number of traces at each stage: in the store, matching the filters, selected."""

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
    """Lengths of a sample of traces, as `card.token_statistics` returns them."""

    unit: str
    sample: int
    min: int
    mean: float
    median: int
    p95: int
    max: int
    histogram: list[tuple[int, int]]


class Manifest(TypedDict):
    """The fields of `manifest.json`. The fields of `DatasetSpec` have the values of the spec.

    Attributes:
      dataset_key: the name of the dataset's folder, made of name and version.
      build_id: a UUID made from `sha256`.
      sha256: one hash over the key and the hashes of the files.
      files: name of a file -> its sha256.
      eval_sets: eval set -> its sha256; traces with prompts of these sets were left out.
      considered: the number of traces at each stage of selection.
      split: the number of traces on each side, `train` and `eval`.
      code_version: the version of this package that built it, with the commit of a checkout.
      created_at: the time of the newest trace. The time of the build is that of the file; it is not
        in it, so that the same traces give the same bytes on any day.
      tasks: task -> side -> the number of traces.
      rejected: reason -> the number of traces that cleaning left out for this reason.
      shards: the number of shards of each side; not there if each side is one file.
      trace_ids: the ids of all traces, the train side first; not there if `shards` is, because
        `train.ids` and `eval.ids` hold them.
      merged_from: key -> sha256 of each dataset that the traces come from; None if not merged.
      changes: how many traces were added, removed, moved and kept since the parent dataset, as
        `Diff.counts` returns them.
      manifest_sha256: the hash of everything else in the manifest.
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
    template: NotRequired[str | None]
    style: NotRequired[str | None]
    system: NotRequired[str | None]
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
    shards: NotRequired[ShardCount]
    trace_ids: NotRequired[list[str]]
    changes: NotRequired[dict[str, int]]
    manifest_sha256: str
