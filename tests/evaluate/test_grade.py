"""The grader, on answers as models write them and on those that it must not be fooled by."""

import random
import re
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import some
from tests.helpers import growth
from tunix_rt_nb import evaluate, tasks
from tunix_rt_nb.common import files
from tunix_rt_nb.evaluate import OUTCOMES
from tunix_rt_nb.evaluate.grade import grade
from tunix_rt_nb.host import paths
from tunix_rt_nb.trace.response import STYLES, Generation, respond
from tunix_rt_nb.trace.trace import Trace

GRADED = list(files.read_lines(paths.PROJECT / "tests/golden/graded.jsonl"))


def graded(trace: Trace, text: str, style: str = "numbered") -> Any:
    return grade("id", trace, Generation(text, 9, True), style)


def test_the_answers_written_by_hand_are_of_every_task_and_outcome() -> None:
    assert len(GRADED) >= 230
    assert min(Counter(row["task"] for row in GRADED).values()) >= 7
    assert min(Counter(row["difficulty"] for row in GRADED).values()) >= 14
    assert sum(not row["strict"] for row in GRADED) >= 50
    assert {row["task"] for row in GRADED} == tasks.TASKS.keys()
    assert {row["outcome"] for row in GRADED} == set(OUTCOMES)
    assert {row["style"] for row in GRADED} == STYLES.keys()


@pytest.mark.parametrize("row", GRADED, ids=lambda row: f"{row['task']}: {row['about']}")
def test_an_answer_is_graded_as_a_person_graded_it(row: Any) -> None:
    task = tasks.get(row["task"], row["difficulty"])
    trace = task.write(row["prompt"], random.Random(0))
    found = graded(trace, row["response"], row["style"])
    names = {"strict": "strict_format"}
    told = ("answer", "outcome", "first_wrong", "strict", "ran_on")
    assert {n: found[names.get(n, n)] for n in told} == {n: row[n] for n in told}
    assert found["score"] == float(row["outcome"] in ("right", "right_answer_wrong_reasons"))
    assert found["strict_score"] == row.get("strict_score", found["score"] * row["strict"])
    assert (found["steps_right"] == 1.0) == (row["first_wrong"] is None)


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("said", ["The answer is {}. Wait", r"So \boxed{{{}}}", "1. a\nAnswer: {}"])
def test_a_thought_that_never_ends_answers_nothing(said: str, own: bool) -> None:
    [trace] = some("arithmetic", 1, seed=5)
    asked = Trace.of(trace.prompt, [], trace.final_answer) if own else trace
    text = said.format(trace.final_answer)
    found = graded(asked, f"<think>\n{text}")
    assert (found["score"], found["answer"], found["outcome"]) == (0.0, None, "no_answer")
    assert graded(asked, f"<think>\n{text}\n</think>\n{trace.final_answer}")["score"] == 1.0


@pytest.mark.parametrize("name", tasks.TASKS)
def test_the_answer_to_another_problem_never_scores(name: str) -> None:
    for difficulty in tasks.DIFFICULTIES:
        drawn = some(name, 12, seed=5, difficulty=difficulty)
        for trace in drawn:
            for other in drawn:
                found = graded(trace, f"Answer: {other.final_answer}")
                assert found["score"] == float(same(name, trace.final_answer, other.final_answer))


@pytest.mark.parametrize("name", tasks.TASKS)
def test_an_answer_with_one_sign_changed_never_scores(name: str) -> None:
    for difficulty in tasks.DIFFICULTIES:
        for trace in some(name, 12, seed=6, difficulty=difficulty):
            right = trace.final_answer
            for k, sign in enumerate(right):
                for other in CHANGED.get(sign, ()):
                    wrong = f"{right[:k]}{other}{right[k + 1 :]}"
                    score = graded(trace, f"Answer: {wrong}")["score"]
                    assert score == float(same(name, right, wrong)), (right, wrong)


SIGNS = ("0123456789", "♠♥♦♣", "+-*", "JQK")
CHANGED = {a: signs.replace(a, "")[:2] for signs in SIGNS for a in signs}


def same(name: str, one: str, other: str) -> bool:
    if name == "high_card_odds":
        return int(other.split("/")[1]) > 0 and Fraction(one) == Fraction(other)
    if name == "base_conversion":
        return one == other.lstrip("0")
    if name == "countdown":  # there may be another way
        numbers = [sorted(re.findall("[0-9]+", text)) for text in (one, other)]
        return numbers[0] == numbers[1] and eval(one) == eval(other)
    if name == "calendar_arithmetic":  # a leap year is told by Yes, and a day by its name
        return one.lower() == other.lower()
    return one == other


@pytest.mark.parametrize("name", tasks.TASKS)
def test_no_answer_breaks_the_grader_or_takes_long(name: str) -> None:
    [trace] = tasks.draw(name, 1, seed=0, difficulty="hard")
    whole = respond(trace)

    def grade_long(size: int) -> None:
        for unit in ("9", "(", "1/", "a, ", "K♠ "):
            text = (unit * size)[:size]
            assert graded(trace, f"Answer: {text}")["score"] == 0.0
            assert graded(trace, whole.replace("Answer: ", f"Answer: {text}"))["score"] == 0.0
            assert graded(trace, text)["outcome"] == "no_answer"
            assert graded(trace, f"1. {text}\n" + whole)["steps_right"] < 1.0

    assert growth.linear(grade_long, 12_000)
    for text in (
        "",
        " ",
        "\0",
        "\u2028",
        "nan",
        "NaN",
        "inf",
        "None",
        "Answer:",
        "<answer></answer>",
    ):
        assert graded(trace, text)["score"] == 0.0
        assert graded(trace, f"Answer: {text}")["score"] == 0.0


def test_the_first_wrong_step_may_be_one_that_is_missing(traces: list[Trace]) -> None:
    for trace in traces[::10]:
        lines = respond(trace).split("\n")
        told = "\n".join([*lines[:-2], lines[-1]])  # without the last step
        found = graded(trace, told)
        assert found["first_wrong"] == len(trace.steps)
        assert found["outcome"] == "right_answer_wrong_reasons"
        assert found["wrong_steps"] == {}


WHOLE_FORMS = (  # of a right integer, as real models write it
    "Answer: {a}",
    "<think>ok</think>\n\n{a}",
    "#### ${a}",
    "\\({a}\\)",
    "Answer: \\({a}\\)",
    "Answer: \\boxed{{\\text{{{a}}}}}",
    "Answer: \\boxed{{${a}$}}",
    "Answer: \\${a}",
    "Answer: {grouped}",
    "Answer: {a} apples",
    "Answer: = {a}",
    "Answer: x = {a}",
    "Answer: 154*325 = {a}",
    "The answer is {a}, as computed.",
    "Final Answer: The final answer is {a}. I hope it is correct.",
)
SHARE_FORMS = ("Answer: \\frac{{{p}}}{{{q}}}", "\\boxed{{\\frac{{{p}}}{{{q}}}}}")


@pytest.mark.slow
@pytest.mark.parametrize("form", WHOLE_FORMS)
@pytest.mark.parametrize("name", ["products", "arithmetic"])
def test_a_right_number_is_right_in_the_forms_of_real_models(name: str, form: str) -> None:
    for trace in some(name, 12, seed=8, difficulty="hard"):
        right = int(trace.final_answer)
        for value, score in ((right, 1.0), (right + 1, 0.0), (right * 10 + 1, 0.0)):
            text = form.format(a=value, grouped=f"{value:,}".replace(",", "{,}"))
            found = graded(trace, text)
            assert (found["score"], found["grader"]) == (score, "task"), text
            own = Trace.of(trace.prompt, [], trace.final_answer)
            assert graded(own, text)["score"] == score, text


@pytest.mark.parametrize("form", SHARE_FORMS)
@pytest.mark.parametrize("name", ["high_card_odds", "fraction_simplification"])
def test_a_right_fraction_is_right_in_latex(name: str, form: str) -> None:
    for trace in some(name, 12, seed=8):
        if "/" in trace.final_answer:
            p, q = map(int, trace.final_answer.split("/"))
            for top, score in ((p, 1.0), (p + 1, 0.0)):
                assert graded(trace, form.format(p=top, q=q))["score"] == score
                own = Trace.of(trace.prompt, [], trace.final_answer)
                assert graded(own, form.format(p=top, q=q))["score"] == score


def test_a_fraction_that_is_to_be_in_lowest_terms_is_wrong_in_others() -> None:
    [trace] = [t for t in some("fraction_simplification", 9, seed=8) if "/" in t.final_answer][:1]
    p, q = map(int, trace.final_answer.split("/"))
    assert graded(trace, rf"Answer: \frac{{{2 * p}}}{{{2 * q}}}")["score"] == 0.0


CITY = Trace.of("Which is the capital of Italy?", [], "Rome", {"category": "cities"})
SUMS = Trace.of(
    "Tom has 3 bags of 4 apples. How many?", [("s", "3*4 = 12")], "12", {"task": "word"}
)


def test_an_answer_of_no_known_task_is_graded_by_the_ladder() -> None:
    found = graded(CITY, "Answer: **rome**")
    assert (found["task"], found["grader"]) == ("cities", "text")
    assert (found["score"], found["strict_score"], found["outcome"]) == (1.0, 0.0, "right")
    assert graded(CITY, "Answer: Rome")["strict_score"] == 1.0
    assert graded(CITY, "Rome")["outcome"] == "no_answer"
    wrong = graded(CITY, "Answer: Paris")
    assert (wrong["score"], wrong["outcome"]) == (0.0, "wrong")
    assert "disagree" not in found


def test_an_own_grader_decides_and_who_disagrees_is_listed(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def grade(answer, expected, prompt):\n    return 0.5\n")
    own = evaluate.load_grader(tmp_path / "mine.py")
    found: Any = grade("x", CITY, Generation("Answer: Rome", 9, True), own=own)
    assert (found["score"], found["grader"]) == (0.5, "own")
    assert found["disagree"] == {"exact": 1.0, "text": 1.0}
    [known] = tasks.draw("arithmetic", 1, seed=0)
    assert grade("x", known, Generation(respond(known), 9, True), own=own)["grader"] == "task"


def test_steps_that_nobody_can_check_leave_the_share_unknown() -> None:
    found = graded(CITY, "Reasoning:\n1. Italy is in Europe.\n2. Its capital is old.\nAnswer: Rome")
    assert found["steps_right"] is None
    assert found["step_counts"] == {"right": 0, "wrong": 0, "unchecked": 2}
    assert (found["first_wrong"], found["outcome"]) == (None, "right")


def test_sums_in_steps_of_no_known_task_are_checked() -> None:
    text = "Reasoning:\n1. There are apples.\n2. 3*4 = {}.\nAnswer: 12"
    right, wrong = (graded(SUMS, text.format(n)) for n in (12, 13))
    assert right["step_counts"] == {"right": 1, "wrong": 0, "unchecked": 1}
    assert (right["steps_right"], right["outcome"]) == (1.0, "right")
    assert wrong["step_counts"] == {"right": 0, "wrong": 1, "unchecked": 1}
    assert (wrong["steps_right"], wrong["first_wrong"]) == (0.0, 2)
    assert wrong["outcome"] == "right_answer_wrong_reasons"


def test_a_prompt_that_its_task_cannot_read_is_of_no_known_task() -> None:
    odd = Trace.of("Add one and one.", [], "2", {"task": "arithmetic"})
    found = graded(odd, "Answer: 2.0")
    assert (found["score"], found["grader"]) == (1.0, "number")
