"""Figures of a round: what the answers were rewarded for, and how much they teach."""

from collections.abc import Mapping, Sequence
from statistics import fmean

import numpy as np

from tunix_rt_nb.improve.attempts import Attempt
from tunix_rt_nb.improve.credit import advantages, is_right, parts, reward


def figures(attempts: Sequence[Attempt], credit: str) -> dict[str, float]:
    """Return the figures of a round, by name; all but `tokens` are shares from 0 to 1.

    - `reward`: the mean reward, from 0 to 1.1; `answer`, `steps` and `form` are its parts.
    - `right`: answers that are right, by the credit.
    - `wrong_reasons`: answers that are right though a step is wrong.
    - `stopped`: answers that end with a stop token; `tokens`: tokens per answer.
    - `informative`: groups in which some answers are better than others.
    """
    of = [parts(one) for one in attempts]
    each = advantages(attempts, credit)
    numbers = np.array([one.number for one in attempts])
    telling = np.unique(numbers[np.abs(each) > 1e-9])
    outcomes = [one.graded["outcome"] for one in attempts]
    return {
        "reward": fmean(reward(one, credit) for one in attempts),
        "answer": fmean(one.answer for one in of),
        "steps": fmean(one.steps for one in of),
        "form": fmean(one.form for one in of),
        "right": fmean(is_right(one, credit) for one in attempts),
        "wrong_reasons": outcomes.count("right_answer_wrong_reasons") / len(outcomes),
        "stopped": fmean(one.graded["stopped"] for one in attempts),
        "tokens": fmean(len(one.said) for one in attempts),
        "informative": len(telling) / len(np.unique(numbers)),
    }


def rates(attempts: Sequence[Attempt], credit: str) -> Mapping[str, float]:
    """Return the pass rate of each cell that was asked: cell -> share of right answers."""
    cells: dict[str, list[bool]] = {}
    for one in attempts:
        cells.setdefault(one.asked.cell, []).append(is_right(one, credit))
    return {cell: fmean(right) for cell, right in cells.items()}
