"""Tasks of one's own: files and packages that define them, known in every process."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tunix_rt_nb import tasks
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.host import plugins
from tunix_rt_nb.host.paths import PROJECT
from tunix_rt_nb.tasks import registry as tasks_registry

[EXAMPLE] = re.findall(r"```python\n(.*?)```", (PROJECT / "docs" / "data.md").read_text(), re.S)


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The list of tasks, and the environment, as they were before the test."""
    known, homes = dict(tasks.TASKS), dict(tasks_registry._HOMES)
    monkeypatch.setenv(plugins.VARIABLE, "")
    yield
    tasks.TASKS.clear()
    tasks.TASKS.update(known)
    tasks_registry._HOMES.clear()
    tasks_registry._HOMES.update(homes)


@pytest.fixture
def mine(registry: None, tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(EXAMPLE, encoding="utf-8")
    return path


def test_a_file_adds_its_task_to_the_others_and_leaves_nothing_behind(mine: Path) -> None:
    before, path = list(tasks.TASKS), list(sys.path)
    assert tasks.load_from([str(mine)]) == ["change"]
    assert list(tasks.TASKS) == [*before, "change"]
    assert tasks.get("change").source == "mine.py"
    trace = next(tasks.draw("change", 1, seed=0))
    assert tasks.problems(trace) == []
    assert sys.path == path
    assert "mine" not in sys.modules
    assert list(mine.parent.iterdir()) == [mine]


def test_a_file_that_is_named_again_has_its_tasks_as_they_are_now(mine: Path) -> None:
    assert tasks.load_from([mine]) == tasks.load_from([mine]) == ["change"]
    mine.write_text(EXAMPLE.replace('"change"', '"exchange"'), encoding="utf-8")
    assert tasks.load_from([mine]) == ["exchange"]
    assert "change" not in tasks.TASKS
    assert plugins.named() == plugins.sources() == [mine]


def test_the_environment_names_files_for_every_process(mine: Path, tmp_path: Path) -> None:
    code = "from tunix_rt_nb import tasks; print(*list(tasks.TASKS)[-2:])"
    other = tmp_path / "other.py"
    other.write_text(EXAMPLE.replace('"change"', '"exchange"'), encoding="utf-8")
    told = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, plugins.VARIABLE: f"mine.py{os.pathsep}{other}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == "change exchange\n"


def test_processes_that_share_the_work_check_traces_of_own_tasks(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.conftest import NOW
    from tunix_rt_nb.common import workers
    from tunix_rt_nb.store import TraceStore
    from tunix_rt_nb.store.verify import Verification

    tasks.load_from([mine])
    monkeypatch.setattr(workers, "_ALONE", -1.0)
    store = TraceStore(tmp_path / "traces")
    for seed in (0, 1):
        store.add(tasks.draw("change", 60, seed), NOW)
    verification = Verification(tmp_path / "traces", processes=2)
    assert list(verification) == []
    assert verification.checked == verification.traces > 60


FILE = "from tunix_rt_nb.tasks import Task\nclass Mine(Task):\n"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("", "defines no task: expected a subclass of Task with prompt, read and solve"),
        (
            "from tunix_rt_nb.tasks.numbers.gcd import *",
            r":1: ModuleNotFoundError: No module named",
        ),
        (
            "from tunix_rt_nb.tasks.numbers.arithmetic import Arithmetic",
            "defines no task: expected",
        ),
        ("import re\n\n1/0\n", ":3: ZeroDivisionError: division by zero"),
        ("def f():\n    return g(\n", r":2: SyntaxError: '\(' was never closed"),
        ("import sys\nsys.exit(3)\n", ":2: SystemExit: 3"),
        ("import mine_too\n", ":1: ModuleNotFoundError: No module named 'mine_too'"),
        (f"{FILE}    name = 'x'\n", "defines no task: Mine lacks prompt, read, solve"),
        (EXAMPLE.replace('name = "change"', "pass"), r":\d+: class Change has no name, expected"),
        (EXAMPLE.replace("about = ", "abuot = "), r":\d+: class Change has no about, expected"),
        (EXAMPLE.replace('"change"', '"My Change"'), r":\d+: name: 'My Change', expected up to 64"),
        (
            EXAMPLE.replace('"change"', '"arithmetic"'),
            ": task 'arithmetic' has the same name as a built-in task",
        ),
        (f"{EXAMPLE}\nclass Again(Change):\n    pass\n", ": task 'change' is defined twice"),
    ],
)
def test_a_file_that_will_not_do_is_refused_in_one_line(mine: Path, source: str, says: str) -> None:
    mine.write_text(source, encoding="utf-8")
    before = dict(tasks.TASKS)
    with pytest.raises(InputError, match=f"^{re.escape(str(mine))}[^\n]*{says}[^\n]*$"):
        tasks.load_from([mine])
    assert before == tasks.TASKS
    assert plugins.named() == []


def test_a_name_belongs_to_one_file(mine: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.py"
    other.write_text(EXAMPLE, encoding="utf-8")
    tasks.load_from([mine])
    with pytest.raises(InputError, match=r"other\.py: task 'change' has the same name as a"):
        tasks.load_from([other])


def test_a_file_that_cannot_be_read_is_named(registry: None, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.py: cannot be read: No such file"):
        tasks.load_from([tmp_path / "none.py"])
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        tasks.load_from([tmp_path])


@pytest.mark.parametrize("value", ["own_tasks", "own_tasks:Change"])
def test_an_installed_package_names_its_tasks_by_entry_points(
    tmp_path: Path, value: str, registry: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(tmp_path, value)
    code = "from tunix_rt_nb import tasks; print(list(tasks.TASKS)[-1])"
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    told = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert told.stdout == "change\n", told.stderr
    monkeypatch.syspath_prepend(tmp_path)
    assert plugins.sources() == [tmp_path / "own_tasks.py"]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("own_task", "entry point own = own_task: ModuleNotFoundError: No module named 'own_task'"),
        ("own_tasks:Chance", "entry point own = own_tasks:Chance: AttributeError"),
        ("own_tasks:PROMPT", "names no task, expected a module or a subclass of Task"),
        ("random", "entry point own = random: defines no task: expected a subclass of Task"),
    ],
)
def test_an_entry_point_without_a_task_is_refused_in_one_line(
    tmp_path: Path, value: str, says: str
) -> None:
    installed(tmp_path, value)
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "tunix_rt_nb.cli", "tasks"]
    told = subprocess.run(command, env=env, capture_output=True, text=True)
    assert told.returncode == 2
    [line] = told.stderr.splitlines()
    assert says in line


def installed(folder: Path, value: str) -> None:
    """Puts a package with an entry point into a folder, as pip leaves one."""
    (folder / "own_tasks.py").write_text(EXAMPLE, encoding="utf-8")
    about = folder / "own-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: own\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[{plugins.GROUP}]\nown = {value}\n")
