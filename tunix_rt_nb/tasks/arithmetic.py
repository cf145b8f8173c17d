"""Sums and differences of two-digit numbers, worked out by columns."""

import random
import re
from functools import cache

from tunix_rt_nb.tasks.task import Task
from tunix_rt_nb.trace import Trace

_TERMS = {"easy": 3, "medium": 4, "hard": 5}
_N = "(0|[1-9][0-9]?)"
_PROMPT = re.compile(r"What is ([1-9][0-9])((?: [+-] [1-9][0-9])+)\?")
_UNITS = re.compile(rf"Units: {_N}([+-])([0-9])={_N}, (carry|borrow) ([01])\.")
_TENS = re.compile(rf"Tens: {_N}([+-]){_N}([+-])([01])={_N}, so {_N}([+-]){_N}={_N}\.")


class Arithmetic(Task):
    """`a + b - c ...` from left to right; each sum takes two steps, units and tens.

    A whole two-digit sum in one step is too much for a small model; a column is a table of a
    hundred entries that it can learn. Totals stay from 0 to 99.

    Example:
      >>> print(Arithmetic().generate(random.Random(2)).prompt)
      What is 17 + 20 - 36?
    """

    name = "arithmetic"

    def generate(self, rng: random.Random) -> Trace:
        total = rng.randint(10, 99)
        prompt, steps = f"What is {total}", []
        for _ in range(_TERMS[self.difficulty] - 1):
            op = "+" if total < 10 else "-" if total > 89 else rng.choice("+-")
            term = rng.randint(10, 99 - total if op == "+" else total)
            prompt += f" {op} {term}"
            steps += _columns(total, op, term)
            total = _apply(total, op, term)
        return self.trace(prompt + "?", steps, str(total))

    def check_step(self, trace: Trace, i: int) -> str | None:
        total, terms = _parse(trace.prompt)
        if i >= 2 * len(terms):
            return f"there is nothing left to do after step {2 * len(terms)}"
        for op, term in terms[: i // 2]:
            total = _apply(total, op, term)
        check = _check_tens if i % 2 else _check_units
        return check(trace.steps[i].content, total, *terms[i // 2])

    def grade(self, answer: str, trace: Trace) -> float:
        total, terms = _parse(trace.prompt)
        for op, term in terms:
            total = _apply(total, op, term)
        return float(answer.strip() == str(total))

    def space(self) -> int:
        return sum(_count(total, _TERMS[self.difficulty] - 1) for total in range(10, 100))


@cache
def _count(total: int, terms: int) -> int:
    """In how many ways a sum can go on from a total for so many terms."""
    if terms == 0:
        return 1
    ways = 0
    if total <= 89:
        ways += sum(_count(total + term, terms - 1) for term in range(10, 100 - total))
    if total >= 10:
        ways += sum(_count(total - term, terms - 1) for term in range(10, total + 1))
    return ways


def _apply(total: int, op: str, term: int) -> int:
    return total + term if op == "+" else total - term


def _parse(prompt: str) -> tuple[int, list[tuple[str, int]]]:
    """`What is 12 + 34 - 5?` -> (12, [("+", 34), ("-", 5)])."""
    match = _PROMPT.fullmatch(prompt)
    if match is None:
        raise ValueError(f"is no sum of two-digit numbers: {prompt[:80]!r}")
    return int(match[1]), [(op, int(n)) for op, n in re.findall(r"([+-]) (\d+)", match[2])]


def _columns(total: int, op: str, term: int) -> list[tuple[str, str]]:
    u, v = total % 10, term % 10
    if op == "+":
        column, word, carry = u + v, "carry", int(u + v > 9)
    else:
        carry = int(u < v)
        u += 10 * carry  # the borrowed ten shows in the units
        column, word = u - v, "borrow"
    tens, result = _apply(total // 10, op, term // 10 + carry), _apply(total, op, term)
    return [
        ("units", f"Units: {u}{op}{v}={column}, {word} {carry}."),
        (
            "tens",
            f"Tens: {total // 10}{op}{term // 10}{op}{carry}={tens},"
            f" so {total}{op}{term}={result}.",
        ),
    ]


def _check_units(said: str, total: int, op: str, term: int) -> str | None:
    match = _UNITS.fullmatch(said)
    if match is None or match[2] != op or match[5] != ("carry" if op == "+" else "borrow"):
        return f"expected the units of {total} {op} {term}"
    upper, lower, column, carry = (int(match[k]) for k in (1, 3, 4, 6))
    if column != _apply(upper, op, lower):
        return f"{upper} {op} {lower} is {_apply(upper, op, lower)}, not {column}"
    borrowed = 10 if op == "-" and total % 10 < term % 10 else 0
    if (upper, lower) != (total % 10 + borrowed, term % 10):
        return f"expected {total % 10 + borrowed} {op} {term % 10} in the units"
    right = column // 10 if op == "+" else borrowed // 10
    return None if carry == right else f"expected to {match[5]} {right}"


def _check_tens(said: str, total: int, op: str, term: int) -> str | None:
    match = _TENS.fullmatch(said)
    if match is None or {match[2], match[4], match[8]} != {op}:
        return f"expected the tens of {total} {op} {term}"
    upper, lower, carry, tens, left, right, result = (int(match[k]) for k in (1, 3, 5, 6, 7, 9, 10))
    if (upper, lower) != (total // 10, term // 10) or (left, right) != (total, term):
        return f"expected {total // 10} {op} {term // 10} in the tens of {total} {op} {term}"
    if tens != _apply(upper, op, lower + carry):
        return (
            f"{upper} {op} {lower} {op} {carry} is {_apply(upper, op, lower + carry)}, not {tens}"
        )
    if result != _apply(total, op, term):
        return f"{total} {op} {term} is {_apply(total, op, term)}, not {result}"
    return None if tens == result // 10 else "expected the other carry from the units"
