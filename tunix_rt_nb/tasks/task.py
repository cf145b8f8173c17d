"""What a task is."""

import random
from abc import ABC, abstractmethod
from typing import Any, ClassVar

from tunix_rt_nb.errors import unknown
from tunix_rt_nb.trace import Trace

DIFFICULTIES = ("easy", "medium", "hard")


class Task(ABC):
    """A source of prompts with steps and answers that a program can check."""

    name: ClassVar[str]

    def __init__(self, difficulty: str = "easy") -> None:
        if difficulty not in DIFFICULTIES:
            raise unknown("difficulty", difficulty, DIFFICULTIES)
        self.difficulty = difficulty

    @abstractmethod
    def generate(self, rng: random.Random) -> Trace:
        """Draws one prompt and solves it in steps."""

    @abstractmethod
    def check_step(self, trace: Trace, i: int) -> str | None:
        """Why step `i` of a trace is wrong, or None where it is right.

        The check works from the prompt alone, so that a model's own steps can be put in the place
        of ours and checked in the same way.

        Raises:
          ValueError: the prompt is none of this task's; so does `grade`.
        """

    @abstractmethod
    def grade(self, answer: str, trace: Trace) -> float:
        """How right an answer to the trace's prompt is, 0.0 to 1.0, computed from the prompt."""

    @abstractmethod
    def space(self) -> int | None:
        """How many distinct prompts there are at this difficulty; None where too many to count."""

    def trace(self, prompt: str, steps: list[tuple[str, str]], answer: str, **meta: Any) -> Trace:
        """A trace of this task, with the task and its difficulty in `meta`."""
        return Trace.of(
            prompt, steps, answer, {"task": self.name, "difficulty": self.difficulty, **meta}
        )
