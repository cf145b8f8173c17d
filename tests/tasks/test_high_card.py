import re

import pytest

from tests.tasks.test_arithmetic import check_columns
from tunix_rt_nb import tasks
from tunix_rt_nb.trace.trace import Trace

ORDER = [*map(str, range(2, 11)), "J", "Q", "K", "A"]


def value(card: str) -> int:
    return ORDER.index(card[:-1]) + 2


def check_ranks(texts: list[str]) -> list[str]:
    """Ranks that steps give to cards, and comparisons of numbers."""
    wrong = []
    for text in texts:
        said = re.findall(r"(\w+[♠♥♦♣])(?:, [a-z' ]+,)? (?:has rank|is) (\d+)", text)
        wrong += [text for card, number in said if value(card) != int(number)]
        for a, word, b in re.findall(r"(\d+) is (greater than|less than|equal to) (\d+)", text):
            relation = {"greater than": int(a) > int(b), "less than": int(a) < int(b)}
            if not relation.get(word, a == b):
                wrong.append(text)
    return wrong


def check_duel(trace: Trace) -> list[str]:
    cards = re.findall(r"\w+[♠♥♦♣]", trace.prompt)
    half = len(cards) // 2
    pairs = list(zip(map(value, cards[:half]), map(value, cards[half:]), strict=True))
    won, lost = sum(a > b for a, b in pairs), sum(a < b for a, b in pairs)
    texts = [step.content for step in trace.steps]
    wrong = check_ranks(texts)
    compared = [
        (int(a), int(b)) for text in texts for a, b in re.findall(r"(\d+) is \D+ (\d+)", text)
    ]
    if compared != pairs:
        wrong.append("compares other cards")
    scores = [(int(a), int(b)) for text in texts for a, b in re.findall(r"(\d+) to (\d+)", text)]
    running = [
        (sum(a > b for a, b in pairs[:k]), sum(a < b for a, b in pairs[:k]))
        for k in range(1, half + 1)
    ]
    if half > 1 and scores != running:
        wrong.append("keeps another score")
    right = "win" if won > lost else "lose" if lost > won else "tie"
    return wrong if trace.final_answer == right else [*wrong, "answer"]


def check_odds(trace: Trace) -> list[str]:
    mine, *known = re.findall(r"\w+[♠♥♦♣]", trace.prompt)
    [event] = re.findall(r"I (win|lose|tie)\?", trace.prompt)
    hit = {"win": int.__gt__, "lose": int.__lt__, "tie": int.__eq__}[event]
    deck = [rank + suit for rank in ORDER for suit in "♣♦♥♠"]
    unseen = [card for card in deck if card not in (mine, *known)]
    hits = [card for card in unseen if hit(value(mine), value(card))]
    texts = [step.content for step in trace.steps]
    wrong = check_ranks(texts) + check_columns(texts)
    out = [card for card in known if hit(value(mine), value(card))]
    said = [re.findall(r"\w+[♠♥♦♣]", text) for text in texts if "Out:" in text or "out:" in text]
    if said and said != [out]:
        wrong.append("counts other cards out")
    if trace.final_answer != f"{len(hits)}/{len(unseen)}":
        wrong.append("answer")
    return wrong


@pytest.mark.parametrize("answer", ["8/17", " 24 / 51 ", "24/51"])
def test_equal_odds_in_other_words_score(answer: str) -> None:
    odds = next(t for t in tasks.draw("high_card_odds", 156, 0) if t.final_answer == "24/51")
    assert tasks.get("high_card_odds").grade(answer, odds) == 1.0


@pytest.mark.parametrize("answer", ["0.47", "24", "24/52", "24/51/1", "-24/-51", "24/51 or 3/51"])
def test_other_odds_do_not(answer: str) -> None:
    odds = next(t for t in tasks.draw("high_card_odds", 156, 0) if t.final_answer == "24/51")
    assert tasks.get("high_card_odds").grade(answer, odds) == 0.0


def test_meta_says_what_the_reference_says() -> None:
    [trace] = tasks.draw("high_card_duel", 1, seed=42)
    meta = trace.meta or {}
    assert meta["source"] == "ungar"
    assert meta["game"] == "high_card_duel"
    assert (meta["seed"], meta["episode_index"]) == (42, 0)
    assert meta["my_card"] in trace.prompt
    assert meta["opponent_card"] in trace.prompt
    assert meta["result"] == trace.final_answer


@pytest.mark.parametrize(
    "prompt",
    [
        "High Card Duel, 2 low, A high. I hold K♠, the opponent holds K♠. Do I win, lose or tie?",
        "High Card Duel, 2 low, A high. I hold 1♠, the opponent holds K♠. Do I win, lose or tie?",
        "High Card Duel, 2 low, A high. I play K♠ 2♠ in turn, the opponent plays 3♠. Who wins?",
    ],
)
def test_a_deal_that_cannot_be_is_no_prompt(prompt: str) -> None:
    with pytest.raises(ValueError, match="."):
        tasks.get("high_card_duel").read(prompt)
