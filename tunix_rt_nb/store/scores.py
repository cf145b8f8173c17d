"""Scores of traces: the baseline score, and the share of steps that a program can verify."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from tunix_rt_nb.trace import Trace


def score(trace: Trace, scored_at: str) -> dict[str, Any]:
    """Compute the baseline score, 0 to 100: half for ten steps, half for 500 characters a step.

    `steps_verified` (a share) and `answer_verified` are None if no known task made the trace.

    Example:
      >>> trace = Trace.of("p", [("a", "x" * 250)] * 5, "a")
      >>> score(trace, "2026-01-01T00:00:00Z")["score"]
      50.0
    """
    count = len(trace.steps)
    chars = sum(len(step.content) for step in trace.steps)
    step_score = min(count / 10, 1.0) * 50
    length_score = min(chars / count / 500, 1.0) * 50
    from tunix_rt_nb import tasks  # slow to load, and often not needed

    checked = tasks.check(trace)
    return {
        "score": round(step_score + length_score, 2),
        "details": {
            "step_count": count,
            "avg_step_length": round(chars / count, 2),
            "total_chars": chars,
            "step_score": round(step_score, 2),
            "length_score": round(length_score, 2),
            "criteria": "baseline",
            "scored_at": scored_at,
        },
        "steps_verified": checked and round(checked.share, 4),
        "answer_verified": checked and checked.answer,
    }


def summary(scored: Iterable[tuple[Trace, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Average the scores of the traces of each task. Return one row for each task."""
    sums: dict[str, list[float]] = defaultdict(lambda: [0, 0.0, 0, 0.0, 0])
    for trace, found in scored:
        of_task = sums[trace.task or "unknown"]
        of_task[0] += 1
        of_task[1] += found["score"]
        if found["steps_verified"] is not None:
            of_task[2] += 1
            of_task[3] += found["steps_verified"]
            of_task[4] += found["answer_verified"]
    return [
        {
            "task": task,
            "traces": count,
            "score": round(score / count, 2),
            "steps_verified": round(steps / known, 4) if known else None,
            "answers_verified": round(answers / known, 4) if known else None,
        }
        for task, (count, score, known, steps, answers) in sorted(sums.items())
    ]
