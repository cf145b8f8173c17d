"""Scores of traces: the baseline score, and the share of steps that are verified as correct."""

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypedDict

from tunix_rt_nb.trace import OWN, Trace

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class Score(TypedDict):
    """The scores of a trace.

    Attributes:
      score: the baseline score, 0 to 100. The number of steps gives up to 50 points, all of them
        from 10 steps on. The mean length of a step gives up to 50, all of them from 500 characters
        on.
      details: what the score is computed from: `step_count`; `avg_step_length` and `total_chars`
        in characters; `step_score` and `length_score`, 0 to 50 points each; `criteria`, which is
        `baseline`; `scored_at`, the time, ISO 8601.
      steps_verified: the share of correct steps among those that can be checked, 0 to 1; a
        missing step counts as wrong. None if no step can be checked. If `meta.task` is none of
        `tasks.TASKS`, only steps with sums such as `2 + 2 = 4` can be checked.
      answer_verified: True if the answer is correct, False if it is wrong; None if `meta.task` is
        none of `tasks.TASKS`.
    """

    score: float
    details: dict[str, int | float | str]
    steps_verified: float | None
    answer_verified: bool | None


class TaskScore(TypedDict):
    """The means of the scores of a task's traces.

    Attributes:
      task: the name of the task; `unknown` for traces that name none.
      traces: the number of traces.
      score: the mean baseline score.
      steps_verified: the mean share of correct steps; None if no step could be checked.
      answers_verified: the share of correct answers; None if no answer could be checked.
    """

    task: str
    traces: int
    score: float
    steps_verified: float | None
    answers_verified: float | None


def score(trace: Trace, scored_at: str) -> Score:
    """Compute the scores of a trace.

    Args:
      trace: the trace.
      scored_at: the time to record, ISO 8601.

    Example:
      >>> trace = Trace.of("p", [("a", "x" * 250)] * 5, "a")
      >>> score(trace, "2026-01-01T00:00:00Z")["score"]
      50.0
    """
    count = len(trace.steps)
    chars = sum(len(step.content) for step in trace.steps)
    step_score = min(count / 10, 1.0) * 50
    length = chars / count if count else 0.0
    length_score = min(length / 500, 1.0) * 50
    from tunix_rt_nb import tasks  # slow to load, and often not needed

    checked = tasks.check(trace)
    share = checked.share
    return {
        "score": round(step_score + length_score, 2),
        "details": {
            "step_count": count,
            "avg_step_length": round(length, 2),
            "total_chars": chars,
            "step_score": round(step_score, 2),
            "length_score": round(length_score, 2),
            "criteria": "baseline",
            "scored_at": scored_at,
        },
        "steps_verified": None if share is None else round(share, 4),
        "answer_verified": checked.answer,
    }


def define_counts(connection: "DuckDBPyConnection") -> None:
    """Define the SQL function `step_counts`, which checks the steps of a trace.

    Its arguments are the trace's prompt, steps as JSON, answer, and `meta` as JSON. It returns a
    list of three numbers: how many steps are right, how many wrong, how many cannot be checked.
    """
    connection.create_function("step_counts", _step_counts, ["VARCHAR"] * 4, "INTEGER[]")


def _step_counts(prompt: str, steps: str, answer: str, meta: str) -> list[int]:
    from tunix_rt_nb import tasks  # slow to load, and often not needed

    said = [(step["type"], step["content"]) for step in json.loads(steps)]
    trace = Trace.of(prompt, said, answer, json.loads(meta))
    return [*tasks.check(trace).counts]


def summary(scored: Iterable[tuple[Trace, Score]]) -> list[TaskScore]:
    """Average the scores of the traces of each task; sort the tasks by name.

    Args:
      scored: pairs of a trace and what `score` returned for it.
    """
    sums: dict[str, list[float]] = defaultdict(lambda: [0, 0.0, 0, 0.0, 0, 0])
    for trace, found in scored:
        of_task = sums[trace.task or OWN]
        of_task[0] += 1
        of_task[1] += found["score"]
        if found["steps_verified"] is not None:
            of_task[2] += 1
            of_task[3] += found["steps_verified"]
        if found["answer_verified"] is not None:
            of_task[4] += 1
            of_task[5] += found["answer_verified"]
    return [
        {
            "task": task,
            "traces": int(count),
            "score": round(score / count, 2),
            "steps_verified": round(steps / checked, 4) if checked else None,
            "answers_verified": round(answers / judged, 4) if judged else None,
        }
        for task, (count, score, checked, steps, judged, answers) in sorted(sums.items())
    ]
