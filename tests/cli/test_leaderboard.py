"""Runs ranked on a terminal, with the parameters in which they differ."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.helpers.run_folders import evaluated
from tunix_rt_nb.cli import main
from tunix_rt_nb.common import files


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUNIX_RT_HOME", str(tmp_path))
    return tmp_path


def tool(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["runs", *arguments])


def made(home: Path, name: str, n_right: int, **parameters: Any) -> None:
    run = evaluated(home, name, n_right=n_right)
    told = files.read_json(run / "run.json")
    told["parameters"]["train"] |= parameters
    files.write_json(run / "run.json", told)


def test_parameters_that_differ_are_columns_and_what_is_the_same_stands_above(home: Path) -> None:
    made(home, "one", 9, LEARNING_RATE=0.004, OPTIMIZER="muon")
    made(home, "two", 3, LEARNING_RATE=0.001, OPTIMIZER="muon")
    above, _, head, first, second = tool("leaderboard").stdout.splitlines()[:5]
    assert above.endswith("model tiny, dataset sums-v1, steps 8, 0.0% before training")
    assert head.split()[-1] == "LEARNING_RATE"
    assert [first.split()[-1], second.split()[-1]] == ["0.004", "0.001"]
    [one, two] = json.loads(tool("leaderboard", "--json").stdout)["ranked"]
    assert (one["differs"], two["differs"]) == ({"LEARNING_RATE": 0.004}, {"LEARNING_RATE": 0.001})


def test_a_board_stays_within_100_columns_and_names_what_does_not_fit(home: Path) -> None:
    for k in range(2):
        made(home, f"run-{k}", 9, **{f"PARAMETER_{n}": n + k for n in range(9)})
    told = tool("leaderboard")
    assert max(map(len, told.stdout.splitlines()[1:])) <= 100
    assert "PARAMETER_3" in told.stdout and "PARAMETER_4" not in told.stdout
    assert "also differs in PARAMETER_4, PARAMETER_5, " in told.stderr
    assert ", PARAMETER_8, see --json" in told.stderr


def test_all_runs_are_written_on_a_page(home: Path) -> None:
    made(home, "one", 9)
    told = tool("index")
    assert told.stdout.strip() == str(home / "runs/index.html")
    assert "<h1>All runs</h1>" in (home / "runs/index.html").read_text()
