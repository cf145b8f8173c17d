"""The list of all tasks. To add one, write its class in a folder of this room and list it here."""

from tunix_rt_nb.common import unknown
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
