"""Comparison of two models on the same items: which is better, and can one tell yet."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, TypedDict

from tunix_rt_nb.common import InputError, one_line
from tunix_rt_nb.evaluate.prediction import FORM, Prediction
from tunix_rt_nb.evaluate.scorecard import by_item, grouped, means
from tunix_rt_nb.evaluate.uncertainty import LEVEL, bootstrap, items_needed, mcnemar, sign_flip

Items = Mapping[str, Sequence[Prediction]]
Pair = tuple[dict[str, Any], dict[str, Any]]
"""The means of A's and of B's answers to an item."""


class Difference(TypedDict):
    """How the scores of some items differ: B's less A's, shares from 0 to 1."""

    n: int
    a: float
    b: float
    difference: float
    interval: tuple[float, float]
    gained: int
    lost: int
    p_value: float


class Comparison(Difference):
    """Two models on the same items; `compare` says what each figure means."""

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

    `difference` is B's score minus A's, averaged over items; `interval` is its bootstrap interval.
    B answers `gained` items better than A, and `lost` items worse. `p_value` decides the `verdict`:
    B is `better`, B is `worse`, or we `cannot tell`. The p-value is that of McNemar's exact test.
    If items were answered several times, so that their scores are means, it is that of a sign-flip
    test. If we cannot tell, `more_items` estimates how many more items would show a difference of
    this size.

    Returns:
      These figures, the same ones by section, task and difficulty, `steps_difference` with
      `steps_interval` (None if no step can be checked), and the ids of the items that `changed`.
      Groups have no verdict, because among twenty-five groups one would differ by chance alone.

    Raises:
      InputError: A and B differ in items, templates or styles, or in the answers per item.
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
    """Compare each section, task or difficulty by itself."""
    groups = grouped(pairs, lambda pair: str(pair[0][field]))
    return {name: _compared(group) for name, group in groups.items()}


def _compared(pairs: Sequence[Pair]) -> Difference:
    """Compare the scores of some items."""
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
    """Return the bootstrap interval of a mean difference.

    Add one item that only B answers right and one that only A answers right. Without them, the
    interval of few items, or of items with equal scores, would claim too much certainty. After A.
    Agresti and Y. Min, Statistics in Medicine 24, 2005.
    """
    return bootstrap([*values, 1.0, -1.0])


def _differences(pairs: Sequence[Pair], field: str) -> list[float]:
    return [b[field] - a[field] for a, b in pairs]


def _check_same(one: Items, two: Items) -> None:
    """Raise InputError unless both models answered the same items, asked in the same way."""
    only = sorted(one.keys() ^ two.keys())
    if only:
        raise InputError(
            f"compare: the two are of unequal eval sets, {len(only)} items are in one of them only,"
            f" such as {one_line(only[0], 60)!r}"
        )
    for name in one:
        answers = [*one[name], *two[name]]
        for field in ("prompt", "expected_answer", *FORM):
            found = list(dict.fromkeys(answer.get(field) for answer in answers))
            if len(found) > 1:
                what = "eval sets" if field not in FORM else f"{field}s".replace("_sha256s", "s")
                raise InputError(
                    f"compare: the two have unequal {what}: {field} of {one_line(name, 60)!r} is"
                    f" {_short(found[0])} and {_short(found[1])}; evaluate both in the same way"
                )
        if len(one[name]) != len(two[name]):
            raise InputError(
                f"compare: {one_line(name, 60)!r} has {len(one[name])} and {len(two[name])}"
                " answers; evaluate both with as many SAMPLES"
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
    """Tell whether B `gained` or `lost` an item against A, and pick an answer of each to show it.

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
