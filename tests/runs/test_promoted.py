"""Promoted models: content decides what is new, versions stay as they are."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.helpers.run_folders import evaluated, finished, trained
from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.runs import promoted


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUNIX_RT_HOME", str(tmp_path))
    return tmp_path


def test_a_promoted_model_is_a_folder_that_says_where_it_is_from(home: Path) -> None:
    run = evaluated(home, n_right=9)
    made = promoted.promote(run, "sums")
    assert (made.model, made.version, made.new) == ("sums", "v1", True)
    assert made.folder == home / "models" / "sums" / "v1"
    weights = (made.folder / "model.safetensors").read_bytes()
    assert weights == (run / "4_train" / "model" / "model.safetensors").read_bytes()
    told = promoted.manifest(made.folder)
    assert (told["run"], told["base"], told["dataset"]) == ("one", "tiny", "sums-v1")
    assert told["scorecard"] and told["scorecard"]["primary_score"] == 0.75
    assert told["training"] == {"steps": 8}
    assert told["files"].keys() == {"config.json", "model.safetensors"}
    assert list(told["lineage"]) == ["generate", "build", "render", "train"]
    assert (made.folder / "README.md").read_text() == "# card"


def test_promoting_twice_adds_nothing(home: Path) -> None:
    run = evaluated(home)
    first, second = promoted.promote(run), promoted.promote(run)
    assert second == first._replace(new=False)
    assert [row["version"] for row in promoted.listing()] == ["v1"]


def test_the_card_which_evaluation_changes_makes_no_new_version(home: Path) -> None:
    run = evaluated(home)
    promoted.promote(run)
    (run / "4_train" / "model" / "README.md").write_text("# card with scores")
    assert not promoted.promote(run).new


def test_other_weights_are_the_next_version(home: Path) -> None:
    for seed in range(11):
        promoted.promote(trained(home, f"run{seed}", seed), "sums")
    assert [row["version"] for row in promoted.listing("sums")][:2] == ["v11", "v10"]
    assert promoted.find("sums").name == "v11"
    assert promoted.find("sums/v2").name == "v2"
    assert promoted.listing()[-1]["run"] == "run0"


def test_the_same_content_is_on_the_disk_once(home: Path) -> None:
    run = evaluated(home)
    one, two = promoted.promote(run, "one"), promoted.promote(run, "two")
    assert one.sha256 == two.sha256
    assert len(list((home / "models" / ".blobs").iterdir())) == 2
    for name in ("config.json", "model.safetensors"):
        assert (one.folder / name).samefile(two.folder / name)


def test_where_there_are_no_links_files_are_copied(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(source: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    made = promoted.promote(evaluated(home))
    assert promoted.altered(made.folder) == []


def test_a_version_outlives_its_run_and_changes_after_it(home: Path) -> None:
    run = evaluated(home)
    made = promoted.promote(run)
    (run / "4_train" / "model" / "model.safetensors").write_bytes(b"other")
    assert promoted.altered(made.folder) == []
    (made.folder / "config.json").unlink()
    (made.folder / "model.safetensors").chmod(0o644)
    (made.folder / "model.safetensors").write_bytes(b"other")
    assert promoted.altered(made.folder) == ["config.json", "model.safetensors"]


def test_adapters_are_kept_beside_the_model(home: Path) -> None:
    run = trained(home)
    contents = {"model/config.json": {}, "adapter/adapter_config.json": {"r": 16}}
    finished(run, "train", contents, steps=1)
    made = promoted.promote(run)
    assert files.read_json(made.folder / "adapter" / "adapter_config.json") == {"r": 16}


def test_a_model_that_is_not_evaluated_has_no_scores(home: Path) -> None:
    made = promoted.promote(trained(home))
    assert promoted.manifest(made.folder)["scorecard"] is None
    [row] = promoted.listing()
    assert row["score"] is None


def test_what_cannot_be_promoted_is_refused_and_leaves_nothing(home: Path) -> None:
    run = evaluated(home)
    weights = run / "4_train" / "model" / "model.safetensors"
    weights.write_bytes(b"altered")
    with pytest.raises(InputError, match="was altered after training, run 4_train"):
        promoted.promote(run)
    weights.unlink()
    with pytest.raises(InputError, match="is missing, run 4_train"):
        promoted.promote(run)
    with pytest.raises(InputError, match="name: '../x' is unsafe"):
        promoted.promote(run, "../x")
    finished(run, "render", {"manifest.json": {}})
    with pytest.raises(InputError, match="was made from another version of 3_render"):
        promoted.promote(run)
    (run / "4_train" / "result.json").unlink()
    with pytest.raises(InputError, match="4_train/result.json: is missing"):
        promoted.promote(run)
    assert promoted.listing() == []
    assert promoted.names() == []


@pytest.mark.parametrize(
    ("name", "sha256"), [("model/../../x", "a" * 64), ("model/x", "../../x"), ("model//x", "a")]
)
def test_names_in_a_result_from_elsewhere_lead_nowhere(home: Path, name: str, sha256: str) -> None:
    run = trained(home)
    path = run / "4_train" / "result.json"
    told = files.read_json(path)
    told["outputs"][name] = sha256
    files.write_json(path, told)
    with pytest.raises(InputError, match="holds no model"):
        promoted.promote(run)


def test_an_unknown_model_or_version_is_named(home: Path) -> None:
    with pytest.raises(InputError, match="none yet, make one with tunix-rt-nb models promote"):
        promoted.find("sums")
    promoted.promote(trained(home), "sums")
    with pytest.raises(InputError, match="sums: version: unknown 'v2', expected one of: v1"):
        promoted.find("sums/v2")
    with pytest.raises(InputError, match="model: unknown 'sum', did you mean sums"):
        promoted.find("sum")


def test_a_damaged_version_is_listed_and_named(home: Path) -> None:
    made = promoted.promote(trained(home), "sums")
    (made.folder / "version.json").write_text("{")
    [row] = promoted.listing()
    assert (row["model"], row["version"], row["sha256"]) == ("sums", "v1", None)
    with pytest.raises(InputError, match="version.json: is not JSON"):
        promoted.altered(made.folder)


def test_two_at_once_make_one_version(home: Path) -> None:
    run = evaluated(home)
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: promoted.promote(run, "sums"), range(4)))
    assert sum(version.new for version in made) == 1
    assert {version.version for version in made} == {"v1"}


@pytest.mark.slow
def test_a_kill_leaves_a_whole_version_or_none(home: Path) -> None:
    run = trained(home)
    big = {"model/config.json": {}, "model/model.safetensors": bytes(200_000_000)}
    finished(run, "train", big)
    code = f"from pathlib import Path; from tunix_rt_nb.runs import promoted; print(promoted.promote(Path({str(run)!r})))"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL) as victim:
        while not list((home / "models" / ".blobs").glob("*")) and victim.poll() is None:
            time.sleep(0.002)
        victim.send_signal(signal.SIGKILL)
    assert victim.returncode == -signal.SIGKILL
    assert promoted.names() == []
    made = promoted.promote(run)
    assert (made.version, made.new) == ("v1", True)
    assert promoted.altered(made.folder) == []
