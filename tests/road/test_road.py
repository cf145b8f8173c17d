"""The whole road with the real notebooks, small: killed, repeated, changed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.conftest import USUAL
from tunix_rt_nb import runs
from tunix_rt_nb.cli import main
from tunix_rt_nb.common import files
from tunix_rt_nb.host import paths

SMALL = {
    "TRACES": "{high_card_duel: 60, arithmetic: 60}",
    "STEPS": 40,
    "CHECKPOINT_EVERY": 5,
    "EVAL_EVERY": 20,
    "EVAL_EXAMPLES": 8,
    "ITEMS": 4,
    "MAX_NEW_TOKENS": 16,
    "EVAL_BATCH_SIZE": 8,
}


def command(*arguments: str) -> list[str]:
    settings = [f"--set={name}={value}" for name, value in SMALL.items()]
    tool = str(Path(sys.executable).parent / "tunix-rt-nb")
    return [tool, "run", "--json", *settings, *arguments]


def environment(home: Path, hash_seed: int) -> dict[str, str]:
    return {**os.environ, "TUNIX_RT_HOME": str(home), "PYTHONHASHSEED": str(hash_seed)}


def go(home: Path, *arguments: str, hash_seed: int = 0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), env=environment(home, hash_seed), capture_output=True, text=True
    )


def contents(home: Path, *steps: str) -> dict[str, str]:
    """The sha256 of every output of some steps."""
    found: dict[str, str] = {}
    for step in steps:
        folder = home / "runs/quickstart" / runs.stem(step)
        found |= {f"{step}/{name}": value for name, value in runs.outputs(folder).items()}
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("undisturbed")
    told = go(home)
    assert told.returncode == 0, told.stderr
    return home


def is_under_way(home: Path, step: str) -> bool:
    """Tell whether a step has begun to leave something; training: a checkpoint."""
    folder = home / "runs/quickstart" / runs.stem(step)
    if step == "train":
        return any(path.name.isdigit() for path in folder.glob("checkpoints/*/*"))
    return any(path.name != "key" for path in folder.glob("*"))


def test_a_run_killed_in_every_step_ends_as_an_undisturbed_one(
    undisturbed: Path, tmp_path: Path
) -> None:
    for step in USUAL:
        with subprocess.Popen(
            command(),
            env=environment(tmp_path, 1),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as victim:
            deadline = time.monotonic() + 120
            while not is_under_way(tmp_path, step):
                assert victim.poll() is None, victim.stdout and victim.stdout.read()
                assert time.monotonic() < deadline
                time.sleep(0.01)
            os.kill(victim.pid, signal.SIGKILL)
    told = go(tmp_path, hash_seed=2)
    assert told.returncode == 0, told.stderr
    for home, resumed in ((tmp_path, True), (undisturbed, False)):
        executed = (home / "runs/quickstart/4_train.ipynb").read_text()
        assert ("goes on after step" in executed) == resumed
    everything = contents(tmp_path, *USUAL)
    assert everything == contents(undisturbed, *USUAL)
    assert {
        "build/quickstart-v1/manifest.json",
        "render/train_tokens.npy",
        "train/model/model.safetensors",
    } <= everything.keys()


def test_running_again_skips_every_step_and_shows_the_same_table(undisturbed: Path) -> None:
    first, again = go(undisturbed), go(undisturbed)
    assert again.returncode == 0
    told = json.loads(again.stdout)
    assert [step["skipped"] for step in told["steps"]] == [True] * len(USUAL)
    assert json.loads(first.stdout)["after"] == told["after"]
    table = [line for line in again.stderr.splitlines() if "%" in line]
    assert table == [line for line in first.stderr.splitlines() if "%" in line]
    assert set(told) == {"run_id", "steps", "before", "after", "by_task", "warnings"}
    assert {"accuracy", "steps_right", "n"} <= set(told["before"])
    assert {"before", "after", "n"} <= set(told["by_task"]["arithmetic"])


def test_a_training_parameter_repeats_no_step_before_training(undisturbed: Path) -> None:
    before = contents(undisturbed, "generate", "build", "render")
    told = go(undisturbed, "--to", "train", "--set", "STEPS=2", "--set", "learning_rate=0.002")
    assert told.returncode == 0, told.stderr
    ran = [s["name"] for s in json.loads(told.stdout)["steps"] if not s["skipped"]]
    assert ran == ["train"]
    assert contents(undisturbed, "generate", "build", "render") == before


def here(home: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    """Run the command in this process, up to the dataset."""
    monkeypatch.setenv("TUNIX_RT_HOME", str(home))
    return CliRunner().invoke(main, [*command("--to", "build")[1:], *arguments])


def test_traces_of_ones_own_join_the_generated_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = paths.PROJECT / "data/traces/example.jsonl"
    told = here(tmp_path, monkeypatch, f"--set=IMPORT=[{example}]")
    assert told.exit_code == 0, told.output
    manifest = files.read_json(tmp_path / "runs/quickstart/2_build/quickstart-v1/manifest.json")
    assert manifest["trace_count"] == 122


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("IMPORT=[{bad}]", "bad.jsonl:2: last_answer: is not a field of a trace"),
        ("DATASET_NAME=../x", "DATASET_NAME: '../x' is unsafe"),
        ("FILTERS={{task: chess}}", "filters: none of the 120 traces"),
        ("SEED=null", "SEED: expected a whole number from 0 and below 2147483648, found None"),
        ("TRACES={{chess: 3}}", "TRACES: unknown 'chess'"),
    ],
)
def test_bad_input_stops_the_road_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, says: str
) -> None:
    bad = tmp_path / "bad.jsonl"
    good = '{"prompt": "p", "steps": [{"i": 0, "type": "s", "content": "t"}], "final_answer": "a"}'
    bad.write_text(f"{good}\n{good.replace('final', 'last')}\n")
    told = here(tmp_path, monkeypatch, "--set", setting.format(bad=bad))
    assert told.exit_code == 2, told.output
    assert says in told.stderr, told.stderr
    assert "Traceback" not in told.stderr
    assert told.stderr.splitlines()[-1].startswith("tunix-rt-nb: ")
    assert not list(tmp_path.glob("runs/*/2_build/*/manifest.json"))
