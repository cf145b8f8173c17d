"""The process of formulas: killed when it takes too long, and passed over without its library."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tunix_rt_nb.evaluate.graders.process import Missing, Process

HUGE = "9^{9^{9^{9}}}"


@pytest.fixture
def process() -> Iterator[Process]:
    pytest.importorskip("math_verify")
    process = Process()
    yield process
    process.stop()


def test_formulas_are_compared_in_one_process_after_another(process: Process) -> None:
    assert process.equal(r"\sqrt{8}", r"2\sqrt{2}") is True
    first = process._started
    assert process.equal("x", "y") is False
    assert process.equal(r"\frac{", "y") is None
    assert process._started is first


@pytest.mark.slow
def test_what_takes_too_long_is_killed_and_the_next_question_answered(process: Process) -> None:
    assert process.equal("x", "x") is True
    first = process._started
    assert process.equal(HUGE, "x + 1", limit=0.5) is None
    assert first and first.poll() is not None
    assert process.equal("x", "x") is True


@pytest.mark.slow
def test_a_process_that_somebody_killed_is_replaced(process: Process) -> None:
    assert process.equal("x", "x") is True
    assert process._started
    process._started.kill()
    process._started.wait()
    assert process.equal("x", "x") is True


def test_threads_get_the_answers_to_their_own_questions(process: Process) -> None:
    found: dict[int, bool | None] = {}

    def ask(k: int) -> None:
        found[k] = process.equal(f"{k}x", f"x + {k - 1}x" if k % 2 else "x")

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(2, 14)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {k: bool(k % 2) for k in range(2, 14)}


def test_without_its_library_the_process_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "math_verify.py").write_text("raise ImportError('no such library')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    process = Process()
    for _ in range(2):
        with pytest.raises(Missing, match="no such library"):
            process.equal("x", "x")


def test_a_worker_that_ends_at_once_decides_nothing(
    process: Process, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ends.py").write_text("")
    monkeypatch.setattr("tunix_rt_nb.evaluate.graders.process._WORKER", tmp_path / "ends.py")
    assert process.equal("x", "x") is None
