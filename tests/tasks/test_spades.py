"""Mini Spades: a second implementation checks every step, and altered steps are caught."""

import random
import re
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, strategies as st

from tests.conftest import with_step
from tests.helpers import growth
from tunix_rt_nb import tasks
from tunix_rt_nb.tasks.cards.cards import DECK, only
from tunix_rt_nb.trace.trace import Trace

NAMES = ["spades_legal", "spades_trick", "spades_score"]
ORDER = ["2", "3", "4", "5", "6", "7", "8", "9", "10", "J", "Q", "K", "A"]
CARD = r"(?:\d+|[JQKA])[♠♥♦♣]"


def said(trace: Trace) -> list[str]:
    """The steps, without mistakes that were put in and the words that repair them."""
    wrong = (trace.meta or {}).get("mistakes", [])
    steps = [step.content for step in trace.steps if step.i not in wrong]
    return [re.sub(r"^(Wait, that is wrong|No, let me redo that)\. ", "", s) for s in steps]


def check_legal(trace: Trace) -> list[str]:
    hand = re.findall(CARD, trace.prompt.split("I hold ")[1].split(". ")[0])
    led = re.search(rf"opponent leads ({CARD})", trace.prompt)
    suit = led[1][-1] if led else ""
    legal = [card for card in hand if card[-1] == suit] or hand
    told = []
    wrong = [] if trace.final_answer.split() == legal else ["answer"]
    for step in said(trace):
        cards = re.findall(CARD, step)
        if m := re.fullmatch(rf"(?:({CARD}) is (.)|Is ({CARD}) (.))\? (yes|no): (.*)\.", step):
            card, asked = m[1] or m[3], m[2] or m[4]
            told.append(card)
            right = asked == suit and (m[5] == "yes") == (card[-1] == suit)
            right &= m[6].split() == ([c for c in told if c[-1] == suit] or ["none"])
        elif re.search(r" any of ", step):
            right = cards == hand and (not suit or all(c[-1] != suit for c in hand))
        elif m := re.fullmatch(r"(?:My|In) (.): (.*)\.", step):
            right = m[1] == suit and (cards or ["none"]) == m[2].split()
            right &= cards == [c for c in hand if c[-1] == suit]
        else:
            right = led is not None and cards == [led[1]] and step.endswith(f": {suit}.")
        wrong += [] if right else [step]
    return wrong + ([] if told in ([], hand) else ["cards left out"])


def played(prompt: str) -> list[tuple[str, str, bool, bool]]:
    """Each trick: the card led, the other one, did I lead, do I take it."""
    cards = re.findall(CARD, prompt)
    i_lead = "I lead" in prompt
    tricks = []
    for led, other in zip(cards[::2], cards[1::2], strict=True):
        power = {  # one number for both rules
            card: ORDER.index(card[:-1]) + 100 * (card[-1] == led[-1]) + 1000 * (card[-1] == "♠")
            for card in (led, other)
        }
        leader_takes = power[led] > power[other]
        tricks.append((led, other, i_lead, leader_takes == i_lead))
        i_lead = leader_takes == i_lead
    return tricks


def check_tricks(trace: Trace) -> list[str]:
    tricks = played(trace.prompt)
    mine = sum(i_take for *_, i_take in tricks)
    points = mine + 5 * (mine > len(tricks) - mine)
    answers = [str(points) if "score" in (trace.task or "") else str(mine)]
    answers += ["win" if mine else "lose"] if len(tricks) == 1 else []
    wrong = [] if trace.final_answer in answers else ["answer"]
    won, seen = [0, 0], [0, 0]
    for step in said(trace):
        k = max(seen)
        if " wins" in step:
            k = seen[0]
            seen[0] += 1
        if "take" in step:
            k = seen[1]
            seen[1] += 1
            won[0 if tricks[k][3] else 1] += 1
        if not claims(step, tricks, k, won, mine, points):
            wrong.append(step)
    return wrong + ([] if seen[1] == len(tricks) else ["tricks left out"])


def claims(
    step: str,
    tricks: list[tuple[str, str, bool, bool]],
    k: int,
    won: list[int],
    mine: int,
    points: int,
) -> bool:
    if m := re.search(r"(\d+) is (greater|equal|less) \w+ (\d+): (\d+)\+(\d+)=(\d+)\.$", step):
        a, b, c, d, e = (int(m[i]) for i in (1, 3, 4, 5, 6))
        size = {1: "greater", 0: "equal", -1: "less"}[(a > b) - (a < b)]
        return (a, b, m[2]) == (mine, len(tricks) - mine, size) and c + d == e == points and c == a
    led, other, i_led, i_take = tricks[k]
    right = True
    if m := re.search(rf"({CARD}) wins", step):
        right &= m[1] == (led if i_led == i_take else other)
    if m := re.search(rf"({CARD}) ({CARD})[,:]", step):
        right &= (m[1], m[2]) == (led, other)
    if m := re.search(r"both (.)|(trumped)|(off suit)", step):
        same = f"both {led[-1]}" if led[-1] == other[-1] else ""
        right &= m[0] == (same or ("trumped" if other[-1] == "♠" else "off suit"))
    if "take" in step and " wins" not in step:
        m = re.match(rf"(?:As )?I (lead|play) ({CARD})[:,] ", step)
        right &= m is not None and m.groups() == (("lead", led) if i_led else ("play", other))
    if "take" in step:
        right &= ("I take it" in step) == i_take and ("opponent takes it" in step) != i_take
        score = re.search(r"it, (\d+) to (\d+)\.$", step)
        right &= score is None if len(tricks) == 1 else score is not None
        right &= score is None or [int(score[1]), int(score[2])] == won
    return right


ORACLES: dict[str, Callable[[Trace], list[str]]] = {
    "spades_legal": check_legal,
    "spades_trick": check_tricks,
    "spades_score": check_tricks,
}

ALIKE = [
    ["♠", "♥", "♦", "♣"],
    ["A", "K", "Q", "J"],
    ["yes", "no"],
    ["none", "9♥"],
    ["greater", "less", "equal"],
    ["wins", "loses"],
    ["I", "the opponent"],
    ["The opponent", "I"],
    ["takes", "gives"],
    ["lead", "play"],
    ["leads", "plays"],
    ["trumped", "off suit", "both ♥"],
    ["way 1", "way 2", "Way 1", "Way 2"],
    ["better", "worse"],
    ["stays", "is better"],
    ["knocker", "defender"],
    ["Knocker", "Defender"],
    ["carry", "borrow"],
    ["Units", "Tens"],
    ["units", "tens"],
    ["highest", "lowest"],
    ["Sets", "Runs"],
    ["sequence", "a rank"],
    ["rank", "suit"],
    ["Left", "Laid off"],
    ["gin", "undercut"],
]
_WORD = "|".join(
    rf"(?<![A-Za-z]){word}(?![A-Za-z])"
    for word in sorted((w for words in ALIKE for w in words), key=len, reverse=True)
)


def alterations(text: str) -> Iterator[str]:
    """A step with one number, card, suit or word changed, for each there is."""
    for spot in re.finditer(rf"\d+|[♠♥♦♣]|{_WORD}", text):
        old = spot[0]
        group = next((words for words in ALIKE if old in words), [])
        for new in (str(int(old) + 1), old + "0") if old.isdigit() else group:
            if new != old:
                yield text[: spot.start()] + new + text[spot.end() :]


def missed(trace: Trace) -> list[str]:
    """The altered steps that are not caught."""
    task = tasks.get(trace.task or "")
    return [
        text
        for step in trace.steps
        for text in alterations(step.content)
        if not task.check_step(with_step(trace, step.i, text), step.i)
    ]


@pytest.mark.parametrize("name", NAMES)
def test_the_second_implementation_can_say_no(name: str) -> None:
    trace = next(tasks.draw(name, 1, 1, "hard"))
    for step in trace.steps:
        text = next(alterations(step.content))
        assert ORACLES[name](with_step(trace, step.i, text)) != []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("difficulty", tasks.DIFFICULTIES)
@pytest.mark.parametrize("grain", tasks.GRAINS)
def test_an_altered_number_card_or_word_in_any_step_is_caught(
    name: str, difficulty: str, grain: str
) -> None:
    for trace in tasks.draw(name, 8, 2, difficulty, grain):
        assert missed(trace) == []


def solved(name: str, prompt: str) -> str:
    task = tasks.get(name)
    return task.solve(task.read(prompt), "fine").answer


@pytest.mark.parametrize(
    ("hand", "lead", "legal"),
    [
        ("K♠ 4♥ 7♦", "The opponent leads 9♥", "4♥"),  # no trump while one can follow
        ("K♠ 4♣ 7♦", "The opponent leads 9♥", "K♠ 4♣ 7♦"),  # void: any card, no duty to trump
        ("K♠ 4♥ 2♠", "The opponent leads A♠", "K♠ 2♠"),  # trumps are a suit to follow too
        ("K♠ 4♥", "I lead", "K♠ 4♥"),  # trumps may be led at once
    ],
)
def test_legal_cards(hand: str, lead: str, legal: str) -> None:
    prompt = "Mini Spades: follow suit if able, lead any card. "
    prompt += f"I hold {hand}. {lead}. Which cards may I play?"
    assert solved("spades_legal", prompt) == legal


TRICK = "Mini Spades, 2 low, A high, spades trump. "


@pytest.mark.parametrize(
    ("told", "result"),
    [
        ("I lead 2♥, the opponent plays A♦", "win"),  # an ace off suit takes nothing
        ("I lead A♥, the opponent plays 2♠", "lose"),
        ("I lead 10♠, the opponent plays J♠", "lose"),
        ("The opponent leads 9♣, I play 10♣", "win"),
        ("The opponent leads 2♠, I play A♥", "lose"),
    ],
)
def test_one_trick(told: str, result: str) -> None:
    assert solved("spades_trick", f"{TRICK}{told}. Do I win or lose the trick?") == result


TRICKS = "{} first, then whoever takes a trick. Tricks, led card first: {}. "
SCORE = "1 point a trick, 5 more for taking more tricks than the opponent. "


@pytest.mark.parametrize(
    ("leads", "cards", "tricks", "points"),
    [
        ("I lead", "3♥ K♥, 9♣ 2♦", "0", "0"),  # the opponent led the 9♣
        ("I lead", "K♥ 3♥, 9♣ 2♦", "2", "7"),
        ("The opponent leads", "3♥ 2♠, 9♣ 2♦, 4♦ 5♦", "2", "7"),
        ("I lead", "A♥ 3♥, 9♣ J♣, 4♦ 5♦, K♦ 2♠", "2", "2"),  # a draw gives no bonus
        ("I lead", "A♥ 3♥, K♥ 2♣, Q♥ 3♣, 5♥ 4♣, 2♥ 5♣", "5", "10"),
    ],
)
def test_tricks_and_their_score(leads: str, cards: str, tricks: str, points: str) -> None:
    told = TRICKS.format(leads, cards)
    assert solved("spades_trick", f"{TRICK}{told}How many tricks do I take?") == tricks
    assert solved("spades_score", f"{TRICK}{SCORE}{told}What do I score?") == points


@pytest.mark.parametrize(
    ("leads", "cards"),
    [
        ("I lead", "3♥ 2♠, 9♥ 8♥"),  # the opponent leads a heart after trumping one
        ("I lead", "K♥ 3♣, 9♣ 2♥"),  # the opponent follows late
        ("The opponent leads", "K♥ 3♣, Q♣ 2♣, 7♥ 5♥"),  # so do I
        ("I lead", "3♥ 3♥, 9♣ 8♣"),
        ("I lead", "3♥ 4♥"),
        ("I lead", "3♥ 4♥, 5♥"),
        ("I lead", "A♥ 3♥, K♥ 2♣, Q♥ 3♣, 5♥ 4♣, 2♥ 5♣, 6♥ 6♣"),
    ],
)
def test_tricks_that_cannot_be_are_no_problem(leads: str, cards: str) -> None:
    with pytest.raises(ValueError, match="suit|twice|tricks"):
        solved("spades_score", f"{TRICK}{SCORE}{TRICKS.format(leads, cards)}What do I score?")


@given(st.text() | st.lists(st.sampled_from([*DECK, TRICK, SCORE, ", ", " "])).map("".join))
def test_no_text_is_worse_than_a_value_error(text: str) -> None:
    for name in NAMES:
        with pytest.raises(ValueError):
            tasks.get(name).read(text)


@given(st.integers(0, 200), st.text(max_size=3) | st.sampled_from(DECK), st.integers(0, 20))
def test_a_damaged_prompt_is_solved_or_refused(at: int, put: str, seed: int) -> None:
    for name in NAMES:
        task = tasks.get(name, "hard")
        prompt = task.prompt(random.Random(seed))
        try:
            problem = task.read(prompt[:at] + put + prompt[at + len(put) :])
        except ValueError:
            continue
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
            ("K♠", " ", "x"),
            ("", ", ", ""),
        ):
            junk = first + (unit * size)[:size] + last
            assert task.score(junk, problem) == 0.0
            for text in (junk, prompt + junk, prompt.replace("♠", junk, 1) + "!"):
                with pytest.raises(ValueError):
                    task.read(text)

    assert growth.linear(refuse, 6_000)


def test_answers_in_other_words_score_and_near_misses_do_not() -> None:
    legal, trick, score = map(tasks.get, NAMES)
    problem = (("8♦", "3♥", "9♦"), "5♦")
    for right in ("8♦ 9♦", " 9♦, 8♦.", "8♦,9♦", "8♦ and 9♦"):
        assert legal.score(right, problem) == 1.0
    for wrong in ("8♦", "", "8♦ 9♦ 3♥", "8♦ 8♦ 9♦", "8♦ or 9♦", "8♦ 9♦ 9♦", "8 9", "not 8♦ 9♦"):
        assert legal.score(wrong, problem) == 0.0
    assert legal.score("q♦ and 10♣", ((("10♣", "Q♦")), None)) == 1.0
    win = (True, (("9♥", "2♥"),))
    assert [trick.score(a, win) for a in ("win", " Win\n", "lose", "win or lose", "")] == [
        1,
        1,
        0,
        0,
        0,
    ]
    seven = (True, (("K♥", "3♥"), ("9♣", "2♦")))
    assert [score.score(a, seven) for a in ("7", " 7 ", "07", "7.5", "2", "7 0")] == [
        1,
        1,
        0,
        0,
        0,
        0,
    ]
    assert only("K♠ 4♥ nothing") == []


def test_the_number_of_problems_is_what_counting_finds() -> None:
    assert tasks.get("spades_trick", "easy").space() == sum(2 for a in DECK for b in DECK if a != b)
    hands = [(a, b, c) for a in DECK[:5] for b in DECK[:5] for c in DECK[:5] if len({a, b, c}) == 3]
    assert len(hands) == 5 * 4 * 3  # as perm(52, 3) counts hands of a whole deck
    assert tasks.get("spades_legal", "easy").space() == 52 * 51 * 50 * (49 + 1)
