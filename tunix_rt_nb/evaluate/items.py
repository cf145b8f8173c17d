"""The items that a model is asked: a choice of the held-out ones, and their hash."""

from collections import Counter
from collections.abc import Iterable

from tunix_rt_nb import tasks
from tunix_rt_nb.evaluate.scorecard import items_sha256
from tunix_rt_nb.trace import Trace


def choose(
    items: Iterable[tuple[str, Trace]], per_task: int
) -> tuple[list[tuple[str, Trace]], dict[str, int]]:
    """Choose the first `per_task` items of each task, and count the skipped items by reason.

    The chosen items are sorted by task. A dataset's order does not depend on the content of its
    traces, so the first items are as good a sample as any.
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
    """Return the hash of items; a scorecard of their answers has it as `items_sha256`."""
    return items_sha256((name, t.prompt, t.final_answer) for name, t in items)
