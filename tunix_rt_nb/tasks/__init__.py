"""Where traces come from: tasks whose every step a program can check.

A task is four methods: `generate`, `check_step`, `grade`, `space`. To add one, subclass `Task` in
a file of this folder and name the class in `TASKS`.
"""

import hashlib
import random
from collections.abc import Iterator

from tunix_rt_nb.errors import InputError, unknown
from tunix_rt_nb.tasks.arithmetic import Arithmetic
from tunix_rt_nb.tasks.cards import HighCardDuel
from tunix_rt_nb.tasks.task import Task
from tunix_rt_nb.trace import Trace

__all__ = ["TASKS", "Task", "draw", "get", "problems"]

TASKS: dict[str, type[Task]] = {task.name: task for task in (HighCardDuel, Arithmetic)}


def get(name: str, difficulty: str = "easy") -> Task:
    """The task of that name.

    Raises:
      InputError: no such task or difficulty.

    Example:
      >>> get("arithmetic").name
      'arithmetic'
    """
    if name not in TASKS:
        raise unknown("task", name, TASKS)
    return TASKS[name](difficulty)


def problems(trace: Trace) -> list[str]:
    """Everything a program can find wrong with a trace of a known task; empty when it is right."""
    task = get(trace.task or "")
    try:
        found = [task.check_step(trace, step.i) for step in trace.steps]
        score = task.grade(trace.final_answer, trace)
    except ValueError as error:
        return [f"prompt: {error}"]
    wrong = [f"step {i + 1}: {reason}" for i, reason in enumerate(found) if reason]
    return wrong if score == 1.0 else [*wrong, f"answer: {trace.final_answer!r} is wrong"]


def draw(name: str, n: int, seed: int, difficulty: str = "easy") -> Iterator[Trace]:
    """Draws `n` traces with distinct prompts, each checked step by step before it is given out.

    Item `k` depends on (seed, task, difficulty, k) alone, by a hash: neighbouring seeds share
    nothing, and the first items stay the same when more are asked for.

    Raises:
      InputError: `n` is out of range, or more than the task has prompts.
    """
    task = get(name, difficulty)
    space = task.space()
    if type(n) is not int or n < 1 or (space is not None and n > space):
        most = f"to {space}, the number of its distinct prompts" if space else "or more"
        raise InputError(f"n: {n!r} traces of {name} ({difficulty}) asked for, expected 1 {most}")
    prompts: set[str] = set()
    index = 0
    while len(prompts) < n:
        trace = task.generate(_rng(seed, name, difficulty, index))
        index += 1
        if trace.prompt in prompts:
            continue
        wrong = problems(trace)
        if wrong:  # a bug in the task: better no trace than a wrong one
            raise AssertionError(f"{name} wrote a wrong trace: {wrong[0]}: {trace.canonical()}")
        prompts.add(trace.prompt)
        yield trace


def _rng(*key: object) -> random.Random:
    digest = hashlib.sha256(":".join(map(str, key)).encode()).digest()
    return random.Random(int.from_bytes(digest, "big"))
