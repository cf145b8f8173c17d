"""The list of all tasks. To add one, write its class in a folder of `tasks` and list it here.

A user's task need not be listed. It is registered from a file, which is passed to `load_from` or
named in the environment variable `TUNIX_RT_TASKS`, or from an entry point of an installed package.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from tunix_rt_nb.common import InputError, unknown
from tunix_rt_nb.host import plugins as named
from tunix_rt_nb.tasks import gym, plugins
from tunix_rt_nb.tasks.cards.gin import GinDiscard, GinKnock, GinMelds
from tunix_rt_nb.tasks.cards.high_card import HighCardDuel, HighCardOdds
from tunix_rt_nb.tasks.cards.spades import SpadesLegal, SpadesScore, SpadesTrick
from tunix_rt_nb.tasks.numbers.algebra import SimpleEquations
from tunix_rt_nb.tasks.numbers.arithmetic import Arithmetic
from tunix_rt_nb.tasks.numbers.countdown import Countdown
from tunix_rt_nb.tasks.numbers.digits import BaseConversion, Products
from tunix_rt_nb.tasks.numbers.factors import (
    FractionSimplification,
    GreatestCommonDivisor,
    PrimeFactorization,
)
from tunix_rt_nb.tasks.numbers.geometry import SimpleGeometry
from tunix_rt_nb.tasks.task import Task
from tunix_rt_nb.tasks.words.counting import LegCounting, LetterCounting, NumberFiltering
from tunix_rt_nb.tasks.words.dates import CalendarArithmetic
from tunix_rt_nb.tasks.words.family import AliceInWonderland, FamilyRelationships
from tunix_rt_nb.tasks.words.gsm_symbolic import GsmSymbolic
from tunix_rt_nb.tasks.words.logic import KnightsKnaves
from tunix_rt_nb.tasks.words.sorting import WordSorting

_CLASSES: tuple[type[Task], ...] = (
    HighCardDuel,
    HighCardOdds,
    SpadesLegal,
    SpadesTrick,
    SpadesScore,
    GinMelds,
    GinDiscard,
    GinKnock,
    Arithmetic,
    Products,
    GreatestCommonDivisor,
    PrimeFactorization,
    FractionSimplification,
    BaseConversion,
    SimpleEquations,
    SimpleGeometry,
    Countdown,
    KnightsKnaves,
    AliceInWonderland,
    FamilyRelationships,
    LetterCounting,
    LegCounting,
    NumberFiltering,
    WordSorting,
    CalendarArithmetic,
    GsmSymbolic,
)


TASKS: dict[str, type[Task]] = {task.name: task for task in _CLASSES}


def get(name: str, difficulty: str = "easy") -> Task:
    """Return the task of this name, at this difficulty.

    Raises:
      InputError: the task or the difficulty is unknown.

    Example:
      >>> get("arithmetic").name
      'arithmetic'
    """
    if name not in TASKS:
        raise unknown("task", name, TASKS)
    return TASKS[name](difficulty)


def available() -> list[str]:
    """Return the names of the tasks that can be drawn here: all, if reasoning-gym is installed.

    Example:
      >>> "arithmetic" in available()
      True
    """
    here = gym.is_installed()
    return [name for name, task in TASKS.items() if here or task.source != gym.SOURCE]


def load_from(paths: Iterable[str | Path]) -> list[str]:
    """Register the tasks that Python files define, and return their names.

    Child processes started later register them too. A file that is loaded again is executed
    again, and its tasks replace those that it defined before.

    Raises:
      InputError: a file cannot be read, fails, or defines no task; or another task has the same
        name.

    Example:
      >>> load_from([])
      []
    """
    loaded = []
    for path in map(Path, paths):
        loaded += _register(plugins.of_file(path), str(path), str(path.resolve()))
        named.name(path)
    return loaded


def _register(tasks: Sequence[type[Task]], where: str, home: str) -> list[str]:
    """Register the tasks of a file or a package.

    They replace the tasks that an earlier call registered from the same file or package.

    Args:
      tasks: the classes.
      where: the file or entry point, as messages name it.
      home: for a file, its absolute path; for an entry point, the same as `where`. Two calls with
        the same `home` are for the same file or package.

    Returns:
      The names of the tasks.
    """
    known = {name: task for name, task in TASKS.items() if _HOMES.get(name) != home}
    for task in tasks:
        if task.name in known:
            owner = (
                "a built-in task" if task.name not in _HOMES else f"a task of {_HOMES[task.name]}"
            )
            raise InputError(f"{where}: task {task.name!r} has the same name as {owner}")
    names = [task.name for task in tasks]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"{where}: task {twice[0]!r} is defined twice")
    TASKS.clear()
    TASKS.update(known | dict(zip(names, tasks, strict=True)))
    _HOMES.update(dict.fromkeys(names, home))
    return names


_HOMES: dict[str, str] = {}  # name of a user's task -> the file or entry point it is from
for _point in named.installed():
    _register(plugins.of_package(_point), *[plugins.told_of(_point)] * 2)
load_from(named.named())
