"""Gin Rummy: a second implementation and OpenSpiel check melds, discards, knocks and scores."""

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, combinations
from math import comb
from typing import Any

import pyspiel
import pytest
from hypothesis import given, strategies as st

from tests.conftest import with_step
from tests.helpers import growth
from tests.tasks.test_arithmetic import taken_and_carried
from tests.tasks.test_spades import alterations, missed, said
from tunix_rt_nb import tasks
from tunix_rt_nb.tasks.cards import melds
from tunix_rt_nb.tasks.cards.deadwood import count
from tunix_rt_nb.tasks.cards.melds import CARDS, NONE, Way, by_rank, deal, mask, ways
from tunix_rt_nb.trace.trace import Trace

NAMES = ["gin_melds", "gin_discard", "gin_knock"]
ORDER = ["A", "2", "3", "4", "5", "6", "7", "8", "9", "10", "J", "Q", "K"]
CARD = r"(?:\d+|[JQKA])[♠♥♦♣]"

# A second implementation: cards by number, suit by suit as in OpenSpiel; hands as bits; a list of
# all melds there are, and a search that leaves each card or begins a meld with it.


NUMBER = {rank + suit: 13 * i + n for i, suit in enumerate("♠♣♦♥") for n, rank in enumerate(ORDER)}


def bits(cards: Iterable[str]) -> int:
    return sum([1 << NUMBER.get(card, 60) for card in cards])


def worth(hand: int) -> int:
    return sum(min(i % 13 + 1, 10) for i in range(52) if hand >> i & 1)


SETS = {
    sum(1 << c for c in some)
    for r in range(13)
    for n in (3, 4)
    for some in combinations(range(r, 52, 13), n)
}
RUNS = {
    sum(1 << suit + c for c in range(a, b))
    for suit in (0, 13, 26, 39)
    for b in range(14)
    for a in range(b - 2)
}
MELDS = SETS | RUNS
BY_LOWEST = {1 << i: sorted(m for m in MELDS if m & -m == 1 << i) for i in range(52)}


def arrangements(hand: int) -> Iterator[tuple[int, ...]]:
    """Every choice of melds from a hand."""
    if not hand:
        yield ()
        return
    low = hand & -hand
    yield from arrangements(hand ^ low)
    for meld in BY_LOWEST[low]:
        if meld & hand == meld:
            for rest in arrangements(hand ^ meld):
                yield meld, *rest


def lay_off(left: int, table: list[int]) -> int:
    """Return what stays of the left cards when all that fit melds on the table are put there."""
    for meld in sorted(table, key=SETS.__contains__):  # runs first: they can take more than one
        while fits := [1 << i for i in range(52) if left >> i & 1 and meld | 1 << i in MELDS]:
            meld, left = meld | fits[0], left ^ fits[0]
    return left


def deadwood(hand: int, table: list[int] | None = None) -> int:
    lefts = {hand & ~sum(chosen) for chosen in arrangements(hand)}
    return min(worth(lay_off(left, table or [])) for left in lefts)


def best_melds(hand: int) -> list[tuple[int, ...]]:
    """The ways to have the least deadwood, without those that only cut a run in two."""
    least = deadwood(hand)
    ways = [c for c in arrangements(hand) if worth(hand & ~sum(c)) == least]
    return [c for c in ways if not any(a | b in RUNS for a, b in combinations(c, 2))]


def best_discards(hand: list[str]) -> list[str]:
    after = {card: deadwood(bits([c for c in hand if c != card])) for card in hand}
    return [card for card in hand if after[card] == min(after.values())]


def hands_of(prompt: str) -> list[list[str]]:
    return [re.findall(CARD, part) for part in prompt.split("old")[1:]]


def answer(trace: Trace) -> str:
    """The right answer, found without the task."""
    hands = hands_of(trace.prompt)
    if trace.task == "gin_discard":
        [best] = best_discards(hands[0])
        return best
    k = deadwood(bits(hands[0]))
    if trace.task == "gin_melds":
        return str(k)
    if len(hands) == 1:
        return f"{'no' if k > 10 else 'yes'}, {k}"
    [table] = best_melds(bits(hands[0]))
    d = deadwood(bits(hands[1]), list(table) if k else [])
    if k == 0:
        return f"knocker, {25 + d}"
    return f"knocker, {d - k}" if k < d else f"defender, {25 + k - d}"


class Walk:
    """Goes through the steps of a trace and believes none of them."""

    def __init__(self, trace: Trace) -> None:
        hands = hands_of(trace.prompt)
        self.hands = dict(zip(("Knocker", "Defender"), hands, strict=False))
        self.hand = hands[0]
        self.melds: list[list[str]] = []
        self.left: list[str] = []  # in no meld
        self.counting: list[str] = []  # of these, still to be counted
        self.total = 0
        self.ways = 0
        self.tried: list[tuple[int, list[list[str]]]] = []
        self.knocker: tuple[int, list[list[str]]] | None = None  # deadwood and melds
        self.sums: list[int] = []
        self.carried = ""

    def step(self, text: str) -> bool:
        looks = ((re.fullmatch(pattern, text), look) for pattern, look in LOOKS)
        found = next(((match, look) for match, look in looks if match), None)
        try:
            return found is not None and bool(found[1](self, *found[0].groups()))
        except ValueError:  # it names no card, or one that is not there
            return False

    def deadwood(self) -> tuple[int, list[list[str]]]:
        return min([*self.tried, (self.total, self.melds)], key=lambda way: way[0])

    def turn(self, whose: str | None) -> None:
        if whose and self.hand != self.hands[whose]:
            self.knocker, self.hand = self.deadwood(), self.hands[whose]
            self.ways, self.tried = 0, []

    def by_rank(self, whose: str | None, told: str) -> bool:
        self.turn(whose)
        places = [
            (c[:-1] in ORDER and ORDER.index(c[:-1]), "♠♥♦♣".find(c[-1])) for c in told.split()
        ]
        return sorted(told.split()) == sorted(self.hand) and places == sorted(places)

    def by_suit(self, told: str) -> bool:
        cards = [rank + part[0] for part in told.split(", ") for rank in part.split()[1:]]
        places = [("♠♥♦♣".index(c[-1]), ORDER.index(c[:-1])) for c in cards]
        return sorted(cards) == sorted(self.hand) and places == sorted(places)

    def all_sets(self, told: str) -> bool:
        self.melds = groups(told)
        many = [[c for c in self.hand if c[:-1] == rank] for rank in ORDER]
        return [sorted(m) for m in self.melds] == [sorted(m) for m in many if len(m) > 2]

    def all_runs(self, told: str) -> bool:
        self.melds = self.melds + groups(told)
        hand = bits(self.hand)
        held = [run for run in RUNS if run & hand == run]
        longest = {r for r in held if not any(r != other and r & other == r for other in held)}
        return {bits(meld) for meld in groups(told)} == longest

    def way(self, whose: str | None, i: str | None, told: str, left: str | None = None) -> bool:
        self.turn(whose)
        self.ways += i is not None
        if self.ways == 2:
            self.tried = [(self.total, self.melds)]
        self.melds = groups(told)
        right = all(bits(meld) in MELDS for meld in self.melds)
        right &= i is None or int(i) == self.ways
        return right and (left is None or self.leaves(left))

    def leaves(self, told: str) -> bool:
        self.left = self.counting = cards_of(told)
        self.total = 0
        return sorted([*self.left, *chain(*self.melds)]) == sorted(self.hand)

    def lays(self, meld: str, told: str) -> bool:
        self.counting = [card for card in self.counting if card not in told.split()]
        known = self.knocker is not None and self.knocker[0] > 0 and meld.split() in self.knocker[1]
        right = bits(meld.split() + cards_of(told)) in MELDS
        return known and right and set(cards_of(told)) <= set(self.left)

    def all_laid(self, told: str) -> bool:
        self.counting = [card for card in self.left if card not in told.split()]
        return set(cards_of(told)) <= set(self.left) and self.still(
            " ".join(self.counting) or "none"
        )

    def still(self, told: str) -> bool:
        assert self.knocker
        fit = lay_off(bits(self.left), [bits(meld) for meld in self.knocker[1]])
        return cards_of(told) == self.counting and bits(self.counting) == fit

    def adds(self, card: str, before: str, value: str, after: str) -> bool:
        right = [card] == self.counting[:1] and int(before) == self.total
        self.total, self.counting = self.total + worth(bits([card])), self.counting[1:]
        return right and int(before) + int(value) == int(after) == self.total

    def sums_up(self, values: str, total: str) -> bool:
        if not self.counting:  # of points, not of cards
            return self.computes(f"{values}={total}")
        expected = [worth(bits([card])) for card in self.counting]
        self.counting, self.total = [], sum(expected)
        return [int(v) for v in values.split("+")] == expected and int(total) == self.total

    def highest(self, card: str) -> bool:
        *self.counting, last = self.counting
        return card == last and worth(bits([card])) == max(worth(bits([c])) for c in self.left)

    def better(self, a: str, size: str, b: str, i: str, verdict: str) -> bool:
        best = min(total for total, _ in self.tried)
        self.tried.append((self.total, self.melds))
        right = compared(a, size, b, self.total, best) and not self.counting
        first = 1 + [total for total, _ in self.tried].index(min(best, self.total))
        return right and int(i) == first and (verdict == "stays") == (first < len(self.tried))

    def may_knock(self, a: str, size: str, b: str, may: str) -> bool:
        k, _ = self.deadwood()
        return compared(a, size, b, k, 10) and (may == "yes") == (k <= 10)

    def wins(self, a: str, size: str, b: str, who: str) -> bool:
        assert self.knocker
        (k, _), (d, _) = self.knocker, self.deadwood()
        winner = "the knocker" if k < d else "undercut, the defender"
        return compared(a, size, b, k, d) and who == winner

    def computes(self, told: str) -> bool:
        """`3+4=7` and the like."""
        terms, result = told.split("=")
        self.sums.append(int(result))
        return sum(int(term) for term in re.findall(r"[+-]?\d+", terms)) == int(result)

    def column(self, told: str) -> bool:
        _, so, whole = told.rstrip(".").partition(", so ")
        column, taken = taken_and_carried(told), self.carried
        self.carried = column[1] if column else ""
        right = column is not None and column[0] == taken
        return right and (not so or self.computes(whole))

    def nothing_left(self) -> bool:
        return not self.counting and self.total == 0


def cards_of(told: str) -> list[str]:
    return [] if told == "none" else told.split()


def groups(told: str) -> list[list[str]]:
    return [] if told == "none" else [meld.split() for meld in told.split(", ")]


def compared(a: str, size: str, b: str, k: int, d: int) -> bool:
    right = "greater than" if k > d else "less than" if k < d else "equal to"
    return (int(a), size, int(b)) == (k, right, d)


WHOSE = r"(?:(Knocker|Defender) )?"
COMPARED = r"(?:As )?(\d+) is ([a-z]+ t[a-z]+) (\d+): "
LOOKS: list[tuple[str, Callable[..., bool]]] = [
    (rf"{WHOSE}[Bb]y rank(?:, ace low)?: (.*)\.", Walk.by_rank),
    (r"(?:Sets|Three or four of a rank): (.*)\.", Walk.all_sets),
    (r"(?:By suit|The same by suit): (.*)\.", Walk.by_suit),
    (r"(?:Runs|Three or more in sequence): (.*)\.", Walk.all_runs),
    (rf"{WHOSE}(?:[Mm]elds|[Ww]ay (\d+)): (.*)(?:; left: |, leaving )(.*)\.", Walk.way),
    (rf"{WHOSE}(?:[Mm]elds|[Ww]ay (\d+))(?:, then)?: (.*)\.", Walk.way),
    (r"(?:Left: |This leaves )(.*)\.", Walk.leaves),
    (r"(?:On|To add to) ([^:]*): (.*)\.", Walk.lays),
    (r"(?:Laid off|To lay off): (.*)\.", Walk.all_laid),
    (r"(?:Still left: |Now this leaves )(.*)\.", Walk.still),
    (rf"({CARD}) counts (\d+)\.", lambda walk, card, v: walk.adds(card, "0", v, v)),
    (rf"Count (\d+) for ({CARD})\.", lambda walk, v, card: walk.adds(card, "0", v, v)),
    (rf"(?:With )?({CARD})[:,] (\d+)\+(\d+)=(\d+)\.", Walk.adds),
    (r"(?:Deadwood: |Now )?(\d+(?:\+\d+)+)=(\d+)\.", Walk.sums_up),
    (r"(?:Now )?(\d+-\d+=\d+)\.", Walk.computes),
    (r"((?:Units:|In the units) [^s]*)", Walk.column),
    (r"((?:Tens:|In the tens) .*, so .*)", Walk.column),
    (r"(?:Deadwood: 0|The deadwood is 0)\.", Walk.nothing_left),
    (r"(?:0 is gin:|As 0 is gin,) nothing is laid off\.", Walk.nothing_left),
    (rf"The highest is ({CARD})\.", Walk.highest),
    (rf"({CARD}) is the highest\.", Walk.highest),
    (rf"(?:So discard|Then) ({CARD})(?: is to be discarded)?\.", lambda w, c: c in w.hand),
    (COMPARED + r"way (\d+) (is better|stays)\.", Walk.better),
    (COMPARED + r"(yes|no)\.", Walk.may_knock),
    (COMPARED + r"(.*) scores\.", Walk.wins),
]


def check(trace: Trace) -> list[str]:
    """Return what is wrong with a trace."""
    walk = Walk(trace)
    wrong = [step for step in said(trace) if not walk.step(step)]
    right = answer(trace)
    points = right.split()[-1]
    if trace.final_answer != right:
        wrong.append(f"answer, expected {right}")
    if trace.task == "gin_melds" and walk.deadwood()[0] != int(points):
        wrong.append("deadwood")
    if walk.knocker and walk.sums[-1:] != [int(points)]:
        wrong.append("score")
    return wrong


ORACLES: dict[str, Callable[[Trace], list[str]]] = dict.fromkeys(NAMES, check)


@pytest.mark.parametrize("name", NAMES)
def test_the_second_implementation_can_say_no(name: str) -> None:
    trace = next(tasks.draw(name, 1, 1, "hard"))
    for step in trace.steps:
        others = (t for t in alterations(step.content) if t.lower() != step.content.lower())
        assert ORACLES[name](with_step(trace, step.i, next(others, "none"))) != []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("difficulty", tasks.DIFFICULTIES)
@pytest.mark.parametrize("grain", tasks.GRAINS)
def test_an_altered_number_card_or_word_in_any_step_is_caught(
    name: str, difficulty: str, grain: str
) -> None:
    for trace in tasks.draw(name, 3, 2, difficulty, grain):
        assert missed(trace) == []


def prompts(name: str, difficulty: str, n: int) -> list[str]:
    task, rng = tasks.get(name, difficulty), random.Random(difficulty)
    return [task.prompt(rng) for _ in range(n)]


@given(st.sets(st.sampled_from(CARDS), min_size=1, max_size=11))
def test_any_hand_has_the_deadwood_that_trying_all_melds_finds(hand: set[str]) -> None:
    assert count(by_rank([*hand]), "fine")[1] == deadwood(bits(hand))


def test_hands_full_of_melds_have_the_deadwood_that_trying_all_melds_finds() -> None:
    rng = random.Random(1)
    for _ in range(500):
        hand = deal(rng, rng.choice((5, 10, 11)), rng.random() < 0.5, (1, 2, 3))
        assert count(by_rank(hand), "coarse")[1] == deadwood(bits(hand)), hand


def test_a_defender_melds_and_lays_off_as_well_as_can_be() -> None:
    rng = random.Random(2)
    for _ in range(300):
        knocker = deal(rng, 10, rng.random() < 0.3, (2, 3), CARDS[: rng.choice((16, 52))])
        table = ways(mask(knocker))[0]._replace(left=1)  # so that it is not gin
        on = [
            bits(melds.meld(part).split())
            for part in (*melds.each_run(table.runs), *melds.each_set(table.sets))
        ]
        hand = deal(rng, 10, rng.random() < 0.5, (0, 1, 2), out=knocker)
        assert count(by_rank(hand), "fine", "Defender", table)[1] == deadwood(bits(hand), on)


def test_a_knocker_has_one_best_way_to_meld_or_it_is_no_problem() -> None:
    rng = random.Random(3)
    seen = Counter[bool]()
    for _ in range(300):
        knocker = deal(rng, 10, rng.random() < 0.7, (2, 3), CARDS[:16])
        defender = [card for card in CARDS if card not in knocker][:10]
        told = f"The knocker holds {' '.join(knocker)}. The defender holds {' '.join(defender)}."
        one = deadwood(bits(knocker)) <= 10 and len(best_melds(bits(knocker))) == 1
        assert one == readable("gin_knock", f"{RULES} {BONUSES} {told} Who scores, and how much?")
        seen[one] += 1
    assert min(seen.values()) > 30


def test_a_hand_has_one_best_discard_or_it_is_no_problem() -> None:
    rng = random.Random(4)
    seen = Counter[bool]()
    for _ in range(150):
        hand = deal(rng, 11, rng.random() < 0.5, (1, 2, 3))
        one = len(best_discards(hand)) == 1
        assert one == readable(
            "gin_discard", f"{RULES} I hold {' '.join(hand)}. What is my best discard?"
        )
        seen[one] += 1
    assert min(seen.values()) > 30


def readable(name: str, prompt: str) -> bool:
    try:
        tasks.get(name).read(prompt)
    except ValueError:
        return False
    return True


RULES = "Gin Rummy, 10 cards a hand, A=1, J Q K=10."
BONUSES = "Gin and undercut give 25 more, no lay-offs on gin."
GAME = pyspiel.load_game("gin_rummy", {"gin_bonus": 25, "undercut_bonus": 25, "knock_card": 10})
UPCARD, PASS, KNOCK, MELD = 52, 54, 55, 56
ACTIONS = {
    GAME.new_initial_state().action_to_string(0, a).split()[-1]: a for a in range(MELD, MELD + 185)
}


def state(first: list[str], second: list[str], upcard: str) -> Any:
    """OpenSpiel's game after the deal; its first player has taken the upcard."""
    game = GAME.new_initial_state()
    for card in (*first, *second, upcard):
        game.apply_action(NUMBER[card])
    assert list(game.deadwood()) == [count(by_rank(h), "coarse")[1] for h in (first, second)]
    game.apply_action(UPCARD)
    return game


def lay_down(game: Any, parts: Iterable[int]) -> None:
    """Lays melds, runs of six and more in pieces, as OpenSpiel wants them."""
    for part in parts:
        cards = sorted(NUMBER[card] for card in melds.meld(part).split())
        while cards:
            n = len(cards) if len(cards) < 6 else min(5, len(cards) - 3)
            piece, cards = cards[:n], cards[n:]
            told = "".join("A23456789TJQK"[c % 13] + "scdh"[c // 13] for c in piece)
            assert ACTIONS[told] in game.legal_actions()
            game.apply_action(ACTIONS[told])
    game.apply_action(PASS)


def test_openspiel_allows_the_same_discards_and_knocks() -> None:
    rng = random.Random(5)
    discards = tasks.get("gin_discard")
    for _ in range(100):
        hand = deal(rng, 11, rng.random() < 0.5, (2, 3), CARDS[:24])
        other = rng.sample([card for card in CARDS if card not in hand], 10)
        game = state(hand[:10], other, hand[10])
        after = {}
        for card in hand:
            thrown = game.clone()
            thrown.apply_action(NUMBER[card])
            after[card] = thrown.deadwood()[0]
        told = f"{RULES} I hold {' '.join(hand)}. What is my best discard?"
        best = [card for card in hand if after[card] == min(after.values())]
        assert readable("gin_discard", told) == (len(best) == 1)
        if len(best) == 1:
            assert discards.solve(discards.read(told), "coarse").answer == best[0]
        if KNOCK in game.legal_actions():
            game.apply_action(KNOCK)
            legal = {NUMBER[card] for card in hand if after[card] <= 10}
            assert set(game.legal_actions()) == legal


def best_way(hand: list[str], table: Way = NONE) -> Way:
    return min(
        ways(mask(hand), table), key=lambda way: melds.points(melds.cards(by_rank(hand), way.left))
    )


@pytest.mark.slow
@pytest.mark.parametrize("difficulty", ["medium", "hard"])
def test_openspiel_scores_a_knock_alike(difficulty: str) -> None:
    task = tasks.get("gin_knock", difficulty)
    seen = Counter[str]()
    for prompt in prompts("gin_knock", difficulty, 500):
        knocker, defender = hands_of(prompt)
        upcard = next(card for card in CARDS if card not in knocker + defender)
        game = state(knocker, defender, upcard)
        game.apply_action(KNOCK)
        game.apply_action(NUMBER[upcard])  # the discard
        table = best_way(knocker)
        lay_down(game, [*melds.each_set(table.sets), *melds.each_run(table.runs)])
        way = best_way(defender, table if table.left else NONE)
        laid = {NUMBER[card] for card in melds.cards(by_rank(defender), way.laid)}
        while laid:
            game.apply_action(min(laid.intersection(game.legal_actions())))
            laid.discard(game.history()[-1])
        if table.left:
            game.apply_action(PASS)
        lay_down(game, [*melds.each_set(way.sets), *melds.each_run(way.runs)])
        assert game.is_terminal()
        who, score = task.solve(task.read(prompt), "coarse").answer.split(", ")
        if game.returns()[0] == 0:  # for OpenSpiel equal deadwood is no undercut
            assert (who, score) == ("defender", "25")
        else:
            assert game.returns()[0] == int(score) * (1 if who == "knocker" else -1)
        seen.update([who, "gin" if not table.left else "laid off" if way.laid else "not"])
    assert min(seen.values()) > 20


def solved(name: str, hand: str, size: int = 10) -> str:
    told = {
        "gin_melds": f"I hold {hand}. What is my least deadwood?",
        "gin_discard": f"I hold {hand}. What is my best discard?",
        "gin_knock": f"After my discard I hold {hand}. May I knock, yes or no, and what is my deadwood?",
    }[name]
    task = tasks.get(name)
    problem = task.read(f"Gin Rummy, {size} cards a hand, A=1, J Q K=10. {told}")
    return task.solve(problem, "fine").answer


@pytest.mark.parametrize(
    ("hand", "left"),
    [
        ("Q♠ K♠ A♠ 9♥ 2♦", 32),  # nothing follows the king
        ("A♠ 2♠ 3♠ 9♥ 2♦", 11),
        ("3♠ 4♠ 6♠ 7♠ 5♥", 25),  # a run has one suit
        ("5♠ 5♥ 5♦ 6♠ 7♠", 10),  # the run: 5♠ is in one meld only
        ("9♠ 9♥ 9♦ 8♠ 7♠", 15),  # the set
        ("K♠ K♥ Q♦ Q♣ J♠", 50),  # two are no set
        ("J♠ 10♠ Q♠ K♠ 9♠", 0),
    ],
)
def test_deadwood(hand: str, left: int) -> None:
    assert solved("gin_melds", hand, 5) == str(left)
    assert solved("gin_knock", hand, 5) == f"{'yes' if left <= 10 else 'no'}, {left}"


@pytest.mark.parametrize(
    ("hand", "card"),
    [
        ("A♠ 2♠ 3♠ 9♥ 2♦ 8♣", "9♥"),
        ("5♠ 5♥ 5♦ 6♠ 7♠ K♣", "K♣"),
        ("6♠ 6♥ 6♦ 7♠ 8♠ 9♣", "9♣"),
        ("9♠ 9♥ 9♦ 8♠ 7♠ 2♣", "8♠"),  # the set and 7 + 2, not the run and 9 + 2
    ],
)
def test_discard(hand: str, card: str) -> None:
    assert [card] == best_discards(hand.split()) == [solved("gin_discard", hand, 5)]


@pytest.mark.parametrize("hand", ["K♠ Q♥ 2♦ 3♦ 4♦ 7♣", "2♠ 2♥ 2♦ 9♠ 9♥ 9♦"])
def test_a_hand_with_more_than_one_best_discard_is_no_problem(hand: str) -> None:
    with pytest.raises(ValueError, match="expected one best discard"):
        solved("gin_discard", hand, 5)


LOW = "A♠ A♥ A♦ 4♣ 5♣ 6♣ 9♠ 9♥ 9♦"


@pytest.mark.parametrize(
    ("knocker", "defender", "score"),
    [
        (f"{LOW} 7♥", "K♠ K♥ K♦ Q♠ Q♥ Q♦ 5♥ 5♦ 2♠ J♥", "knocker, 15"),
        (f"{LOW} 7♥", "K♠ K♥ K♦ Q♠ Q♥ Q♦ 3♥ 2♦ 2♠ J♥", "knocker, 10"),
        (f"{LOW} 7♥", "K♠ K♥ K♦ Q♠ Q♥ Q♦ 3♥ 2♦ 2♠ 9♣", "defender, 25"),  # a tie, 9♣ laid off
        (f"{LOW} 7♥", "K♠ K♥ K♦ Q♠ Q♥ Q♦ 2♥ 2♦ 2♠ 9♣", "defender, 32"),
        (f"{LOW} 7♥", "K♠ K♥ K♦ Q♠ Q♥ Q♦ 3♣ 2♣ J♥ 8♦", "knocker, 11"),  # 3♣ first, then 2♣
        (f"{LOW} 7♣", "K♠ K♥ K♦ Q♠ Q♥ Q♦ 3♥ 2♦ 2♠ 9♣", "knocker, 41"),  # no lay-offs on gin
        (f"{LOW} 7♣", "K♠ K♥ K♦ Q♠ Q♥ Q♦ 8♠ 8♥ 8♦ 8♣", "knocker, 25"),
        # of the defender's four sevens one goes on the run, as the 8♣ then can follow it
        (f"{LOW} 2♥", "7♠ 7♥ 7♦ 7♣ 8♣ K♥ K♦ K♠ J♥ 5♥", "knocker, 13"),
    ],
)
def test_score_of_a_knock(knocker: str, defender: str, score: str) -> None:
    task = tasks.get("gin_knock")
    told = f"The knocker holds {knocker}. The defender holds {defender}."
    problem = task.read(f"{RULES} {BONUSES} {told} Who scores, and how much?")
    assert task.solve(problem, "fine").answer == task.solve(problem, "coarse").answer == score


def test_answers_in_other_words_score_and_near_misses_do_not() -> None:
    deck = by_rank(["3♦", "6♠", "6♥", "6♣", "8♦"])
    deadwood_task, discard, knock = map(tasks.get, NAMES)
    assert [deadwood_task.score(a, deck) for a in ("11", " 11\n", "1", "11 or 12", "", "111")] == [
        1,
        1,
        0,
        0,
        0,
        0,
    ]
    six = by_rank([*deck, "K♣"])
    assert [discard.score(a, six) for a in ("K♣", "k♣.", "K♠", "K♣ 8♦", "the K♣ or 8♦", "")] == [
        1,
        1,
        0,
        0,
        0,
        0,
    ]
    for right in ("no, 11", "No 11", "no: 11.", "NO,11"):
        assert knock.score(right, (deck,)) == 1.0
    for wrong in (
        "no",
        "11",
        "yes, 11",
        "no, 12",
        "yes or no, 11",
        "no11",
        "no, 11, 12",
        "no, 011",
    ):
        assert knock.score(wrong, (deck,)) == 0.0
    hands = (
        by_rank(f"{LOW} 7♥".split()),
        by_rank(["K♠", "K♥", "K♦", "Q♠", "Q♥", "Q♦", "5♥", "5♦", "2♠", "J♥"]),
    )
    for right in ("knocker, 15", "The knocker: 15", "Knocker 15."):
        assert knock.score(right, hands) == 1.0
    for wrong in ("defender, 15", "knocker, 5", "15", "knocker", "knocker or defender, 15"):
        assert knock.score(wrong, hands) == 0.0


@given(st.text() | st.lists(st.sampled_from([*CARDS, RULES, BONUSES, " "])).map("".join))
def test_no_text_is_worse_than_a_value_error(text: str) -> None:
    for name in NAMES:
        with pytest.raises(ValueError):
            tasks.get(name).read(text)


@given(st.integers(0, 300), st.text(max_size=3) | st.sampled_from(CARDS), st.integers(0, 20))
def test_a_damaged_prompt_is_solved_or_refused(at: int, put: str, seed: int) -> None:
    for name in NAMES:
        task = tasks.get(name, "hard")
        prompt = task.prompt(random.Random(seed))
        damaged = prompt[:at] + put + prompt[at + len(put) :]
        if readable(name, damaged):
            problem = task.read(damaged)
            assert task.score(task.solve(problem, "fine").answer, problem) == 1.0


@pytest.mark.parametrize("name", NAMES)
def test_long_prompts_and_answers_are_refused_at_once(name: str) -> None:
    task = tasks.get(name)
    prompt = task.prompt(random.Random(0))
    problem = task.read(prompt)

    def refuse(size: int) -> None:
        for first, unit, last in (
            ("", "9", ""),
            ("", "K♠ ", ""),
            ("", " ", ""),
            ("no,", " ", "x"),
            ("", "no ", ""),
        ):
            junk = first + (unit * size)[:size] + last
            assert task.score(junk, problem) == 0.0
            for text in (junk, prompt + junk, prompt.replace("I hold ", f"I hold {junk}")):
                with pytest.raises(ValueError):
                    task.read(text)

    assert growth.linear(refuse, 6_000)


def test_the_number_of_easy_hands_leaves_out_melds_that_share_a_card() -> None:
    shared = {
        a | b
        for a in SETS
        for b in RUNS
        if a & b and (a | b).bit_count() == 5 == a.bit_count() + b.bit_count() - 1
    }
    assert tasks.get("gin_melds").space() == comb(52, 5) - len(shared)
