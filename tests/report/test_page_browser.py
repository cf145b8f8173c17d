"""The page of a run and the HTML of notebooks in a real Chromium, on a laptop and on a phone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import browser
from tests.helpers.run_folders import TRACES, evaluated, predictions, right, wrong
from tests.report.test_improved import improved
from tunix_rt_nb import report
from tunix_rt_nb.common import files
from tunix_rt_nb.models import Tokenizer, train_tokenizer
from tunix_rt_nb.render import encode
from tunix_rt_nb.trace import respond
from tunix_rt_nb.trace.chat import render

pytestmark = [pytest.mark.slow, browser.needs_browser]
LOOKS: list[tuple[int, Any]] = [(w, s) for w in (390, 1280) for s in ("light", "dark")]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser.chromium() as one:
        yield one


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = evaluated(tmp_path_factory.mktemp("home"))
    losses = [{"step": n, "loss": 4.0 / n} for n in range(1, 9)]
    files.write_lines(run / "4_train" / "metrics.jsonl", losses)
    improved(run)
    return report.write_page(run)


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a page with what notebooks show, on the grounds of JupyterLab."""
    tokenizer = Tokenizer(train_tokenizer([*map(respond, TRACES)], 400))
    [example] = encode([render(TRACES[0])], tokenizer, ["x"])
    answers = predictions([wrong(TRACES[0]), right(TRACES[1])], TRACES[:2])
    parts = [
        report.traces_html(TRACES, {"arithmetic"}),
        report.mask_html(example, tokenizer),
        report.predictions_html(answers),
        report.watched_html([answers, answers]),
    ]
    style = (
        "body { background: #fff; color: #000 }"
        "@media (prefers-color-scheme: dark) { body { background: #111; color: #fff } }"
    )
    path = tmp_path_factory.mktemp("notebook") / "x.html"
    head = (
        f"<!DOCTYPE html><html lang=en><meta charset=utf-8><title>x</title><style>{style}</style>"
    )
    view = '<meta name="viewport" content="width=device-width">'
    path.write_text(f"{head}{view}<body>" + "".join(part.data for part in parts))
    return path


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_the_page_reads_in_both_themes_and_on_a_phone(
    chromium: Any, page: Path, width: int, scheme: Any
) -> None:
    with browser.opened(chromium, width, scheme) as (shown, errors):
        shown.goto(page.as_uri())
        assert errors == []
        assert browser.violations(shown) == []
        assert not browser.scrolls_sideways(shown)
        ground = shown.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(17, 20, 24)"}[scheme]


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_what_notebooks_show_reads_in_both_themes_and_on_a_phone(
    chromium: Any, notebook: Path, width: int, scheme: Any
) -> None:
    with browser.opened(chromium, width, scheme) as (shown, errors):
        shown.goto(notebook.as_uri())
        shown.click("summary")  # the folded tasks too
        assert errors == []
        assert [one for one in browser.violations(shown) if "contrast" in one] == []
        assert not browser.scrolls_sideways(shown)


def test_a_right_answer_stands_beside_a_wrong_one_and_below_it_on_a_phone(
    chromium: Any, page: Path
) -> None:
    for width, beside in ((1280, True), (390, False)):
        with browser.opened(chromium, width) as (shown, _):
            shown.goto(page.as_uri())
            bad, good = (
                shown.locator(f".pair:has(article + article) .{kind}").first.bounding_box()
                for kind in ("wrong", "good")
            )
            assert bad and good
            assert (good["y"] == bad["y"]) is beside
