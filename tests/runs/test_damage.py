"""Runs and promoted models that are damaged: each is a row that says so, beside all others."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from tests.helpers.run_folders import evaluated, trained
from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.runs import promoted, registry

DEEP = b'{"inputs": ' + b"[" * 100_000


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home that another user can reach, too."""
    home = Path(tempfile.mkdtemp())
    home.chmod(0o755)
    monkeypatch.setenv("TUNIX_RT_HOME", str(home))
    yield home
    shutil.rmtree(home)


@pytest.fixture
def nobody() -> Iterator[Callable[[], None]]:
    """Gives up the rights of root, to whom every folder is open."""
    user = os.geteuid()
    yield lambda: None if user else os.seteuid(65534)
    os.seteuid(user)


def resealed(path: Path, **changed: Any) -> None:
    files.write_json(path, {**files.read_json(path), **changed})


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "is not JSON (is nested too deep)": lambda path: path.write_bytes(DEEP),
    "is damaged": lambda path: path.write_text("[]"),
    "inputs.train.folder: Field required": lambda path: resealed(path, inputs={"train": {}}),
    "outputs: Input should be a valid dictionary": lambda path: resealed(path, outputs=[]),
    "'outputs' appears twice": lambda path: path.write_text(
        '{"inputs": {}, "outputs": {}, "outputs": {}}'
    ),
    "takes over 16 MiB": lambda path: os.truncate(path, 9 << 30),
    "is a folder, a pipe or a device": pipe,
    "a folder, a pipe or a device": folder,
}


@pytest.mark.parametrize("reason", DAMAGES)
@pytest.mark.parametrize("step", ["1_generate", "5_evaluate"])
def test_a_damaged_run_is_one_row_and_all_others_are_listed(
    home: Path, reason: str, step: str
) -> None:
    evaluated(home, "good")
    path = evaluated(home, "bad") / step / "result.json"
    DAMAGES[reason](path)
    rows = {row["run"]: row for row in registry.listing()}
    assert rows["good"]["problem"] is None and rows["bad"]["state"] == "damaged"
    assert f"{step}/result.json: " in str(rows["bad"]["problem"])
    assert reason in str(rows["bad"]["problem"])
    board = registry.leaderboard()
    assert [row["run"] for row in board.ranked] == ["good"]
    assert [row["run"] for row in board.left_out] == ["bad"]


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
PLACES = [
    *(["1_generate/result.json", name] for name in ("inputs", "outputs", "step")),
    *(["4_train/result.json", name] for name in ("steps", "eval_loss", "card")),
    *(["5_evaluate/result.json", name] for name in ("inputs", "before", "after")),
    *(["3_render/manifest.json", name] for name in ("template", "form_sha256", "dataset_key")),
    *(["5_evaluate/result.json", "after", name] for name in ("n_scored", "interval", "samples")),
    *(["run.json", name] for name in ("parameters", "format")),
    ["run.json", "parameters", "train"],
]


@pytest.mark.slow
@settings(max_examples=60)
@given(st.sampled_from(PLACES), VALUES)
def test_no_value_of_another_type_ends_the_list(place: list[str], value: Any) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNIX_RT_HOME", name)
        path = evaluated(Path(name), "bad") / place[0]
        told = files.read_json(path)
        inner = told if len(place) == 2 else told[place[1]]
        inner[place[-1]] = value
        path.write_text(json.dumps(told))
        [row] = registry.listing()
        found = registry.leaderboard()
        assert row["run"] == "bad" and len(found.ranked) + len(found.left_out) == 1
        json.dumps(row).encode()


def test_a_run_that_cannot_be_read_is_a_row(home: Path, nobody: Callable[[], None]) -> None:
    evaluated(home, "good")
    evaluated(home, "shut").chmod(0)
    (evaluated(home, "half") / "4_train").chmod(0)
    nobody()
    rows = {row["run"]: row for row in registry.listing()}
    assert rows["good"]["state"] == "completed"
    for name in ("shut", "half"):
        assert rows[name]["state"] == "damaged"
        assert "cannot be read: Permission denied" in str(rows[name]["problem"])


def test_steps_that_were_made_from_each_other_are_damaged(home: Path) -> None:
    path = evaluated(home) / "4_train" / "result.json"
    outputs = files.read_json(path)["outputs"]
    resealed(path, inputs={"train": {"folder": ".", "sha256": files.digest(outputs)}})
    [row] = registry.listing()
    assert row["state"] in ("damaged", "outdated") and row["problem"]


def test_a_name_of_any_bytes_is_listed(home: Path) -> None:
    for name in (b"\xff", b"a\x1b[31m\nb"):
        (home / "runs" / os.fsdecode(name) / "1_generate").mkdir(parents=True)
    (home / "runs" / "loop").symlink_to("loop")
    assert sorted(row["run"] for row in registry.listing()) == ["a\x1b[31m\nb", "\ufffd"]
    assert registry.find("a\x1b[31m\nb").name == "a\x1b[31m\nb"


def test_a_file_in_place_of_a_folder_is_told(home: Path) -> None:
    for name, listing in (("runs", registry.listing), ("models", promoted.listing)):
        (home / name).touch()
        with pytest.raises(InputError, match=f"{name}: cannot be read: Not a directory"):
            listing()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"files": []}, "is damaged"),
        ({"sha256": 5}, "is damaged"),
        ({"files": {"config.json": 5}}, "'config.json': is no file of a model"),
        ({"files": {"../x": "0" * 64}}, "'../x': is no file of a model"),
        ({"scorecard": [1], "bytes": "many", "run": {"a": 1}}, None),
    ],
)
def test_a_damaged_version_is_one_row(home: Path, change: dict[str, Any], reason: str) -> None:
    promoted.promote(trained(home, "good"))
    made = promoted.promote(trained(home, "bad", seed=1))
    resealed(made.folder / "version.json", **change)
    good, bad = sorted(promoted.listing(), key=lambda row: row["problem"] is not None)
    assert {good["model"], bad["model"]} == {"good", "bad"}
    assert (reason or "") in str(bad["problem"]) and good["problem"] is None
    if reason:
        assert str(bad["problem"]).startswith("version.json: ")
        with pytest.raises(InputError, match="version.json: "):
            promoted.altered(made.folder)


def test_a_version_that_cannot_be_read_is_a_row(home: Path, nobody: Callable[[], None]) -> None:
    promoted.promote(trained(home, "good"))
    promoted.promote(trained(home, "half", seed=1)).folder.chmod(0)
    promoted.promote(trained(home, "shut", seed=2)).folder.parent.chmod(0)
    (promoted.promote(trained(home, "deep", seed=3)).folder / "version.json").write_bytes(DEEP)
    nobody()
    problems = {row["model"]: str(row["problem"]) for row in promoted.listing()}
    assert problems["good"] == "None" and "is nested too deep" in problems["deep"]
    for name in ("half", "shut"):
        assert "cannot be read: Permission denied" in problems[name]
