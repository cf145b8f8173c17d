from pathlib import Path

import pytest

from tests.conftest import NOW, some
from tunix_rt_nb import dataset
from tunix_rt_nb.common import InputError, files
from tunix_rt_nb.dataset import folder
from tunix_rt_nb.store import TraceStore


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A dataset as the build step leaves it."""
    store = TraceStore(tmp_path / "traces")
    store.add(some("arithmetic", 20, seed=0), NOW)
    spec = dataset.DatasetSpec.of(dataset_name="sums", dataset_version="v7")
    return dataset.build(store, spec, tmp_path / "2_build")


def test_the_dataset_of_a_build_step_is_found_whatever_its_name(built: Path) -> None:
    found = dataset.built_in(built.parent)
    assert found == built
    assert found.name == "sums-v7"
    assert len(list(dataset.load(found, "train"))) + len(list(dataset.load(found, "eval"))) == 20


def test_a_dataset_that_was_copied_there_is_found_too(built: Path, tmp_path: Path) -> None:
    copied = dataset.copy(built, tmp_path / "other" / "2_build")
    assert dataset.built_in(tmp_path / "other" / "2_build") == copied
    assert dataset.read_manifest(copied) == dataset.read_manifest(built)


def test_what_an_interrupted_build_left_and_what_is_no_dataset_are_passed_over(
    built: Path,
) -> None:
    for n in range(30):
        (built.parent / f"other-{n}").mkdir()
        (built.parent / f"other-{n}" / "train.jsonl").touch()
    (built.parent / "manifest.json").write_text("{}")
    (built / "deeper").mkdir()
    (built / "deeper" / "manifest.json").write_text("{}")
    assert dataset.built_in(built.parent) == built
    with pytest.raises(InputError, match="has no dataset, run 2_build again"):
        dataset.built_in(built.parent / "other-1")


@pytest.mark.parametrize("part", ["template", "style", "system"])
def test_a_form_of_another_type_is_named(built: Path, part: str) -> None:
    path = built / "manifest.json"
    files.write_json(path, folder.sealed({**files.read_json(path), part: ["gemma"]}))
    with pytest.raises(InputError, match=f"manifest.json: {part}"):
        dataset.read_manifest(built)
