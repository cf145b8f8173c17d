"""Family tasks: how many sisters or friends someone has, and how two people are related.

Source of the first task: Nezhurina et al. 2024, "Alice in Wonderland: Simple Tasks Reveal Severe
Generalization and Basic Reasoning Deficits in State-Of-the-Art Large Language Models".
"""

import re
from typing import Any, ClassVar

from tunix_rt_nb.tasks.gym import GymTask, by_level
from tunix_rt_nb.tasks.numbers import columns
from tunix_rt_nb.tasks.task import Line, Solution, matched, worded

WOMEN = (
    *("Abigail", "Alice", "Anna", "Barbara", "Charlotte", "Eleanor", "Elizabeth", "Emily", "Emma"),
    *("Grace", "Hannah", "Isabella", "Jennifer", "Jessica", "Karen", "Linda", "Lisa", "Lucy"),
    *("Margaret", "Mary", "Olivia", "Patricia", "Sarah", "Sophia", "Susan", "Victoria"),
)
MEN = (
    *("Alexander", "Andrew", "Benjamin", "Charles", "Christopher", "Daniel", "David", "Edward"),
    *("Ethan", "George", "Harry", "Henry", "Jack", "Jacob", "James", "John", "Joseph", "Lucas"),
    *("Matthew", "Michael", "Oliver", "Peter", "Richard", "Robert", "Thomas", "William"),
)

_NAME = "[A-Z][a-z]{1,14}"
_N = "[1-9][0-9]{0,2}"
_SIBLINGS = re.compile(
    rf"({_NAME}) has ({_N}) brothers and she also has ({_N}) sisters\. "
    r"How many sisters does \1's brother have\?"
)
_FRIENDS = re.compile(
    rf"({_NAME}) has ({_N}) male friends and she also has ({_N}) female friends\. They all are "
    r"friends with each other and have no other friends aside\. How many female friends does "
    rf"({_NAME}), a male friend of \1, have\?"
)

_BORN = rf"a child called {_NAME}|children called {_NAME}(?:, {_NAME}){{0,9}} and {_NAME}"
_COUPLE = rf"{_NAME} is married to {_NAME}\.(?: They have (?:{_BORN})\.)?"
_KIN_PROMPT = re.compile(
    rf"({_COUPLE}(?: {_COUPLE}){{0,7}})\n\n"
    rf"(?:What is ({_NAME}) to ({_NAME})\? Respond only with the word that describes their "
    rf"relationship\.|How is ({_NAME}) related to ({_NAME})\? Provide the relationship in one "
    rf"word\.|What relation is ({_NAME}) to ({_NAME})\? Answer with a single word\.)"
)
_PARTS = re.compile(
    rf"({_NAME}) is married to ({_NAME})\.(?: They have (?:a child|children) called ([^.]*))?"
)
_CALLED = {
    "spouse": ("wife", "husband"),
    "parent": ("mother", "father"),
    "child": ("daughter", "son"),
    "sibling": ("sister", "brother"),
    "grandparent": ("grandmother", "grandfather"),
    "sibling of a parent": ("aunt", "uncle"),
}

Circle = tuple[str, str, int, int]
"""A woman, a male friend of hers, and the numbers of her male and of her female friends.

If the question is about her brother, the friend is an empty string, and the numbers are those of
her brothers and sisters.
"""

Couple = tuple[str, str, tuple[str, ...]]
Kin = tuple[tuple[Couple, ...], str, str]
"""Couples with their children, and the two people whose relation is asked for."""


class AliceInWonderland(GymTask):
    """The number of sisters of a girl's brother, or of female friends of her male friend."""

    name = "aiw"
    about = "how many sisters Alice's brother has, or female friends her friend: up to 9, 99 or 999"
    settings: ClassVar = by_level(
        max_entities=(9, 99, 999), task_type_weights=3 * ([0.5, 0.5, 0.0],)
    )

    def sound(self, item: dict[str, Any]) -> bool:
        # One wording asks for the brother of a man whom the prompt has not named before.
        return bool(_SIBLINGS.fullmatch(item["question"]) or _FRIENDS.fullmatch(item["question"]))

    def read(self, prompt: str) -> Circle:
        match = matched(prompt, "counts no sisters or friends", _SIBLINGS, _FRIENDS)
        woman, men, women, *man = match.groups()
        return woman, man[0] if man else "", int(men), int(women)

    def solve(self, problem: Circle, grain: str) -> Solution:
        woman, man, _, n = problem
        who, what = (man, "female friend") if man else ("the brother", "sister")
        others = f"{who} has the {what}s of {woman}: {n}."
        own = f"{woman} is one more {what}"
        lines: list[Line] = [
            ("others", f"First, {others}", f"To begin with, {others}"),
            ("own", f"And {own}.", f"Besides, {own}."),
            *columns.add(n, 1),
        ]
        if grain == "coarse":
            lines = [("own", f"As {own}: {n}+1={n + 1}.", f"Since {own}: {n}+1={n + 1}.")]
        return Solution(lines, str(n + 1))

    def space(self) -> int:
        return int((11 + 11 * 11) * self.settings[self.difficulty]["max_entities"] ** 2)


class FamilyRelationships(GymTask):
    """The relation of one person to another, given who is married and who has which children."""

    name = "family_relationships"
    about = "what is A to B in a family of 3 to 5 (medium 6 to 8, hard 9 to 12): mother, uncle ..."
    settings: ClassVar = by_level(
        min_family_size=(3, 6, 9),
        max_family_size=(5, 8, 12),
        male_names=3 * (list(MEN),),
        female_names=3 * (list(WOMEN),),
    )

    def sound(self, item: dict[str, Any]) -> bool:
        # For nieces, nephews and parents-in-law, reasoning-gym answers the wrong way round: it says
        # what the second person is to the first.
        return item["answer"] in [word for words in _CALLED.values() for word in words]

    def read(self, prompt: str) -> Kin:
        match = matched(prompt, "asks for no relation", _KIN_PROMPT)
        a, b = (name for name in match.groups()[1:] if name)
        couples = tuple(
            (*couple, tuple(re.findall(_NAME, born))) for *couple, born in _PARTS.findall(match[1])
        )
        married = [name for couple in couples for name in couple[:2]]
        born = [name for couple in couples for name in couple[2]]
        if len({*married}) < len(married) or len({*born}) < len(born):
            raise ValueError(f"a person is married twice, or born twice: {prompt[:80]!r}")
        if a not in MEN + WOMEN or len(_relations(couples, a, b)) != 1:
            raise ValueError(f"the question has no answer, or several: {prompt[-80:]!r}")
        return couples, a, b

    def solve(self, problem: Kin, grain: str) -> Solution:
        couples, a, b = problem
        [(relation, facts)] = _relations(couples, a, b)
        gender = "woman" if a in WOMEN else "man"
        called = _CALLED[relation][gender == "man"]
        related = f"{a} is a {relation} of {b}"
        lines = [worded("read", "It says that", f"{fact}.") for fact in facts]
        lines += [
            ("relation", f"So {related}.", f"Therefore {related}."),
            ("gender", f"{a} is a {gender}.", f"The name {a} is that of a {gender}."),
            ("called", f"So {a} is the {called} of {b}.", f"That makes {a} the {called} of {b}."),
        ]
        if grain == "coarse":
            reason = f"{related} and a {gender}"
            lines = [("relation", f"{reason}: {called}.", f"As {reason}, the {called}.")]
        return Solution(lines, called)


def _relations(couples: tuple[Couple, ...], a: str, b: str) -> list[tuple[str, list[str]]]:
    """List every relation of person `a` to person `b`, each with the facts that show it.

    `couples` holds for each married couple the two names and the names of their children.
    """
    parents = {child: couple[:2] for couple in couples for child in couple[2]}

    def of(name: str) -> tuple[str, ...]:
        return parents.get(name, ())

    def fact(name: str) -> str:
        return f"{name} is a child of {' and '.join(of(name))}"

    found = []
    if any({a, b} == set(couple[:2]) for couple in couples):
        found.append(("spouse", [f"{a} is married to {b}"]))
    if a in of(b):
        found.append(("parent", [fact(b)]))
    if b in of(a):
        found.append(("child", [fact(a)]))
    if a != b and of(a) and of(a) == of(b):
        found.append(("sibling", [fact(a), fact(b)]))
    for parent in of(b):
        if a in of(parent):
            found.append(("grandparent", [fact(b), fact(parent)]))
        if a != parent and of(a) and of(a) == of(parent):
            found.append(("sibling of a parent", [fact(b), fact(parent), fact(a)]))
    return found
