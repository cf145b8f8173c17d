"""A deck of 52 cards: how a prompt writes them, and how they rank."""

import re

RANKS = ("2", "3", "4", "5", "6", "7", "8", "9", "10", "J", "Q", "K", "A")
SUITS = ("♠", "♥", "♦", "♣")
DECK = tuple(rank + suit for suit in SUITS for rank in RANKS)
CARD = r"(?:10|[2-9JQKA])[♠♥♦♣]"
HAND = rf"{CARD}(?: {CARD})*"

_ONLY = re.compile(rf"{CARD}(?:(?:[\s,]|AND)*{CARD})*\.?")
_RANK = {rank + suit: i + 2 for i, rank in enumerate(RANKS) for suit in SUITS}


def rank(card: str) -> int:
    """Return the rank of a card, from 2 for a two to 14 for an ace.

    Example:
      >>> rank("K♠")
      13
    """
    return _RANK[card]


def distinct(cards: list[str]) -> list[str]:
    """Return the cards; raise `ValueError` if one comes twice, as a deck holds each card once."""
    if len(set(cards)) != len(cards):
        raise ValueError(f"deals a card twice: {' '.join(cards)[:80]!r}")
    return cards


def find(text: str) -> list[str]:
    """List the cards that a text names, in order.

    Example:
      >>> find("I hold K♠ and 10♥.")
      ['K♠', '10♥']
    """
    return re.findall(CARD, text)


def only(answer: str) -> list[str]:
    """List the cards of an answer; return an empty list if it is not just a list of cards.

    Spaces, commas and `and` may stand between the cards, and a full stop at the end. Capitals do
    not matter.

    Example:
      >>> only("k♠, 10♥ and 4♦.")
      ['K♠', '10♥', '4♦']
      >>> only("K♠ or 10♥")
      []
    """
    answer = answer.strip().upper()
    return find(answer) if _ONLY.fullmatch(answer) else []


def compared(a: int, b: int) -> str:
    """Say in words which of two numbers is greater.

    Example:
      >>> compared(7, 10)
      '7 is less than 10'
    """
    return f"{a} is {'less than' if a < b else 'greater than' if a > b else 'equal to'} {b}"
