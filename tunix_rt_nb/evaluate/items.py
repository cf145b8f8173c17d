"""The items that a model is asked: which of the held-out ones, and their hash."""

from collections import Counter
from collections.abc import Iterable

from tunix_rt_nb import tasks
from tunix_rt_nb.evaluate import scorecard
from tunix_rt_nb.trace import Trace


def choose(
    items: Iterable[tuple[str, Trace]], per_task: int
) -> tuple[list[tuple[str, Trace]], dict[str, int]]:
    """The first `per_task` items of each task, task by task; and why others are skipped, how many.

    A dataset's order does not depend on what is in a trace, so the first are as good as any.
    """
    chosen: list[tuple[str, Trace]] = []
    counts, skipped = Counter[str](), Counter[str]()
    for trace_id, trace in items:
        task = trace.task or ""
        counts[task] += 1
        if task not in tasks.TASKS:
            skipped["of no known task"] += 1
        elif counts[task] > per_task:
            skipped[f"beyond {per_task} of a task"] += 1
        else:
            chosen.append((trace_id, trace))
    return sorted(chosen, key=lambda item: item[1].task or ""), dict(skipped)


def digest(items: Iterable[tuple[str, Trace]]) -> str:
    """The hash of items that a scorecard of their answers has."""
    return scorecard.items_sha256((name, t.prompt, t.final_answer) for name, t in items)
