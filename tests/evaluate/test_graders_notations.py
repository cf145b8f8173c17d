"""The graders on random numbers and formulas, in random notations, against exact arithmetic."""

from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings, strategies as st

from tests.conftest import THOROUGH
from tests.helpers import growth
from tunix_rt_nb.evaluate.graders import number
from tunix_rt_nb.evaluate.graders.ladder import mark

integers = st.integers(-(10**12), 10**12)
wholes = st.integers(0, 10**12)
fractions = st.builds(Fraction, st.integers(-999, 999), st.integers(1, 99))
decimals = st.builds(lambda n, k: Fraction(n, 10**k), integers, st.integers(0, 6))

OF_INTEGERS: tuple[Callable[[int], str], ...] = (
    str,
    lambda n: f"{n:,}",
    lambda n: f"{n:,}".replace(",", " "),
    lambda n: f"{n:,}".replace(",", "'"),
    lambda n: f"{n:,}".replace(",", "{,}"),
    lambda n: f"{n:,}".replace(",", "\\,"),
    lambda n: f"{n:_}",
    lambda n: f"{n}.0",
    lambda n: f"{n:,}.00",
    lambda n: f"{n}/1",
    lambda n: f"{n}e0",
    lambda n: f"{n} apples",
    lambda n: f"{n}%",
    lambda n: f"{n} km/h",
    lambda n: f"x = {n}",
    lambda n: f"= {n}",
    lambda n: f"{n - 1} + 1 = {n}",
    lambda n: f"${n}$",
    lambda n: rf"\({n}\)",
    lambda n: rf"\boxed{{{n}}}",
    lambda n: rf"\frac{{{2 * n}}}{{2}}",
    lambda n: f"The answer is {n}.",
    lambda n: f"**{n}**",
    lambda n: f"Answer: {n}, as computed.",
    lambda n: f"<think>{n + 1}?</think>\n\n{n}",
    lambda n: f"#### {n}",
)
OF_FRACTIONS: tuple[Callable[[Fraction], str], ...] = (
    lambda q: f"{q.numerator}/{q.denominator}",
    lambda q: f"{3 * q.numerator}/{3 * q.denominator}",
    lambda q: f"{q.numerator} / {q.denominator}",
    lambda q: rf"\frac{{{q.numerator}}}{{{q.denominator}}}",
    lambda q: rf"\dfrac{{{2 * q.numerator}}}{{{2 * q.denominator}}}",
    lambda q: rf"$\boxed{{\frac{{{q.numerator}}}{{{q.denominator}}}}}$",
    lambda q: (
        f"{'-' if q < 0 else ''}{abs(q) // 1} {abs(q) % 1}" if abs(q) > 1 and q % 1 else f"{q}"
    ),
    lambda q: f"x = {q}",
    lambda q: f"The answer is {q}.",
)


@pytest.mark.slow
@given(integers, st.sampled_from(OF_INTEGERS), st.sampled_from(OF_INTEGERS))
def test_an_integer_is_the_same_in_every_notation(
    n: int, one: Callable[[int], str], other: Callable[[int], str]
) -> None:
    assert mark(one(n), str(n)).score == 1.0
    assert mark(str(n), other(n)).score == 1.0 or "\n" in other(n)


@pytest.mark.slow
@given(integers, integers, st.sampled_from(OF_INTEGERS), st.sampled_from(OF_INTEGERS[:13]))
def test_another_integer_is_wrong_in_every_notation(
    n: int, m: int, one: Callable[[int], str], other: Callable[[int], str]
) -> None:
    assume(n != m)
    assert mark(one(n), other(m)).score == 0.0


@pytest.mark.slow
@given(fractions, st.sampled_from(OF_FRACTIONS), st.sampled_from(OF_FRACTIONS))
def test_a_fraction_is_the_same_in_every_notation(
    q: Fraction, one: Callable[[Fraction], str], other: Callable[[Fraction], str]
) -> None:
    assert mark(one(q), other(q)).score == 1.0
    wrong = q + Fraction(1, 7)
    assert mark(one(wrong), other(q)).score == 0.0


@given(decimals)
def test_a_decimal_equals_its_fraction(q: Fraction) -> None:
    text = f"{q.numerator * 10**6 // q.denominator}"
    whole, part = divmod(abs(int(text)), 10**6)
    decimal = f"{'-' if q < 0 else ''}{whole}.{part:06}"
    assert mark(decimal, f"{q}").score == 1.0
    assert mark(f"{decimal}1", f"{q}").score == 0.0


@given(st.text(max_size=60), st.text(max_size=60))
def test_texts_that_differ_in_their_digits_are_never_equal(one: str, other: str) -> None:
    a, b = (number.read(text) for text in (one, other))
    if a and b and a.value != b.value and "%" not in one + other:
        assert mark(one, other).score == 0.0


pieces = st.lists(
    st.sampled_from(
        [*"0123456789.,-/()xy=+* ", "\\frac", "{", "}", " or ", " of ", "km", "%", "$"]
    ),
    max_size=12,
).map("".join)


@pytest.mark.slow
@settings(max_examples=THOROUGH)
@given(pieces)
def test_what_is_read_as_a_number_holds_no_other_number(text: str) -> None:
    found = number.read(text)
    if found:
        assert not any(word in text for word in (" or ", " of ")) or "=" in text
        again = number.read(found.text)
        assert again and again.value == found.value


@pytest.mark.slow
@settings(max_examples=60)
@given(st.lists(st.integers(-9, 9), min_size=2, max_size=4), st.integers(-9, 9))
def test_a_polynomial_equals_its_expansion_and_no_other(roots: list[int], shift: int) -> None:
    sympy = pytest.importorskip("sympy")
    pytest.importorskip("math_verify")
    x = sympy.Symbol("x")
    factored = sympy.prod([x - root for root in roots])
    expanded = sympy.expand(factored)
    assert mark(sympy.latex(factored), sympy.latex(expanded)).score == 1.0
    assert mark(str(expanded), sympy.latex(factored)).score == 1.0
    assert mark(sympy.latex(expanded + shift), sympy.latex(factored)).score == float(shift == 0)


@pytest.mark.slow
@settings(max_examples=60)
@given(st.integers(2, 99), st.integers(1, 9), st.integers(1, 9))
def test_a_root_equals_its_simplest_form_and_no_other(n: int, k: int, d: int) -> None:
    sympy = pytest.importorskip("sympy")
    pytest.importorskip("math_verify")
    root = sympy.sqrt(n) * k / d
    assume(not root.is_rational)
    written = rf"\frac{{\sqrt{{{n * k * k}}}}}{{{d}}}"
    assert mark(written, sympy.latex(root)).score == 1.0
    assert mark(str(root.evalf(15)), sympy.latex(root)).score == 0.0
    assert mark(written, sympy.latex(root + 1)).score == 0.0


@pytest.mark.slow
@pytest.mark.parametrize(
    "unit", ["9", "1,", "(", "\\boxed{", "$", "x=", "a ", "A) ", "yes, ", ", as ", ". A", "1/", "~"]
)
def test_no_answer_takes_long(unit: str) -> None:
    def graded(size: int) -> None:
        text = (unit * size)[:size]
        assert mark(text, "4", text).score == 0.0
        assert mark("4", text, text).score == 0.0

    assert growth.linear(graded, 400)  # short enough to be read as mathematics
    assert growth.linear(graded, 12_000)
