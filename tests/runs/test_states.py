"""The states of a run, as the files in its folder tell them."""

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from tests.helpers.run_folders import trained
from tests.runs.test_chain import (
    WORK,
    invoke,
    ran,
    road as road,  # a fixture
    write,
)
from tests.runs.test_execution import CHAIN, FOREVER, STUBBORN, TRAINS
from tunix_rt_nb import runs
from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.host import paths
from tunix_rt_nb.runs import chain, ending, execution, states


def listed() -> dict[str, str]:
    """The state of each run, as `runs list` finds it when it is asked for that state."""
    return {
        row["run"]: state
        for state in states.STATES
        for row in runs.registry.listing({"state": state})
    }


def in_train(home: Path, **ended: Any) -> Path:
    """A run whose training has begun, and whose chain left this record."""
    run = trained(home)
    (run / "4_train/result.json").unlink()
    files.write_json(run / "run.json", {**files.read_json(run / "run.json"), **ended})
    return run


@pytest.mark.parametrize("state", states.EARLY)
def test_a_step_that_ended_early_is_in_the_state_that_its_chain_recorded(
    tmp_path: Path, state: str
) -> None:
    run = in_train(tmp_path, ended={"step": "train", "state": state})
    assert states.state(run) == (state, "train", f"{state} in train")
    with FileLock(run / ending.CHAIN):
        assert states.state(run) == ("running", "train", "running in train")


@pytest.mark.parametrize(
    "ended",
    [None, 7, [], {}, {"step": "train"}, {"step": "evaluate ", "state": "timeout"}]
    + [{"step": step, "state": "completed"} for step in ("train", "render")]
    + [{"step": ["train"], "state": {"timeout": 1}}],
)
def test_a_record_that_says_nothing_of_the_step_leaves_it_stopped(
    tmp_path: Path, ended: Any
) -> None:
    """So are runs in folders that were written without a record."""
    run = in_train(tmp_path, ended=ended)
    assert states.state(run) == ("stopped", "train", "stopped in train")
    (run / "run.json").unlink()
    assert states.state(run)[0] == "stopped"


def test_a_complete_step_whose_second_try_ended_early_still_counts(tmp_path: Path) -> None:
    run = trained(tmp_path)
    told = files.read_json(run / "run.json")
    files.write_json(run / "run.json", {**told, "ended": {"step": "train", "state": "timeout"}})
    assert states.state(run) == ("completed", "train", "not evaluated")


def test_a_run_that_waits_for_its_turn_is_pending(road: Path) -> None:
    folder = road / "home/runs/r"
    chain.accept(folder, {"number": 5}, profile="other")
    assert states.state(folder) == ("pending", "", "has not begun")
    told = (folder / "run.json").read_bytes()
    chain.accept(folder, {"number": 6})
    assert (folder / "run.json").read_bytes() == told
    assert listed() == {"r": "pending"}
    with pytest.raises(InputError, match="unknown 'wrong'"):
        chain.accept(road / "home/runs/other", {"wrong": 1})
    assert not (road / "home/runs/other").exists()


def test_a_run_that_fails_before_its_first_step_begins_has_failed(road: Path) -> None:
    folder = road / "home/runs/r"
    folder.mkdir(parents=True)
    (folder / "1_generate").touch()  # where its outputs should go
    with pytest.raises(InputError, match=r"1_generate: cannot be written"):
        chain.run(folder, {})
    assert states.state(folder) == ("failed", "generate", "failed in generate")


def test_a_run_that_may_take_no_time_ends_before_a_kernel_starts(road: Path) -> None:
    folder = road / "home/runs/r"
    told = invoke("run", "--run-id", "r", "--timeout", "0.00001s")
    assert told.exit_code == 1
    says = "tunix-rt-nb: 1_generate.ipynb: timeout: stopped, run again to go on"
    assert told.stderr.splitlines()[-1] == says
    assert states.state(folder) == ("timeout", "generate", "timeout in generate")
    assert not (folder / "1_generate.ipynb").exists()
    chain.accept(folder, {})  # that it may wait for its turn again changes nothing
    assert listed() == {"r": "timeout"}


@pytest.mark.parametrize("text", ["", "0", "-1", "1h30m", "90 m", "nan", "inf", "1e3", "٣"])
def test_what_is_no_time_is_refused_with_an_example(road: Path, text: str) -> None:
    told = invoke("run", "--timeout", text)
    assert told.exit_code == 2
    assert "expected a time such as 90m, 1.5h or 5400 (seconds)" in told.stderr
    assert not (road / "home").exists()


def test_a_request_that_came_too_late_does_not_end_the_next_run(tmp_path: Path) -> None:
    (tmp_path / ".cancel").touch()
    end = ending.Ending(tmp_path)
    assert end() == ""
    (tmp_path / ".cancel").touch()
    assert end() == "cancelled"


def test_only_a_chain_that_runs_is_cancelled(tmp_path: Path) -> None:
    run = trained(tmp_path)
    with pytest.raises(InputError, match=r"one: is not running, so there is nothing to cancel"):
        runs.cancel(run)
    assert not (run / ".cancel").exists()
    with FileLock(run / ending.CHAIN), pytest.raises(InputError, match="one: still runs 0 s after"):
        runs.cancel(run, seconds=0.1)
    with FileLock(run / ending.CHAIN, thread_local=False) as held:
        threading.Timer(0.3, held.release).start()
        assert not runs.cancel(run)  # it came to its end
    assert not (run / ".cancel").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cell", "says"),
    [
        (TRAINS, "x.ipynb: timeout: stopped at step 57 of 300, run again to go on"),
        (STUBBORN, "x.ipynb: timeout: stopped, run again to go on"),
    ],
    ids=["training", "ignores it"],
)
def test_a_notebook_whose_time_is_up_is_stopped_with_care_and_killed_if_it_does_not_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cell: str, says: str
) -> None:
    monkeypatch.setattr(execution, "_PATIENCE", 1.0)
    started, notebook = tmp_path / "started", tmp_path / "x.ipynb"
    write(tmp_path, "generate", [cell.format(started=str(started))])
    (tmp_path / "1_generate.ipynb").rename(notebook)
    how: Any = {"ending": lambda: "timeout" if started.exists() else ""}
    with pytest.raises(runs.StepUnfinished, match=f"^{says}$") as raised:
        chain.execute(notebook, tmp_path / "out.ipynb", {}, **how)
    assert (raised.value.state, raised.value.code) == ("timeout", 1)


@pytest.mark.slow
def test_a_run_is_cancelled_from_another_process_and_goes_on(road: Path) -> None:
    started, folder = road / "started", road / "home/runs/r"
    write(paths.NOTEBOOKS, "build", [FOREVER.format(started=str(started))])
    command = [sys.executable, "-c", CHAIN, str(paths.NOTEBOOKS)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while not started.exists():
            assert process.poll() is None
            time.sleep(0.05)
        assert listed() == {"r": "running"}
        told = invoke("runs", "cancel", "r")
        says = process.communicate(timeout=60)[1]
    assert (told.exit_code, told.stdout) == (0, "r: cancelled, run it again to go on\n")
    assert process.returncode == 1
    assert "cancelled, stopping 2_build.ipynb" in says
    assert says.splitlines()[-1].endswith("2_build.ipynb: cancelled: stopped, run again to go on")
    assert listed() == {"r": "cancelled"}
    again = invoke("runs", "cancel", "r")
    assert again.exit_code == 2 and "is not running" in again.stderr
    write(paths.NOTEBOOKS, "build", [WORK.format(step="build", log=road / "done.txt", extra="")])
    ran(road)
    chain.run(folder, {}, to_step="build")
    assert ran(road) == ["build"]
    assert listed() == {"r": "completed"}
