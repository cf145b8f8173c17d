"""High Card Duel: each player gets one card, the higher rank wins, suits do not count.

Source: the game of that name in the UNGAR suite of card games, from its rules: 52 cards, 2 low,
ace high; with one card each, a tie has probability 3/51.
"""

import random
import re
from fractions import Fraction
from math import perm
from typing import Any

from tunix_rt_nb.tasks.cards.cards import CARD, DECK, HAND, compared, distinct, find, rank
from tunix_rt_nb.tasks.task import Line, Solution, Task, matched

RULES = "High Card Duel, 2 low, A high."
RESULTS = ("win", "lose", "tie")

_ROUNDS = {"easy": 1, "medium": 3, "hard": 5}
_KNOWN = {"easy": 0, "medium": 3, "hard": 7}
_DUEL = (
    "I hold {}, the opponent holds {}. Do I win, lose or tie?",
    "My card is {}, the opponent's is {}. Is that a win, a loss or a tie for me: win, lose or tie?",
)
_MATCH = "I play {} in turn, the opponent plays {}. Over all rounds, do I win, lose or tie?"
_ODDS = (
    "What are the odds that I {}?",
    "What is the chance that I {}?",
    "How likely is it that I {}?",
)
_DUEL_PROMPT = re.compile(
    "|".join(
        f"{re.escape(RULES)} {re.escape(wording)}".replace(r"\{\}", f"({HAND})")
        for wording in (*_DUEL, _MATCH)
    )
)
_ODDS_PROMPT = re.compile(
    rf"{re.escape(RULES)} I hold ({CARD}), the opponent's card is unseen\."
    rf"(?: Already out: ({HAND})\.)? "
    rf"(?:{'|'.join(map(re.escape, _ODDS))})".replace(r"\{\}", "(?:win|lose|tie)")
)

Deals = tuple[tuple[str, str], ...]  # my card and the opponent's, for each round
Odds = tuple[str, tuple[str, ...], str]  # my card, the cards already out, one of RESULTS


class HighCardDuel(Task):
    """The question of who wins one round or a match of several, with all cards shown."""

    name = "high_card_duel"
    source = "ungar"
    about = "who wins with these two cards (medium and hard: over 3 or 5 rounds)"

    def prompt(self, rng: random.Random) -> str:
        n = _ROUNDS[self.difficulty]
        cards = rng.sample(DECK, 2 * n)
        if n > 1:
            return f"{RULES} {_MATCH.format(' '.join(cards[:n]), ' '.join(cards[n:]))}"
        mine, theirs = cards
        if rng.random() < 0.1:  # by chance alone only 3 of 51 deals would tie
            theirs = rng.choice([c for c in DECK if rank(c) == rank(mine) and c != mine])
        return f"{RULES} {rng.choice(_DUEL).format(mine, theirs)}"

    def read(self, prompt: str) -> Deals:
        match = matched(prompt, "is no High Card Duel", _DUEL_PROMPT)
        mine, theirs = (hand.split() for hand in match.groups() if hand)
        if len(mine) != len(theirs):
            raise ValueError(f"both players must have equally many cards: {prompt[:80]!r}")
        distinct(mine + theirs)
        return tuple(zip(mine, theirs, strict=True))

    def solve(self, problem: Deals, grain: str) -> Solution:
        if len(problem) > 1:
            return _rounds(problem, grain)
        [(mine, theirs)] = problem
        r, s = rank(mine), rank(theirs)
        said = f"{compared(r, s)}."
        lines: list[Line] = [
            ("read", f"My card {mine} has rank {r}.", f"{mine}, my card, has rank {r}."),
            (
                "read",
                f"The opponent's card {theirs} has rank {s}.",
                f"{theirs}, the opponent's card, has rank {s}.",
            ),
            ("compare", said, f"So {said}"),
        ]
        if grain == "coarse":
            lines = [("compare", f"{mine} is {r}, {theirs} is {s}: {said}")]
        return Solution(lines, _result(r - s))

    def score(self, answer: str, problem: Deals) -> float:
        return super().score(answer.lower(), problem)

    def space(self) -> int:
        n = _ROUNDS[self.difficulty]
        return perm(52, 2 * n)

    def facts(self, problem: Deals) -> dict[str, Any]:
        mine, theirs = zip(*problem, strict=True)
        one = len(problem) == 1
        return {
            "game": "high_card_duel",
            "my_card": mine[0] if one else list(mine),
            "opponent_card": theirs[0] if one else list(theirs),
            "result": self.solution(problem, "fine").answer,
        }


class HighCardOdds(Task):
    """The question of how likely a win, loss or tie is, given my card and cards already out."""

    name = "high_card_odds"
    source = "ungar"
    about = "the odds from one card (medium and hard: after 3 or 7 cards are known)"

    def prompt(self, rng: random.Random) -> str:
        mine, *known = rng.sample(DECK, 1 + _KNOWN[self.difficulty])
        out = f" Already out: {' '.join(known)}." if known else ""
        asked = rng.choice(_ODDS).format(rng.choice(RESULTS))
        return f"{RULES} I hold {mine}, the opponent's card is unseen.{out} {asked}"

    def read(self, prompt: str) -> Odds:
        match = matched(prompt, "asks for no odds of High Card Duel", _ODDS_PROMPT)
        distinct(find(prompt))
        event = next(result for result in RESULTS if prompt.endswith(f" I {result}?"))
        return match[1], tuple((match[2] or "").split()), event

    def solve(self, problem: Odds, grain: str) -> Solution:
        mine, known, event = problem
        r = rank(mine)
        side, ranks, count = {
            "win": ("below", r - 2, f"{r}-2={r - 2}"),
            "lose": ("above", 14 - r, f"14-{r}={14 - r}"),
            "tie": ("equal to", 1, "1"),
        }[event]
        own = "-1" if event == "tie" else ""  # my own card has that rank too
        cards = 4 * ranks - len(own) // 2
        lines: list[Line] = [
            ("read", f"My card {mine} has rank {r}.", f"{mine}, my card, has rank {r}."),
            ("count", f"Ranks {side} {r}: {count}.", f"There are ranks {side} {r}: {count}."),
            ("count", f"Cards: {ranks}*4{own}={cards}.", f"That is cards: {ranks}*4{own}={cards}."),
        ]
        hits = [card for card in known if _result(r - rank(card)) == event]
        left, unseen = cards - len(hits), 51 - len(known)
        if known:
            named = " ".join(hits) or "none"
            lines += [
                ("count", f"Of these out: {named}, {len(hits)}.", f"Out: {named}, {len(hits)}."),
                ("subtract", f"Left: {cards}-{len(hits)}={left}."),
                ("subtract", f"Unseen: 51-{len(known)}={unseen}."),
            ]
        if grain == "coarse":
            lines = [lines[0], ("count", f"{left} of the {unseen} unseen cards do it.")]
        return Solution(lines, f"{left}/{unseen}")

    def score(self, answer: str, problem: Odds) -> float:
        odds = re.fullmatch(r"\s*(\d{1,3})\s*/\s*(\d{1,3})\s*", answer, re.ASCII)
        if odds is None or int(odds[2]) == 0:
            return 0.0
        right = Fraction(self.solution(problem, "fine").answer)
        return float(Fraction(int(odds[1]), int(odds[2])) == right)

    def space(self) -> int:
        return 52 * perm(51, _KNOWN[self.difficulty]) * len(RESULTS)

    def facts(self, problem: Odds) -> dict[str, Any]:
        return {"game": "high_card_duel", "my_card": problem[0], "event": problem[2]}


def _result(difference: int) -> str:
    return "win" if difference > 0 else "lose" if difference < 0 else "tie"


def _rounds(problem: Deals, grain: str) -> Solution:
    """Solve a match of several rounds.

    The steps compare my card with the opponent's in each round and give the score so far. With the
    grain `fine`, one more step for each round states the ranks of both cards.
    """
    lines: list[Line] = []
    mine = theirs = 0
    for k, (a, b) in enumerate(problem, 1):
        r, s = rank(a), rank(b)
        mine, theirs = mine + (r > s), theirs + (s > r)
        score = f"{mine} to {theirs}"
        if grain == "fine":
            cards = f"{a} is {r}, {b} is {s}"
            lines.append(("read", f"Round {k}: {cards}.", f"In round {k}, {cards}."))
        said = compared(r, s)
        lines.append(("compare", f"{said}: {score}.", f"{said}, which makes it {score}."))
    return Solution(lines, _result(mine - theirs))
