"""The build of a dataset: select, clean and split traces into a folder that never changes."""

import hashlib
import math
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tunix_rt_nb.common import InputError, files
from tunix_rt_nb.dataset import evalset, lock, shards, versions
from tunix_rt_nb.dataset.card import card, token_statistics
from tunix_rt_nb.dataset.choice import Choice, choose
from tunix_rt_nb.dataset.folder import SIDES, read_manifest, sealed
from tunix_rt_nb.dataset.manifest import Manifest
from tunix_rt_nb.dataset.spec import DatasetSpec
from tunix_rt_nb.host import version
from tunix_rt_nb.store import TraceStore
from tunix_rt_nb.trace import parse_line

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SCHEMA_VERSION = "1.0"
_MOST_LISTED = 5_000_000  # ids in a manifest; each takes 44 bytes, and 256 MiB can be read
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "tunix_rt_nb/dataset")


def build(
    store: TraceStore,
    spec: DatasetSpec,
    parent: Path,
    merged_from: Mapping[str, str] | None = None,
    spark: "SparkSession | None" = None,
    shard_count: int | None = None,
) -> Path:
    """Build the dataset folder `parent/{spec.key}`, and return it. Write its manifest last.

    The same traces and spec give the same bytes on any day and with any number of threads. For
    this, `created_at` is the time of the newest trace, and `build_id` is a hash of the content. If
    the folder has no manifest, its build was interrupted: build it anew. If it is complete, check
    that this build gives the same content, and restore files that were altered or removed. If two
    processes build the same dataset at the same time, the second one finds it complete.

    Args:
      store: the store to select traces from.
      spec: what the dataset is to contain.
      parent: the folder to put the dataset's folder in.
      merged_from: key -> sha256 of each dataset that the traces come from; None if not merged.
      spark: a session of Spark, whose workers see the store too; None to build on this machine
        alone. The bytes are the same.
      shard_count: the number of shards to cut each side into, a power of two up to 128; None to
        write one file a side. Whatever reads the dataset finds the same traces in the same order.

    Raises:
      InputError: no trace is selected or left to train on, a file of the store is damaged, a filter
        or eval set is bad, `spec.parent_dataset_id` names no dataset, the folder is a complete
        dataset with other content, `shard_count` is no such power of two, or over five million
        traces are to be built without shards.
    """
    shards.check_count(shard_count)
    earlier = versions.parent(spec, parent)
    items = evalset.eval_items(spec.eval_sets)
    with _choice(store, spec, items, spark) as choice:
        _check_sides(choice, spec)
        if shard_count is None and len(choice.ids) > _MOST_LISTED:
            raise InputError(
                f"shards: a manifest cannot list {len(choice.ids):,} traces, build the dataset in"
                " shards, such as --shards 16"
            )
        found = {
            "merged_from": merged_from,
            "considered": choice.considered,
            "split": choice.split,
            **choice.said,
            "rejected": choice.rejected,
            "tokens": token_statistics(choice.sample),
            "trace_ids": choice.ids,
        }
        if earlier is not None:
            found["changes"] = versions.diff(earlier, found).counts()
        if shard_count is not None:
            found = {**found, "shards": shard_count}
            del found["trace_ids"]
        blocks = shards.cut(choice.contents, choice.ids, shard_count)
        return _write(parent / spec.key, spec, blocks, found)


def merge(
    sources: Sequence[Path], spec: DatasetSpec, parent: Path, shard_count: int | None = None
) -> Path:
    """Build `parent/{spec.key}` from several datasets, and return it. Clean all traces again.

    A prompt is held out if its hash is below `eval_fraction`. The largest `eval_fraction` of the
    sources is used, so a prompt that was held out in any source stays held out. With the strategy
    `latest`, the newer of two traces with the same prompt stays.

    Args:
      sources: the folders of the datasets to merge.
      spec: the spec of the new dataset; its `eval_fraction` does not count.
      parent: the folder to put the new dataset's folder in.
      shard_count: as for `build`.

    Raises:
      InputError: a source is incomplete or was altered, two sources have one key but different
        content, or for the reasons that `build` has.
    """
    manifests = {source: read_manifest(source) for source in sources}
    merged_from = _contents(manifests)
    fraction = max(manifest["eval_fraction"] for manifest in manifests.values())
    with TemporaryDirectory() as folder:
        store = TraceStore(Path(folder))
        for source, manifest in manifests.items():
            for side in SIDES:
                shards.check_side(source, side, manifest)
                for name in shards.names(side, manifest.get("shards")):
                    store.add_lines(source / name)
        spec = spec.model_copy(update={"eval_fraction": fraction})
        return build(store, spec, parent, merged_from, shard_count=shard_count)


def _choice(
    store: TraceStore,
    spec: DatasetSpec,
    items: Sequence[evalset.EvalItem],
    spark: "SparkSession | None",
) -> AbstractContextManager[Choice]:
    if spark is None:
        return choose(store, spec, items)
    from tunix_rt_nb.dataset import spark_choice  # needs PySpark

    return spark_choice.choose(spark, store, spec, items)


def _check_sides(choice: Choice, spec: DatasetSpec) -> None:
    """Raise `InputError` if nothing is left to train on, or all traces are one side already."""
    train, held_out = choice.split["train"], choice.split["eval"]
    if not train:
        raise InputError(
            f"eval_fraction: {spec.eval_fraction} leaves nothing to train on:"
            f" {choice.considered['selected']} selected, {sum(choice.rejected.values())} refused,"
            f" {held_out} held out (refused: {choice.rejected or 'none'})"
        )
    if not held_out and _is_one_side(choice.sample, spec.eval_fraction):
        raise InputError(
            f"eval_fraction: {spec.eval_fraction} holds out none of {train:,} traces,"
            " so they are the training side of a dataset: export it with `--split all`, or give an"
            " eval_fraction of 0"
        )


def _is_one_side(lines: Iterable[bytes], fraction: float) -> bool:
    """Tell whether traces of which none is held out have been split before.

    Args:
      lines: a sample of the traces, as JSON lines.
      fraction: the share of prompts that is held out.
    """
    prompts = {parse_line(line, "").prompt.lower() for line in lines}
    return len(prompts) * -math.log1p(-fraction) > 20  # by chance: 1 in 10^8


def _contents(manifests: Mapping[Path, Manifest]) -> dict[str, str]:
    """Map the key of each dataset to its sha256; `manifests` maps folders to manifests."""
    found: dict[str, str] = {}
    for folder, manifest in manifests.items():
        key = manifest["dataset_key"]
        if found.setdefault(key, manifest["sha256"]) != manifest["sha256"]:
            raise InputError(
                f"{folder}: has the key {key} of another source but different content, build one"
                " of the two under another dataset_version"
            )
    return found


def _write(
    folder: Path,
    spec: DatasetSpec,
    blocks: Iterable[tuple[str, bytes]],
    found: Mapping[str, Any],
) -> Path:
    # Write all lines into temporary files and hash them. They are no part of the dataset until
    # `publish` gives them their names.
    with ExitStack() as stack:
        drafts, hashes = _write_drafts(stack, folder, blocks)
        with lock.writing(folder):
            # If the folder is complete, this build must give the same: a dataset never changes.
            complete = (folder / "manifest.json").exists()
            if complete:
                _check_same(folder, spec, hashes, found.get("shards"))
            else:
                shards.remove_others(folder, hashes)
            for name, draft in drafts.items():
                if not (complete and _is_there(folder / name, hashes[name])):
                    draft.publish(folder / name)
            if not complete:
                _write_manifest(folder, spec, hashes, found)
    return folder


def _write_manifest(
    folder: Path, spec: DatasetSpec, hashes: Mapping[str, str], found: Mapping[str, Any]
) -> None:
    """Write the card, then the manifest, which makes the folder complete."""
    content = files.digest([spec.key, hashes])
    manifest = {
        "dataset_key": spec.key,
        "build_id": str(uuid.uuid5(_NAMESPACE, content)),
        "dataset_schema_version": SCHEMA_VERSION,
        "code_version": version.of_code(),
        **spec.model_dump(),
        "eval_sets": _hashes(spec),
        "sha256": content,
        "files": hashes,
        **found,
    }
    where, first = next(shards.joined(folder, "train", found.get("shards")))
    example = parse_line(first, where)
    with files.atomic(folder / "README.md") as file:
        file.write(card(manifest, example).encode())
    files.write_json(folder / "manifest.json", sealed(manifest))


def _is_there(path: Path, content: str) -> bool:
    """Tell whether a file exists and has the sha256 `content`."""
    return path.is_file() and files.sha256(path) == content


def _write_drafts(
    stack: ExitStack, folder: Path, blocks: Iterable[tuple[str, bytes]]
) -> tuple[dict[str, files.Draft], dict[str, str]]:
    """Write blocks of bytes to a draft for each name; return the drafts and their sha256."""
    drafts: dict[str, files.Draft] = {}
    contents: dict[str, Any] = defaultdict(hashlib.sha256)
    with ThreadPoolExecutor(1) as hashing:  # in parallel with reading and writing
        for name, block in blocks:
            if name not in drafts:
                drafts[name] = stack.enter_context(files.draft(folder))
            hashed = hashing.submit(contents[name].update, block)
            drafts[name].file.write(block)
            hashed.result()  # else blocks would pile up if writing is faster than hashing
    return drafts, {name: content.hexdigest() for name, content in contents.items()}


def _check_same(
    folder: Path, spec: DatasetSpec, hashes: Mapping[str, str], shard_count: int | None
) -> None:
    manifest: Any = read_manifest(folder)
    if manifest.get("shards") != shard_count:
        raise InputError(
            f"{folder}: was built with shards {manifest.get('shards')} and not {shard_count}, and"
            " a dataset never changes: build it as before, or give another dataset_version"
        )
    if manifest["files"] != hashes:
        raise InputError(
            f"{folder}: already holds other content, and a dataset never changes:"
            " give another dataset_version"
        )
    asked = {**spec.model_dump(), "eval_sets": _hashes(spec)}
    # A manifest of an earlier version lacks some fields; it was built with their defaults.
    defaults = DatasetSpec.of(dataset_name="x").model_dump()
    other = [n for n, value in asked.items() if manifest.get(n, defaults[n]) != value]
    if other:
        raise InputError(
            f"{folder}: already holds the same traces with another {', '.join(other)},"
            " and a dataset never changes: give another dataset_version"
        )


def _hashes(spec: DatasetSpec) -> dict[str, str]:
    return {path: files.sha256(evalset.find(path)) for path in spec.eval_sets}
