"""Graders of the user: whether they can tell right answers from wrong ones."""

from collections.abc import Sequence

from tunix_rt_nb import evaluate
from tunix_rt_nb.common import InputError, one_line
from tunix_rt_nb.evaluate import Judge, Own
from tunix_rt_nb.trace import Trace

_TRIED = 8  # prompts; a judge is asked twice for each
_NO_ANSWER = "I do not know"


def check_grader(grader: Own | Judge | None, asked: Sequence[tuple[str, Trace]]) -> None:
    """Check that a grader scores expected answers higher than answers that are wrong.

    The wrong answers to a prompt are what is expected of another prompt, and that nobody knows. A
    model would soon find out if a grader accepted them.

    Args:
      grader: what `evaluate.named_grader` returns; None passes.
      asked: (id, trace) pairs; the first few that no task can verify are tried.

    Raises:
      InputError: the grader fails, or it scores half of the wrong answers too high.

    Example:
      >>> from pathlib import Path
      >>> own = Own(Path("mine.py"), lambda answer, expected, prompt: float(answer == expected))
      >>> check_grader(own, [("1", Trace.of("2 + 2?", [], "4")), ("2", Trace.of("3?", [], "3"))])
    """
    traces = [trace for _, trace in asked if evaluate.task_of(trace) is None][:_TRIED]
    if grader is None or not traces:
        return
    tried = [(trace, wrong) for trace in traces for wrong in _wrong(trace, traces)]
    bad = [(trace, wrong) for trace, wrong in tried if not _tells_apart(grader, trace, wrong)]
    if 2 * len(bad) >= len(tried):
        trace, wrong = bad[0]
        raise InputError(
            f"grader: scores {len(bad)} of {len(tried)} wrong answers as high as the expected one,"
            f" such as {one_line(wrong, 60)!r} to {one_line(trace.prompt, 60)!r}, so an attempt"
            " would be rewarded whatever it says"
        )


def _wrong(trace: Trace, others: Sequence[Trace]) -> list[str]:
    """Return wrong answers to a prompt."""
    right = trace.final_answer.casefold()
    answers = [other.final_answer for other in others if other.final_answer.casefold() != right]
    return [_NO_ANSWER, *answers[:1]]


def _tells_apart(grader: Own | Judge, trace: Trace, wrong: str) -> bool:
    """Tell whether the expected answer scores higher than a wrong one."""
    scores = [
        evaluate.mark(answer, trace.final_answer, trace.prompt, grader).score
        for answer in (trace.final_answer, wrong)
    ]
    return scores[0] > scores[1]
