from contextlib import redirect_stdout
from io import StringIO
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from tunix_rt_nb.report import answering_lines, training_lines


def told(n: int, done: list[int], lines: int = 5) -> list[str]:
    """What is printed while so many answers are done, one report after the other."""
    with redirect_stdout(StringIO()) as printed:
        report = answering_lines("before training", n, lines)
        for count in done:
            report(count)
    return printed.getvalue().splitlines()


def test_answering_is_told_in_five_lines() -> None:
    assert told(2_000, [*range(2_001)]) == [
        "before training:    400/2,000 answered",
        "before training:    800/2,000 answered",
        "before training:  1,200/2,000 answered",
        "before training:  1,600/2,000 answered",
        "before training:  2,000/2,000 answered",
    ]


def test_batches_that_pass_several_marks_at_once_are_one_line() -> None:
    assert told(100, [5, 19, 64, 64, 79, 100]) == [
        "before training:     64/100 answered",
        "before training:    100/100 answered",
    ]


def test_each_of_a_few_answers_is_told_once() -> None:
    assert told(2, [0, 1, 1, 2, 2]) == [
        "before training:      1/2 answered",
        "before training:      2/2 answered",
    ]


def test_of_no_questions_nothing_is_told() -> None:
    assert told(0, [0, 0]) == []


@given(
    st.integers(1, 3_000).flatmap(
        lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n)), st.integers(1, 12))
    )
)
def test_there_are_never_more_lines_than_asked_for_and_the_last_answer_is_told(
    how: tuple[int, set[int], int],
) -> None:
    n, some, lines = how
    printed = told(n, sorted(some | {n}), lines)
    assert 1 <= len(printed) <= lines
    counts = [int(line.split(":")[1].split("/")[0].replace(",", "")) for line in printed]
    assert counts[-1] == n
    assert all(one < two for one, two in pairwise(counts))
    assert set(counts) <= some | {n}
    shares = [count * lines // n for count in counts]
    assert all(one < two for one, two in pairwise([0, *shares]))


def test_two_reporters_count_each_for_itself() -> None:
    assert told(5, [5]) == told(5, [5]) == ["before training:      5/5 answered"]


def test_training_is_told_in_ten_lines_and_each_held_out_loss(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = training_lines(20)
    for step in range(1, 21):
        report({"step": step, "loss": 4 / step, "tokens_per_second": 1_234})
        if step in (7, 20):
            report({"step": step, "eval_loss": 0.5})
    printed = capsys.readouterr().out.splitlines()
    assert printed[:2] == [
        "step     2/20  loss 2.0000  1,234 tokens/s",
        "step     4/20  loss 1.0000  1,234 tokens/s",
    ]
    assert printed[3] == "step     7/20  held-out loss 0.5000"
    assert printed[-1] == "step    20/20  held-out loss 0.5000"
    assert len(printed) == 10 + 2
