"""Runs and promoted models from the command line."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.run_folders import evaluated, trained
from tunix_rt_nb import files
from tunix_rt_nb.cli import main


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUNIX_RT_HOME", str(tmp_path))
    return tmp_path


def tool(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_runs_are_listed_and_filtered(home: Path) -> None:
    evaluated(home, "one", n_right=9)
    trained(home, "two", seed=1)
    told = tool("runs", "list", "--where", "score>=0.7")
    assert told.exit_code == 0, told.output
    assert "one  completed  evaluate" in told.stdout and "75.0%" in told.stdout
    assert "1 runs in" in told.stderr
    rows = json.loads(tool("runs", "list", "--where", "step=train", "--json").stdout)
    assert [row["run"] for row in rows] == ["two"]
    unknown = tool("runs", "list", "--where", "scor=1")
    assert unknown.exit_code == 2
    assert "field: unknown 'scor', did you mean score" in unknown.stderr


def test_the_leaderboard_shows_each_board_and_who_is_left_out(home: Path) -> None:
    evaluated(home, "one", n_right=9)
    evaluated(home, "two", n_right=3)
    evaluated(home, "tags", style="tags")
    trained(home, "unfinished")
    told = tool("runs", "leaderboard")
    assert told.stdout.count("board ") == 2
    assert told.stdout.index("one ") < told.stdout.index("two ")
    assert "12 items, template gemma, style tags" in told.stdout
    assert "left out: unfinished: not evaluated" in told.stderr
    found = json.loads(tool("runs", "leaderboard", "--json").stdout)
    assert [(r["run"], r["rank"]) for r in found["ranked"]][:2] == [("one", 1), ("two", 2)]
    assert [r["run"] for r in found["left_out"]] == ["unfinished"]


def test_a_run_is_shown_with_parameters_and_scores(home: Path) -> None:
    evaluated(home, "one", n_right=9)
    told = tool("runs", "show", "one").stdout
    assert "4_train" in told and "STEPS" in told
    assert "answers after, 95 % interval" in told
    assert json.loads(tool("runs", "show", "one", "--json").stdout)["score"] == 0.75


def test_the_page_of_a_run_is_written(home: Path) -> None:
    run = evaluated(home)
    told = tool("runs", "report", str(run))
    assert told.stdout.strip() == str(run / "report.html")
    assert (run / "report.html").read_text().startswith("<!DOCTYPE html>")


def test_the_items_of_a_run_are_written_for_the_harness(home: Path) -> None:
    run = evaluated(home)
    refused = tool("runs", "harness", "one", "-o", str(home / "out"))
    assert refused.exit_code == 2 and "has no chat_template" in refused.stderr
    assert not (home / "out").exists()
    files.write_json(run / "4_train" / "model" / "tokenizer_config.json", {"chat_template": "x"})
    told = tool("runs", "harness", "one", "-o", str(home / "out"))
    assert f"pretrained={run / '4_train' / 'model'}" in told.stdout
    assert len((home / "out" / "one.jsonl").read_text().splitlines()) == 12
    items = [{"id": "a", "prompt": "?", "expected_answer": "1", "section": "core"}]
    files.write_lines(home / "mine.jsonl", items)
    told = tool("runs", "harness", "one", "-o", "x", "--eval-set", str(home / "none.jsonl"))
    assert told.exit_code == 2 and "none.jsonl: cannot be read" in told.stderr
    told = tool("runs", "harness", "one", "-o", str(home), "--eval-set", str(home / "mine.jsonl"))
    assert "--tasks mine" in told.stdout


def test_a_judge_that_is_not_there_is_said_in_a_line(home: Path) -> None:
    evaluated(home)
    told = tool("runs", "judge", "one", "--judge", "localhost", "--model", "gemma")
    assert told.exit_code == 2
    assert "the address is none" in told.stderr


def test_models_are_promoted_listed_shown_and_verified(home: Path) -> None:
    evaluated(home, "one", n_right=9)
    told = tool("models", "promote", "one", "--as", "sums")
    assert told.stdout.startswith("sums/v1  sha256 ")
    assert "there already" in tool("models", "promote", "one", "--as", "sums").stdout
    made = json.loads(tool("models", "promote", "one", "--json").stdout)
    assert (made["model"], made["version"], made["new"]) == ("one", "v1", True)
    listed = tool("models", "list")
    assert "75.0%" in listed.stdout and "2 versions" in listed.stderr
    [row] = json.loads(tool("models", "list", "--model", "sums", "--json").stdout)
    assert row["folder"] == str(home / "models" / "sums" / "v1")
    assert json.loads(tool("models", "show", "sums").stdout)["run"] == "one"
    assert tool("models", "verify", "sums/v1").exit_code == 0
    weights = home / "models" / "sums" / "v1" / "model.safetensors"
    weights.chmod(0o644)
    weights.write_bytes(b"other")
    broken = tool("models", "verify", "sums")
    assert broken.exit_code == 1
    assert "model.safetensors: is not what was promoted" in broken.stdout
