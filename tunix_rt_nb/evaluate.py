"""Grade answers and steps, and sum them up in a scorecard."""

from collections.abc import Iterable, Mapping, Sequence
from math import sqrt
from pathlib import Path
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, Any

from tunix_rt_nb import tasks
from tunix_rt_nb.chat import form
from tunix_rt_nb.errors import InputError
from tunix_rt_nb.response import parse
from tunix_rt_nb.tokens import encode_prompts
from tunix_rt_nb.trace import Trace

if TYPE_CHECKING:
    from tunix_rt_nb.sampling import Generation


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
      One prediction an item, in their order.

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
    return [
        grade(trace_id, trace, answer, rendered["style"])
        for (trace_id, trace), answer in zip(items, said, strict=True)
    ]


def grade(
    trace_id: str, trace: Trace, written: "Generation", style: str = "numbered"
) -> dict[str, Any]:
    """One prediction: what was written to a trace's prompt, and what of it is right.

    The answer is taken from the text and graded by the task; every written step is checked by the
    task as if it stood in the trace. `steps_right` is the share of right steps out of those
    written; where the solution stops early, out of those of the trace if they are more: a missing
    step is no right step.

    Example:
      >>> trace = next(tasks.draw("arithmetic", 1, seed=0))
      >>> from tunix_rt_nb.response import respond
      >>> from tunix_rt_nb.sampling import Generation
      >>> grade("x", trace, Generation(respond(trace), 90, True))["steps_right"]
      1.0
    """
    task = tasks.get(trace.task or "")
    parsed = parse(written.text, style)
    wrong, complete = _review(task, trace, parsed.steps)
    expected = len(parsed.steps) if complete else max(len(parsed.steps), len(trace.steps))
    score = 0.0 if parsed.answer is None else task.grade(parsed.answer, trace)
    return {
        "id": trace_id,
        "task": trace.task,
        "difficulty": (trace.meta or {}).get("difficulty"),
        "prompt": trace.prompt,
        "expected_answer": trace.final_answer,
        "response": written.text,
        "answer": parsed.answer,
        "score": score,
        "steps_right": (len(parsed.steps) - len(wrong)) / expected,
        "wrong_steps": wrong,
        "strict_format": parsed.strict,
        "stopped": written.stopped,
        "tokens": written.tokens,
    }


def _review(task: tasks.Task, trace: Trace, steps: Sequence[str]) -> tuple[dict[str, str], bool]:
    """Step number -> why it is wrong, of steps that a model wrote, and whether they are all."""
    if not steps:
        return {}, False
    within = [("model", text[:20_000] or " ") for text in steps[:1000]]  # the limits of a trace
    review = task.review(Trace.of(trace.prompt, within, "?", trace.meta))
    beyond = ["is beyond the limit of a trace"] * (len(steps) - len(within))
    found = enumerate([*review.steps, *beyond], 1)
    return {str(n): reason for n, reason in found if reason}, review.end is None


def scorecard(predictions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Sums up predictions; scores are shares from 0 to 1, `interval` is Wilson's at 95 %.

    Example:
      >>> one = {"task": "a", "difficulty": "easy", "score": 1.0, "steps_right": 0.5}
      >>> scorecard([one, {**one, "score": 0.0}])["primary_score"]
      0.5
    """
    scores = [p["score"] for p in predictions]
    return {
        "n_items": len(predictions),
        "n_scored": len(scores),
        "n_skipped": 0,
        "primary_score": fmean(scores),
        "interval": wilson(sum(score == 1.0 for score in scores), len(scores)),
        "stddev": pstdev(scores),
        "min_score": min(scores),
        "max_score": max(scores),
        "steps_right": fmean(p["steps_right"] for p in predictions),
        "category_scores": _by(predictions, "task"),
        "difficulty_scores": _by(predictions, "difficulty"),
    }


def _by(predictions: Sequence[Mapping[str, Any]], field: str) -> dict[str, dict[str, Any]]:
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for prediction in predictions:
        groups.setdefault(str(prediction[field]), []).append(prediction)
    return {
        name: {
            "score": fmean(p["score"] for p in group),
            "steps_right": fmean(p["steps_right"] for p in group),
            "n": len(group),
        }
        for name, group in sorted(groups.items())
    }


def wilson(right: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's score interval of a share (E. B. Wilson, JASA 22, 1927), at 95 % by default.

    Example:
      >>> [round(x, 3) for x in wilson(190, 200)]
      [0.91, 0.973]
    """
    if n == 0:
        return 0.0, 1.0
    share = right / n
    centre = share + z * z / (2 * n)
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)
