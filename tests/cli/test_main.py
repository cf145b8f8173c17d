import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tests import renew
from tunix_rt_nb.cli import main, status


def commands(group: click.Group = main) -> list[click.Command]:
    return [
        leaf
        for command in group.commands.values()
        for leaf in (commands(command) if isinstance(command, click.Group) else [command])
    ]


@pytest.mark.parametrize("command", commands(), ids=lambda c: c.name)
def test_every_command_is_explained_with_an_example(command: click.Command) -> None:
    assert command.help
    assert "Example" in command.help
    assert all(option.help for option in command.params if isinstance(option, click.Option))


def test_the_page_of_the_commands_is_generated() -> None:
    page = renew.COMMANDS.read_text(encoding="utf-8")
    assert page == renew.reference(), "run: python -m tests.renew commands"


def test_status_lists_versions_devices_and_install_lines() -> None:
    rows = {
        row["component"]: row
        for row in json.loads(CliRunner().invoke(main, ["status", "--json"]).stdout)
    }
    assert rows["jax devices"]["state"].endswith("cpu:cpu")
    assert rows["google-tunix"]["state"] == "0.1.7"
    missing = [row for row in rows.values() if row["state"] == "missing"]
    assert all(row["install"] for row in missing)
    table = CliRunner().invoke(main, ["status"]).stdout
    assert all(name in table for name in rows)


def test_status_tells_how_to_install_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "_COMPONENTS", [("train", ["no-such-thing"])])
    row = next(row for row in status.rows() if row["component"] == "no-such-thing")
    assert row["install"] == "pip install -e '.[train]'"


SLOW = {"jax", "flax", "tunix", "pandas", "matplotlib", "papermill", "nbformat", "IPython"}
SLOW |= {"reasoning_gym", "transformers", "pyarrow", "scipy"}
SLOWISH = {"numpy", "duckdb", "pydantic", "tabulate", "packaging", "importlib.metadata"}


@pytest.mark.parametrize(
    ("command", "slow"),
    [
        ("--help", SLOW | SLOWISH),
        ("run --help", SLOW | SLOWISH),
        ("runs list", SLOW | {"numpy", "packaging"}),
        ("tasks", SLOW | {"numpy", "duckdb", "pydantic", "packaging"}),
        ("status", SLOW | {"duckdb", "pydantic"}),
    ],
)
def test_a_command_that_answers_at_once_loads_nothing_slow(
    command: str, slow: set[str], tmp_path: Path
) -> None:
    code = (
        "import sys; from tunix_rt_nb.cli import main\n"
        f"main({command.split()}, standalone_mode=False)\n"
        f"print(sorted({slow} & sys.modules.keys()))"
    )
    home = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    told = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**home, "TUNIX_RT_HOME": str(tmp_path)},
    )
    assert told.stdout.splitlines()[-1] == "[]"


def test_the_installed_command_runs() -> None:
    command = Path(sys.executable).parent / "tunix-rt-nb"
    told = subprocess.run(
        [command, "--version"], capture_output=True, text=True, env={**os.environ}
    )
    assert told.returncode == 0
    assert "tunix-rt-nb, version" in told.stdout
