"""The first cell of every Kaggle kernel: it checks the accelerator and installs what is missing.

The cell begins with a copy of this file, so the file imports only what every Jupyter has.
"""

import base64
import hashlib
import importlib.metadata
import os
import re
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

from packaging.requirements import Requirement

FILES: dict[str, str] = {}  # path -> content of each package file; the cells below fill it


def require(accelerator: str) -> None:
    """Check on Kaggle that JAX finds the accelerator; elsewhere only print what JAX finds.

    A separate process asks JAX, because only one process at a time can hold a TPU.

    Args:
      accelerator: the backend and the number of its devices, such as `tpu 8`.

    Raises:
      RuntimeError: on Kaggle, JAX finds something else.
    """
    code = "import jax; print(jax.default_backend(), jax.device_count())"
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    found = asked.stdout.strip() or "no JAX"
    if found == accelerator or "KAGGLE_KERNEL_RUN_TYPE" not in os.environ:
        print(f"accelerator: {found}")
        return
    raise RuntimeError(
        f"accelerator: JAX finds {found}, expected {accelerator}: Kaggle started another machine,"
        " push this kernel again"
    )


def unmet(needs: dict[str, list[str]]) -> list[str]:
    """Return the pinned packages to install for the requirements that are not met here.

    Args:
      needs: requirement -> the pinned packages that meet it, as lines for pip.

    Example:
      >>> unmet({"packaging>=1": ["packaging==26.3"], "no-such": ["no-such==1"]})
      ['no-such==1']
    """
    return [pin for need, pins in needs.items() if not _is_met(Requirement(need)) for pin in pins]


def _is_met(need: Requirement) -> bool:
    try:
        version = importlib.metadata.version(need.name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return need.specifier.contains(version, prereleases=True)


def install(needs: dict[str, list[str]]) -> None:
    """Install the pinned packages for each requirement that is not met, and nothing else.

    Args:
      needs: requirement -> the pinned packages that meet it, as lines for pip.

    Raises:
      RuntimeError: pip failed.
    """
    pins = unmet(needs)
    print(f"installing {', '.join(pins) or 'nothing, all is there'}")
    if not pins:
        return
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", *pins]
    if subprocess.run(command).returncode:
        raise RuntimeError("pip failed: check that Internet is on in the notebook's settings")


def importable(folder: Path) -> None:
    """Make the package in a folder importable, in this process and in those it starts."""
    sys.path.insert(0, str(folder))
    paths = [str(folder), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))


def package(line: str, cell: str) -> None:
    """Handle the cell magic `%%package`: add the files in the cell to `FILES`, path -> content.

    Args:
      line: the rest of the line with the magic; ignored.
      cell: the files, each after a line `# ==> PATH <==`.
    """
    _, *parts = re.split(r"(?m)^# ==> (\S+) <==\n", cell)
    FILES.update(zip(parts[::2], parts[1::2], strict=True))


def unpack(digest: str) -> Path:
    """Write `FILES` to a new temporary folder and make the package in it importable.

    Files whose names end with `.z` are decompressed.

    Args:
      digest: the sha256 of the names and contents of all files, from when the kernel was prepared.

    Returns:
      The folder.

    Raises:
      RuntimeError: the files have another sha256, so a cell was altered since then.
    """
    content = "".join(f"{name}\0{FILES[name]}\0" for name in sorted(FILES))
    if hashlib.sha256(content.encode()).hexdigest() != digest:
        raise RuntimeError("the package in this notebook was altered: prepare the kernel again")
    folder = Path(tempfile.mkdtemp(prefix="tunix_rt_nb-"))
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".z":
            path.with_suffix("").write_bytes(zlib.decompress(base64.b64decode(text)))
        else:
            path.write_text(text, encoding="utf-8", newline="")
    importable(folder)
    print(f"unpacked {len(FILES)} files, sha256 {digest[:12]}")
    return folder
