"""A run in Kaggle sessions, on the five tiny notebooks of the chain's own tests."""

import os
import shutil
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell

from tests.conftest import USUAL
from tests.runs.test_chain import (
    ran,
    road as road,  # a fixture
    write,
)
from tunix_rt_nb import runs
from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.host import paths
from tunix_rt_nb.kaggle import session
from tunix_rt_nb.runs import chain

TRAIN = """
from tunix_rt_nb.runs import chain
from tunix_rt_nb.common.errors import OutOfTime
stop = chain.begin("train", RUN_DIR)
last = stop.folder / "checkpoints/last/1"
if not last.exists():
    last.mkdir(parents=True)
    (last / "weights").write_text("after a step")
    raise OutOfTime("training ended itself in time after step 1 of 3")
(stop.folder / "model.txt").write_text((last / "weights").read_text())
_ = stop.finish({})
"""
EVALUATE = """
from pathlib import Path
from tunix_rt_nb.runs import chain
from tunix_rt_nb.kaggle import session
if Path("runs").exists():  # in the working folder: what outlives a session that is ended now
    session.check(Path("runs/mine"))
    assert Path("runs/mine/4_train/model.txt").read_text() == "after a step"
    print("the model is kept")
stop = chain.begin("evaluate", RUN_DIR)
whole = {"primary_score": 1.0, "strict_score": 1.0, "steps_right": 1.0, "interval": [0.2, 1.0]}
card = {**whole, "n_scored": 1, "category_scores": {}, "strict_format": 1.0, "stopped": 1.0}
_ = stop.finish({"before": card, "after": card})
"""


@pytest.fixture
def kaggle(road: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where each session has its working folder, beside its inputs."""
    write(paths.NOTEBOOKS, "train", [TRAIN])
    write(paths.NOTEBOOKS, "evaluate", [EVALUATE])
    monkeypatch.setenv("TUNIX_RT_DEADLINE", "")  # a session sets it: so that it is gone afterwards
    monkeypatch.setenv("PYTHONPATH", str(paths.PROJECT))
    return road / "kaggle"


def begin(kaggle: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another session, with the output of the one before attached, which cannot be written to."""
    working = kaggle / f"{number}/working"
    working.mkdir(parents=True)
    before = kaggle / f"{number - 1}/working/runs"
    if before.exists():
        attached = kaggle / f"{number}/input/tunix-rt-mine/runs"
        shutil.copytree(before, attached)
        for path in attached.rglob("*"):
            path.chmod(0o500 if path.is_dir() else 0o400)
    monkeypatch.chdir(working)
    return working / "runs/mine"


def test_a_run_that_ended_in_time_goes_on_in_the_next_session(
    road: Path,
    kaggle: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    first = begin(kaggle, 1, monkeypatch)
    assert session.run("mine", {"NUMBER": 2}, hours=1.0) == first
    told = capsys.readouterr().out
    assert "4_train.ipynb: training ended itself in time after step 1 of 3: push this ker" in told
    assert ran(road) == ["generate", "build", "render"]
    assert (first / "4_train/checkpoints/last/1/weights").exists()

    second = begin(kaggle, 2, monkeypatch)
    session.run("mine", {"NUMBER": 2}, hours=1.0)
    told = capsys.readouterr().out
    assert f"going on from {kaggle}/2/input/tunix-rt-mine/runs/mine" in told
    assert "3_render     skipped, nothing changed" in told
    assert "the model is kept\n" in told  # before the answers are written
    assert "95 % interval" in told
    assert ran(road) == []
    assert (second / "4_train/model.txt").read_text() == "after a step"
    assert not (second / "4_train/checkpoints").exists()
    session.check(second)
    assert runs.lineage("evaluate", second / "5_evaluate").keys() == set(USUAL)
    assert all(step.skipped for step in chain.run(second, {"NUMBER": 2}))


def test_a_session_ends_training_when_its_hours_are_over(
    kaggle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begin(kaggle, 1, monkeypatch)
    write(paths.NOTEBOOKS, "generate", ["import os, time; print(os.environ['TUNIX_RT_DEADLINE'])"])
    with pytest.raises(InputError, match=r"result.json: is missing"):
        session.run("mine", {}, hours=2.0)
    told = capsys.readouterr().out  # what a notebook prints is printed by the kernel, too
    assert told.startswith("no earlier output of this run is attached: it begins anew\n")
    assert f"\n{os.environ['TUNIX_RT_DEADLINE']}\n" in told


def test_what_a_run_that_failed_has_made_is_kept(
    kaggle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = begin(kaggle, 1, monkeypatch)
    write(paths.NOTEBOOKS, "build", ["1 / 0"])
    with pytest.raises(chain.StepFailed, match="ZeroDivisionError"):
        session.run("mine", {}, hours=1.0)
    assert (folder / "1_generate/result.json").exists()
    assert "ZeroDivisionError" in (folder / "2_build.ipynb").read_text()
    session.check(folder)


def test_an_earlier_output_that_was_altered_is_not_gone_on_from(
    kaggle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = begin(kaggle, 1, monkeypatch)
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    files.write_json(folder / session.OUTPUT, {"run.json": "0" * 64})
    second = begin(kaggle, 2, monkeypatch)
    with pytest.raises(InputError, match=r"run.json: is new or altered"):
        session.run("mine", {}, hours=1.0)
    assert not second.exists()


def test_what_a_notebook_by_itself_has_made_is_kept_where_a_cell_fails(
    kaggle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TUNIX_RT_HOME", "")  # as the deadline
    monkeypatch.setenv("IPYTHONDIR", str(kaggle / "ipython"))
    folder = begin(kaggle, 1, monkeypatch)
    shell = InteractiveShell.instance()
    cells = "stop = chain.begin('generate')\n(stop.folder / 'x').touch()\n1 / 0"
    try:
        shell.run_cell("from tunix_rt_nb.runs import chain\nfrom tunix_rt_nb.kaggle import session")
        shell.run_cell("session.settle('mine', hours=1.0)").raise_error()
        assert isinstance(shell.run_cell(cells).error_in_exec, ZeroDivisionError)
    finally:
        InteractiveShell.clear_instance()
    assert "division by zero" in capsys.readouterr().out
    assert (folder / "1_generate/x").exists()
    session.check(folder)
