"""Melds of Gin Rummy: three or four cards of a rank, or three or more of a suit in sequence.

A bit mask stands for several cards, with one bit per card and 16 bits per suit, so that one shift
compares every card with its neighbour. The ace is low only: nothing follows the king.
"""

import random
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from itertools import combinations
from typing import NamedTuple

from tunix_rt_nb.tasks.cards.cards import RANKS, SUITS

Hand = tuple[str, ...]
"""Cards sorted by rank, ace first."""

CARDS = tuple(rank + suit for rank in ("A", *RANKS[:-1]) for suit in SUITS)
VALUE = {card: min(i // 4 + 1, 10) for i, card in enumerate(CARDS)}

_PLACE = {card: i for i, card in enumerate(CARDS)}
_BIT = {card: 1 << 16 * (i % 4) + i // 4 for i, card in enumerate(CARDS)}
_SUIT = 0x1FFF
_RANK = 0x0001_0001_0001_0001
_ALIKE = {bit: _RANK << i // 4 for i, bit in enumerate(_BIT.values())}
_SETS = [s for i in range(0, 52, 4) for n in (3, 4) for s in combinations(CARDS[i : i + 4], n)]
_RUNS = [CARDS[i : i + 4 * n : 4] for n in (3, 4) for i in range(52 - 4 * (n - 1))]


class Way(NamedTuple):
    """A way to arrange a hand, as bit masks: cards in sets, in runs, laid off, and left over."""

    sets: int = 0
    runs: int = 0
    laid: int = 0
    left: int = 0


NONE = Way()


def by_rank(hand: Sequence[str]) -> Hand:
    """Sort cards by rank, ace first, and cards of one rank in the order of `SUITS`."""
    return tuple(sorted(hand, key=_PLACE.__getitem__))


def mask(hand: Sequence[str]) -> int:
    """Return the bit mask of some cards."""
    return sum([_BIT[card] for card in hand])


def cards(hand: Hand, some: int) -> list[str]:
    """List the cards of a hand that are in the bit mask `some`, in the order of the hand.

    Example:
      >>> cards(("A♠", "9♥", "K♣"), mask(["9♥", "K♣"]))
      ['9♥', 'K♣']
    """
    return [card for card in hand if _BIT[card] & some]


def points(left: Sequence[str]) -> int:
    """Return the deadwood: the points of the cards outside melds."""
    return sum([VALUE[card] for card in left])


def sets(hand: int) -> int:
    """Return the mask of the cards whose rank the hand holds three or four times."""
    s, h, d, c = hand, hand >> 16, hand >> 32, hand >> 48
    return hand & ((s & h & (d | c) | d & c & (s | h)) & _SUIT) * _RANK


def runs(hand: int) -> int:
    """Return the mask of the cards in sequences of three or more in one suit."""
    starts = hand & hand >> 1 & hand >> 2
    return starts | starts << 1 | starts << 2


@lru_cache(maxsize=64)  # reading, solving and grading arrange the same hand
def ways(hand: int, table: Way = NONE) -> tuple[Way, ...]:
    """List the ways to arrange a hand: first with all sets whole, then with cards moved to runs.

    A way is dropped if another way leaves the same cards unmelded, or only some of them. So the
    ways that remain always include one with the least deadwood.

    Args:
      hand: the bit mask of the cards to arrange.
      table: the melds of the knocker, on which cards may be laid off; none by default.

    Example:
      >>> hand = ("5♠", "5♥", "5♦", "6♠", "7♠", "K♣")
      >>> [cards(hand, way.left) for way in ways(mask(hand))]
      [['6♠', '7♠', 'K♣'], ['5♥', '5♦', 'K♣']]
    """
    in_sets = sets(hand)
    contested = in_sets & runs(hand | table.runs)
    if not contested:
        return (_way(hand, in_sets, table),)
    found: list[Way] = []
    for chosen in _choices(in_sets, contested):
        way = _way(hand, chosen, table)
        if any(other.left & ~way.left == 0 for other in found):
            continue
        found = [other for other in found if way.left & ~other.left] + [way]
    return tuple(found)


def each_set(melds: int) -> list[int]:
    """Split a mask of sets into single sets, in order of rank."""
    parts = []
    while melds:
        parts.append(melds & _ALIKE[melds & -melds])
        melds ^= parts[-1]
    return sorted(parts, key=lambda part: _ALIKE[part & -part]) if len(parts) > 1 else parts


def each_run(melds: int) -> list[int]:
    """Split a mask of runs into single runs, in order of suit and rank."""
    parts = []
    while melds:
        parts.append(melds & ~(melds + (melds & -melds)))  # the carry clears the lowest run
        melds ^= parts[-1]
    return parts


def alike(in_sets: int) -> int:
    """Return the mask of all four cards of every rank that occurs in a mask of sets."""
    return sum([_ALIKE[part & -part] for part in each_set(in_sets)])


@cache
def meld(part: int) -> str:
    """Write the cards of a meld, given as a bit mask.

    Example:
      >>> meld(mask(["9♥", "10♥", "J♥"]))
      '9♥ 10♥ J♥'
    """
    return " ".join(cards(CARDS, part))


def by_suit(hand: int) -> str:
    """Write the ranks of a hand, given as a bit mask, suit by suit.

    Example:
      >>> by_suit(mask(["9♥", "A♠", "K♠"]))
      '♠ A K, ♥ 9'
    """
    parts = [_in_suit(i, hand >> 16 * i & _SUIT) for i in range(4)]
    return ", ".join([part for part in parts if part])


@cache
def _in_suit(i: int, ranks: int) -> str:
    held = [card[:-1] for n, card in enumerate(CARDS[i::4]) if ranks >> n & 1]
    return " ".join([SUITS[i], *held]) if held else ""


def _choices(in_sets: int, contested: int) -> list[int]:
    """List the ways to give up cards of sets for runs, as masks of the cards that stay in sets.

    A set with contested cards stays whole or is broken up. A set of four cards may also give up
    one contested card and stay a set.

    Args:
      in_sets: the mask of all cards in sets.
      contested: the mask of the cards in sets that could be in runs instead.
    """
    choices = [in_sets]
    for wanted in each_set(contested):
        whole = in_sets & _ALIKE[wanted & -wanted]
        short = [bit for bit in _BIT.values() if bit & wanted and whole.bit_count() == 4]
        choices = [choice & ~given for choice in choices for given in (0, *short, whole)]
    return choices


def _way(hand: int, chosen: int, table: Way) -> Way:
    rest = hand & ~chosen
    own = runs(rest)
    left = rest & ~own
    if table == NONE:
        return Way(chosen, own, 0, left)
    laid = left & (runs(rest | table.runs) | alike(table.sets))
    return Way(chosen, own, laid, left & ~laid)


def deal(
    rng: random.Random,
    size: int,
    shared: bool,
    melds: Sequence[int],
    most: Sequence[str] = CARDS,
    out: Sequence[str] = (),
    fits: Callable[[Hand], bool] = bool,
) -> list[str]:
    """Deal a hand in random order with some melds, because chance alone would deal few.

    Args:
      rng: decides everything.
      size: the number of cards.
      shared: whether a set and a run of the hand must share a card; if False, they must not.
      melds: the possible numbers of melds to put in; one number is drawn.
      most: the cards from which the rest of the hand is drawn.
      out: the cards that may not be dealt.
      fits: a further test that the sorted hand must pass.
    """
    while True:
        # Draw twice as many cards as needed, because some come twice. This is faster than sampling
        # distinct cards.
        hand = _with_melds(rng, shared, rng.choice(melds)) + rng.choices(most, k=2 * size)
        hand = [card for card in dict.fromkeys(hand) if card not in out][:size]
        every = mask(hand)
        found = bool(sets(every) & runs(every))
        if len(hand) == size and found == shared and len(ways(every)) < 4 and fits(by_rank(hand)):
            return sorted(hand, key=lambda _: rng.random())


def _with_melds(rng: random.Random, shared: bool, melds: int) -> list[str]:
    cards: list[str] = []
    if shared:
        cards += rng.choice(_RUNS)
        i = _PLACE[rng.choice(cards)] // 4 * 4
        cards += rng.sample(CARDS[i : i + 4], 3)
    for _ in range(melds - shared):
        cards += rng.choice(rng.choice((_SETS, _RUNS)))
    return cards
