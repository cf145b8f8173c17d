"""The export of a task as an environment for `verifiers`."""

import asyncio
import importlib
import importlib.util
import json
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.tasks.test_plugins import EXAMPLE, registry
from tunix_rt_nb import tasks
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.host import origin
from tunix_rt_nb.trace import respond
from tunix_rt_nb.trace.trace import Trace

__all__ = ["registry"]


def module(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A file of the package, imported without its `__init__`, which needs verifiers."""
    package = ModuleType(name.partition(".")[0])
    package.__path__ = [str(folder / package.__name__)]
    monkeypatch.setitem(sys.modules, package.__name__, package)
    monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module(name)


def test_the_package_is_whole_and_its_code_compiles(tmp_path: Path) -> None:
    written = tasks.export_environment("gin_melds", tmp_path / "env")
    assert {str(path.relative_to(tmp_path / "env")) for path in written} == {
        "pyproject.toml",
        "README.md",
        "tunix_rt_gin_melds/__init__.py",
        "tunix_rt_gin_melds/problems.py",
        "tunix_rt_gin_melds/environment.py",
        "tunix_rt_gin_melds/taskset.py",
    }
    for path in written:
        text = path.read_text(encoding="utf-8")
        assert "$" not in text
        if path.suffix == ".py":
            compile(text, str(path), "exec")
    project = tomllib.loads(written[0].read_text())["project"]
    assert project["name"] == "tunix-rt-gin-melds"
    assert project["description"] == tasks.get("gin_melds").about
    assert any(one.startswith("verifiers>=") for one in project["dependencies"])
    assert not any("tunix_rt_nb" in one for one in project["dependencies"])  # nobody owns the name
    assert "pip install path/to/tunix_rt_nb\npip install -e .\n" in written[1].read_text()


def test_it_requires_the_commit_that_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(origin, "REPOSITORY", "https://github.com/me/mine")
    monkeypatch.setattr(origin, "COMMIT", "0123456789" * 4)
    written = tasks.export_environment("gin_melds", tmp_path / "env")
    project = tomllib.loads(written[0].read_text())["project"]
    found = f"tunix_rt_nb @ git+https://github.com/me/mine@{origin.COMMIT}"
    assert project["dependencies"][0] == found
    assert "path/to" not in written[1].read_text()


def test_its_problems_have_a_worked_example_and_none_is_on_both_sides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks.export_environment("arithmetic", tmp_path)
    problems = module(tmp_path, "tunix_rt_arithmetic.problems", monkeypatch).problems
    system, train, held_out = problems(60, 20, 0, "hard")
    assert "Reasoning:\n1. " in system
    assert "Answer: " in system
    task = tasks.get("arithmetic")
    asked = [task.read(trace.prompt) for trace in (*train, *held_out)]
    assert len(set(asked)) == 80 == len(train) + len(held_out)
    assert problems(10, 20, 0, "hard")[2] == held_out


def test_its_scores_are_the_grade_and_the_share_of_right_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks.export_environment("arithmetic", tmp_path)
    loaded = module(tmp_path, "tunix_rt_arithmetic.problems", monkeypatch)
    [trace] = loaded.problems(1, 0, 0, "easy")[1]
    right = respond(trace)
    wrong = right.replace("Units: ", "Tens: ", 1)
    assert loaded.scores(trace.canonical(), right) == (1.0, 1.0)
    answer, steps = loaded.scores(trace.canonical(), wrong)
    assert (answer, 0.0 < steps < 1.0) == (1.0, True)
    for hostile in ("", "Answer: ", "1. " * 5000, "\x00", "Answer: nan"):
        assert loaded.scores(trace.canonical(), hostile) == (0.0, 0.0)


def test_a_task_of_ones_own_is_in_the_package(
    tmp_path: Path, registry: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(EXAMPLE, encoding="utf-8")
    tasks.load_from([path])
    tasks.export_environment("change", tmp_path / "env")
    assert (tmp_path / "env" / "tunix_rt_change" / "own_task.py").read_text() == EXAMPLE
    del tasks.TASKS["change"]
    loaded = module(tmp_path / "env", "tunix_rt_change.problems", monkeypatch)
    assert tasks.get("change").source == "own_task.py"
    assert len(loaded.problems(142, 35, 0, "easy")[1]) == 142  # the defaults: all that there are
    assert "n_train: int = 142" in (tmp_path / "env/tunix_rt_change/taskset.py").read_text()


def test_no_folder_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    for folder in (tmp_path, tmp_path / "x"):
        with pytest.raises(InputError, match="is there already, expected a new folder"):
            tasks.export_environment("arithmetic", folder)
    with pytest.raises(InputError, match="task: unknown 'arithmetics'"):
        tasks.export_environment("arithmetics", tmp_path / "y")


@pytest.mark.skipif(not importlib.util.find_spec("verifiers"), reason="verifiers is not installed")
def test_verifiers_loads_it_and_rewards_a_right_response(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks.export_environment("arithmetic", tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    if importlib.util.find_spec("verifiers.envs"):
        vf: Any = importlib.import_module("verifiers")
        environment = vf.load_environment("tunix-rt-arithmetic", n_train=5, n_eval=2)
        assert (len(environment.get_dataset()), len(environment.get_eval_dataset())) == (5, 2)
        return
    loaders: Any = importlib.import_module("verifiers.v1.utils.loaders")
    config = loaders.taskset_config_type("tunix-rt-arithmetic")
    rows = list(loaders.load_taskset(config(id="tunix-rt-arithmetic", n_train=5)))
    solved = Trace.model_validate(json.loads(rows[0].data.solved))
    said: Any = type("Said", (), {"last_reply": respond(solved)})
    assert len(rows) == 5
    assert asyncio.run(rows[0].right_answer(said)) == 1.0
