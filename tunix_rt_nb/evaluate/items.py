"""The items that a model is asked: chosen from the held-out ones, grouped and hashed."""

from collections import Counter
from collections.abc import Iterable
from operator import itemgetter

from tunix_rt_nb import tasks
from tunix_rt_nb.evaluate.scorecard import items_sha256
from tunix_rt_nb.trace import OWN, Trace


def choose(
    items: Iterable[tuple[str, Trace]], per_task: int
) -> tuple[list[tuple[str, Trace]], dict[str, int]]:
    """Choose the first `per_task` items of each group.

    `group_of` names the group of an item; the chosen items are sorted by group. A dataset's order
    does not depend on the content of its traces, so the first items are as good a sample as any.

    Args:
      items: pairs of an id and a trace.
      per_task: the most items of each group.

    Returns:
      The chosen items, and the number of skipped items by reason.
    """
    chosen: list[tuple[str, tuple[str, Trace]]] = []
    counts, skipped = Counter[str](), Counter[str]()
    for trace_id, trace in items:
        group = group_of(trace)
        counts[group] += 1
        if counts[group] > per_task:
            skipped[f"beyond {per_task} of a task"] += 1
        else:
            chosen.append((group, (trace_id, trace)))
    chosen.sort(key=itemgetter(0))
    return [item for _, item in chosen], dict(skipped)


def task_of(trace: Trace) -> tasks.Task | None:
    """Return the task that can verify answers to a trace's prompt; None if there is none.

    It is the task that the trace names, if that task can read the prompt.
    """
    if trace.task not in tasks.TASKS:
        return None
    task = tasks.get(trace.task)
    try:
        task.problem(trace.prompt)
    except ValueError:
        return None
    return task


def group_of(trace: Trace) -> str:
    """Return the name that a trace's scores are grouped under.

    It is the name of the task that can verify answers to the prompt, if there is one. Else it is
    `meta.category`, or `meta.task` if that is missing, or `own` if both are missing.

    Example:
      >>> group_of(Trace.of("Why?", [], "So.", {"category": "riddles"}))
      'riddles'
      >>> group_of(Trace.of("Why?", [], "So."))
      'own'
    """
    if task := task_of(trace):
        return task.name
    meta = trace.meta or {}
    named = (meta.get(field) for field in ("category", "task"))
    return next((name for name in named if isinstance(name, str) and name), OWN)


def digest(items: Iterable[tuple[str, Trace]]) -> str:
    """Return the hash of items; a scorecard of their answers has it as `items_sha256`."""
    return items_sha256(
        (name, t.prompt, t.final_answer, *t.earlier.messages()) for name, t in items
    )
