"""The place where a notebook runs (at home, Kaggle or Colab), its secrets and its attached inputs.

The first cell of a notebook imports this module, so it imports nothing that has to be installed.
"""

import importlib
import os
from collections.abc import Iterator
from pathlib import Path

from tunix_rt_nb.common import InputError
from tunix_rt_nb.host import bootstrap, handles, needs, paths

MARK = "handle.json"  # the file in a pushed dataset that holds its handle on Kaggle
SECRETS = ("HF_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY")


def inputs() -> Path:
    """Return the folder where Kaggle attaches inputs: `input`, beside the working folder."""
    return Path.cwd().parent / "input"


def settle() -> None:
    """Make the session ready on Kaggle and Colab; change nothing elsewhere.

    This is the first call of a notebook. It installs missing packages. It sets `TUNIX_RT_HOME`
    to the working folder, so that the folder `runs/` is made there. It copies the notebook's
    secrets to environment variables. Variables that are set already stay as they are.
    """
    if not {"KAGGLE_KERNEL_RUN_TYPE", "COLAB_RELEASE_TAG"} & os.environ.keys():
        return
    # In a kernel, the first cell has installed everything already.
    if (paths.PROJECT / "pyproject.toml").exists():
        bootstrap.install(needs.needed())
        bootstrap.importable(paths.IMPORTED_FROM)
    os.environ.setdefault("TUNIX_RT_HOME", str(Path.cwd()))
    for name in SECRETS:
        value = os.environ.get(name) or secret(name)
        if value:
            os.environ[name] = value


def secret(name: str) -> str | None:
    """Return a secret stored on Kaggle or Colab; None if it does not exist or may not be read."""
    for module in ("kaggle_secrets", "google.colab.userdata"):
        try:
            client = importlib.import_module(module)
            get = getattr(client, "get", None) or client.UserSecretsClient().get_secret
            return get(name)
        except Exception:  # each client has other errors, and no secret is required
            continue
    return None


def folder(name: str) -> Path:
    """Find the folder that a notebook's parameter names.

    Args:
      name: a path, or the handle of an attached input with its version.
    """
    given = Path(name)
    return mounted(name) if handles.is_versioned(name) and not given.exists() else given


def mounted(handle: str, root: Path | None = None) -> Path:
    """Find the folder of an attached dataset or model, in any of the layouts that Kaggle uses.

    Args:
      handle: OWNER/SLUG/VERSION or OWNER/MODEL/FRAMEWORK/VARIATION/VERSION.
      root: the folder of attached inputs; None for the one that `inputs` returns.

    Raises:
      InputError: the input is not attached, or only another version of it.
    """
    root = root or inputs()
    marker = "manifest.json" if handle.count("/") == 2 else "config.json"
    for start in _starts(handle):
        for folder in sorted(root.glob(start)):
            found = sorted(folder.rglob(marker), key=lambda path: len(path.parts))
            if found:
                return _marked(found[0].parent, handle)
    raise InputError(f"{handle}: is not attached, use Add Input, or prepare the kernel with it")


def _marked(folder: Path, handle: str) -> Path:
    """Check that the folder of an input holds the version in `handle`, and return the folder.

    In some layouts the path does not show the version, but a `handle.json` in the folder does. A
    folder without this file passes.

    Raises:
      InputError: `handle.json` names another handle or version.
    """
    mark = folder / MARK
    from tunix_rt_nb.common import files, one_line  # need packages

    told = files.read_json(mark) if mark.exists() else {"handle": handle}
    found = told.get("handle") if isinstance(told, dict) else None
    if found != handle:
        found = one_line(str(found), 120)
        raise InputError(
            f"{handle}: is not attached, but {found} is: remove {found}, then use Add Input"
        )
    return folder


def _starts(handle: str) -> Iterator[str]:
    """Yield glob patterns for the folder of an input: one for each layout that Kaggle has used.

    The newest layout comes first. The patterns are relative to the folder of attached inputs.
    """
    owner, name, *rest = handle.split("/")
    if len(rest) == 1:
        yield from (f"datasets/{owner}/{name}/versions/{rest[0]}", f"datasets/{owner}/{name}", name)
        return
    framework, variation, version = rest
    for start in (f"models/{owner}/{name}", name):
        # The case of the framework may differ: Kaggle has also written `Transformers`.
        anycase = "".join(f"[{c.lower()}{c.upper()}]" if c.isalpha() else c for c in framework)
        yield f"{start}/{anycase}/{variation}/{version}"


def earlier(run_id: str, root: Path | None = None) -> Path | None:
    """Find the folder of a run in the attached output of an earlier kernel.

    Args:
      run_id: the name of the run's folder in `runs/`.
      root: the folder of attached inputs; None for the one that `inputs` returns.

    Returns:
      The folder; None if no attached output has this run. A run counts only if it has an
      `output.json`, the list of its files that a kernel writes.
    """
    root = root or inputs()
    for depth in ("*", "*/*", "*/*/*", "*/*/*/*"):
        for path in sorted(root.glob(f"{depth}/runs/{run_id}/output.json")):
            return path.parent
    return None
