"""What a folder holds: training to go on with, a run that no job made."""

from pathlib import Path
from typing import Any

import pytest

from tests.helpers.run_folders import evaluated
from tunix_rt_nb import runs
from tunix_rt_nb.common import InputError, files
from tunix_rt_nb.host import paths
from tunix_rt_nb.train import checkpoints

IDENTITY = {"steps": 8, "patience": 0, "keep": "last"}


def test_training_is_interrupted_from_its_first_checkpoint_until_it_is_complete(
    tmp_path: Path,
) -> None:
    assert not runs.is_interrupted(tmp_path)
    checkpoints.claim(tmp_path / "checkpoints", IDENTITY)
    assert runs.is_interrupted(tmp_path)
    checkpoints.complete(tmp_path / "checkpoints", IDENTITY)
    assert not runs.is_interrupted(tmp_path)
    checkpoints.claim(tmp_path / "checkpoints", IDENTITY)  # trained once more
    assert runs.is_interrupted(tmp_path)


@pytest.mark.parametrize(
    ("told", "interrupted"),
    [
        ({"complete": False}, True),
        ({"complete": None}, True),
        ({}, True),
        ({"complete": True}, False),
        ([], False),
        (None, False),
        ("complete", False),
    ],
)
def test_only_an_object_that_does_not_say_complete_is_of_interrupted_training(
    tmp_path: Path, told: Any, interrupted: bool
) -> None:
    files.write_json(tmp_path / "checkpoints" / "run.json", told)
    assert runs.is_interrupted(tmp_path) is interrupted


def test_a_step_that_is_not_there_or_never_trained_was_not_interrupted(tmp_path: Path) -> None:
    assert not runs.is_interrupted(tmp_path / "none")
    run = evaluated(tmp_path)
    assert [step for step in runs.STEPS if runs.is_interrupted(run / runs.stem(step))] == []


def test_a_damaged_note_of_the_checkpoints_is_named(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "run.json").write_text('{"complete":')
    with pytest.raises(InputError, match=r"checkpoints/run\.json: is not JSON, remove it"):
        runs.is_interrupted(tmp_path)


def test_a_run_that_no_job_made_takes_its_folder(tmp_path: Path) -> None:
    run = evaluated(tmp_path)
    assert runs.is_taken(run)
    (run / "run.json").unlink()  # as notebooks leave it that are run one by one
    assert runs.is_taken(run)


def test_the_run_of_a_job_is_free_for_a_job(tmp_path: Path) -> None:
    run = evaluated(tmp_path)
    told = files.read_json(run / "run.json")
    files.write_json(run / "run.json", {**told, "job": {"version": "1.0"}})
    assert not runs.is_taken(run)
    nothing: tuple[Any, ...] = (None, {})
    for job in nothing:
        files.write_json(run / "run.json", {**told, "job": job})
        assert runs.is_taken(run)


def test_a_folder_without_anything_of_a_run_is_free(tmp_path: Path) -> None:
    assert not runs.is_taken(tmp_path / "none")
    assert not runs.is_taken(tmp_path)
    for name in ("traces.jsonl", "job.yaml", "notes-1_generate", "6_publish"):
        (tmp_path / name).touch()
    (tmp_path / "inner" / "1_generate").mkdir(parents=True)
    assert not runs.is_taken(tmp_path)


@pytest.mark.parametrize("name", [*map(runs.stem, runs.STEPS), "1_generate.ipynb"])
def test_one_step_or_notebook_of_any_run_takes_a_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    assert runs.is_taken(tmp_path)


def test_what_is_no_record_of_a_run_takes_a_folder_and_a_damaged_one_is_named(
    tmp_path: Path,
) -> None:
    (tmp_path / "run.json").write_text('["job"]')
    assert runs.is_taken(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(InputError, match=r"run\.json: is not JSON"):
        runs.is_taken(tmp_path)


@pytest.mark.parametrize(
    ("home", "says"),
    [
        ("~no-such-user/x", "Could not determine home directory"),
        ("{here}/loop/x", "(Symlink loop|Too many levels of symbolic links)"),
        ("{here}/" + "x" * 300, "File name too long"),
        ("C:\\Users\\me", "is a path of Windows"),
        ("\\\\server\\share", "is a path of Windows"),
    ],
)
def test_a_home_that_can_be_no_folder_is_told_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str, says: str
) -> None:
    (tmp_path / "loop").symlink_to("loop")
    monkeypatch.setenv("TUNIX_RT_HOME", home.format(here=tmp_path))
    with pytest.raises(InputError, match=f"^TUNIX_RT_HOME: .*{says}.*, expected a folder$"):
        paths.home()
