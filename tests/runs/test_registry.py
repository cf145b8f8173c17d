"""Runs beside each other: what is listed, and which of them are ranked with which."""

import fcntl
import json
from pathlib import Path

import pytest

from tests.helpers.run_folders import TRACES, complete, evaluated, predictions, right, trained
from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.runs import registry, states


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose name DuckDB would take for a pattern."""
    home = tmp_path / "a[1]*"
    monkeypatch.setenv("TUNIX_RT_HOME", str(home))
    return home


def ranks() -> dict[str, int]:
    return {row["run"]: row["rank"] for row in registry.leaderboard().ranked}


def test_where_nothing_was_run_nothing_is_listed() -> None:
    assert registry.listing() == []
    assert registry.leaderboard() == ([], [])


def test_a_run_is_listed_with_what_it_is_made_from_and_what_it_scored(home: Path) -> None:
    evaluated(home, n_right=9)
    [row] = registry.listing()
    assert (row["run"], row["state"], row["step"]) == ("one", "completed", "evaluate")
    assert (row["model"], row["dataset"], row["template"]) == ("tiny", "sums-v1", "gemma")
    assert (row["items"], row["before"], row["score"]) == (12, 0.0, 0.75)
    assert row["low"] and row["score"] and row["high"]
    assert row["low"] < row["score"] < row["high"]
    assert row["parameters"]["train"]["STEPS"] == 8
    assert (row["strict_score"], row["samples"], row["problem"]) == (0.75, 1, None)


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"run": "one"}, ["one"]),
        ({"score": {">": 0.5}}, ["one"]),
        ({"score": {">": 0.5, "<=": 0.7}}, []),
        ({"parameters.train.SEED": 1}, ["two"]),
        ({"state": {"in": ["completed", "failed"]}}, ["two", "one"]),
        ({"run": "' OR true --"}, []),
        ({"parameters.train.NOTHING": {"exists": True}}, []),
    ],
)
def test_runs_are_filtered_by_what_a_row_says(
    home: Path, filters: dict[str, object], found: list[str]
) -> None:
    evaluated(home, "one", n_right=9)
    evaluated(home, "two", n_right=3, seed=1)
    assert sorted(row["run"] for row in registry.listing(filters)) == sorted(found)


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(InputError, match="field: unknown 'scores', did you mean score"):
        registry.listing({"scores": 1})
    with pytest.raises(InputError, match="expected one of: run, state"):
        registry.listing({"step_count": 1})


def test_runs_that_answered_the_same_are_ranked_by_answers(home: Path) -> None:
    for name, n_right in (("a", 3), ("b", 9), ("c", 9), ("d", 6)):
        evaluated(home, name, n_right)
    assert ranks() == {"b": 1, "c": 1, "d": 3, "a": 4}
    assert len({row["board"] for row in registry.leaderboard().ranked}) == 1


def test_runs_that_answered_other_items_or_in_another_form_are_on_another_board(
    home: Path,
) -> None:
    evaluated(home, "one")
    evaluated(home, "fewer", traces=TRACES[:10])
    evaluated(home, "tags", style="tags")
    evaluated(home, "told", system="Be brief.")
    evaluated(home, "two")
    boards: dict[str, list[str]] = {}
    for row in registry.leaderboard().ranked:
        boards.setdefault(row["board"], []).append(row["run"])
    assert sorted(boards.values()) == [["fewer"], ["one", "two"], ["tags"], ["told"]]
    assert set(ranks().values()) == {1}  # though they did not do equally well


def test_the_order_of_items_does_not_matter(home: Path) -> None:
    evaluated(home, "one")
    evaluated(home, "two", traces=TRACES[::-1])
    assert len({row["board"] for row in registry.leaderboard().ranked}) == 1


def test_what_cannot_be_ranked_is_left_out_and_says_why(home: Path) -> None:
    evaluated(home, "good")
    trained(home, "unfinished")
    trained(evaluated(home, "trained-anew").parent.parent, "trained-anew", seed=5)
    altered = evaluated(home, "altered") / "5_evaluate" / states.PREDICTIONS
    altered.write_text(altered.read_text().replace("Answer: 4096", "Answer: 1"))
    result = evaluated(home, "damaged") / "5_evaluate" / "result.json"
    result.write_text("{")
    no_number = evaluated(home, "nan") / "5_evaluate" / "result.json"
    told = files.read_json(no_number)
    told["after"]["primary_score"] = float("nan")
    no_number.write_text(json.dumps(told))
    found = registry.leaderboard()
    assert [row["run"] for row in found.ranked] == ["good"]
    problems = {row["run"]: str(row["problem"]) for row in found.left_out}
    assert problems["unfinished"] == "not evaluated"
    assert "was made from another version of 4_train" in problems["trained-anew"]
    assert problems["altered"] == "predictions-after.jsonl was altered after the evaluation"
    assert "result.json: is not JSON" in problems["damaged"]
    assert problems["nan"] == "its score is nan, which is not a number"
    told = {row["run"]: row["state"] for row in registry.listing()}
    assert (told["trained-anew"], told["damaged"]) == ("outdated", "damaged")


def test_a_damaged_run_json_costs_only_what_it_says(home: Path) -> None:
    (evaluated(home) / "run.json").write_bytes(b"\xff{")
    [row] = registry.listing()
    assert (row["parameters"], row["model"], row["score"]) == ({}, "tiny", 0.75)


@pytest.mark.parametrize(
    ("exception", "held", "state"),
    [(True, False, "failed"), (None, False, "stopped"), (None, True, "running")],
)
def test_a_step_without_a_result_failed_was_stopped_or_is_under_way(
    home: Path, exception: bool | None, held: bool, state: str
) -> None:
    run = trained(home)
    (run / "5_evaluate").mkdir()
    told = {"metadata": {"papermill": {"exception": exception}}}
    files.write_json(run / "5_evaluate.ipynb", told)
    with (run / ".chain.lock").open("wb") as lock:
        if held:
            fcntl.flock(lock, fcntl.LOCK_EX)
        found = states.state(run)
    assert found == (state, "evaluate", f"{state} in evaluate")


def test_a_run_is_found_by_name_and_by_path(home: Path, tmp_path: Path) -> None:
    run = evaluated(home)
    elsewhere = trained(tmp_path / "elsewhere", "other")
    assert registry.find("one") == registry.find(str(run)) == run
    assert registry.row(registry.find(str(elsewhere)))["run"] == "other"
    with pytest.raises(InputError, match="run: unknown 'on', did you mean one"):
        registry.find("on")


def test_a_run_of_k_answers_an_item_asks_no_more_items(home: Path) -> None:
    evaluated(home, "one")
    run = trained(home, "many")
    answers = predictions([right(t) for t in TRACES])
    complete(run, answers + answers, answers)
    assert len({row["board"] for row in registry.leaderboard().ranked}) == 1
