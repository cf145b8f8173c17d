"""Knights and knaves: who tells the truth and who lies, judged by what they say of each other.

Source: Xie et al. 2024, "On Memorization of Large Language Models in Logical Reasoning".
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from tunix_rt_nb.tasks.gym import GymTask, by_level
from tunix_rt_nb.tasks.task import Line, Solution, matched
from tunix_rt_nb.tasks.words.islands import Claim, cases, draw, liars

LIARS = {
    "a knight": "a knave",
    "a pioneer": "a laggard",
    "a saint": "a sinner",
    "a hero": "a villain",
    "an angel": "a devil",
    "an altruist": "an egoist",
    "a sage": "a fool",
}

Island = tuple[tuple[str, ...], str, tuple[Claim, ...]]
"""The names, what a truthful person is called, and what each person claims."""

_FORMS = {
    "and": "{} and {}",
    "or": "{} or {}",
    "if": "if {} then {}",
    "iff": "{} if and only if {}",
    "not": "not {}",
}
_MOST = 20  # the largest number of brackets in a claim

_NAME = "[A-Z][a-z]{1,14}"
_PROMPT = re.compile(
    rf".{{90,200}} inhabitants: ({_NAME}(?:, {_NAME})?), and ({_NAME})\. (.{{1,2000}})"
    rf" So who is ({'|'.join(LIARS)}) and .{{40,300}}"
)
_SAYS = [
    re.compile(
        re.escape(f" {form}")
        .replace("NAME", f"(?P<name>{_NAME})")
        .replace("CLAIM", "(?P<claim>[A-Za-z ()]+)")
    )
    for form in (
        *("NAME said that CLAIM.", "NAME told you that CLAIM.", "NAME expressed that CLAIM."),
        *('NAME said, "CLAIM."', 'NAME stated, "CLAIM".', 'NAME was heard saying, "CLAIM".'),
        *('NAME remarked, "CLAIM".', 'NAME commented, "CLAIM".', 'NAME noted, "CLAIM".'),
        *('NAME asserted: "CLAIM".', 'In NAME\'s words: "CLAIM".', 'As NAME put it, "CLAIM".'),
        *('According to NAME, "CLAIM".', 'In a statement by NAME: "CLAIM".', '"CLAIM" - NAME.'),
        *('"CLAIM," NAME declared.', '"CLAIM," NAME mentioned.', '"CLAIM," NAME claimed.'),
    )
]
_PERSON = re.compile(rf"({_NAME}) is (an? [a-z]+)")
_INNER = re.compile(r"\(([^()]*)\)")
_PARTS = {
    op: re.compile(form.replace("{}", r"<(\d+)>")) for op, form in [("", "{}"), *_FORMS.items()]
}


class KnightsKnaves(GymTask):
    """People who say only true things or only false things; the question is who is who."""

    name = "knights_knaves"
    about = "2 people who tell the truth or lie (medium: longer claims, hard: 3 people)"
    settings: ClassVar = by_level(n_people=(2, 2, 3), depth_constraint=(2, 3, 3))

    @staticmethod
    def faster(config: Any) -> dict[str, Callable[..., Any]]:
        return {"_KnightsKnavesDataset__generate_problem": partial(draw, config)}

    def read(self, prompt: str) -> Island:
        match = matched(prompt, "is no island of knights and knaves", _PROMPT)
        names, truthful = (*match[1].split(", "), match[2]), match[4]
        if prompt != _frame(names, truthful, match[3]) or len(set(names)) < len(names):
            raise ValueError(f"expected the island's usual text, each name once: {prompt[:80]!r}")
        said = _statements(match[3], names)
        problem = names, truthful, tuple(_claim(text, names, truthful) for text in said)
        if liars(problem[2]).count(None) != 1:
            raise ValueError(f"the puzzle has no solution, or several: {prompt[-80:]!r}")
        return problem

    def solve(self, problem: Island, grain: str) -> Solution:
        """Try the assignments of roles in order, up to the first that fits all claims."""
        names, _, claims = problem
        lines: list[Line] = []
        for case, wrong in zip(cases(len(names)), liars(claims), strict=True):
            supposed = _supposed(problem, case)
            if grain == "coarse":
                said = "fits" if wrong is None else f"{names[wrong]} contradicts it"
                lines.append(("case", f"If {supposed}: {said}.", f"Suppose {supposed}: {said}."))
            else:
                lines.append(("suppose", f"Suppose {supposed}.", f"Try this: {supposed}."))
                for k in range(len(names) if wrong is None else wrong + 1):
                    lines += _check(names[k], claims[k], case, k == wrong)
            if wrong is None:
                break
        return Solution(lines, _supposed(problem, case, full=True))

    def score(self, answer: str, problem: Island) -> float:
        clause = "[a-z]+ is (?:an? )?[a-z]+"
        clauses = rf"{clause}(?:(?:, and | and |, ){clause}){{{len(problem[0]) - 1}}}\.?"
        if not re.fullmatch(clauses, answer.strip(), re.ASCII | re.IGNORECASE):
            return 0.0
        return super().score(answer, problem)


def _frame(names: tuple[str, ...], truthful: str, said: str) -> str:
    """Build the whole prompt around what the people say.

    Args:
      names: the names of the people.
      truthful: what a truthful person is called, such as `a knight`.
      said: the sentences that tell what each of them says.
    """
    liar = LIARS[truthful]
    t, f = truthful.split()[1], liar.split()[1]
    *first, last = (f"{name} is a {t}/{f}" for name in names)
    return (
        f"A very special island is inhabited only by {t}s and {f}s. {t.capitalize()}s always tell "
        f"the truth, and {f}s always lie. You meet {len(names)} inhabitants: "
        f"{', '.join(names[:-1])}, and {names[-1]}. {said} So who is {truthful} and who is {liar}? "
        f'(Format your answer like: "{", ".join(first)}, and {last}")'
    )


def _statements(said: str, names: tuple[str, ...]) -> list[str]:
    """List what each person claims, in the order of `names`.

    `said` is the part of the prompt that tells what each of them says.

    Raises:
      ValueError: `said` does not have exactly one statement of each, in this order.
    """
    found = []
    rest = f" {said}"
    for name in names:
        match = next((m for form in _SAYS if (m := form.match(rest)) and m["name"] == name), None)
        if match is None:
            raise ValueError(f"the statement of {name} is missing or misplaced: {said[:80]!r}")
        found.append(match["claim"])
        rest = rest[match.end() :]
    if rest:
        raise ValueError(f"more text follows the last statement: {rest[:80]!r}")
    return found


def _claim(text: str, names: tuple[str, ...], truthful: str) -> Claim:
    """Parse the text of a claim, the innermost brackets first.

    `names` are the names of all people; `truthful` is what a truthful person is called, such as
    `a knight`.
    """
    # Append each part already parsed to `parts`, and replace it in `text` by `<k>`, its index.
    parts: list[Claim] = []

    def put(part: Claim) -> str:
        parts.append(part)
        return f"<{len(parts) - 1}>"

    def simple(text: str) -> Claim:
        for op, form in _PARTS.items():
            match = form.fullmatch(text)
            if match:
                inner = [parts[int(k)] for k in match.groups()]
                return (op, *inner) if op else inner[0]
        raise ValueError(f"part of a claim cannot be read: {text[:80]!r}")

    def person(match: re.Match[str]) -> str:
        if match[1] not in names or match[2] not in (truthful, LIARS[truthful]):
            return match[0]
        return put(("is", names.index(match[1]), match[2] == truthful))

    text = _PERSON.sub(person, text).replace("it is not the case that", "not")
    for _ in range(min(_MOST, text.count("("))):
        text = _INNER.sub(lambda m: put(simple(m[1])), text, count=1)
    return simple(text)


def _value(claim: Claim, case: tuple[bool, ...]) -> bool:
    if isinstance(claim, bool):
        return claim
    op, *inner = claim
    if op == "is":
        return case[inner[0]] == inner[1]
    a, b = _value(inner[0], case), _value(inner[-1], case)
    return {"and": a and b, "or": a or b, "if": not a or b, "iff": a == b, "not": not a}[op]


def _supposed(problem: Island, case: tuple[bool, ...], full: bool = False) -> str:
    """Write a case as "Ann is a knight, Bob a knave"; if `full`, in the form of an answer.

    `case` has True for each person who is truthful, False for each liar.
    """
    names, truthful, _ = problem
    roles = [truthful if role else LIARS[truthful] for role in case]
    first, *others = zip(names, roles, strict=True)
    verb = "is " if full else ""
    said = [" is ".join(first), *(f"{name} {verb}{role}" for name, role in others)]
    return f"{', '.join(said[:-1])}, and {said[-1]}" if full else ", ".join(said)


def _check(name: str, claim: Claim, case: tuple[bool, ...], wrong: bool) -> list[Line]:
    """Return the steps that evaluate a person's claim in a case, one operator after the other.

    Args:
      name: the person who makes the claim.
      claim: what the person claims.
      case: True for each person who is truthful, False for each liar.
      wrong: whether the claim contradicts the case.
    """
    verdict = "contradiction" if wrong else "fits"
    claim = _filled(claim, case)
    said = [_text(claim)]
    while not isinstance(claim, bool):
        claim = _reduced(claim)
        said.append(_text(claim))
    if len(said) == 1:
        return [
            ("check", f"{name} says {said[0]}: {verdict}.", f"{name} says {said[0]}, {verdict}.")
        ]
    first, *more, value = said
    *steps, last = f"{name} says {first}", *(f"That is {text}" for text in more)
    lines: list[Line] = [
        ("reduce", f"{step}.", f"Now {step.lower() if k else step}.")
        for k, step in enumerate(steps)
    ]
    lines.append(("check", f"{last}, {value}: {verdict}.", f"{last}, which is {value}: {verdict}."))
    return lines


def _filled(claim: Claim, case: tuple[bool, ...]) -> Claim:
    """Replace each part of a claim that calls one person truthful or a liar by True or False.

    `case` has True for each person who is truthful, False for each liar.
    """
    assert not isinstance(claim, bool)
    op, *inner = claim
    if op == "is":
        return _value(claim, case)
    return (op, *(_filled(part, case) for part in inner))


def _reduced(claim: Claim) -> Claim:
    """Evaluate one operator of a claim, the first whose operands are all True or False."""
    assert not isinstance(claim, bool)
    op, *inner = claim
    for k, part in enumerate(inner):
        if not isinstance(part, bool):
            return (op, *inner[:k], _reduced(part), *inner[k + 1 :])
    return _value(claim, ())


def _text(claim: Claim, within: bool = False) -> str:
    if isinstance(claim, bool):
        return str(claim).lower()
    op, *inner = claim
    text = _FORMS[op].format(*(_text(part, within=True) for part in inner))
    return f"({text})" if within else text
