"""The chain, on five tiny notebooks made here: one behaviour a test."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import grimp
import nbformat
import pytest
from click.testing import CliRunner, Result
from filelock import FileLock

from tests.helpers.run_folders import finished
from tunix_rt_nb import runs
from tunix_rt_nb.cli import main
from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.host import paths
from tunix_rt_nb.runs import chain, keys as keys_of
from tunix_rt_nb.runs.parameters import load_profile, resolve

PARAMETERS = """
NUMBER: int = 1  # shared by all
RATE: float = 0.5
NAME: str = "x"
FILES: list[str] = []
RUN_DIR: str = ""
"""
WORK = """
from pathlib import Path
from tunix_rt_nb.runs import chain, keys as keys_of
stop = chain.begin("{step}", RUN_DIR)
(stop.folder / "out.txt").write_text(f"{{NUMBER}} {{NAME}}{extra}")
with Path("{log}").open("a") as log:
    print("{step}", file=log)
_ = stop.finish({{"number": NUMBER}})
"""


def write(folder: Path, step: str, cells: list[str], parameters: str = PARAMETERS) -> None:
    tagged = nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})
    code = [nbformat.v4.new_code_cell(cell) for cell in cells]
    notebook = nbformat.v4.new_notebook(
        cells=[tagged, *code],
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3"},
            "language_info": {"name": "python"},
        },
    )
    nbformat.write(notebook, folder / f"{runs.stem(step)}.ipynb")


@pytest.fixture
def road(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six notebooks that copy their number on; `done.txt` logs which of them ran."""
    notebooks = tmp_path / "notebooks"
    (notebooks / "profiles").mkdir(parents=True)
    (notebooks / "profiles/quickstart.yaml").write_text("{}")
    (notebooks / "profiles/other.yaml").write_text("NUMBER: 7\n")
    for step in runs.STEPS:
        train = step == "train"
        parameters = PARAMETERS + ("STEPS: int = 3\n" if train else "")
        work = WORK.format(step=step, log=tmp_path / "done.txt", extra=" {STEPS}" if train else "")
        write(notebooks, step, [work], parameters)
    monkeypatch.setattr(paths, "NOTEBOOKS", notebooks)
    monkeypatch.setenv("TUNIX_RT_HOME", str(tmp_path / "home"))
    return tmp_path


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def ran(road: Path) -> list[str]:
    log = road / "done.txt"
    steps = log.read_text().split() if log.exists() else []
    log.unlink(missing_ok=True)
    return steps


def go(road: Path, **settings: Any) -> list[str]:
    """Run the first step, or those up to `to_step`; return the steps that really ran."""
    to = settings.pop("to_step", "generate")
    chain.run(road / "home/runs/r", settings, to_step=to)
    return ran(road)


def test_unchanged_steps_are_skipped_and_changed_ones_run_with_all_after(road: Path) -> None:
    assert go(road, to_step="improve") == list(runs.STEPS)
    assert go(road, to_step="evaluate") == []
    assert go(road, to_step="evaluate", steps=4) == ["train", "evaluate"]
    out = road / "home/runs/r/2_build/out.txt"
    out.write_text("altered")
    # the same bytes come out of build again, so what follows it has not changed
    assert go(road, to_step="evaluate", steps=4) == ["build"]


RERUN = {  # room -> what a changed byte of it makes run again
    "common": runs.STEPS,
    "host": runs.STEPS,
    "trace": runs.STEPS,
    "runs": runs.STEPS,
    "tasks": ("generate", "build", "evaluate", "improve"),
    "store": ("generate", "build", "improve"),
    "dataset": ("build", "render", "train", "evaluate", "improve"),
    "models": ("render", "train", "evaluate", "improve"),
    "render": ("render", "train", "evaluate", "improve"),
    "train": ("train", "improve"),
    "evaluate": ("evaluate", "improve"),
    "improve": ("improve",),
    "report": (),
    "kaggle": (),
    "panel": (),
    "cli": (),
}


def test_a_changed_byte_of_a_room_runs_again_what_depends_on_that_room_and_nothing_else(
    road: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(paths.PACKAGE, road / "package", ignore=shutil.ignore_patterns("__pycache__"))
    rooms = sorted(path.parent.name for path in (road / "package").glob("*/__init__.py"))
    assert rooms == sorted(RERUN)
    monkeypatch.setattr(paths, "PACKAGE", road / "package")
    before = keys(road)
    for room, steps in RERUN.items():
        with (road / "package" / room / "__init__.py").open("a") as file:
            file.write("#")
        after = keys(road)
        assert tuple(step for step in runs.STEPS if after[step] != before[step]) == steps, room
        before = after
    (road / "package/README.md").write_text("changed")
    (road / "docs").mkdir()
    assert keys(road) == before


def keys(road: Path) -> dict[str, str]:
    """The key of each step of a run that is complete; a step whose key changes runs again."""
    run_dir = road / "home/runs/keys"
    if not run_dir.exists():
        for step in runs.STEPS:
            finished(run_dir, step, {})
    return {step: keys_of.key_of(run_dir, step, resolve({})[step]) for step in runs.STEPS}


def test_a_step_knows_every_room_that_its_own_room_imports() -> None:
    imports = grimp.build_graph("tunix_rt_nb")
    for step, (own, *others) in runs.ROOMS.items():
        room = f"tunix_rt_nb.{own}"
        found = {
            name.split(".")[1]
            for module in {room} | imports.find_descendants(room)
            for name in imports.find_modules_directly_imported_by(module)
            if "." in name
        }
        assert found - {own} <= {*others, *runs.GROUND}, step


def test_a_parameter_goes_to_every_notebook_that_declares_it(road: Path) -> None:
    go(road, number=5, name='it\'s "y"\n', to_step="build")
    for step in ("generate", "build"):
        assert (road / f"home/runs/r/{runs.stem(step)}/out.txt").read_text() == '5 it\'s "y"\n'


def test_a_file_that_a_parameter_names_counts_by_its_content(road: Path) -> None:
    mine = road / "mine.jsonl"
    mine.write_text("a")
    assert go(road, files=[str(mine)], to_step="generate") == ["generate"]
    assert go(road, files=[str(mine)], to_step="generate") == []
    mine.write_text("b")
    assert go(road, files=[str(mine)], to_step="generate") == ["generate"]


def test_a_step_that_was_cut_off_runs_again(road: Path) -> None:
    go(road)
    (road / "home/runs/r/1_generate/result.json").unlink()
    assert go(road) == ["generate"]


@pytest.mark.parametrize("complete", [False, True])
def test_only_the_checkpoints_of_a_training_that_was_cut_off_outlive_a_changed_parameter(
    road: Path, complete: bool
) -> None:
    run_dir = road / "home/runs/r"
    for step in ("generate", "build", "render"):
        finished(run_dir, step, {})
    checkpoints = run_dir / "4_train/checkpoints"
    files.write_json(checkpoints / "run.json", {"complete": complete, "run": {}})
    (run_dir / "4_train/key").write_text("of other parameters")
    chain.run(run_dir, {"steps": 4}, from_step="train", to_step="train")
    assert checkpoints.exists() is not complete
    chain.run(run_dir, {"steps": 4}, from_step="train", to_step="train")
    assert ran(road) == ["train"]


def test_fresh_runs_everything(road: Path) -> None:
    go(road)
    chain.run(road / "home/runs/r", {}, to_step="generate", fresh=True)
    assert ran(road) == ["generate"]


def test_the_executed_notebooks_are_kept(road: Path) -> None:
    go(road, number=3, to_step="generate")
    notebook = nbformat.read(road / "home/runs/r/1_generate.ipynb", as_version=4)
    assert any("NUMBER = 3" in cell.source for cell in notebook.cells)


def test_a_failing_cell_stops_the_chain_with_its_own_error(road: Path) -> None:
    write(paths.NOTEBOOKS, "build", ["1 / 0"])
    result = invoke("run", "--run-id", "r")
    assert result.exit_code == 1
    assert "2_build.ipynb failed: ZeroDivisionError: division by zero" in result.stderr
    executed = road / "home/runs/r/2_build.ipynb"
    assert str(executed) in result.stderr
    assert executed.exists()
    assert ran(road) == ["generate"]
    assert "Traceback" not in result.output


def test_bad_input_found_in_a_cell_is_bad_input(road: Path) -> None:
    write(
        paths.NOTEBOOKS,
        "generate",
        [
            "from tunix_rt_nb.common.errors import InputError",
            "raise InputError('f:3: prompt: missing\\nf:4: prompt: missing')",
        ],
    )
    result = invoke("run")
    assert result.exit_code == 2
    assert "1_generate.ipynb failed: f:3: prompt: missing\nf:4: prompt: missing" in result.stderr


def test_a_notebook_that_leaves_no_result_did_not_do_its_step(road: Path) -> None:
    write(paths.NOTEBOOKS, "generate", ["pass"])
    result = invoke("run")
    assert result.exit_code == 2
    assert "result.json: is missing" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["quikstart"], "profile: unknown 'quikstart', did you mean quickstart?"),
        (["nothing.yaml"], "profile: nothing.yaml: expected a YAML file (.yaml) that exists"),
        (["--set", "NUMBR=1"], "parameter: unknown 'NUMBR', did you mean NUMBER?"),
        (["--set", "RUN_DIR=/tmp"], "parameter: unknown 'RUN_DIR'"),
        (["--set", "NUMBER"], "--set: expected KEY=VALUE, found 'NUMBER'"),
        (["--set", "NUMBER={"], "--set: NUMBER: is not YAML"),
        (["--set", "NUMBER=ten"], "NUMBER: expected a whole number, found 'ten'"),
        (["--set", "NUMBER=true"], "NUMBER: expected a whole number, found True"),
        (["--set", "NUMBER=null"], "NUMBER: expected a whole number, found None"),
        (["--set", "FILES=a"], "FILES: expected a list such as [a, b], found 'a'"),
        (["--set", "NUMBER=" + "9" * 5000], "is an integer beyond 64 bits"),
        (["--set", "NAME=2026-01-01T00:00:00Z", "--set", "NUMBER=x"], "NUMBER: expected a whole"),
        (["x" * 300 + ".yaml"], "…: expected a YAML file"),
        (["--run-id", "../x"], "run-id: '../x' is unsafe"),
        (["--from", "train", "--to", "build"], "--from train comes after --to build"),
        (["--from", "train"], "3_render/result.json: is missing, run 3_render.ipynb"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(road: Path, arguments: list[str], says: str) -> None:
    result = invoke("run", *arguments)
    assert result.exit_code == 2, result.output
    assert says in result.stderr
    assert result.stderr.count("\n") == 1
    assert ran(road) == []


def test_an_unknown_step_names_the_steps(road: Path) -> None:
    result = invoke("run", "--to", "bake")
    assert result.exit_code == 2
    assert "'generate', 'build', 'render', 'train', 'evaluate'" in result.stderr


def test_yaml_of_a_profile_is_read_and_typed(road: Path) -> None:
    assert resolve(load_profile("other"))["train"]["NUMBER"] == 7
    assert resolve({"rate": "1e-3"})["train"]["RATE"] == 0.001
    assert resolve({"RATE": 2})["train"]["RATE"] == 2.0
    bad = road / "bad.yaml"
    bad.write_text("- 1\n- 2\n")
    assert "expected `NAME: value` lines, found list" in invoke("run", str(bad)).stderr
    bad.write_text("a: [\n")
    assert f"{bad}: is not YAML" in invoke("run", str(bad)).stderr


def test_a_run_folder_of_another_format_is_left_alone(road: Path) -> None:
    folder = road / "home/runs/quickstart"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text('{"format": 99}')
    result = invoke("run")
    assert result.exit_code == 2
    assert "the run folder has format 99, expected 1" in result.stderr
    assert (folder / "run.json").read_text() == '{"format": 99}'
    assert ran(road) == []


@pytest.mark.parametrize("content", ["{", "", "[]", "null"])
def test_a_damaged_run_folder_is_left_alone(road: Path, content: str) -> None:
    folder = road / "home/runs/quickstart"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(content)
    result = invoke("run")
    assert result.exit_code == 2
    assert "run.json: " in result.stderr
    assert result.stderr.count("\n") == 1
    assert (folder / "run.json").read_text() == content


def test_a_damaged_result_makes_its_step_run_again(road: Path) -> None:
    go(road)
    (road / "home/runs/r/1_generate/result.json").write_text("{}")
    assert go(road) == ["generate"]


def test_a_home_that_is_a_file_is_named(road: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (road / "file").write_text("")
    monkeypatch.setenv("TUNIX_RT_HOME", str(road / "file"))
    result = invoke("run")
    assert result.exit_code == 2
    assert str(road / "file") in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_kernel_that_dies_is_a_failed_step(road: Path) -> None:
    write(paths.NOTEBOOKS, "generate", ["import os", "os._exit(9)"])
    result = invoke("run")
    assert result.exit_code == 1
    assert "1_generate.ipynb failed: its kernel died" in result.stderr


def test_a_step_is_never_paired_with_inputs_made_anew(road: Path) -> None:
    for step in runs.STEPS[:4]:
        finished(road / "home/runs/r", step, {})
    finished(road / "home/runs/r", "build", {"out.txt": b"made anew"})
    with pytest.raises(InputError, match="made from another version of 2_build, run 3_render"):
        chain.begin("evaluate", str(road / "home/runs/r"))


def test_a_step_can_be_begun_again_in_the_same_kernel(road: Path) -> None:
    first = chain.begin("generate")
    (first.folder / "mine.txt").write_text("half")
    assert chain.begin("generate").folder == first.folder
    assert not (first.folder / "mine.txt").exists()


def test_a_notebook_run_alone_keeps_what_the_one_before_it_made(road: Path) -> None:
    stop = chain.begin("generate")
    (stop.folder / "mine.txt").write_text("my own traces")
    stop.finish({})
    chain.begin("render")
    assert ran(road) == ["build"]
    assert (stop.folder / "mine.txt").read_text() == "my own traces"


def test_what_a_notebook_makes_alone_is_not_taken_for_the_chains(road: Path) -> None:
    folder = road / "home/runs/notebook"
    chain.run(folder, {}, to_step="generate")
    chain.begin("generate").finish({})
    ran(road)
    chain.run(folder, {}, to_step="generate")
    assert ran(road) == ["generate"]


def test_a_run_folder_in_use_is_left_alone(road: Path) -> None:
    folder = road / "home/runs/quickstart"
    folder.mkdir(parents=True)
    with FileLock(folder / ".chain.lock"):
        code = "from tunix_rt_nb.cli import main; main(['run'])"
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert other.returncode == 2
    assert "another run uses this folder" in other.stderr


def test_a_notebook_run_alone_runs_those_before_it_first(
    road: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stop = chain.begin("render")
    assert ran(road) == ["generate", "build"]
    assert "running the notebooks up to 2_build first" in capsys.readouterr().out
    assert stop.inputs["generate"].name == "1_generate"
    stop.finish({})
    chain.run(road / "home/runs/newer", {"number": 8}, to_step="build")
    assert chain.begin("render").inputs["build"] == road / "home/runs/newer/2_build"


def test_json_ends_with_one_line_of_steps(road: Path) -> None:
    result = invoke("run", "--to", "build", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["run_id"] == "quickstart"
    assert [(s["name"], s["skipped"]) for s in told["steps"]] == [
        ("generate", False),
        ("build", False),
    ]
