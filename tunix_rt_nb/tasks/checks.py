"""The check whether a trace is right, with the checker of its task."""

from typing import NamedTuple

from tunix_rt_nb.tasks.registry import TASKS, get
from tunix_rt_nb.trace import Trace


class Checks(NamedTuple):
    """The findings of a task's checker about a trace.

    Attributes:
      steps: why each step is wrong; None for a right step.
      end: what is missing after the last step, or None.
      wrong_answer: why the answer is wrong, or None.
      prompt: why the prompt states no problem of this task, or None; without a problem, no step
        counts as right.
    """

    steps: list[str | None]
    end: str | None
    wrong_answer: str | None
    prompt: str | None = None

    @property
    def answer(self) -> bool:
        """The verdict on the answer: True if it is right."""
        return self.wrong_answer is None

    @property
    def share(self) -> float:
        """The share of right steps; a missing step counts as wrong."""
        return self.steps.count(None) / (len(self.steps) + bool(self.end))

    @property
    def problems(self) -> list[str]:
        """The list of all errors, such as `step 2: reason`; empty if nothing is wrong."""
        if self.prompt:
            return [f"prompt: {self.prompt}"]
        wrong = [f"step {i}: {reason}" for i, reason in enumerate(self.steps, 1) if reason]
        if self.end:
            wrong.append(f"step {len(self.steps) + 1}: missing, {self.end}")
        return [*wrong, f"answer: {self.wrong_answer}"] if self.wrong_answer else wrong


def check(trace: Trace) -> Checks | None:
    """Check the steps and the answer of a trace; return None if no known task made it.

    Example:
      >>> from tunix_rt_nb import tasks
      >>> check(next(tasks.draw("arithmetic", 1, seed=0))).share
      1.0
    """
    if trace.task not in TASKS:
        return None
    task = get(trace.task)
    try:
        steps, end = task.review(trace)
        score = task.grade(trace.final_answer, trace)
    except ValueError as error:
        reason = str(error)
        return Checks([reason] * len(trace.steps), None, reason, prompt=reason)
    return Checks(steps, end, None if score == 1.0 else f"{trace.final_answer!r} is wrong")


def problems(trace: Trace) -> list[str]:
    """List what is wrong with a trace.

    The list is empty if the trace is right or no known task made it.

    Example:
      >>> problems(Trace.of("What is 17 + 20 - 36?", [("add", "?")], "1", {"task": "arithmetic"}))
      ["step 1: expected 'Units: 7+0=7.'", "step 2: missing, expected 'Tens: 1+2=3, so 17+20=37.'"]
    """
    found = check(trace)
    return found.problems if found else []
