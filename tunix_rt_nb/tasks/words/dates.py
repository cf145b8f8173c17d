"""Weekdays and dates of the Gregorian calendar, found by counting days, weeks and months."""

import re
from calendar import isleap, monthrange
from collections.abc import Callable, Hashable
from datetime import date, timedelta
from typing import Any, ClassVar

from tunix_rt_nb.tasks.gym import GymTask, by_level
from tunix_rt_nb.tasks.numbers import columns
from tunix_rt_nb.tasks.task import Line, Solution, worded

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
ORDINALS = ("first", "second", "third", "fourth", "last")

Question = tuple[Hashable, ...]
"""The kind of question, and its arguments."""

_NAME = (
    r"(?:Answer with the weekday's name \(e\.g\., Monday, Tuesday, etc\.\)|"
    r"Provide the full name of the weekday|State the weekday \(Monday through Sunday\)|"
    r"Give the weekday name in full|Reply with just the weekday name|"
    r"Write out the full weekday name|Respond with the weekday \(Monday-Sunday\)|"
    r"Answer using the complete weekday name|Name the day of the week in full)\."
)
_COUNT = (
    r"(?:Answer with a number|Provide the count as a number|Respond with just the number|"
    r"Write the total number|Give the count numerically|State the amount as a number|"
    r"Reply with the numerical value|Express your answer as a number)\."
)
_FORMS = {
    "weekday_offset": (
        _NAME,
        r"If today is DATE, YEAR, what day of the week (?:will it be in ON days|"
        r"was it BACK days ago)\?",
        r"Starting from DATE, YEAR, which weekday "
        r"(?:falls after a ON-day jump|was it BACK days before)\?",
        r"Count (?:forward ON|backward BACK) days from DATE, YEAR - what's the weekday\?",
    ),
    "is_leap_year": (
        r"Answer with Yes or No\.",
        r"Determine if the year YEAR is a leap year\.",
        r"Is YEAR a leap year\?",
        r"Tell me whether YEAR is a leap year\.",
    ),
    "weekday_of_date_from_first_date": (
        _NAME,
        r"If the first day of the year was a WEEKDAY, what day of the week will MONTH DAY be\?",
        r"Given that January 1 fell on a WEEKDAY, which weekday occurs on MONTH DAY\?",
        r"In a year where WEEKDAY is January 1st, name the weekday of MONTH DAY\.",
    ),
    "count_days": (
        _COUNT,
        r"How many WEEKDAYs are there from DATE, SAME to END, YEAR \(inclusive of both dates\)\?",
        r"Count the occurrences of WEEKDAY from DATE to END, YEAR "
        r"\(including both start and end dates\)\.",
        r"Between DATE, SAME and END, YEAR \(counting both dates\), "
        r"how many times does WEEKDAY occur\?",
    ),
    "recurring_event_day": (
        rf"{_COUNT} Answer with -1 if the ordinal does not exist in the month\.",
        r"If a meeting is scheduled on the ORDINAL WEEKDAY of MONTH YEAR, "
        r"on which day of the month does it occur\?",
        r"In MONTH YEAR, if an event recurs on the ORDINAL WEEKDAY, "
        r"what is the date \(day of the month\) of the event\?",
        r"Determine the day of the month for the ORDINAL WEEKDAY in MONTH YEAR\.",
    ),
}
_DATE = rf"(?:{'|'.join(WEEKDAYS)}), (?:{'|'.join(MONTHS)}) [1-9][0-9]?"
_BLANKS = {
    "WEEKDAY": "|".join(WEEKDAYS),
    "MONTH": "|".join(MONTHS),
    "ORDINAL": "|".join(ORDINALS),
    "YEAR": "[12][0-9]{3}",
    "SAME": "[12][0-9]{3}",
    "DATE": _DATE,
    "END": _DATE,
    "DAY": "[1-9][0-9]?",
    "ON": "[1-9][0-9]{0,2}",
    "BACK": "[1-9][0-9]{0,2}",
}


def _compiled(form: str) -> re.Pattern[str]:
    """Compile a sentence into a regex; each word in capitals, such as `DATE`, is a named group."""
    names = "|".join(_BLANKS)
    return re.compile(re.sub(names, lambda name: f"(?P<{name[0]}>{_BLANKS[name[0]]})", form))


_PROMPTS = [
    (kind, _compiled(f"{form} {end}")) for kind, (end, *forms) in _FORMS.items() for form in forms
]


class CalendarArithmetic(GymTask):
    """Questions such as: which weekday is in 10 days, how many Mondays are between two dates."""

    name = "calendar_arithmetic"
    about = "weekdays and leap years (medium: count weekdays in a span; hard: the third Friday)"
    settings: ClassVar = by_level(
        tasks=(
            ["weekday_offset", "is_leap_year"],
            ["weekday_offset", "weekday_of_date_from_first_date", "count_days"],
            ["count_days", "recurring_event_day"],
        ),
        year=(2022, 2024, 2026),
        offset_upper_bound=(20, 50, 100),
        leap_year_range=(800, 200, 200),
    )

    def sound(self, item: dict[str, Any]) -> bool:
        # The prompt names no year, so from March on a leap year would have another answer.
        first = item["metadata"]["task"] == "weekday_of_date_from_first_date"
        return not first or item["metadata"]["delta_days"] < 59

    def read(self, prompt: str) -> Question:
        for kind, form in _PROMPTS:
            match = form.fullmatch(prompt)
            if match:
                return kind, *_KINDS[kind][0](match.groupdict())
        raise ValueError(f"no known question about dates matches: {prompt[:80]!r}")

    def solve(self, problem: Question, grain: str) -> Solution:
        kind, *asked = problem
        return _KINDS[str(kind)][1](*asked, grain)

    def score(self, answer: str, problem: Question) -> float:
        """Score an answer; capitals do not matter."""
        text = answer.strip().capitalize()
        if not re.fullmatch("[A-Z][a-z]{1,9}|[0-9]{1,2}", text):
            return 0.0
        return super().score(text, problem)

    def metadata(self, problem: Question) -> dict[str, Any]:
        return {"task": problem[0]}

    def facts(self, problem: Question) -> dict[str, Any]:
        return {"question": problem[0]}


def _date(text: str, year: str) -> date:
    weekday, month, day = text.replace(",", "").split()
    found = date(int(year), MONTHS.index(month) + 1, int(day))
    if WEEKDAYS[found.weekday()] != weekday:
        raise ValueError(f"{text}, {year} is not a {weekday}")
    return found


def _read_offset(said: dict[str, str]) -> tuple[date, int]:
    days = int(said["ON"]) if said["ON"] else -int(said["BACK"])
    return _date(said["DATE"], said["YEAR"]), days


def _read_first(said: dict[str, str]) -> tuple[str, str, int]:
    month, day = said["MONTH"], int(said["DAY"])
    if (month, day) == ("January", 1) or day > {"January": 31, "February": 28}.get(month, 0):
        raise ValueError(f"expected a date from January 2 to February 28, not {month} {day}")
    return said["WEEKDAY"], month, day


def _read_count(said: dict[str, str]) -> tuple[str, date, date]:
    start, end = (_date(said[name], said["YEAR"]) for name in ("DATE", "END"))
    if said.get("SAME", said["YEAR"]) != said["YEAR"] or start > end:
        raise ValueError(f"dates must be in one year, in order: {said['DATE']} to {said['END']}")
    return said["WEEKDAY"], start, end


def _read_recurring(said: dict[str, str]) -> tuple[int, int, str, str]:
    month = MONTHS.index(said["MONTH"]) + 1
    return int(said["YEAR"]), month, said["ORDINAL"], said["WEEKDAY"]


def _offset(start: date, days: int, grain: str) -> Solution:
    return _walk(WEEKDAYS[start.weekday()], days, grain)


def _walk(weekday: str, days: int, grain: str) -> Solution:
    """Find the weekday `days` after a given one, or before it if `days` is negative."""
    way = "on" if days > 0 else "back"
    rest = abs(days) % 7
    path = [_after(weekday, k if days > 0 else -k) for k in range(1, rest + 1)] or [weekday]
    lines = [worded("weeks", "In weeks", f"{_divided(abs(days), 7)}.")]
    if grain == "coarse":
        lines, rest, path = [], abs(days), path[-1:]
    said = f"{weekday} {rest} {way}: {', '.join(path)}."
    return Solution([*lines, ("days", f"From {said}", f"Now from {said}")], path[-1])


def _after(weekday: str, days: int) -> str:
    return WEEKDAYS[(WEEKDAYS.index(weekday) + days) % 7]


def _divided(n: int, by: int) -> str:
    """Write the division of `n` by `by`, with the remainder: `7*2=14, 17-14=3`."""
    rest = n % by
    return f"{by}*{n // by}={n - rest}, {n}-{n - rest}={rest}"


def _leap(year: int, grain: str) -> Solution:
    century, last = divmod(year, 100)
    # A year that ends in 00 is a leap year if the number before the 00 is divisible by four.
    n = last or century
    ends = f"{year} ends in {last:02d}" + ("" if last else f", so take {century}")
    said = f"{_divided(n, 4)}, {'no' if n % 4 else 'a'} leap year."
    lines: list[Line] = [
        ("digits", f"{ends}.", f"The year {ends}."),
        ("divide", said, f"By four, {said}"),
    ]
    if grain == "coarse":
        lines = [("divide", f"{year}: {said}", f"For {year}, {said}")]
    return Solution(lines, "Yes" if isleap(year) else "No")


def _first(weekday: str, month: str, day: int, grain: str) -> Solution:
    place = day if month == "January" else 31 + day
    lines: list[Line] = []
    if place > day:
        said = f"{month} {day} is day 31+{day} of the year."
        lines = [worded("days", "Note that", said), *columns.add(31, day)]
    said = f"{month} {day}, {place}-1={place - 1} on from January 1."
    last = ("days", f"It is {said}", f"So it is {said}")
    walk, answer = _walk(weekday, place - 1, grain)
    return Solution([*(lines if grain == "fine" else []), last, *walk], answer)


def _count(weekday: str, start: date, end: date, grain: str) -> Solution:
    """Count how often a weekday occurs from one date to another, both included.

    The solution's steps find the first such weekday, then add a week at a time until a date lies
    after `end`.
    """
    here = WEEKDAYS[start.weekday()]
    gap = (WEEKDAYS.index(weekday) - start.weekday()) % 7
    lines: list[Line] = [_gap(here, weekday, gap)]
    found: list[str] = []
    while start + timedelta(gap) <= end:
        said = _sum(start, gap)
        start, gap = start + timedelta(gap), 7
        found.append(_said(start))
        lines.append(("count", f"{said} is number {len(found)}.", f"{said}, number {len(found)}."))
    said = f"{_sum(start, gap)} is after {_said(end)}: {len(found)} in all."
    lines.append(worded("end", "Then", said))
    if grain == "coarse":
        said = f"{', '.join(found) or 'none'}: {len(found)}."
        lines = [worded("count", "These are", said)]
    return Solution(lines, str(len(found)))


def _gap(a: str, b: str, days: int) -> Line:
    return ("days", f"Days from {a} to {b}: {days}.", f"From {a} to {b}, in days: {days}.")


def _sum(day: date, days: int) -> str:
    """Write the sum of a day of the month and `days`, and the date that results.

    For January 30 and 7 days, this is `30+7=37=31+6: February 6`.
    """
    length = monthrange(day.year, day.month)[1]
    total = day.day + days
    after = day + timedelta(days)
    carried = f"={length}+{after.day}" if total > length else ""
    return f"{day.day}+{days}={total}{carried}: {_said(after)}"


def _said(day: date) -> str:
    return f"{MONTHS[day.month - 1]} {day.day}"


def _recurring(year: int, month: int, ordinal: str, weekday: str, grain: str) -> Solution:
    """Find the date of, for example, the third Friday of a month.

    The solution's steps find the weekday of the first day of each month, from January to the month
    asked for. In this month, they find the first `weekday`, then add a week at a time.
    """
    here = WEEKDAYS[date(year, 1, 1).weekday()]
    lines = [worded("year", "Note that", f"January 1, {year} is a {here}.")]
    for m in range(1, month):
        length = monthrange(year, m)[1]
        here = _after(here, length)
        said = f"{MONTHS[m - 1]}: {length}=28+{length - 28}, {MONTHS[m]} 1 is a {here}."
        lines.append(worded("month", "After", said))
    length = monthrange(year, month)[1]
    gap = (WEEKDAYS.index(weekday) - WEEKDAYS.index(here)) % 7
    day = 1 + gap
    said = f"1+{gap}={day}."
    lines += [_gap(here, weekday, gap), ("week", f"First: {said}", f"So the first is {said}")]
    n = 1
    while n <= ORDINALS.index(ordinal) and day + 7 <= length:
        said, day, n = f"{day}+7={day + 7}.", day + 7, n + 1
        lines.append(("week", f"A week on: {said}", f"The next is {said}"))
    if ordinal == "last":
        said = f"{length} days, so {day} is the last."
        lines.append(("end", f"{MONTHS[month - 1]} has {said}", f"It has {said}"))
    if grain == "coarse":
        first = f"{MONTHS[month - 1]} 1, {year} is a {here}."
        said = f"the {ordinal} {weekday} is {day}."
        lines = [("year", first, f"Note: {first}"), ("week", f"So {said}", f"Then {said}")]
    return Solution(lines, str(day))


_KINDS: dict[str, tuple[Callable[[dict[str, str]], Question], Callable[..., Solution]]] = {
    "weekday_offset": (_read_offset, _offset),
    "is_leap_year": (lambda said: (int(said["YEAR"]),), _leap),
    "weekday_of_date_from_first_date": (_read_first, _first),
    "count_days": (_read_count, _count),
    "recurring_event_day": (_read_recurring, _recurring),
}
