"""Tests of the memory and time of rounds, which follow from those of their programs."""

from typing import Any

import pytest

from tunix_rt_nb.train import preflight
from tunix_rt_nb.train.preflight import findings

GIB = 2**30
HOW = {
    "ROUNDS": 3,
    "PROMPTS": 64,
    "GROUP": 8,
    "ROUND_STEPS": 10,
    "EVAL_BATCH_SIZE": 200,
    "MAX_NEW_TOKENS": 100,
}


def program(needed: int, seconds: float = 0.0, **parts: int) -> Any:
    told = {"fits": True, "needed": needed, "available": 15 * GIB, "parts": parts}
    return {**told, "seconds": seconds}


def rounds(optimizer: int) -> findings.Rounds:
    step = program(9 * GIB, 2.0, weights=GIB, optimizer=optimizer)
    answers: Any = {
        "fits": True,
        "prefill": program(8 * GIB, 1.0),
        "decode": program(7 * GIB, 0.01),
    }
    return preflight.of_rounds(step, answers, HOW)


def test_the_optimiser_and_the_model_of_the_start_stay_while_a_model_answers() -> None:
    found = rounds(2 * GIB)
    assert found["needed"] == (8 + 2 + 1) * GIB
    assert found["fits"]


def test_a_round_is_all_batches_of_answers_and_then_all_steps() -> None:
    found = rounds(2 * GIB)
    assert found["answering"] == pytest.approx(3 * (1.0 + 100 * 0.01))  # 512 answers, 200 at a time
    assert found["learning"] == pytest.approx(10 * 2.0)
    assert found["hours"] == pytest.approx(3 * 26.0 / 3600)
    assert "at least 6 s to answer and 20 s to learn" in preflight.page_of_rounds(found)


def test_rounds_that_do_not_fit_are_told_without_a_time() -> None:
    found = rounds(7 * GIB)
    assert not found["fits"]
    assert "hours" not in found
    assert preflight.page_of_rounds(found).startswith("answering in rounds: does not fit: needs 16")
