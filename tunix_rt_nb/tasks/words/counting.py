"""Tasks that count letters and legs, or tell larger numbers from smaller ones."""

import re
from decimal import Decimal
from typing import Any, ClassVar

from tunix_rt_nb.tasks.gym import GymTask, by_level
from tunix_rt_nb.tasks.numbers import columns
from tunix_rt_nb.tasks.task import Line, Solution, matched, worded

LEGS = {
    **dict.fromkeys(("snake", "sea slug", "jellyfish", "flatworm", "leech"), 0),
    **dict.fromkeys(("chicken", "bird", "human", "duck"), 2),
    **dict.fromkeys(("dog", "cat", "cow", "horse", "lion", "elephant", "giraffe", "tiger"), 4),
    **dict.fromkeys(("deer", "sheep"), 4),
    "starfish": 5,
    **dict.fromkeys(("insect", "ant", "butterfly", "beetle", "bee", "wasp", "grasshopper"), 6),
    **dict.fromkeys(("cricket", "cockroach", "praying mantis", "firefly"), 6),
    **dict.fromkeys(("spider", "scorpion"), 8),
    **dict.fromkeys(("crab", "lobster", "shrimp"), 10),
    "woodlouse": 14,
}

_LETTER_PROMPT = re.compile(
    r'How many times does the letter "([a-z])" appear in the text: '
    r'"([A-Za-z0-9]{1,30}(?: [A-Za-z0-9]{1,30}){0,29})"\?'
)
_HERD = rf"[1-9][0-9]{{0,2}} (?:{'|'.join(LEGS)})s?"
_LEG_PROMPT = re.compile(
    r"Your task is to count how many legs there are in total when given a list of animals\.\n\n"
    rf"Now, how many legs are there in total if you have ({_HERD}(?:, {_HERD}){{0,19}})\?"
)
_NUMBER = r"-?(?:0|[1-9][0-9]{0,3})(?:\.[0-9]{1,4})?"
_FILTER_PROMPT = re.compile(
    rf"(Keep|Remove) all numbers (larger|smaller) than ({_NUMBER}) in this list: "
    rf"\[('{_NUMBER}'(?:, '{_NUMBER}'){{0,29}})\]\nReturn the new list in the same format\."
)
_ITEM = re.compile(rf"(['\"]?)({_NUMBER})\1")

Letters = tuple[str, tuple[str, ...]]
Animals = tuple[tuple[str, int], ...]
Filter = tuple[bool, str, str, tuple[str, ...]]
"""True to keep or False to remove; `larger` or `smaller`; the limit; the numbers."""


class LetterCounting(GymTask):
    """The number of times a letter, capital or small, appears in a text, counted word by word."""

    name = "letter_counting"
    about = "how many times a letter appears in 2 to 3 words (medium 4 to 6, hard 8 to 12)"
    settings: ClassVar = by_level(min_words=(2, 4, 8), max_words=(3, 6, 12))

    def sound(self, item: dict[str, Any]) -> bool:
        # The words come from a text with numbers and a few accents; 2 and ë are no letters here.
        return item["question"].isascii() and item["metadata"]["target_letter"].isalpha()

    def read(self, prompt: str) -> Letters:
        match = matched(prompt, "counts no letter", _LETTER_PROMPT)
        return match[1], tuple(match[2].split(" "))

    def solve(self, problem: Letters, grain: str) -> Solution:
        letter, words = problem
        lines: list[Line] = []
        total = 0
        for word in words:
            n = word.lower().count(letter)
            total += n
            if grain == "fine":
                lines += [
                    worded("spell", "Spell", f"{word}: {' '.join(word.lower())}."),
                    (
                        "count",
                        f"{letter}: {n}, {total} so far.",
                        f"Of {letter} there: {n}, so far: {total}.",
                    ),
                ]
            else:
                lines.append(worded("count", "There are", f"{n} in {word}, {total} so far."))
        return Solution(lines, str(total))


class LegCounting(GymTask):
    """The number of legs of some animals, added up kind by kind."""

    name = "leg_counting"
    about = "the legs of 2 kinds of animals (medium 3 to 4, hard 5 to 7), up to 5, 9 or 15 of each"
    settings: ClassVar = by_level(
        min_animals=(2, 3, 5), max_animals=(2, 4, 7), max_instances=(5, 9, 15)
    )

    def read(self, prompt: str) -> Animals:
        match = matched(prompt, "counts no legs", _LEG_PROMPT)
        herds = [herd.split(" ", 1) for herd in match[1].split(", ")]
        animals = tuple((kind if n == "1" else kind[:-1], int(n)) for n, kind in herds)
        if not LEGS.keys() >= dict(animals).keys() or len(dict(animals)) < len(animals):
            raise ValueError(f"an animal is named twice, or is unknown: {prompt[-80:]!r}")
        return animals

    def solve(self, problem: Animals, grain: str) -> Solution:
        lines: list[Line] = []
        total = 0
        for animal, n in problem:
            legs = LEGS[animal]
            if grain == "fine":
                lines.append(("legs", f"One {animal}: {legs}.", f"One {animal} has {legs} legs."))
                if legs:
                    lines += columns.multiply(max(n, legs), min(n, legs))
                if legs and total:
                    lines += columns.add(total, n * legs)
            total += n * legs
            if grain == "coarse":
                said = f"{animal}: {n}*{legs}={n * legs}, {total} so far."
                lines.append(worded("legs", "Legs of", said))
        if grain == "fine":
            lines.append(("total", f"In all {total} legs.", f"Together {total} legs."))
        return Solution(lines, str(total))


class NumberFiltering(GymTask):
    """Lists of numbers; those larger or smaller than a limit are kept or removed."""

    name = "number_filtering"
    about = (
        "keep or remove larger or smaller numbers: 3 to 4 (medium: and negative, hard: decimals)"
    )
    settings: ClassVar = by_level(
        min_numbers=(3, 4, 6),
        max_numbers=(4, 6, 8),
        max_decimals=(0, 0, 2),
        min_value=(1.0, -100.0, -100.0),
        max_value=(99.0, 100.0, 100.0),
    )

    def sound(self, item: dict[str, Any]) -> bool:
        # If a number is written in two ways, reasoning-gym returns it twice in the first way.
        return not _odd([item["metadata"]["filter_value"], *item["metadata"]["original_numbers"]])

    def read(self, prompt: str) -> Filter:
        match = matched(prompt, "filters no numbers", _FILTER_PROMPT)
        numbers = tuple(re.findall(_NUMBER, match[4]))
        if _odd([match[3], *numbers]):
            raise ValueError(f"a number is -0, or is written in two ways: {prompt[:80]!r}")
        return match[1] == "Keep", match[2], match[3], numbers

    def solve(self, problem: Filter, grain: str) -> Solution:
        keep, side, limit, numbers = problem
        lines: list[Line] = []
        found = [n for n in numbers if _relation(n, limit) == side]
        left = [n for n in numbers if (n in found) == keep]
        for number in numbers if grain == "fine" else ():
            said = f"{number} is {_SAID[_relation(number, limit)]} {limit}"
            end = "stays" if number in left else "goes"
            lines += _reasons(number, limit)
            lines.append(("compare", f"{said}: it {end}.", f"{said}, so it {end}."))
        if grain == "coarse":
            text = f"{side} than {limit}: {_list(found)}."
            lines.append(("compare", text.capitalize(), f"These are {text}"))
        lines.append(("list", f"Left: {_list(left)}.", f"What is left: {_list(left)}."))
        return Solution(lines, str(left))

    def score(self, answer: str, problem: Filter) -> float:
        """Score an answer, which is a list; spaces and quotes around numbers do not matter."""
        text = answer.strip()
        if not (text.startswith("[") and text.endswith("]") and len(text) < 1000):
            return 0.0
        items = [_ITEM.fullmatch(item.strip()) for item in text[1:-1].split(",")]
        if text[1:-1].strip() and not all(items):
            return 0.0
        return super().score(str([item[2] for item in items if item]), problem)


_SAID = {"larger": "larger than", "smaller": "smaller than", "equal": "equal to"}


def _odd(numbers: list[str]) -> bool:
    """Tell whether a number is -0, or is written in two ways in the list, such as 2.5 and 2.50.

    The first of `numbers` is the limit of a filter, the others are the list to filter. The limit
    may be written in another way than an equal number of the list.
    """
    values = {Decimal(number) for number in numbers[1:]}
    return len(values) < len(set(numbers[1:])) or any(
        number.startswith("-") and not Decimal(number) for number in numbers
    )


def _relation(number: str, limit: str) -> str:
    a, b = Decimal(number), Decimal(limit)
    return "larger" if a > b else "smaller" if a < b else "equal"


def _reasons(number: str, limit: str) -> list[Line]:
    """Return the steps that explain how a number compares with the limit.

    If the signs differ, one step says so. Otherwise the steps compare the digits before the point.
    If these are equal, they compare the digits after the point. Whole numbers without a sign need
    no steps.
    """
    if number.startswith("-") != limit.startswith("-"):
        sign = "is negative" if number.startswith("-") else "is not negative"
        return [("sign", f"{number} {sign}.", f"The number {number} {sign}.")]
    if "." not in number + limit:
        return [_bare("Without the signs", number, limit)] if number.startswith("-") else []
    (a, _, x), (b, _, y) = number.partition("."), limit.partition(".")
    width = max(len(x), len(y))
    lines = [_bare("Before the point", a, b)]
    if a == b:
        lines.append(_bare("After the point", x.ljust(width, "0"), y.ljust(width, "0")))
    return lines


def _bare(where: str, a: str, b: str) -> Line:
    a, b = a.removeprefix("-"), b.removeprefix("-")
    said = f"{a} is {_SAID[_relation(a, b)]} {b}."
    return ("digits", f"{where} {said}", f"{where}, {said}")


def _list(numbers: list[str]) -> str:
    return ", ".join(numbers) or "none"
