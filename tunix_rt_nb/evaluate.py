"""Let a model answer what it was not trained on, and grade what it wrote."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tunix_rt_nb import tasks
from tunix_rt_nb.chat import form
from tunix_rt_nb.errors import InputError
from tunix_rt_nb.grade import grade
from tunix_rt_nb.scorecard import scorecard
from tunix_rt_nb.tokens import encode_prompts
from tunix_rt_nb.trace import Trace
from tunix_rt_nb.uncertainty import wilson

__all__ = ["choose", "grade", "predict", "scorecard", "wilson"]


def choose(items: Iterable[tuple[str, Trace]], per_task: int) -> list[tuple[str, Trace]]:
    """The first `per_task` items of each task, task by task; items of no known task are left out.

    A dataset's order does not depend on what is in a trace, so the first are as good as any.
    """
    chosen: list[tuple[str, Trace]] = []
    counts: dict[str, int] = {}
    for trace_id, trace in items:
        task = trace.task
        if task in tasks.TASKS and counts.get(task, 0) < per_task:
            counts[task] = counts.get(task, 0) + 1
            chosen.append((trace_id, trace))
    return sorted(chosen, key=lambda item: item[1].task or "")


def predict(
    model_folder: Path,
    items: Sequence[tuple[str, Trace]],
    rendered: Mapping[str, Any],
    max_new_tokens: int = 256,
    batch_size: int = 64,
) -> list[dict[str, Any]]:
    """Lets a model answer items in the template and style it was trained in, and grades them.

    Args:
      rendered: the manifest of the rendered dataset.

    Returns:
      One prediction an item, in their order, with the form that it was asked for in.

    Raises:
      InputError: there is no item, no room for an answer, or the template is no longer what it was
        when the dataset was rendered.
    """
    if not items or min(max_new_tokens, batch_size) < 1:
        raise InputError(
            f"evaluate: {len(items)} held-out items of a known task, {max_new_tokens} new tokens,"
            f" batches of {batch_size}: each must be at least 1"
        )
    names = rendered["template"], rendered["style"], rendered["system"]
    how = form(*names)
    if how.sha256 != rendered["form_sha256"]:
        raise InputError(
            f"template: {names[0]} in style {names[1]} has changed, run 3_render again"
        )
    from tunix_rt_nb import models, sampling  # the only two here that need JAX

    model, tokenizer = models.load(model_folder)
    chosen = how.template
    prompts = encode_prompts([trace.prompt for _, trace in items], tokenizer, how)
    written = sampling.generate(model, tokenizer, prompts, chosen.stops, max_new_tokens, batch_size)
    said = [answer._replace(text=chosen.said(answer.text)) for answer in written]
    asked = {"template": names[0], "style": names[1], "form_sha256": how.sha256}
    return [
        {**grade(trace_id, trace, answer, rendered["style"]), **asked}
        for (trace_id, trace), answer in zip(items, said, strict=True)
    ]
