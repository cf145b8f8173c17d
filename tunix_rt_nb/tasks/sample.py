"""Samples to test a task with: traces that it draws, and texts altered in one place."""

import random
import re
from collections.abc import Hashable, Iterator, Sequence
from hashlib import sha256
from typing import NamedTuple

from tunix_rt_nb.tasks.registry import get
from tunix_rt_nb.tasks.task import DIFFICULTIES, GRAINS, Task
from tunix_rt_nb.trace import Trace

_SPOT = re.compile(r"\d+|[♠♥♦♣]|[^\W\d_]+")


class Sample(NamedTuple):
    """The name of a task, and traces that it drew at each difficulty and grain."""

    name: str
    traces: Sequence[Trace]

    @property
    def plain(self) -> list[Trace]:
        """The traces without a deliberate mistake."""
        return [trace for trace in self.traces if not (trace.meta or {}).get("mistakes")]


def drawn(name: str, n: int, seed: int = 0) -> Sample:
    """Draw up to `n` traces of distinct problems at each difficulty and grain.

    Every fifth trace has a deliberate mistake, which its next step repairs.

    Raises:
      ValueError: the task cannot read a prompt that it drew, or does not always read the same
        problem from it.
      InputError: a trace is too large, or breaks another limit that every trace must keep.
    """
    traces = []
    for level in DIFFICULTIES:
        for grain in GRAINS:
            task, rng = get(name, level), random.Random(f"{seed}:{name}:{level}:{grain}")
            for k, prompt in enumerate(prompts(task, n, rng)):
                traces.append(task.write(prompt, rng, grain, mistake=k % 5 == 4))
    return Sample(name, traces)


def alter(text: str, words: Sequence[str], rng: random.Random) -> str:
    """Change one number, suit or word of a text; a word becomes one of `words`, or `not`.

    If the text has no number, suit or word, append a 0.

    Example:
      >>> alter("Units: 7+8=15.", ["Tens"], random.Random(0))
      'Units: 7+8=17.'
    """
    spots = list(_SPOT.finditer(text))
    if not spots:
        return f"{text}0"
    spot = rng.choice(spots)
    old = spot[0]
    if old.isdecimal():
        new = str(int(old) + rng.choice((1, 2, 10)))
    else:
        others = "♠♥♦♣" if old in "♠♥♦♣" else [*words, "not"]
        new = rng.choice([other for other in others if other != old])
    return text[: spot.start()] + new + text[spot.end() :]


def prompts(task: Task, n: int, rng: random.Random) -> Iterator[str]:
    """Yield one prompt for each of up to `n` distinct problems, after at most 20 * `n` draws.

    Raises:
      ValueError: the task cannot read a prompt, or does not read the same problem from it each
        time and at each difficulty.
    """
    seen: set[Hashable] = set()
    for _ in range(20 * n):
        prompt = task.prompt(rng)
        problem = task.read(prompt)
        for level in DIFFICULTIES:
            if get(task.name, level).read(prompt) != problem:
                raise ValueError(f"prompt: does not always give the same problem: {prompt[:80]!r}")
        if problem not in seen:
            seen.add(problem)
            yield prompt
        if len(seen) == n:
            return


def digest(name: str) -> str:
    """Return a sha256 in hex of a few traces of a task; it must be the same in every process."""
    traces = [trace.canonical() for trace in drawn(name, 3).traces]
    return sha256("\n".join(traces).encode()).hexdigest()
