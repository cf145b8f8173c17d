"""A dataset's folder: its files, and checks that they are unchanged since the build.

datasets/cards-v1/
  manifest.json       its spec, the ids of its traces, hashes of the .jsonl files; written last
  train.jsonl         the traces to train on, one a line, as the store keeps them
  eval.jsonl          the traces that are held out; `shards.py` has the names of shards
  rejects.jsonl       the traces that were left out, each with the reason
  README.md           the card
"""

import os
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, TypedDict, cast

import typing_extensions

from tunix_rt_nb.common import InputError, check_name, checked, files
from tunix_rt_nb.dataset import clean, lock
from tunix_rt_nb.dataset.manifest import Manifest, ShardCount
from tunix_rt_nb.dataset.spec import key_of
from tunix_rt_nb.host import place
from tunix_rt_nb.trace import OWN

SIDES = ("train", "eval")
ALTERED = "was altered after the build, build the dataset again"
_OLD = {"unknown": OWN}  # names of tasks in manifests of earlier versions -> their names now


class _Sides(typing_extensions.TypedDict):
    train: int
    eval: int


class _Considered(typing_extensions.TypedDict):
    in_store: int
    matching: int


class _Needed(typing_extensions.TypedDict):
    """The fields of a manifest that lists, tables and copies are made of."""

    dataset_key: str
    files: dict[str, str]
    sha256: str
    split: _Sides
    considered: _Considered
    created_at: str
    trace_count: int
    tasks: dict[str, _Sides]
    rejected: dict[str, int]
    selection_strategy: str
    tags: list[str]
    parent_dataset_id: str | None
    template: typing_extensions.NotRequired[str | None]
    style: typing_extensions.NotRequired[str | None]
    system: typing_extensions.NotRequired[str | None]


class _Whole(_Needed):
    trace_ids: list[str]


class _Sharded(_Needed):
    shards: ShardCount


class Named(NamedTuple):
    """The form that a dataset names in its spec; None for each part that it leaves open."""

    template: str | None
    style: str | None
    system: str | None


class Sieve(TypedDict):
    """A stage of the build that leaves traces out: its name, and the number of traces left."""

    sieve: str
    traces: int


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a complete dataset folder.

    Raises:
      InputError: the folder has no manifest, or the manifest was altered after the build.
    """
    manifest: Any = files.read_manifest(folder, "2_build")
    path = folder / "manifest.json"
    if not isinstance(manifest, dict) or "dataset_key" not in manifest:
        raise InputError(f"{path}: is not the manifest of a dataset, give the folder of a dataset")
    if manifest != sealed(manifest):
        raise InputError(
            f"{path}: manifest_sha256: does not match the manifest, which was altered after the"
            " build: remove this file and build the dataset again"
        )
    checked(_Sharded if "shards" in manifest else _Whole, manifest, f"{path}: ")
    return cast("Manifest", manifest)


def copy(source: Path | str, parent: Path) -> Path:
    """Copy a dataset unchanged to the folder `parent/{key}`, and return this folder.

    The files keep their times. Write the manifest last, because it marks the copy as complete. If
    the folder is the same dataset already, restore its files.

    Args:
      source: the folder of the dataset, or the handle of a dataset attached to a Kaggle session.
      parent: the folder to put the copy in.

    Raises:
      InputError: the dataset is missing or incomplete, a file was altered after the build, or the
        folder of the copy is a complete dataset with other content.
    """
    source = place.folder(str(source))
    manifest = read_manifest(source)
    name, number = (str(manifest.get(part)) for part in ("dataset_name", "dataset_version"))
    folder = parent / key_of(name, number)
    for name in manifest["files"]:
        path = source / check_name("files", name)
        if not path.is_file():
            raise InputError(f"{path}: is missing, build the dataset again")
        files.check_unaltered(path, manifest, ALTERED)
    with lock.writing(folder):
        complete = (folder / "manifest.json").exists()
        if complete and _identity(read_manifest(folder)) != _identity(manifest):
            raise InputError(
                f"{folder}: already holds another dataset, and a dataset never changes:"
                " copy to another folder"
            )
        for name in (*manifest["files"], "README.md", "manifest.json"):
            if (source / name).exists():
                with (source / name).open("rb") as there, files.atomic(folder / name) as here:
                    shutil.copyfileobj(there, here)
                time = (source / name).stat().st_mtime_ns  # of the manifest: of the build
                os.utime(folder / name, ns=(time, time))
    return folder


def _identity(manifest: Manifest) -> dict[str, Any]:
    """Return the fields of a manifest that do not depend on the commit which built the dataset."""
    by_code = ("code_version", "manifest_sha256")
    return {name: value for name, value in manifest.items() if name not in by_code}


def built_at(folder: Path | str) -> str:
    """Return when a complete dataset was built, as ISO 8601; `created_at` is of its newest trace.

    This is the time of its manifest's file. A manifest does not hold it, because building the same
    traces again must give the same bytes.
    """
    seconds = int((Path(folder) / "manifest.json").stat().st_mtime)
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def form_of(manifest: Mapping[str, Any]) -> Named:
    """Return the template, style and system message that a dataset names; None for each it omits.

    Example:
      >>> form_of({"template": "chatml", "style": None})
      Named(template='chatml', style=None, system=None)
    """
    return Named(*(manifest.get(name) for name in Named._fields))


def check_form(manifest: Mapping[str, Any], template: str, style: str, system: str) -> None:
    """Check that a dataset which names a form is written in that form.

    Raises:
      InputError: the dataset names another template, style or system message. The message begins
        with the notebook parameter that decides it, such as `TEMPLATE`.
    """
    asked = Named(template, style, system)
    for name, named, given in zip(Named._fields, form_of(manifest), asked, strict=True):
        if named is not None and named != given:
            raise InputError(
                f"{name.upper()}: is {given!r}, but the dataset {manifest['dataset_key']} names"
                f" {named!r}: give {name.upper()}={named}"
            )


def check_output(path: Path) -> None:
    """Check that a file may be written: it is not in a dataset's folder, which never changes.

    Raises:
      InputError: the folder is a dataset, or something that is no file has this name.
    """
    if (path.parent / "manifest.json").exists():
        raise InputError(f"{path}: is in the folder of a dataset, give another folder")
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: exists and is not a file, give another name")


def built_in(folder: Path) -> Path:
    """Return the folder of the dataset that the build step wrote into `folder`.

    Raises:
      InputError: there is none.
    """
    for manifest in folder.glob("*/manifest.json"):
        return manifest.parent
    raise InputError(f"{folder}: has no dataset, run 2_build again")


def rejects(folder: Path) -> list[dict[str, Any]]:
    """List the traces that cleaning left out of a dataset.

    Returns:
      A dict for each: `id`, `reason`, and `of` (the id of the trace, or the name of the eval item,
      that it repeats). For a near-duplicate there is also the `similarity`; if only words are
      shared with an eval item, these words are in `ngram`.
    """
    return list(files.read_lines(folder / "rejects.jsonl"))


def sealed(manifest: Mapping[str, Any]) -> Manifest:
    """Return a manifest with `manifest_sha256`, the hash of everything else in it."""
    said = {name: value for name, value in manifest.items() if name != "manifest_sha256"}
    return cast("Manifest", {**said, "manifest_sha256": files.digest(said)})


def funnel(manifest: Manifest) -> list[Sieve]:
    """Count the traces left after each stage of the build, from the store to the two sides."""
    rejected = [manifest["rejected"].get(reason, 0) for reason in clean.REASONS]
    kept = manifest["trace_count"]
    sieves = {
        "in the store": manifest["considered"]["in_store"],
        "match the filters": manifest["considered"]["matching"],
        "selected": kept + sum(rejected),
        "one of each prompt": kept + sum(rejected[1:]),
        "no near-duplicates": kept + sum(rejected[2:]),
        "in no eval set": kept,
        "to train on": manifest["split"]["train"],
        "held out": manifest["split"]["eval"],
    }
    return [{"sieve": name, "traces": count} for name, count in sieves.items()]


def by_task(manifest: Manifest) -> list[dict[str, str | int]]:
    """Count the traces of each task on each side of a dataset.

    Returns:
      A dict for each task, with the keys `task` (its name), `to train on` and `held out` (the
      number of its traces on each side).
    """
    return [
        {"task": _OLD.get(task, task), "to train on": sides["train"], "held out": sides["eval"]}
        for task, sides in manifest["tasks"].items()
    ]
