import random
import re
from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given, strategies as st

from tests.conftest import some
from tests.helpers import growth
from tunix_rt_nb import tasks
from tunix_rt_nb.tasks.sums.equations import claims
from tunix_rt_nb.tasks.words import gsm_symbolic
from tunix_rt_nb.trace.trace import Trace

TASK = tasks.get("gsm_symbolic")
TEMPLATES = [index for level in gsm_symbolic._LEVELS.values() for index in level]
NUM = r"\d+(?:\.\d+)?%?"
UNIT = re.compile(rf"({NUM})((?:/| |-)?[a-z]+(?:[ /][a-z]+){{0,6}})(?= ?[-+*/=])")
SUM = re.compile(rf"{NUM}(?:[-+*/]{NUM})*(?:={NUM}(?:[-+*/]{NUM})*)+")
KNOWN = {
    *map(Fraction, (2, 4, 7, 12, 60, 100)),
    Fraction(1, 2),
}  # half, a quarter, a week, a year, an hour, percent


def value(side: str) -> Fraction:
    """Compute one side of an equation, products first; a percent is a hundredth."""
    total = Fraction(0)
    for term in re.findall(r"[-+]?[^-+]+", side):
        first, *rest = re.split(r"([*/])", term.lstrip("+-"))
        product = number(first)
        for sign, factor in zip(rest[::2], rest[1::2], strict=True):
            product = product * number(factor) if sign == "*" else product / number(factor)
        total += -product if term[0] == "-" else product
    return total


def number(text: str) -> Fraction:
    return Fraction(text[:-1]) / 100 if text.endswith("%") else Fraction(text)


def sums(text: str) -> list[str]:
    """The equations of a text, without the units of their numbers."""
    bare = re.sub("[$€£]", "", text).replace(" x ", " * ").replace("÷", "/")
    bare = re.sub(r"(?<=[\d%]) ?([-+*/=]) ?(?=\d)", r"\1", UNIT.sub(r"\1", bare))
    return SUM.findall(bare)


def check_story(trace: Trace) -> list[str]:
    """Evaluates each sum, and looks where its numbers are from; the last is the answer."""
    given = {number(n) for n in re.findall(NUM, trace.prompt)}
    given |= {Fraction(a) for a in re.findall(r"\d+/\d+", trace.prompt)} | KNOWN
    given |= {n * part for n in given for part in (100, Fraction(1, 100))}
    wrong, last = [], None
    for step in trace.steps:
        for equation in sums(step.content):
            sides = equation.split("=")
            wrong += [equation] * (len({value(side) for side in sides}) > 1)
            numbers = [number(n) for n in re.findall(NUM, sides[0])]
            wrong += [f"{n} from nowhere: {equation}" for n in numbers if n not in given]
            last = value(sides[-1])
            given |= {last, *numbers}
        given |= (
            {number(n) for n in re.findall(NUM, step.content)} if "%" in step.content else set()
        )
    ends = {Fraction(trace.final_answer), Fraction(trace.final_answer) / 100}
    return wrong if last in ends else [*wrong, "answer"]


ORACLES: dict[str, Callable[[Trace], list[str]]] = {"gsm_symbolic": check_story}


def drawn(index: int, n: int) -> list[dict[str, str]]:
    rng = random.Random(f"gsm:{index}")
    generator = gsm_symbolic._generators()[index]
    return [generator(random.Random(rng.getrandbits(62)), 1.0) for _ in range(n)]


def test_there_are_many_templates_and_none_is_twice() -> None:
    assert len(TEMPLATES) == len(set(TEMPLATES)) == 49


@pytest.mark.parametrize("index", TEMPLATES)
def test_what_is_read_and_solved_has_the_answer_of_the_library(index: int) -> None:
    told = refused = 0
    for item in drawn(index, 40):
        try:
            story = TASK.read(item["question"])
        except ValueError as error:
            assert "come out even" in str(error)
            refused += 1
            continue
        assert story[0] == index  # type: ignore[index]
        assert {TASK.solve(story, grain).answer for grain in tasks.GRAINS} == {item["answer"]}
        told += 1
    assert refused <= told


@pytest.mark.parametrize("level", tasks.DIFFICULTIES)
def test_no_sum_in_any_wording_of_any_step_is_wrong(level: str) -> None:
    for trace in some("gsm_symbolic", 340, 3, level):
        for line in TASK.solution(TASK.read(trace.prompt), "fine").lines:
            for text in line[1:]:
                assert all(len({value(x) for x in s.split("=")}) == 1 for s in sums(text)), text
                assert all(claim.right for claim in claims(text)), text


TOYS = "A {} has {} toys. His brother has {} fewer toys than he has. How many toys do they have together?"
EGGS = "If {} eats {} eggs a day for {} days and then increases it to 7 eggs a day for {} days, how many dozens of eggs will {} need for {} days?"
PLATES = "John places bananas on the plate. Each plate can hold {} bananas. If he has {} bananas and 2 plates, how many bananas won't he be able to place on the plate?"


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        (TOYS.format("student", 9, 3), "15"),
        (EGGS.format("James", 3, 30, 30, "James", 60), "25"),
        (PLATES.format(36, 88), "16"),
    ],
)
def test_a_story_of_other_numbers_is_solved_too(prompt: str, answer: str) -> None:
    solved = TASK.solve(TASK.read(prompt), "fine")
    assert solved.answer == answer
    assert (
        check_story(Trace.of(prompt, [(line[0], line[1]) for line in solved.lines], answer)) == []
    )


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        (TOYS.format("student", 9, 17), "does not come out even, or comes out below 0"),
        (EGGS.format("James", 3, 30, 31, "James", 61), "does not come out even"),
        (EGGS.format("James", 3, 30, 30, "James", 61), "differs from the wording of its template"),
        (EGGS.format("James", 3, 30, 30, "Peter", 60), "fits no known story"),
        (EGGS.format("Hodor", 3, 30, 30, "Hodor", 60), "fits no known story"),
        (TOYS.format("student", "09", 3), "fits no known story"),
        (TOYS.format("student", "9" * 8, 3), "fits no known story"),
        (TOYS.format("student", "٩", 3), "fits no known story"),
        (TOYS.format("student", 9, 3) + "\n", "fits no known story"),
        (PLATES.format(36, 70), "comes out below 0"),
    ],
)
def test_a_prompt_that_states_no_sound_story_is_refused(prompt: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        TASK.read(prompt)


@pytest.mark.parametrize(
    ("answer", "score"),
    [("15", 1), (" 15.0 ", 1), ("$15", 1), ("015", 1), ("15 toys", 0), ("5", 0), ("15 or 5", 0)],
)
def test_an_answer_is_a_whole_number_in_any_writing(answer: str, score: float) -> None:
    assert TASK.score(answer, TASK.read(TOYS.format("student", 9, 3))) == score


def test_steps_are_sentences_with_spaces_around_their_signs_or_without() -> None:
    solved = TASK.solve(TASK.read(TOYS.format("student", 9, 3)), "fine")
    assert [line[1:] for line in solved.lines] == [
        ("His brother has 9 - 3 = 6 toys.", "His brother has 9-3=6 toys."),
        ("Together, they have 9 + 6 = 15 toys.", "Together, they have 9+6=15 toys."),
    ]
    [coarse] = TASK.solve(TASK.read(TOYS.format("student", 9, 3)), "coarse").lines
    assert coarse[2] == "His brother has 9-3=6 toys. Together, they have 9+6=15 toys."


@given(st.text() | st.integers(0, 99).map(lambda n: f"{TOYS.format('boy', n, n)} " * 300))
def test_no_text_is_worse_than_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        TASK.read(text)


@given(st.sampled_from(TEMPLATES), st.integers(0, 400), st.sampled_from(["0", "7", "99", "a", "-"]))
def test_a_damaged_prompt_is_solved_or_refused(index: int, at: int, put: str) -> None:
    prompt = drawn(index, 1)[0]["question"]
    try:
        problem = TASK.read(prompt[:at] + put + prompt[at + 1 :])
    except ValueError:
        return
    assert TASK.score(TASK.solve(problem, "fine").answer, problem) == 1.0


def test_long_prompts_are_refused_at_once() -> None:
    questions = [drawn(index, 1)[0]["question"] for index in TEMPLATES]

    def refuse(size: int) -> None:
        for unit in ("9", "boy ", "A boy has 9 toys. "):
            for question in questions:
                with pytest.raises(ValueError):
                    TASK.read(question.replace(" ", f" {(unit * size)[:size]}", 1))

    assert growth.linear(refuse, 6_000)
