"""Checks of answers that are still being written, for `models.redrawing`."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from tunix_rt_nb import models, tasks
from tunix_rt_nb.common import unknown
from tunix_rt_nb.evaluate.grade import _by_task, _within
from tunix_rt_nb.evaluate.items import task_of
from tunix_rt_nb.trace import Form, Parsed, Trace, response


class Wrong(NamedTuple):
    """The place where an answer is wrong.

    Attributes:
      step: the index of the first wrong step; the number of steps if the answer is wrong.
      cause: the index of the first step in which the mistake may lie.
    """

    step: int
    cause: int


Find = Callable[[Trace, tuple[str, ...], str | None], Wrong | None]
"""Finds what is wrong, given an item, the steps that are complete, and the answer.

The answer is None as long as there is none.
"""


def by_equations(trace: Trace, steps: Sequence[str], answer: str | None) -> Wrong | None:
    """Find the first step, or the answer, that claims a wrong equation; else return None.

    The mistake may lie in the step before: a wrong number that was copied, for example.

    Example:
      >>> by_equations(Trace.of("?", [], "?"), ["2 + 2 = 4.", "So 4 * 2 = 9."], None)
      Wrong(step=1, cause=0)
    """
    said = [*steps, *([answer] if answer else [])]
    wrong = next((k for k, text in enumerate(said) if _is_wrong(text)), None)
    return None if wrong is None else Wrong(wrong, max(wrong - 1, 0))


@lru_cache(maxsize=4096)  # the earlier steps of an answer are checked again with each new one
def _is_wrong(text: str) -> bool:
    claim = tasks.judge_step(text)
    return claim is not None and claim.right is False


def by_task(trace: Trace, steps: Sequence[str], answer: str | None) -> Wrong | None:
    """Find the first step, or the answer, that the item's task refuses; else return None.

    An answer before the end of the solution is refused, too. If no task can verify the item, only
    equations are checked.
    """
    task = task_of(trace)
    if task is None:
        return by_equations(trace, steps, answer)
    found = task.review(Trace.of(trace.prompt, _within(steps), "?", trace.meta))
    wrong = next((k for k, why in enumerate(found.steps) if why), None)
    if wrong is None and answer is not None:
        score = _by_task(task, trace, Parsed(tuple(steps), answer, strict=True)).score
        wrong = len(steps) if found.end or score < 1 else None
    return None if wrong is None else Wrong(wrong, wrong)


CHECKS: dict[str, Find] = {"equations": by_equations, "task": by_task}


def find_named(name: str) -> Find:
    """Return what finds wrong steps, by its name, a key of `CHECKS`.

    Raises:
      InputError: there is none of this name.
    """
    if name not in CHECKS:
        raise unknown("checked", name, CHECKS)
    return CHECKS[name]


class Reader:
    """A reader of answers that are being written, called as `models.redrawing.Check`.

    Args:
      traces: the items that are answered, in the order of their prompts.
      form: how the answers are written.
      find: what finds a wrong step or answer.

    Attributes:
      find: as above.
    """

    def __init__(self, traces: Sequence[Trace], form: Form, find: Find) -> None:
        self._traces, self.find = traces, find
        self._template, self._how = form.template, form.style
        self._right: dict[int, tuple[tuple[str, ...], str | None]] = {}

    def __call__(self, number: int, text: str, whole: bool) -> "models.redrawing.Verdict":
        """Check the steps that are complete, and the answer if the text is whole.

        Args:
          number: the index of the item.
          text: its answer so far.
          whole: True if the model has ended its answer.
        """
        said = self._template.said(text)
        steps, answer = self._complete(said, whole)
        wrong = None
        if (steps, answer) != self._right.get(number, ((), None)):
            wrong = self.find(self._traces[number], steps, answer)
        if wrong is None:
            self._right[number] = steps, answer
        start = len(text) - len(said) + len(self._how.opening) * said.startswith(self._how.opening)
        numbered = (f"{n}. {step}\n" for n, step in enumerate(steps, 1))
        starts = [*accumulate(map(len, numbered), initial=start)]
        step, cause = wrong or (len(steps), len(steps))
        return models.redrawing.Verdict(starts[step], wrong is not None, starts[cause])

    def _complete(self, said: str, whole: bool) -> tuple[tuple[str, ...], str | None]:
        """Return the steps that are complete, and the answer; None if it is not complete."""
        steps, answer = response.unwrite(said, self._how)
        if f"\n{self._how.middle}" in f"\n{said}":
            return steps, answer if whole else None
        return steps[:-1], None  # only the next number ends a step
