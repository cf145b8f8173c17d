import random
import re
from collections import Counter
from collections.abc import Callable
from itertools import permutations

import pytest
from hypothesis import given, strategies as st

from tests.conftest import some, with_step
from tests.helpers import growth
from tests.tasks.test_arithmetic import check_columns
from tests.tasks.test_numbers import claims
from tunix_rt_nb import tasks
from tunix_rt_nb.tasks.numbers.countdown import _value
from tunix_rt_nb.trace.trace import Trace

TASK = tasks.get("countdown")
ENDS = (  # how a move ends: a sum or a product, or a division as a=b*q+0
    re.compile(r"(?:.*so |Now |So |Together, |With the zeros, )?(\d+)([-+*/])(\d+)=(\d+)\."),
    re.compile(r"(?:.*so |Now |So |Together, )?(\d+)(=)(\d+)\*(\d+)\+0\."),
)
LEFT = re.compile(r"(?:Left:|That leaves) (\d+(?:, \d+)*)\.")


def check_countdown(trace: Trace) -> list[str]:
    """Plays the moves that the steps state, with a list of numbers."""
    target, left = asked(trace.prompt)
    texts = [step.content for step in trace.steps]
    fine = any(LEFT.fullmatch(text) for text in texts)
    wrong = check_columns(texts)
    wrong += [fault for text in texts if not LEFT.fullmatch(text) for fault in claims(text)]
    given = sorted(left)
    for i, text in enumerate(texts):
        now = LEFT.fullmatch(text)
        if now:
            said = [int(n) for n in now[1].split(", ")]
            wrong += [text] * (sorted(said) != sorted(left))
        elif not fine or i + 1 == len(texts) or LEFT.fullmatch(texts[i + 1]):
            left = moved(left, text, wrong)
    if left != [target]:
        wrong.append(f"ends with {left}")
    used = sorted(map(int, re.findall(r"\d+", trace.final_answer)))
    if used != given or abs(eval(trace.final_answer) - target) > 1e-9:
        wrong.append(f"answer: {trace.final_answer}")
    return wrong


def asked(prompt: str) -> tuple[int, list[int]]:
    question = prompt.split("\n")[0]
    numbers = re.findall(r"\d+(?:, \d+)+", question)[0]
    target = re.findall(r"\d+", question.replace(numbers, ""))[0]
    return int(target), [int(n) for n in numbers.split(", ")]


def moved(left: list[int], text: str, wrong: list[str]) -> list[int]:
    move = ENDS[0].fullmatch(text) or ENDS[1].fullmatch(text)
    if move is None:
        wrong.append(text)
        return left
    a, b, value = int(move[1]), int(move[3]), int(move[4])
    op = move[2].replace("=", "/")
    rest = list((Counter(left) - Counter([a, b])).elements())
    if len(rest) != len(left) - 2 or eval(f"{a}{op}{b}") != value:
        wrong.append(text)
    return [*rest, value]


ORACLES: dict[str, Callable[[Trace], list[str]]] = {"countdown": check_countdown}
KINDS = [(level, grain) for level in tasks.DIFFICULTIES for grain in tasks.GRAINS]


def ask(numbers: str, target: int) -> str:
    return (
        f"Calculate {target} using all of these numbers: {numbers}.\n"
        "Each number may be used at most once.\n\nFinal answer format instructions:\n"
        "1. Provide your solution as a arithmetic expression (no '=' sign).\n"
        "2. Do not include the target number in the expression.\n"
        "3. Use '*' for multiplication.\n4. Use '/' for division.\n"
        "5. Do not include any other text or formatting."
    )


def told(prompt: str, *steps: str, answer: str) -> list[str]:
    trace = Trace.of(prompt, [("s", step) for step in steps], answer, {"task": "countdown"})
    return tasks.problems(trace)


@pytest.mark.parametrize(("level", "grain"), KINDS)
def test_a_changed_number_or_word_in_any_step_is_caught(level: str, grain: str) -> None:
    rng = random.Random(1)
    found = []
    for trace in some("countdown", 8, 12, level, grain=grain):
        for step in trace.steps:
            for spot in re.finditer(r"\d+|[a-z]{4,}", step.content):
                old = spot[0]
                new = str(int(old) + rng.choice([1, 2, 10])) if old.isdigit() else "not"
                text = step.content[: spot.start()] + new + step.content[spot.end() :]
                wrong = with_step(trace, step.i, text)
                assert tasks.get("countdown").check_step(wrong, step.i), (step.content, text)
                found.append(bool(check_countdown(wrong)))
    assert sum(found) > 0.85 * len(found)  # by the second opinion


def brute(numbers: tuple[int, ...]) -> set[int]:
    """All that whole numbers, also below 0, can be made into."""
    if len(numbers) == 1:
        return {numbers[0]}
    made: set[int] = set()
    for a, b, *rest in permutations(numbers):
        for value in (a + b, a - b, a * b, *([a // b] if b and a % b == 0 else [])):
            made |= brute((value, *rest))
    return made


def test_the_search_finds_a_way_where_there_is_one_and_only_there() -> None:
    rng = random.Random(3)
    solved = 0
    for _ in range(12):
        numbers = tuple(rng.randint(1, 9) for _ in range(rng.choice([3, 3, 4])))
        reached = brute(numbers)
        for target in [*range(1, 60), *rng.sample(range(60, 9999), 20)]:
            prompt = ask(", ".join(map(str, numbers)), target)
            if target in reached:
                expression = TASK.solve(TASK.read(prompt), "coarse").answer
                assert eval(expression) == target
                solved += 1
            else:
                with pytest.raises(ValueError, match="no solution"):
                    TASK.solve(TASK.read(prompt), "coarse")
    assert solved > 100


def test_five_numbers_without_a_solution_are_refused_quickly() -> None:
    def refuse() -> None:
        for target in (9871, 9883, 9907):
            with pytest.raises(ValueError, match="no solution"):
                TASK.solve(TASK.read(ask("3, 5, 7, 11, 13", target)), "coarse")

    assert growth.calls(refuse) < 200_000


PROMPT = ask("3, 4, 5, 6", 24)


@pytest.mark.parametrize(
    "steps",
    [
        ("6-5=1.", "1+3=4.", "4+4=8."),
        ("6-5=1.", "4*1=4.", "3+4=7."),
        ("6+3=9.", "9+5=14.", "14-4=10."),
    ],
)
def test_right_steps_to_another_number_are_right_but_no_solution(steps: tuple[str, ...]) -> None:
    trace = Trace.of(PROMPT, [("s", step) for step in steps], "x", {"task": "countdown"})
    review = TASK.review(trace)
    assert review.steps == [None, None, None]
    assert review.end == "24 is not reached"


@pytest.mark.parametrize(
    ("steps", "answer"),
    [
        (("5+3=8.", "8-4=4.", "4*6=24."), "6*(3+5-4)"),
        (("Now 3+5=8.", "8-4=4.", "Now 6*4=24."), "(3 + 5 - 4) * 6"),
        (("4-3=1.", "5-1=4.", "6*4=24."), "6*(5-(4-3))"),
        (("5+3=8.", "Left: 4, 6, 8.", "8-4=4.", "That leaves 6, 4.", "Now 6*4=24."), "6*(3+5-4)"),
    ],
)
def test_any_way_is_right(steps: tuple[str, ...], answer: str) -> None:
    assert told(PROMPT, *steps, answer=answer) == []


@pytest.mark.parametrize("left", ["13, 5, 8", "5, 13, 8"])
def test_either_of_two_equal_numbers_may_be_gone(left: str) -> None:
    steps = [
        "5+3=8.",
        f"Left: {left}.",
        "Units: 3+8=11, carry 1.",
        "Tens: 1+0=1, 1+1=2, so 13+8=21.",
    ]
    steps += ["Left: 5, 21.", "Units: 1+5=6.", "Tens: 2+0=2, so 21+5=26."]
    assert told(ask("5, 13, 5, 3", 26), *steps, answer="5+3+13+5") == []


@pytest.mark.parametrize(
    ("steps", "place"),
    [
        (("5+3=9.",), 1),
        (("5+7=12.",), 1),
        (("3+3=6.",), 1),
        (("3-5=-2.",), 1),
        (("5/3=1.",), 1),
        (("05+3=8.",), 1),
        (("5+3=8", "8-4=4."), 1),
        (("5+3=8.", "5+3=8."), 2),
        (("5+3=8.", "8-4=4.", "4*6=24.", "24-0=24."), 4),
        (("5+3=8.", "Left: 4, 6, 9."), 2),
        (("5+3=8.", "Left: 4, 8."), 2),
        (("5+3=8.", "Left: 6, 4, 8."), 2),
        (("Left: 3, 4, 5, 6.",), 1),
    ],
)
def test_a_step_against_the_rules_is_wrong(steps: tuple[str, ...], place: int) -> None:
    wrong = told(PROMPT, *steps, answer="6*(3+5-4)")
    assert wrong[0].startswith(f"step {place}: ")


def test_after_a_wrong_step_the_numbers_are_as_they_were() -> None:
    wrong = told(PROMPT, "5+3=9.", "9-4=5.", "5+3=8.", "8-4=4.", "4*6=24.", answer="6*(3+5-4)")
    assert [problem.split(":")[0] for problem in wrong] == ["step 1", "step 2"]


def test_each_prompt_of_the_library_is_read() -> None:
    for target, numbers in ((24, "3, 4, 5, 6"), (2, "7, 5, 1")):
        plain = ask(numbers, target)
        form = plain[plain.index("\n\n") :]
        for words in (
            f"Using all the numbers {numbers}, create an expression that equals {target}.\nYou can only use each number once.",
            f"Find a way to make {target} using all of these numbers: {numbers}.\nEach number can only be used once.",
        ):
            assert TASK.read(words + form) == TASK.read(plain)


@pytest.mark.parametrize(
    "prompt",
    [
        ask("3", 3),
        ask("3, 4, 5, 6, 7, 8", 24),
        ask("0, 4, 5", 9),
        ask("100, 4, 5", 9),
        ask("3, 4, 5", 0),
        ask("3, 4,5", 12),
        ask("٣, 4, 5", 12),
        ask("3, 4, 5", 12) + "\n",
        ask(", ".join(["9"] * 5000), 9),
    ],
)
def test_prompts_that_state_no_problem_are_refused(prompt: str) -> None:
    with pytest.raises(ValueError):
        TASK.read(prompt)


PROBLEM = TASK.read(PROMPT)


@pytest.mark.parametrize(
    "answer",
    ["6*(3+5-4)", " (3 + 5 - 4)*6 ", "((5+3)-4)*6", "6*(5-(4-3))", "-(4-5-3)*6"],
)
def test_every_right_expression_scores(answer: str) -> None:
    assert TASK.score(answer, PROBLEM) == 1.0


@pytest.mark.parametrize(
    "answer",
    [
        "24",
        "6*4",
        "3*4+5+6",
        "6*(3+5-4)+0",
        "6*(3+5-4) = 24",
        "6*(3+5-4) or 3+4+5+6",
        "6(3+5-4)",
        "6*(3+5-4",
        "6*(3+5-4)#",
        "6×(3+5−4)",
        "6*(03+5-4)",
        "6.0*(3+5-4)",
        "6**3//(5+4)",
        "(3,4,5,6)",
        "3456/144",
        "3/(4-4)*5*6",
    ],
)
def test_no_other_expression_scores(answer: str) -> None:
    assert TASK.score(answer, PROBLEM) == 0.0


def test_an_expression_that_is_nearly_right_is_wrong() -> None:
    problem = TASK.read(ask("25, 20, 1, 28, 29", 500))
    assert TASK.score("25*20*1*(29-28)", problem) == 1.0
    assert TASK.score("25*20+1/(28*29)", problem) == 0.0  # 500.001, which the verifier passes


@pytest.mark.parametrize("op", ["+", "*", "**", "//", "-", "(", ")", "9", " ", "9**", "((1)", "1/", ".1", "e9"])  # fmt: skip
def test_hostile_expressions_are_wrong_at_once(op: str) -> None:
    TASK.score("6*(3+5-4)", PROBLEM)  # the library is imported here

    def refuse(size: int) -> None:
        for answer in ("9" + op * 2 + "9", "(" * size + op, op * size + "1", op * size):
            assert TASK.score(answer, PROBLEM) == 0.0

    assert growth.calls(lambda: refuse(40)) < 20_000
    assert growth.linear(refuse, 6_000)
    assert TASK.score(f"__import__('os').abort() {op}", PROBLEM) == 0.0


@given(st.text("0123456789+-*/() ", max_size=30))
def test_an_expression_is_worth_what_python_finds(expression: str) -> None:
    if "**" in expression or "//" in expression:
        assert _value(expression) is None
        return
    value = _value(expression.strip())
    if value is not None:
        assert float(value) == pytest.approx(eval(expression.strip()))
