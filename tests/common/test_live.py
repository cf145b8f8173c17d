"""Signs of life: how long it took in words, and calls that come again and again."""

import contextvars
import threading
import time
from typing import Any

import pytest
from hypothesis import given, strategies as st

from tunix_rt_nb.common import live

SECONDS = {"d": 86_400, "h": 3_600, "min": 60, "s": 1}


@given(st.floats(0, 1e7))
def test_a_duration_is_told_in_at_most_two_units_and_is_off_by_less_than_the_smaller(
    seconds: float,
) -> None:
    words = live.duration(seconds).split()
    units = words[1::2]
    assert 1 <= len(units) <= 2
    told = sum(int(n) * SECONDS[unit] for n, unit in zip(words[::2], units, strict=True))
    assert 0 <= seconds - told < (SECONDS[units[0]] if units[0] != "s" else 1)
    if len(units) == 2:
        assert seconds - told < SECONDS[units[1]]


def test_a_time_that_has_passed_is_no_time() -> None:
    assert live.duration(-3) == live.duration(0) == "0 s"


def test_texts_are_passed_on_once_in_so_many_seconds_and_not_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    told: list[str] = []
    tell = live.every(10, told.append)
    for k in range(0, 350, 5):
        now = k / 10
        tell(str(now))
    assert told == ["10.0", "20.0", "30.0"]


def test_a_function_is_called_in_another_thread_until_the_block_ends() -> None:
    called = threading.Event()
    value: contextvars.ContextVar[str] = contextvars.ContextVar("value")
    value.set("of the block")
    found: list[Any] = []

    def call() -> None:
        found.append((threading.current_thread(), value.get()))
        called.set()

    with live.ticking(call, 0.01):
        assert called.wait(10)
    count = len(found)
    time.sleep(0.05)
    assert len(found) == count
    assert {(thread is threading.main_thread(), text) for thread, text in found} == {
        (False, "of the block")
    }


def test_an_error_in_the_block_ends_the_calls_too() -> None:
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt), live.ticking(lambda: None, 0.01):
        raise KeyboardInterrupt
    assert threading.active_count() == before
