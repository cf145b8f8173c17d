"""Drawing from the tasks: traces of distinct problems, each checked before it is given out."""

import hashlib
import random
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

from tunix_rt_nb.common import InputError, unknown
from tunix_rt_nb.tasks.checks import problems
from tunix_rt_nb.tasks.registry import TASKS, get
from tunix_rt_nb.tasks.task import DIFFICULTIES, GRAINS
from tunix_rt_nb.trace import Trace

_PATIENCE = 1000  # draws without anything new before a task counts as used up


def draw(
    name: str,
    n: int,
    seed: int,
    difficulty: str = "easy",
    grain: str = "fine",
    mistakes: float = 0.0,
) -> Iterator[Trace]:
    """Draws `n` traces of distinct problems, each checked step by step before it is given out.

    Item `k` depends on (seed, task, difficulty, grain, k) alone, by a hash: neighbouring seeds
    share nothing, and the first items stay the same when more are asked for.

    Args:
      mistakes: the share of traces in which a step goes wrong, is noticed and repaired.

    Raises:
      InputError: `n` is out of range, or more than the task has problems.
    """
    task = get(name, difficulty)
    space = task.space()
    if type(n) is not int or n < 1 or (space is not None and n > space):
        most = f"to {space}, the number of its distinct problems" if space else "or more"
        raise InputError(f"n: {n!r} traces of {name} ({difficulty}) asked for, expected 1 {most}")
    if grain not in GRAINS:
        raise unknown("grain", grain, GRAINS)
    if not 0.0 <= mistakes <= 1.0:
        raise InputError(f"mistakes: {mistakes} is no share, expected 0.0 to 1.0")
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
                    f"n: {n} traces of {name} ({difficulty}) asked for, {len(drawn)} seem to be all"
                )
            continue
        trace = task.write(prompt, rng, grain, mistake, seed=seed, episode_index=index - 1)
        wrong = problems(trace)
        if wrong:  # a bug in the task: better no trace than a wrong one
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
    """Draws `n` traces of a task, the difficulties in equal shares.

    Raises:
      InputError: as `draw`; or no difficulty, or one twice.

    Example:
      >>> drawn = mixture("arithmetic", 3, seed=0, difficulties=["easy", "hard"])
      >>> [trace.meta["difficulty"] for trace in drawn]
      ['easy', 'easy', 'hard']
    """
    if not difficulties or len(set(difficulties)) < len(difficulties):
        raise InputError(f"difficulties: {difficulties!r}, expected each of {DIFFICULTIES} once")
    share, rest = divmod(n, len(difficulties))
    for k, difficulty in enumerate(difficulties):
        yield from draw(name, share + (k < rest), seed, difficulty, grain, mistakes)


def catalogue(names: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """The tasks of these names, or all: source, question, size of the spaces, an example.

    Raises:
      InputError: no such task.

    Example:
      >>> next(catalogue())["problems"]["easy"]
      2652
    """
    for task in [get(name) for name in names or TASKS]:
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
