"""The page of all runs: whole in itself, readable without scripts, and no text in it is markup."""

import os
from pathlib import Path

import pytest

from tests.helpers.run_folders import evaluated, trained
from tests.report.test_page import Reader
from tunix_rt_nb import report
from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.report import index
from tunix_rt_nb.report.overlay import Losses, overlay, read_losses

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUNIX_RT_HOME", str(tmp_path))
    return tmp_path


def with_losses(run: Path, **parameters: object) -> Path:
    files.write_lines(
        run / "4_train/metrics.jsonl", [{"step": k, "loss": 5 / k} for k in range(1, 9)]
    )
    told = files.read_json(run / "run.json")
    told["parameters"]["train"] |= parameters
    files.write_json(run / "run.json", told)
    return run


def read() -> Reader:
    return Reader(report.write_index().read_text())


def test_without_runs_the_page_says_so(home: Path) -> None:
    (home / "runs").mkdir()
    assert "No run is evaluated yet." in read().text


def test_runs_stand_on_their_boards_with_curves_links_and_what_differs(home: Path) -> None:
    one = with_losses(evaluated(home, "one", n_right=9), LEARNING_RATE=0.004)
    with_losses(evaluated(home, "two", n_right=3), LEARNING_RATE=0.001)
    evaluated(home, "tags", style="tags")
    (one / "report.html").write_text("x")
    page = read()
    assert page.elements["table"] == 3  # two boards and the datasets
    assert page.text.index("75.0 %") < page.text.index("25.0 %")
    assert "LEARNING_RATE" in page.text and "0.004" in page.text
    assert [value for name, value in page.attributes if name == "href"] == ["./one/report.html"]
    assert page.elements["title"] == 3  # the page's, and one for each curve
    assert "The losses of tags cannot be read." in page.text
    assert page.elements["script"] == page.elements["img"] == page.elements["link"] == 0
    assert ("scope", "row") in page.attributes and ("scope", "col") in page.attributes
    assert report.write_index().read_bytes() == report.write_index().read_bytes()


def test_damaged_and_unfinished_runs_are_listed_with_the_reason(home: Path) -> None:
    trained(home, "unfinished")
    (evaluated(home, "broken") / "5_evaluate/result.json").write_text("{")
    text = " ".join(read().text.split())
    assert "broken damaged evaluate 5_evaluate/result.json: is not JSON" in text
    assert "unfinished completed train not evaluated" in text


def test_hostile_names_and_values_show_as_text(home: Path) -> None:
    run = with_losses(evaluated(home, HOSTILE), SYSTEM="</style><script>alert(1)</script>")
    (run / "report.html").write_text("x")
    with_losses(evaluated(home, "javascript:alert(1)"), SYSTEM='"onload="x')
    evaluated(home, "odd").rename(home / "runs" / os.fsdecode(b"\xff\x1b[31m"))
    page = read()
    assert page.elements["script"] == page.elements["img"] == 0
    assert HOSTILE in page.text and "</style><script>" in page.text
    assert [value for name, value in page.attributes if name == "href"] == [
        "./%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E/report.html"
    ]
    assert not any((name or "").startswith("on") for name, _ in page.attributes)


def test_what_is_too_much_is_left_out_and_counted(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "_ROWS", 2)
    monkeypatch.setattr(index, "_CURVES", 1)
    monkeypatch.setattr(index, "_BOARDS", 1)
    for name in ("a", "b", "c"):
        with_losses(evaluated(home, name))
    evaluated(home, "tags", style="tags")
    text = " ".join(read().text.split())
    assert "2 runs without a curve here" in text
    assert "1 more run:" in text
    assert "1 more board:" in text


def test_curves_lie_on_one_log_scale(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    lines = [{"step": k, "loss": 10.0} for k in range(1, 241)]
    files.write_lines(path, [*lines, {"step": 240, "eval_loss": 0.1}, {"step": 9, "loss": 0.0}])
    losses = read_losses(path)
    assert len(losses.training) == 120 and losses.training[0] == (1.0, 10.0)
    found = overlay({"one": losses, "empty": Losses([], [])})
    assert found and found.steps == 240
    assert (
        found.lines["one"].path.startswith("M0.4 2.9 L")
        and found.lines["one"].dots == "M100.0 97.1h0"
    )
    assert found.lines["empty"].path == ""
    assert found.heights == {"0.1": "97.1", "1": "50.0", "10": "2.9"}
    assert overlay({}) is None


def test_a_damaged_line_of_the_losses_is_named(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "loss": "x"}\n')
    with pytest.raises(InputError, match="metrics.jsonl:1: expected a number for step and loss"):
        read_losses(path)
