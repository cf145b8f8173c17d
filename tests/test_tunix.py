"""The Tunix that we build on, beside the newest one there is."""

import ast
import subprocess
import sys
import zipfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest

from tunix_rt_nb.host import paths

pytestmark = pytest.mark.long


def pip(*arguments: str) -> str:
    told = subprocess.run(
        [sys.executable, "-m", "pip", *arguments], capture_output=True, text=True, timeout=120
    )
    if told.returncode:
        pytest.skip(f"pip cannot ask an index here: {told.stderr.strip()[-200:]}")
    return told.stdout


def used() -> set[str]:
    """The modules of Tunix that this package imports."""
    found = set()
    for path in paths.sources(paths.PACKAGE):
        if path.suffix == ".py":
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tunix."):
                    names = [f"{node.module}.{alias.name}" for alias in node.names]
                    found |= {name if is_module(name) else str(node.module) for name in names}
    return found


def is_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def source(module: str) -> Path:
    spec = find_spec(module)
    assert spec and spec.origin
    return Path(spec.origin)


def test_no_newer_tunix_is_out(tmp_path: Path) -> None:
    """Fails with what a newer one would change: the modules that we import and that differ."""
    here = version("google-tunix")
    newest = pip("index", "versions", "google-tunix").split("(")[1].split(")")[0]
    if newest == here:
        return
    pip("download", "--quiet", "--no-deps", f"google-tunix=={newest}", "-d", str(tmp_path))
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        differ = []
        for module in sorted(used()):
            place = module.replace(".", "/")
            name = f"{place}/__init__.py" if f"{place}/__init__.py" in names else f"{place}.py"
            if name not in names or archive.read(name) != source(module).read_bytes():
                differ.append(module)
    pytest.fail(f"google-tunix {newest} is out, {here} is locked; these differ: {differ}")


def test_tunix_is_used_where_we_think() -> None:
    assert "tunix.sft.peft_trainer" in used()
