"""Digit tasks: products of numbers, and numbers in other bases."""

import re
from math import prod
from typing import Any, ClassVar

from tunix_rt_nb.tasks.gym import GymTask, by_level
from tunix_rt_nb.tasks.numbers import columns
from tunix_rt_nb.tasks.numbers.division import divide
from tunix_rt_nb.tasks.task import Line, Solution, matched, worded

LARGEST = 999_999  # `columns` has names for each of its six places

_PRODUCT = re.compile(
    r"Solve the following multiplication: (\d{1,6}(?: \* \d{1,6}){1,5})\."
    r" Give only the result as your final answer\.",
    re.ASCII,
)
_BASE = r"(binary|hexadecimal|base-[1-9]\d?)"
_CONVERSION = re.compile(
    "Your task is to convert a number between two different bases\\.\n\n"
    "If the target base is > 10, use lowercase letters a-z for digits above 9\\.\n\n"
    rf"Now, convert the {_BASE} number ([1-9a-z][0-9a-z]{{0,19}}) to {_BASE}",
    re.ASCII,
)

_WHOLE = re.compile(r"\+?0{0,9}(\d{1,12}|\d{1,3}(?:,\d{3}){1,3})(?:\.0{1,9})?", re.ASCII)
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_NAMES = {2: "binary", 16: "hexadecimal"}


def whole(answer: str) -> str:
    """Return an answer as a plain whole number; an empty string if it is not one.

    A plus sign, leading zeros, commas between thousands and zero decimals do not matter.

    Example:
      >>> whole(" +01,000.0 ")
      '1000'
    """
    match = _WHOLE.fullmatch(answer.strip())
    return str(int(match[1].replace(",", ""))) if match else ""


class WholeNumber(GymTask):
    """A task whose answer is a whole number, which may be written in several ways."""

    def score(self, answer: str, problem: Any) -> float:
        return super().score(whole(answer), problem)


class Products(WholeNumber):
    """Products of several numbers, multiplied from left to right."""

    name = "products"
    about = "multiply three digits (medium and hard: two numbers of 2 or 3 digits)"
    settings: ClassVar = by_level(
        min_terms=(3, 2, 2), max_terms=(3, 2, 2), min_digits=(1, 2, 3), max_digits=(1, 2, 3)
    )

    def read(self, prompt: str) -> tuple[int, ...]:
        match = matched(prompt, "asks for no product", _PRODUCT)
        texts = match[1].split(" * ")
        factors = tuple(map(int, texts))
        if [*map(str, factors)] != texts or prod(n for n in factors if n) > LARGEST:
            raise ValueError(f"expected a product up to {LARGEST}, no leading 0: {prompt[:80]!r}")
        return factors

    def solve(self, problem: tuple[int, ...], grain: str) -> Solution:
        lines: list[Line] = []
        product, *factors = problem
        for factor in factors:
            lines += columns.multiply(product, factor, grain)
            product *= factor
        return Solution(lines, str(product))

    def space(self) -> int:
        return {"easy": 10**3, "medium": 90**2, "hard": 900**2}[self.difficulty]


class BaseConversion(GymTask):
    """Conversions between bases: Horner's rule gives the value, divisions give the new digits."""

    name = "base_conversion"
    about = "a number in another base (up to 31, medium: 200, hard: 999 and up to base 16)"
    settings: ClassVar = by_level(
        max_base=(10, 10, 16), min_value=(1, 32, 201), max_value=(31, 200, 999)
    )

    def read(self, prompt: str) -> tuple[str, int, int]:
        match = matched(prompt, "is no conversion between bases", _CONVERSION)
        source, target = _base(match[1]), _base(match[3])
        if source == target or int(match[2], source) > LARGEST:
            raise ValueError(f"expected unequal bases, a number up to {LARGEST}: {prompt[:80]!r}")
        return match[2], source, target

    def solve(self, problem: tuple[str, int, int], grain: str) -> Solution:
        digits, source, target = problem
        value = int(digits, source)
        lines: list[Line] = []
        fine = grain == "fine"
        if source != 10:
            places = worded("value", "Now", f"{_places(value, source)}={value}.")
            lines += _horner(digits, source) if fine else [places]
        if target != 10:
            places = worded("digits", "Now", f"{value}={_places(value, target)}.")
            lines += _divisions(value, target) if fine else [places]
        return Solution(lines, _written(value, target))

    def score(self, answer: str, problem: Any) -> float:
        plain = answer.strip().lower()
        if not re.fullmatch("[0-9a-z]{1,99}", plain):
            return 0.0
        return super().score(plain.lstrip("0"), problem)

    def space(self) -> int:
        settings = self.settings[self.difficulty]
        bases = settings["max_base"] - 1
        return int((settings["max_value"] - settings["min_value"] + 1) * bases * (bases - 1))


def _base(name: str) -> int:
    for base in range(2, 37):
        if name == _NAMES.get(base, f"base-{base}"):
            return base
    raise ValueError(f"names no base from 2 to 36: {name!r}")


def _digits(value: int, base: int) -> list[int]:
    """List the digits of a value of 1 or more, the lowest first."""
    digits = []
    while value:
        value, digit = divmod(value, base)
        digits.append(digit)
    return digits


def _written(value: int, base: int) -> str:
    return "".join(_DIGITS[digit] for digit in reversed(_digits(value, base)))


def _horner(digits: str, base: int) -> list[Line]:
    """Return the steps that find the value of a number from its digits in a base.

    For each digit, they multiply the value so far by the base and add the digit.
    """
    lines: list[Line] = []
    value = 0
    for text in digits:
        digit = int(text, base)
        if digit > 9:
            lines.append(worded("digit", "Now", f"{text} is {digit}."))
        after = value * base + digit
        if value == 0 or (base <= 10 and after < 100):
            lines.append(worded("compute", "Now", f"{value}*{base}+{digit}={after}."))
        else:
            lines += columns.multiply(value, base) + columns.add(value * base, digit)
        value = after
    return lines


def _divisions(value: int, base: int) -> list[Line]:
    """Return the steps that find the digits of a value in a base.

    They divide by the base again and again; the remainders are the digits, from last to first.
    """
    answer = _written(value, base)
    lines: list[Line] = []
    for digit in _digits(value, base):
        lines += divide(value, base)
        value //= base
        if digit > 9:
            lines.append(worded("digit", "Now", f"{digit} is {_DIGITS[digit]}."))
    return [*lines, ("digits", f"Read upwards: {answer}.", f"From last to first: {answer}.")]


def _places(value: int, base: int) -> str:
    """Write a value as its digits times their place values: 5 in base 2 is `1*4+0*2+1*1`."""
    digits = enumerate(_digits(value, base))
    return "+".join(f"{digit}*{base**place}" for place, digit in reversed([*digits]))
