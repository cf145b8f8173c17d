"""Sums and differences of two-digit numbers, worked out column by column."""

import random
import re
from functools import cache

from tunix_rt_nb.tasks.numbers import columns
from tunix_rt_nb.tasks.task import Line, Solution, Task

_TERMS = {"easy": 3, "medium": 4, "hard": 5}
_ASK = ("What is {}?", "Calculate {}.", "Work out {}.")
_PROMPT = re.compile(
    r"(?:What is|Calculate|Work out) ([1-9][0-9](?: [+-] [1-9][0-9]){2,4})[?.]", re.ASCII
)

Sum = tuple[int, tuple[tuple[str, int], ...]]
"""The first number and the signed others: `12 + 34 - 15` is (12, (("+", 34), ("-", 15)))."""


class Arithmetic(Task):
    """Terms such as `a + b - c`, from left to right; each sum takes two steps, units and tens.

    Every total is from 0 to 99.
    """

    name = "arithmetic"
    about = "add and subtract two-digit numbers, column by column"

    def prompt(self, rng: random.Random) -> str:
        total = rng.randint(10, 99)
        asked = str(total)
        for _ in range(_TERMS[self.difficulty] - 1):
            op = "+" if total < 10 else "-" if total > 89 else rng.choice("+-")
            term = rng.randint(10, 99 - total if op == "+" else total)
            asked += f" {op} {term}"
            total += term if op == "+" else -term
        return rng.choice(_ASK).format(asked)

    def read(self, prompt: str) -> Sum:
        match = _PROMPT.fullmatch(prompt)
        if match is None:
            raise ValueError(f"is no sum of two-digit numbers: {prompt[:80]!r}")
        first, *rest = match[1].split()
        total = int(first)
        terms = tuple(zip(rest[::2], map(int, rest[1::2]), strict=True))
        for op, term in terms:
            total += term if op == "+" else -term
            if not 0 <= total <= 99:
                raise ValueError(f"has a total that is not from 0 to 99: {prompt[:80]!r}")
        return int(first), terms

    def solve(self, problem: Sum, grain: str) -> Solution:
        total, terms = problem
        lines: list[Line] = []
        for op, term in terms:
            work = columns.add if op == "+" else columns.subtract
            lines += work(total, term, grain)
            total += term if op == "+" else -term
        return Solution(lines, str(total))

    def space(self) -> int:
        return sum(_count(total, _TERMS[self.difficulty] - 1) for total in range(10, 100))


@cache
def _count(total: int, terms: int) -> int:
    """Count the ways in which a sum can go on from `total` for `terms` more terms."""
    if terms == 0:
        return 1
    ways = 0
    if total <= 89:
        ways += sum(_count(total + term, terms - 1) for term in range(10, 100 - total))
    if total >= 10:
        ways += sum(_count(total - term, terms - 1) for term in range(10, total + 1))
    return ways
