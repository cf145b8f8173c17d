"""Divisor tasks: greatest common divisors, prime factors, fractions in lowest terms."""

import re
from itertools import count
from math import gcd
from typing import Any, ClassVar

from tunix_rt_nb.tasks.gym import GymTask, by_level
from tunix_rt_nb.tasks.numbers.digits import WholeNumber
from tunix_rt_nb.tasks.numbers.division import divide
from tunix_rt_nb.tasks.task import Line, Solution, matched, worded

_NUMBER = r"[1-9]\d{0,5}"
_GCD = re.compile(
    r"Find the Greatest Common Divisor \(GCD\) of these numbers:"
    rf" ({_NUMBER}(?:, {_NUMBER}){{1,5}})\. Give only the GCD as your final answer\.",
    re.ASCII,
)
_FACTORS = re.compile(
    rf"Find the prime factorization of ({_NUMBER})\. Write the factors separated by × "
    r"\(Example: for 12 the answer would be: 2 × 2 × 3\)",
    re.ASCII,
)
_FRACTION = re.compile(
    rf"Simplify the fraction ({_NUMBER})/({_NUMBER}) to its lowest terms\."
    r" Give only the simplified fraction as your final answer\.",
    re.ASCII,
)
_TIMES = re.compile(r"\d{1,6}(?: ?[×*x] ?\d{1,6}){0,19}", re.ASCII)
_OVER = re.compile(r"(\d{1,6})(?: ?/ ?(\d{1,6}))?", re.ASCII)


class GreatestCommonDivisor(WholeNumber):
    """The greatest common divisor of some numbers, by Euclid's algorithm."""

    name = "gcd"
    about = "the greatest common divisor of numbers up to 50 (medium: 200, hard: three up to 500)"
    settings: ClassVar = by_level(
        min_numbers=(2, 2, 3), max_numbers=(2, 2, 3), max_value=(50, 200, 500)
    )

    def read(self, prompt: str) -> tuple[int, ...]:
        match = matched(prompt, "asks for no greatest common divisor", _GCD)
        return tuple(map(int, match[1].split(", ")))

    def solve(self, problem: tuple[int, ...], grain: str) -> Solution:
        lines: list[Line] = []
        divisor, *numbers = problem
        for number in numbers:
            lines += _euclid(divisor, number, grain)
            divisor = gcd(divisor, number)
        return Solution(lines, str(divisor))

    def space(self) -> int:
        settings = self.settings[self.difficulty]
        return int(settings["max_value"] ** settings["max_numbers"])


class PrimeFactorization(GymTask):
    """Prime factors, found by trial division: divide by 2, 3, 5 and so on.

    The division ends when the square of the next prime is greater than the number still to factor.
    """

    name = "prime_factorization"
    about = "the prime factors of a number up to 100 (medium: 250, hard: 600)"
    settings: ClassVar = by_level(min_value=(2, 101, 251), max_value=(100, 250, 600))

    def read(self, prompt: str) -> int:
        match = _FACTORS.fullmatch(prompt)
        if match is None or not 2 <= int(match[1]) <= 10_000:
            raise ValueError(f"expected a number from 2 to 10000 to factor: {prompt[:80]!r}")
        return int(match[1])

    def solve(self, problem: int, grain: str) -> Solution:
        lines: list[Line] = []
        factors: list[int] = []
        left, prime = problem, 2
        while prime * prime <= left:
            divides = left % prime == 0
            if divides or grain == "fine":
                lines += divide(left, prime, grain)
            if divides:
                factors.append(prime)
                left //= prime
            else:
                prime = _after(prime)
        why = f"{prime}*{prime}={prime * prime} is greater than {left}, so " * (grain == "fine")
        lines.append(worded("prime", "Now", f"{why}{left} is prime."))
        return Solution(lines, " × ".join(map(str, [*factors, left])))

    def score(self, answer: str, problem: Any) -> float:
        plain = answer.strip()
        if not _TIMES.fullmatch(plain):
            return 0.0
        return super().score(re.sub("[*x]", "×", plain), problem)

    def space(self) -> int:
        settings = self.settings[self.difficulty]
        return int(settings["max_value"] - settings["min_value"] + 1)


class FractionSimplification(GymTask):
    """Fractions in lowest terms: top and bottom divided by their greatest common divisor."""

    name = "fraction_simplification"
    about = "a fraction in lowest terms (sides up to 75, medium: 400, hard: 1500)"
    settings: ClassVar = by_level(
        max_value=(15, 40, 60),
        min_factor=(2, 1, 1),
        max_factor=(5, 10, 25),
        styles=3 * (("plain",),),
    )

    def read(self, prompt: str) -> tuple[int, int]:
        match = matched(prompt, "names no fraction to simplify", _FRACTION)
        return int(match[1]), int(match[2])

    def solve(self, problem: tuple[int, int], grain: str) -> Solution:
        over, under = problem
        divisor = gcd(over, under)
        answer = f"{over // divisor}/{under // divisor}"
        lines = _euclid(over, under, grain)
        if divisor > 1:
            lines += divide(over, divisor, grain) + divide(under, divisor, grain)
        said = f"o {over}/{under}={answer}."
        return Solution([*lines, ("simplify", f"S{said}", f"And s{said}")], answer)

    def score(self, answer: str, problem: Any) -> float:
        match = _OVER.fullmatch(answer.strip())  # 1 counts as 1/1
        return super().score(f"{match[1]}/{match[2] or 1}", problem) if match else 0.0

    def metadata(self, problem: tuple[int, int]) -> dict[str, Any]:
        over, under = problem
        divisor = gcd(over, under)
        return {
            "numerator": over,
            "denominator": under,
            "simplified_numerator": over // divisor,
            "simplified_denominator": under // divisor,
        }

    def space(self) -> int:
        settings = self.settings[self.difficulty]
        highest = settings["max_value"]
        lowest_terms = sum(
            gcd(over, under) == 1 for under in range(1, highest + 1) for over in range(1, under + 1)
        )
        return int(lowest_terms * (settings["max_factor"] - settings["min_factor"] + 1))


def _euclid(a: int, b: int, grain: str) -> list[Line]:
    """Return the steps that find the greatest common divisor of two numbers."""
    lines: list[Line] = []
    said = ""
    large, small = max(a, b), min(a, b)
    while small:
        if grain == "fine":
            lines += divide(large, small)
        else:
            said += f"GCD({large},{small})="
        large, small = small, large % small
    said = f"{said or f'GCD({a},{b})='}{large}."
    return [*lines, ("gcd", f"So {said}", f"That is all: {said}")]


def _after(prime: int) -> int:
    """Return the next prime."""
    return next(n for n in count(prime + 1) if all(n % k for k in range(2, n)))
