"""Checks of traces: by the checker of their task or, if the task is unknown, by their equations."""

from typing import NamedTuple

from tunix_rt_nb.tasks.registry import TASKS, get
from tunix_rt_nb.tasks.sums.equations import judge_step
from tunix_rt_nb.trace import Trace


class Counts(NamedTuple):
    """The numbers of steps that are right, wrong, and not checkable."""

    right: int
    wrong: int
    unchecked: int


class Checks(NamedTuple):
    """The findings of a checker about a trace.

    Attributes:
      steps: for each step why it is wrong; None if it is right or cannot be checked.
      end: what is missing after the last step, or None.
      wrong_answer: why the answer is wrong, or None.
      prompt: why the prompt states no problem of the trace's task, or None. If it states none, all
        steps count as wrong.
      unchecked: the indices of the steps that cannot be checked. If the task is unknown, only
        equations in a step can be checked; if the task is known, every step can be.
      known: whether a known task made the trace; if not, the answer is not judged.
    """

    steps: list[str | None]
    end: str | None
    wrong_answer: str | None
    prompt: str | None = None
    unchecked: frozenset[int] = frozenset()
    known: bool = True

    @property
    def answer(self) -> bool | None:
        """The verdict on the answer: True if right, False if wrong, None if not judged."""
        return self.wrong_answer is None if self.known else None

    @property
    def right(self) -> list[bool | None]:
        """The verdict on each step: True if right, False if wrong, None if not checkable."""
        return [None if i in self.unchecked else not why for i, why in enumerate(self.steps)]

    @property
    def counts(self) -> Counts:
        """The numbers of right and wrong steps, and of steps that cannot be checked."""
        right = self.right
        return Counts(right.count(True), right.count(False), right.count(None))

    @property
    def share(self) -> float | None:
        """The share of right steps; a missing step counts as wrong.

        Steps that cannot be checked do not count; None if no step counts.
        """
        right, wrong, _ = self.counts
        of = right + wrong + bool(self.end)
        return right / of if of else None

    @property
    def problems(self) -> list[str]:
        """The list of all errors, such as `step 2: reason`; empty if nothing is wrong."""
        if self.prompt:
            return [f"prompt: {self.prompt}"]
        wrong = [f"step {i}: {reason}" for i, reason in enumerate(self.steps, 1) if reason]
        if self.end:
            wrong.append(f"step {len(self.steps) + 1}: missing, {self.end}")
        return [*wrong, f"answer: {self.wrong_answer}"] if self.wrong_answer else wrong


def check(trace: Trace) -> Checks:
    """Check the steps and the answer of a trace.

    If no known task made the trace, the sums in its steps are checked, and the answer is not.

    Example:
      >>> from tunix_rt_nb import tasks
      >>> check(next(tasks.draw("arithmetic", 1, seed=0))).share
      1.0
      >>> check(Trace.of("p", [("s", "48/2 = 25 clips"), ("s", "Add both.")], "25")).counts
      Counts(right=0, wrong=1, unchecked=1)
    """
    if trace.task not in TASKS:
        return _by_sums(trace)
    task = get(trace.task)
    try:
        steps, end = task.review(trace)
        score = task.grade(trace.final_answer, trace)
    except ValueError as error:
        reason = str(error)
        return Checks([reason] * len(trace.steps), None, reason, prompt=reason)
    return Checks(steps, end, None if score == 1.0 else f"{trace.final_answer!r} is wrong")


def _by_sums(trace: Trace) -> Checks:
    judged = [judge_step(step.content) for step in trace.steps]
    steps = [claim.why or None if claim else None for claim in judged]
    unchecked = frozenset(i for i, claim in enumerate(judged) if claim is None)
    return Checks(steps, None, None, unchecked=unchecked, known=False)


def problems(trace: Trace) -> list[str]:
    """List what is wrong with a trace.

    The list is empty if the trace is right or no known task made it.

    Example:
      >>> problems(Trace.of("What is 17 + 20 - 36?", [("add", "?")], "1", {"task": "arithmetic"}))
      ["step 1: expected 'Units: 7+0=7.'", "step 2: missing, expected 'Tens: 1+2=3, so 17+20=37.'"]
    """
    return check(trace).problems if trace.task in TASKS else []
