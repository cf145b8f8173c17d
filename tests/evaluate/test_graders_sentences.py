"""Answers that are sentences: only their number or bold phrase, and their own words, count."""

import pytest

from tunix_rt_nb import evaluate
from tunix_rt_nb.evaluate.graders import sentences
from tunix_rt_nb.trace import plain

COSTS = "One costs **$1.70**."
APPLES = "He has 5 apples."


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (COSTS, COSTS),
        ("One costs $1.70.", COSTS),
        ("$1.70", COSTS),
        ("**1.7**", COSTS),
        ("1.70 dollars", COSTS),
        ("One costs **$1.7**", COSTS),
        ("The answer is 1.70.", COSTS),
        (r"So it costs \boxed{1.70}.", COSTS),
        ("5", APPLES),
        ("5 apples", APPLES),
        ("he has 5 apples", APPLES),
        ("He has **5** apples.", APPLES),
        ("1000", "She walked 1,000 meters."),
        ("-3", "The temperature was -3 degrees."),
        ("Paris", "The capital is **Paris**."),
        ("It is Paris.", "The capital is **Paris**."),
        ("The capital of France is **Paris**.", "Paris"),
        ("The total comes to **12** eggs.", "12"),
    ],
)
def test_a_sentence_counts_by_what_it_says(answer: str, expected: str) -> None:
    assert evaluate.mark(answer, expected).score == 1.0


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("One costs **$1.80**.", COSTS),
        ("$1.80", COSTS),
        ("One costs **€1.70**.", COSTS),
        ("Two cost **$1.70**.", COSTS),
        ("It is not **$1.70**.", COSTS),
        ("He has 6 apples.", APPLES),
        ("He has 5 pears.", APPLES),
        ("He lost 5 apples.", APPLES),
        ("5 or 6", APPLES),
        ("5, 6", APPLES),
        ("He has half of 5 apples.", APPLES),
        ("5", "The answer is negative 5."),
        ("5", "x is the square root of 5."),
        ("5", "It falls from 9 to 5."),
        ("3", "He has 3 apples and 4 pears."),
        ("2", r"\pm 2"),
        ("2", "x^2"),
        ("2", "It is either 2 or 3."),
        ("Rome", "The capital is **Paris**."),
        ("The capital of **France** is Paris.", "France"),
        ("The capital is not **Paris**.", "Paris"),
        ("The ratio is **3**:4.", "3"),
    ],
)
def test_other_words_or_numbers_are_never_right(answer: str, expected: str) -> None:
    assert evaluate.mark(answer, expected).score == 0.0


def test_a_sentence_has_one_number_or_ends_in_bold() -> None:
    assert sentences.read("One of the 5 pays **$1.70**.") == ("one of the 5 pays", "$1.70")
    for text in ("Paris", "5", "$5", "x = 5", "It takes 5 to 6 days", "**Paris** is it", "", "5 5"):
        assert sentences.read(text) is None, text


def test_a_whole_sentence_is_matched_by_the_same_words_only() -> None:
    for text in ("Plants turn light into sugar.", "He was born in the north of Italy"):
        assert evaluate.verbatim(text)
    for text in (
        "Paris",
        "New York City",
        APPLES,
        COSTS,
        "x = 5 if y is even here",
        r"\frac{a}{b}",
    ):
        assert not evaluate.verbatim(text), text


def test_stars_are_stripped_in_pairs() -> None:
    assert plain("One costs **$1.70**.") == "One costs **$1.70**"
    assert plain("**8**.") == "8"
    assert plain("***8***") == "8"
    assert plain("**Answer:** 8") == "8"
    assert plain("8**") == "8"
    assert plain("*") == ""


def test_no_sentence_takes_long() -> None:
    for part in ("a ", "**", "a**b", "1", "$", "is ", "* "):
        sentences.shortened(part * 20_000, part * 20_000)
        plain(part * 20_000)
