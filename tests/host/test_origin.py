"""The address of the repository: it stands in one place, and is empty until someone publishes."""

import re
import shutil
import tomllib
from pathlib import Path

import nbformat
import pytest

from tests import renew
from tunix_rt_nb.host import origin
from tunix_rt_nb.host.paths import NOTEBOOKS, PROJECT

MINE = "https://github.com/me/mine"
COMMIT = "0123456789" * 4
LINK = r"\[Open in \w+\]\((https://[^)]*)\)"


def copies(folder: Path) -> list[Path]:
    """The notebooks, copied to a folder as they are in a checkout."""
    shutil.copytree(NOTEBOOKS, folder / "notebooks")
    return sorted(folder.glob("notebooks/*.ipynb"))


def test_an_address_goes_with_a_commit_in_full() -> None:
    assert bool(origin.REPOSITORY) == bool(origin.COMMIT)
    assert re.fullmatch(r"(https://\S+[^/\s])?", origin.REPOSITORY)
    assert re.fullmatch(r"([0-9a-f]{40})?", origin.COMMIT)


def test_the_metadata_name_the_same_address_or_none() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    told = {"Repository": origin.REPOSITORY} if origin.REPOSITORY else {}
    assert project.get("urls", {}) == told


def test_the_notebooks_have_the_address_that_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renew, "ROOT", tmp_path)
    found = copies(tmp_path)
    renew.renew_address()
    for path in found:
        renewed, stored = path.read_bytes(), (NOTEBOOKS / path.name).read_bytes()
        assert renewed == stored, "run .venv/bin/python -m tests.renew address"


def test_whoever_sets_an_address_gets_it_in_the_first_cell_and_in_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renew, "ROOT", tmp_path)
    found = copies(tmp_path)
    monkeypatch.setattr(origin, "REPOSITORY", MINE)
    monkeypatch.setattr(origin, "COMMIT", COMMIT)
    for _ in range(2):  # the second time changes nothing
        renew.renew_address()
        for path in found:
            title, first = nbformat.read(path, as_version=4).cells[:2]
            assert f'\nREPOSITORY = "{MINE}"\nCOMMIT = "{COMMIT}"\n' in first.source
            at = f"blob/main/notebooks/{path.name}"
            assert re.findall(LINK, title.source) == [
                f"https://kaggle.com/kernels/welcome?src={MINE}/{at}",
                f"https://colab.research.google.com/github/me/mine/{at}",
            ]
            assert "![" not in title.source  # a picture on another server is missing offline
    monkeypatch.setattr(origin, "REPOSITORY", "")
    monkeypatch.setattr(origin, "COMMIT", "")
    renew.renew_address()
    assert not any(MINE in path.read_text() or COMMIT in path.read_text() for path in found)
    assert not any(re.search(LINK, path.read_text()) for path in found)
