"""The parts of the panel: tables, choices, files, and work in a thread."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from tunix_rt_nb.common import InputError
from tunix_rt_nb.panel import card, parts
from tunix_rt_nb.panel.work import Work

widgets = parts.widgets


def until(holds: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


@given(st.text())
def test_no_text_of_a_table_acts_as_markup(text: str) -> None:
    shown = parts.table([{text: text}], text)
    assert shown.count("<") == parts.table([{"a": "b"}], "c").count("<")


def test_numbers_of_a_table_stand_to_the_right() -> None:
    shown = parts.table([{"n": 1200, "share": "1.5%", "name": "x"}, {"n": 7}], "t")
    assert shown.count("class=trnb-number") == 6
    assert "1,200" in shown


def test_a_choice_is_kept_as_long_as_it_can_be() -> None:
    chooser = widgets.Dropdown()
    parts.choose(chooser, [("a", 1), ("b", 2)])
    assert chooser.value == 1
    chooser.value = 2
    parts.choose(chooser, [("b", 2), ("c", 3)])
    assert chooser.value == 2
    parts.choose(chooser, [("c", 3)])
    assert chooser.value == 3
    parts.choose(chooser, [])
    assert chooser.value is None


def test_a_written_file_is_told_with_its_path_and_size(tmp_path: Path) -> None:
    path = tmp_path / "<x>.txt"
    path.write_bytes(b"12345")
    told = parts.written(path, "Job")
    assert "&lt;x&gt;.txt</code>, 5 bytes." in told
    assert "base64,MTIzNDU=" in told


def test_a_large_file_is_told_without_a_link(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with path.open("wb") as file:
        file.truncate((8 << 20) + 1)
    assert "href" not in parts.written(path, "Job")


def test_a_card_shows_no_html_and_no_picture_of_its_own() -> None:
    shown = card.to_html(
        "---\nlicense: x\n---\n# A\n<script>1</script>\n\n![p](http://e/x.png) [l](javascript:x)\n\n"
        "| a |\n| --- |\n| b |\n"
    )
    assert "<script" not in shown
    assert "<img" not in shown
    assert "javascript:" not in shown
    assert "license" not in shown
    assert "<td>b</td>" in shown


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (InputError("STEPS: is <0"), "STEPS: is &lt;0"),
        (PermissionError(13, "Permission denied", "/x"), "/x: Permission denied"),
        (KeyError("a"), "KeyError: &#x27;a&#x27;"),
    ],
)
def test_an_error_is_told_in_one_line_and_the_buttons_are_free_again(
    error: Exception, told: str
) -> None:
    def fail() -> str:
        raise error

    button = widgets.Button()
    work = Work(button)
    work("Working", fail)
    until(lambda: "alert" in work.line.value)
    assert told in work.line.value
    until(lambda: not button.disabled)


def test_a_button_is_disabled_as_long_as_its_work_lasts() -> None:
    button, go = widgets.Button(), threading.Event()
    work = Work(button)
    work("Counting", lambda: str(go.wait(20)))
    assert button.disabled
    assert "Counting …" in work.line.value
    go.set()
    until(lambda: not button.disabled)
    assert "True" in work.line.value


def test_of_what_is_asked_meanwhile_the_last_is_done() -> None:
    go, done = threading.Event(), list[int]()
    work = Work()
    work("", lambda: str(go.wait(20)))
    for n in range(3):
        work("", lambda n=n: done.append(n))  # type: ignore[misc]
    go.set()
    until(lambda: done)
    time.sleep(0.05)
    assert done == [2]
