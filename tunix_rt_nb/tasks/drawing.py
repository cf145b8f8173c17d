"""Functions that draw traces of distinct problems and check each before they yield it."""

import hashlib
import random
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

from tunix_rt_nb.common import InputError, unknown
from tunix_rt_nb.tasks.checks import problems
from tunix_rt_nb.tasks.registry import available, get
from tunix_rt_nb.tasks.task import DIFFICULTIES, GRAINS
from tunix_rt_nb.trace import Trace

_PATIENCE = 1000  # draws without a new problem before a task counts as used up


def draw(
    name: str,
    n: int,
    seed: int,
    difficulty: str = "easy",
    grain: str = "fine",
    mistakes: float = 0.0,
) -> Iterator[Trace]:
    """Draw `n` traces of distinct problems and check each, step by step, before yielding it.

    Each draw `k` has its own random generator, seeded with a hash of (seed, task, difficulty,
    grain, k). So neighbouring seeds share nothing, and the first traces stay the same if `n` grows.

    Args:
      name: the name of the task.
      n: the number of traces.
      seed: decides which problems are drawn, and their wording.
      difficulty: `easy`, `medium` or `hard`.
      grain: `fine` (small steps) or `coarse` (larger ones).
      mistakes: the expected share of traces with a wrong step, which the next step repairs.

    Raises:
      InputError: `n` is below 1 or more than the task has problems, or another argument is bad.
    """
    task = get(name, difficulty)
    space = task.space()
    if type(n) is not int or n < 1 or (space is not None and n > space):
        most = f"to {space}, the number of its distinct problems" if space else "or more"
        raise InputError(f"n: {n!r} traces of {name} ({difficulty}), expected 1 {most}")
    if grain not in GRAINS:
        raise unknown("grain", grain, GRAINS)
    if not 0.0 <= mistakes <= 1.0:
        raise InputError(f"mistakes: is {mistakes}, expected a share from 0.0 to 1.0")
    drawn: set[Hashable] = set()
    index = latest = 0
    while len(drawn) < n:
        rng = _rng(seed, name, difficulty, grain, index)
        mistake = mistakes > 0.0 and rng.random() < mistakes
        prompt = task.prompt(rng)
        index += 1
        problem = task.problem(prompt)
        if problem in drawn:
            if space is None and index - latest > _PATIENCE:
                raise InputError(
                    f"n: {n} traces of {name} ({difficulty}), but only {len(drawn)} distinct"
                    " problems were found"
                )
            continue
        trace = task.write(prompt, rng, grain, mistake, seed=seed, episode_index=index - 1)
        wrong = problems(trace)
        if wrong:  # a bug in the task: better to fail than to yield a wrong trace
            raise AssertionError(f"{name} wrote a wrong trace: {wrong[0]}: {trace.canonical()}")
        drawn.add(problem)
        latest = index
        yield trace


def mixture(
    name: str,
    n: int,
    seed: int,
    difficulties: Sequence[str],
    grain: str = "fine",
    mistakes: float = 0.0,
) -> Iterator[Trace]:
    """Draw `n` traces of a task, equally many at each difficulty.

    If `n` cannot be divided evenly, the first difficulties get one trace more each. The other
    arguments are those of `draw`.

    Raises:
      InputError: as in `draw`; or `difficulties` is empty, or names one twice.

    Example:
      >>> drawn = mixture("arithmetic", 3, seed=0, difficulties=["easy", "hard"])
      >>> [trace.meta["difficulty"] for trace in drawn]
      ['easy', 'easy', 'hard']
    """
    if not difficulties or len(set(difficulties)) < len(difficulties):
        raise InputError(
            f"difficulties: {difficulties!r}, expected any of {DIFFICULTIES}, each once"
        )
    share, rest = divmod(n, len(difficulties))
    for k, difficulty in enumerate(difficulties):
        yield from draw(name, share + (k < rest), seed, difficulty, grain, mistakes)


def catalogue(names: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """Describe each of the named tasks, or each one that can be drawn here if none is named.

    Yields:
      A dict for each task: `task` (its name), `source`, `about`, `problems` (for each difficulty
      the number of distinct problems, or None if too many to count), and the `prompt`, `steps` and
      `answer` of an example.

    Raises:
      InputError: a name is not the name of a task.

    Example:
      >>> next(catalogue())["problems"]["easy"]
      2652
    """
    for task in [get(name) for name in names or available()]:
        [trace] = draw(task.name, 1, seed=0)
        yield {
            "task": task.name,
            "source": task.source,
            "about": task.about,
            "problems": {level: get(task.name, level).space() for level in DIFFICULTIES},
            "prompt": trace.prompt,
            "steps": [step.content for step in trace.steps],
            "answer": trace.final_answer,
        }


def _rng(*key: object) -> random.Random:
    digest = hashlib.sha256(":".join(map(str, key)).encode()).digest()
    return random.Random(int.from_bytes(digest, "big"))
