"""Where a notebook is at work: at home, on Kaggle or on Colab, and what it finds there.

It is what the first cell of a notebook imports, so it needs nothing that has to be installed.
"""

import importlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from tunix_rt_nb.common import InputError
from tunix_rt_nb.host import bootstrap, handles, needs, paths

MARK = "handle.json"  # in a dataset that was pushed: the handle that it has on Kaggle
SECRETS = ("HF_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY")


def on_kaggle() -> bool:
    """Whether this is a Kaggle session, interactive or a kernel that was pushed."""
    return "KAGGLE_KERNEL_RUN_TYPE" in os.environ


def inputs() -> Path:
    """Where Kaggle puts what is attached: `input`, beside the folder that notebooks work in."""
    return Path.cwd().parent / "input"


def settle() -> None:
    """The first call of a notebook: on Kaggle and Colab it makes the session ready.

    What is missing there is installed, the working folder becomes the home of runs, and what
    secrets there are are taken. Elsewhere nothing changes. What is set already stays.
    """
    if not on_kaggle() and "COLAB_RELEASE_TAG" not in os.environ:
        return
    if (paths.PROJECT / "pyproject.toml").exists():  # a checkout; kernels have seen to it already
        bootstrap.install(needs.needed())
        bootstrap.importable(paths.PROJECT)
    os.environ.setdefault("TUNIX_RT_HOME", str(Path.cwd()))
    for name in SECRETS:
        value = os.environ.get(name) or secret(name)
        if value:
            os.environ[name] = value


def secret(name: str) -> str | None:
    """A secret of the notebook; None where there is no such secret, or it may not be read."""
    for module in ("kaggle_secrets", "google.colab.userdata"):
        try:
            client = importlib.import_module(module)
            get = getattr(client, "get", None) or client.UserSecretsClient().get_secret
            return get(name)
        except Exception:  # each has errors of its own; without a secret one goes on
            continue
    return None


def folder(name: str) -> Path:
    """The folder that a parameter names: a path, or the handle of what is attached on Kaggle."""
    given = Path(name)
    return mounted(name) if handles.is_versioned(name) and not given.exists() else given


def mounted(handle: str, root: Path | None = None) -> Path:
    """The folder of a dataset or model that is attached, in whichever layout Kaggle has put it.

    Args:
      handle: OWNER/SLUG/VERSION or OWNER/MODEL/FRAMEWORK/VARIATION/VERSION.

    Raises:
      InputError: it is not attached, or in another version.
    """
    root = root or inputs()
    marker = "manifest.json" if handle.count("/") == 2 else "config.json"
    for start in _starts(handle):
        for folder in sorted(root.glob(start)):
            found = sorted(folder.rglob(marker), key=lambda path: len(path.parts))
            if found:
                return _marked(found[0].parent, handle)
    raise InputError(f"{handle}: is not attached, Add Input, or prepare the kernel with it")


def _marked(folder: Path, handle: str) -> Path:
    """Passes a folder on unless it says that it is of another version: its path may tell none."""
    mark = folder / MARK
    found = json.loads(mark.read_bytes())["handle"] if mark.exists() else handle
    if found != handle:
        raise InputError(f"{handle}: is not attached, but {found}: Add Input lets one choose")
    return folder


def _starts(handle: str) -> Iterator[str]:
    """Patterns of where it may be, the newest layout first."""
    owner, name, *rest = handle.split("/")
    if len(rest) == 1:
        yield from (f"datasets/{owner}/{name}/versions/{rest[0]}", f"datasets/{owner}/{name}", name)
        return
    framework, variation, version = rest
    for start in (f"models/{owner}/{name}", name):  # Kaggle has written Transformers, too
        anycase = "".join(f"[{c.lower()}{c.upper()}]" if c.isalpha() else c for c in framework)
        yield f"{start}/{anycase}/{variation}/{version}"


def earlier(run_id: str, root: Path | None = None) -> Path | None:
    """The folder of a run in the output of an earlier kernel, if one is attached that is whole."""
    root = root or inputs()
    for depth in ("*", "*/*", "*/*/*", "*/*/*/*"):
        for path in sorted(root.glob(f"{depth}/runs/{run_id}/output.json")):
            return path.parent
    return None
