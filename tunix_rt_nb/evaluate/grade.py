"""One answer graded: is it right, and is every step that leads to it?

A task's own verifier says whether an answer is right: it knows what was asked for, so that 2/4 is
no fraction in lowest terms. No answer here is free mathematics, which a library would have to
compare.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tunix_rt_nb import tasks
from tunix_rt_nb.trace import Parsed, Trace, parse_response, plain

if TYPE_CHECKING:
    from tunix_rt_nb.trace import Generation

SECTIONS = ("core", "trace_sensitive", "edge_case")  # of an eval set
HELD_OUT = "held_out"  # the section of what is of no eval set
OUTCOMES = (
    "right",
    "right_answer_wrong_reasons",
    "right_reasons_wrong_answer",
    "wrong",
    "no_answer",
)


def grade(
    trace_id: str, trace: Trace, written: "Generation", style: str = "numbered"
) -> dict[str, Any]:
    """One prediction: what was written to a trace's prompt, and what of it is right.

    The answer is taken from the text and graded by the task; every written step is checked by the
    task as if it stood in the trace. `steps_right` is the share of right steps out of those
    written; where the solution stops early, out of those of the trace if they are more: a missing
    step is no right step. `first_wrong` is the first step that is wrong or missing. `score` allows
    for marks around the answer, as `plain` takes them away, whether the style was kept to or not;
    `strict_score` counts an answer only in the style and as it stands there.

    Example:
      >>> trace = next(tasks.draw("arithmetic", 1, seed=0))
      >>> from tunix_rt_nb.trace.response import respond
      >>> from tunix_rt_nb.trace.response import Generation
      >>> grade("x", trace, Generation(respond(trace), 90, True))["outcome"]
      'right'
    """
    task = tasks.get(trace.task or "")
    parsed = parse_response(written.text, style)
    wrong, complete = _review(task, trace, parsed.steps)
    expected = len(parsed.steps) if complete else max(len(parsed.steps), len(trace.steps))
    strict, score = _scores(task, trace, parsed)
    first = next(map(int, wrong), None if complete else len(parsed.steps) + 1)
    meta = trace.meta or {}
    return {
        "id": trace_id,
        "section": meta.get("section") if meta.get("section") in SECTIONS else HELD_OUT,
        "task": trace.task,
        "difficulty": meta.get("difficulty"),
        "prompt": trace.prompt,
        "expected_answer": trace.final_answer,
        "response": written.text,
        "answer": parsed.answer,
        "score": score,
        "strict_score": strict,
        "steps_right": (len(parsed.steps) - len(wrong)) / expected,
        "wrong_steps": wrong,
        "first_wrong": first,
        "outcome": _outcome(parsed, score, first),
        "strict_format": parsed.strict,
        "ran_on": parsed.ran_on,
        "stopped": written.stopped,
        "tokens": written.tokens,
    }


def _scores(task: tasks.Task, trace: Trace, parsed: Parsed) -> tuple[float, float]:
    """The scores of an answer: in the style and as it stands there, and without marks around it."""
    if parsed.answer is None:
        return 0.0, 0.0
    score = task.grade(parsed.answer, trace)
    bare = plain(parsed.answer)
    lenient = score if bare == parsed.answer else max(score, task.grade(bare, trace))
    return score if parsed.strict else 0.0, lenient


def _outcome(parsed: Parsed, score: float, first_wrong: int | None) -> str:
    if parsed.answer is None:
        return "no_answer"
    if score == 1.0:
        return "right" if first_wrong is None else "right_answer_wrong_reasons"
    return "right_reasons_wrong_answer" if first_wrong is None else "wrong"


def _review(task: tasks.Task, trace: Trace, steps: Sequence[str]) -> tuple[dict[str, str], bool]:
    """Step number -> why it is wrong, of steps that a model wrote, and whether they are all."""
    if not steps:
        return {}, False
    within = [("model", text[:20_000] or " ") for text in steps[:1000]]  # the limits of a trace
    review = task.review(Trace.of(trace.prompt, within, "?", trace.meta))
    beyond = ["is beyond the limit of a trace"] * (len(steps) - len(within))
    found = enumerate([*review.steps, *beyond], 1)
    return {str(n): reason for n, reason in found if reason}, review.end is None
