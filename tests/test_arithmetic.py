import re

import pytest

from tunix_rt_nb import tasks
from tunix_rt_nb.tasks import columns
from tunix_rt_nb.trace import Trace

WHOLE = re.compile(r"(\d+)([-+*])(\d+)=(\d+)\.$")
COLUMN = re.compile(r"(?:: |s )(\d+(?:[-+*]\d+)+)=(\d+), (?:carry|borrow|so)")


def check_columns(texts: list[str]) -> list[str]:
    """Every equation that the steps state, evaluated."""
    wrong = []
    for text in texts:
        equations = re.findall(r"(\d+(?:[-+*]\d+)+)=(-?\d+)", text)
        wrong += [text for left, right in equations if eval(left) != int(right)]
        carried = re.search(r"=(\d+), carry (\d)", text)
        if carried and int(carried[1]) // 10 != int(carried[2]):
            wrong.append(text)
        below = re.search(r"(?:: |s )(\d)((?:-\d)+) is below 0, (\d+)((?:-\d)+)=", text)
        if below and (
            eval(below[1] + below[2]) >= 0 or below.groups()[2:] != ("1" + below[1], below[2])
        ):
            wrong.append(text)
        borrowed = re.search(r"(\d+)-\d+(?:-\d)?=\d, borrow (\d)", text)
        if borrowed and not int(borrowed[1]) // 10 == int(borrowed[2]) == bool(below):
            wrong.append(text)
    return wrong


def check_arithmetic(trace: Trace) -> list[str]:
    asked = re.sub(r"^(What is|Calculate|Work out) |[?.]$", "", trace.prompt)
    texts = [step.content for step in trace.steps]
    wrong = check_columns(texts)
    totals = [m for text in texts if (m := WHOLE.search(text))]
    terms = asked.split()
    total = terms[0]
    for (op, term), whole in zip(zip(terms[1::2], terms[2::2], strict=True), totals, strict=True):
        if whole.groups()[:3] != (total, op, term):
            wrong.append(whole.string)
        total = whole[4]
    return wrong if trace.final_answer == str(eval(asked)) == total else [*wrong, "answer"]


@pytest.mark.parametrize("op", ["+", "-", "*"])
def test_columns_of_any_numbers_are_right_and_end_in_the_result(op: str) -> None:
    work = {"+": columns.add, "-": columns.subtract, "*": columns.multiply}[op]
    for a in [0, 3, 10, 47, 99, 100, 358, 1000, 4096]:
        for b in [0, 1, 7, 10, 38, 99, 101, 250, 999]:
            if op == "-" and b > a:
                continue
            for grain in ("fine", "coarse"):
                for wording in (1, 2):
                    texts = [line[wording] for line in work(a, b, grain)]
                    assert check_columns(texts) == []
                    assert texts[-1].endswith(f"{a}{op}{b}={eval(f'{a}{op}{b}')}.")


@pytest.mark.parametrize(
    "step",
    [
        "Units: 09-5=4, borrow 0.",
        "Units: 9-5=04, borrow 0.",
        "Units: ٩-٥=٤, borrow 0.",
        "Units: 9-5=4, borrow 0. ",
        "units: 9-5=4, borrow 0.",
        "Units: 19-5=14, borrow 1.",
        "Units: 9-5 is below 0, 19-5=14, borrow 1.",
        "Units: 9-5=4, carry 0.",
    ],
)
def test_a_step_in_another_form_is_wrong(step: str) -> None:
    def check(text: str) -> str | None:
        trace = Trace.of("What is 99 - 55 + 10?", [("units", text)], "54", {"task": "arithmetic"})
        return tasks.get("arithmetic").check_step(trace, 0)

    assert check("Units: 9-5=4, borrow 0.") is None
    assert check(step) is not None


def test_the_space_of_sums_is_what_counting_finds() -> None:
    totals = dict.fromkeys(range(10, 100), 1)
    for _ in range(2):
        after: dict[int, int] = {}
        for total, ways in totals.items():
            for result in [*range(total + 10, 100), *range(total - 10, -1, -1)]:
                after[result] = after.get(result, 0) + ways
        totals = after
    assert tasks.get("arithmetic").space() == sum(totals.values()) == 601_545
