"""Sums in any text: no false alarm, and planted errors are found."""

import importlib
import random
from collections.abc import Callable, Iterator
from fractions import Fraction

import pytest
import sympy
from hypothesis import assume, given, strategies as st

from tests.conftest import some
from tests.helpers.sums import OPEN, RIGHT, WRONG
from tunix_rt_nb import tasks
from tunix_rt_nb.tasks.gym import gym


def right(text: str) -> bool | None:
    claim = tasks.judge_step(text)
    return claim and claim.right


@pytest.mark.parametrize("text", RIGHT)
def test_a_right_sum_is_right(text: str) -> None:
    assert right(text) is True


@pytest.mark.parametrize("text", OPEN)
def test_what_is_no_plain_sum_is_never_called_wrong(text: str) -> None:
    assert [claim for claim in tasks.claims(text) if claim.right is False] == []


def test_there_are_hundreds_of_lines_and_planted_errors_are_found() -> None:
    assert len(RIGHT) + len(OPEN) >= 400
    missed = [text for text in WRONG if right(text) is not False]
    assert len(WRONG) >= 150
    assert len(missed) <= len(WRONG) * 0.05, missed


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Natalia sold 48/2 = 25 clips in May.", "48/2 is 24, not 25"),
        ("1/2 + 1/3 = 2/5", "1/2 + 1/3 is 5/6, not 2/5"),
        ("0.5 * 0.5 = 2.5", "0.5 * 0.5 is 0.25, not 2.5"),
        ("So 10/3 ≈ 4.33.", "10/3 is about 3.33333, not about 4.33"),
        ("5 + 3 > 9 - 1", "5 + 3 is 8, not > 9 - 1 = 8"),
        ("Therefore 12 = 3 * 5", "3 * 5 is 15, not 12"),
        ("7 < 5", "7 is not < 5"),
        ("2^90 = 1", "2^90 is about 1.23794e+27, not 1"),
    ],
)
def test_a_wrong_sum_is_told_with_its_value(text: str, why: str) -> None:
    claim = tasks.judge_step(text)
    assert claim is not None
    assert (claim.right, claim.why) == (False, why)


def test_claims_stand_in_the_text_in_order() -> None:
    text = "First 48/2 = <<48/2=24>>24 clips, then x = 3 and 24 + x = 27, so 24 + 48 = 73."
    found = tasks.claims(text)
    assert [(claim.text, claim.right) for claim in found] == [
        ("48/2 = <<48/2=24>>24", True),
        ("48/2=24", True),
        ("24 + x = 27", None),
        ("24 + 48 = 73", False),
    ]
    assert all(text.startswith(claim.text, claim.start) for claim in found)
    assert found[2].why == "is no plain arithmetic"


def test_a_text_without_sums_claims_nothing() -> None:
    for text in ("", "Add both.", "x = 5", "The answer is 42.", "= = =", "5 = ", "((("):
        assert tasks.claims(text) == []
        assert tasks.judge_step(text) is None


@pytest.mark.parametrize("text", ["So x3 1/2 = 4.", "½½3 ="])
def test_a_mixed_number_without_its_whole_part_is_not_judged(text: str) -> None:
    assert tasks.judge_step(text) is None


@pytest.mark.parametrize("text", ["10 = 10", "24=24", "12 = 12 = 12", "10 = 10.0", "Total: 4 = 4"])
def test_a_number_that_equals_itself_is_no_sum(text: str) -> None:
    [claim] = tasks.claims(text)
    assert (claim.right, claim.why) == (None, "has nothing to calculate")


def test_one_wrong_sum_makes_a_step_wrong() -> None:
    assert right("5 + 3 = 8. 8 * 2 = 17. 17 - 1 = 16.") is False
    assert right("x + 3 = 8, so 8 - 3 = 5") is True


# A tree of numbers and signs, its value, and how it is written.
Tree = tuple[Fraction, Callable[["Style"], str], int]
Style = tuple[str, str, str, bool]
STYLES: list[Style] = [
    ("*", "/", "-", False),
    ("×", "÷", "−", False),
    ("x", "/", "–", False),
    (r"\times", r"\div", "-", False),
    (r"\cdot", "/", "-", True),
    ("times", "divided by", "minus", False),
]


def number(value: Fraction, text: str) -> Tree:
    return value, lambda style: text if text[0] != "-" else f"({text})", 9


LEAVES = st.one_of(
    st.integers(-20, 999).map(lambda n: number(Fraction(n), str(n))),
    st.integers(1, 999).map(lambda n: number(Fraction(n, 10), f"{n / 10:.1f}")),
    st.integers(1000, 10**7).map(lambda n: number(Fraction(n), f"{n:,}")),
)


def joined(parts: tuple[Tree, str, Tree]) -> Tree:
    """Two trees as one, in brackets where a weaker sign stands within a stronger one."""
    (a, left, weak_a), sign, (b, right, weak_b) = parts
    bind = {"+": 1, "-": 1, "*": 2, "/": 2, "^": 3}[sign]
    if sign == "^":
        b = Fraction(abs(int(b)) % 4)
        assume(a != 0 and abs(a) < 10**6)
        value, power = a ** int(b), str(int(b))
    elif sign == "/":
        assume(b != 0)
        value = a / b
    else:
        value = {"+": a + b, "-": a - b, "*": a * b}[sign]

    def write(style: Style) -> str:
        times, over, minus, bars = style
        one = left(style) if weak_a >= bind + (sign == "^") else f"({left(style)})"
        if sign == "^":
            return f"{one}^{{{power}}}" if times.startswith("\\") else f"{one}^{power}"
        if sign == "/" and bars:
            return rf"\frac{{{left(style)}}}{{{right(style)}}}"
        two = right(style) if weak_b > bind else f"({right(style)})"
        return f"{one} {dict(zip('*/-+', (times, over, minus, '+'), strict=True))[sign]} {two}"

    return value, write, bind


SIGNS = st.sampled_from("+-*/^")
TREES = st.recursive(
    st.tuples(LEAVES, SIGNS, LEAVES).map(joined),
    lambda trees: st.tuples(trees | LEAVES, SIGNS, trees | LEAVES).map(joined),
    max_leaves=6,
).filter(lambda tree: tree[0].denominator < 10**9 and abs(tree[0]) < 10**15)


def written(value: Fraction, style: Style) -> str:
    if value.denominator == 1:
        return str(value)
    sign, top = "-" * (value < 0), abs(value.numerator)
    if style[3]:
        return rf"{sign}\frac{{{top}}}{{{value.denominator}}}"
    return f"{sign}{top}/{value.denominator}"


@given(TREES, st.sampled_from(STYLES), st.booleans())
def test_a_right_expression_is_never_wrong_in_any_notation(
    tree: Tree, style: Style, latex: bool
) -> None:
    value, write, _ = tree
    text = f"{write(style)} = {written(value, style)}"
    assert right(f"So ${text}$." if latex else f"So {text}.") is True, text


@given(TREES, st.sampled_from(STYLES), st.integers(1, 1000), st.booleans())
def test_an_altered_expression_is_always_wrong(
    tree: Tree, style: Style, change: int, less: bool
) -> None:
    value, write, _ = tree
    text = f"{write(style)} = {written(value - change if less else value + change, style)}"
    assert right(f"So {text}.") is False, text


@given(TREES)
def test_sympy_finds_the_same_value(tree: Tree) -> None:
    text = tree[1](STYLES[0])
    value = sympy.sympify(text.replace("^", "**").replace(",", ""), rational=True)
    assert right(f"{text} = {value}") is True, (text, value)


@given(TREES, st.integers(1, 6))
def test_a_value_may_be_rounded(tree: Tree, places: int) -> None:
    value, write, _ = tree
    assume(value.denominator > 1)
    digits = f"{abs(round(value * 10**places)):0{places + 1}}"
    rounded = f"{'-' * (value < 0)}{digits[:-places]}.{digits[-places:]}"
    assert right(f"So {write(STYLES[0])} = {rounded}.") is True, rounded


PIECES = st.one_of(
    st.sampled_from("0123456789+-*/^=<>()[]{}.,:;!?%$€x \n\\_|~#'\"√½²×÷−≈≠≤…"),
    st.sampled_from(["**", "==", "<<", ">>", "```", "1,000", "0.33", "$5", "1e5", "12:30", "-"]),
    st.sampled_from(
        ["3 apples", "per hour", "is", "of", "the", "percent", "and", "not", "million"]
    ),
    st.sampled_from([r"\frac", r"\sqrt", r"\frac{1}{2}", "sqrt(", "f(2)", "x_1", "5 + 3 = 8"]),
)


@given(st.lists(PIECES, max_size=60).map("".join))
def test_any_text_is_read_and_claims_stand_where_they_say(text: str) -> None:
    for claim in tasks.claims(text):
        assert text.startswith(claim.text, claim.start)
        assert (claim.why == "") == (claim.right is True)


@pytest.mark.parametrize("name", tasks.TASKS)
def test_steps_of_known_tasks_raise_no_false_alarm(name: str) -> None:
    for level in tasks.DIFFICULTIES:
        for trace in some(name, 6, 11, level):
            wrong = [step.content for step in trace.steps if right(step.content) is False]
            assert wrong == []


# The library says itself that these are not right yet; and 49 cuts 969.65 / 0.55 = 1763 to 1762.
FAULTY = {32, 35, 37, 49, 61, 63, 65, 74, 76, 77, 79, 86, 87, 90, 97, 98}


def solutions(draws: int) -> Iterator[str]:
    """Solutions of the stories of GSM-Symbolic, line by line."""
    gym()
    for k in sorted({*range(100)} - FAULTY):
        part = "generators_00_49" if k < 50 else "generators_50_99"
        module = importlib.import_module(f"reasoning_gym.arithmetic.gsm_symbolic.{part}")
        for seed in range(draws):
            item = getattr(module, f"generate_{k}")(random.Random(seed * 1000 + k), 1.0)
            yield from item["metadata"]["answer_cot"].split("\n#### ")[0].splitlines()


def test_stories_of_gsm_symbolic_raise_no_false_alarm() -> None:
    verdicts = [(right(line), line) for line in solutions(4)]
    assert [line for verdict, line in verdicts if verdict is False] == []
    assert sum(verdict is True for verdict, _ in verdicts) > 0.8 * len(verdicts)
