"""The workflows of CI, and that whoever commits runs the same checks."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text()


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_only_read_and_always_ends(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] == {} and "cancel-in-progress" in workflow["concurrency"]
    for job in workflow["jobs"].values():
        assert job["permissions"] == {"contents": "read"} and job["timeout-minutes"] <= 180
        checkouts = [s["with"] for s in job["steps"] if "checkout@" in s.get("uses", "")]
        assert [how["persist-credentials"] for how in checkouts] == [False]


def test_every_action_is_pinned_to_one_commit_whose_version_is_told() -> None:
    text = "\n".join(path.read_text() for path in WORKFLOWS)
    used = re.findall(r"uses: (\S+)(.*)", text)
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", name) for name, _ in used)
    assert all(re.fullmatch(r" # v\d+\.\d+\.\d+", version) for _, version in used)
    assert len(set(used)) == len({name.partition("@")[0] for name, _ in used})


def test_every_target_that_a_workflow_makes_is_there() -> None:
    text = "\n".join(path.read_text() for path in [*WORKFLOWS, ROOT / ".ci" / "run"])
    targets = set(re.findall(r"(?m)^[a-z]+(?=:)", MAKEFILE))
    assert set(re.findall(r"(?m)(?:run: |^)make ([a-z]+)", text)) <= targets


def test_a_commit_is_checked_with_the_commands_of_make_lint() -> None:
    [recipe] = re.findall(r"(?m)^lint:.*\n((?:\t.*\n)+)", MAKEFILE)
    commands = [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe.splitlines()]
    [hooks] = [repo["hooks"] for repo in read(ROOT / ".pre-commit-config.yaml")["repos"]]
    assert [hook["entry"] for hook in hooks] == ["make --quiet .venv/.ready", *commands]
