"""Functions that draw traces of distinct problems and check each before they yield it."""

import hashlib
import random
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import count
from typing import Any

from tunix_rt_nb.common import InputError, unknown
from tunix_rt_nb.tasks.checks import problems
from tunix_rt_nb.tasks.registry import available, get
from tunix_rt_nb.tasks.task import DIFFICULTIES, GRAINS, Task
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
    task = _asked(name, n, difficulty, grain, mistakes)
    yield from _rest(task, n, seed, grain, mistakes, 0, set())


def share(
    indices: range,
    name: str,
    n: int,
    seed: int,
    difficulty: str = "easy",
    grain: str = "fine",
    mistakes: float = 0.0,
) -> Iterator[Trace]:
    """Draw a part of what `draw` draws: the traces whose indices, from 0, are in a range.

    A problem that the part draws twice is left out the second time. The other arguments are those
    of `draw`, and so are the errors.
    """
    task = _asked(name, n, difficulty, grain, mistakes)
    drawn = _items(task, seed, grain, mistakes, indices, set())
    return (trace for trace in drawn if trace)


def joined(
    parts: Iterable[Trace],
    name: str,
    n: int,
    seed: int,
    difficulty: str = "easy",
    grain: str = "fine",
    mistakes: float = 0.0,
) -> Iterator[Trace]:
    """Join parts that `share` drew: yield exactly the traces that `draw` yields.

    Of traces with the same problem, the first one counts. To make up for the others, further traces
    are drawn, as `draw` does.

    Args:
      parts: the traces of all parts that together have the indices from 0 to `n - 1`, in order.
      name, n, seed, difficulty, grain, mistakes: the arguments with which the parts were drawn.
    """
    task = _asked(name, n, difficulty, grain, mistakes)
    drawn: set[Hashable] = set()
    for trace in parts:
        problem = task.problem(trace.prompt)
        if problem not in drawn:
            drawn.add(problem)
            yield trace
    yield from _rest(task, n, seed, grain, mistakes, n, drawn)


def _asked(name: str, n: int, difficulty: str, grain: str, mistakes: float) -> Task:
    """Return the task to draw from; raise `InputError` if an argument of `draw` is bad."""
    task = get(name, difficulty)
    space = task.space()
    if type(n) is not int or n < 1 or (space is not None and n > space):
        most = f"to {space}, the number of its distinct problems" if space else "or more"
        raise InputError(f"n: {n!r} traces of {name} ({difficulty}), expected 1 {most}")
    if grain not in GRAINS:
        raise unknown("grain", grain, GRAINS)
    if not 0.0 <= mistakes <= 1.0:
        raise InputError(f"mistakes: is {mistakes}, expected a share from 0.0 to 1.0")
    return task


def _rest(
    task: Task,
    n: int,
    seed: int,
    grain: str,
    mistakes: float,
    start: int,
    drawn: set[Hashable],
) -> Iterator[Trace]:
    """Draw traces from index `start` on, until there are `n` problems in `drawn`."""
    latest = start
    items = _items(task, seed, grain, mistakes, count(start), drawn)
    while len(drawn) < n:
        trace, start = next(items), start + 1
        if trace:
            latest = start
            yield trace
        elif task.space() is None and start - latest > _PATIENCE:
            raise InputError(
                f"n: {n} traces of {task.name} ({task.difficulty}), but only {len(drawn)} distinct"
                " problems were found"
            )


def _items(
    task: Task,
    seed: int,
    grain: str,
    mistakes: float,
    indices: Iterable[int],
    drawn: set[Hashable],
) -> Iterator[Trace | None]:
    """Draw and check the traces of some indices, each from its own random generator.

    Args:
      drawn: the problems that were drawn before. New ones are added; for the others, yield None.
    """
    for index in indices:
        rng = _rng(seed, task.name, task.difficulty, grain, index)
        mistake = mistakes > 0.0 and rng.random() < mistakes
        prompt = task.prompt(rng)
        problem = task.problem(prompt)
        if problem in drawn:
            yield None
            continue
        trace = task.write(prompt, rng, grain, mistake, seed=seed, episode_index=index)
        wrong = problems(trace)
        if wrong:  # a bug in the task: better to fail than to yield a wrong trace
            raise AssertionError(
                f"{task.name} wrote a wrong trace: {wrong[0]}: {trace.canonical()}"
            )
        drawn.add(problem)
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


def catalogue(names: Sequence[str] = (), examples: bool = True) -> Iterator[dict[str, Any]]:
    """Describe each of the named tasks, or each one that can be drawn here if none is named.

    Args:
      names: the names of tasks.
      examples: whether to draw an example of each; for some tasks that loads a library for seconds.

    Yields:
      A dict for each task: `task` (its name), `source`, `about`, `problems` (for each difficulty
      the number of distinct problems, or None if too many to count), and, of an example, the
      `prompt`, `steps` and `answer`.

    Raises:
      InputError: a name is not the name of a task.

    Example:
      >>> next(catalogue())["problems"]["easy"]
      2652
    """
    for task in [get(name) for name in names or available()]:
        yield {
            "task": task.name,
            "source": task.source,
            "about": task.about,
            "problems": {level: get(task.name, level).space() for level in DIFFICULTIES},
            **(_example(task.name) if examples else {}),
        }


def _example(name: str) -> dict[str, Any]:
    [trace] = draw(name, 1, seed=0)
    steps = [step.content for step in trace.steps]
    return {"prompt": trace.prompt, "steps": steps, "answer": trace.final_answer}


def _rng(*key: object) -> random.Random:
    digest = hashlib.sha256(":".join(map(str, key)).encode()).digest()
    return random.Random(int.from_bytes(digest, "big"))
