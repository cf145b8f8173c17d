"""Tasks of reasoning-gym: problems and verifier come from the library, the steps are ours.

Source: Stojanovski et al. 2025, "REASONING GYM: Reasoning Environments for Reinforcement Learning
with Verifiable Rewards".
"""

import random
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from types import ModuleType
from typing import Any, ClassVar

from tunix_rt_nb.common import InputError
from tunix_rt_nb.tasks.task import DIFFICULTIES, Task

SOURCE = "reasoning-gym"
INSTALL = "pip install 'tunix_rt_nb[gym]', which needs a C compiler"


def by_level(**values: Sequence[Any]) -> dict[str, dict[str, Any]]:
    """Return a dict with the settings for each difficulty.

    Each keyword argument names a setting and gives its values for easy, medium and hard.

    Example:
      >>> by_level(max_value=(9, 20, 50))["medium"]
      {'max_value': 20}
    """
    return {
        level: {name: of[i] for name, of in values.items()} for i, level in enumerate(DIFFICULTIES)
    }


class GymTask(Task):
    """A task whose prompts and answers come from the reasoning-gym task of the same name.

    Attributes:
      settings: the configuration of the reasoning-gym task for each difficulty.
    """

    source = SOURCE
    settings: ClassVar[dict[str, dict[str, Any]]]

    def prompt(self, rng: random.Random) -> str:
        # reasoning-gym draws an item with Random(seed + index). Random indices of 62 bits keep the
        # items of two seeds from overlapping.
        dataset = _dataset(type(self), self.difficulty)
        while not self.sound(item := dataset[rng.getrandbits(62)]):
            pass
        prompt = item["question"].strip()
        answer = self.solution(self.problem(prompt), "fine").answer
        if dataset.score_answer(answer, item) != 1.0:
            raise AssertionError(
                f"{self.name}: reasoning-gym finds {answer!r} wrong for {prompt!r}"
            )
        return prompt

    def score(self, answer: str, problem: Any) -> float:
        """Score 1.0 if reasoning-gym's verifier gives 1.0, else 0.0.

        The verifier also gives part scores to close answers; these count as 0.0 here.
        """
        answer, right = answer.strip(), self.solution(problem, "fine").answer
        if answer == right:  # spares loading the library, which takes seconds
            return 1.0
        item = {"question": "", "answer": right, "metadata": self.metadata(problem)}
        return float(_dataset(type(self), self.difficulty).score_answer(answer, item) == 1.0)

    def sound(self, item: dict[str, Any]) -> bool:
        """Tell whether the question and the answer of an item from reasoning-gym are correct.

        `item` is a dict with `question`, `answer` and `metadata`. If this method returns False, the
        item is skipped and another one is drawn.
        """
        return True

    @staticmethod
    def faster(config: Any) -> Mapping[str, Callable[..., Any]]:
        """Return methods to put in place of the library's slow ones, by name.

        Each must draw the same random numbers and return the same as the one it replaces.

        Args:
          config: the library's configuration of the task, made from `settings`.
        """
        return {}

    def metadata(self, problem: Any) -> dict[str, Any]:
        """Return the fields of a problem that reasoning-gym's verifier needs to score answers."""
        return {}


@cache
def _dataset(task: type[GymTask], difficulty: str) -> Any:
    dataset = gym().create_dataset(task.name, seed=0, size=1, **task.settings[difficulty])
    vars(dataset).update(task.faster(dataset.config))
    return dataset


def is_installed() -> bool:
    """Tell whether reasoning-gym is installed; without it, none of its problems can be drawn."""
    return find_spec("reasoning_gym") is not None


def gym() -> ModuleType:
    """Import and return reasoning-gym, only when first needed, because that takes seconds.

    Raises:
      InputError: it is not installed.
    """
    # pycosat has no wheel, and only a puzzle that we do not use needs it. An empty module in its
    # place spares the user a compiler.
    try:
        import pycosat  # noqa: F401
    except ImportError:
        sys.modules["pycosat"] = ModuleType("pycosat")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # from libraries that it imports
        try:
            import reasoning_gym
        except ImportError as error:
            raise InputError(f"reasoning-gym is missing ({error}): {INSTALL}") from None

    return reasoning_gym
