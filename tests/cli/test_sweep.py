"""Sweeps from the command line: what is refused, what is run once, what goes on."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings, strategies as st

from tests.conftest import USUAL
from tests.runs.test_chain import PARAMETERS, WORK, ran, road, write
from tunix_rt_nb import runs
from tunix_rt_nb.cli import main
from tunix_rt_nb.cli.sweep import grid_of, split
from tunix_rt_nb.common import InputError

__all__ = ["road"]


def sweep(*settings: str) -> Result:
    return CliRunner().invoke(main, ["sweep", *(f"--set={text}" for text in settings)])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("0.1", ["0.1"]),
        ("", [""]),
        ("0.1, 0.2", ["0.1", "0.2"]),
        ("[a, b],[c]", ["[a, b]", "[c]"]),
        ("{a: [1, 2], b: 3},{}", ["{a: [1, 2], b: 3}", "{}"]),
        ("'','x, y'", ["''", "'x, y'"]),
        ("'it''s, so',b", ["'it''s, so'", "b"]),
        ("don't,won't", ["don't", "won't"]),
        ('{a: "x}, y"},b', ['{a: "x}, y"}', "b"]),
        (".*(_einsum|_proj){1,2},[^,]+", [".*(_einsum|_proj){1,2}", "[^,]+"]),
    ],
)
def test_commas_part_values_but_not_inside_brackets_and_quotes(text: str, found: list[str]) -> None:
    assert split(text, "x") == found


@settings(max_examples=40)
@given(
    st.lists(
        st.from_regex(r"[a-z0-9.]{1,6}|\[[a-z], [a-z]\]|'[a-z,{\[ ]*'", fullmatch=True), min_size=1
    )
)
def test_values_come_back_as_they_were_joined(parts: list[str]) -> None:
    assert split(",".join(parts), "x") == parts
    assert split(" , ".join(parts), "x") == parts


@given(st.text(alphabet="a,'\"[]{} "))
def test_any_text_is_split_or_refused(text: str) -> None:
    try:
        assert ",".join(split(text, "x")).replace(" ", "") == text.replace(" ", "")
    except InputError as error:
        assert str(error).startswith("x: expected ")


def test_values_are_parsed_by_the_type_of_their_parameter() -> None:
    settings = ["SYSTEM='','Think, then answer.',No", "seed=0,1", "TRACES={arithmetic: 60}"]
    assert grid_of([*settings, "DIFFICULTIES=[easy],[easy, hard]", "STYLE='tags'"]) == (
        {"TRACES": {"arithmetic": 60}, "STYLE": "tags"},
        {
            "SYSTEM": ["", "Think, then answer.", "No"],
            "SEED": [0, 1],
            "DIFFICULTIES": [["easy"], ["easy", "hard"]],
        },
    )


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ([], "--set: expected several values of a parameter, such as LEARNING_RATE=0.001,0.004"),
        (["SEED"], "--set: expected KEY=VALUE, found 'SEED'"),
        (["SEED=0,1", "seed=2"], "--set: seed is set twice, write its values with commas between"),
        (["SEED=0,"], "--set: SEED: expected a value at each side of a comma"),
        (["TRACES={arithmetic: 60,{arithmetic: 90}"], "--set: TRACES: expected a bracket to be closed"),
        (["SYSTEM='a,b"], "--set: SYSTEM: expected ' to be closed"),
        (["LEARNING_RATE=0.1,x"], "LEARNING_RATE: expected a finite number"),
        (["STEPS=10,20", "TRACES={chess: 3}"], "TRACES: unknown 'chess'"),
        (["STEPS=10,20", "MODEL=nowhere"], "MODEL: unknown 'nowhere'"),
        (["MODEL=tiny,nowhere"], "MODEL: unknown 'nowhere'"),
    ],
)  # fmt: skip
def test_bad_input_ends_a_sweep_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: list[str], told: str
) -> None:
    monkeypatch.setenv("TUNIX_RT_HOME", str(tmp_path))
    found = sweep(*settings)
    assert (found.exit_code, told in found.stderr) == (2, True), found.stderr
    assert not list(tmp_path.iterdir())


def test_a_job_is_not_swept(tmp_path: Path) -> None:
    job = tmp_path / "job.yaml"
    job.write_text("runner: tunix\n")
    found = CliRunner().invoke(main, ["sweep", str(job), "--set", "SEED=0,1"])
    assert (found.exit_code, "is a Tunix job" in found.stderr) == (2, True)


HAPPENS = """
import os, signal, time
if STEPS == 5:
    raise ValueError("five is too many")
if STEPS == 6 and not Path("{once}").exists():
    Path("{once}").touch()
    os.kill(os.getppid(), signal.SIGINT)
    time.sleep(60)
"""


@pytest.mark.slow
def test_a_sweep_runs_what_is_the_same_once_goes_on_after_ctrl_c_and_tells_what_failed(
    road: Path,
) -> None:
    happens = HAPPENS.format(once=road / "once")
    train = (
        "from pathlib import Path\n"
        + happens
        + WORK.format(step="train", log=road / "done.txt", extra=" {STEPS}")
    )
    write(road / "notebooks", "train", [train], PARAMETERS + "STEPS: int = 3\n")

    stopped = sweep("STEPS=3,5,6")
    assert stopped.exit_code == 130, stopped.output
    assert ran(road) == list(USUAL)  # of the first run; the others took over three steps
    assert "3 runs: STEPS 3, 5, 6\n  quickstart-STEPS-3\n" in stopped.stderr
    assert "1_generate   as in quickstart-STEPS-3" in stopped.stderr
    assert "five is too many" in stopped.stderr
    assert "run 3 of 3: stopped, the same command goes on from here" in stopped.stderr

    told = CliRunner().invoke(main, ["sweep", "--set=STEPS=3,5,6", "--json"])
    assert told.exit_code == 1, told.output
    assert ran(road) == ["train", "evaluate"]  # of the third run
    assert "✗ quickstart-STEPS-5: 4_train.ipynb failed: ValueError" in told.stderr
    record = json.loads(told.stdout)
    assert [run["run_id"][-1] for run in record["runs"] if run["problem"]] == ["5"]
    assert [Path(path).exists() for path in record["files"]] == [True] * 3
    assert [group["varied"] for group in record["groups"]] == [{"STEPS": n} for n in (3, 5, 6)]
    home = road / "home/runs"
    for name in ("quickstart-STEPS-3", "quickstart-STEPS-6"):
        assert runs.lineage("evaluate", home / name / "5_evaluate").keys() == set(USUAL)
        assert all(
            path.parent.name == name
            for path in runs.lineage("evaluate", home / name / "5_evaluate").values()
        )
    assert (home / "quickstart-STEPS-6/4_train/out.txt").read_text() == "1 x 6"
