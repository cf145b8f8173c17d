"""Equations with one unknown."""

import random
import re
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, NamedTuple

from tunix_rt_nb.tasks.gym import GymTask, by_level
from tunix_rt_nb.tasks.numbers import columns
from tunix_rt_nb.tasks.numbers.digits import whole
from tunix_rt_nb.tasks.numbers.division import divide
from tunix_rt_nb.tasks.task import Line, Solution, matched

_NUMBER = r"[1-9]\d{0,3}"
_PROMPT = re.compile(
    r"(?:Find the value of|Solve for|Determine the value of) (?P<asked>[a-z])"
    r"(?: in the equation| that satisfies)?: "
    rf"(?:(?P<first>{_NUMBER}) (?P<minus>-) |(?P<sign>-?))"
    rf"(?:(?P<factor>{_NUMBER})\*)?(?P=asked)"
    rf"(?: (?P<op>[+-]) (?P<last>{_NUMBER}))? = (?P<right>0|-?[1-9]\d{{0,4}})",
    re.ASCII,
)


class Equation(NamedTuple):
    """The equation `a*x + b = c`; `letter` is the letter that the prompt uses for `x`."""

    letter: str
    a: int
    b: int
    c: int


class SimpleEquations(GymTask):
    """Linear equations, solved by leaving the unknown alone on the left, then dividing."""

    name = "simple_equations"
    about = "a*x + b = c with numbers up to 9 (medium: 20, hard: 50, and sums of them)"
    # The weights are those of + - *. No terms are multiplied, hence the 0, but the library gives
    # the unknown a factor only if * is listed.
    settings: ClassVar = by_level(
        max_terms=(2, 3, 4), max_value=(9, 20, 50), operators_weights=3 * ([0.5, 0.5, 0.0],)
    )

    @staticmethod
    def faster(config: Any) -> dict[str, Callable[..., Any]]:
        return {"_generate_equation": partial(_draw, config)}

    def read(self, prompt: str) -> Equation:
        match = matched(prompt, "is no equation with one unknown", _PROMPT)
        first, last = match["first"], match["last"]
        if match["factor"] == "1" or (first and last) or (match["sign"] and match["op"] == "+"):
            raise ValueError(f"expected an equation such as 3*x + 2 = 8: {prompt[:80]!r}")
        a = int((match["minus"] or match["sign"]) + (match["factor"] or "1"))
        b = int(first or (match["op"] or "") + (last or "0"))
        c = int(match["right"])
        if (c - b) % a or (c - b) // a < 1:
            raise ValueError(f"the solution must be a whole number above 0: {prompt[:80]!r}")
        return Equation(match["asked"], a, b, c)

    def solve(self, problem: Equation, grain: str) -> Solution:
        letter, a, b, c = problem
        answer = (c - b) // a
        unknown = letter if abs(a) == 1 else f"{abs(a)}*{letter}"
        lines = _alone(unknown, problem, grain)
        value = f"{letter}={answer}."
        if abs(a) > 1 and grain == "fine":
            lines += divide(abs(c - b), abs(a))
        elif abs(a) > 1:
            value = f"{letter}={abs(c - b)}/{abs(a)}={answer}."
        lines.append(("solution", f"So {value}", f"That gives {value}"))
        return Solution(lines, str(answer))

    def score(self, answer: str, problem: Equation) -> float:
        # "x = 5" counts as "5".
        value = re.sub(rf"\A{problem.letter} ?= ?", "", answer.strip())
        return super().score(whole(value), problem)

    def space(self) -> int | None:
        # Count 26 letters, 3 shapes (a*x + b, a*x - b, b - a*x) and 3 numbers from 1 to 9. Longer
        # sums are not counted, because many of them simplify to the same equation.
        return 26 * 3 * 9**3 if self.difficulty == "easy" else None


def _draw(config: Any, rng: random.Random, letter: str) -> tuple[str, int]:
    """Draw an equation and its solution like reasoning-gym, but add up its terms without sympy."""
    low, high = config.min_value, config.max_value
    terms = [rng.randint(low, high) for _ in range(rng.randint(config.min_terms, config.max_terms))]
    place, factor = rng.randint(0, len(terms) - 1), rng.randint(low, high)
    for k in range(1, len(terms)):
        [op] = rng.choices(config.operators, config.operators_weights)
        terms[k] *= -1 if op == "-" else 1
    solution = rng.randint(low, high)
    a = factor if terms.pop(place) > 0 else -factor
    b = sum(terms)
    # sympy writes `4 - 3*x`, but `-3*x - 4`.
    unknown = letter if factor == 1 else f"{factor}*{letter}"
    if a < 0 < b:
        left = f"{b} - {unknown}"
    else:
        last = f" {'-' if b < 0 else '+'} {abs(b)}" if b else ""
        left = f"{'-' if a < 0 else ''}{unknown}{last}"
    return f"{left} = {a * solution + b}", solution


def _alone(unknown: str, problem: Equation, grain: str) -> list[Line]:
    """Return the steps that turn an equation into one such as `3*x=12`.

    Args:
      unknown: the left side at the end, such as `3*x` or `x`.
      problem: the equation.
      grain: `fine` (small steps) or `coarse` (larger ones).
    """
    _, a, b, c = problem
    lines: list[Line] = []
    if a < 0:
        b, c = c, b
        said = f"dd {unknown} to both sides: {unknown}{f'{b:+}' if b else ''}={c}."
        lines.append(("add", f"A{said}", f"First a{said}"))
    if b == 0:
        return lines
    # The lines from here on contain no number below 0.
    if b > 0:
        right, work = f"{c}-{b}", columns.subtract(c, b)
    elif c > 0:
        right, work = f"{c}+{-b}", columns.add(c, -b)
    elif c < 0:
        right, work = f"{-b}-{-c}", columns.subtract(-b, -c)
    else:
        right, work = f"{-b}", []
    if grain == "coarse" and work:
        right, work = f"{right}={c - b}", []
    if b > 0:
        said = f" {b} from both sides: {unknown}={right}."
        lines.append(("subtract", f"Subtract{said}", f"Take{said}"))
    else:
        said = f"dd {-b} to both sides: {unknown}={right}."
        lines.append(("add", f"A{said}", f"Now a{said}"))
    return lines + work
