"""The steps that find the deadwood of a hand of Gin Rummy: sort, meld, lay off, add up.

A meld is a set (three or four cards of a rank) or a run (three or more of a suit in sequence).
Deadwood is the points of all cards outside melds. A player ends the round by a knock. Then the
other player may lay off cards, that is, add them to the knocker's melds.
"""

from collections.abc import Sequence

from tunix_rt_nb.tasks.cards.cards import compared
from tunix_rt_nb.tasks.cards.melds import (
    NONE,
    VALUE,
    Hand,
    Way,
    alike,
    by_suit,
    cards,
    each_run,
    each_set,
    mask,
    meld,
    points,
    runs,
    sets,
    ways,
)
from tunix_rt_nb.tasks.task import Line, worded


def count(hand: Hand, grain: str, whose: str = "", table: Way = NONE) -> tuple[Sequence[Line], int]:
    """Return the steps that find the deadwood of a hand, and the deadwood in points.

    Deadwood is the points of all cards outside melds. If a card fits two melds, there are several
    ways to arrange the hand. The steps then count the deadwood of each way, and the least is
    returned.

    Args:
      hand: the cards, sorted by rank.
      grain: `fine` (small steps) or `coarse` (larger ones).
      whose: what the steps call the player, such as `Defender`; empty if there is only one player.
      table: the melds of the other player, to which cards of the hand may be added; by default,
        there are none.

    Example:
      >>> lines, _ = count(("4♠", "5♠", "6♠", "9♦", "K♥"), "coarse")
      >>> [line[1] for line in lines]
      ['Melds: 4♠ 5♠ 6♠; left: 9♦ K♥.', '9+10=19.']
    """
    found = ways(mask(hand), table)
    lines = _sort(hand, whose) if grain == "fine" else []
    tried: list[int] = []
    for i, way in enumerate(found, 1):
        lines += _meld(hand, way, grain, whose, i if len(found) > 1 else None)
        if table != NONE and way.left | way.laid:
            lines += _lay_off(hand, way, grain, table)
        left = cards(hand, way.left)
        tried.append(points(left))
        lines += [*_add(left, grain), *_compare(tried)]
    return tuple(lines), min(tried)


def discard(hand: Hand, grain: str) -> tuple[Sequence[Line], str]:
    """Return the steps that find the best discard from a hand, and this card.

    The hand has one card more than a player keeps. The best discard leaves the least deadwood: the
    points of all cards outside melds. `grain` is `fine` (small steps) or `coarse` (larger ones).

    Example:
      >>> lines, _ = discard(("2♥", "4♠", "5♠", "6♠", "9♦", "K♥"), "coarse")
      >>> [line[1] for line in lines]
      ['Melds: 4♠ 5♠ 6♠; left: 2♥ 9♦ K♥.', 'The highest is K♥.']
    """
    found = ways(mask(hand))
    lines = _sort(hand, "") if grain == "fine" else []
    tried: list[int] = []
    thrown: list[str] = []
    for i, way in enumerate(found, 1):
        lines += _meld(hand, way, grain, "", i if len(found) > 1 else None)
        *rest, highest = cards(hand, way.left)
        thrown.append(highest)
        tried.append(points(rest))
        lines.append(("highest", f"The highest is {highest}.", f"{highest} is the highest."))
        if len(found) > 1:
            lines += [*_add(rest, grain), *_compare(tried)]
    best = thrown[tried.index(min(tried))]
    if len(found) > 1:
        lines.append(("discard", f"So discard {best}.", f"Then {best} is to be discarded."))
    return tuple(lines), best


def _sort(hand: Hand, whose: str) -> list[Line]:
    every = mask(hand)
    rank, suit = " ".join(hand), by_suit(every)
    in_sets, in_runs = _list(each_set(sets(every))), _list(each_run(runs(every)))
    first = f"{whose} by rank" if whose else "By rank"
    return [
        ("sort", f"{first}: {rank}.", f"{first}, ace low: {rank}."),
        ("sets", f"Sets: {in_sets}.", f"Three or four of a rank: {in_sets}."),
        ("sort", f"By suit: {suit}.", f"The same by suit: {suit}."),
        ("runs", f"Runs: {in_runs}.", f"Three or more in sequence: {in_runs}."),
    ]


def _meld(hand: Hand, way: Way, grain: str, whose: str, number: int | None) -> list[Line]:
    """Return the steps that list the melds of one way to arrange a hand, and the cards left over.

    If the hand has only one way, the steps of `_sort` may already list the same melds. Fine steps
    then omit the melds here.

    Args:
      hand: the cards.
      way: the way to arrange them.
      grain: `fine` (small steps) or `coarse` (larger ones).
      whose: what the steps call the player, such as `Defender`; empty if there is only one player.
      number: the number of this way, from 1; None if the hand has only one way.
    """
    name = f"way {number}" if number else "melds"
    name = f"{whose} {name}" if whose else name.capitalize()
    melds = _list([*each_set(way.sets), *each_run(way.runs)])
    left = " ".join(cards(hand, way.left | way.laid)) or "none"
    if grain == "coarse":
        return [("melds", f"{name}: {melds}; left: {left}.", f"{name}: {melds}, leaving {left}.")]
    lines: list[Line] = [("left", f"Left: {left}.", f"This leaves {left}.")]
    every = mask(hand)
    if number or (way.sets, way.runs) != (sets(every), runs(every)):
        lines.insert(0, ("melds", f"{name}: {melds}.", f"{name}, then: {melds}."))
    return lines


def _lay_off(hand: Hand, way: Way, grain: str, table: Way) -> list[Line]:
    if grain == "coarse":
        laid = " ".join(cards(hand, way.laid)) or "none"
        return [("lay off", f"Laid off: {laid}.", f"To lay off: {laid}.")]
    lines: list[Line] = []
    rest = way.laid
    for part in [*each_run(table.runs), *each_set(table.sets)]:
        # Cards join runs first; those still to lay off after all runs join sets.
        on = rest & (runs(part | rest) if part & table.runs else alike(part))
        rest &= ~on
        laid = " ".join(cards(hand, on)) or "none"
        lines.append(("lay off", f"On {meld(part)}: {laid}.", f"To add to {meld(part)}: {laid}."))
    if way.laid:
        left = " ".join(cards(hand, way.left)) or "none"
        lines.append(("left", f"Still left: {left}.", f"Now this leaves {left}."))
    return lines


def _add(left: Sequence[str], grain: str) -> list[Line]:
    """Return the steps that add up the points of cards outside melds.

    Args:
      left: the cards, in the order in which they are added.
      grain: `fine` (a step for each card) or `coarse` (one step).
    """
    if not left:
        return [("add", "Deadwood: 0.", "The deadwood is 0.")]
    values = [VALUE[card] for card in left]
    if grain == "coarse" and len(left) > 1:
        said = f"{'+'.join(map(str, values))}={sum(values)}."
        return [("add", said, f"Deadwood: {said}")]
    total = values[0]
    lines: list[Line] = [("add", f"{left[0]} counts {total}.", f"Count {total} for {left[0]}.")]
    for card, value in zip(left[1:], values[1:], strict=True):
        said = f"{total}+{value}={total + value}."
        lines.append(("add", f"{card}: {said}", f"With {card}, {said}"))
        total += value
    return lines


def _compare(tried: Sequence[int]) -> list[Line]:
    """Return the step that compares the last way to arrange a hand with the best earlier way.

    The step is returned in a list, which is empty if there is no earlier way. `tried` holds for
    each way so far the points of the cards outside melds.
    """
    *before, last = tried
    if not before:
        return []
    least = min(before)
    best = before.index(least) + 1
    verdict = f"way {len(tried)} is better" if last < least else f"way {best} stays"
    return [worded("compare", "As", f"{compared(last, least)}: {verdict}.")]


def _list(melds: Sequence[int]) -> str:
    return ", ".join([meld(part) for part in melds]) or "none"
