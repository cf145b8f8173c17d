import calendar
import re
from collections.abc import Callable
from datetime import date, timedelta

import pytest
from hypothesis import given, strategies as st

from tests.conftest import some, with_step
from tests.tasks.test_arithmetic import check_columns
from tunix_rt_nb import tasks
from tunix_rt_nb.trace.trace import Trace

DAYS = list(calendar.day_name)
MONTHS = list(calendar.month_name)
ORDINALS = ["first", "second", "third", "fourth", "last"]
DAY = "|".join(DAYS)
MONTH = "|".join(MONTHS[1:])


def dates(prompt: str) -> list[date]:
    """The dates that a prompt names with their weekday."""
    year = int(re.findall(r", (\d{4})", prompt)[-1])
    said = re.findall(rf"(?:{DAY}), (\w+) (\d+)", prompt)
    return [date(year, MONTHS.index(month), int(day)) for month, day in said]


def counted(prompt: str) -> str:
    [found] = re.findall(rf"How many ({DAY})s|of ({DAY}) from|does ({DAY}) occur", prompt)
    return "".join(found)


def hits(prompt: str) -> list[date]:
    """Each day that is to be counted."""
    start, end = dates(prompt)
    every = (start + timedelta(k) for k in range((end - start).days + 1))
    return [day for day in every if DAYS[day.weekday()] == counted(prompt)]


def month(prompt: str) -> tuple[list[int], date, str]:
    """The days of a month that fall on the weekday, its first day, and which of them is asked."""
    ordinal, weekday = re.findall(rf"({'|'.join(ORDINALS)}) ({DAY})", prompt)[0]
    name, year = re.findall(rf"({MONTH}) (\d{{4}})", prompt)[0]
    column = [
        week[DAYS.index(weekday)] for week in calendar.monthcalendar(int(year), MONTHS.index(name))
    ]
    return [day for day in column if day], date(int(year), MONTHS.index(name), 1), ordinal


def right_answer(prompt: str) -> str:
    if "leap year" in prompt:
        [year] = re.findall(r"\d{4}", prompt)
        return "Yes" if date(int(year), 12, 31).timetuple().tm_yday == 366 else "No"
    if re.search(rf"(?:{MONTH}) \d{{4}}", prompt):
        days, _, ordinal = month(prompt)
        return str(days[-1] if ordinal == "last" else days[ORDINALS.index(ordinal)])
    if re.search("How many|Count the|Between", prompt):
        return str(len(hits(prompt)))
    if m := re.search(r"(\d+)[ -]days?", prompt):
        days_on = -int(m[1]) if re.search("ago|before|backward", prompt) else int(m[1])
        return DAYS[(dates(prompt)[0] + timedelta(days_on)).weekday()]
    [weekday] = re.findall(rf"(?:a|where) ({DAY})\b", prompt)
    name, day = re.findall(r"(January|February) (\d+)\b", prompt.replace("January 1 fell", ""))[-1]
    year = next(y for y in range(1999, 2030) if DAYS[date(y, 1, 1).weekday()] == weekday)
    return DAYS[date(year, MONTHS.index(name), int(day)).weekday()]


def walks(m: re.Match[str], prompt: str) -> bool:
    start, n, way, path = m[1], int(m[2]), 1 if m[3] == "on" else -1, m[4].split(", ")
    days = [DAYS[(DAYS.index(start) + way * k) % 7] for k in range(1, n + 1)] or [start]
    return start in prompt and path in (days, days[-1:]) and path[-1] == right_answer(prompt)


def ends(m: re.Match[str], prompt: str) -> bool:
    return m[1] in prompt and m[1].endswith(m[2]) and m[3] == (m[1][:2] if m[2] == "00" else None)


def leap(m: re.Match[str], prompt: str) -> bool:
    [year] = re.findall(r"\d{4}", prompt)
    right = m[1] in (None, year) and int(m[3]) == int(year[2:] if year[2:] != "00" else year[:2])
    return right and m[2] == m[4] and (m[5] == "a") == (right_answer(prompt) == "Yes")


def place(m: re.Match[str], prompt: str) -> bool:
    return (
        f"{m[1]} {m[2]}" in prompt
        and int(m[3]) == date(2023, MONTHS.index(m[1]), int(m[2])).timetuple().tm_yday
    )


def gap(m: re.Match[str], prompt: str) -> bool:
    return DAYS[(DAYS.index(m[1]) + int(m[3])) % 7] == m[2] and m[2] in prompt


def number(m: re.Match[str], prompt: str) -> bool:
    found = [f"{MONTHS[day.month]} {day.day}" for day in hits(prompt)]
    return (m[1], int(m[2])) in zip(found, range(1, 99), strict=False)


def late(m: re.Match[str], prompt: str) -> bool:
    end = dates(prompt)[1]
    after = (end + timedelta(k) for k in range(1, 8))
    [day] = [day for day in after if DAYS[day.weekday()] == counted(prompt)]
    said = [f"{MONTHS[d.month]} {d.day}" for d in (day, end)]
    return [m[1], m[2]] == said and int(m[3]) == len(hits(prompt))


def listed(m: re.Match[str], prompt: str) -> bool:
    found = [f"{MONTHS[day.month]} {day.day}" for day in hits(prompt)]
    return m[1] == (", ".join(found) or "none") and int(m[2]) == len(found)


def starts(m: re.Match[str], prompt: str) -> bool:
    year = month(prompt)[1].year
    said = date(year, MONTHS.index(m[1]), 1)
    return m[2] in (None, str(year)) and DAYS[said.weekday()] == m[3]


def follows(m: re.Match[str], prompt: str) -> bool:
    first = date(month(prompt)[1].year, MONTHS.index(m[1]), 1)
    after = first + timedelta(int(m[2]))
    return (
        after.day == 1
        and int(m[3]) == 28
        and f"{MONTHS[after.month]} {DAYS[after.weekday()]}" == f"{m[4]} {m[5]}"
    )


def week(m: re.Match[str], prompt: str) -> bool:
    days = month(prompt)[0]
    return int(m[3]) in days and (m[2] == "7" or (m[1] == "1" and int(m[3]) == days[0]))


def last(m: re.Match[str], prompt: str) -> bool:
    days, first, ordinal = month(prompt)
    length = calendar.monthrange(first.year, first.month)[1]
    return (
        m[1] in (None, MONTHS[first.month])
        and int(m[2]) == length
        and int(m[3]) == days[-1]
        and ordinal == "last"
    )


def asked(m: re.Match[str], prompt: str) -> bool:
    return f"{m[1]} {m[2]}" in prompt and m[3] == right_answer(prompt)


def weeks(m: re.Match[str], prompt: str) -> bool:
    days = re.findall(r"(\d+)[ -]days?\b", prompt)
    if not days:
        told = prompt.replace("January 1 fell", "")
        name, day = re.findall(r"(January|February) (\d+)\b", told)[-1]
        days = [str(int(day) + (30 if name == "February" else -1))]
    return m[3] == days[0] and m[2] == m[4] and int(m[1]) == int(m[3]) // 7


RULES: list[tuple[str, Callable[[re.Match[str], str], bool]]] = [
    (rf"(?:From|Now from) ({DAY}) (\d+) (on|back): ([A-Za-z, ]+)\.", walks),
    (r"(?:The year )?(\d{4}) ends in (\d\d)(?:, so take (\d\d))?\.", ends),
    (
        r"(?:By four, |(?:For )?(\d{4})[:,] )?4\*\d+=(\d+), (\d+)-(\d+)=[0-3], (a|no) leap year\.",
        leap,
    ),
    (r"(?:Note that )?(February) (\d+) is day (31\+\2) of the year\.", lambda m, p: m[2] in p),
    (r"(?:It is|So it is) (\w+) (\d+), (\d+)-1=\d+ on from January 1\.", place),
    (rf"(?:Days from|From) ({DAY}) to ({DAY})(?:, in days)?: ([0-6])\.", gap),
    (r"[\d+=]+: (\w+ \d+)(?: is|,) number (\d+)\.", number),
    (r"(?:Then )?[\d+=]+: (\w+ \d+) is after (\w+ \d+): (\d+) in all\.", late),
    (r"(?:These are )?(none|(?:[A-Z][a-z]+ \d+(?:, )?)+): (\d+)\.", listed),
    (rf"(?:Note(?: that|:) )?(\w+) 1, (\d+) is a ({DAY})\.", starts),
    (rf"(?:After )?(\w+): (\d+)=(28)\+\d, (\w+) 1 is a ({DAY})\.", follows),
    (r"(?:First:|So the first is|A week on:|The next is) (\d+)\+(\d)=(\d+)\.", week),
    (r"(?:It|(\w+)) has (\d+) days, so (\d+) is the last\.", last),
    (rf"(?:So|Then) the (\w+) ({DAY}) is (\d+)\.", asked),
    (r"(?:In weeks )?7\*(\d+)=(\d+), (\d+)-(\d+)=\d\.", weeks),
    (
        r"(?:Units:|Tens:|In the units|In the tens) [\d+=, ]+(?:, carry \d|, so 31[\d+]+=\d+)?\.",
        lambda m, p: True,
    ),
]


def check_dates(trace: Trace) -> list[str]:
    texts = [step.content for step in trace.steps]
    wrong = check_columns(texts)
    for text in texts:
        for equation in re.findall(r"\d[\d*+-]*(?:=[\d*+-]+)+", text):
            wrong += [text] * (len({eval(side) for side in equation.split("=")}) > 1)
        if not any(
            holds(m, trace.prompt) for form, holds in RULES if (m := re.fullmatch(form, text))
        ):
            wrong.append(text)
    return wrong if trace.final_answer == right_answer(trace.prompt) else [*wrong, "answer"]


ORACLES: dict[str, Callable[[Trace], list[str]]] = {"calendar_arithmetic": check_dates}


@pytest.mark.slow
@pytest.mark.parametrize("level", tasks.DIFFICULTIES)
def test_the_other_implementation_notices_a_wrong_step(level: str) -> None:
    noticed, missed = 0, []
    for trace in some("calendar_arithmetic", 15, 2, level):
        for step in trace.steps:
            for spot in re.finditer(rf"\d+|{DAY}|{MONTH}", step.content):
                other = {"Sunday": "Monday", "March": "April"}.get(
                    spot[0], "Sunday" if "day" in spot[0] else "March"
                )
                new = str(int(spot[0]) + 1) if spot[0].isdigit() else other
                text = step.content[: spot.start()] + new + step.content[spot.end() :]
                if check_dates(with_step(trace, step.i, text)):
                    noticed += 1
                else:
                    missed.append(text)
    assert noticed > 50 * len(missed), missed


TUESDAY = "Tuesday, March 1, 2022"


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("Is 1900 a leap year? Answer with Yes or No.", "No"),
        ("Is 2000 a leap year? Answer with Yes or No.", "Yes"),
        ("Is 2100 a leap year? Answer with Yes or No.", "No"),
        ("Is 2024 a leap year? Answer with Yes or No.", "Yes"),
        ("Is 2002 a leap year? Answer with Yes or No.", "No"),
        (
            f"If today is {TUESDAY}, what day of the week will it be in 7 days? Reply with just the weekday name.",
            "Tuesday",
        ),
        (
            f"If today is {TUESDAY}, what day of the week was it 1 days ago? Reply with just the weekday name.",
            "Monday",
        ),
        (
            f"Count backward 9 days from {TUESDAY} - what's the weekday? Reply with just the weekday name.",
            "Sunday",
        ),
        (
            f"Starting from {TUESDAY}, which weekday falls after a 12-day jump? Reply with just the weekday name.",
            "Sunday",
        ),
        (
            "Given that January 1 fell on a Sunday, which weekday occurs on February 1? Give the weekday name in full.",
            "Wednesday",
        ),
        (
            "Given that January 1 fell on a Sunday, which weekday occurs on January 31? Give the weekday name in full.",
            "Tuesday",
        ),
        (
            f"How many Tuesdays are there from {TUESDAY} to {TUESDAY} (inclusive of both dates)? Answer with a number.",
            "1",
        ),
        (
            f"How many Mondays are there from {TUESDAY} to Sunday, March 6, 2022 (inclusive of both dates)? Answer with a number.",
            "0",
        ),
        (
            "Count the occurrences of Thursday from Thursday, February 1 to Thursday, March 7, 2024 (including both start and end dates). Answer with a number.",
            "6",
        ),
        (
            "Determine the day of the month for the last Sunday in February 2024. Answer with a number. Answer with -1 if the ordinal does not exist in the month.",
            "25",
        ),
        (
            "Determine the day of the month for the last Thursday in February 2024. Answer with a number. Answer with -1 if the ordinal does not exist in the month.",
            "29",
        ),
        (
            "Determine the day of the month for the first Monday in January 2024. Answer with a number. Answer with -1 if the ordinal does not exist in the month.",
            "1",
        ),
    ],
)
def test_dates_worked_out_by_hand(prompt: str, answer: str) -> None:
    task = tasks.get("calendar_arithmetic")
    problem = task.read(prompt)
    assert {task.solve(problem, grain).answer for grain in tasks.GRAINS} == {answer}
    assert right_answer(prompt) == answer


@given(st.dates(date(1600, 1, 1), date(2600, 1, 1)), st.integers(1, 999), st.booleans())
def test_any_day_so_many_days_away_is_found(start: date, days: int, back: bool) -> None:
    said = f"{DAYS[start.weekday()]}, {MONTHS[start.month]} {start.day}, {start.year}"
    ask = "was it {} days before" if back else "falls after a {}-day jump"
    prompt = f"Starting from {said}, which weekday {ask.format(days)}? Provide the full name of the weekday."
    task = tasks.get("calendar_arithmetic")
    end = start + timedelta(-days if back else days)
    assert task.solve(task.read(prompt), "fine").answer == DAYS[end.weekday()]


@pytest.mark.parametrize(
    ("prompt", "right", "wrong"),
    [
        (
            "Is 2024 a leap year? Answer with Yes or No.",
            ["Yes", "yes", " YES\n"],
            ["No", "Yes or No", "Yes, No", "Y", ""],
        ),
        (
            f"Count forward 6 days from {TUESDAY} - what's the weekday? Name the day of the week in full.",
            ["Monday", "monday"],
            ["Mon", "Monday or Tuesday", "Mondays", "1"],
        ),
        (
            f"How many Sundays are there from {TUESDAY} to Saturday, April 30, 2022 (inclusive of both dates)? Answer with a number.",
            ["8", " 8", "08"],
            ["9", "8.0", "+8", "8_0", "٨", "9" * 400, "9" * 5000, "-8", "eight", "7 or 8"],
        ),
    ],
)
def test_only_the_right_answer_scores(prompt: str, right: list[str], wrong: list[str]) -> None:
    task = tasks.get("calendar_arithmetic")
    problem = task.read(prompt)
    assert [task.score(answer, problem) for answer in right] == [1.0] * len(right)
    assert [task.score(answer, problem) for answer in wrong] == [0.0] * len(wrong)


@pytest.mark.parametrize(
    "prompt",
    [
        "Given that January 1 fell on a Sunday, which weekday occurs on March 1? Give the weekday name in full.",  # of which year?
        "Given that January 1 fell on a Sunday, which weekday occurs on February 29? Give the weekday name in full.",
        "Given that January 1 fell on a Sunday, which weekday occurs on January 32? Give the weekday name in full.",
        "If today is Monday, March 1, 2022, what day of the week will it be in 7 days? Reply with just the weekday name.",
        "If today is Tuesday, February 30, 2022, what day of the week will it be in 7 days? Reply with just the weekday name.",
        f"If today is {TUESDAY}, what day of the week will it be in 7 days?",
        f"If today is {TUESDAY}, what day of the week will it be in 07 days? Reply with just the weekday name.",
        f"If today is {TUESDAY}, what day of the week will it be in {'9' * 5000} days? Reply with just the weekday name.",
        "Is 99999 a leap year? Answer with Yes or No.",
        "Is ٢٠٢٤ a leap year? Answer with Yes or No.",
        f"How many Mondays are there from {TUESDAY} to Monday, February 28, 2022 (inclusive of both dates)? Answer with a number.",
        "How many Mondays are there from Friday, March 1, 2024 to Saturday, March 1, 2025 (inclusive of both dates)? Answer with a number.",
    ],
)
def test_dates_that_are_none_or_not_certain_are_refused(prompt: str) -> None:
    with pytest.raises(ValueError, match="date|day|asks|span"):
        tasks.get("calendar_arithmetic").read(prompt)
