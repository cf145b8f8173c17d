"""Makes the eval set that ships: `python -m tests.evalsets`.

Problems are drawn by hashes of a text that no seed of a training draw has, and none twice. Where a
training draw comes upon one all the same, the build leaves it out.
"""

import random
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from typing import Any

from tunix_rt_nb import tasks
from tunix_rt_nb.common import files
from tunix_rt_nb.dataset import evalset
from tunix_rt_nb.host import paths
from tunix_rt_nb.trace.trace import Trace

NAME = "core-v1"
CORE = 4  # items of each task and difficulty
SENSITIVE = 5  # of each task that takes steps, medium and hard
EDGES = 4  # of each task, from easy to hard in turn

# Tasks whose answers are too many to guess.
TAKES_STEPS = (
    *("arithmetic", "products", "base_conversion", "fraction_simplification", "leg_counting"),
    *("prime_factorization", "simple_geometry", "countdown", "number_filtering", "word_sorting"),
    "gin_knock",
)
FEWEST_STEPS = 5
MOST_FREQUENT = 0.05  # the share of the most frequent answer


def _answer(pattern: str) -> Callable[[Trace], bool]:
    return lambda trace: bool(re.fullmatch(pattern, trace.final_answer))


def _step(pattern: str) -> Callable[[Trace], bool]:
    return lambda trace: any(re.search(pattern, step.content) for step in trace.steps)


def _all_of_a_kind(trace: Trace) -> bool:
    return len(set(re.findall(r" is an? (\w+)", trace.final_answer))) == 1


def _gin_or_compete(trace: Trace) -> bool:
    return trace.final_answer == "0" or _step("[Ww]ay 2")(trace)


def _nothing_or_all(trace: Trace) -> bool:
    return trace.final_answer in ("[]", re.findall(r"\[.*\]", trace.prompt)[0])


def _divides(trace: Trace) -> bool:
    return bool(re.search(rf" {trace.final_answer}[,.]", trace.prompt))


def _in_prompt(pattern: str) -> Callable[[Trace], bool]:
    return lambda trace: bool(re.search(pattern, trace.prompt))


def _every_card(trace: Trace) -> bool:
    hand = re.findall(r"I hold ([^.]*)\.", trace.prompt)[0].split()
    return len(trace.final_answer.split()) == len(hand)


# The tasks of the set, in its order: those that there were when it was made.
EDGE_CASES: dict[str, tuple[str, Callable[[Trace], bool]]] = {
    "high_card_duel": ("a tie", _answer("tie")),
    "high_card_odds": ("no chance at all", _answer("0/.*")),
    "spades_legal": ("every card may be played", _every_card),
    "spades_trick": ("a card is trumped", _step("trumped")),
    "spades_score": ("not one trick", _answer("0")),
    "gin_melds": ("gin, or melds that compete for a card", _gin_or_compete),
    "gin_discard": (
        "a meld of four cards",
        _step(r"(Melds|Runs|Sets|sequence|rank)[^:]*: .*\w\S( \w\S){3}"),
    ),
    "gin_knock": ("exactly 10, or an undercut", _answer("yes, 10|defender, .*")),
    "arithmetic": ("nothing is left", _answer("0")),
    "products": ("a factor that ends in 0, or is 1", _in_prompt(r"0 \*|0\.| 1 ")),
    "gcd": ("a number that divides the others", _divides),
    "prime_factorization": ("a prime", _answer("[0-9]+")),
    "fraction_simplification": ("a whole number, or one part of it", _answer("1/.*|.*/1")),
    "base_conversion": ("an answer that ends in 0", _answer(".*0")),
    "simple_equations": ("the unknown is 1", _answer("1")),
    "simple_geometry": ("a right angle", _answer("90")),
    "countdown": ("a division", _answer(".*/.*")),
    "knights_knaves": ("all are of one kind", _all_of_a_kind),
    "aiw": ("a carry, or there is but one", _answer(".*0|2")),
    "family_relationships": ("two generations, or aside", _answer("grand.*|aunt|uncle")),
    "letter_counting": ("a word has the letter twice", _step("there: [2-9]")),
    "leg_counting": ("an animal without legs", _step("has 0 legs|: 0[.]")),
    "number_filtering": ("nothing stays, or everything", _nothing_or_all),
    "word_sorting": ("words that begin alike", _step("both start with")),
    "calendar_arithmetic": ("February, or the end of a century", _in_prompt("[0-9]00|February")),
}


def items() -> Iterator[dict[str, Any]]:
    """The items of the eval set, section by section."""
    asked: set[Hashable] = set()
    for name in EDGE_CASES:
        for level in tasks.DIFFICULTIES:
            yield from _some("core", name, level, CORE, asked)
    for name in TAKES_STEPS:
        for level in ("medium", "hard"):
            yield from _some("trace_sensitive", name, level, SENSITIVE, asked, takes_steps)
    for name, (_, is_one) in EDGE_CASES.items():
        levels = Counter(tasks.DIFFICULTIES[k % len(tasks.DIFFICULTIES)] for k in range(EDGES))
        for level, n in levels.items():
            yield from _some("edge_case", name, level, n, asked, is_one)


def takes_steps(trace: Trace) -> bool:
    """Tell whether a problem takes several steps, and its answer does not stand in the prompt."""
    stands = re.search(rf"(?<![\w.]){re.escape(trace.final_answer)}(?![\w.])", trace.prompt)
    return len(trace.steps) >= FEWEST_STEPS and not stands


def _some(
    section: str,
    name: str,
    level: str,
    n: int,
    asked: set[Hashable],
    wanted: Callable[[Trace], bool] = lambda trace: True,
) -> Iterator[dict[str, Any]]:
    task = tasks.get(name, level)
    found = index = 0
    while found < n:
        prompt = task.prompt(random.Random(f"{NAME}:{section}:{name}:{level}:{index}"))
        trace = task.write(prompt, random.Random(0))
        index += 1
        if evalset.problem(trace) in asked or not wanted(trace):
            continue
        asked.add(evalset.problem(trace))
        found += 1
        yield {
            "id": f"{section}-{name}-{level}-{found}",
            "prompt": prompt,
            "expected_answer": trace.final_answer,
            "section": section,
            "category": name,
            "difficulty": level,
        }


if __name__ == "__main__":
    files.write_lines(paths.EVAL_SETS / f"{NAME}.jsonl", items())
