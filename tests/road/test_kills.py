"""The short version of `python -m tests.kills`, and what its moments seldom hit."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.kills import operations
from tests.kills.moments import contents
from tunix_rt_nb.common import InputError
from tunix_rt_nb.kaggle import scratch
from tunix_rt_nb.runs import promoted


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUNIX_RT_HOME", str(tmp_path))  # the commands set it, too
    return tmp_path


@pytest.mark.slow
def test_killed_commands_and_two_at_once_lose_nothing_show_no_half_and_leave_nothing() -> None:
    pytest.importorskip("kagglesdk")
    pytest.importorskip("slugify")
    # In a process of its own, because one with threads must not fork.
    told = subprocess.run(
        [sys.executable, "-m", "tests.kills", "3", "3"], capture_output=True, text=True
    )
    assert told.returncode == 0, told.stdout + told.stderr


@pytest.mark.parametrize("seed", [0, 1])  # the same model again, and a new one
def test_any_promotion_clears_away_what_a_killed_one_left(home: Path, seed: int) -> None:
    operations.train(home)
    (home / "models/sums/.v2.tmp").mkdir()
    (home / "models/sums/.v2.tmp/config.json").touch()
    (home / "models/.blobs/.draft-x.tmp").touch()
    operations.promote(seed)(home)
    assert not [name for name in contents(home / "models") if ".tmp" in name]
    assert list(operations.models(home)) == [f"v{n}" for n in range(1 + seed, 0, -1)]


def test_a_model_can_be_read_only_though_a_kill_left_its_file_writable(home: Path) -> None:
    operations.train(home)
    for blob in (home / "models/.blobs").iterdir():
        blob.chmod(0o644)
    promoted.promote(home / "runs/run0", "other")
    assert operations.models(home).keys() == {"v1"}


@pytest.mark.parametrize("suffixes", [(".ipynb", ".log"), (".log",)])
def test_a_chain_that_was_killed_as_its_kernel_ended_shows_the_notebook_of_the_new_outputs(
    home: Path, suffixes: tuple[str, ...]
) -> None:
    operations.train_once(home)
    operations.step(2)(home)
    whole, run = contents(home), home / "runs/one"
    for suffix in suffixes:
        (run / f"4_train{suffix}").rename(run / f"4_train.new{suffix}")
        (run / f"4_train{suffix}").write_text("of the run before")
    operations.step(2)(home)
    assert contents(home) == whole


def test_a_second_pull_of_a_run_is_refused_in_a_line_and_one_of_another_is_not(home: Path) -> None:
    mine = home / "runs/mine"
    with scratch.scratch(mine):
        reason = "mine: another pull of this run is at work, wait for it or stop it"
        with pytest.raises(InputError, match=reason), scratch.scratch(mine):
            pass
        with scratch.scratch(home / "runs/mine-too"):
            pass
    with scratch.scratch(mine):
        pass
    assert not list((home / "runs").iterdir())
