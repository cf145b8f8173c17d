"""Grading of one answer, and of every step that leads to it.

A known task is one of `tasks`: a program that draws prompts and verifies answers and steps. Its
verifier decides whether an answer is right, because it knows the question: if a prompt asks for
lowest terms, 2/4 is wrong. For any other prompt, graders compare the answer with the expected one.
They form a ladder: they are tried in order, and the first that can decide sets the score.
"""

from collections.abc import Sequence
from typing import NamedTuple

from tunix_rt_nb import tasks
from tunix_rt_nb.evaluate.graders import number
from tunix_rt_nb.evaluate.graders.judged import Judge
from tunix_rt_nb.evaluate.graders.ladder import Marked, mark
from tunix_rt_nb.evaluate.graders.own import Own
from tunix_rt_nb.evaluate.items import group_of, task_of
from tunix_rt_nb.evaluate.prediction import HELD_OUT, SECTIONS, Grade, outcome_of
from tunix_rt_nb.trace import Generation, Parsed, Trace, parse_response, plain


class _Reviewed(NamedTuple):
    """The result of checking the steps of an answer.

    Attributes:
      wrong: number of a step, counted from 1 -> why it is wrong.
      share: the share of steps that are right, from 0 to 1; None if no step can be checked.
      first: the number of the first step that is wrong or missing, or None.
      unchecked: the number of steps that cannot be checked.
    """

    wrong: dict[str, str]
    share: float | None
    first: int | None
    unchecked: int = 0


def grade(
    trace_id: str,
    trace: Trace,
    written: Generation,
    style: str = "numbered",
    own: Own | Judge | None = None,
) -> Grade:
    """Grade what a model wrote in reply to a trace's prompt.

    If one of `tasks` drew the prompt (a known task), this task grades the answer in the response.
    It also checks every written step as if it were a step of the trace. `steps_right` is the share
    of written steps that are right. If the response stops before the end of the solution and has
    fewer steps than the trace, the missing steps count as wrong. `first_wrong` is the number of the
    first step that is wrong or missing, or None.

    If no task drew the prompt, graders compare the answer with the expected one. They are tried in
    order, and the first that can decide sets the score. `steps_right` then counts only the steps
    that hold something to check, such as a sum.

    A response that its model gave up has no answer, even if its steps seem to hold one.

    `score` ignores Markdown, LaTeX or a label around the answer. `strict_score` grades the answer
    exactly as written; it is 0 if the response is not laid out in `style`.

    Args:
      trace_id: the id of the item.
      trace: the item: its prompt, its expected answer and, for a known task, its solution.
      written: the response of the model.
      style: how the response should lay out steps and answer: `numbered` or `tags`.
      own: the user's grader, tried before the other graders, or a judge, tried after them; None
        if there is none. It is used only if no task drew the prompt.

    Raises:
      InputError: `own` fails.

    Example:
      >>> trace = next(tasks.draw("arithmetic", 1, seed=0))
      >>> from tunix_rt_nb.trace.response import respond
      >>> from tunix_rt_nb.trace.response import Generation
      >>> grade("x", trace, Generation(respond(trace), 90, True))["outcome"]
      'right'
    """
    task = task_of(trace)
    lines = 1 + trace.final_answer.count("\n")
    parsed = parse_response(written.text, style, lines)
    if written.abstained:
        parsed = parsed._replace(answer=None)
    marked = _by_task(task, trace, parsed) if task else _by_ladder(trace, parsed, own)
    steps = _review(task, trace, parsed.steps) if task else _check(trace, parsed)
    right = len(parsed.steps) - len(steps.wrong) - steps.unchecked
    # Steps that nobody can check are no right reasons for a wrong answer.
    sound = steps.first is None and (marked.score == 1.0 or right > 0)
    meta = trace.meta or {}
    found: Grade = {
        "id": trace_id,
        "section": str(meta["section"]) if meta.get("section") in SECTIONS else HELD_OUT,
        "task": group_of(trace),
        "difficulty": meta.get("difficulty"),
        "prompt": trace.prompt,
        "expected_answer": trace.final_answer,
        "response": written.text,
        "answer": parsed.answer,
        "score": marked.score,
        "strict_score": marked.strict_score,
        "grader": marked.grader,
        "steps_right": steps.share,
        "step_counts": {"right": right, "wrong": len(steps.wrong), "unchecked": steps.unchecked},
        "wrong_steps": steps.wrong,
        "first_wrong": steps.first,
        "outcome": outcome_of(parsed.answer, marked.score, sound),
        "strict_format": parsed.strict,
        "ran_on": parsed.ran_on,
        "stopped": written.stopped,
        "tokens": written.tokens,
    }
    if any(trace.earlier):
        found["earlier_messages"] = trace.earlier.messages()
    if marked.disagree:
        found["disagree"] = dict(marked.disagree)
    return found


def _by_task(task: tasks.Task, trace: Trace, parsed: Parsed) -> Marked:
    """Have a task grade the answer to its prompt as it was written, and also without its markup.

    `score` is the better of the two grades. `strict_score` is the grade of the answer as it was
    written, or 0 if the response is not in the style.
    """
    if parsed.answer is None:
        return Marked(0.0, 0.0, "task", "there is no answer")
    score = task.grade(parsed.answer, trace)
    bare = plain(parsed.answer)
    read = None if number.other_unknown(bare, trace.prompt) else number.read(bare)
    forms = {bare, read.text if read else bare} - {parsed.answer}
    lenient = max([score, *(task.grade(form, trace) for form in sorted(forms))])
    return Marked(lenient, score if parsed.strict else 0.0, "task", "its verifier")


def _by_ladder(trace: Trace, parsed: Parsed, own: Own | Judge | None) -> Marked:
    if parsed.answer is None:
        return Marked(0.0, 0.0, "none", "there is no answer")
    marked = mark(parsed.answer, trace.final_answer, trace.prompt, own)
    return marked if parsed.strict else marked._replace(strict_score=0.0)


def _review(task: tasks.Task, trace: Trace, steps: Sequence[str]) -> _Reviewed:
    """Have a task check the steps that a model wrote for one of its problems.

    Args:
      task: the task that drew the problem.
      trace: the problem and its solution.
      steps: the texts of the written steps.
    """
    reasons: list[str | None] = []
    complete = False
    if steps:
        review = task.review(Trace.of(trace.prompt, _within(steps), "?", trace.meta))
        reasons, complete = review.steps, review.end is None
    wrong = _wrong([*reasons, *_beyond(steps)])
    expected = len(steps) if complete else max(len(steps), len(trace.steps))
    first = next(map(int, wrong), None if complete else len(steps) + 1)
    return _Reviewed(wrong, (len(steps) - len(wrong)) / max(1, expected), first)


def _check(trace: Trace, parsed: Parsed) -> _Reviewed:
    """Check the steps that a model wrote for a prompt that no task drew.

    Only a step that holds something to check, such as a sum, can be right or wrong.
    """
    meta = {name: value for name, value in (trace.meta or {}).items() if name != "task"}
    said = Trace.of(trace.prompt, _within(parsed.steps), (parsed.answer or "?")[:20_000], meta)
    found = tasks.check(said)
    wrong = _wrong([*found.steps, *_beyond(parsed.steps)])
    right, _, unchecked = found.counts
    checked = right + len(wrong)
    share = right / checked if checked else None
    return _Reviewed(wrong, share, next(map(int, wrong), None), unchecked)


def _within(steps: Sequence[str]) -> list[tuple[str, str]]:
    """Return steps as `Trace.of` takes them: pairs of a type and a text.

    Steps beyond the first 1,000 and characters beyond the first 20,000 are cut off, because a trace
    cannot hold them. An empty step becomes a space.
    """
    return [("model", text[:20_000] or " ") for text in steps[:1000]]


def _beyond(steps: Sequence[str]) -> list[str]:
    return ["is beyond the limit of a trace"] * (len(steps) - 1000)


def _wrong(reasons: Sequence[str | None]) -> dict[str, str]:
    return {str(n): reason for n, reason in enumerate(reasons, 1) if reason}
