"""Sorting words by insertion: each word is compared, from the left, with the words in place."""

import re
from itertools import takewhile
from typing import Any, ClassVar

from tunix_rt_nb.tasks.gym import GymTask, by_level
from tunix_rt_nb.tasks.task import Line, Solution, matched, worded

_WORD = "[A-Za-z0-9]{1,20}"
_PROMPT = re.compile(
    r"Your task is to sort words in ascending or descending order using ASCII/Unicode ordering\."
    r"\n\nYour output should be a comma-separated list of words, e\.g\. word_1, word_2, word_3\n\n"
    r"Now, sort these words in (ascending|descending) order \(using ASCII/Unicode ordering\) and "
    rf"return them as a comma-separated list: ({_WORD}(?:, {_WORD}){{1,19}})"
)

Words = tuple[bool, tuple[str, ...]]
"""True for ascending order, and the words."""


class WordSorting(GymTask):
    """Words in the order of their character codes: digits, then capitals, then small letters."""

    name = "word_sorting"
    about = "sort 3 words (medium 4 to 5, hard 6 to 8), up or down, capitals before small letters"
    settings: ClassVar = by_level(
        min_words=(3, 4, 6), max_words=(3, 5, 8), max_word_length=(6, 8, 10)
    )

    def sound(self, item: dict[str, Any]) -> bool:
        # The words come from a text with a few accents and underscores, which `read` refuses.
        return all(re.fullmatch(_WORD, word) for word in item["metadata"]["sorted_words"])

    def read(self, prompt: str) -> Words:
        match = matched(prompt, "sorts no words", _PROMPT)
        words = tuple(match[2].split(", "))
        if len(set(words)) < len(words):
            raise ValueError(f"has a word twice: {prompt[-80:]!r}")
        return match[1] == "ascending", words

    def solve(self, problem: Words, grain: str) -> Solution:
        ascending, words = problem
        order = [words[0]]
        lines: list[Line] = []
        for word in words[1:]:
            place = 0
            while place < len(order):
                first = (word < order[place]) == ascending
                if grain == "fine":
                    lines += _compare(word, order[place], word if first else order[place])
                if first:
                    break
                place += 1
            beside = f"before {order[place]}" if place < len(order) else f"after {order[-1]}"
            order.insert(place, word)
            lines.append(worded("insert", "So", f"{word} goes {beside}: {', '.join(order)}."))
        return Solution(lines, ", ".join(order))

    def score(self, answer: str, problem: Words) -> float:
        # reasoning-gym also accepts a list that goes on after the right words, so count its commas.
        return super().score(answer, problem) if answer.count(",") < len(problem[1]) else 0.0

    def metadata(self, problem: Words) -> dict[str, Any]:
        ascending, words = problem
        return {"sorted_words": sorted(words, reverse=not ascending)}


def _compare(a: str, b: str, first: str) -> list[Line]:
    """Return the steps that compare two words by the characters where they first differ.

    `first` is the word of the two that comes first in the sorted list. A word counts as smaller
    than a longer word that begins with it.
    """
    start = "".join(x for x, _ in takewhile(lambda xy: xy[0] == xy[1], zip(a, b, strict=False)))
    x, y = a[len(start) :][:1], b[len(start) :][:1]
    lines: list[Line] = []
    if start:
        lines.append(worded("compare", "Note that", f"{a} and {b} both start with {start}."))
    if x and y:
        reason = f"{_kind(x, y)}{x} is {'before' if x < y else 'after'} {_kind(y, x)}{y}"
    else:
        reason = f"{b if x else a} ends there"
    lines.append(
        ("compare", f"{a} or {b}: {reason}, so {first}.", f"{a} or {b}? {reason}: {first} first.")
    )
    return lines


def _kind(x: str, y: str) -> str:
    """Return the kind of the character `x`: `digit `, `capital ` or `small `.

    Return an empty string if `y` is of the same kind.
    """
    kinds = ["digit " if c.isdigit() else "capital " if c.isupper() else "small " for c in (x, y)]
    return "" if kinds[0] == kinds[1] else kinds[0]
