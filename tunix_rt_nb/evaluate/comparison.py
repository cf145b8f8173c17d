"""Comparison of two models on the same items: which one is better, and whether that is certain."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, TypedDict

from tunix_rt_nb.common import InputError, one_line
from tunix_rt_nb.evaluate.prediction import FORM, Prediction
from tunix_rt_nb.evaluate.scorecard import by_item, grouped, means
from tunix_rt_nb.evaluate.uncertainty import LEVEL, bootstrap, items_needed, mcnemar, sign_flip
from tunix_rt_nb.trace import EARLIER

Items = Mapping[str, Sequence[Prediction]]
Pair = tuple[dict[str, Any], dict[str, Any]]
"""The mean scores of A's and of B's answers to one item, as `means` returns them."""


class Difference(TypedDict):
    """The scores of two models, A and B, on some items; scores go from 0 to 1.

    Attributes:
      n: the number of items.
      a, b: the mean scores of A and B.
      difference: `b` minus `a`.
      interval: the 95 % bootstrap interval of `difference`.
      gained, lost: the numbers of items that B answers better than A, and worse than A.
      p_value: the p-value of McNemar's exact test if each item's difference is -1, 0 or 1; else
        the p-value of a sign-flip test.
    """

    n: int
    a: float
    b: float
    difference: float
    interval: tuple[float, float]
    gained: int
    lost: int
    p_value: float


class Comparison(Difference):
    """The scores of models A and B on all items, and a verdict.

    Attributes:
      verdict: B is `better` or `worse`, if `p_value` is below 0.05; else `cannot tell`.
      more_items: if the verdict is `cannot tell`, an estimate of how many more items would show a
        difference of this size; else None.
      steps_difference, steps_interval: the same as `difference` and `interval`, but for the share
        of steps that are right; None if no step can be checked.
      sections, tasks, difficulties: name of a group of items -> scores of A and B on them. Groups
        have no verdict: `p_value` is below 0.05 by chance alone in one of twenty groups.
      changed: the ids of the items whose scores differ.
    """

    verdict: str
    more_items: int | None
    steps_difference: float | None
    steps_interval: tuple[float, float] | None
    sections: dict[str, Difference]
    tasks: dict[str, Difference]
    difficulties: dict[str, Difference]
    changed: list[str]


def compare(a: Sequence[Prediction], b: Sequence[Prediction]) -> Comparison:
    """Compare two models by their answers to the same prompts, asked in the same way.

    Args:
      a, b: the predictions of model A and of model B, graded.

    Raises:
      InputError: A and B differ in items, in how they were asked (template, style or system
        message), or in the number of answers per item.
    """
    one, two = by_item(a), by_item(b)
    _check_same(one, two)
    pairs = [(means(one[name]), means(two[name])) for name in one]
    found = _compared(pairs)
    values = _differences(pairs, "score")
    sure = found["p_value"] < 1 - LEVEL
    better = "better" if found["difference"] > 0 else "worse"
    checked = [pair for pair in pairs if all(side["steps_right"] is not None for side in pair)]
    steps = _differences(checked, "steps_right")
    return {
        **found,
        "verdict": better if sure else "cannot tell",
        "more_items": None if sure else max(1, items_needed(values) - len(values)),
        "steps_difference": fmean(steps) if steps else None,
        "steps_interval": _interval(steps) if steps else None,
        "sections": _by(pairs, "section"),
        "tasks": _by(pairs, "task"),
        "difficulties": _by(pairs, "difficulty"),
        "changed": [name for name, value in zip(one, values, strict=True) if value],
    }


def _by(pairs: Sequence[Pair], field: str) -> dict[str, Difference]:
    """Return value of `field` -> the scores of models A and B on the items with this value.

    Args:
      pairs: for each item, the mean scores of A's answers and of B's, as `means` returns them.
      field: `section`, `task` or `difficulty`.
    """
    groups = grouped(pairs, lambda pair: str(pair[0][field]))
    return {name: _compared(group) for name, group in groups.items()}


def _compared(pairs: Sequence[Pair]) -> Difference:
    """Return the scores of models A and B on some items, and the differences between them.

    Args:
      pairs: for each item, the mean scores of A's answers and of B's, as `means` returns them.
    """
    values = _differences(pairs, "score")
    gained, lost = sum(value > 0 for value in values), sum(value < 0 for value in values)
    binary = set(values) <= {-1.0, 0.0, 1.0}
    return {
        "n": len(values),
        "a": fmean(a["score"] for a, _ in pairs),
        "b": fmean(b["score"] for _, b in pairs),
        "difference": fmean(values),
        "interval": _interval(values),
        "gained": gained,
        "lost": lost,
        "p_value": mcnemar(gained, lost) if binary else sign_flip(values),
    }


def _interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the mean of some differences.

    Two imagined items are added: one that only B answers right, and one that only A answers right.
    Without them, the interval of few items, or of items with equal scores, would claim too much
    certainty.

    Args:
      values: for each item, the score of model B's answer minus the score of model A's answer.

    Source: A. Agresti and Y. Min, Statistics in Medicine 24, 2005
    """
    return bootstrap([*values, 1.0, -1.0])


def _differences(pairs: Sequence[Pair], field: str) -> list[float]:
    return [b[field] - a[field] for a, b in pairs]


def _check_same(one: Items, two: Items) -> None:
    """Raise InputError unless two models answered the same items, asked in the same way.

    Args:
      one, two: item id -> answers to it, for each of the two models.
    """
    only = sorted(one.keys() ^ two.keys())
    if only:
        raise InputError(
            f"compare: A and B answered different eval sets: {len(only)} items are in only one of"
            f" them, such as {one_line(only[0], 60)!r}"
        )
    for name in one:
        answers = [*one[name], *two[name]]
        for field in (EARLIER, "prompt", "expected_answer", *FORM):
            found = list(dict.fromkeys(str(answer.get(field)) for answer in answers))
            if len(found) > 1:
                what = "eval sets" if field not in FORM else f"{field}s".replace("_sha256s", "s")
                raise InputError(
                    f"compare: A and B have different {what}: {field} of {one_line(name, 60)!r} is"
                    f" {_short(found[0])} and {_short(found[1])}; evaluate both in the same way"
                )
        if len(one[name]) != len(two[name]):
            raise InputError(
                f"compare: answers to {one_line(name, 60)!r}: {len(one[name])} of A and"
                f" {len(two[name])} of B; evaluate both with the same SAMPLES"
            )


def _short(value: Any) -> str:
    return repr(one_line(str(value), 40))


def verdict(found: Comparison) -> str:
    """Return the verdict of a comparison as one line.

    Example:
      >>> verdict({"verdict": "cannot tell", "more_items": 60, "difference": 0.02, "n": 100,
      ...       "interval": (-0.04, 0.08), "p_value": 0.69})
      'cannot tell (60 more items needed): +2.0 points (-4.0 to +8.0), p = 0.69, 100 items'
    """
    low, high = found["interval"]
    verdict = found["verdict"]
    if found["more_items"]:
        verdict += f" ({found['more_items']:,} more items needed)"
    points = f"{100 * found['difference']:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f})"
    return f"{verdict}: {points}, p = {found['p_value']:.2g}, {found['n']:,} items"


def change(a: Sequence[Prediction], b: Sequence[Prediction]) -> tuple[str, Prediction, Prediction]:
    """Return `gained` if B answers an item better than A, else `lost`; and an answer of each.

    The two answers show the change. If B gained, they are the worst of A and the best of B. If B
    lost, they are the best of A and the worst of B.

    Args:
      a, b: all answers of model A and of model B to the item.

    Example:
      >>> wrong, right = {"score": 0.0}, {"score": 1.0}
      >>> change([wrong, right], [right, right])
      ('gained', {'score': 0.0}, {'score': 1.0})
    """
    gained = fmean(map(_score, b)) > fmean(map(_score, a))
    of_a, of_b = (min, max) if gained else (max, min)
    kind = "gained" if gained else "lost"
    return kind, of_a(a, key=_score), of_b(b, key=_score)


def _score(answer: Prediction) -> float:
    return float(answer["score"])
