"""Let a model answer what it was not trained on, and grade what it wrote."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf
from pathlib import Path
from typing import Any

from tunix_rt_nb import scorecard, tasks
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.grade import grade
from tunix_rt_nb.trace.chat import form
from tunix_rt_nb.trace.trace import Trace


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


def predict(
    model_folder: Path,
    items: Sequence[tuple[str, Trace]],
    rendered: Mapping[str, Any],
    max_new_tokens: int = 256,
    batch_size: int = 64,
    kept: Path | None = None,
    samples: int = 1,
    temperature: float = 0.0,
    seed: int = 0,
    report: Callable[[int], None] = lambda done: None,
) -> list[dict[str, Any]]:
    """Lets a model answer items in the template and style it was trained in, and grades them.

    Args:
      rendered: the manifest of the rendered dataset.
      kept: a file where answers are kept as they come, so that a call that was cut off goes on.
      samples: how many answers an item gets; of several, each prediction has its `sample`.
      temperature, seed: as `sampling.generate` takes them.
      report: called with the number of answers so far.

    Returns:
      The predictions, in the order of the items, with the form that each was asked for in.

    Raises:
      InputError: there is no item, no room for an answer, or the template is no longer what it was
        when the dataset was rendered.
    """
    if not items or min(max_new_tokens, batch_size, samples) < 1:
        raise InputError(
            f"evaluate: {len(items)} held-out items of a known task, {max_new_tokens} new tokens,"
            f" batches of {batch_size}, {samples} samples: each must be at least 1"
        )
    if not 0 <= temperature < inf or (samples > 1 and temperature == 0):
        raise InputError(
            f"temperature: {temperature}, expected a number from 0; above it for several samples,"
            " which would all be the same"
        )
    names = rendered["template"], rendered["style"], rendered["system"]
    how = form(*names)
    if how.sha256 != rendered["form_sha256"]:
        raise InputError(
            f"template: {names[0]} in style {names[1]} has changed, run 3_render again"
        )
    from tunix_rt_nb import answers  # needs JAX

    every = [(*item, k) for item in items for k in range(samples)]
    written = answers.answer(
        model_folder,
        [trace.prompt for _, trace, _ in every],
        how,
        kept,
        report,
        max_new_tokens=max_new_tokens,
        batch_size=batch_size,
        temperature=temperature,
        seed=seed,
    )
    asked = {
        "template": names[0],
        "style": names[1],
        "form_sha256": how.sha256,
        "max_new_tokens": max_new_tokens,
        "temperature": temperature,
    }
    return [
        {
            **grade(trace_id, trace, answer, names[1]),
            **asked,
            **({"sample": k} if samples > 1 else {}),
        }
        for (trace_id, trace, k), answer in zip(every, written, strict=True)
    ]
