"""The panel in a real Chromium, from an empty home to a finished chain and its report."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers import browser
from tunix_rt_nb import train
from tunix_rt_nb.common import files

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.slow, browser.needs_browser]
TINY = """TRACES={"arithmetic": 60}
EVAL_FRACTION=0.3
STEPS=20
MAX_LENGTH=96
ITEMS=4
MAX_NEW_TOKENS=8
EVAL_EXAMPLES=4
"""
LONG = 120_000  # milliseconds that a step of the chain may take on a busy machine


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def address(home: Path) -> Iterator[str]:
    """Serve the panel by its command; at the end it takes Ctrl-C and says so in one line."""
    home.mkdir()
    command = [sys.executable, "-m", "tunix_rt_nb.cli", "panel"]
    env = {**os.environ, "TUNIX_RT_HOME": str(home), "JUPYTER_TOKEN": ""}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    )
    assert process.stdout
    told = process.stdout.readline()
    found = re.fullmatch(r"The panel is at (http://127\.0\.0\.1:\d+/\?token=\w+)\n", told)
    try:
        assert found, told + process.communicate(timeout=10)[1]
        yield found[1]
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert errors == "The panel has ended.\n"
    assert process.returncode == 0


def tab(page: "Page", name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()


def press(page: "Page", name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def look(page: "Page") -> None:
    """Check the page as it is now: narrow and wide, light and dark."""
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        assert not browser.scrolls_sideways(page)
    dark: Any
    for dark in ("dark", "light"):
        page.emulate_media(color_scheme=dark)
        light = f"document.body.dataset.jpThemeLight == '{str(dark == 'light').lower()}'"
        page.wait_for_function(light)
        assert browser.violations(page) == []


def open_panel(page: "Page", address: str) -> None:
    page.goto(address)
    page.get_by_role("tab", name="Status").wait_for()


def test_the_whole_road_is_walked_in_the_panel(home: Path, address: str) -> None:
    with browser.page() as (page, errors):
        assert page.goto(address.partition("?")[0] + "?token=wrong")
        assert (
            page.get_by_role("tab", name="Status").count() == 0
        )  # nobody enters without the token
        errors.clear()
        open_panel(page, address)
        read_status(page)
        make_traces(page)
        read_traces(page)
        export(page, home)
        generate(page, home)
        page.close()
    with browser.page(390, "dark") as (page, later):
        open_panel(page, address)
        run_to_the_end(page)
        compare_and_report(page, home)
    assert errors == later == []


def read_status(page: "Page") -> None:
    page.get_by_role("cell", name="tunix_rt_nb", exact=True).wait_for()
    press(page, "Check again")
    page.get_by_text("Looking at this machine").wait_for()
    page.get_by_text("Looking at this machine").wait_for(state="hidden")
    look(page)
    for name in ("Traces", "Datasets", "Job", "Runs"):
        tab(page, name)
        page.get_by_text("in the tab Run").locator("visible=true").wait_for()


def make_traces(page: "Page") -> None:
    tab(page, "Run")
    settings = page.get_by_label("Settings, one a line")
    settings.fill("STEP=20")
    page.get_by_text("unknown 'STEP', did you mean STEPS?").wait_for()
    settings.fill(TINY)
    page.get_by_text("Works in").wait_for()
    page.get_by_label("To", exact=True).select_option(label="2_build")
    press(page, "Start")
    page.get_by_text("2_build ✓").wait_for(timeout=LONG)
    page.get_by_text("Finished. Everything is in").wait_for()
    look(page)


def read_traces(page: "Page") -> None:
    tab(page, "Traces")
    page.get_by_text("1 to 8 of 60 traces").wait_for()
    press(page, "Older")
    page.get_by_text("9 to 16 of 60 traces").wait_for()
    press(page, "Newer")
    page.get_by_text("1 to 8 of 60 traces").wait_for()
    line = page.get_by_role("button", name="arithmetic ·").nth(3)
    line.click()
    prompt = line.inner_text().partition(" · ")[2]
    card = page.locator(".trnb-card", has_text=prompt)
    card.wait_for()
    assert "✓" in card.inner_text()
    page.get_by_label("Text").fill("no such text")
    page.get_by_label("Text").press("Enter")
    page.get_by_text("No trace fits.").wait_for()
    page.get_by_label("Text").fill("")
    page.get_by_label("Text").press("Enter")
    page.get_by_text("1 to 8 of 60 traces").wait_for()
    look(page)


def export(page: "Page", home: Path) -> None:
    tab(page, "Datasets")
    page.get_by_text("What it is made of").wait_for()
    page.get_by_text("The card").click()
    page.get_by_label("Kind of file").select_option(label=".csv")
    press(page, "Export")
    link = page.get_by_role("link", name="Download")
    path = home / "data" / "exports" / "quickstart-v1-train-tunix_sft.csv"
    with page.expect_download() as download:
        link.click()
    assert Path(download.value.path()).read_bytes() == path.read_bytes() != b""
    look(page)


def generate(page: "Page", home: Path) -> None:
    tab(page, "Job")
    preview = page.get_by_label("The job as YAML")
    preview.get_by_text("num_epochs: 20").wait_for()
    page.get_by_label("Epochs").fill("1")
    preview.get_by_text("num_epochs: 1").wait_for()
    press(page, "Generate")
    page.get_by_text("its profile is set").wait_for()
    assert train.load_job(home / "data" / "jobs" / "quickstart-v1.yaml").training.num_epochs == 1
    look(page)
    tab(page, "Run")
    assert page.get_by_label("Profile or job").input_value().endswith("quickstart-v1.yaml")


def run_to_the_end(page: "Page") -> None:
    """Start the chain, stop it, close the page, start again, and watch it from another page."""
    tab(page, "Run")
    page.get_by_text("Finished. Everything is in").wait_for()  # that of the page before
    assert page.get_by_label("Settings, one a line").input_value() == TINY
    page.get_by_label("To", exact=True).select_option(label="5_evaluate")
    page.get_by_text("Works in").wait_for()
    press(page, "Start")
    page.get_by_text("Running …").wait_for()
    press(page, "Stop")
    page.get_by_text("stopped, ").last.wait_for(timeout=LONG)
    press(page, "Start")
    page.get_by_text("Running …").wait_for()
    page.reload()  # which ends the kernel of this page, but not the chain
    tab(page, "Run")
    page.get_by_text("Running …").wait_for()
    look(page)
    page.get_by_text("Finished. Everything is in").wait_for(timeout=2 * LONG)
    assert page.get_by_text("5_evaluate ✓").is_visible()


def compare_and_report(page: "Page", home: Path) -> None:
    tab(page, "Runs")
    page.get_by_role("heading", name="Board").wait_for()
    press(page, "Compare")
    page.get_by_text("0 items gained, 0 lost").wait_for()
    press(page, "Write the report")
    page.frame_locator("iframe").get_by_role("heading", name="quickstart").wait_for()
    assert (home / "runs" / "quickstart" / "report.html").exists()
    assert files.folders(home / "runs") == [home / "runs" / "quickstart"]
    look(page)
