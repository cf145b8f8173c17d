import random
import re
from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given, strategies as st

from tests.conftest import some, with_step
from tests.helpers import growth
from tests.tasks.test_arithmetic import check_columns
from tunix_rt_nb import tasks
from tunix_rt_nb.tasks.numbers.division import divide
from tunix_rt_nb.trace.trace import Trace

CLAIM = re.compile(r"[(\d][\d()*/+-]*(?:=[\d()*/+-]+)+")
FORMS = [  # all that a step may say, the numbers aside
    r"(?:Now |So |Together, |With the zeros, )?=\.",
    r"(?:Units|Tens|Hundreds|(?:Ten |Hundred )?[Tt]housands): (?:=, |\d-\d<0, ){0,2}=(?:, (?:carry|borrow) \d|, so =)?\.",
    r"In the (?:units|tens|hundreds|(?:ten |hundred )?thousands) (?:=, |\d-\d<0, ){0,2}=(?:, (?:carry|borrow) \d|, so =)?\.",
    r"(?:Now )?=, so =\.",
    r"(?:Now )?= goes into \d+\.",
    r"(?:Bring|Now bring) down \d: \d+\.",
    r"(?:So |That is all: )(?:GCD\(\d+,\d+\)=)+\d+\.",
    r"(?:And so|So) =\.",
    r"(?:Now )?(?:= is greater than \d+, so )?\d+ is prime\.",
    r"(?:Now )?(?:\d+ is [a-z]|[a-z] is \d+)\.",
    r"(?:Read upwards|From last to first): \w+\.",
    r"(?:All \d+ angles:|The \d+ angles sum to) =\.",
    r"(?:Add|First add|Now add) [\d()*]+ to both sides: =\.",
    r"(?:Subtract|Take) \d+ from both sides: =\.",
    r"(?:So|That gives) =\.",
]
FORM = re.compile("|".join(FORMS), re.ASCII)


def slow_gcd(a: int, b: int) -> int:
    return max(n for n in range(1, min(a, b) + 1) if a % n == b % n == 0)


def slow_factors(number: int) -> list[int]:
    first = next(n for n in range(2, number + 1) if number % n == 0)
    return [first, *(slow_factors(number // first) if number > first else [])]


def claims(text: str) -> list[str]:
    """Return what a step says that is not so."""
    told = re.sub(r"GCD\((\d+),(\d+)\)", lambda m: str(slow_gcd(int(m[1]), int(m[2]))), text)
    wrong = [c for c in CLAIM.findall(told) if len({eval(side) for side in c.split("=")}) > 1]
    if not FORM.fullmatch(CLAIM.sub("=", text)) and not FORM.fullmatch(text):
        wrong.append(f"unknown form: {text}")
    if m := re.search(r"(\d+)=(\d+)\*\d+\+(\d+)(?![\d*])", text):
        wrong += [text] * (int(m[3]) >= int(m[2]))
    if m := re.search(r"(\d+)\*\d+=(\d+) goes into (\d+)", text):
        wrong += [text] * (not 0 < int(m[3]) - int(m[2]) < int(m[1]))
    if m := re.search(r"=(\d+) is greater than (\d+)", text):
        wrong += [text] * (int(m[1]) <= int(m[2]))
    if m := re.search(r"(\d+) is prime", text):
        wrong += [text] * (len(slow_factors(int(m[1]))) > 1)
    if m := re.search(r"(\d): (\d+)\.$", text):
        wrong += [text] * (m[1] != m[2][-1])
    if m := re.search(r"(\w+) is (\w+)\.$", text):
        wrong += [text] * (m[2] != "prime" and int(max(m[1], m[2]), 36) != int(min(m[1], m[2])))
    return wrong


def oracle(answer: Callable[[str], str]) -> Callable[[Trace], list[str]]:
    def check(trace: Trace) -> list[str]:
        texts = [step.content for step in trace.steps]
        wrong = check_columns(texts) + [fault for text in texts for fault in claims(text)]
        expected = answer(trace.prompt)
        if trace.final_answer != expected:
            wrong.append(f"answer: expected {expected}")
        # what is answered is what the steps came to
        said = set(re.findall(r"\w+", " ".join(texts)))
        parts = re.findall(r"\w+", expected) if trace.task != "base_conversion" else []
        wrong += [f"answer: {part} is in no step" for part in parts if part not in said]
        digits = re.search(r"(?:upwards|first): (\w+)", texts[-1])
        return wrong if digits is None or digits[1] == expected else [*wrong, texts[-1]]

    return check


def numbers(prompt: str) -> list[int]:
    return [int(n) for n in re.findall(r"\d+", prompt)]


def product(prompt: str) -> str:
    return str(eval(re.search(r"[\d *]{3,}", prompt)[0]))  # type: ignore[index]


def greatest(prompt: str) -> str:
    first, *rest = numbers(prompt)
    for number in rest:
        first = slow_gcd(first, number)
    return str(first)


def factors(prompt: str) -> str:
    return " × ".join(map(str, slow_factors(numbers(prompt)[0])))


def lowest(prompt: str) -> str:
    fraction = Fraction(re.search(r"\d+/\d+", prompt)[0])  # type: ignore[index]
    return f"{fraction.numerator}/{fraction.denominator}"


def converted(prompt: str) -> str:
    source, number, target = re.findall(r"convert the (\S+) number (\S+) to (\S+)", prompt)[0]
    names = {"binary": 2, "hexadecimal": 16}
    bases = [names.get(name) or int(name.removeprefix("base-")) for name in (source, target)]
    value = sum(int(d, 36) * bases[0] ** i for i, d in enumerate(reversed(number)))
    text = ""
    for power in range(20, -1, -1):  # the highest place first
        digit, value = divmod(value, bases[1] ** power)
        text += "0123456789abcdef"[digit]
    return text.lstrip("0")


def unknown(prompt: str) -> tuple[str, str]:
    letter = re.search(r"(?:of|for) ([a-z])\b", prompt)[1]  # type: ignore[index]
    left, right = prompt.split(": ")[1].split(" = ")
    return letter, str(next(x for x in range(1, 999) if eval(left, {letter: x}) == int(right)))


def check_equation(trace: Trace) -> list[str]:
    """With the unknown's value in its place every step must hold."""
    letter, value = unknown(trace.prompt)
    steps = [
        (step.type, re.sub(rf"\b{letter}\b(?! both)", f"({value})", step.content))
        for step in trace.steps
    ]
    plain = Trace.of(trace.prompt, steps, trace.final_answer, trace.meta)
    return oracle(lambda _: value)(plain)


def missing_angle(prompt: str) -> str:
    known = [round(float(angle)) for angle in re.findall(r"([\d.]+)°", prompt)]
    return str(180 * (len(known) - 1) - sum(known))


ORACLES: dict[str, Callable[[Trace], list[str]]] = {
    "products": oracle(product),
    "gcd": oracle(greatest),
    "prime_factorization": oracle(factors),
    "fraction_simplification": oracle(lowest),
    "base_conversion": oracle(converted),
    "simple_equations": check_equation,
    "simple_geometry": oracle(missing_angle),
}
NAMES = list(ORACLES)
KINDS = [
    (name, level, grain) for name in NAMES for level in tasks.DIFFICULTIES for grain in tasks.GRAINS
]


@pytest.mark.parametrize(("name", "level", "grain"), KINDS)
def test_a_changed_number_or_word_in_any_step_is_caught(name: str, level: str, grain: str) -> None:
    rng = random.Random(1)
    for trace in some(name, 10, 12, level, grain=grain):
        for step in trace.steps:
            for spot in re.finditer(r"\d+|[a-z]{4,}", step.content):
                old = spot[0]
                new = str(int(old) + rng.choice([1, 2, 10])) if old.isdigit() else "not"
                text = step.content[: spot.start()] + new + step.content[spot.end() :]
                wrong = with_step(trace, step.i, text)
                assert tasks.get(name).check_step(wrong, step.i), (step.content, text)


@pytest.mark.parametrize("name", NAMES)
def test_the_second_opinion_finds_nearly_all_mistakes_itself(name: str) -> None:
    rng = random.Random(2)
    found = []
    for trace in some(name, 60, 13, "medium"):
        step = rng.choice(trace.steps)
        spot = rng.choice(list(re.finditer(r"\d+", step.content)))
        other = str(int(spot[0]) + 1)
        text = step.content[: spot.start()] + other + step.content[spot.end() :]
        wrong = with_step(trace, step.i, text)
        found.append(bool(ORACLES[name](wrong)))
        steps = [(s.type, s.content) for s in wrong.steps]
        assert ORACLES[name](Trace.of(trace.prompt, steps, "?", trace.meta))
    assert sum(found) > 0.85 * len(found)


@given(st.integers(0, 9999), st.integers(1, 999), st.sampled_from([1, 2]))
def test_every_line_of_a_division_is_true_and_the_last_gives_its_result(
    a: int, b: int, wording: int
) -> None:
    texts = [line[wording] for line in divide(a, b)]
    assert check_columns(texts) == []
    assert [fault for text in texts for fault in claims(text)] == []
    assert re.search(rf"={a % b}\.|\+{a % b}\.", texts[-1])
    carried = re.compile(r" \d[-+*]\d=\d+, \d")  # what is carried takes one more
    assert all(text.count("=") <= (3 if carried.search(text) else 2) for text in texts)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (97, 3, ["97=3*32+1."]),
        (7, 12, ["7=12*0+7."]),
        (201, 2, ["2=2*1+0.", "0=2*0+0.", "1=2*0+1, so 201=2*100+1."]),
        (75, 15, ["75=15*5+0."]),
        (345, 115, ["Units: 5*3=15, carry 1.", "Tens: 1*3=3, 3+1=4."]),
        (187, 11, ["11*1=11 goes into 18.", "Units: 8-1=7."]),
    ],
)
def test_divisions_go_as_on_paper(a: int, b: int, expected: list[str]) -> None:
    assert [line[1] for line in divide(a, b)][: len(expected)] == expected


GCD = "Find the Greatest Common Divisor (GCD) of these numbers: {}. Give only the GCD as your final answer."
FACTORS = "Find the prime factorization of {}. Write the factors separated by × (Example: for 12 the answer would be: 2 × 2 × 3)"
FRACTION = "Simplify the fraction {} to its lowest terms. Give only the simplified fraction as your final answer."
PRODUCT = "Solve the following multiplication: {}. Give only the result as your final answer."
BASE = "Your task is to convert a number between two different bases.\n\nIf the target base is > 10, use lowercase letters a-z for digits above 9.\n\nNow, convert the {}"
SOLVE = "Solve for {}"
ANGLES = "Consider a convex {}. Determine the measure of the remaining angle.Return only the angle as your answer.Do not give the units in your answer."


@pytest.mark.parametrize(
    ("name", "prompt", "grain", "steps", "answer"),
    [
        ("products", PRODUCT.format("0 * 7 * 8"), "fine", ["0*7=0.", "0*8=0."], "0"),
        ("gcd", GCD.format("6, 21"), "fine", ["21=6*3+3.", "6=3*2+0.", "So GCD(6,21)=3."], "3"),
        ("gcd", GCD.format("9, 9"), "coarse", ["So GCD(9,9)=9."], "9"),
        ("gcd", GCD.format("9, 6, 4"), "coarse", ["So GCD(9,6)=GCD(6,3)=3.", "So GCD(4,3)=GCD(3,1)=1."], "1"),
        ("prime_factorization", FACTORS.format(2), "fine", ["2*2=4 is greater than 2, so 2 is prime."], "2"),
        ("prime_factorization", FACTORS.format(9), "fine", ["9=2*4+1.", "9=3*3+0.", "3*3=9 is greater than 3, so 3 is prime."], "3 × 3"),
        ("prime_factorization", FACTORS.format(49), "coarse", ["49=7*7+0.", "7 is prime."], "7 × 7"),
        ("fraction_simplification", FRACTION.format("7/7"), "fine", ["7=7*1+0.", "So GCD(7,7)=7.", "7=7*1+0.", "7=7*1+0.", "So 7/7=1/1."], "1/1"),
        ("fraction_simplification", FRACTION.format("3/4"), "coarse", ["So GCD(4,3)=GCD(3,1)=1.", "So 3/4=3/4."], "3/4"),
        ("base_conversion", BASE.format("binary number 101 to base-10"), "fine", ["0*2+1=1.", "1*2+0=2.", "2*2+1=5."], "5"),
        ("base_conversion", BASE.format("base-10 number 43 to hexadecimal"), "fine", ["16*2=32 goes into 43.", "Units: 3-2=1.", "Tens: 4-3=1, so 43-32=11.", "11 is b.", "2=16*0+2.", "Read upwards: 2b."], "2b"),
        ("base_conversion", BASE.format("hexadecimal number 2b to binary"), "coarse", ["2*16+11*1=43.", "43=1*32+0*16+1*8+0*4+1*2+1*1."], "101011"),
        ("simple_equations", SOLVE.format("x: 3*x + 7 = 22"), "coarse", ["Subtract 7 from both sides: 3*x=22-7=15.", "So x=15/3=5."], "5"),
        ("simple_equations", SOLVE.format("x: 3*x - 7 = -1"), "fine", ["Add 7 to both sides: 3*x=7-1.", "7-1=6.", "6=3*2+0.", "So x=2."], "2"),
        ("simple_equations", SOLVE.format("x: 9 - 3*x = 0"), "fine", ["Add 3*x to both sides: 3*x=9.", "9=3*3+0.", "So x=3."], "3"),
        ("simple_equations", SOLVE.format("x: -3*x - 3 = -15"), "coarse", ["Add 3*x to both sides: 3*x-15=-3.", "Add 15 to both sides: 3*x=15-3=12.", "So x=12/3=4."], "4"),
        ("simple_equations", SOLVE.format("x: x - 3 = 0"), "fine", ["Add 3 to both sides: x=3.", "So x=3."], "3"),
        ("simple_geometry", ANGLES.format("3-gon whose first 2 interior angles are: 90.0°, 45.0°"), "coarse", ["All 3 angles: (3-2)*180=180.", "90+45=135.", "180-135=45."], "45"),
    ],
)  # fmt: skip
def test_worked_by_hand(name: str, prompt: str, grain: str, steps: list[str], answer: str) -> None:
    task = tasks.get(name)
    solution = task.solve(task.read(prompt), grain)
    assert [line[1] for line in solution.lines] == steps
    assert solution.answer == answer


@pytest.mark.parametrize(
    ("name", "prompt"),
    [
        ("products", PRODUCT.format("999 * 999 * 999")),
        ("products", PRODUCT.format("07 * 7")),
        ("products", PRODUCT.format("٧ * 7")),
        ("products", PRODUCT.format("7" * 9999 + " * 7")),
        ("gcd", GCD.format("0, 7")),
        ("gcd", GCD.format("7")),
        ("prime_factorization", FACTORS.format(1)),
        ("prime_factorization", FACTORS.format(999_983)),
        ("fraction_simplification", FRACTION.format("1/0")),
        ("fraction_simplification", FRACTION.format("-1/2")),
        ("base_conversion", BASE.format("binary number 102 to base-10")),
        ("base_conversion", BASE.format("base-2 number 101 to base-10")),
        ("base_conversion", BASE.format("base-1 number 1 to base-10")),
        ("base_conversion", BASE.format("base-10 number 5 to base-10")),
        ("base_conversion", BASE.format("base-10 number 05 to binary")),
        ("base_conversion", BASE.format("base-36 number zzzzz to binary")),
        ("simple_equations", SOLVE.format("x: 3*y + 7 = 22")),
        ("simple_equations", SOLVE.format("x: 3*x + 7 = 23")),
        ("simple_equations", SOLVE.format("x: 3*x + 7 = 7")),
        ("simple_equations", SOLVE.format("x: 1*x + 7 = 9")),
        ("simple_equations", SOLVE.format("x: 0 = 0")),
        ("simple_equations", SOLVE.format("x: 9 - 3*x + 2 = 8")),
        ("simple_equations", SOLVE.format("x: -3*x + 9 = 3")),
        ("simple_geometry", ANGLES.format("4-gon whose first 3 interior angles are: 10.0°, 10.0°, 10.0°")),
        ("simple_geometry", ANGLES.format("3-gon whose first 2 interior angles are: 100.0°, 80.0°")),
        ("simple_geometry", ANGLES.format("3-gon whose first 3 interior angles are: 60.0°, 60.0°")),
        ("simple_geometry", ANGLES.format("3-gon whose first 2 interior angles are: 60.5°, 60.0°")),
    ],
)  # fmt: skip
def test_prompts_that_state_no_problem_are_refused(name: str, prompt: str) -> None:
    with pytest.raises(ValueError):
        tasks.get(name).read(prompt)


@pytest.mark.parametrize("name", NAMES)
@given(text=st.text(max_size=60))
def test_no_text_crashes_the_reading_of_a_prompt(name: str, text: str) -> None:
    with pytest.raises(ValueError):
        tasks.get(name).read(text)


@pytest.mark.parametrize(
    ("name", "prompt", "right", "wrong"),
    [
        ("products", PRODUCT.format("25 * 40"), ["1000", "1,000", "+1000", "1000.0", "01000"], ["1001", "100", "10,00", "1_000", "1e3", "-1000", "1000 1000", "25 * 40", "1000.01"]),
        ("gcd", GCD.format("4, 6"), ["2", " 2 ", "2.0"], ["1", "22", "2 or 1", "gcd 2"]),
        ("prime_factorization", FACTORS.format(12), ["2 × 2 × 3", "3×2×2", "2*2*3", "2 x 2 x 3"], ["2 × 6", "12", "2 × 2 × 3 × 1", "2 × 3", "2 × × 2 × 3", "× 2 × 2 × 3", "2 × 2 × -3", "2 2 3"]),
        ("fraction_simplification", FRACTION.format("4/6"), ["2/3", " 2 / 3"], ["4/6", "3/2", "2", "2/3/1", "-2/-3", "0.667", "2/3 or 4/6"]),
        ("fraction_simplification", FRACTION.format("6/6"), ["1/1", "1"], ["6/6", "1/", "2"]),
        ("base_conversion", BASE.format("base-10 number 43 to hexadecimal"), ["2b", "2B", "02b"], ["2c", "b2", "2b 2b", "0x2b", "43", "0"]),
        ("simple_equations", SOLVE.format("x: 3*x + 7 = 22"), ["5", "x=5", "x = 5", "5.0"], ["x 5", "y=5", "5=x", "x==5", "x", "15/3", "6"]),
        ("simple_geometry", ANGLES.format("3-gon whose first 2 interior angles are: 90.0°, 45.0°"), ["45", "45.0"], ["45.5", "90", "135", "45 90"]),
    ],
)  # fmt: skip
def test_equal_answers_score_and_near_misses_do_not(
    name: str, prompt: str, right: list[str], wrong: list[str]
) -> None:
    task = tasks.get(name)
    problem = task.read(prompt)
    assert [answer for answer in right if task.score(answer, problem) != 1.0] == []
    assert [answer for answer in wrong if task.score(answer, problem) != 0.0] == []


@pytest.mark.parametrize("name", NAMES)
def test_hostile_answers_are_wrong_at_once(name: str) -> None:
    task = tasks.get(name)
    problem = task.read(some(name, 1, 0)[0].prompt)
    task.score("1", problem)  # the library is imported here
    for part in [
        "9",
        "9 ",
        "0",
        "2 × ",
        "2*",
        "1/",
        "1,000",
        "(",
        "a",
        "x=",
        "1e9",
        "\\frac{1}",
        "٣",
    ]:

        def refuse(size: int, part: str = part) -> None:
            many = part * (size // len(part))
            for answer in (many, f"1{many}1", f"1 {part}{part}!"):
                assert task.score(answer, problem) == 0.0

        assert growth.linear(refuse, 5_000), part


@pytest.mark.parametrize("name", NAMES)
def test_the_spaces_that_are_counted_are_all_there_is(name: str) -> None:
    space = tasks.get(name).space()
    assert space is not None
    if space < 600:
        assert len(some(name, space, 0)) == space
        assert len({trace.prompt for trace in some(name, space, 1)}) == space
