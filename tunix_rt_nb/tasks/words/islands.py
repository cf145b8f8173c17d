"""Islands of knights and knaves: drawn like reasoning-gym's, and who can be a knight."""

import random
from collections.abc import Callable, Sequence
from functools import cache
from itertools import product
from typing import Any

Claim = tuple[Any, ...] | bool
"""True, False, ("is", index of a person, True if called truthful), or (operator, claim, ...)."""


def draw(config: Any, rng: random.Random, index: int) -> dict[str, Any]:
    """Draw a puzzle like reasoning-gym, which takes most of its time to choose among two words."""
    import numpy as np
    from reasoning_gym.logic.knights_knaves import KKProblemFormatter

    pick = np.random.default_rng(rng.randint(0, 2**32)).integers
    people, wrong = range(config.n_people), list[int | None]()
    while wrong.count(None) != 1:
        said = _Said(_statement(pick, me, len(people), config.depth_constraint) for me in people)
        wrong = liars(list(map(_meant, said)))
    solution = cases(len(people))[wrong.index(None)]
    problem = {"statements": said, "solution": solution}
    told = KKProblemFormatter(rng.randint(0, 2**32), problem).format_problem()
    return {"question": told["quiz"], "answer": told["solution_text"], "metadata": problem | told}


class _Said(tuple[Any, ...]):
    """What all people say, as reasoning-gym has it, which copies it for each puzzle."""

    def __deepcopy__(self, memo: object) -> "_Said":
        return self


def _statement(pick: Callable[[int, int], int], me: int, people: int, depth: int) -> Any:
    """Draw what a person says, as reasoning-gym does."""
    kind = pick(0, 6)
    if depth == 1 or kind == 0:
        while True:
            claim, whom = ("telling-truth", "lying")[pick(0, 2)], int(pick(0, people))
            if claim != "lying" or whom != me:
                return claim, whom
    if kind == 1:
        return "not", _statement(pick, me, people, depth - 1)
    if kind < 4:
        pick(2, 3)  # the number of parts
    parts: dict[Any, None] = {}  # no part twice
    while len(parts) < 2:
        parts[_statement(pick, me, people, depth - 1)] = None
    return ("and", "or", "->", "<=>")[kind - 2], *parts


def _meant(said: Any) -> Claim:
    """Translate what a person says from reasoning-gym's form to ours."""
    op, *inner = said
    if op in ("telling-truth", "lying"):
        return "is", inner[0], op == "telling-truth"
    return {"->": "if", "<=>": "iff"}.get(op, op), *map(_meant, inner)


@cache
def cases(people: int) -> list[tuple[bool, ...]]:
    """List every case: every way in which some people can be truthful or liars.

    A case has True for each person who is truthful, False for each liar. In the first case all are
    truthful, in the last one all are liars.
    """
    return list(product((True, False), repeat=people))


def liars(claims: Sequence[Claim]) -> list[int | None]:
    """List for each case the first person whose claim does not fit it; None if all claims fit.

    A claim fits a case if it is true and its speaker is truthful, or if it is false and its speaker
    is a liar.
    """
    # Bit `k` of a number tells what is true in case `k`: all cases are judged at once.
    all_cases = cases(len(claims))
    truthful = [sum(case[i] << k for k, case in enumerate(all_cases)) for i in range(len(claims))]
    against = [_holds(claim, truthful) ^ own for claim, own in zip(claims, truthful, strict=True)]
    return [
        next((i for i, odd in enumerate(against) if odd >> k & 1), None)
        for k in range(len(all_cases))
    ]


def _holds(claim: Claim, truthful: list[int]) -> int:
    """Return the cases in which a claim is true, as bits.

    Args:
      claim: the claim.
      truthful: for each person, the cases in which the person is truthful, as bits.
    """
    assert not isinstance(claim, bool)
    op, *inner = claim
    if op == "is":
        person, called = inner
        return truthful[person] if called else ~truthful[person]
    a = _holds(inner[0], truthful)
    if op == "not":
        return ~a
    b = _holds(inner[1], truthful)
    if op == "and":
        return a & b
    if op == "or":
        return a | b
    return ~a | b if op == "if" else ~(a ^ b)
