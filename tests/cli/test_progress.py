"""Progress on the command line: a line that moves on a terminal, a line now and then elsewhere."""

import contextlib
import fcntl
import json
import os
import pty
import re
import struct
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from tunix_rt_nb import runs
from tunix_rt_nb.cli import main, progress, terminal


class Screen:
    """A terminal of 40 columns that stands in the place of stderr."""

    def __init__(self, master: int) -> None:
        self._master, self._text = master, ""
        os.set_blocking(master, False)

    @property
    def text(self) -> str:
        """All that the terminal got so far."""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._master, 4096):
                self._text += data.decode()
        return self._text

    @property
    def rows(self) -> list[str]:
        """What one sees in the end."""
        return [row.rpartition("\r\x1b[K")[2] for row in self.text.split("\r\n")]


@contextlib.contextmanager
def seen() -> Iterator[Screen]:
    """Lets a terminal take the place of stderr, in the test itself: pytest sets it anew before."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    with os.fdopen(slave, "w") as stderr, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TERM", "xterm")
        patch.setattr(sys, "stderr", stderr)
        yield Screen(master)
    os.close(master)


def test_each_text_takes_the_place_of_the_last_and_in_the_end_nothing_is_left() -> None:
    with seen() as screen:
        with progress.line() as line:
            line("one")
            line("two, and more than the forty columns of this terminal")
        assert screen.text == ("\r\x1b[Kone\r\x1b[Ktwo, and more than the forty columns of\r\x1b[K")
        assert screen.rows == [""]


def test_what_is_printed_goes_above_the_line() -> None:
    with seen() as screen:
        with progress.line() as line:
            line("running")
            terminal.echo("a result", err=True)
            terminal.echo("another", err=True)
            line("running on")
        assert screen.rows == ["a result", "another", ""]


def test_a_step_is_one_line_that_the_next_word_about_it_replaces() -> None:
    with seen() as screen:
        with progress.line() as line:
            told = progress.of_chain(line)
            told["on_start"]("train")
            told["on_progress"]("train", "1,240/2,400  loss 0.0213")
            terminal.echo(f"  {runs.stem('train'):<12}   12.0 s", err=True)
        assert "\r\x1b[K  4_train       1,240/2,400  loss 0.021" in screen.text
        assert screen.rows == ["  4_train        12.0 s", ""]


def test_an_interruption_leaves_no_line() -> None:
    with seen() as screen:
        with pytest.raises(KeyboardInterrupt), progress.line() as line:
            line("running")
            raise KeyboardInterrupt
        assert screen.rows == [""]


def test_text_of_unknown_origin_is_safe_on_the_line() -> None:
    with seen() as screen:
        with progress.line() as line:
            line("evil\x1b[2J\nname\x9b31m")
        assert "evil\ufffd[2J name\ufffd31m" in screen.text


def test_without_a_terminal_there_is_a_line_every_ten_seconds_and_none_at_first(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with progress.line() as line:
        for second in range(25):
            now = float(second)
            line(f"at {second}")
        line.begin()
        for second in range(25, 40):
            now = float(second)
            line(f"at {second}")
    assert capfd.readouterr().err.splitlines() == ["at 9", "at 18", "at 33"]


def test_on_a_terminal_that_cannot_wipe_a_line_nothing_moves() -> None:
    with seen() as screen, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TERM", "dumb")
        with progress.line() as line:
            line("running")
        assert screen.text == ""


def test_a_terminal_that_is_gone_ends_no_work() -> None:
    def gone(text: str) -> None:
        raise BrokenPipeError

    progress.Line(gone, None).wipe()
    line = progress.Line(gone, 0)
    line("running")
    line.wipe()


def test_progress_is_a_bar_if_the_total_is_known_and_a_clock_if_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    clock, bar = progress.Progress("exporting"), progress.Progress("reading", 1_000)
    now = 30.0
    assert str(clock) == "  exporting, 30 s"
    assert str(bar) == f"  [{'':<24}]   0%  reading"
    bar.read(5_000, 500)
    bar.read(5_000, 250)
    assert str(bar) == f"  [{'#' * 18:<24}]  75%  10,000 lines read  10 s left"
    bar.read(1, 9_999)  # a file may grow
    assert str(bar) == f"  [{'#' * 24}] 100%  10,001 lines read"
    clock.say("compiling")
    now = 100.0
    assert str(clock) == "  compiling, 1 min 10 s"


def test_things_are_counted_as_they_are_done() -> None:
    made = progress.Progress("graded", 3)
    found = [(item, made.done) for item in made.through("abc")]
    assert found == [("a", 0), ("b", 1), ("c", 2)]
    assert made.done == 3


def test_a_second_of_work_shows_nothing_and_a_longer_one_does() -> None:
    with seen() as screen:
        with progress.progress("exporting"):
            pass
        with progress.progress("exporting"):
            while not screen.text:
                time.sleep(0.05)
        assert re.fullmatch(r"(\r\x1b\[K  exporting, \d s)+\r\x1b\[K", screen.text)
        assert screen.rows == [""]


def test_the_size_of_files_leaves_out_what_is_none(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(7))
    assert progress.size([tmp_path / "a", tmp_path, tmp_path / "missing", Path("-")]) == 7


def test_a_short_command_says_nothing_of_its_progress(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text("\n".join(json.dumps({"answer": "5", "expected": "5"}) for _ in range(3)))
    told = CliRunner().invoke(main, ["grade", "--file", str(path)])
    assert told.stderr == ""
    assert len(re.findall("^1 ", told.stdout, re.MULTILINE)) == 3
