"""Sums and differences of two-digit numbers, worked out column by column."""

import random
import re
from functools import cache
from itertools import accumulate

from tunix_rt_nb.tasks.numbers import columns
from tunix_rt_nb.tasks.task import Line, Solution, Task, matched

_TERMS = {"easy": 3, "medium": 4, "hard": 5}
_ASK = ("What is {}?", "Calculate {}.", "Work out {}.")
_PROMPT = re.compile(
    r"(?:What is|Calculate|Work out) ([1-9][0-9](?: [+-] [1-9][0-9]){2,4})[?.]", re.ASCII
)

Sum = tuple[int, ...]
"""The terms with their signs: `12 + 34 - 15` is (12, 34, -15)."""


class Arithmetic(Task):
    """Problems such as `a + b - c`, worked out from left to right.

    Each addition or subtraction takes two steps: units and tens. Each total is from 0 to 99.
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
        match = matched(prompt, "is no sum of two-digit numbers", _PROMPT)
        terms = tuple(map(int, re.sub("([+-]) ", r"\1", match[1]).split()))
        if not all(0 <= total <= 99 for total in accumulate(terms)):
            raise ValueError(f"each total, term by term, must be from 0 to 99: {prompt[:80]!r}")
        return terms

    def solve(self, problem: Sum, grain: str) -> Solution:
        total, *terms = problem
        lines: list[Line] = []
        for term in terms:
            work = columns.add if term > 0 else columns.subtract
            lines += work(total, abs(term), grain)
            total += term
        return Solution(lines, str(total))

    def space(self) -> int:
        return sum(_count(total, _TERMS[self.difficulty] - 1) for total in range(10, 100))


@cache
def _count(total: int, terms: int) -> int:
    """Count the ways to add or subtract `terms` two-digit numbers, one by one, starting at `total`.

    Each total on the way must be from 0 to 99.
    """
    if terms == 0:
        return 1
    possible = (*range(10, 100 - total), *range(-total, -9))
    return sum(_count(total + term, terms - 1) for term in possible)
