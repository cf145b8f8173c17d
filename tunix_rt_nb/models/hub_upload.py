"""Upload of a model folder, with its card, to the Hugging Face hub."""

import importlib
import os
from pathlib import Path
from typing import Any

from tunix_rt_nb.common import InputError, one_line
from tunix_rt_nb.host import place
from tunix_rt_nb.models import parts

_TOKENS = "https://huggingface.co/settings/tokens"
_CARD = "README.md"


def upload(folder: Path, repository: str, public: bool = False) -> str:
    """Upload a model folder to a repository on the Hugging Face hub; return its address.

    The repository is created if it does not exist. Files of an earlier upload are replaced, others
    stay. The token comes from `HF_TOKEN`, from `hf auth login`, or from Kaggle's or Colab's
    secrets. It is in no message.

    Args:
      folder: the model folder, with its card.
      repository: `owner/name`.
      public: True if everyone may see the repository; else it is private.

    Raises:
      InputError: the folder is incomplete, or its card has no valid front matter; the repository
        has no valid name, or is public although `public` is False; there is no token; or the hub
        refuses or does not answer.
    """
    lacks = parts.missing(folder) or (None if (folder / _CARD).is_file() else _CARD)
    if lacks:
        raise InputError(f"{folder}: is no model folder to push, it has no {lacks}")
    try:
        hub = importlib.import_module("huggingface_hub")
    except ImportError:
        raise InputError("Hugging Face: not installed: pip install huggingface_hub") from None
    _check_name(repository)
    _check_card(hub, folder / _CARD)
    token = hub.get_token() or place.secret("HF_TOKEN")
    if not token:
        raise InputError(f"Hugging Face: no token, set HF_TOKEN to one that may write ({_TOKENS})")
    # The client reads the endpoint from the environment only when it is imported.
    api = hub.HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=token)
    try:
        address = api.create_repo(repository, private=not public, exist_ok=True)
        if not public and not api.model_info(repository).private:
            raise InputError(f"{repository}: is public on the hub, give --public to push to it")
        api.upload_folder(
            repo_id=repository,
            folder_path=folder,
            commit_message="Upload by tunix_rt_nb",
            ignore_patterns=[".*"],
        )
    except InputError:
        raise
    except Exception as error:  # the client raises its own errors, those of httpx, and ValueErrors
        raise InputError(f"{repository}: {_advice(error)}") from None
    return str(address)


def _check_name(repository: str) -> None:
    utils = importlib.import_module("huggingface_hub.utils")
    try:
        if repository.count("/") != 1:
            raise ValueError
        utils.validate_repo_id(repository)
    except ValueError:
        found = one_line(repr(repository), 80)
        raise InputError(f"repository: {found}, expected owner/name as on the hub") from None


def _check_card(hub: Any, path: Path) -> None:
    """Check the front matter of a card as the hub's client reads it."""
    try:
        hub.ModelCard.load(path)
    except Exception as error:  # YAML's errors, and those of the metadata
        raise InputError(f"{path}: its front matter is invalid: {one_line(str(error))}") from None


def _advice(error: Exception) -> str:
    """Return what a user can do about a failed upload; the text of the error may hold a secret."""
    causes = error, error.__cause__
    statuses = [getattr(getattr(each, "response", None), "status_code", None) for each in causes]
    status = next(filter(None, statuses), None)
    if status in (401, 403):
        return f"access is refused: use a token that may write to it ({_TOKENS})"
    if status is not None:
        return f"the hub answers with status {status}, try again later"
    return f"the upload failed ({type(error).__name__}), check the network and try again"
