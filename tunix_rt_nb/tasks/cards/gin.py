"""Gin Rummy: the deadwood of a hand, the best discard, the knock and its score.

A meld is three or four cards of a rank, or three or more of a suit in sequence. Deadwood is the
points of all cards outside melds. A player with a deadwood of 10 or less after the discard may
knock, which ends the round. The other player, the defender, may then lay off cards, that is, add
them to the knocker's melds. The knocker scores the difference between the deadwood of the two.
A knock without deadwood is called gin. It scores 25 more, and the defender may not lay off. If the
defender has no more deadwood than the knocker, the defender scores instead: the difference and 25
more. This is called an undercut.

Source: the rules of the Gin Rummy Association (GRA_Rules.pdf), which OpenSpiel's `gin_rummy`
follows, except that equal deadwood scores nothing in OpenSpiel.
"""

import random
import re
from collections.abc import Sequence
from functools import lru_cache
from math import comb
from typing import Any

from tunix_rt_nb.tasks.cards.cards import HAND, compared, distinct, only
from tunix_rt_nb.tasks.cards.deadwood import count, discard
from tunix_rt_nb.tasks.cards.melds import (
    CARDS,
    NONE,
    VALUE,
    Hand,
    Way,
    by_rank,
    cards,
    deal,
    each_set,
    mask,
    points,
    runs,
    ways,
)
from tunix_rt_nb.tasks.numbers import columns
from tunix_rt_nb.tasks.task import Solution, Task, matched, worded

LIMIT = 10
BONUS = 25

_FEW = (0, 1, 1, 1, 1, 1, 1, 1)
_HAND = {"easy": (5, _FEW), "medium": (10, (0, 1, 1, 2, 2, 3)), "hard": (10, (1, 1, 2, 3))}
_RULES = "Gin Rummy, {} cards a hand, A=1, J Q K=10."
_BONUSES = "Gin and undercut give 25 more, no lay-offs on gin."
_MELDS = ("What is my least deadwood?", "How much deadwood do I have at least?")
_DISCARDS = ("Which discard leaves the least deadwood?", "What is my best discard?")
_KNOCKS = (
    "May I knock, yes or no, and what is my deadwood?",
    "Is a knock allowed, yes or no, and with what deadwood?",
)
_SCORES = ("Who scores, and how much?", "Who gets points, and how many?")

_EASY = comb(52, 5) - 44 * 3 * 3  # hands of 5 in which no run and set share a card


def _pattern(told: str, asked: Sequence[str]) -> re.Pattern[str]:
    rules = re.escape(_RULES).replace(r"\{\}", "(5|10)")
    return re.compile(f"{rules} {told} (?:{'|'.join(map(re.escape, asked))})")


_MELDS_PROMPT = _pattern(rf"I hold ({HAND})\.", _MELDS)
_DISCARD_PROMPT = _pattern(rf"I hold ({HAND})\.", _DISCARDS)
_KNOCK_PROMPT = _pattern(rf"After my discard I hold ({HAND})\.", _KNOCKS)
_SCORE_PROMPT = _pattern(
    rf"{re.escape(_BONUSES)} The knocker holds ({HAND})\. The defender holds ({HAND})\.", _SCORES
)
_ANSWER = re.compile(r"(?:the )?(yes|no|knocker|defender)[\s,:]+([0-9]{1,3})\.?")


class _Gin(Task):
    source = "ungar"

    def facts(self, problem: Any) -> dict[str, Any]:
        return {"game": "gin_rummy"}


class GinMelds(_Gin):
    """The question of how many points a hand has outside melds if it is melded in the best way."""

    name = "gin_melds"
    about = "the deadwood of a hand of Gin Rummy (easy: 5 cards; hard: melds that share cards)"

    def prompt(self, rng: random.Random) -> str:
        size, melds = _HAND[self.difficulty]
        hand = deal(rng, size, self.difficulty == "hard", melds)
        return f"{_RULES.format(size)} I hold {' '.join(hand)}. {rng.choice(_MELDS)}"

    def read(self, prompt: str) -> Hand:
        [hand] = _read(_MELDS_PROMPT, prompt)
        return hand

    def solve(self, problem: Hand, grain: str) -> Solution:
        lines, deadwood = count(problem, grain)
        return Solution(lines, str(deadwood))

    def space(self) -> int | None:
        return _EASY if self.difficulty == "easy" else None


class GinDiscard(_Gin):
    """The question of which card to discard from a hand after drawing one."""

    name = "gin_discard"
    about = "the discard that leaves the least deadwood (easy: 6 cards; hard: melds share cards)"

    def prompt(self, rng: random.Random) -> str:
        size, melds = _HAND[self.difficulty]
        # Few hands with many unmelded cards worth ten have a single best discard, so only three of
        # these cards can fill up the hand.
        most = (*CARDS[:36], *rng.choices(CARDS[36:], k=3))
        hand = deal(rng, size + 1, self.difficulty == "hard", melds, most, fits=_one_discard)
        return f"{_RULES.format(size)} I hold {' '.join(hand)}. {rng.choice(_DISCARDS)}"

    def read(self, prompt: str) -> Hand:
        [hand] = _read(_DISCARD_PROMPT, prompt, drawn=1)
        if not _one_discard(hand):
            raise ValueError(f"expected one best discard, a card outside melds: {prompt[:80]!r}")
        return hand

    def solve(self, problem: Hand, grain: str) -> Solution:
        return Solution(*discard(problem, grain))

    def score(self, answer: str, problem: Hand) -> float:
        return float(only(answer) == [self.solution(problem, "fine").answer])


class GinKnock(_Gin):
    """The question of whether a hand may knock, or what a knock scores, with both hands shown.

    A knock ends the round. The player who knocks may have at most 10 points outside melds.
    """

    name = "gin_knock"
    about = "may a hand of 5 cards knock (medium and hard: the score of a knock, with lay-offs)"

    def prompt(self, rng: random.Random) -> str:
        size, _ = _HAND[self.difficulty]
        rules = _RULES.format(size)
        if self.difficulty == "easy":
            hand = " ".join(deal(rng, size, False, _FEW))
            return f"{rules} After my discard I hold {hand}. {rng.choice(_KNOCKS)}"
        knocker, defender = map(" ".join, _showdown(rng, self.difficulty == "hard"))
        hands = f"The knocker holds {knocker}. The defender holds {defender}."
        return f"{rules} {_BONUSES} {hands} {rng.choice(_SCORES)}"

    def read(self, prompt: str) -> tuple[Hand, ...]:
        if _KNOCK_PROMPT.fullmatch(prompt):
            return _read(_KNOCK_PROMPT, prompt)
        hands = _read(_SCORE_PROMPT, prompt)
        if _melded(hands[0]) is None:
            raise ValueError(f"the knocker must have just one best way to knock: {prompt[:80]!r}")
        return hands

    def solve(self, problem: tuple[Hand, ...], grain: str) -> Solution:
        if len(problem) > 1:
            return _scored(problem[0], problem[1], grain)
        lines, deadwood = count(problem[0], grain)
        allowed = "yes" if deadwood <= LIMIT else "no"
        last = worded("knock", "As", f"{compared(deadwood, LIMIT)}: {allowed}.")
        return Solution([*lines, last], f"{allowed}, {deadwood}")

    def score(self, answer: str, problem: tuple[Hand, ...]) -> float:
        said = _ANSWER.fullmatch(answer.strip().lower())
        right = self.solution(problem, "fine").answer
        return float(said is not None and f"{said[1]}, {said[2]}" == right)

    def space(self) -> int | None:
        return _EASY if self.difficulty == "easy" else None


def _read(pattern: re.Pattern[str], prompt: str, drawn: int = 0) -> tuple[Hand, ...]:
    size, *texts = matched(prompt, "is no such question of Gin Rummy", pattern).groups()
    hands = [text.split() for text in texts]
    if any(len(hand) != int(size) + drawn for hand in hands):
        raise ValueError(f"each hand must have {int(size) + drawn} cards: {prompt[:80]!r}")
    distinct(" ".join(texts).split())
    return tuple(map(by_rank, hands))


def _one_discard(hand: Hand) -> bool:
    """Tell whether exactly one card of a hand is the best discard.

    The best discard leaves the fewest points outside melds. The hand has one card more than a
    player keeps. Return False if all its cards can be melded.
    """
    best: dict[int, dict[str, None]] = {}
    for way in ways(mask(hand)):
        left = cards(hand, way.left)
        if not left:
            return False
        highest = VALUE[left[-1]]
        found = best.setdefault(points(left) - highest, {})
        found.update(dict.fromkeys(card for card in left if VALUE[card] == highest))
    return len(best[min(best)]) == 1


@lru_cache(maxsize=16)  # called to draw, read, solve and grade a trace
def _melded(knocker: Hand) -> Way | None:
    """Return the way to arrange a knocker's hand that leaves the fewest points outside melds.

    Return None if these points are too many for a knock, or if several ways are equally good.
    """
    found = sorted((points(cards(knocker, way.left)), way) for way in ways(mask(knocker)))
    deadwood, way = found[0]
    fours = [part for part in each_set(way.sets) if part.bit_count() == 4]
    choice = any(runs(way.runs | part) & part for part in fours)  # a card could join a run instead
    if deadwood > LIMIT or choice or (len(found) > 1 and found[1][0] == deadwood):
        return None
    return way


def _scored(knocker: Hand, defender: Hand, grain: str) -> Solution:
    """Solve the question of who scores after a knock, and how much, with both hands shown.

    The defender may add cards to the knocker's melds. This is not allowed after gin, a knock with
    all cards in melds. `grain` is `fine` (small steps) or `coarse` (larger ones).
    """
    ours, k = count(knocker, grain, "Knocker")
    table = _melded(knocker) if k else NONE
    assert table is not None  # `read` refuses a knocker for whom it is None
    theirs, d = count(defender, grain, "Defender", table)
    if k == 0:
        gin = ("gin", "0 is gin: nothing is laid off.", "As 0 is gin, nothing is laid off.")
        lines = [*ours, gin, *theirs, *columns.add(BONUS, d, grain)]
        return Solution(lines, f"knocker, {BONUS + d}")
    verdict = "the knocker scores" if k < d else "undercut, the defender scores"
    lines = [*ours, *theirs, worded("compare", "As", f"{compared(k, d)}: {verdict}.")]
    lines += columns.subtract(max(k, d), min(k, d), grain)
    if k < d:
        return Solution(lines, f"knocker, {d - k}")
    return Solution(lines + columns.add(BONUS, k - d, grain), f"defender, {BONUS + k - d}")


def _showdown(rng: random.Random, hard: bool) -> tuple[list[str], list[str]]:
    """Deal one hand to the player who knocks and one to the defender; return them in this order.

    If `hard`, one of the two hands has a card that fits both a set and a run.
    """
    mine = hard and rng.random() < 0.5
    knocker = deal(rng, 10, mine, (2, 2, 2, 3), CARDS[:16], fits=lambda h: _melded(h) is not None)
    # By chance alone, undercuts would be rare: half of the defenders get more melds and low cards.
    melds, most = rng.choice((((0, 1, 1, 2), CARDS), ((2, 2, 3), CARDS[:24])))
    return knocker, deal(rng, 10, hard and not mine, melds, most, knocker)
