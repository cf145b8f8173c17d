"""Prompts that a model is asked in rounds: those that teach most are drawn most."""

import random
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tunix_rt_nb import dataset, evaluate, tasks
from tunix_rt_nb.common import InputError, files, one_line
from tunix_rt_nb.host import place
from tunix_rt_nb.trace import Trace

_FLOOR = 0.1  # the weight of a cell that teaches nothing now; later it may
_TOLD = 5  # traces that are left out and named
_TRIES = 1_000  # draws of a task without a prompt that may be asked


class Asked(NamedTuple):
    """A prompt of a round.

    Attributes:
      name: the id of its trace.
      cell: what pass rates are counted for: a task with its difficulty, or the prompt itself.
      trace: the prompt with its expected answer and, if a task made it, its solution.
    """

    name: str
    cell: str
    trace: Trace


class Prompts:
    """The prompts that may be asked: those of traces, and of built-in tasks without end.

    A prompt that the model always or never answers rightly teaches little. So each has a weight,
    4 p (1 - p) of the pass rate p that was last seen, but at least a tenth; a prompt that was not
    asked yet has weight 1. Held-out problems are never asked, in whatever words.

    Args:
      traces: (id, trace) pairs, with or without steps; each is asked at most once a round.
      of_tasks: names of tasks to draw fresh prompts of.
      difficulties: the difficulties to draw; each is a cell of its own.
      held_out: the (id, trace) pairs that must not be asked.

    Attributes:
      left_out: the ids of traces that ask a held-out problem.

    Raises:
      InputError: there is no prompt that may be asked, or a task is unknown.

    Example:
      >>> prompts = Prompts([], ["arithmetic"], ["easy"], held_out=[])
      >>> [asked.cell for asked in prompts.draw(2, seed=0, round=0, rates={})]
      ['arithmetic easy', 'arithmetic easy']
    """

    def __init__(
        self,
        traces: Iterable[tuple[str, Trace]],
        of_tasks: Sequence[str],
        difficulties: Sequence[str],
        held_out: Iterable[tuple[str, Trace]],
    ) -> None:
        kept = list(held_out)
        self._banned, self._n_held_out = _keys(kept), len(kept)
        self._own: list[Asked] = []
        self.left_out: list[str] = []
        for name, trace in traces:
            if self._banned & _keys([(name, trace)]):
                self.left_out.append(name)
            else:
                self._own.append(Asked(name, name, trace))
        self._tasks = {
            f"{name} {level}": tasks.get(name, level) for name in of_tasks for level in difficulties
        }
        if not self._own and not self._tasks:
            why = "all of them are held out" if self.left_out else "there are none"
            raise InputError(f"prompts: {why}, expected questions in ASK_FROM, or tasks in ASK")
        # Of tasks, the problems of the eval sets that ship are not drawn either: there are others.
        sets = map(dataset.evalset.read, dataset.evalset.names() if self._tasks else [])
        self._never = self._banned.union(*map(_keys, sets))
        self._held_out = evaluate.digest(kept)

    def __str__(self) -> str:
        told = [f"{len(self._own):,} prompts of traces"] if self._own else []
        told += [f"fresh prompts of {cell}" for cell in self._tasks]
        text = f"{', '.join(told)}; {self._n_held_out:,} held-out problems are never asked"
        if not self.left_out:
            return text
        names = ", ".join(one_line(name, 60) for name in self.left_out[:_TOLD])
        more = ", ..." if len(self.left_out) > _TOLD else ""
        return f"{text}; {len(self.left_out):,} traces ask one and are left out: {names}{more}"

    def digest(self) -> str:
        """Return the hash of all that decides which prompts are drawn."""
        asked = [evaluate.digest([(one.name, one.trace)]) for one in self._own]  # in this order
        return files.digest([asked, list(self._tasks), self._held_out])

    def draw(self, n: int, seed: int, round: int, rates: Mapping[str, float]) -> list[Asked]:
        """Draw the prompts of a round; the first is the same in every round.

        Args:
          n: how many; fewer come if there are fewer traces and no tasks.
          seed: together with `round`, decides which.
          round: the number of the round, from 0.
          rates: cell -> the share of right answers when it was last asked, from 0 to 1.

        Raises:
          InputError: a task has no more problems that may be asked.
        """
        first = self._of(self._chosen(np.random.default_rng([seed, 0]), 1, {})[0], [seed, 0, 0])
        chance = np.random.default_rng([seed, round, 1])
        found, seen = [first], {first.name}
        for k, cell in enumerate(self._chosen(chance, n, rates), 1):
            asked = self._of(cell, [seed, round, k])
            if len(found) < n and asked.name not in seen:
                found.append(asked)
                seen.add(asked.name)
        return found

    def _chosen(self, chance: np.random.Generator, n: int, rates: Mapping[str, float]) -> list[int]:
        """Choose cells by weight: own prompts without replacement, tasks as often as it comes.

        Args:
          chance: the source of randomness.
          n: how many.
          rates: as for `draw`.

        Returns:
          Numbers of cells: first all own prompts, then the tasks.
        """
        own = np.array([weight(rates.get(asked.cell)) for asked in self._own])
        of_tasks = np.array([weight(rates.get(cell)) for cell in self._tasks])
        # The tasks and all own prompts together share the round by their numbers: half and half.
        n_own = len(own) and (n if not len(of_tasks) else n // 2)
        n_own = min(n_own, len(own))
        numbers = chance.choice(len(own), n_own, False, own / own.sum()) if n_own else np.empty(0)
        more = (
            chance.choice(len(of_tasks), n - n_own, True, of_tasks / of_tasks.sum()) + len(own)
            if len(of_tasks)
            else np.empty(0)
        )
        return [int(k) for k in (*numbers, *more)]

    def _of(self, cell: int, key: Sequence[int]) -> Asked:
        """Return the prompt of a cell; of a task, draw a fresh one that is not held out."""
        if cell < len(self._own):
            return self._own[cell]
        name = list(self._tasks)[cell - len(self._own)]
        for k in range(_TRIES):
            chance = random.Random(f"{name}/{'/'.join(map(str, key))}/{k}")
            trace = self._tasks[name].generate(chance)
            if not self._never & _keys([("", trace)]):
                return Asked(trace.id, name, trace)
        raise InputError(f"prompts: {name} has no problem left that is not held out")


def traces_to_ask(
    built: Path, of_tasks: Sequence[str] = (), asked: str = ""
) -> list[tuple[str, Trace]]:
    """Return the traces whose prompts are asked in rounds, as (id, trace) pairs.

    Args:
      built: the folder of the run's dataset.
      of_tasks: the tasks of which fresh prompts are drawn; with some, the dataset is not asked.
      asked: the folder of a dataset, of which the training side is asked; or a file of questions
        with answers, in any format that `1_generate` imports. If empty, the run's dataset is asked.

    Raises:
      InputError: the folder or file is missing or damaged.
    """
    if asked and not (place.folder(asked) / "manifest.json").is_file():
        return dataset.evalset.read(asked)
    if of_tasks and not asked:
        return []
    return list(dataset.load(place.folder(asked) if asked else built, "train"))


def _keys(items: Iterable[tuple[str, Trace]]) -> set[Hashable]:
    """Return the keys of prompts, and of the problems that they pose, if a task can read them."""
    return {key for _, trace in items for key in dataset.evalset.keys(trace)}


def weight(rate: float | None) -> float:
    """Return how often a prompt is drawn, relative to others, given its pass rate.

    The variance of a right answer, p (1 - p), is what a group of answers can tell.

    Example:
      >>> weight(None), weight(0.5), weight(1.0)
      (1.0, 1.0, 0.1)
    """
    return 1.0 if rate is None else max(_FLOOR, 4 * rate * (1 - rate))
