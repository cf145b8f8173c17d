"""What a chain tells of a notebook while it is executed, and what is left of that."""

import time
from pathlib import Path

import nbformat
import pytest

from tests.runs.test_chain import (
    road as road,  # a fixture
    write,
)
from tunix_rt_nb.common import live
from tunix_rt_nb.host import paths
from tunix_rt_nb.runs import chain, watching

BEGIN = "from tunix_rt_nb.runs import chain; s = chain.begin('generate', RUN_DIR)"
COUNTS = """
import time
from tunix_rt_nb import report
with report.training_progress(5) as told:
    for step in range(1, 6):
        time.sleep(0.6)
        told({"step": step, "loss": 1 / step, "tokens_per_second": 1_234})
"""


def display(id: str, text: str) -> dict[str, object]:
    return {"content": {"data": {"text/plain": text}, "transient": {"display_id": id}}}


def watch(monkeypatch: pytest.MonkeyPatch) -> tuple[watching.Watch, list[float]]:
    """A watch, and the time of its clock."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return watching.Watch(lambda state: None, lambda state: None), now


def test_a_notebook_is_starting_then_under_a_heading_for_so_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, now = watch(monkeypatch)
    now[0] = 3
    assert made.state() == "starting: 3 s"
    made.at_cell(cell=nbformat.v4.new_markdown_cell("# 4 · Train\n\nWords."))
    assert made.state() == "starting: 3 s"
    made.at_cell(cell=nbformat.v4.new_markdown_cell("## The model, before\n\nWords."))
    made.at_cell(cell=nbformat.v4.new_code_cell("x = '## no heading'"))
    now[0] = 83
    assert made.state() == "the model, before: 1 min 20 s"


def test_a_display_of_progress_counts_until_the_next_cell_and_no_other_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, _ = watch(monkeypatch)
    for transient in (None, {}, {"display_id": 7}):
        made.see({"content": {"data": {"text/plain": "x"}, "transient": transient}})
    made.see({"content": {"execution_state": "busy"}})
    made.see(display("another", "x"))
    assert made.state() == "starting: 0 s"
    made.see(display(f"{live.DISPLAY}-1", "1,240/2,400  loss\x1b[2J\n0.0213" + "x" * 500))
    assert made.state().startswith("1,240/2,400  loss\ufffd[2J 0.0213xxx")
    assert len(made.state()) == 120
    made.at_cell(cell=nbformat.v4.new_code_cell("x"))
    assert made.state() == "starting: 0 s"


@pytest.mark.slow
def test_the_progress_of_a_kernel_is_told_as_it_goes_and_one_display_is_left(
    road: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the log of a Kaggle session, which has no displays, gets the end as a line."""
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Batch")
    write(paths.NOTEBOOKS, "generate", [BEGIN, COUNTS, "_ = s.finish({})"])
    told: list[tuple[str, str]] = []
    folder = road / "home/runs/r"
    chain.run(folder, {}, to_step="generate", on_progress=lambda *state: told.append(state))
    kept = {path.name for path in folder.iterdir() if path.suffix != ".lock"}
    assert kept == {"1_generate", "1_generate.ipynb", "1_generate.log", "run.json"}
    assert {step for step, _ in told} == {"generate"}
    counted = [state for _, state in told if state.startswith(("1/5", "2/5", "3/5", "4/5"))]
    assert counted and " 1,234 tokens/s  " in counted[-1]
    display, stream = nbformat.read(folder / "1_generate.ipynb", as_version=4).cells[-2].outputs
    assert display.data["text/plain"].startswith("5/5  loss 0.3333  1,234 tokens/s  in ")
    assert stream.text == display.data["text/plain"] + "\n"
    assert 'aria-valuenow="5"' in display.data["text/html"]
