"""Questions of one's own on the whole road: brought in, trained on, graded, their steps checked."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import word_problems
from tunix_rt_nb.common import files

TOOL = str(Path(sys.executable).parent / "tunix-rt-nb")
SMALL = {"STEPS": 2, "ITEMS": 6, "MAX_NEW_TOKENS": 12, "EVAL_BATCH_SIZE": 8, "EVAL_EXAMPLES": 8}


def run(home: Path, data: Path, *more: str) -> dict[str, Any]:
    """The summary of a run on a file, and what it told on the terminal."""
    settings = [f"--set={name}={value}" for name, value in SMALL.items()]
    told = subprocess.run(
        [TOOL, "run", "--json", "--data", str(data), *settings, *more],
        env={**os.environ, "TUNIX_RT_HOME": str(home)},
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stderr
    return {**json.loads(told.stdout), "told": told.stderr, "run": home / "runs" / data.stem}


def predictions(found: dict[str, Any]) -> list[dict[str, Any]]:
    return list(files.read_lines(found["run"] / "5_evaluate" / "predictions-after.jsonl"))


def test_three_hundred_questions_of_ones_own_end_with_a_graded_table(tmp_path: Path) -> None:
    data = tmp_path / "own.jsonl"
    files.write_lines(data, word_problems.records(300))
    found = run(tmp_path / "home", data)
    assert found["after"]["n"] == SMALL["ITEMS"]
    assert found["by_task"].keys() == {"own"}
    assert "own " in found["told"]
    assert (found["run"] / "report.html").exists()
    graded = predictions(found)
    assert all(one["grader"] for one in graded)
    notebook = (found["run"] / "1_generate.ipynb").read_text()
    assert "300 GSM8K problems" in notebook


def test_questions_with_answers_only_are_trained_and_graded_beside_drawn_ones(
    tmp_path: Path,
) -> None:
    data = tmp_path / "answers.csv"
    rows = [(r["question"], r["answer"].split("#### ")[1]) for r in word_problems.records(60)]
    data.write_text("frage,antwort\n" + "".join(f'"{q}",{a}\n' for q, a in rows))
    more = ["--map", "prompt=frage,answer=antwort", "--set", "TRACES={high_card_duel: 40}"]
    found = run(tmp_path / "home", data, *more)
    assert found["by_task"].keys() == {"own", "high_card_duel"}
    graded = predictions(found)
    own = [one for one in graded if one["expected_answer"].isdigit()]
    assert (len(own), len(graded)) == (SMALL["ITEMS"], 2 * SMALL["ITEMS"])


def test_a_bad_line_is_skipped_and_named(tmp_path: Path) -> None:
    data = tmp_path / "mixed.jsonl"
    files.write_lines(data, [*word_problems.records(60), {"question": "broken"}])
    found = run(tmp_path / "home", data, "--skip-bad", "--to", "generate")
    notebook = (found["run"] / "1_generate.ipynb").read_text()
    assert "60 GSM8K problems, 1 line skipped" in notebook
    assert "1 line skipped, listed in " in found["told"]
    assert f"{data}:61: answer: Field required\n" in found["told"]


@pytest.mark.parametrize("options", [["--as", "gsm8k"], ["--map", "prompt=q"], ["--skip-bad"]])
def test_options_for_files_need_files(options: list[str]) -> None:
    told = subprocess.run([TOOL, "run", *options], capture_output=True, text=True)
    assert told.returncode == 2
    assert "expected files to read, give --data too" in told.stderr
