"""The help of the groups, and what is suggested for a mistyped name."""

import re

import click
import pytest
from click.testing import CliRunner, Result

from tunix_rt_nb.cli import groups, main

ROADS = [path.split() for path in groups._ROAD]


def tool(*arguments: str, columns: int = 100) -> Result:
    return CliRunner().invoke(main, arguments, terminal_width=columns)


def group_at(path: list[str]) -> click.Group:
    group: click.Command = main
    for name in path:
        assert isinstance(group, click.Group)
        group = group.commands[name]
    assert isinstance(group, click.Group)
    return group


@pytest.mark.parametrize("path", ROADS, ids=" ".join)
@pytest.mark.parametrize("columns", [60, 100])
def test_the_help_of_a_group_has_every_command_with_its_whole_summary(
    path: list[str], columns: int
) -> None:
    told = tool(*path, "--help", columns=columns)
    assert told.exit_code == 0
    assert max(map(len, told.stdout.splitlines())) <= columns
    flat = "".join(told.stdout.split())  # lines may break after a hyphen
    for name, command in group_at(path).commands.items():
        assert f"{name}{''.join((command.help or '').split(chr(10) * 2)[0].split())}"[:-1] in flat


@pytest.mark.parametrize("path", ROADS, ids=" ".join)
def test_a_command_that_stands_below_no_heading_comes_last(path: list[str]) -> None:
    group, text = group_at(path), tool(*path, "--help").stdout
    headings = re.findall(r"(?m)^([A-Z].*):$", text)
    planned = {name for names in groups._ROAD[" ".join(path)].values() for name in names}
    assert (headings[-1] == "Other commands") == bool(group.commands.keys() - planned)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["evalset"], "no such command 'evalset', did you mean evalsets?"),
        (["runs", "leader"], "no such command 'leader', did you mean leaderboard?"),
        (["tasks", "chek"], "no such command 'chek', did you mean check?"),
        (["kaggle", "models", "psh"], "no such command 'psh', did you mean push?"),
        (["xyz"], "no such command 'xyz', expected tasks, traces, datasets"),
        (["run", "--as", "gsm9k"], "'--as': unknown 'gsm9k', did you mean gsm8k?"),
        (["run", "--to", "trian"], "'--to': unknown 'trian', did you mean train?"),
        (["run", "quikstart"], "profile: unknown 'quikstart', did you mean quickstart?"),
        (["run", "--set", "STEPZ=1"], "parameter: unknown 'STEPZ', did you mean STEPS?"),
        (["tasks", "arithmetics"], "task: unknown 'arithmetics', did you mean arithmetic?"),
        (["datasets", "tunix-yaml", "d", "--model-id", "gemma3-1c"], "did you mean gemma3-1b?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistyped_name_is_answered_with_the_nearest_one_alone(
    arguments: list[str], says: str
) -> None:
    told = tool(*arguments)
    assert told.exit_code == 2
    assert says in told.stderr
    assert ("expected" in told.stderr) == ("expected" in says)
