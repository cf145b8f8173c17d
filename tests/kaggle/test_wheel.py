"""The wheel: what it holds, and that it needs no checkout, in a folder and among Kaggle's inputs."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.kaggle.test_kernel import first_cell, imported
from tunix_rt_nb import runs
from tunix_rt_nb.host import bootstrap, paths
from tunix_rt_nb.runs import parameters

__all__ = ["imported"]
pytestmark = pytest.mark.slow
BESIDE = ("setup.py", "MANIFEST.in", "pyproject.toml", "requirements.lock", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a wheel is built from."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("tunix_rt_nb", "notebooks", "data/evalsets"):
        without = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
        shutil.copytree(paths.PROJECT / name, folder / name, ignore=without)
    for name in BESIDE:
        shutil.copy(paths.PROJECT / name, folder)
    return folder


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as a user builds it; the build tool is fetched."""
    out = tmp_path_factory.mktemp("out")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(out)]
    uv = ["uv", "build", "--quiet", "--wheel", "--out-dir", str(out)]
    build = [*(uv if shutil.which("uv") else pip), str(checkout)]
    told = subprocess.run(build, capture_output=True, text=True)
    if "No matching distribution found for setuptools" in told.stderr:
        pytest.skip("setuptools cannot be fetched")
    assert told.returncode == 0, told.stderr
    [made] = out.glob("tunix_rt_nb-*.whl")
    return made


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of installed packages with the wheel's."""
    folder = tmp_path_factory.mktemp("site")
    shutil.unpack_archive(wheel, folder, "zip")
    return folder


def command(package: Path, home: Path, *arguments: str) -> str:
    """Run the command in a folder, with the package from `package`; return what it prints."""
    told = subprocess.run(
        [sys.executable, "-m", "tunix_rt_nb.cli", *arguments],
        cwd=home,
        env={**os.environ, "PYTHONPATH": str(package)},
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stderr
    return told.stdout


def test_it_holds_every_file_that_the_package_reads(checkout: Path, wheel: Path) -> None:
    read = [checkout / "pyproject.toml", checkout / "requirements.lock"]
    read += [p for top in ("notebooks", "data") for p in (checkout / top).rglob("*.*")]
    notebooks = len(runs.STEPS) + 1  # and the panel
    assert len(read) == 2 + notebooks + len(parameters.profile_names()) + 1
    with zipfile.ZipFile(wheel) as archive:
        for path in read:
            name = f"tunix_rt_nb/project/{path.relative_to(checkout).as_posix()}"
            assert archive.read(name) == path.read_bytes()
        for path in paths.sources(checkout / "tunix_rt_nb"):
            assert archive.read(path.relative_to(checkout).as_posix()) == path.read_bytes()


def test_it_runs_in_an_empty_folder(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TUNIX_RT_HOME", raising=False)
    assert "\nhigh_card_duel " in command(site, tmp_path, "tasks")
    command(site, tmp_path, "run", "--to", "build", "--set", "TRACES={arithmetic: 8}")
    runs.result(tmp_path / "runs/quickstart/2_build")
    assert not list(site.rglob("runs/quickstart"))


def test_it_prepares_the_same_kernel_as_the_checkout(
    checkout: Path, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNIX_RT_HOME", str(tmp_path))
    options = ("--accelerator", "none", "--kernel", "me/tunix-rt-mine", "--run-id", "mine")
    made = []
    for package in (checkout, site):
        command(package, tmp_path, "kaggle", "prepare", "quickstart", *options)
        made.append((tmp_path / "runs/mine/kernel/kernel.ipynb").read_bytes())
    assert made[0] == made[1]


def test_the_first_cell_takes_it_from_the_inputs(imported: Path, wheel: Path) -> None:
    (imported / "my-wheel").mkdir()
    shutil.copy(wheel, imported / "my-wheel")
    told = first_cell()
    assert told.returncode == 0, told.stderr
    settled, at = told.stdout.splitlines()
    assert settled == "installing nothing, all is there"
    assert (Path(at).parent / "project/notebooks/1_generate.ipynb").exists()


def test_a_wheel_that_is_installed_stays_at_its_place_in_the_path(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "path", before := list(sys.path))
    monkeypatch.setenv("PYTHONPATH", "/before")
    bootstrap.importable(Path(bootstrap.site.getsitepackages()[0]))
    assert sys.path == before
    assert os.environ["PYTHONPATH"] == "/before"
