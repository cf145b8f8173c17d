"""Grading of one answer, and of every step that leads to it.

The verifier of the task decides whether an answer is right, because it knows the question: if a
prompt asks for lowest terms, 2/4 is wrong. No task asks for free-form mathematics, so no library is
needed to compare answers.
"""

from collections.abc import Sequence

from tunix_rt_nb import tasks
from tunix_rt_nb.evaluate.prediction import HELD_OUT, SECTIONS, Grade, outcome_of
from tunix_rt_nb.trace import Generation, Parsed, Trace, parse_response, plain


def grade(trace_id: str, trace: Trace, written: Generation, style: str = "numbered") -> Grade:
    """Grade what a model wrote to a trace's prompt, and return it as a prediction.

    The task grades the answer that is found in the text. It checks every written step as if it were
    a step of the trace. `steps_right` is the share of written steps that are right. If the solution
    stops early, the share is of the trace's steps, if they are more, so that missing steps count as
    wrong. `first_wrong` is the number of the first step that is wrong or missing, or None.

    `score` accepts an answer in any style, with marks around it, which `plain` strips.
    `strict_score` counts an answer only if the response is in the style, and grades it unstripped.

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
        "section": str(meta["section"]) if meta.get("section") in SECTIONS else HELD_OUT,
        "task": trace.task or "",
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
        "outcome": outcome_of(parsed.answer, score, sound=first is None),
        "strict_format": parsed.strict,
        "ran_on": parsed.ran_on,
        "stopped": written.stopped,
        "tokens": written.tokens,
    }


def _scores(task: tasks.Task, trace: Trace, parsed: Parsed) -> tuple[float, float]:
    """Return the strict score of an answer, then the lenient one, which ignores marks around it."""
    if parsed.answer is None:
        return 0.0, 0.0
    score = task.grade(parsed.answer, trace)
    bare = plain(parsed.answer)
    lenient = score if bare == parsed.answer else max(score, task.grade(bare, trace))
    return score if parsed.strict else 0.0, lenient


def _review(task: tasks.Task, trace: Trace, steps: Sequence[str]) -> tuple[dict[str, str], bool]:
    """Check the steps that a model wrote.

    Returns:
      The reason for each wrong step, by its number, and whether the solution is complete.
    """
    if not steps:
        return {}, False
    # A trace holds at most 1,000 steps of 20,000 characters, and no empty step.
    within = [("model", text[:20_000] or " ") for text in steps[:1000]]
    review = task.review(Trace.of(trace.prompt, within, "?", trace.meta))
    beyond = ["is beyond the limit of a trace"] * (len(steps) - len(within))
    found = enumerate([*review.steps, *beyond], 1)
    return {str(n): reason for n, reason in found if reason}, review.end is None
