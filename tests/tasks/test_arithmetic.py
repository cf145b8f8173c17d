import re

import pytest

from tunix_rt_nb import tasks
from tunix_rt_nb.tasks.numbers import columns
from tunix_rt_nb.trace.trace import Trace

WHOLE = re.compile(r"(?:^|Now |, so )(\d+)([-+*])(\d+)=(\d+)\.$")
PART = r"\d+[-+*]\d=\d+|\d-\d<0"
NAME = r"(?:(?:ten |hundred )?(?:thousand|million)|unit|ten|hundred)s"
COLUMN = re.compile(
    rf"(?:In the {NAME}|(?i:{NAME}):) ((?:{PART})(?:, (?:{PART}))*)(?:, ([a-z]+ [^ ,]+))?\.",
    re.ASCII,
)


def taken_and_carried(text: str) -> tuple[str, str] | None:
    """Return what a column takes from the one before and what it hands on, "" for nothing.

    Return None if a part of it does not go on from the part before, or is not so.
    """
    if not (column := COLUMN.fullmatch(text)):
        return None
    parts, ending = column[1].split(", "), column[2] or ""
    taken, value, borrowed = "", -1, 0
    for part in parts:
        u, v, *result = map(int, re.findall(r"\d+", part.removesuffix("<0")))
        if value not in (-1, u) or not eval(part.replace("=", "==")):
            return None
        if result:
            taken, value = f"{taken}{v}", result[0]
        else:
            value, borrowed = u + 10, borrowed + 1
    word, over = ("borrow", borrowed) if "-" in parts[0] else ("carry", value // 10)
    if ending.startswith("so "):
        return taken[1:], ""
    return (taken[1:], str(over or "")) if ending == (f"{word} {over}" if over else "") else None


def check_columns(texts: list[str]) -> list[str]:
    """Every equation that the steps state, evaluated; and what is carried from column to column."""
    wrong = []
    carried = ""
    for text in texts:
        equations = re.findall(r"(\d+(?:[-+*]\d+)+)=(-?\d+)", text)
        wrong += [text for left, right in equations if eval(left) != int(right)]
        if re.match(rf"(?i:in the )?(?i:{NAME})", text):
            column = taken_and_carried(text)
            wrong += [text] * (column is None or column[0] != carried)
            carried = column[1] if column else ""
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
        "Units: 09-5=4.",
        "Units: 9-5=04.",
        "Units: ٩-٥=٤.",
        "Units: 9-5=4. ",
        "units: 9-5=4.",
        "Units: 19-5=14, borrow 1.",
        "Units: 9-5<0, 19-5=14, borrow 1.",
        "Units: 9-5=4, borrow 0.",
    ],
)
def test_a_step_in_another_form_is_wrong(step: str) -> None:
    def check(text: str) -> str | None:
        trace = Trace.of("What is 99 - 55 + 10?", [("units", text)], "54", {"task": "arithmetic"})
        return tasks.get("arithmetic").check_step(trace, 0)

    assert check("Units: 9-5=4.") is None
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
