"""Mini Spades: two players with five cards each, follow suit if able, spades are trump.

Source: the game of that name in the UNGAR suite of card games, from its rules: 52 cards, 2 low,
ace high; whoever takes a trick leads the next; each trick scores 1, and taking more tricks than the
opponent scores 5 more.
"""

import random
import re
from math import perm
from typing import Any

from tunix_rt_nb.tasks.cards.cards import CARD, DECK, compared, distinct, find, only, rank
from tunix_rt_nb.tasks.task import Line, Solution, Task, matched, worded

LEGAL_RULES = "Mini Spades: follow suit if able, lead any card."
RULES = "Mini Spades, 2 low, A high, spades trump."
WORTH = "1 point a trick, 5 more for taking more tricks than the opponent."
BONUS = 5

_HAND = {"easy": 3, "medium": 4, "hard": 5}
_TRICKS = {"easy": 1, "medium": 2, "hard": 3}
_LEADS = 0.1  # the share of prompts in which I lead, so that any card is legal

_LEGAL_PROMPT = re.compile(
    rf"{re.escape(LEGAL_RULES)} I hold ({CARD}(?: {CARD}){{0,4}})\."
    rf" (?:I lead|The opponent leads ({CARD}))\."
    r" (?:Which cards may I play|What are my legal cards)\?"
)
_ONE_PROMPT = re.compile(
    rf"{re.escape(RULES)} (I lead|The opponent leads) ({CARD}),"
    rf" (I play|the opponent plays) ({CARD})\. Do I win or lose the trick\?"
)
_TRICK_LIST = (
    rf"(I lead|The opponent leads) first, then whoever takes a trick\. Tricks, led card first:"
    rf" ({CARD} {CARD}(?:, {CARD} {CARD}){{1,4}})\."
)
_MANY_PROMPT = re.compile(
    rf"{re.escape(RULES)} {_TRICK_LIST} (?:How many tricks do I take|How many of them do I win)\?"
)
_SCORE_PROMPT = re.compile(
    rf"{re.escape(RULES)} {re.escape(WORTH)} {_TRICK_LIST}"
    r" (?:What do I score|How many points do I get)\?"
)

Legal = tuple[tuple[str, ...], str | None]
"""A hand, and the card that the opponent leads; None if I lead."""
Play = tuple[bool, tuple[tuple[str, str], ...]]
"""True if I lead first, and the tricks, led card first."""


class _Spades(Task):
    source = "ungar"

    def facts(self, problem: Any) -> dict[str, Any]:
        return {"game": "mini_spades"}


class SpadesLegal(_Spades):
    """The question of which cards of my hand I may play: after the opponent's card, or to lead."""

    name = "spades_legal"
    about = "which cards of a hand of 3, 4 or 5 may be played in Mini Spades"

    def prompt(self, rng: random.Random) -> str:
        *hand, led = rng.sample(DECK, _HAND[self.difficulty] + 1)
        lead = "I lead" if rng.random() < _LEADS else f"The opponent leads {led}"
        asked = rng.choice(("Which cards may I play?", "What are my legal cards?"))
        return f"{LEGAL_RULES} I hold {' '.join(hand)}. {lead}. {asked}"

    def read(self, prompt: str) -> Legal:
        match = matched(prompt, "asks for no legal cards of Mini Spades", _LEGAL_PROMPT)
        distinct(find(prompt))
        return tuple(match[1].split()), match[2]

    def solve(self, problem: Legal, grain: str) -> Solution:
        hand, led = problem
        every = " ".join(hand)
        if led is None:
            return Solution(
                [("lead", f"I lead: any of {every}.", f"On lead, any of {every}.")], every
            )
        suit = led[-1]
        legal = ""
        lines: list[Line] = [("read", f"{led} is led: {suit}.", f"The led card is {led}: {suit}.")]
        for card in hand:
            follows = card[-1] == suit
            legal = f"{legal} {card}".strip() if follows else legal
            said = f"{'yes' if follows else 'no'}: {legal or 'none'}."  # the legal cards so far
            lines.append(("check", f"{card} is {suit}? {said}", f"Is {card} {suit}? {said}"))
        if grain == "coarse":
            told = f"{suit}: {legal or 'none'}."
            lines = [("follow", f"My {told}", f"In {told}")]
        if not legal:
            lines.append(("void", f"So any of {every}.", f"Then any of {every}."))
        return Solution(lines, legal or every)

    def score(self, answer: str, problem: Legal) -> float:
        return float(sorted(only(answer)) == sorted(self.solution(problem, "fine").answer.split()))

    def space(self) -> int:
        n = _HAND[self.difficulty]
        return perm(52, n) * (1 + 52 - n)


class SpadesTrick(_Spades):
    """The question of who takes one trick, or how many of several I take, with all cards shown."""

    name = "spades_trick"
    about = "who takes a trick of Mini Spades (medium and hard: how many of 2 or 3 tricks)"

    def prompt(self, rng: random.Random) -> str:
        n = _TRICKS[self.difficulty]
        if n > 1:
            asked = rng.choice(("How many tricks do I take?", "How many of them do I win?"))
            return f"{RULES} {_told(_play(rng, 5, n))} {asked}"
        led, second = rng.sample(DECK, 2)
        if rng.random() < 0.3:  # by chance alone, few second cards would follow suit
            second = rng.choice([card for card in DECK if card[-1] == led[-1] and card != led])
        if rng.random() < 0.5:
            told = f"I lead {led}, the opponent plays {second}"
        else:
            told = f"The opponent leads {led}, I play {second}"
        return f"{RULES} {told}. Do I win or lose the trick?"

    def read(self, prompt: str) -> Play:
        one = _ONE_PROMPT.fullmatch(prompt)
        if one is None:
            return _read(_MANY_PROMPT, prompt)
        i_lead = one[1] == "I lead"
        if i_lead != (one[3] == "the opponent plays"):
            raise ValueError(f"one player plays both cards: {prompt[:80]!r}")
        distinct([one[2], one[4]])
        return i_lead, ((one[2], one[4]),)

    def solve(self, problem: Play, grain: str) -> Solution:
        lines, mine = _tricks(problem, grain)
        one = "win" if mine else "lose"
        return Solution(lines, one if len(problem[1]) == 1 else str(mine))

    def score(self, answer: str, problem: Play) -> float:
        return super().score(answer.lower(), problem)

    def space(self) -> int | None:
        return 2 * perm(52, 2) if self.difficulty == "easy" else None


class SpadesScore(_Spades):
    """The question of what I score for a hand that was played to the end."""

    name = "spades_score"
    about = "the score of a played hand of 3, 4 or 5 tricks of Mini Spades"

    def prompt(self, rng: random.Random) -> str:
        n = _HAND[self.difficulty]
        asked = rng.choice(("What do I score?", "How many points do I get?"))
        return f"{RULES} {WORTH} {_told(_play(rng, n, n))} {asked}"

    def read(self, prompt: str) -> Play:
        return _read(_SCORE_PROMPT, prompt)

    def solve(self, problem: Play, grain: str) -> Solution:
        lines, mine = _tricks(problem, grain)
        theirs = len(problem[1]) - mine
        bonus = BONUS if mine > theirs else 0
        last = worded("score", "As", f"{compared(mine, theirs)}: {mine}+{bonus}={mine + bonus}.")
        return Solution([*lines, last], str(mine + bonus))


def _play(rng: random.Random, size: int, n: int) -> Play:
    """Play the first `n` tricks of two random hands of `size` cards.

    In a trick, each player plays one card. The prompt calls one of the players "I".

    Returns:
      True if "I" leads the first trick, and the tricks as pairs of cards, the led card first.
    """
    cards = rng.sample(DECK, 2 * size)
    hands = {True: cards[:size], False: cards[size:]}
    first = i_lead = rng.random() < 0.5
    tricks = []
    for _ in range(n):
        led = hands[i_lead].pop()
        held = hands[not i_lead]
        second = next((card for card in held if card[-1] == led[-1]), held[-1])
        held.remove(second)
        tricks.append((led, second))
        i_lead ^= _second_wins(led, second)
    return first, tuple(tricks)


def _told(play: Play) -> str:
    leads = "I lead" if play[0] else "The opponent leads"
    tricks = ", ".join(f"{led} {second}" for led, second in play[1])
    return f"{leads} first, then whoever takes a trick. Tricks, led card first: {tricks}."


def _read(pattern: re.Pattern[str], prompt: str) -> Play:
    match = matched(prompt, "shows no tricks of Mini Spades", pattern)
    cards = distinct(find(match[2]))
    i_lead, tricks = play = match[1] == "I lead", tuple(zip(cards[::2], cards[1::2], strict=True))
    lacks = {True: "", False: ""}  # True: me, False: the opponent -> suits that this player lacks
    for led, second in tricks:
        if led[-1] in lacks[i_lead] or second[-1] in lacks[not i_lead]:
            raise ValueError(f"trick {led} {second}: a player has a suit that was lacking before")
        if second[-1] != led[-1]:
            lacks[not i_lead] += led[-1]
        i_lead ^= _second_wins(led, second)
    return play


def _second_wins(led: str, second: str) -> bool:
    if led[-1] == second[-1]:
        return rank(second) > rank(led)
    return second[-1] == "♠"


def _tricks(play: Play, grain: str) -> tuple[list[Line], int]:
    """Return the steps that tell who takes each trick, and the number of tricks that I take.

    `play` is a pair: True if I lead the first trick, and the two cards of each trick, the led card
    first. `grain` is `fine` (small steps) or `coarse` (larger ones).
    """
    i_lead, tricks = play
    lines: list[Line] = []
    mine = 0
    for k, (led, second) in enumerate(tricks, 1):
        beaten = _second_wins(led, second)
        # Name my card as the prompt does, before `i_lead` changes to who takes this trick.
        my_card = f"I lead {led}" if i_lead else f"I play {second}"
        i_lead ^= beaten
        mine += i_lead
        takes = "I take it" if i_lead else "the opponent takes it"
        takes += f", {mine} to {k - mine}." if len(tricks) > 1 else "."
        cards, why, wins = f"{led} {second}", _why(led, second), f"{second if beaten else led} wins"
        if grain == "coarse":
            lines.append(("trick", f"{wins}: {takes}", f"{cards}: {wins}, {takes}"))
        else:
            lines += [
                ("trick", f"{cards}, {why}: {wins}.", f"Of {cards}, {why}, {wins}."),
                ("take", f"{my_card}: {takes}", f"As {my_card}, {takes}"),
            ]
    return lines, mine


def _why(led: str, second: str) -> str:
    if led[-1] == second[-1]:
        return f"both {led[-1]}"
    return "trumped" if second[-1] == "♠" else "off suit"
