"""Countdown: reach a target with all the given numbers."""

import ast
import operator
import re
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import permutations
from typing import ClassVar, NamedTuple

from tunix_rt_nb.tasks.gym import GymTask, by_level
from tunix_rt_nb.tasks.numbers import columns
from tunix_rt_nb.tasks.numbers.division import divide
from tunix_rt_nb.tasks.task import Checker, Line, Solution, matched, worded

_LARGEST = 99_999  # the largest value on the way to a target
_NUMBER = r"[1-9]\d?"
_NUMBERS = rf"({_NUMBER}(?:, {_NUMBER}){{2,4}})"
_FORM = re.escape("""

Final answer format instructions:
1. Provide your solution as a arithmetic expression (no '=' sign).
2. Do not include the target number in the expression.
3. Use '*' for multiplication.
4. Use '/' for division.
5. Do not include any other text or formatting.""")
_PROMPTS = tuple(
    re.compile(asked + _FORM, re.ASCII)
    for asked in (
        rf"Using all the numbers (?P<numbers>{_NUMBERS}), create an expression that equals"
        r" (?P<target>[1-9]\d{0,3})\.\nYou can only use each number once\.",
        rf"Find a way to make (?P<target>[1-9]\d{{0,3}}) using all of these numbers:"
        rf" (?P<numbers>{_NUMBERS})\.\nEach number can only be used once\.",
        r"Calculate (?P<target>[1-9]\d{0,3}) using all of these numbers:"
        rf" (?P<numbers>{_NUMBERS})\.\nEach number may be used at most once\.",
    )
)

_DO: dict[type, Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_WORK = {"+": columns.add, "-": columns.subtract, "*": columns.multiply, "/": divide}

Numbers = tuple[int, ...]
Problem = tuple[Numbers, int]
"""The given numbers, and the target."""


class Move(NamedTuple):
    """A move of the game: it replaces the numbers `a` and `b` by `value`, which is `a op b`."""

    a: int
    op: str
    b: int
    value: int


class Way(NamedTuple):
    """A way to make `value`: it is a given number, or `op` applied to the values of two `parts`."""

    value: int
    op: str = ""
    parts: tuple["Way", ...] = ()


class State(NamedTuple):
    """A state of the game.

    Attributes:
      left: the numbers that are left.
      begun: the texts of the steps so far of a move that needs more steps; empty between moves.
    """

    left: Numbers
    begun: tuple[str, ...] = ()


class Countdown(GymTask):
    """The game Countdown: combine all the given numbers so that only the target is left.

    Each move replaces two numbers by the result of an operation on them. Every way to the target
    counts as right. All values on the way are whole numbers from 0 to 99,999.
    """

    name = "countdown"
    about = "make a target of 3 numbers up to 10 (medium: 4 up to 20, hard: 5 up to 30)"
    settings: ClassVar = by_level(
        min_numbers=(3, 4, 5),
        max_numbers=(3, 4, 5),
        max_value=(10, 20, 30),
        min_target=(1, 1, 10),
        max_target=(99, 200, 500),
        operators=("+-*", "+-*/", "+-*/"),
    )

    def read(self, prompt: str) -> Problem:
        match = matched(prompt, "is no Countdown", *_PROMPTS)
        return tuple(map(int, match["numbers"].split(", "))), int(match["target"])

    def solve(self, problem: Problem, grain: str) -> Solution:
        way = _search(problem)
        if way is None:
            raise ValueError(f"{problem[1]} has no solution in whole numbers with {problem[0]}")
        lines: list[Line] = []
        left = list(problem[0])
        for move in _moves(way):
            left.remove(move.a)
            left.remove(move.b)
            left.append(move.value)
            lines += _lines(move, left, grain)
        return Solution(lines, _expression(way))

    def checker(self, problem: Problem, grain: str) -> Checker:
        numbers, target = problem

        def check(before: Sequence[str], said: str | None) -> str | None:
            state = State(numbers)
            for text in before:
                state = _steps(state, grain).get(text, state)  # a wrong step changes nothing
            if said is None:
                return None if state.left == (target,) else f"{target} is not reached"
            if said in _steps(state, grain):
                return None
            return f"no right step with {', '.join(map(str, state.left))}"

        return check

    def score(self, answer: str, problem: Problem) -> float:
        # Do not use reasoning-gym's verifier: it tolerates a small difference and would run any
        # code. It would accept all answers that score 1.0 here. Grading needs no search.
        plain = answer.strip()
        if not re.fullmatch(r"[\d+*/() -]{1,100}", plain, re.ASCII):
            return 0.0
        used = sorted(map(int, re.findall(r"\d+", plain)))
        return float(used == sorted(problem[0]) and _value(plain) == problem[1])


def _results(a: int, b: int) -> Iterator[tuple[str, int]]:
    """Yield (operator, value) for each allowed operation with `a` on the left and `b` on the right.

    An operation is allowed if its value is a whole number from 0 to 99,999.
    """
    if a + b <= _LARGEST:
        yield "+", a + b
    if a >= b:
        yield "-", a - b
    if a * b <= _LARGEST:
        yield "*", a * b
    if b and a % b == 0:
        yield "/", a // b


@lru_cache(maxsize=1000)
def _search(problem: Problem) -> Way | None:
    """Find a way to the target, or return None.

    A bit mask stands for a subset of the numbers. The values that each subset can make are found
    only once.
    """
    numbers, target = problem
    ways = {1 << i: {n: Way(n)} for i, n in enumerate(numbers)}
    everything = (1 << len(numbers)) - 1
    for mask in range(1, everything + 1):
        found = ways.setdefault(mask, {})
        for u, v in _pairs(ways, mask):
            for op, value in _results(u.value, v.value):
                if mask == everything and value == target:
                    return Way(value, op, (u, v))
                if value not in found:
                    found[value] = Way(value, op, (u, v))
    return None


def _pairs(ways: dict[int, dict[int, Way]], mask: int) -> Iterator[tuple[Way, Way]]:
    """Yield all pairs of ways that together use each number of a subset exactly once.

    A way is an expression that makes a value from some of the numbers. The way with the larger
    value comes first in each pair.

    Args:
      ways: maps each subset of the numbers, as a bit mask, to the values that it can make; a dict
        maps each of these values to a way to make it.
      mask: the bit mask of the subset to use.
    """
    # `part` runs through the subsets of the mask in falling order. Stop at half of the mask: the
    # subsets below are the complements of those above.
    part = mask - 1 & mask
    while 2 * part > mask:
        for u in ways[part].values():
            for v in ways[mask ^ part].values():
                yield (u, v) if u.value >= v.value else (v, u)
        part = part - 1 & mask


def _moves(way: Way) -> Iterator[Move]:
    for part in way.parts:
        yield from _moves(part)
    if way.parts:
        a, b = way.parts
        yield Move(a.value, way.op, b.value, way.value)


def _expression(way: Way) -> str:
    return way.op.join(
        f"({_expression(part)})" if part.op else str(part.value) for part in way.parts
    )


def _lines(move: Move, left: Sequence[int], grain: str) -> list[Line]:
    """Return the steps of a move; `left` are the numbers left after it."""
    lines = list(_worked(move, grain))
    if grain == "fine" and len(left) > 1:
        rest = ", ".join(map(str, left))
        lines.append(("left", f"Left: {rest}.", f"That leaves {rest}."))
    return lines


@lru_cache(maxsize=20_000)  # each step looks at every possible move
def _worked(move: Move, grain: str) -> tuple[Line, ...]:
    a, op, b, value = move
    if grain == "coarse":
        return (worded("compute", "Now", f"{a}{op}{b}={value}."),)
    return tuple(_WORK[op](a, b))


@lru_cache(maxsize=10_000)
def _steps(state: State, grain: str) -> dict[str, State]:
    """Map the text of each right next step to the state of the game after this step.

    A step has several wordings; the text of each wording is a key of the dict.
    """
    left, begun = state
    steps: dict[str, State] = {}
    for i, j in permutations(range(len(left)), 2):
        rest = tuple(n for k, n in enumerate(left) if k not in (i, j))
        for op, value in _results(left[i], left[j]):
            lines = _lines(Move(left[i], op, left[j], value), (*rest, value), grain)
            # Keep the moves that begin with the lines already written.
            if len(lines) <= len(begun) or begun != tuple(line[1] for line in lines[: len(begun)]):
                continue
            texts = lines[len(begun)][1:]
            done = len(lines) == len(begun) + 1
            after = State((*rest, value)) if done else State(left, (*begun, texts[0]))
            steps.update(dict.fromkeys(texts, after))
    return steps


def _value(expression: str) -> Fraction | None:
    """Evaluate an expression of numbers and + - * / ( ) exactly, without running it as code.

    Return None if the text is no such expression, or divides by 0.
    """
    try:
        return _evaluate(ast.parse(expression, mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError):
        return None


def _evaluate(node: ast.expr) -> Fraction:
    match node:
        case ast.Constant(int(number)):
            return Fraction(number)
        case ast.UnaryOp(ast.USub(), operand):
            return -_evaluate(operand)
        case ast.BinOp(left, op, right) if type(op) in _DO:
            return _DO[type(op)](_evaluate(left), _evaluate(right))
    raise ValueError("is no arithmetic")
