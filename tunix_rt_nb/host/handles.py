"""Handles: the names of models, datasets and kernels on Kaggle."""

import re

from tunix_rt_nb.common import InputError

_SLUG = r"[a-z0-9]+(?:-[a-z0-9]+)*"
_OWNER = r"[A-Za-z0-9][A-Za-z0-9_-]*"


def kernel(handle: str, owned: bool = True) -> str:
    """Return the handle of a kernel, OWNER/SLUG, if it is valid.

    Args:
      handle: the handle.
      owned: whether it must have an owner; if not, SLUG alone is valid too.

    Raises:
      InputError: it is not valid. A slug has only small letters, digits and hyphens.

    Example:
      >>> kernel("me/tunix-rt-quickstart")
      'me/tunix-rt-quickstart'
    """
    owner, form = (f"{_OWNER}/", "OWNER/SLUG") if owned else (f"(?:{_OWNER}/)?", "[OWNER/]SLUG")
    return _checked("kernel", handle, rf"{owner}(?=[^/]{{5,50}}$){_SLUG}", form, 5)


def dataset(handle: str) -> str:
    """Return the handle of a dataset, OWNER/SLUG/VERSION, if it is valid.

    Raises:
      InputError: it is not valid, or has no version.
    """
    pattern = rf"{_OWNER}/(?=[^/]{{6,50}}/){_SLUG}/[1-9][0-9]*"
    return _checked("dataset", handle, pattern, "OWNER/SLUG/VERSION", 6)


def model(handle: str) -> str:
    """Return the handle of a model, OWNER/MODEL/FRAMEWORK/VARIATION/VERSION, if it is valid.

    Raises:
      InputError: it is not valid, or has no version. Without one, the weights could change
        unnoticed.
    """
    if re.fullmatch(r"[^/]+(/[^/]+){3}", handle):
        raise InputError(f"model: {handle}: has no version, add one: {handle}/1")
    parts = "OWNER/MODEL/FRAMEWORK/VARIATION/VERSION"
    pattern = rf"{_OWNER}/{_SLUG}/[A-Za-z0-9]+/[a-z0-9][a-z0-9._-]*/[1-9][0-9]*"
    return _checked("model", handle, pattern, parts, 1)


def new(what: str, handle: str) -> str:
    """Return the handle under which to push a dataset or model, OWNER/SLUG, if it is valid.

    Args:
      what: `dataset` or `model`, to be named in the error.
      handle: the handle; Kaggle adds the version when it is pushed.

    Raises:
      InputError: it is not valid.
    """
    return _checked(what, handle, rf"{_OWNER}/(?=.{{6,50}}$){_SLUG}", "OWNER/SLUG", 6)


def _checked(what: str, handle: str, pattern: str, form: str, least: int) -> str:
    if not re.fullmatch(pattern, handle):
        raise InputError(
            f"{what}: expected {form}, found {handle!r}; a slug has {least} to 50 small letters,"
            " digits and single hyphens"
        )
    return handle


def is_handle(name: str) -> bool:
    """Tell whether a name has the form of a handle on Kaggle, and not of a path on this machine.

    Example:
      >>> is_handle("google/gemma-3/transformers/gemma-3-1b"), is_handle("../data/x")
      (True, False)
    """
    return re.fullmatch(r"[A-Za-z0-9][\w-]*(/[\w.-]+){2,4}", name) is not None


def is_versioned(name: str) -> bool:
    """Tell whether a name is a handle with a version; only such handles can be attached as inputs.

    Example:
      >>> is_versioned("me/cards-set/3"), is_versioned("models/cards/v1")
      (True, False)
    """
    return is_handle(name) and name.rpartition("/")[2].isdecimal()
