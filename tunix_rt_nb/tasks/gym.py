"""Tasks of reasoning-gym: its problems and its verifier, our steps.

Source: Stojanovski et al. 2025, "REASONING GYM: Reasoning Environments for Reinforcement Learning
with Verifiable Rewards".
"""

import random
import sys
import warnings
from functools import cache
from types import ModuleType
from typing import Any, ClassVar

from tunix_rt_nb.tasks.task import Task


class GymTask(Task):
    """A task whose prompts and answers come from the reasoning-gym task of the same name.

    Attributes:
      settings: the configuration of the reasoning-gym task, by difficulty.
    """

    source = "reasoning-gym"
    settings: ClassVar[dict[str, dict[str, Any]]]

    def prompt(self, rng: random.Random) -> str:
        # An item is drawn by Random(seed + index): a hash as index lets no two seeds overlap.
        dataset = _dataset(type(self), self.difficulty)
        item = dataset[rng.getrandbits(62)]
        while not self.sound(item):
            item = dataset[rng.getrandbits(62)]
        prompt = item["question"].strip()
        answer = self.solution(self.problem(prompt), "fine").answer
        if dataset.score_answer(answer, item) != 1.0:
            raise AssertionError(
                f"{self.name}: reasoning-gym finds {answer!r} wrong for {prompt!r}"
            )
        return prompt

    def score(self, answer: str, problem: Any) -> float:
        """1.0 where reasoning-gym's verifier gives 1.0; it gives parts for close answers too."""
        answer, right = answer.strip(), self.solution(problem, "fine").answer
        if answer == right:  # known without the library, which takes seconds to load
            return 1.0
        item = {"question": "", "answer": right, "metadata": self.metadata(problem)}
        return float(_dataset(type(self), self.difficulty).score_answer(answer, item) == 1.0)

    def sound(self, item: dict[str, Any]) -> bool:
        """Whether reasoning-gym states and answers an item right; where not, another is drawn."""
        return True

    def metadata(self, problem: Any) -> dict[str, Any]:
        """What reasoning-gym's verifier wants to know of a problem besides its answer."""
        return {}

    def space(self) -> int | None:
        return None


@cache
def _dataset(task: type[GymTask], difficulty: str) -> Any:
    return _gym().create_dataset(task.name, seed=0, size=1, **task.settings[difficulty])


def _gym() -> ModuleType:
    """The library; imported when first needed, as that takes seconds."""
    # pycosat has no wheel, and one puzzle that is not ours needs it: no compiler for that.
    try:
        import pycosat  # noqa: F401
    except ImportError:
        sys.modules["pycosat"] = ModuleType("pycosat")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # of libraries that it imports
        import reasoning_gym

    return reasoning_gym
