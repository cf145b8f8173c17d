"""Countdown: reach a target with all the given numbers."""

import ast
import operator
import random
import re
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import lru_cache, partial
from itertools import permutations
from typing import Any, ClassVar, NamedTuple

from tunix_rt_nb.tasks.gym import GymTask, by_level
from tunix_rt_nb.tasks.numbers import columns
from tunix_rt_nb.tasks.numbers.division import divide
from tunix_rt_nb.tasks.numbers.ways import Numbers, Problem, Way, expression, results, search
from tunix_rt_nb.tasks.task import Checker, Line, Solution, matched, worded

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
_DO_WHOLE = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.floordiv}
_WORK = {"+": columns.add, "-": columns.subtract, "*": columns.multiply, "/": divide}


class Move(NamedTuple):
    """A move of the game: it replaces the numbers `a` and `b` by `value`, which is `a op b`."""

    a: int
    op: str
    b: int
    value: int


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

    @staticmethod
    def faster(config: Any) -> dict[str, Callable[..., Any]]:
        return {"_generate_expression": partial(_draw, config), "score_answer": _verify}

    def read(self, prompt: str) -> Problem:
        match = matched(prompt, "is no Countdown", *_PROMPTS)
        return tuple(map(int, match["numbers"].split(", "))), int(match["target"])

    def solve(self, problem: Problem, grain: str) -> Solution:
        way = search(problem)
        if way is None:
            raise ValueError(f"{problem[1]} has no solution in whole numbers with {problem[0]}")
        lines = [line for _, lines, _ in _played(problem[0], way, grain) for line in lines]
        return Solution(lines, expression(way))

    def checker(self, problem: Problem, grain: str) -> Checker:
        numbers, target = problem
        likely = _solved(problem, grain)  # nearly all steps are these, and `_steps` is slow

        def after(state: State, text: str) -> State | None:
            return likely.get(state, {}).get(text) or _steps(state, grain).get(text)

        def check(before: Sequence[str], said: str | None) -> str | None:
            state = State(numbers)
            for text in before:
                state = after(state, text) or state  # a wrong step changes nothing
            if said is None:
                return None if state.left == (target,) else f"{target} is not reached"
            if after(state, said):
                return None
            return f"no right step with {', '.join(map(str, state.left))}"

        return check

    def score(self, answer: str, problem: Problem) -> float:
        # Grading needs no search.
        return _score(answer.strip(), problem)


def _score(answer: str, problem: Problem) -> float:
    if not re.fullmatch(r"[\d+*/() -]{1,100}", answer, re.ASCII):
        return 0.0
    used = sorted(map(int, re.findall(r"\d+", answer)))
    return float(used == sorted(problem[0]) and _value(answer) == problem[1])


def _verify(answer: str, item: dict[str, Any]) -> float:
    # Do not use reasoning-gym's verifier: it tolerates a small difference and would run any code.
    # It would accept all answers that score 1.0 here.
    return _score(answer, (item["metadata"]["numbers"], item["metadata"]["target"]))


def _draw(config: Any, rng: random.Random) -> tuple[str, list[int], int]:
    """Draw numbers and a target like reasoning-gym, but without sympy, and without a solution.

    Returns:
      An empty text in place of the solution, the numbers, and the target.
    """
    size = rng.randint(config.min_numbers, config.max_numbers)
    while True:
        numbers = [rng.randint(config.min_value, config.max_value) for _ in range(size)]
        target = numbers[0]
        for i in range(1, size):
            op = rng.choice(config.operators)
            if op == "/":
                # Divide by the first of the shuffled numbers that leaves no rest, else subtract.
                rng.shuffle(rest := numbers[i:])
                divisor = next((n for n in rest if target % n == 0), None)
                op, numbers[i] = ("/", divisor) if divisor else ("-", numbers[i])
            target = _DO_WHOLE[op](target, numbers[i])
        if config.min_target <= target <= config.max_target:
            return "", numbers, target


def _played(
    numbers: Numbers, way: Way, grain: str
) -> Iterator[tuple[Numbers, list[Line], Numbers]]:
    """Yield for each move of a way the numbers before it, its steps, and the numbers after it."""
    left = numbers
    for move in _moves(way):
        rest = list(left)
        rest.remove(move.a)
        rest.remove(move.b)
        before, left = left, (*rest, move.value)
        yield before, _lines(move, left, grain), left


def _solved(problem: Problem, grain: str) -> dict[State, dict[str, State]]:
    """Return what `_steps` does, for each state on the way that the search finds."""
    found: dict[State, dict[str, State]] = {}
    way = search(problem)
    for before, lines, left in _played(problem[0], way, grain) if way else ():
        texts: tuple[str, ...] = ()
        for k, line in enumerate(lines, 1):
            state, texts = State(before, texts), (*texts, line[1])
            after = State(left) if k == len(lines) else State(before, texts)
            found[state] = dict.fromkeys(line[1:], after)
    return found


def _moves(way: Way) -> Iterator[Move]:
    for part in way.parts:
        yield from _moves(part)
    if way.parts:
        a, b = way.parts
        yield Move(a.value, way.op, b.value, way.value)


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
        for op, value in results(left[i], left[j]):
            lines = _lines(Move(left[i], op, left[j], value), (*rest, value), grain)
            # Keep the moves that begin with the lines already written.
            if len(lines) <= len(begun) or begun != tuple(line[1] for line in lines[: len(begun)]):
                continue
            texts = lines[len(begun)][1:]
            done = len(lines) == len(begun) + 1
            after = State((*rest, value)) if done else State(left, (*begun, texts[0]))
            steps.update(dict.fromkeys(texts, after))
    return steps


@lru_cache(maxsize=64)
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
