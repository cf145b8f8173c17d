"""Promoted models: the trained model of a run, kept for good under a name and a version.

models/
  .blobs/5fa1...                 every file once, under the sha256 of its content
  sums/v1/model.safetensors ...  the model folder, hard links to the blobs; it loads like any other
  sums/v1/version.json           the run and data that it is from, and what it scored

A version never changes, and outlives its run. The same weights are promoted only once.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypedDict, cast

from filelock import FileLock

from tunix_rt_nb.common import InputError, check_name, files, one_line, records, sql, unknown
from tunix_rt_nb.host import paths
from tunix_rt_nb.runs import lock, registry
from tunix_rt_nb.runs.folder import content_hash, lineage, result, stem

_CARD = "README.md"
_STEP = stem("train")
_CHUNK = 1 << 20
PATIENCE = 60.0  # seconds to wait for another process to release a lock


class Version(NamedTuple):
    """A promoted model.

    Attributes:
      model: the name that it was promoted under.
      version: its version, such as `v1`.
      sha256: one hash over its files, without the model card.
      folder: its folder.
      new: False if the same model was promoted under this name before, so nothing was written.
    """

    model: str
    version: str
    sha256: str
    folder: Path
    new: bool


class Manifest(TypedDict):
    """The content of a model's `version.json`. A field is None if the run does not tell it.

    Attributes:
      sha256: one hash over the model's files, without the model card.
      run: the name of the run.
      code_version: the version of this package that trained the model.
      dataset, dataset_sha256: the key and the hash of the dataset.
      template, style: the template and the style in which the examples were written.
      base: the model that was fine-tuned.
      training: the facts about training in the model card.
      metrics: `steps` trained, and the last held-out loss, `eval_loss`.
      scorecard: the scorecard after training; None if the run has no valid one.
      lineage: step name -> one hash over its outputs.
      bytes: the size of the model's files, without the model card.
      files: path in the version's folder -> sha256 of each file, without the model card.
    """

    model: str
    version: str
    sha256: str
    run: str
    code_version: str
    dataset: str | None
    dataset_sha256: str | None
    template: str | None
    style: str | None
    base: str | None
    training: dict[str, Any] | None
    metrics: dict[str, float | None]
    scorecard: dict[str, Any] | None
    lineage: dict[str, str]
    bytes: int
    files: dict[str, str]


class Row(TypedDict):
    """A promoted model, as `listing` returns it; fields that `version.json` lacks are None.

    Attributes:
      run: the run that trained it.
      base: the model that was fine-tuned.
      items: the number of items that it was graded on.
      score: the mean score of these items.
      steps_right: the mean share of right steps.
      bytes: the size of its files.
      sha256: one hash over its files, without the model card.
      problem: what is damaged in its folder, so that it cannot be used; None if nothing is.
    """

    model: str
    version: str
    run: str | None
    base: str | None
    dataset: str | None
    items: int | None
    score: float | None
    steps_right: float | None
    bytes: int | None
    sha256: str | None
    problem: str | None
    folder: str


def home() -> Path:
    """Return the folder of promoted models."""
    return paths.home() / "models"


def promote(run: Path, name: str = "") -> Version:
    """Keep the trained model of a run under a name, as its next version: v1, v2, ...

    If a version of this name already has the same weights, configuration and tokenizer, return that
    version and write nothing. If the process is killed, no incomplete version is left.

    Args:
      run: the folder of the run.
      name: the name of the model; by default the name of the run.

    Raises:
      InputError: the run was not trained to the end, its model was altered after training, a step
        before training was rerun and its output changed, the name is not safe as a file name, or
        the folder cannot be written to.
    """
    name = check_name("name", name or run.name)
    content, told = _content(run / _STEP), _provenance(run)
    sha256 = files.digest(content)
    folder = home() / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise files.unwritable(folder, error) from None
    with _locked(folder):
        _clear(folder)
        made = versions(name)
        for earlier in made:
            if manifest(earlier)["sha256"] == sha256:
                return Version(name, earlier.name, sha256, earlier, new=False)
        target = folder / f"v{_number(made[-1]) + 1 if made else 1}"
        told = {"model": name, "version": target.name, "sha256": sha256, **told}
        _make(target, run / _STEP, content, told)
    return Version(name, target.name, sha256, target, new=True)


def _locked(folder: Path) -> FileLock:
    """Return the lock on the folder of a name, held by this process."""
    told = f"{folder}: another process promotes a model to it"
    return lock.held(folder / ".lock", PATIENCE, told)


def _clear(folder: Path) -> None:
    """Remove what killed promotions left; `folder` is that of a name, locked by this process."""
    for left in folder.glob(".v*.tmp"):
        shutil.rmtree(left, ignore_errors=True)
    files.sweep(_blobs())


def _blobs() -> Path:
    return home() / ".blobs"


def names() -> list[str]:
    """List the names under which models were promoted."""
    return [path.name for path in files.folders(home()) if versions(path.name)]


def versions(name: str) -> list[Path]:
    """List the folders of all versions of a name, v1 first.

    Raises:
      InputError: the folder of this name cannot be read.
    """
    found = filter(_number, files.folders(home() / name))
    return sorted(filter(_is_version, found), key=_number)


def _is_version(folder: Path) -> bool:
    """Tell whether a folder has a `version.json`, or cannot be read and so may have one."""
    try:
        return (folder / "version.json").exists()
    except OSError:
        return True


def find(name: str) -> Path:
    """Return the folder of a version: for `sums/v2` that version, for `sums` the newest one.

    Raises:
      InputError: there is no such model or version.
    """
    model, _, version = name.partition("/")
    known = model in {path.name for path in files.folders(home())}
    made = {path.name: path for path in versions(model)} if known else {}
    if not made:
        none = "(none yet, make one with tunix-rt-nb models promote)"
        raise unknown("model", model, names() or [none])
    if version and version not in made:
        raise unknown(f"{model}: version", version, made)
    return made[version] if version else list(made.values())[-1]


def manifest(folder: Path) -> Manifest:
    """Read the `version.json` of a version's folder; raise `InputError` if it is damaged."""
    path = folder / "version.json"
    found: Any = files.read_json(path)
    content = found.get("files") if isinstance(found, dict) else None
    if not isinstance(content, dict) or not isinstance(found.get("sha256"), str):
        raise InputError(f"{path}: is damaged, restore it or remove the version")
    for name, sha256 in content.items():
        if not isinstance(sha256, str) or not _is_safe(name, sha256):
            raise InputError(f"{path}: files: {one_line(name, 60)!r}: is no file of a model")
    return cast("Manifest", found)


def altered(folder: Path) -> list[str]:
    """List the files of a version that were changed or removed after it was promoted."""
    return [
        name
        for name, sha256 in manifest(folder)["files"].items()
        if not (folder / name).is_file() or files.sha256(folder / name) != sha256
    ]


def listing(name: str = "") -> list[Row]:
    """List all promoted models by name, and the versions of each name from newest to oldest.

    A damaged version is a row with a `problem`.

    Args:
      name: list only the versions of this name.
    """
    import duckdb  # slow to load

    models = [home() / name] if name else files.folders(home())
    places = [place for model in models for place in _places(model)]
    with duckdb.connect() as connection:
        rows = records(connection.execute(sql("models"), {"places": places}))
    return cast("list[Row]", rows)


def _places(model: Path) -> list[dict[str, str | None]]:
    """Return what `models.sql` needs to make the rows of a model's versions.

    Returns:
      A dict for each version: `model`, `version`, `folder`; `problem`, what is damaged, or None;
      and `told`, the text of its `version.json`, or None if that is damaged.
    """
    try:
        found = versions(model.name)
    except InputError as error:
        return [_place(model, "", str(error), None)]
    return [_place(model, folder.name, *_told(folder)) for folder in found]


def _place(model: Path, version: str, problem: str, told: str | None) -> dict[str, str | None]:
    folder = model / version
    return {
        "model": registry.utf8(model.name),
        "version": version,
        "folder": registry.utf8(str(folder)),
        "problem": one_line(problem.replace(f"{folder}{os.sep}", "")) or None,
        "told": told,
    }


def _told(folder: Path) -> tuple[str, str | None]:
    """Return what is damaged in the folder of a version, and the text of its `version.json`."""
    try:
        return "", json.dumps(manifest(folder))
    except InputError as error:
        return str(error), None


def _number(folder: Path) -> int:
    """Return the number in `v12`; 0 if this is not a version folder."""
    found = re.fullmatch("v([1-9][0-9]{0,8})", folder.name)
    return int(found[1]) if found else 0


def _content(trained: Path) -> dict[str, str]:
    """Return the files of a trained model: path in the folder of a version -> sha256.

    Leave out the card, because evaluation adds the scores to it later.

    Args:
      trained: the folder of the step train.

    Raises:
      InputError: the step has no complete model.
    """
    content = {
        name.removeprefix("model/"): sha256
        for name, sha256 in result(trained)["outputs"].items()
        if name.startswith(("model/", "adapter/")) and name != f"model/{_CARD}"
    }
    if "config.json" not in content or not all(map(_is_safe, content, content.values())):
        raise InputError(f"{trained}: holds no model, run {trained.name}.ipynb again")
    return content


def _is_safe(name: str, sha256: str) -> bool:
    """Tell whether a file's name and hash look as training writes them.

    A `result.json` may come from someone else, and its names become paths.
    """
    return bool(
        re.fullmatch(r"(adapter/)?[\w-][\w.-]*", name) and re.fullmatch("[0-9a-f]{64}", sha256)
    )


def _provenance(run: Path) -> dict[str, Any]:
    """Return the fields of `version.json` on a model's origin and scores; None for unknown ones.

    Raises:
      InputError: training is not complete, or a step before it was rerun and its output changed.
    """
    made_from = lineage("train", run / _STEP)
    trained, row = result(made_from["train"]), registry.row(run)
    scored = None if row["problem"] else result(run / stem("evaluate"))["after"]
    return {
        "run": run.name,
        "code_version": trained["version"],
        **{name: row[name] for name in ("dataset", "dataset_sha256", "template", "style")},
        "base": row["model"],
        "training": (trained.get("card") or {}).get("training"),
        "metrics": {name: row[name] for name in ("steps", "eval_loss")},
        "scorecard": scored,
        "lineage": {step: content_hash(folder) for step, folder in made_from.items()},
    }


def _make(target: Path, trained: Path, content: Mapping[str, str], told: dict[str, Any]) -> None:
    """Make the folder of a version under a temporary name, and rename it when it is complete.

    Args:
      target: the folder to make.
      trained: the folder of the step train.
      content: path in the folder of the version -> sha256, as `_content` returns it.
      told: the fields of `version.json`, but `bytes` and `files`.
    """
    aside = target.with_name(f".{target.name}.tmp")
    for name, sha256 in content.items():
        source = trained / (name if name.startswith("adapter/") else f"model/{name}")
        _link(_blob(source, sha256), aside / name)
    card = trained / "model" / _CARD
    if card.is_file():
        shutil.copyfile(card, aside / _CARD)
    size = sum((aside / name).stat().st_size for name in content)
    told = {**told, "bytes": size, "files": dict(content)}
    files.write_json(aside / "version.json", told)
    aside.rename(target)


def _blob(source: Path, sha256: str) -> Path:
    """Copy a file into `.blobs/` under its hash, unless it is there; return the path of the copy.

    Raises:
      InputError: the file is missing, or was altered after training.
    """
    blob = _blobs() / sha256
    if not blob.exists():
        _copy(source, blob)
    if blob.stat().st_mode & 0o222:  # a kill can come between the two calls
        blob.chmod(0o444)
    return blob


def _copy(source: Path, blob: Path) -> None:
    """Copy a file to `blob`, whose name is the hash that the content must have."""
    found = hashlib.sha256()
    if not source.is_file():
        raise InputError(f"{source}: is missing, run {_STEP}.ipynb again")
    # Hash the file while it is copied. Publish the copy only if the hash is the expected one.
    with source.open("rb") as file, files.draft(blob.parent) as new:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
            new.file.write(chunk)
        if found.hexdigest() != blob.name:
            raise InputError(f"{source}: was altered after training, run {_STEP}.ipynb again")
        new.publish(blob)


def _link(blob: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(blob, path)
    except OSError:  # a file system without links, or one that allows few links to a file
        shutil.copyfile(blob, path)
