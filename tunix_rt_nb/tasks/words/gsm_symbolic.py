"""Grade-school word problems, from the templates of GSM-Symbolic.

Source: Mirzadeh et al. 2024, "GSM-Symbolic: Understanding the Limitations of Mathematical Reasoning
in Large Language Models"; the templates are reasoning-gym's.
"""

import ast
import importlib
import inspect
import random
import re
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

from tunix_rt_nb.tasks.gym import SOURCE, gym
from tunix_rt_nb.tasks.numbers.digits import whole
from tunix_rt_nb.tasks.sums.equations import claims
from tunix_rt_nb.tasks.task import Line, Solution, Task

# The templates whose wording and solution are right, grouped by their number of steps. Each of the
# library's other templates rounds fractions, has a sum that is wrong or not plain arithmetic, or
# asks in broken English.
_LEVELS: dict[str, tuple[int, ...]] = {
    "easy": (4, 5, 8, 10, 16, 20, 23, 24, 30, 38, 39, 43, 45, 50, 54, 56, 58, 59, 69, 72),
    "medium": (12, 13, 29, 31, 33, 34, 48, 62, 67, 78, 80, 81, 88),
    "hard": (0, 3, 7, 9, 15, 19, 36, 40, 42, 44, 64, 68, 71, 73, 94, 96),
}

Story = tuple[int, tuple[tuple[str, int | str], ...]]
"""The number of a template, and its gaps as sorted pairs of a name and a value."""


class Template(NamedTuple):
    """A template of word problems from reasoning-gym, with gaps for names and numbers.

    Attributes:
      pattern: a regex that matches its questions, with a named group for each gap.
      numbers: the names of the gaps that hold a number.
      told: a function that takes the values of the gaps. It returns a dict with the text of the
        problem as `question` and the text of its solution as `answer_cot`.
    """

    pattern: re.Pattern[str]
    numbers: frozenset[str]
    told: Callable[..., dict[str, Any]]


class GsmSymbolic(Task):
    """A story with a question whose answer is a whole number, solved sentence by sentence."""

    name = "gsm_symbolic"
    source = SOURCE
    about = "a word problem of grade school, solved in 2 steps (medium 3, hard 4 to 7)"

    def prompt(self, rng: random.Random) -> str:
        while True:
            index = rng.choice(_LEVELS[self.difficulty])
            item = _generators()[index](random.Random(rng.getrandbits(62)), 1.0)
            prompt = str(item["question"])
            try:
                answer = self.solution(self.problem(prompt), "fine").answer
            except ValueError:  # some draws lead to a fraction or a negative number
                continue
            if answer != item["answer"]:
                raise AssertionError(
                    f"{prompt!r}: our answer is {answer}, reasoning-gym's is {item['answer']}"
                )
            return prompt

    def read(self, prompt: str) -> Story:
        for index, template in _templates().items():
            if match := template.pattern.fullmatch(prompt):
                gaps = match.groupdict()
                numbers = {name: int(gaps[name]) for name in template.numbers}
                story = index, tuple(sorted((gaps | numbers).items()))
                if fault := _fault(story, prompt):
                    raise ValueError(f"{fault}: {prompt[:80]!r}")
                return story
        raise ValueError(f"the question fits no known story template: {prompt[:80]!r}")

    def solve(self, problem: Story, grain: str) -> Solution:
        *said, answer = _told(problem)["answer_cot"].split("\n")
        lines = [_worded(text) for line in said for text in _SENTENCE_END.split(line)]
        if grain == "coarse":
            lines = [_joined(lines[i : i + 2]) for i in range(0, len(lines), 2)]
        return Solution(lines, answer.removeprefix("#### "))

    def score(self, answer: str, problem: Story) -> float:
        return super().score(whole(answer.strip().removeprefix("$")), problem)


_TITLES = "".join(rf"(?<!{title}\.)" for title in ("Mr", "Ms", "Mrs", "Dr", "Prof"))
_SENTENCE_END = re.compile(rf"(?<=[a-z0-9]\.){_TITLES} (?=[A-Z])")
_BELOW = re.compile(r"= ?[$€£]?-")
_SIGN = re.compile(r"(?<=[\d%]) ([-+*/x×÷=]) (?=[$€£]?\d)")
_NUMBER = "(?:0|[1-9][0-9]{0,6})"


def _worded(text: str) -> Line:
    """Return a sentence as a step in two wordings, with and without spaces around `+`, `=` etc."""
    text = text if text.endswith(".") else f"{text}."
    close = _SIGN.sub(lambda sign: "*" if sign[1] in "x×" else sign[1], text)
    return "compute" if "=" in text else "say", *dict.fromkeys((text, close))


def _joined(lines: list[Line]) -> Line:
    """Join several steps into one.

    Each step has two wordings, with and without spaces around `+`, `=` etc. The result has both
    wordings too.
    """
    texts = (" ".join(line[k] for line in lines) for k in (1, -1))
    return lines[-1][0], *dict.fromkeys(texts)


def _fault(story: Story, prompt: str) -> str:
    """Return why a story is not a valid problem; an empty string if it is valid.

    Args:
      story: the number of a template, and the values of its gaps.
      prompt: the question from which the story was read.
    """
    try:
        told = _told(story)
    except (ArithmeticError, LookupError, ValueError) as error:
        return f"cannot be solved, {error}"
    if told["question"] != prompt:
        return "differs from the wording of its template"
    solution = told["answer_cot"]
    if _BELOW.search(solution) or not all(claim.right for claim in claims(solution)):
        return "does not come out even, or comes out below 0"
    return ""


@lru_cache(maxsize=64)
def _told(story: Story) -> dict[str, Any]:
    index, gaps = story
    return _templates()[index].told(**dict(gaps))


@cache
def _modules() -> tuple[ModuleType, ...]:
    gym()
    package = "reasoning_gym.arithmetic.gsm_symbolic"
    names = ("generators_00_49", "generators_50_99")
    return tuple(importlib.import_module(f"{package}.{name}") for name in names)


@cache
def _generators() -> dict[int, Callable[[random.Random, float], dict[str, Any]]]:
    """Return the generators of reasoning-gym's templates, by the number of the template.

    A generator takes a source of random numbers and a difficulty. It returns a dict with a
    `question` and its `answer`.
    """
    return {
        int(name.removeprefix("generate_")): value
        for module in _modules()
        for name, value in vars(module).items()
        if name.startswith("generate_")
    }


@cache
def _templates() -> dict[int, Template]:
    """Read the templates whose numbers `_LEVELS` lists, and return them by number.

    They are read from reasoning-gym's source. There, the question of a template is one f-string;
    its expressions become the gaps.
    """
    chosen = {index for level in _LEVELS.values() for index in level}
    return {
        index: _template(function, _generators()[index])
        for module in _modules()
        for function in ast.parse(inspect.getsource(module)).body
        if isinstance(function, ast.FunctionDef)
        and (index := int(function.name.removeprefix("generate_"))) in chosen
    }


def _template(function: ast.FunctionDef, generator: Any) -> Template:
    inner = {part.name: part for part in function.body if isinstance(part, ast.FunctionDef)}
    teller = inner["generate_from_variables"]
    kinds = {arg.arg: ast.unparse(arg.annotation or arg) for arg in teller.args.args}
    numbers = frozenset(name for name, kind in kinds.items() if kind == "int")
    words = "|".join(map(re.escape, sorted(_words(inner["generate_example"]), reverse=True)))
    [question] = [
        part.value.values
        for part in teller.body
        if isinstance(part, ast.Assign)
        and isinstance(part.value, ast.JoinedStr)
        and ast.unparse(part.targets[0]) == "question"
    ]
    pattern, seen = "", set[str]()
    for piece in question:
        if not isinstance(piece, ast.FormattedValue):
            pattern += re.escape(str(ast.literal_eval(piece)))
            continue
        gap = ast.unparse(piece.value)
        if gap in seen:
            pattern += f"(?P={gap})"
        elif gap in kinds:
            pattern += f"(?P<{gap}>{_NUMBER if gap in numbers else words})"
        else:  # computed from other gaps; `_fault` compares it with the right value
            pattern += _NUMBER
        seen.add(gap)
    code = next(part for part in generator.__code__.co_consts if _is_code(part, teller.name))
    return Template(re.compile(pattern), numbers, FunctionType(code, generator.__globals__))


def _words(function: ast.FunctionDef) -> Iterator[str]:
    """Yield the strings in the lists and tuples of a function.

    The function is that of a template; the strings are the words that may fill its gaps.
    """
    for part in ast.walk(function):
        if isinstance(part, ast.List | ast.Tuple):
            for item in part.elts:
                if isinstance(item, ast.Constant) and isinstance(item.value, str):
                    yield item.value


def _is_code(part: object, name: str) -> bool:
    return isinstance(part, CodeType) and part.co_name == name
