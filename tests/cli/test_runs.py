"""Runs and promoted models from the command line."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.helpers.run_folders import (
    TRACES,
    complete,
    evaluated,
    predictions,
    right,
    trained,
    wrong,
)
from tunix_rt_nb.cli import main
from tunix_rt_nb.common import files
from tunix_rt_nb.dataset import evalset
from tunix_rt_nb.runs import chain
from tunix_rt_nb.trace.response import respond


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
    assert "1 run in" in told.stderr
    rows = json.loads(tool("runs", "list", "--where", "step=train", "--json").stdout)
    assert [row["run"] for row in rows] == ["two"]
    unknown = tool("runs", "list", "--where", "scor=1")
    assert unknown.exit_code == 2
    assert "field: unknown 'scor', did you mean score" in unknown.stderr


def test_runs_are_listed_by_state_and_only_one_that_runs_is_cancelled(home: Path) -> None:
    trained(home, "whole")
    chain.accept(home / "runs" / "later", {})
    told = tool("runs", "list", "--where", "state=pending")
    assert "later  pending" in told.stdout and "whole" not in told.stdout
    assert "has not begun" in tool("runs", "show", "later").stdout
    for run in ("later", "whole"):
        told = tool("runs", "cancel", run)
        says = (
            f"tunix-rt-nb: {home / 'runs' / run}: is not running, so there is nothing to cancel\n"
        )
        assert (told.exit_code, told.stderr) == (2, says)
    told = tool("runs", "cancel", "nowhere")
    assert told.exit_code == 2 and "run: unknown 'nowhere'" in told.stderr
    assert "runs cancel quickstart" in tool("runs", "cancel", "--help").stdout


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


def test_a_board_says_where_its_runs_were_asked_otherwise(home: Path) -> None:
    evaluated(home, "one")
    assert "temperature" not in tool("runs", "leaderboard").stdout
    warm = predictions([right(t) for t in TRACES])
    warm = [{**p, "sample": k, "temperature": 0.7} for k in range(2) for p in warm]
    complete(trained(home, "two"), warm, warm)
    head, *rows = tool("runs", "leaderboard").stdout.splitlines()[2:5]
    assert head.split()[-2:] == ["samples", "temperature"]
    assert rows[0].split()[-2:] == ["2", "0.7"]


def test_a_run_is_shown_with_parameters_and_scores(home: Path) -> None:
    evaluated(home, "one", n_right=9)
    told = tool("runs", "show", "one").stdout
    assert "4_train" in told and "STEPS" in told
    assert "answers after, 95 % interval" in told
    assert "all, in the style exactly" in told
    assert "12 items are few: the interval is" in told
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
    told = tool("runs", "harness", "one", "-o", str(home / "core"), "--eval-set", "core-v1")
    assert "--tasks core-v1" in told.stdout
    assert len((home / "core/core-v1.jsonl").read_text().splitlines()) == 510
    chat = [{"role": "system", "content": "Be brief."}]
    files.write_lines(home / "chats.jsonl", [{**items[0], "earlier_messages": chat}])
    tool("runs", "harness", "one", "-o", str(home), "--eval-set", str(home / "chats.jsonl"))
    [line] = files.read_lines(home / "chats.jsonl")
    assert (line["system"], line["asked"]) == ("Be brief.", "?")
    told = tool("runs", "harness", "one", "-o", "x", "--eval-set", "core")
    assert told.exit_code == 2 and "eval set: unknown 'core', did you mean core-v1" in told.stderr


def logged(path: Path, rows: list[tuple[str, str, str]]) -> str:
    """Samples of lm-evaluation-harness: ids, prompts and responses."""
    files.write_lines(
        path, [{"doc": {"id": n, "prompt": p}, "resps": [[said]]} for n, p, said in rows]
    )
    return str(path)


def test_answers_from_the_harness_are_graded(home: Path) -> None:
    evaluated(home)
    said = [(t.id, t.prompt, right(t) if n < 9 else wrong(t)) for n, t in enumerate(TRACES)]
    path = logged(home / "samples_one.jsonl", said)
    told = tool("runs", "grade", "one", path, "-o", str(home / "theirs.jsonl"))
    assert told.stdout.startswith("75.0% of 12 answers right (46.8% to 91.1%), 75.0% in the style")
    assert "12 items are few" in told.stderr
    theirs = tool("runs", "compare", "one", str(home / "theirs.jsonl"), "--json")
    assert json.loads(theirs.stdout)["difference"] == 0.0
    other = tool("runs", "grade", "one", path, "--eval-set", "core-v1")
    assert other.exit_code == 2 and "are of another eval set" in other.stderr


def test_answers_to_an_eval_set_are_graded(home: Path) -> None:
    evaluated(home, style="tags")
    items = evalset.read("core-v1")
    path = logged(home / "x.jsonl", [(n, t.prompt, respond(t, "tags")) for n, t in items[:60]])
    card = json.loads(tool("runs", "grade", "one", path, "--eval-set", "core-v1", "--json").stdout)
    assert (card["primary_score"], card["strict_score"], card["n_scored"]) == (1.0, 1.0, 60)
    assert card["skipped"] == {"without a sample": 450}


@pytest.fixture
def trainer(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of training: a run with four of twelve right answers, in no time."""

    def run(run_dir: Path, *arguments: object, **how: object) -> list[chain.StepReport]:
        evaluated(home, run_dir.name, n_right=4)
        return [chain.StepReport("evaluate", 1.0, skipped=False)]

    monkeypatch.setattr(chain, "run", run)


@pytest.mark.usefixtures("trainer")
def test_a_run_in_batch_that_regresses_ends_with_1(home: Path) -> None:
    evaluated(home, "good", n_right=9)
    evaluated(home, "bad", n_right=4)
    for name, code in (("good", 1), ("bad", 0)):
        tool("runs", "baseline", name, name, "--take")
        told = tool("run", "--set", f"BASELINE={name}", "--json")
        assert told.exit_code == code, told.output
        assert ("regressed: primary_score is 0.3333" in told.stderr) == bool(code)
    line = json.loads(told.stdout.splitlines()[-1])
    assert line["after"]["strict_accuracy"] == line["after"]["accuracy"] == pytest.approx(1 / 3)
    assert line["warnings"] == [
        "12 items are few: the interval is 47 points wide, 50 items and more decide better"
    ]
    assert "12 items are few" in told.stderr


def test_a_baseline_that_is_not_there_is_said_before_anything_runs(home: Path) -> None:
    told = tool("run", "--set", "BASELINE=none")
    assert told.exit_code == 2
    assert "none.json does not exist, make it from a run: tunix-rt-nb runs" in told.stderr
    assert not (home / "runs").exists()


def test_a_judge_that_is_not_there_is_said_in_a_line(home: Path) -> None:
    evaluated(home)
    told = tool("runs", "judge", "one", "--judge", "localhost", "--model", "gemma")
    assert told.exit_code == 2
    assert "address is invalid" in told.stderr


def test_models_are_promoted_listed_shown_and_verified(home: Path) -> None:
    evaluated(home, "one", n_right=9)
    told = tool("models", "promote", "one", "--as", "sums")
    assert told.stdout.startswith("sums/v1  sha256 ")
    assert "exists already" in tool("models", "promote", "one", "--as", "sums").stdout
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
    assert "model.safetensors: was changed or removed" in broken.stdout
