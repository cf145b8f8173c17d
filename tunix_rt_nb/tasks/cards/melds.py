"""Melds of Gin Rummy: sets and runs of a hand, and the ways to arrange the hand in them.

A set is three or four cards of a rank. A run is three or more cards of a suit in sequence. The ace
is low only: nothing follows the king.

A bit mask stands for several cards. It has one bit per card and 16 bits per suit. So one shift of
the mask compares every card with the next card of its suit.
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
    """A way to arrange a hand.

    Attributes:
      sets: the bit mask of the cards in sets (three or four of a rank).
      runs: the bit mask of the cards in runs (three or more of a suit in sequence).
      laid: the bit mask of the cards that are added to the melds of the player who knocked.
      left: the bit mask of the cards left over.
    """

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
    """Return the points of the cards outside melds, which are called deadwood.

    An ace counts 1; a jack, queen or king 10; each other card its number.
    """
    return sum([VALUE[card] for card in left])


def sets(hand: int) -> int:
    """Return the bit mask of the cards in sets, given the bit mask of a hand.

    A set is three or four cards of a rank.
    """
    s, h, d, c = hand, hand >> 16, hand >> 32, hand >> 48
    return hand & ((s & h & (d | c) | d & c & (s | h)) & _SUIT) * _RANK


def runs(hand: int) -> int:
    """Return the bit mask of the cards in runs, given the bit mask of a hand.

    A run is three or more cards of a suit in sequence.
    """
    starts = hand & hand >> 1 & hand >> 2
    return starts | starts << 1 | starts << 2


@lru_cache(maxsize=64)  # reading, solving and grading arrange the same hand
def ways(hand: int, table: Way = NONE) -> tuple[Way, ...]:
    """List the ways to arrange a hand in melds.

    If a card fits both a set and a run, there are several ways. The first one tried keeps all sets
    whole; each other one moves cards from sets to runs. A way is dropped if another way leaves over
    the same cards, or only some of them. So the list always includes a way that leaves over the
    fewest points.

    Args:
      hand: the bit mask of the cards to arrange.
      table: the melds of the other player, to which cards of the hand may be added; by default,
        there are none.

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
    """Split the bit mask of several sets into a bit mask for each set, in order of rank.

    A set is three or four cards of a rank.
    """
    parts = []
    while melds:
        parts.append(melds & _ALIKE[melds & -melds])
        melds ^= parts[-1]
    return sorted(parts, key=lambda part: _ALIKE[part & -part]) if len(parts) > 1 else parts


def each_run(melds: int) -> list[int]:
    """Split the bit mask of several runs into a bit mask for each run, in order of suit and rank.

    A run is three or more cards of a suit in sequence.
    """
    parts = []
    while melds:
        parts.append(melds & ~(melds + (melds & -melds)))  # the carry clears the lowest run
        melds ^= parts[-1]
    return parts


def alike(in_sets: int) -> int:
    """Return the bit mask of all four cards of each rank of which there is a set.

    `in_sets` is the bit mask of the cards in sets. A set is three or four cards of a rank.
    """
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
    """List the choices of which cards stay in sets, each as a bit mask of the cards that stay.

    A contested card is in a set but could be in a run instead. A set with contested cards stays
    whole or is broken up. A set of four cards may also give up one contested card and stay a set.

    Args:
      in_sets: the bit mask of all cards in sets.
      contested: the bit mask of all contested cards.
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
    """Deal a hand in random order, with more melds than chance alone would give.

    A meld is a set (three or four cards of a rank) or a run (three or more of a suit in sequence).

    Args:
      rng: decides everything.
      size: the number of cards.
      shared: whether some card must fit both a set and a run; if False, no card may.
      melds: the possible numbers of melds to put in, of which one is drawn. A set and a run that
        share a card count as one.
      most: the cards from which the rest of the hand is drawn.
      out: the cards that may not be dealt.
      fits: tells whether a hand, sorted by rank, is accepted; by default every hand is.
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
