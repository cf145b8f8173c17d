"""Expressions of arithmetic, evaluated exactly, in each of the ways in which people read them."""

from collections.abc import Sequence
from fractions import Fraction
from math import isqrt
from typing import NamedTuple

from tunix_rt_nb.tasks.sums.tokens import Literal

MAX_ITEMS = 200  # an expression with more numbers, signs and brackets is not evaluated
MAX_DEPTH = 20  # nor one with deeper brackets
_MAX_BITS = 700  # nor one with a larger numerator or denominator on the way
_ROUNDED = (14, 16, 17, 33, 66, 67, 83)  # per cent: sevenths, sixths and thirds, rounded

_EXACT = Fraction(0)  # the slack of a value without any
_TEN = Literal(Fraction(10), Fraction(1), zeros=1)

Item = Literal | str
"""A number, a bracket, or a sign: `+ - * / ÷ ^ % √`; `⁄` is a fraction bar without spaces around
it, `·` the multiplication that `2(3)` implies, `&` stands between the parts of a mixed number."""


class Reading(NamedTuple):
    """One of several ways to read an ambiguous expression.

    Attributes:
      percent: if True, `20%` is the number 20 with percent as its unit; if False, it is 1/5.
      tight: if True, compute `1/2`, `2(3)` and `3 * 10^8` first, before any `÷`, `*` or `/` with
        spaces around it. Read `-3^2` as `(-3)^2`. Compute several `^` from left to right.
      other: if True, read commas as decimal points, and points as commas.
    """

    percent: bool = False
    tight: bool = False
    other: bool = False


PLAIN = Reading()


def evaluate(items: Sequence[Item], reading: Reading = PLAIN) -> Literal | None:
    """Evaluate an expression in exact arithmetic.

    Returns:
      The value; None if the expression has no value, is malformed, or is too large. The value's
      `place` is 0 unless the expression is a single number, because a result has no last digit as
      written.

    Example:
      >>> evaluate([Literal(Fraction(1)), "/", Literal(Fraction(4))]).value
      Fraction(1, 4)
    """
    if len(items) > MAX_ITEMS:
        return None
    if len(items) == 1 and isinstance(items[0], Literal) and not reading.other:
        return items[0]  # half of all sides are a single number
    reckoner = _Reckoner(items, reading)
    try:
        value = reckoner.sum()
    except (ArithmeticError, ValueError):
        return None
    return value if reckoner.at == len(items) else None


class _Reckoner:
    """A recursive descent parser that evaluates an expression while it parses.

    Its methods call each other, from `sum` for the loosest operations down to `number`.
    """

    def __init__(self, items: Sequence[Item], reading: Reading) -> None:
        self.items, self.reading, self.at = items, reading, 0

    def take(self, signs: str) -> str:
        """Consume and return the next item if it is one of `signs`; else return an empty string."""
        item = self.items[self.at] if self.at < len(self.items) else ""
        if isinstance(item, str) and item and item in signs:
            self.at += 1
            return item
        return ""

    def sum(self) -> Literal:
        value = self.product()
        while sign := self.take("+-"):
            value = _add(value, self.product(), sign)
        return value

    def product(self) -> Literal:
        value = self.fraction()
        while sign := self.take("*/÷⁄·"):
            ten, power = (*self.items[self.at : self.at + 2], "", "")[:2]
            right = self.fraction()
            if sign == "*" and power == "^" and isinstance(ten, Literal) and ten.value == 10:
                value = _checked(value.scaled(right.value))  # 3.1 * 10^8 is one number
            else:
                value = _multiply(value, right if sign in "*·" else _inverse(right))
        return value

    def fraction(self) -> Literal:
        value = self.signed()
        while self.reading.tight and (sign := self.take("⁄·")):
            right = self.signed()
            value = _multiply(value, right if sign == "·" else _inverse(right))
        return value

    def signed(self) -> Literal:
        factor = 1
        while sign := self.take("+-"):
            factor = -factor if sign == "-" else factor
        if self.reading.tight:
            return self.power(factor)
        value = self.power(1)
        return value if factor == 1 else value.scaled(Fraction(factor))

    def power(self, factor: int) -> Literal:
        base = self.number() if factor == 1 else self.number().scaled(Fraction(factor))
        while self.take("^"):
            base = _raise(base, self.number() if self.reading.tight else self.signed())
        return base

    def number(self) -> Literal:
        if self.take("√"):
            return _root(self.number())
        if self.take("("):
            value = self.sum()
            if not self.take(")"):
                raise ValueError("a bracket is not closed")
        else:
            item = self.items[self.at] if self.at < len(self.items) else ""
            if not isinstance(item, Literal):
                raise ValueError("a number is missing")
            self.at += 1
            value = item
            if self.reading.other and item.other is not None:
                value = Literal(item.other)
            ten = self.items[self.at : self.at + 3]
            if self.reading.tight and ten[::2] == ["*", "^"] and ten[1] == _TEN:
                self.at += 3
                value = _checked(value.scaled(_raise(_TEN, self.signed()).value))
        if self.take("&"):
            value = _add(value, self.number(), "+")
        while self.take("%"):
            if value.place == 1 and value.value in _ROUNDED:
                value = value._replace(slack=Fraction(1, 2))
            value = value if self.reading.percent else value.scaled(Fraction(1, 100))
        return value


def _checked(value: Literal) -> Literal:
    number = value.value
    if max(number.numerator.bit_length(), number.denominator.bit_length()) > _MAX_BITS:
        raise OverflowError
    return value


def _add(a: Literal, b: Literal, sign: str) -> Literal:
    value = a.value + b.value if sign == "+" else a.value - b.value
    return _checked(Literal(value, slack=a.slack + b.slack if a.slack or b.slack else _EXACT))


def _multiply(a: Literal, b: Literal) -> Literal:
    slack = _EXACT
    if a.slack or b.slack:
        slack = abs(a.value) * b.slack + abs(b.value) * a.slack + a.slack * b.slack
    return _checked(Literal(a.value * b.value, slack=slack))


def _inverse(a: Literal) -> Literal:
    if not a.slack:
        return Literal(1 / a.value)
    if abs(a.value) <= a.slack:
        raise ZeroDivisionError
    return Literal(1 / a.value, slack=a.slack / (abs(a.value) * (abs(a.value) - a.slack)))


def _raise(base: Literal, power: Literal) -> Literal:
    if power.value == Fraction(1, 2):
        return _root(base)
    n, number = power.value, base.value
    bits = max(number.numerator.bit_length(), number.denominator.bit_length())
    if n.denominator != 1 or abs(n) * bits > _MAX_BITS:
        raise OverflowError
    if n < 0:
        return _inverse(_raise(base, Literal(-n)))
    size = abs(number)
    slack = (size + base.slack) ** int(n) - size ** int(n) if base.slack else Fraction(0)
    return Literal(number ** int(n), slack=slack)


def _root(a: Literal) -> Literal:
    top, bottom = isqrt(a.value.numerator), isqrt(a.value.denominator)
    if Fraction(top * top, bottom * bottom) != a.value:
        raise ValueError("the square root is not a fraction")
    return Literal(Fraction(top, bottom))
