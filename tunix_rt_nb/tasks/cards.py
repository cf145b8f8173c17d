"""Card games, from their rules: a 52-card deck, one of each card."""

import random
import re
from fractions import Fraction

from tunix_rt_nb.tasks.task import Task
from tunix_rt_nb.trace import Trace

RANKS = ("2", "3", "4", "5", "6", "7", "8", "9", "10", "J", "Q", "K", "A")
SUITS = ("♠", "♥", "♦", "♣")
DECK = tuple(rank + suit for rank in RANKS for suit in SUITS)
RULES = "High Card Duel, 2 low, A high."

_CARD = re.compile(r"(?:10|[2-9JQKA])[♠♥♦♣]")
_ODDS = (
    "What are the odds that I {}?",
    "What is the chance that I {}?",
    "How likely is it that I {}?",
)
_VERDICT = {"win": "greater than", "lose": "less than", "tie": "equal to"}


def rank(card: str) -> int:
    """2 for a two ... 14 for an ace.

    Example:
      >>> rank("K♠")
      13
    """
    return RANKS.index(card[:-1]) + 2


class HighCardDuel(Task):
    """Two cards: who wins? Or one card: what are the odds?

    The prompt shows what the answer depends on: both cards, or one card and the question. A tie
    has probability 3/51, as three of the 51 unseen cards share the rank.

    Source: the game of that name in the UNGAR suite of card games, from its rules.
    """

    name = "high_card_duel"

    def generate(self, rng: random.Random) -> Trace:
        mine, theirs = rng.sample(DECK, 2)
        if rng.random() < 0.5:  # of such prompts there are 468, of deals 2,652
            return self._odds(mine, rng.choice(sorted(_VERDICT)), rng.choice(_ODDS))
        if rng.random() < 0.1:  # chance alone would make 3 of 51 deals a tie
            theirs = rng.choice(
                [card for card in DECK if rank(card) == rank(mine) and card != mine]
            )
        result = _result(mine, theirs)
        steps = [
            ("read", f"My card {mine} has rank {rank(mine)}."),
            ("read", f"The opponent's card {theirs} has rank {rank(theirs)}."),
            ("compare", f"{rank(mine)} is {_VERDICT[result]} {rank(theirs)}."),
        ]
        prompt = f"{RULES} I hold {mine}, the opponent holds {theirs}. Do I win, lose or tie?"
        return self.trace(prompt, steps, result, my_card=mine, opponent_card=theirs, result=result)

    def _odds(self, mine: str, event: str, question: str) -> Trace:
        r, cards = rank(mine), _favourable(mine, event)
        count = {
            "win": (f"Ranks below {r}: {r}-2={r - 2}.", f"Cards: {r - 2}*4={4 * (r - 2)} of 51."),
            "lose": (
                f"Ranks above {r}: 14-{r}={14 - r}.",
                f"Cards: {14 - r}*4={4 * (14 - r)} of 51.",
            ),
            "tie": (f"Ranks equal to {r}: 1.", "Cards: 1*4-1=3 of 51."),
        }
        steps = [
            ("read", f"My card {mine} has rank {r}."),
            *(("count", text) for text in count[event]),
        ]
        prompt = f"{RULES} I hold {mine}, the opponent's card is unseen. {question.format(event)}"
        return self.trace(prompt, steps, f"{cards}/51", my_card=mine, event=event)

    def check_step(self, trace: Trace, i: int) -> str | None:
        if i > 2:
            return "there is nothing left to do after step 3"
        mine, theirs, event = _parse(trace.prompt)
        said = trace.steps[i].content
        if i == 0:
            return _check(r"My card (\S+) has rank (\d+)\.", said, (mine, rank(mine)))
        if theirs is None:
            return _check_odds(said, i, rank(mine), event)
        if i == 1:
            pattern = r"The opponent's card (\S+) has rank (\d+)\."
            return _check(pattern, said, (theirs, rank(theirs)))
        words = _VERDICT[_result(mine, theirs)]
        return _check(r"(\d+) is (.+) (\d+)\.", said, (rank(mine), words, rank(theirs)))

    def grade(self, answer: str, trace: Trace) -> float:
        mine, theirs, event = _parse(trace.prompt)
        if theirs is not None:
            return float(answer.strip().lower() == _result(mine, theirs))
        odds = re.fullmatch(r"\s*(\d{1,3})\s*/\s*(\d{1,3})\s*", answer)
        if odds is None or int(odds[2]) == 0:
            return 0.0
        return float(Fraction(int(odds[1]), int(odds[2])) == Fraction(_favourable(mine, event), 51))

    def space(self) -> int:
        return 52 * 51 + 52 * len(_VERDICT) * len(_ODDS)


def _result(mine: str, theirs: str) -> str:
    difference = rank(mine) - rank(theirs)
    return "win" if difference > 0 else "lose" if difference < 0 else "tie"


def _favourable(mine: str, event: str) -> int:
    """How many of the 51 unseen cards bring about the event."""
    return sum(_result(mine, card) == event for card in DECK if card != mine)


def _check_odds(said: str, i: int, mine: int, event: str) -> str | None:
    ranks = {"win": mine - 2, "lose": 14 - mine, "tie": 1}[event]
    if i == 1 and event == "tie":
        return _check(r"Ranks equal to (\d+): (\d+)\.", said, (mine, 1))
    if i == 1:
        side, above, below = ("below", mine, 2) if event == "win" else ("above", 14, mine)
        pattern = r"Ranks (\w+) (\d+): (\d+)-(\d+)=(\d+)\."
        return _check(pattern, said, (side, mine, above, below, ranks))
    if event == "tie":
        return _check(r"Cards: (\d+)\*(\d+)-(\d+)=(\d+) of (\d+)\.", said, (1, 4, 1, 3, 51))
    return _check(r"Cards: (\d+)\*(\d+)=(\d+) of (\d+)\.", said, (ranks, 4, 4 * ranks, 51))


def _parse(prompt: str) -> tuple[str, str | None, str]:
    """(my card, the opponent's card or None where unseen, the event asked for or "")."""
    cards = _CARD.findall(prompt)
    if not prompt.startswith(RULES) or not 0 < len(cards) < 3:
        raise ValueError(f"is no High Card Duel: {prompt[:80]!r}")
    event = re.search(r"that I (win|lose|tie)\?", prompt)
    if (len(cards) == 1) != bool(event):
        raise ValueError(f"shows both cards, or asks for odds: {prompt[:80]!r}")
    return cards[0], None if event else cards[1], event[1] if event else ""


def _check(pattern: str, said: str, expected: tuple[object, ...]) -> str | None:
    match = re.fullmatch(pattern, said)
    right = ", ".join(map(str, expected))
    if match is None or match.groups() != tuple(map(str, expected)):
        return f"expected {right}"
    return None
