"""All datasets beside each other: which ones exist, and how two of them differ."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, NotRequired, TypedDict

from tunix_rt_nb import runs
from tunix_rt_nb.common import InputError, files, first_of, unknown
from tunix_rt_nb.dataset.folder import SIDES, read_manifest
from tunix_rt_nb.dataset.manifest import Manifest
from tunix_rt_nb.dataset.shards import with_ids
from tunix_rt_nb.dataset.spec import DatasetSpec
from tunix_rt_nb.host import paths


class Diff(NamedTuple):
    """The difference between two datasets.

    Attributes:
      added: ids of the traces that only the later dataset has, in the order of that dataset.
      removed: ids of the traces that only the earlier dataset has, in the order of that one.
      moved: ids of the traces that went from one side, `train` or `eval`, to the other.
      kept: the number of traces in both datasets, moved ones included.
    """

    added: list[str]
    removed: list[str]
    moved: list[str]
    kept: int

    def counts(self) -> dict[str, int]:
        """Return the number of traces in each field: field name -> number."""
        return {name: n if isinstance(n, int) else len(n) for name, n in self._asdict().items()}


class Row(TypedDict):
    """A dataset, as `listing` yields it; most fields are from its manifest.

    If its folder has no manifest, its build was interrupted, and only `dataset`, `state` and
    `folder` are set. If the manifest is damaged, `problem` is set, too.

    Attributes:
      dataset: its key.
      state: `complete`, `incomplete` or `damaged`.
      train, eval: the number of traces on each side.
      tasks: the number of different tasks.
      strategy: its `selection_strategy`.
      parent: its `parent_dataset_id`.
      problem: why it is damaged.
    """

    dataset: str
    state: str
    folder: str
    train: NotRequired[int]
    eval: NotRequired[int]
    tasks: NotRequired[int]
    created_at: NotRequired[str]
    strategy: NotRequired[str]
    tags: NotRequired[list[str]]
    parent: NotRequired[str | None]
    sha256: NotRequired[str]
    problem: NotRequired[str]


def home() -> Path:
    """Return the folder of the datasets that belong to no run."""
    return paths.home() / "data" / "datasets"


def folders() -> list[Path]:
    """List the folders of all datasets, those of runs too, complete or not."""
    built = (paths.home() / "runs").glob(f"*/{runs.stem('build')}/*/")
    own = (path for path in built if not path.name.startswith("."))
    return sorted([*files.folders(home()), *own])


def find(key: str) -> Path:
    """Return the folder of a dataset, given its path or its key.

    If several folders hold the same dataset, prefer the one that belongs to no run, then the newest
    run's.

    Raises:
      InputError: there is no such dataset, or datasets with this key differ in content.
    """
    if (Path(key) / "manifest.json").exists():
        return Path(key)
    named = [path for path in folders() if path.name == key]
    if not named:
        known = sorted({path.name for path in folders()})
        if not known:
            raise InputError(f"dataset: {key!r} does not exist, there are no datasets: run 2_build")
        raise unknown("dataset", key, known)
    return _only("dataset", key, named, "give one of these folders")


def _only(what: str, key: str, named: list[Path], choose: str) -> Path:
    """Return the best of the folders that hold one dataset.

    Args:
      what: the parameter that names the dataset; the error message begins with it.
      key: the key of the dataset.
      named: the folders, complete or not; one at least.
      choose: what a user can do if the folders differ in content.

    Raises:
      InputError: the folders hold datasets with different content.
    """
    # Leave out interrupted builds, unless there is nothing else.
    found = [path for path in named if (path / "manifest.json").exists()] or named
    found.sort(key=lambda path: (path.parent == home(), path.stat().st_mtime_ns), reverse=True)
    if len(found) > 1:
        best = {_content(path): path for path in reversed(found)}  # content -> its best folder
        if len(best) > 1:
            places = first_of([str(path) for path in found if path in best.values()], most=5)
            raise InputError(
                f"{what}: {key!r} has {len(best)} different contents, {choose}: {', '.join(places)}"
            )
    return found[0]


def _content(folder: Path) -> str | None:
    """Return the hash of a dataset's content; None if the build was interrupted."""
    path = folder / "manifest.json"
    return read_manifest(folder)["sha256"] if path.exists() else None


def listing(tag: str | None = None) -> Iterator[Row]:
    """Yield a row for each dataset.

    Args:
      tag: list only the complete datasets with this tag.
    """
    for folder in folders():
        if not (folder / "manifest.json").exists():
            if tag is None:
                yield {"dataset": folder.name, "state": "incomplete", "folder": str(folder)}
            continue
        try:
            manifest = read_manifest(folder)
        except InputError as error:
            if tag is None:
                yield {
                    "dataset": folder.name,
                    "state": "damaged",
                    "folder": str(folder),
                    "problem": str(error),
                }
            continue
        if tag is None or tag in manifest["tags"]:
            yield {
                "dataset": manifest["dataset_key"],
                "state": "complete",
                "train": manifest["split"]["train"],
                "eval": manifest["split"]["eval"],
                "tasks": len(manifest["tasks"]),
                "created_at": manifest["created_at"],
                "strategy": manifest["selection_strategy"],
                "tags": manifest["tags"],
                "parent": manifest["parent_dataset_id"],
                "sha256": manifest["sha256"],
                "folder": str(folder),
            }


def diff(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> Diff:
    """Compare two datasets by their manifests, from the earlier to the later one.

    Args:
      earlier, later: the manifests, as `with_ids` reads them.

    Raises:
      InputError: a manifest does not list the ids.
    """
    before, after = _sides(earlier), _sides(later)
    return Diff(
        added=[id for id in after if id not in before],
        removed=[id for id in before if id not in after],
        moved=[id for id, side in after.items() if before.get(id, side) != side],
        kept=len(before.keys() & after.keys()),
    )


def _sides(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Map each trace id to its side, `train` or `eval`; a manifest lists the train side first."""
    if "trace_ids" not in manifest:
        key = manifest["dataset_key"]
        raise InputError(f"{key}: its ids are in other files, read its manifest by `with_ids`")
    train = manifest["split"]["train"]
    return {id: SIDES[k >= train] for k, id in enumerate(manifest["trace_ids"])}


def parent(spec: DatasetSpec, beside: Path) -> Manifest | None:
    """Return the manifest, `with_ids`, of the dataset that a spec names in `parent_dataset_id`.

    Return None if the spec names none.

    Args:
      spec: the spec.
      beside: a folder of datasets that is searched too, besides those of all runs.

    Raises:
      InputError: there is no dataset with this key or build id, or datasets with this key differ in
        content.
    """
    if spec.parent_dataset_id is None:
        return None
    asked = spec.parent_dataset_id
    others = dict.fromkeys([*sorted(beside.glob("*/")), *folders()])
    complete = [f for f in others if f.name != spec.key and (f / "manifest.json").exists()]
    if named := [folder for folder in complete if folder.name == asked]:
        return with_ids(_only("parent_dataset_id", asked, named, "give the build_id of one"))
    for folder in complete:
        manifest = None
        with suppress(InputError):  # damage in another dataset does not matter here
            manifest = read_manifest(folder)
        if manifest and manifest["build_id"] == asked:
            return with_ids(folder)
    known = sorted({folder.name for folder in complete})
    raise unknown("parent_dataset_id", asked, known or ["(there is none yet)"])
