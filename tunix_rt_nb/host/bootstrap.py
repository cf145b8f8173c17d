"""The first cell of every Kaggle kernel: it checks the accelerator and installs what is missing.

The cell begins with a copy of this file, so the file imports only what every Jupyter has.
"""

import base64
import hashlib
import lzma
import os
import re
import site
import subprocess
import sys
import tempfile
from pathlib import Path

PATIENCE = 60  # seconds that JAX gets to find the accelerator; a TPU takes some ten
FILES: dict[str, str] = {}  # path -> content of each package file; the cells below fill it


def require(accelerator: str) -> None:
    """Check on Kaggle that JAX finds the accelerator; elsewhere only print what JAX finds.

    A separate process asks JAX, because only one process at a time can hold a TPU. It gets
    `PATIENCE` seconds, because JAX may look for a TPU that is not there for minutes.

    Args:
      accelerator: the backend and the number of its devices, such as `tpu 8`.

    Raises:
      RuntimeError: on Kaggle, JAX finds something else.
    """
    code = "import jax; print(jax.default_backend(), jax.device_count())"
    command = [sys.executable, "-c", code]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        found = asked.stdout.strip() or "no JAX"
    except subprocess.TimeoutExpired:
        found = f"nothing in {PATIENCE} s"
    if found == accelerator or "KAGGLE_KERNEL_RUN_TYPE" not in os.environ:
        print(f"accelerator: {found}")
        return
    raise RuntimeError(
        f"accelerator: JAX finds {found}, expected {accelerator}: Kaggle started another machine."
        " Open this notebook in Kaggle's editor, choose the accelerator in its settings, then"
        " Save Version, Save & Run All"
    )


def unmet(needs: dict[str, list[str]]) -> list[str]:
    """Return the pinned packages to install for the requirements that are not met here.

    Args:
      needs: requirement -> the pinned packages that meet it, as lines for pip.

    Example:
      >>> unmet({"packaging>=1": ["packaging==26.3"], "no-such": ["no-such==1"]})
      ['no-such==1']
    """
    return [pin for need, pins in needs.items() if not _is_met(need) for pin in pins]


def _is_met(requirement: str) -> bool:
    from importlib import metadata  # both are slow to load

    from packaging.requirements import Requirement

    need = Requirement(requirement)
    try:
        version = metadata.version(need.name)
    except metadata.PackageNotFoundError:
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
    """Make the package in a folder importable in this process and in the processes it starts.

    A folder of installed packages stays at its place in the path.
    """
    if str(folder) in [*site.getsitepackages(), site.getusersitepackages()]:
        return
    sys.path.insert(0, str(folder))
    paths = [str(folder), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))


def package(line: str, cell: str) -> None:
    """Run the cell magic `%%package`: add the files in its cell to `FILES`.

    `FILES` is a dict from each file's path to its content.

    Args:
      line: what follows `%%package` in its line; ignored.
      cell: the files, each after a line `# ==> PATH <==`.
    """
    FILES.update(split(cell))


def split(text: str) -> dict[str, str]:
    r"""Split a text into files: path -> content.

    Args:
      text: the files, each after a line `# ==> PATH <==`.

    Example:
      >>> split("# ==> a.py <==\nx = 1\n# ==> b.py <==\n")
      {'a.py': 'x = 1\n', 'b.py': ''}
    """
    _, *parts = re.split(r"(?m)^# ==> (\S+) <==\n", text)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def unpack(digest: str) -> Path:
    """Write the package in `FILES` to a new temporary folder and make it importable.

    A file whose name ends with `.xz` holds more files, compressed.

    Args:
      digest: the sha256 that the names and contents of the files had when the kernel was prepared.

    Returns:
      The folder.

    Raises:
      RuntimeError: the files have another sha256, so a cell was altered since then.
    """
    content = "".join(f"{name}\0{FILES[name]}\0" for name in sorted(FILES))
    if hashlib.sha256(content.encode()).hexdigest() != digest:
        raise RuntimeError("the package in this notebook was altered: prepare the kernel again")
    folder = Path(tempfile.mkdtemp(prefix="tunix_rt_nb-"))
    files: dict[str, str] = {}
    for name, text in FILES.items():
        packed = name.endswith(".xz")
        files |= split(lzma.decompress(base64.b64decode(text)).decode()) if packed else {name: text}
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
    importable(folder)
    print(f"unpacked {len(files)} files, sha256 {digest[:12]}")
    return folder
