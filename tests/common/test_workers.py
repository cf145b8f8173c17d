"""Work that several processes share: the same results in the same order, and no process left."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tunix_rt_nb.common.workers import ordered


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes are started after the first job."""
    monkeypatch.setattr("tunix_rt_nb.common.workers._ALONE", 0.0)


def slow_double(number: int) -> tuple[int, int]:
    """A job; even ones take longer, so that a later job is done before."""
    time.sleep(0.02 * (number % 2 == 0))
    if number == 99:
        raise ValueError("ninety-nine")
    return 2 * number, os.getpid()


def killed_at(number: int, at: int) -> int:
    if number == at:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_results_come_in_the_order_of_the_jobs_from_several_processes() -> None:
    found = list(ordered(slow_double, range(30), processes=2))
    assert [result for result, _ in found] == list(range(0, 60, 2))
    assert len({process for _, process in found}) == 3  # this one did the first
    assert list(ordered(slow_double, [], processes=2)) == []


def test_no_more_jobs_are_taken_than_processes_are_at_work() -> None:
    taken: list[int] = []

    def jobs() -> Iterator[int]:
        for number in range(40):
            taken.append(number)
            yield number

    for done, _ in enumerate(ordered(slow_double, jobs(), processes=2), 1):
        assert len(taken) - done <= 2


def test_an_error_in_a_process_is_raised_here() -> None:
    with pytest.raises(ValueError, match="ninety-nine"):
        list(ordered(slow_double, range(80, 120), processes=2))


def test_a_killed_process_is_told() -> None:
    with pytest.raises(RuntimeError, match="was killed"):
        list(ordered(partial(killed_at, at=20), range(40), processes=2))


def runs(process: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False


@pytest.mark.slow
def test_the_processes_end_when_the_one_that_started_them_is_killed() -> None:
    code = (
        "from tests.common.test_workers import slow_double; from tunix_rt_nb.common.workers import ordered\n"
        "for r, pid in ordered(slow_double, range(10**6), processes=2): print(pid, flush=True)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    processes: set[int] = set()
    while len(processes) < 3:
        processes.add(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 20
    while any(map(runs, processes - {parent.pid})):
        assert time.monotonic() < deadline
        time.sleep(0.05)
