"""Uploads of datasets and models to Kaggle; each gets a handle with a version."""

import json
import tempfile
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tunix_rt_nb import dataset
from tunix_rt_nb.common import InputError, files, one_line
from tunix_rt_nb.host import handles, place
from tunix_rt_nb.kaggle import account
from tunix_rt_nb.kaggle.account import Told
from tunix_rt_nb.models import sources

EVERY = 5.0  # seconds between two requests for the state of a dataset that Kaggle processes
PROCESSING = 900.0  # most seconds to wait until Kaggle has processed it


def push_dataset(folder: Path, handle: str, told: Told = print) -> str:
    """Push a built dataset as a new private Kaggle dataset, or as a version of an existing one.

    Args:
      folder: the folder of the dataset.
      handle: OWNER/SLUG.
      told: called with a line when the dataset is pushed.

    Returns:
      The handle with the version, OWNER/SLUG/VERSION, for the parameter `DATASET`.

    Raises:
      InputError: the dataset is not complete, or was altered; there are no credentials; the handle
        is bad; or Kaggle refuses it.
    """
    owner, slug = handles.new("dataset", handle).split("/")
    manifest = dataset.read_manifest(folder)
    for side in dataset.SIDES:
        dataset.check_side(folder, side, manifest)
    note = f"{manifest['dataset_key']}, sha256 {manifest['sha256']}"
    metadata = {"id": handle, "title": slug, "licenses": [{"name": "CC0-1.0"}], "subtitle": ""}
    api = _careful(account.login())
    _, before = _state(api, handle, "current_version_number")
    # Predict the number of the version, because the uploaded `handle.json` has to contain it.
    versioned = f"{owner}/{slug}/{before + 1}"
    added = {"dataset-metadata.json": metadata, place.MARK: {"handle": versioned}}
    with tempfile.TemporaryDirectory() as scratch:
        staged = _staged(Path(scratch), folder, added)
        create = partial(api.dataset_create_new, staged, quiet=True)
        if before:
            again = partial(api.dataset_create_version, staged, note)
            create = partial(again, quiet=True, convert_to_csv=False)
        _check(handle, account.asked(handle, create, again=False))
    told(f"pushed {folder.name} to https://www.kaggle.com/datasets/{handle}")
    _wait(api, handle, before + 1)
    return versioned


def _wait(api: Any, handle: str, number: int) -> None:
    """Wait until Kaggle has processed a version of a dataset; it cannot be attached before.

    Raises:
      InputError: Kaggle failed to process it, has a later version, or takes too long.
    """
    until = time.monotonic() + PROCESSING
    while True:
        state, now = _state(api, handle)
        if state == "ready" and now == number:
            return
        if state in ("failed", "deleted") or now > number:
            what = f"version {now} exists already" if now > number else f"its state is {state}"
            raise InputError(f"{handle}: Kaggle did not make version {number}, {what}: push again")
        if time.monotonic() > until:
            raise InputError(
                f"{handle}: was pushed, but Kaggle is still processing it: {handle}/{number} can be"
                " used when its page shows the files"
            )
        time.sleep(EVERY)


def _state(api: Any, handle: str, fields: str = "status,current_version_number") -> tuple[str, int]:
    """Request the state and the current version number of a dataset.

    Args:
      api: the API of the `kaggle` package.
      handle: OWNER/SLUG.
      fields: what to request: `status`, `current_version_number` or both, separated by a comma. The
        `kaggle` package sends one request per field, and sends no more if one finds nothing.

    Returns:
      status: such as `ready`; empty if not requested, or if the dataset is not visible yet.
      current_version_number: 0 if not requested, or if the dataset is not visible yet.
    """
    form = f"json({fields})"
    found = account.found(handle, lambda: api.dataset_status(handle, format=form))
    told = json.loads(found or "{}")
    return told.get("status", ""), int(told.get("current_version_number") or 0)


def push_model(folder: Path, handle: str, told: Told = print) -> str:
    """Push a model folder as a new private Kaggle model, or as a version of an existing one.

    Args:
      folder: the model folder.
      handle: OWNER/MODEL.
      told: called with a line when the model is pushed.

    Returns:
      The handle with framework, variation and version, for the parameter `MODEL`.

    Raises:
      InputError: the model is not complete; there are no credentials; the handle is bad; or Kaggle
        refuses it.
    """
    owner, slug = handles.new("model", handle).split("/")
    if not folder.is_dir() or sources.missing(folder):
        raise InputError(f"{folder}: is not a model folder, it has no {sources.missing(folder)}")
    api = _careful(account.login())
    variation = f"{handle}/transformers/default"
    before = _model_version(api, variation)
    with tempfile.TemporaryDirectory() as scratch:
        staged = _staged(Path(scratch), folder, _described(owner, slug, folder))
        if before is None:
            answer = account.asked(handle, lambda: api.model_create_new(staged), again=False)
            _check(handle, answer, known=("already",))
        create = partial(api.model_instance_create, staged, quiet=True)
        if before:
            create = partial(api.model_instance_version_create, variation, staged, quiet=True)
        _check(handle, account.asked(handle, create, again=False))
    told(f"pushed {folder} to https://www.kaggle.com/models/{handle}")
    return f"{variation}/{(before or 0) + 1}"


def _described(owner: str, slug: str, folder: Path) -> dict[str, Any]:
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8") if card.exists() else ""
    return {
        "model-metadata.json": {
            "ownerSlug": owner,
            "slug": slug,
            "title": slug,
            "isPrivate": True,
            "description": text or slug,
        },
        "model-instance-metadata.json": {
            "ownerSlug": owner,
            "modelSlug": slug,
            "instanceSlug": "default",
            "framework": "transformers",
            "licenseName": "Gemma" if "license: gemma" in text else "Apache 2.0",
            "overview": slug,
        },
    }


def _staged(scratch: Path, folder: Path, metadata: Mapping[str, Any]) -> str:
    """Fill `scratch` with links to the files of `folder` and with metadata; return its path.

    The metadata is not written to `folder` itself, because a dataset's folder never changes.

    Args:
      scratch: an empty folder.
      folder: the dataset or model.
      metadata: file name -> its content, to be written as JSON.
    """
    for path in folder.iterdir():
        if path.is_file():
            (scratch / path.name).symlink_to(path.resolve())
    for name, content in metadata.items():
        files.write_json(scratch / name, content)
    return str(scratch)


def _careful(api: Any) -> Any:
    """Change an API in place so that a failed upload raises `InputError`; return it.

    The `kaggle` package itself would leave out the file and continue.
    """
    upload = api._upload_blob
    api.MAX_UPLOAD_RESUME_ATTEMPTS = account.TRIES

    def whole(path: str, *rest: Any) -> Any:
        token = upload(path, *rest)
        if token is None:
            raise InputError(f"{Path(path).name}: could not be uploaded, nothing was pushed")
        return token

    api._upload_blob = whole
    return api


def _check(handle: str, answer: Any, known: tuple[str, ...] = ()) -> None:
    error = answer.error or ""
    if error and not any(word in error.lower() for word in known):
        raise InputError(f"{handle}: Kaggle refuses it: {one_line(error)}")


def _model_version(api: Any, variation: str) -> int | None:
    """Return the current version number of a model's variation, OWNER/MODEL/FRAMEWORK/VARIATION.

    Return 0 if the model has no such variation yet, and None if there is no such model.
    """
    model = "/".join(variation.split("/")[:2])
    if account.found(model, lambda: api.model_get(model)) is None:
        return None
    instance = account.found(variation, lambda: api.model_instance_get(variation))
    return int(instance.version_number or 1) if instance else 0
