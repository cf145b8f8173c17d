import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.tasks.test_plugins import EXAMPLE, registry
from tunix_rt_nb import tasks
from tunix_rt_nb.cli import display, main

__all__ = ["registry"]


def run(*args: object) -> Result:
    return CliRunner().invoke(main, ["tasks", *map(str, args)])


def test_tasks_are_listed_in_a_line_each_and_shown_with_a_solved_example() -> None:
    listed = run("list")
    head, *lines = listed.stdout.splitlines()
    assert head.split() == ["task", "asks", *tasks.task.DIFFICULTIES]
    assert [line.split()[0] for line in lines] == list(tasks.TASKS)
    assert max(map(len, lines)) <= 100
    assert "column by column   602k     49M   4e9" in listed.stdout
    told = run("arithmetic", "high_card_odds")
    assert "arithmetic (tunix_rt_nb): add and subtract two-digit numbers" in told.stdout
    assert "easy 601,545, medium 49,294,935, hard 4e+09" in told.stdout
    assert "1. " in told.stdout
    assert "Answer: " in told.stdout
    assert run("list", "arithmetic", "high_card_odds").stdout == told.stdout


def test_tasks_as_json_are_whole_and_fit_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = json.loads(run("--json").stdout)
    for columns in (80, 300):
        monkeypatch.setattr(display, "width", lambda columns=columns: columns)
        assert max(map(len, display.task_table(listed).splitlines())) <= min(columns, 100)
    assert [entry["task"] for entry in listed] == list(tasks.TASKS)
    assert listed[0]["problems"]["medium"] == 14_658_134_400 and listed[0]["steps"]
    unknown = run("arithmetics")
    assert unknown.exit_code == 2
    assert unknown.stderr.endswith("task: unknown 'arithmetics', did you mean arithmetic?\n")


@pytest.mark.slow
@pytest.mark.usefixtures("registry")
def test_a_file_is_checked_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(EXAMPLE, encoding="utf-8")
    told = run("check", path)
    assert told.exit_code == 0, told.output
    assert told.stdout.startswith("change\n✓ drawn and read back")
    assert "✓ altered steps caught" in told.stdout
    found = json.loads(run("check", path, "change", "--json").stdout)
    assert [line["check"] for line in found] == [f.check for f in tasks.certify("change", n=3)]
    assert found[0].keys() == {"task", "check", "holds", "told"}
    assert (
        "unknown 'arithmetic', expected one of: change" in run("check", path, "arithmetic").stderr
    )


@pytest.mark.usefixtures("registry")
def test_a_line_that_does_not_hold_ends_with_1(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(EXAMPLE.replace("] * 89", "] * 8900"), encoding="utf-8")
    told = run("check", path)
    assert told.exit_code == 1
    assert "✗ space " in told.stdout


def test_a_task_that_ships_is_checked_by_its_name() -> None:
    assert run("check", "high_card_duel").exit_code == 0
    assert "none.py: cannot be read" in run("check", "none.py").stderr
    assert "did you mean arithmetic?" in run("check", "arithmetik").stderr
