import subprocess
from pathlib import Path

import pytest

import tunix_rt_nb
from tunix_rt_nb.host import paths, version


def commit(folder: Path) -> str:
    """Commit all files of a folder; return the beginning of the commit's name."""
    who = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    for arguments in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "a commit"]):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    told = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True)
    return told.stdout[:12]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the package, from which it seems to be imported."""
    package = tmp_path / "tunix_rt_nb"
    package.mkdir()
    (package / "a.py").write_text("a = 1\n")
    monkeypatch.setattr(paths, "IMPORTED_FROM", tmp_path)
    monkeypatch.setattr(paths, "PACKAGE", package)
    return tmp_path


def now() -> str:
    return version.of_code.__wrapped__()


def test_the_code_of_a_checkout_is_told_by_its_commit(checkout: Path) -> None:
    first = commit(checkout)
    assert now() == f"{tunix_rt_nb.__version__}+g{first}"
    (checkout / "notes.txt").write_text("no part of the package")
    assert now() == f"{tunix_rt_nb.__version__}+g{first}"
    (checkout / "tunix_rt_nb" / "a.py").write_text("a = 2\n")
    assert now() == f"{tunix_rt_nb.__version__}+g{first}.dirty"
    second = commit(checkout)
    assert now() == f"{tunix_rt_nb.__version__}+g{second}"
    assert first != second


def test_an_installed_package_has_its_version_only(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(checkout)
    installed = checkout / "site-packages"  # as a virtual environment in somebody's repository
    installed.mkdir()
    monkeypatch.setattr(paths, "IMPORTED_FROM", installed)
    assert now() == tunix_rt_nb.__version__


def test_without_git_it_is_the_version_only(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(checkout)
    monkeypatch.setenv("PATH", str(checkout))
    assert now() == tunix_rt_nb.__version__
