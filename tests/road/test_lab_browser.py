"""Live progress in a real JupyterLab: what a browser shows while notebooks 4 and 5 run."""

import itertools
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import nbformat
import pytest

from tests.helpers import browser
from tunix_rt_nb import dataset, render, runs, tasks
from tunix_rt_nb.common import files
from tunix_rt_nb.store import TraceStore

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = [pytest.mark.slow, browser.needs_browser]
STEPS = 150
SMALL = {"STEPS": STEPS, "BATCH_SIZE": 1, "EVAL_EVERY": 50, "EVAL_EXAMPLES": 8}
SMALL |= {"ITEMS": 4, "MAX_NEW_TOKENS": 8, "EVAL_BATCH_SIZE": 2}
LONG = 120  # seconds that a busy machine may take to import JAX and compile
ENDED = rf"{STEPS}/{STEPS}  loss \d\.\d{{4}}  [\d,]+ tokens/s  in \d+ .+"
RUNNING = rf"\d+/{STEPS}  loss \d\.\d{{4}}  [\d,]+ tokens/s  \d+ (s|min.*) left"
LOOK = """display => [
    [...display.querySelectorAll(".told span")].map(part => part.textContent).join("  "),
    display.querySelector("[role=progressbar] > div").style.width]"""
# No question about news, no look for updates, and nothing found in this user's own folders.
QUIET = {"fetchNews": "false", "checkForUpdates": False}


class Seen(NamedTuple):
    """What a display shows at a time in seconds: its text, and how long its bar is, in percent."""

    at: float
    told: str
    bar: float


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home whose run is rendered, with a notebook of the cells of the steps after it."""
    home = tmp_path_factory.mktemp("home")
    run = home / "runs" / "small"
    step = runs.begin("generate", str(run))
    TraceStore(step.folder / "traces").add(tasks.draw("arithmetic", 60, 0), "2026-01-01T00:00:00Z")
    step.finish({"traces": 60})
    step = runs.begin("build", str(run))
    spec = dataset.DatasetSpec(dataset_name="small", dataset_version="v1", eval_fraction=0.3)
    built = dataset.build(TraceStore(step.inputs["generate"] / "traces"), spec, step.folder)
    step.finish({"dataset": built.name})
    step = runs.begin("render", str(run))
    tokenizer = render.tokenizer_for("tiny", built, 400, "gemma", "numbered", "")
    render.render_dataset(built, step.folder, tokenizer, "gemma", "numbered", 96, "")
    step.finish({})
    nbformat.write(notebook(run), home / "small.ipynb")
    return home


def notebook(run: Path) -> nbformat.NotebookNode:
    """Return a notebook of the cells of 4_train and 5_evaluate, up to the answers."""
    given = "\n".join(
        f"{name} = {value!r}" for name, value in {**SMALL, "RUN_DIR": str(run)}.items()
    )
    made = nbformat.v4.new_notebook()
    made.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    for step in ("train", "evaluate"):
        for cell in nbformat.read(runs.notebook_of(step), as_version=4).cells:
            if cell.cell_type != "code":
                continue
            made.cells.append(nbformat.v4.new_code_cell(cell.source))
            if "parameters" in cell.metadata.get("tags", []):
                made.cells.append(nbformat.v4.new_code_cell(given))
            if "answering_progress" in cell.source:
                return made
    raise AssertionError("no cell of 5_evaluate answers")


@pytest.fixture(scope="module")
def address(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve JupyterLab as someone who starts it for the first time."""
    own = tmp_path_factory.mktemp("jupyter")
    settings = own / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    files.write_json(settings / "notification.jupyterlab-settings", QUIET)
    folders = {f"JUPYTER_{name}_DIR": str(own / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    lab = {f"JUPYTERLAB_{name.upper()}_DIR": str(own / name) for name in ("settings", "workspaces")}
    env = {**os.environ, **folders, **lab, "IPYTHONDIR": str(own), "TUNIX_RT_HOME": str(home)}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--port=0"]
    command += ["--ip=127.0.0.1", "--LabApp.extension_manager=readonly"]
    with (own / "log").open("w") as log:
        server = subprocess.Popen(command, cwd=home, env=env, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield _address(server, own)
    finally:
        server.terminate()  # the kernel too
        server.wait(timeout=60)


def _address(server: "subprocess.Popen[bytes]", own: Path) -> str:
    """Wait until the server tells its address, as it does in a file."""
    until = time.monotonic() + LONG
    while not (found := list((own / "RUNTIME").glob("jpserver-*.json"))):
        assert server.poll() is None and time.monotonic() < until, (own / "log").read_text()[-3000:]
        time.sleep(0.1)
    told = files.read_json(found[0])
    return f"{told['url']}lab/tree/small.ipynb?token={told['token']}"


def cell(page: "Page", source: str) -> "Locator":
    """Return the cell whose source has this text."""
    return page.locator(".jp-CodeCell").filter(has=page.locator(".jp-InputArea", has_text=source))


def look(display: "Locator") -> Seen:
    """Read a display all at once, as it may be replaced any moment. More than one is an error."""
    told, width = display.evaluate(LOOK)
    return Seen(time.monotonic(), told, float(width.removesuffix("%")))


def choose(page: "Page", *menus: str) -> None:
    """Choose an entry of a menu, as Run > Run All Cells."""
    for name in menus:
        label = page.locator(".lm-MenuBar-itemLabel, .lm-Menu-itemLabel")
        label.filter(has_text=re.compile(f"^{name}$")).click()


def watch(page: "Page") -> list[Seen]:
    """Look at the training's display four times a second until it says how long all took."""
    display, until = cell(page, "training_progress").locator(".trnb-live"), time.monotonic() + LONG
    display.wait_for(timeout=LONG * 1000)
    seen = [look(display)]
    while " in " not in seen[-1].told:
        assert time.monotonic() < until, seen
        page.wait_for_timeout(250)
        seen.append(look(display))
    return seen


def test_a_notebook_in_jupyterlab_tells_how_far_it_is_while_it_trains_and_answers(
    home: Path, address: str
) -> None:
    with browser.page() as (page, errors):
        page.goto(address)
        cell(page, "training_progress").wait_for()
        choose(page, "Run", "Run All Cells")
        seen = watch(page)
        page.get_by_text("after training: 4 answers graded").wait_for(timeout=LONG * 1000)
        moves(seen)
        before, after = cell(page, "answering_progress").locator(".trnb-live").all()
        assert re.fullmatch(r"4/4 answered before training  .+ a second  in .+", look(before).told)
        assert re.fullmatch(r"4/4 answered after training  .+ a second  in .+", look(after).told)
        stays(page, home, seen[-1])
        readable(page)
    assert errors == []


def moves(seen: list[Seen]) -> None:
    """Check that what is seen of a training changes all the time, and says what it should."""
    steps = [one for one in seen if one.told[0].isdigit()]
    assert any(re.fullmatch(RUNNING, one.told) for one in steps), seen
    assert sorted(one.bar for one in steps) == [one.bar for one in steps]
    changes = [next(same) for _, same in itertools.groupby(steps, lambda one: one.told)]
    assert all(b.at - a.at < 10 for a, b in itertools.pairwise(changes)), seen


def stays(page: "Page", home: Path, last: Seen) -> None:
    """Check that the page and the saved notebook keep the end of the training."""
    assert re.fullmatch(ENDED, last.told)
    assert last.bar == 100
    assert look(cell(page, "training_progress").locator(".trnb-live"))[1:] == last[1:]
    assert page.locator(".trnb-live").count() == 3
    page.keyboard.press("Control+s")
    page.locator(".jp-mod-dirty").wait_for(state="detached")
    stored = nbformat.read(home / "small.ipynb", as_version=4).cells
    [trained] = [one for one in stored if "training_progress" in one.source]
    [shown] = [one.data for one in trained.outputs if one.output_type == "display_data"]
    assert shown["text/plain"] == last.told
    assert "width:100.0%" in shown["text/html"]


def readable(page: "Page") -> None:
    """Check the displays in both themes."""
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        choose(page, "Settings", "Theme", theme)
        light = f"document.body.dataset.jpThemeLight == '{str(theme.endswith('Light')).lower()}'"
        page.wait_for_function(light)
        assert browser.violations(page, only=".trnb-live") == []
