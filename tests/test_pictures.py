"""The pictures of README.md: drawn from what the package does, in both themes, and not stale."""

import re
from xml.etree import ElementTree

import pytest

from tests.helpers import pictures
from tunix_rt_nb.host.paths import PROJECT
from tunix_rt_nb.report import theme

README = (PROJECT / "README.md").read_text(encoding="utf-8")
DRAWN = pictures.drawn()


@pytest.mark.parametrize("path", DRAWN, ids=lambda path: path.name)
def test_a_picture_is_as_it_is_drawn_now(path: pictures.Path) -> None:
    assert path.read_text(encoding="utf-8") == DRAWN[path], (
        "run .venv/bin/python -m tests.renew pictures"
    )


def test_every_picture_is_shown_in_both_themes_with_a_text_for_those_who_do_not_see_it() -> None:
    shown = re.findall(
        r'<source media="\(prefers-color-scheme: dark\)" srcset="docs/pictures/(.*)-dark.svg">\n'
        r'<img src="docs/pictures/(.*)-light.svg" width="560" alt="([^"]{40,})">',
        README,
    )
    assert {name for one in shown for name in one[:2]} == {
        path.stem.rpartition("-")[0] for path in DRAWN
    }
    assert {path.name for path in pictures.FOLDER.iterdir()} == {path.name for path in DRAWN}


@pytest.mark.parametrize("path", DRAWN, ids=lambda path: path.name)
def test_a_picture_is_svg_without_anything_from_elsewhere(path: pictures.Path) -> None:
    root = ElementTree.fromstring(DRAWN[path])
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags == {"svg", "rect", "text"}
    assert not re.search("href|url", DRAWN[path])


@pytest.mark.parametrize("path", DRAWN, ids=lambda path: path.name)
def test_nothing_is_drawn_outside_of_the_picture(path: pictures.Path) -> None:
    root = ElementTree.fromstring(DRAWN[path])
    for element in root.iter():
        place = {name: float(value) for name, value in element.items() if name in "xy"}
        wide = element.get("width") or element.get("textLength") or "0"
        assert place.get("x", 0) + float(wide) <= pictures.WIDTH
        assert place.get("y", 0) <= float(root.attrib["height"])


def test_the_wrong_step_is_the_one_that_the_checker_names() -> None:
    svg = DRAWN[pictures.FOLDER / "wrong-step-light.svg"].replace("\u00a0", " ")
    assert svg.count(theme.WRONG) == 1
    assert "step 4: expected" in svg and svg.count("✓") == 3


def test_the_bars_are_those_of_the_table() -> None:
    svg = DRAWN[pictures.FOLDER / "before-after-light.svg"].replace("\u00a0", " ")
    for _, *shares in pictures.ROW.findall(README):
        assert f"{shares[0]} → {shares[1]}%" in svg and f"{shares[2]} → {shares[3]}%" in svg
