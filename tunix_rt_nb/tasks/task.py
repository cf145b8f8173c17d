"""The base class of tasks: a source of prompts, of worked solutions and of their checks."""

import random
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

from tunix_rt_nb.common import unknown
from tunix_rt_nb.tasks.amend import AMENDS, amend
from tunix_rt_nb.trace import Trace

DIFFICULTIES = ("easy", "medium", "hard")
GRAINS = ("fine", "coarse")

Line = tuple[str, ...]
"""One step of a solution: its type, its text, then the same text in other wordings."""

Checker = Callable[[Sequence[str], str | None], str | None]
"""(steps so far, next step or None for the end) -> why the next step is wrong, or None."""


class Solution(NamedTuple):
    """A worked solution: its steps and its final answer.

    Attributes:
      lines: the steps, each a tuple of its type, its text, and the same text in other wordings.
      answer: the final answer.
    """

    lines: Sequence[Line]
    answer: str


class Review(NamedTuple):
    """The errors of a trace.

    Attributes:
      steps: for each step why it is wrong, or None if it is right.
      end: why the solution is not complete after the last step, or None if it is.
    """

    steps: list[str | None]
    end: str | None


def worded(kind: str, word: str, text: str) -> Line:
    """Return a step of type `kind` in two wordings: `text`, and `word` followed by `text`."""
    return kind, text, f"{word} {text}"


def matched(prompt: str, otherwise: str, *patterns: re.Pattern[str]) -> re.Match[str]:
    """Match a whole prompt against regexes and return the first match.

    Raises:
      ValueError: no regex matches; the message is `otherwise` and the beginning of the prompt.
    """
    for pattern in patterns:
        if match := pattern.fullmatch(prompt):
            return match
    raise ValueError(f"{otherwise}: {prompt[:80]!r}")


class Task(ABC):
    """A kind of problem, stated in a prompt, that a program can solve and check step by step.

    A task defines how to draw a prompt, how to read the problem back from it, and how to solve the
    problem in steps. Generating, checking and grading traces build on these three and always start
    from the prompt. A step is right if the worked solution has it at the same index, in any of its
    wordings. The worked solution has a grain: `fine` (small steps) or `coarse` (larger ones). All
    steps of a trace are compared at the same grain: the one that gives the fewest errors. A task
    with many right solutions overrides `checker`.

    Attributes:
      name: the name of the task in a trace's `meta`.
      source: where its problems come from.
      about: what it asks, in one line.
      difficulty: `easy`, `medium` or `hard`; it matters only for drawing prompts.
    """

    name: ClassVar[str]
    source: ClassVar[str] = "tunix_rt_nb"
    about: ClassVar[str]

    def __init__(self, difficulty: str = "easy") -> None:
        if difficulty not in DIFFICULTIES:
            raise unknown("difficulty", difficulty, DIFFICULTIES)
        self.difficulty = difficulty

    @abstractmethod
    def prompt(self, rng: random.Random) -> str:
        """Draw a problem and state it in one of several wordings."""

    @abstractmethod
    def read(self, prompt: str) -> Hashable:
        """Read the problem from a prompt; all wordings of one problem give equal results.

        Raises:
          ValueError: the prompt states no problem of this task, at any difficulty.
        """

    @abstractmethod
    def solve(self, problem: Any, grain: str) -> Solution:
        """Solve a problem in small steps (`fine`) or in larger ones (`coarse`)."""

    def space(self) -> int | None:
        """Count the distinct problems at this difficulty; return None if too many to count."""
        return None

    def problem(self, prompt: str) -> Hashable:
        """Read the problem from a prompt, like `read`, but with a small cache.

        A trace is written, checked and graded in a row, and each of these needs the problem.
        """
        return _read(type(self), prompt)

    def solution(self, problem: Hashable, grain: str) -> Solution:
        """Solve a problem, like `solve`, but with a small cache."""
        return _solve(type(self), problem, grain)

    def facts(self, problem: Any) -> dict[str, Any]:
        """Return fields about the problem to add to the `meta` of its trace."""
        return {}

    def score(self, answer: str, problem: Any) -> float:
        """Score an answer to a problem, from 0.0 (wrong) to 1.0 (right)."""
        return float(answer.strip() == self.solution(problem, "fine").answer)

    def checker(self, problem: Any, grain: str) -> Checker:
        """Return a function that checks the next step of a solution, given the steps before it.

        The function takes the texts of the steps so far, and the text of the next step. None as the
        next step means that the solution ends there. The function returns why the next step or the
        end is wrong, or None if it is right.
        """
        lines = self.solution(problem, grain).lines

        def check(before: Sequence[str], said: str | None) -> str | None:
            if len(before) >= len(lines):
                return said and f"there is nothing left to do after step {len(lines)}"
            texts = lines[len(before)][1:]
            return None if said in texts else f"expected {texts[0]!r}"

        return check

    def generate(
        self, rng: random.Random, grain: str = "fine", mistake: bool = False, **meta: Any
    ) -> Trace:
        """Draw a prompt and solve it; the arguments are those of `write`.

        Example:
          >>> from tunix_rt_nb import tasks
          >>> print(tasks.get("arithmetic").generate(random.Random(2)).prompt)
          What is 17 + 20 - 36?
        """
        return self.write(self.prompt(rng), rng, grain, mistake, **meta)

    def write(
        self,
        prompt: str,
        rng: random.Random,
        grain: str = "fine",
        mistake: bool = False,
        **meta: Any,
    ) -> Trace:
        """Write the trace that solves the problem stated by a prompt.

        Args:
          prompt: states a problem of this task.
          rng: decides the wording of the steps, and which step goes wrong.
          grain: `fine` (small steps) or `coarse` (larger ones).
          mistake: insert a wrong step that the next step notices and repairs; `meta.mistakes`
            lists the index of the wrong step.
          meta: more fields for the trace's `meta`.

        Raises:
          ValueError: the prompt states no problem of this task.

        Example:
          >>> from tunix_rt_nb import tasks
          >>> trace = tasks.get("arithmetic").write("What is 17 + 20 - 36?", random.Random(2))
          >>> trace.final_answer
          '1'
        """
        problem = self.problem(prompt)
        lines, answer = self.solution(problem, grain)
        voice = rng.randrange(6)  # one number for all steps of the trace: one style
        steps = [(line[0], line[1 + voice % (len(line) - 1)]) for line in lines]
        about = {
            "task": self.name,
            "source": self.source,
            "difficulty": self.difficulty,
            "grain": grain,
            **self.facts(problem),
            **meta,
        }
        if mistake:
            steps, about["mistakes"] = amend(steps, self.checker(problem, grain), rng)
        return Trace.of(prompt, steps, answer, about)

    def review(self, trace: Trace) -> Review:
        """Check all steps of a trace against the problem in its prompt.

        The steps are compared with two solutions of the problem, in small and in large steps. The
        comparison that finds fewer errors counts. A wrong step counts as right if the next step
        notices and repairs it.

        Raises:
          ValueError: the prompt states no problem of this task.
        """
        problem = self.problem(trace.prompt)
        said = [step.content for step in trace.steps]
        reviews = []
        # Begin with the grain that `meta` names. Stop at a grain at which all steps are right.
        for grain in sorted(GRAINS, key=lambda grain: grain != (trace.meta or {}).get("grain")):
            reviews.append(_follow(self.checker(problem, grain), said))
            if not any([*reviews[-1].steps, reviews[-1].end]):
                return reviews[-1]
        return min(reviews, key=lambda review: sum(map(bool, [*review.steps, review.end])))

    def check_step(self, trace: Trace, i: int) -> str | None:
        """Return why step `i`, from 0, is wrong, or None if it is right.

        Raises:
          ValueError: the prompt states no problem of this task.
        """
        return self.review(trace).steps[i]

    def grade(self, answer: str, trace: Trace) -> float:
        """Score an answer to the trace's prompt, from 0.0 (wrong) to 1.0 (right).

        Raises:
          ValueError: the prompt states no problem of this task.
        """
        return self.score(answer, self.problem(trace.prompt))


@lru_cache(maxsize=64)
def _read(task: type[Task], prompt: str) -> Hashable:
    return task().read(prompt)


@lru_cache(maxsize=64)
def _solve(task: type[Task], problem: Hashable, grain: str) -> Solution:
    return task().solve(problem, grain)


def _follow(check: Checker, said: Sequence[str]) -> Review:
    found: list[str | None] = []
    before: list[str] = []
    for text in said:
        # Check a repair in place of the wrong step before it; a right repair replaces the step.
        if text.startswith(AMENDS) and found and found[-1]:
            amended = text.removeprefix(next(a for a in AMENDS if text.startswith(a)))
            wrong = check(before[:-1], amended)
            if wrong is None:
                found[-1], before[-1] = None, amended
            found.append(wrong)
        else:
            found.append(check(before, text))
            before.append(text)
    return Review(found, check(before, None))
