import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.conftest import NOW
from tunix_rt_nb import tasks
from tunix_rt_nb.cli import main
from tunix_rt_nb.common import files
from tunix_rt_nb.dataset import folder
from tunix_rt_nb.host import version
from tunix_rt_nb.store.store import TraceStore
from tunix_rt_nb.trace import Trace


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose store has sixty sums."""
    monkeypatch.setenv("TUNIX_RT_HOME", str(tmp_path))
    TraceStore(tmp_path / "data" / "traces").add(tasks.draw("arithmetic", 60, 0), NOW)
    return tmp_path


def tool(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["datasets", *arguments])


def spec(home: Path, **fields: object) -> str:
    path = home / "spec.yaml"
    path.write_text(json.dumps({"dataset_name": "sums", "eval_fraction": 0.2, **fields}))
    return str(path)


def test_a_dataset_is_built_listed_and_shown(home: Path) -> None:
    built = tool("build", spec(home, tags=["first"]))
    assert built.exit_code == 0, built.output
    folder = home / "data" / "datasets" / "sums-v1"
    assert (folder / "manifest.json").exists()
    assert "in the store" in built.stdout and "arithmetic" in built.stdout
    assert tool("show", "sums-v1").stdout == built.stdout == tool("show", str(folder)).stdout
    manifest = json.loads(tool("show", "sums-v1", "--json").stdout)
    assert manifest["trace_count"] == 60
    [row] = json.loads(tool("list", "--tag", "first", "--json").stdout)
    assert row["dataset"] == "sums-v1" and row["train"] + row["eval"] == 60
    assert json.loads(tool("list", "--tag", "other", "--json").stdout) == []


def test_traces_that_no_task_made_have_one_name(home: Path) -> None:
    store = TraceStore(home / "data" / "traces")
    store.add([Trace.of(f"{n}?", [], f"{n}") for n in range(9)], NOW)
    tool("build", spec(home))
    assert "\nown " in tool("show", "sums-v1").stdout
    assert {row["task"] for row in store.overview()} == {"arithmetic", "own"}
    assert {row["task"] for row in store.distribution()} == {"arithmetic", "own"}


def test_a_manifest_that_calls_them_unknown_is_shown_alike(home: Path) -> None:
    tool("build", spec(home))
    path = home / "data" / "datasets" / "sums-v1" / "manifest.json"
    manifest = files.read_json(path)
    sides = manifest["tasks"].pop("arithmetic")
    files.write_json(path, folder.sealed({**manifest, "tasks": {"unknown": sides}}))
    shown = tool("show", "sums-v1").stdout
    assert "\nown " in shown and "unknown" not in shown


def test_a_dataset_in_shards_is_built_shown_compared_and_exported(home: Path) -> None:
    built = tool("build", spec(home), "--shards", "4")
    assert built.exit_code == 0, built.output
    assert "each side in 4 shards\n" in built.stdout
    assert "trace_ids" not in json.loads(tool("show", "sums-v1", "--json").stdout)
    tool("build", spec(home, dataset_version="v2"))
    assert tool("diff", "sums-v1", "sums-v2").stderr.startswith("0 added, 0 removed, 0 moved, 60")
    for one in ("v1", "v2"):
        tool("export", f"sums-{one}", "-o", str(home / f"{one}.jsonl"))
    assert (home / "v1.jsonl").read_bytes() == (home / "v2.jsonl").read_bytes()
    merged = tool("merge", "sums-v1", "--name", "both", "--shards", "2")
    assert "each side in 2 shards\n" in merged.stdout
    refused = tool("build", spec(home, dataset_version="v3"), "--shards", "3")
    assert refused.exit_code == 2
    assert refused.stderr == "tunix-rt-nb: shards: 3 is no power of two from 1 to 128\n"


def test_versions_are_compared_and_merged(home: Path) -> None:
    tool("build", spec(home, limit=40))
    grown = tool("build", spec(home, dataset_version="v2", parent_dataset_id="sums-v1"))
    assert "changes: 20 added, 0 removed, 0 moved, 40 kept" in grown.stdout
    found = tool("diff", "sums-v1", "sums-v2")
    assert found.exit_code == 0
    assert len([line for line in found.stdout.splitlines() if line.startswith("+ ")]) == 20
    merged = tool("merge", "sums-v1", "sums-v2", "--name", "both", "--json")
    assert json.loads(merged.stdout)["trace_count"] == 60


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["build", "none.yaml"], "none.yaml: cannot be read: No such file"),
        (["show", "sum-v1"], "dataset: unknown 'sum-v1', did you mean sums-v1?"),
        (["diff", "sums-v1", "x"], "dataset: unknown 'x'"),
        (["merge", "sums-v1", "--name", "a:b"], "dataset_name: 'a:b' is unsafe"),
    ],
)
def test_a_wrong_command_ends_with_one_line_and_2(
    home: Path, arguments: list[str], says: str
) -> None:
    tool("build", spec(home))
    result = tool(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("tunix-rt-nb: ") and says in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_name_that_is_made_safe_is_told(home: Path) -> None:
    built = tool("build", spec(home, dataset_name="my sums", dataset_version="a/b"))
    assert built.stderr == "made safe for a folder, its key is my_sums-a_b\n"
    assert (home / "data" / "datasets" / "my_sums-a_b" / "manifest.json").exists()
    merged = tool("merge", "my_sums-a_b", "--name", "a b")
    assert merged.stderr == "made safe for a folder, its key is a_b-v1\n"
    assert tool("build", spec(home)).stderr == ""


def test_the_times_the_code_and_the_form_are_shown(home: Path) -> None:
    tool("build", spec(home, template="chatml", system="Be brief."))
    path = home / "data" / "datasets" / "sums-v1" / "manifest.json"
    os.utime(path, (1.8e9, 1.8e9))
    shown = tool("show", "sums-v1").stdout
    assert f"built 2027-01-15T08:00:00Z by {version.of_code()}, the newest trace is of" in shown
    assert "written in template chatml, system Be brief.\n" in shown
    told = json.loads(tool("show", "sums-v1", "--json").stdout)
    assert (told["built_at"], told["created_at"]) == ("2027-01-15T08:00:00Z", NOW)
    assert (told["template"], told["style"]) == ("chatml", None)
    [row] = json.loads(tool("list", "--json").stdout)
    assert (row["built_at"], row["created_at"]) == ("2027-01-15T08:00:00Z", NOW)
