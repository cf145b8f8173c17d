"""All datasets beside each other: which ones exist, and how two of them differ."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, NotRequired, TypedDict

from tunix_rt_nb import runs
from tunix_rt_nb.common import InputError, files, unknown
from tunix_rt_nb.dataset.folder import SIDES, read_manifest
from tunix_rt_nb.dataset.manifest import Manifest
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

    If its folder has no manifest, its build was interrupted. Then only `dataset`, `state` and
    `folder` are set.

    Attributes:
      dataset: its key.
      state: `complete` or `incomplete`.
      train, eval: the number of traces on each side.
      tasks: the number of different tasks.
      strategy: its `selection_strategy`.
      parent: its `parent_dataset_id`.
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


def home() -> Path:
    """Return the folder of the datasets that belong to no run."""
    return paths.home() / "data" / "datasets"


def folders() -> list[Path]:
    """List the folders of all datasets, those of runs too, complete or not."""
    found = [*home().glob("*/"), *(paths.home() / "runs").glob(f"*/{runs.stem('build')}/*/")]
    return sorted(path for path in found if not path.name.startswith("."))


def find(key: str) -> Path:
    """Return the folder of a dataset, given its path or its key.

    If several datasets have this key, prefer the one that belongs to no run, then the newest run's.

    Raises:
      InputError: there is no such dataset.
    """
    if (Path(key) / "manifest.json").exists():
        return Path(key)
    named = [path for path in folders() if path.name == key]
    if not named:
        known = sorted({path.name for path in folders()})
        if not known:
            raise InputError(f"dataset: {key!r} does not exist, there are no datasets: run 2_build")
        raise unknown("dataset", key, known)
    own = [path for path in named if path.parent == home()]
    return (own or sorted(named, key=lambda path: path.stat().st_mtime_ns))[-1]


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
        manifest = read_manifest(folder)
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
    """Compare two datasets by their manifests, from the earlier to the later one."""
    before, after = _sides(earlier), _sides(later)
    return Diff(
        added=[id for id in after if id not in before],
        removed=[id for id in before if id not in after],
        moved=[id for id, side in after.items() if before.get(id, side) != side],
        kept=len(before.keys() & after.keys()),
    )


def _sides(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Map each trace id to its side, `train` or `eval`; a manifest lists the train side first."""
    train = manifest["split"]["train"]
    return {id: SIDES[k >= train] for k, id in enumerate(manifest["trace_ids"])}


def parent(spec: DatasetSpec, beside: Path) -> Manifest | None:
    """Return the manifest of the dataset that a spec names in its `parent_dataset_id`.

    Return None if the spec names none.

    Args:
      spec: the spec.
      beside: a folder of datasets that is searched before all others.

    Raises:
      InputError: there is no dataset with this key or build id.
    """
    if spec.parent_dataset_id is None:
        return None
    others = [f for f in [*sorted(beside.glob("*/")), *folders()] if f.name != spec.key]
    complete = [folder for folder in others if (folder / "manifest.json").exists()]
    for folder in complete:
        # Read the build id unchecked, because damage in another dataset does not matter here.
        build_id = files.read_manifest(folder, "2_build").get("build_id")
        if spec.parent_dataset_id in (folder.name, build_id):
            return read_manifest(folder)
    known = sorted({folder.name for folder in complete})
    raise unknown("parent_dataset_id", spec.parent_dataset_id, known or ["(there is none yet)"])
