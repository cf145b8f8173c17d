"""A step that is run again: its complete outputs stay until others are complete."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.run_folders import evaluated, finished
from tunix_rt_nb import runs
from tunix_rt_nb.common import files
from tunix_rt_nb.runs.step import adopt


def contents(folder: Path) -> dict[str, bytes]:
    """Return what can be seen of a folder, with the links that its files share with others."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A whole run that kept its answers."""
    run = evaluated(tmp_path)
    (run / "5_evaluate/answers").mkdir()
    (run / "5_evaluate/answers/after.jsonl").write_text("answers\n")
    (run / "5_evaluate/key").write_text("of the chain")
    return run


def again(run: Path, alone: bool = False) -> runs.Step:
    inputs = {step: run / runs.stem(step) for step in runs.STEPS[:4]}
    return runs.take("evaluate", run, inputs, alone)


def test_a_complete_step_keeps_its_outputs_until_another_run_of_it_is_complete(run: Path) -> None:
    before = contents(run / "5_evaluate")
    step = again(run)
    assert step.folder != run / "5_evaluate"
    (step.folder / "out.txt").write_text("new")
    with (step.folder / "out.txt").open("a") as file:
        file.write("er")
    assert contents(run / "5_evaluate") == before
    assert runs.registry.state(run).name == "completed"
    step.finish({"after": 1})
    assert step.folder == run / "5_evaluate"
    assert (run / "5_evaluate/out.txt").read_text() == "newer"
    assert runs.result(run / "5_evaluate")["after"] == 1
    assert runs.lineage("evaluate", run / "5_evaluate").keys() == {*runs.STEPS} - {"improve"}
    assert not (run / "5_evaluate/predictions-after.jsonl").exists()
    assert {path.name for path in run.glob(".*")} == {
        f".{runs.stem(s)}.lock" for s in runs.STEPS[:5]
    }


def test_what_is_needed_to_resume_is_there_when_a_complete_step_runs_again(run: Path) -> None:
    step = again(run)
    assert contents(step.folder) == {"answers/after.jsonl": b"answers\n", "key": b"of the chain"}
    files.write_lines(step.folder / "answers/after.jsonl", [{"new": 1}])
    assert (run / "5_evaluate/answers/after.jsonl").read_text() == "answers\n"
    assert not (again(run, alone=True).folder / "key").exists()
    assert (run / "5_evaluate/key").exists()


def test_the_second_run_of_a_step_goes_on_where_it_was_cut_off(run: Path) -> None:
    step = again(run)
    files.write_lines(step.folder / "answers/after.jsonl", [{"new": 1}])
    (step.folder / "half.txt").touch()
    (step.folder / "answers/.draft-x.tmp").touch()  # of a killed writer
    assert again(run).folder == step.folder
    assert list(files.read_lines(step.folder / "answers/after.jsonl")) == [{"new": 1}]
    assert contents(step.folder).keys() == {"answers/after.jsonl", "key"}


def test_a_step_that_never_completed_goes_on_in_its_own_folder(tmp_path: Path) -> None:
    kept = tmp_path / "4_train/checkpoints/last/3/weights"
    kept.parent.mkdir(parents=True)
    kept.write_text("after 3 steps")
    step = runs.take("train", tmp_path, {})
    assert step.folder == tmp_path / "4_train"
    assert kept.read_text() == "after 3 steps"


def test_half_of_what_is_needed_to_resume_is_never_taken_for_the_whole(run: Path) -> None:
    (run / ".5_evaluate.part/answers").mkdir(parents=True)  # as a kill leaves it
    (run / ".5_evaluate.part/answers/after.jsonl").touch()
    assert contents(again(run).folder)["answers/after.jsonl"] == b"answers\n"
    assert not (run / ".5_evaluate.part").exists()


def test_where_there_are_no_hard_links_files_are_copied(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: str, target: str) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    assert contents(again(run).folder)["answers/after.jsonl"] == b"answers\n"


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.runs.test_step import again

run, deadly = Path(sys.argv[1]), int(sys.argv[2])
step = again(run)
(step.folder / "out.txt").write_text("new")
seen = 0

def hook(event, arguments):
    global seen
    if event in ("open", "os.rename", "os.remove", "os.rmdir") and str(run) in str(arguments[0]):
        seen += 1
        if seen == deadly:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)
step.finish({"after": 1})
"""


@pytest.mark.slow
def test_a_kill_at_any_moment_loses_neither_the_old_outputs_nor_the_new(
    run: Path, tmp_path: Path
) -> None:
    before, hidden, new, deadly, code = contents(run / "5_evaluate"), 0, 0, 0, -signal.SIGKILL
    while code == -signal.SIGKILL:
        deadly += 1
        copy = tmp_path / "copy"
        shutil.copytree(run, copy)
        code = subprocess.run([sys.executable, "-c", KILLED, str(copy), str(deadly)]).returncode
        hidden += not (copy / "5_evaluate").exists()
        runs.restore(copy)
        assert not list(copy.glob(".*.old"))
        found = contents(copy / "5_evaluate")
        assert found == before or (found["out.txt"] == b"new" and "result.json" in found)
        new += found != before
        assert again(copy).folder.exists()
        shutil.rmtree(copy)
    assert code == 0
    assert hidden
    assert deadly > new > hidden


def test_a_hidden_step_comes_back_when_a_notebook_begins(
    run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TUNIX_RT_HOME", str(tmp_path))
    (run / "4_train").rename(run / ".4_train.old")
    step = runs.begin("evaluate")
    assert step.inputs["train"] == run / "4_train"
    step.finish({})


def test_the_same_file_imported_by_another_path_makes_the_same_outputs(tmp_path: Path) -> None:
    skipped = [f"/{where}/mine.jsonl:3: prompt: missing\n".encode() for where in ("home", "mnt")]
    hashes = [
        runs.content_hash(
            finished(tmp_path / str(n), "generate", {"traces/x.jsonl": b"1", "skipped.txt": told})
        )
        for n, told in enumerate(skipped)
    ]
    assert hashes[0] == hashes[1]


def test_a_step_is_taken_over_from_another_run_as_if_it_had_run_there(tmp_path: Path) -> None:
    one, two = tmp_path / "runs/one", tmp_path / "runs/two"
    finished(one, "generate", {"traces/x.jsonl": b"traces"}, traces=1)
    (one / "1_generate/key").write_text("of the chain")
    (one / "1_generate.ipynb").write_text("executed")
    two.mkdir()
    adopt("generate", two, one)
    finished(two, "build", {"out.txt": b"x"})
    assert contents(two / "1_generate") == contents(one / "1_generate")
    assert runs.lineage("build", two / "2_build")["generate"] == (two / "1_generate").resolve()
    assert not any(path.is_symlink() for path in two.rglob("*"))
    # each stays whole, whatever happens to the other
    (two / "1_generate.ipynb").write_text("executed again")
    shutil.rmtree(one / "1_generate")
    assert runs.outputs(two / "1_generate") == runs.result(two / "1_generate")["outputs"]
    assert (one / "1_generate.ipynb").read_text() == "executed"


@pytest.mark.parametrize("whole", [True, False], ids=["complete", "interrupted"])
def test_what_is_taken_over_replaces_what_stood_there(tmp_path: Path, whole: bool) -> None:
    one, two = tmp_path / "runs/one", tmp_path / "runs/two"
    finished(one, "generate", {"traces/x.jsonl": b"traces"})
    if whole:
        finished(two, "generate", {"old.txt": b"old"})
    else:
        (two / "1_generate/old").mkdir(parents=True)
    adopt("generate", two, one)
    assert contents(two / "1_generate") == contents(one / "1_generate")
    assert {path.name for path in two.iterdir()} == {"1_generate", ".1_generate.lock"}
