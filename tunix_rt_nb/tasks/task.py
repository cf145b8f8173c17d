"""What a task is: a source of prompts, of worked solutions to them, and of their checks."""

import random
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
"""One step of a solution: its type, its text, and the same text in other words."""

Checker = Callable[[Sequence[str], str | None], str | None]
"""(steps so far, next step or None for the end) -> why that is wrong, or None."""


class Solution(NamedTuple):
    """A worked solution."""

    lines: Sequence[Line]
    answer: str


class Review(NamedTuple):
    """What is wrong with each step of a trace (None: right), and with its ending there."""

    steps: list[str | None]
    end: str | None


class Task(ABC):
    """A kind of problem, stated in a prompt, that a program can solve and check step by step.

    A task says how to draw a prompt, how to read the problem back from it, and how to solve that
    in steps. Generating, checking and grading all follow from these, and always go through the
    prompt: a step is right if it says what a right solution says at that place, in any of its
    wordings and in one of its grains. A task with many right solutions overrides `checker`.

    Attributes:
      name: what the task is called in a trace's `meta`.
      source: where its problems come from.
      about: what it asks, in a line.
      difficulty: `easy`, `medium` or `hard`; it matters for drawing prompts only.
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
        """Draws a problem and states it, in one of several wordings."""

    @abstractmethod
    def read(self, prompt: str) -> Hashable:
        """The problem that a prompt states; it is the same in whatever words it is stated.

        Raises:
          ValueError: the prompt is none of this task's, at any difficulty.
        """

    @abstractmethod
    def solve(self, problem: Any, grain: str) -> Solution:
        """The solution of a problem, in small steps (`fine`) or in larger ones (`coarse`)."""

    @abstractmethod
    def space(self) -> int | None:
        """How many distinct problems there are at this difficulty; None where too many to count."""

    def problem(self, prompt: str) -> Hashable:
        """As `read`, remembered for a moment: a trace is written, checked and graded in a row."""
        return _read(type(self), prompt)

    def solution(self, problem: Hashable, grain: str) -> Solution:
        """As `solve`, remembered likewise."""
        return _solve(type(self), problem, grain)

    def facts(self, problem: Any) -> dict[str, Any]:
        """What `meta` says of a problem besides its task and difficulty."""
        return {}

    def score(self, answer: str, problem: Any) -> float:
        """How right an answer to a problem is, 0.0 to 1.0."""
        return float(answer.strip() == self.solution(problem, "fine").answer)

    def checker(self, problem: Any, grain: str) -> Checker:
        """Checks the steps of a solution one after the other."""
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
        """Draws a prompt and solves it; the arguments are those of `write`.

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
        """The worked solution of the problem that a prompt states.

        Args:
          rng: decides the wording of the steps, and which of them goes wrong.
          grain: `fine` or `coarse`.
          mistake: put in a wrong step, noticed and repaired in the next; `meta.mistakes` has
            its place.
          meta: goes into the trace's `meta`.

        Raises:
          ValueError: the prompt is none of this task's.

        Example:
          >>> from tunix_rt_nb import tasks
          >>> trace = tasks.get("arithmetic").write("What is 17 + 20 - 36?", random.Random(2))
          >>> trace.final_answer
          '1'
        """
        problem = self.problem(prompt)
        lines, answer = self.solution(problem, grain)
        voice = rng.randrange(6)  # one wording throughout a trace
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
        """Checks all the steps of a trace, from its prompt alone, in the grain that fits best.

        A wrong step counts as right where the next one notices and repairs it.

        Raises:
          ValueError: the prompt is none of this task's.
        """
        problem = self.problem(trace.prompt)
        said = [step.content for step in trace.steps]
        reviews = []
        for grain in sorted(GRAINS, key=lambda grain: grain != (trace.meta or {}).get("grain")):
            reviews.append(_follow(self.checker(problem, grain), said))
            if not any([*reviews[-1].steps, reviews[-1].end]):
                return reviews[-1]
        return min(reviews, key=lambda review: sum(map(bool, [*review.steps, review.end])))

    def check_step(self, trace: Trace, i: int) -> str | None:
        """Why step `i` of a trace is wrong, or None where it is right; raises as `review` does."""
        return self.review(trace).steps[i]

    def grade(self, answer: str, trace: Trace) -> float:
        """How right an answer to the trace's prompt is, 0.0 to 1.0; raises as `review` does."""
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
