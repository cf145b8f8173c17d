"""Scorecards of predictions: scores with their intervals, and reasons to doubt them."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from math import fsum
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any, NotRequired, TypedDict, TypeVar, cast

from tunix_rt_nb import runs
from tunix_rt_nb.common import InputError, checked, files, one_line
from tunix_rt_nb.evaluate.card_fields import Cards, Improved
from tunix_rt_nb.evaluate.graders import sentences
from tunix_rt_nb.evaluate.prediction import OUTCOMES, Prediction
from tunix_rt_nb.evaluate.samples import several
from tunix_rt_nb.evaluate.uncertainty import wilson

T = TypeVar("T")

FEWEST = 50  # items; with fewer, an interval is too wide to decide much
ALL_RIGHT = "all, every step right"  # the name of the table row that counts `all_right` only
STRICT = "all, in the style exactly"  # the name of the table row that counts strict scores only
_RATES = ("strict_format", "ran_on", "stopped")
_ASKED = ("template", "style", "form_sha256", "max_new_tokens", "temperature")


class GroupScore(TypedDict):
    """The scores of the items of one section, task or difficulty; all go from 0 to 1.

    Attributes:
      score: the mean score of the items.
      interval: Wilson's interval of `score` at 95 %.
      steps_right: the mean share of right steps; None if no step can be checked.
      n: the number of items.
    """

    score: float
    interval: tuple[float, float]
    steps_right: float | None
    n: int


class Scorecard(TypedDict):
    """The figures of many predictions; scores and shares go from 0 to 1.

    Attributes:
      n_items, n_scored, n_skipped: the numbers of all items, answered items and skipped items.
      skipped: reason -> number of items that were skipped.
      primary_score: the mean `score` of the items; the style of responses does not matter.
      interval: Wilson's interval of `primary_score` at 95 %, over items.
      stddev, min_score, max_score: standard deviation, minimum and maximum of the items' scores.
      steps_right: the mean share of right steps; None if no step can be checked.
      all_right: the share of items whose answer is right with no step wrong; missing if an
        older prediction has no outcome.
      all_right_interval: Wilson's interval of `all_right` at 95 %.
      section_scores, category_scores, difficulty_scores: name of a group -> its scores; a category
        is a task.
      strict_score: the mean `strict_score` of the answers.
      strict_format, ran_on, stopped: the share of responses that kept to the style, that went on
        after their answer, and that ended with a stop token.
      mean_tokens: tokens per answer.
      outcomes: outcome -> number of answers.
      abstained: the number of answers that the model gave up, because a check of its steps refused
        them too often. This and the next are missing if nothing checked the steps.
      redrawn: tokens taken back per answer; `mean_tokens` does not count them.
      graders: name of a grader -> number of answers that it decided. This and the next three count
        only answers to items that no task can verify.
      verbatim: the number of answers that only the same words match, because the expected answer is
        a whole sentence. Answers that a judge or the user's grader decided do not count. Missing if
        there are none.
      disagreements: the number of answers that graders disagree on.
      step_counts: the numbers of steps that are `right`, `wrong` and `unchecked`.
      samples: the number of answers to each item; if it varies, the lowest.
      pass_at: number k -> estimated chance that one of k answers to an item is right.
      majority_score: the mean, over items, of the score of the answer given most often to the item.
      template, style, form_sha256, max_new_tokens, temperature: how the model was asked; None if
        the predictions differ.
      items_sha256: the hash of what was asked.
    """

    n_items: int
    n_scored: int
    n_skipped: int
    skipped: dict[str, int]
    primary_score: float
    interval: tuple[float, float]
    stddev: float
    min_score: float
    max_score: float
    steps_right: float | None
    all_right: NotRequired[float]
    all_right_interval: NotRequired[tuple[float, float]]
    section_scores: dict[str, GroupScore]
    category_scores: dict[str, GroupScore]
    difficulty_scores: dict[str, GroupScore]
    strict_score: float
    strict_format: float
    ran_on: float
    stopped: float
    mean_tokens: float
    outcomes: dict[str, int]
    abstained: NotRequired[int]
    redrawn: NotRequired[float]
    graders: NotRequired[dict[str, int]]
    verbatim: NotRequired[int]
    disagreements: NotRequired[int]
    step_counts: NotRequired[dict[str, int]]
    samples: int
    pass_at: NotRequired[dict[str, float]]
    majority_score: NotRequired[float]
    template: str | None
    style: str | None
    form_sha256: str | None
    max_new_tokens: int | None
    temperature: float | None
    items_sha256: str


def sum_up(
    predictions: Sequence[Prediction], skipped: Mapping[str, int] | None = None
) -> Scorecard:
    """Sum up predictions as a scorecard; the same predictions in any order give the same card.

    If an item was answered several times, its score is the mean. If every item was answered several
    times, the card also has `pass_at` and `majority_score`. If there are items that no task can
    verify, the card also has `graders`, `disagreements` and `step_counts`.

    Args:
      predictions: as `grade` makes them; an item may occur several times.
      skipped: the number of items that were not answered, by reason.

    Raises:
      InputError: there are no predictions, or a score is not a number from 0 to 1.

    Example:
      >>> one = {"id": "x", "task": "a", "difficulty": "easy", "score": 1.0, "steps_right": 0.5}
      >>> sum_up([one, {**one, "id": "y", "score": 0.0}])["primary_score"]
      0.5
    """
    items = by_item(predictions)
    each = [means(answers) for answers in items.values()]
    scores = [item["score"] for item in each]
    samples, n_skipped = min(map(len, items.values())), sum((skipped or {}).values())
    card: Any = {
        "n_items": len(items) + n_skipped,
        "n_scored": len(items),
        "n_skipped": n_skipped,
        "skipped": dict(skipped or {}),
        "primary_score": fmean(scores),
        "interval": _interval(each),
        "stddev": pstdev(scores),
        "min_score": min(scores),
        "max_score": max(scores),
        "steps_right": mean_of(item["steps_right"] for item in each),
        **_all_right(items.values()),
        "section_scores": _by(each, "section"),
        "category_scores": _by(each, "task"),
        "difficulty_scores": _by(each, "difficulty"),
        **_details([p for item in items.values() for p in item]),
        **_checked([p for item in items.values() for p in item]),
        **_own([p for item in items.values() for p in item]),
        "samples": samples,
        **({} if samples == 1 else several(list(items.values()), samples)),
        **{name: _alike(predictions, name) for name in _ASKED},
        "items_sha256": items_sha256(
            (name, p.get("prompt"), p.get("expected_answer"), *p.get("earlier_messages", ()))
            for name, (p, *_) in items.items()
        ),
    }
    return cast("Scorecard", card)


def scorecards(evaluated: Path) -> tuple[Scorecard, Scorecard]:
    """Return the scorecards of a complete evaluation, before and after training.

    Raises:
      InputError: the evaluation is not complete.
    """
    told = runs.result(evaluated)
    where = f"{evaluated / 'result.json'}: "
    cards = checked(Cards, told, where)
    if cards["before"]["category_scores"].keys() != cards["after"]["category_scores"].keys():
        raise InputError(f"{where}before, after: are of other categories, run 5_evaluate again")
    return cast("Scorecard", told["before"]), cast("Scorecard", told["after"])


def improved_scorecard(improved: Path) -> Scorecard:
    """Return the scorecard of a complete improvement.

    Raises:
      InputError: the improvement is not complete.
    """
    told: Any = runs.result(improved)
    checked(Improved, told, f"{improved / 'result.json'}: ")
    return cast("Scorecard", told["improved"])


def by_item(predictions: Sequence[Prediction]) -> dict[str, list[Prediction]]:
    """Group predictions by item id, sorted by id and within an item by `sample`.

    Raises:
      InputError: there are no predictions, or a score is not a number from 0 to 1.
    """
    if not predictions:
        raise InputError("predictions: there are none, expected one for each item")
    for prediction in predictions:
        for field in ("score", "steps_right"):
            value: Any = prediction[field]
            if value is None and field == "steps_right":
                continue  # no step of the answer can be checked
            if not (isinstance(value, int | float) and 0.0 <= value <= 1.0):  # NaN fails, too
                where = one_line(str(prediction.get("id")), 60)
                raise InputError(f"prediction {where}: {field}: {value!r} is not from 0 to 1")
    in_order = sorted(predictions, key=lambda answer: answer.get("sample", 0))
    return grouped(in_order, lambda answer: str(answer["id"]))


def grouped(items: Iterable[T], key: Callable[[T], str]) -> dict[str, list[T]]:
    """Group items by a key; groups are sorted by key, items within a group keep their order.

    Example:
      >>> grouped(["bat", "ant", "bee"], lambda word: word[0])
      {'a': ['ant'], 'b': ['bat', 'bee']}
    """
    return {name: list(group) for name, group in groupby(sorted(items, key=key), key)}


def items_sha256(items: Iterable[tuple[Any, ...]]) -> str:
    """Return a hash of what was asked; the order of the items does not matter.

    Two scorecards can be compared only if their hashes are equal.

    Args:
      items: for each item its id, prompt and expected answer.
    """
    return files.digest(sorted(items))


def headline(card: Scorecard) -> str:
    """Return a scorecard as one line.

    Example:
      >>> headline({"n_scored": 4, "n_skipped": 1, "primary_score": 0.5, "interval": (0.15, 0.85),
      ...       "strict_score": 0.25, "steps_right": 0.75})
      '50.0% of 4 answers right (15.0% to 85.0%), 25.0% in the style exactly, 75.0% of the steps'
    """
    low, high = card["interval"]
    steps = "" if card["steps_right"] is None else f", {card['steps_right']:.1%} of the steps"
    return (
        f"{card['primary_score']:.1%} of {card['n_scored']:,} answers right ({low:.1%} to"
        f" {high:.1%}), {card['strict_score']:.1%} in the style exactly{steps}"
    )


def _alike(predictions: Sequence[Prediction], field: str) -> Any:
    """Return the value that all predictions have in a field, or None if they differ."""
    values = {prediction.get(field) for prediction in predictions}
    return values.pop() if len(values) == 1 else None


def means(answers: Sequence[Prediction]) -> dict[str, Any]:
    """Return the mean scores of the answers to an item, with its section, task and difficulty."""
    first = answers[0]
    return {
        "score": fmean(answer["score"] for answer in answers),
        "steps_right": mean_of(answer["steps_right"] for answer in answers),
        **{name: first.get(name) for name in ("section", "task", "difficulty")},
    }


def mean_of(values: Iterable[float | None]) -> float | None:
    """Return the mean of the values that are known; None if none is.

    Example:
      >>> mean_of([1.0, None, 0.5]), mean_of([None])
      (0.75, None)
    """
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _all_right(items: Iterable[Sequence[Prediction]]) -> dict[str, Any]:
    """Return `all_right` and its interval; empty if a prediction has no outcome."""
    told = [[answer.get("outcome") for answer in answers] for answers in items]
    if any(None in outcomes for outcomes in told):
        return {}
    each = [outcomes.count("right") / len(outcomes) for outcomes in told]
    return {"all_right": fmean(each), "all_right_interval": wilson(fsum(each), len(each))}


def _interval(each: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    return wilson(fsum(item["score"] for item in each), len(each))


def _by(each: Sequence[Mapping[str, Any]], field: str) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "score": fmean(item["score"] for item in group),
            "interval": _interval(group),
            "steps_right": mean_of(item["steps_right"] for item in group),
            "n": len(group),
        }
        for name, group in grouped(each, lambda item: str(item[field])).items()
    }


def _details(predictions: Sequence[Prediction]) -> dict[str, Any]:
    """Return the fields of a scorecard on how answers were written, and on their outcomes."""
    told = Counter(prediction.get("outcome") for prediction in predictions)
    return {
        "strict_score": fmean(p.get("strict_score", p["score"]) for p in predictions),
        **{rate: fmean(bool(p.get(rate)) for p in predictions) for rate in _RATES},
        "mean_tokens": fmean(p.get("tokens", 0) for p in predictions),
        "outcomes": {outcome: told[outcome] for outcome in OUTCOMES},
    }


def _checked(predictions: Sequence[Prediction]) -> dict[str, Any]:
    """Return `abstained` and `redrawn` of a scorecard; empty if no answer was checked."""
    found = [p for p in predictions if "checked" in p]
    if not found:
        return {}
    return {
        "abstained": sum(p.get("abstained", False) for p in found),
        "redrawn": fmean(p.get("redrawn", 0) for p in found),
    }


def _own(predictions: Sequence[Prediction]) -> dict[str, Any]:
    """Return `graders`, `disagreements` and `step_counts` of a scorecard.

    They count answers to items that no task can verify. Empty if there are none.
    """
    own = [p for p in predictions if p.get("grader", "task") != "task"]
    if not own:
        return {}
    steps = Counter[str]()
    for prediction in own:
        steps.update(prediction.get("step_counts", {}))
    verbatim = sum(
        sentences.verbatim(p["expected_answer"])
        for p in own
        if p.get("grader") not in ("own", "judge") and "expected_answer" in p
    )
    return {
        "graders": dict(sorted(Counter(p.get("grader", "none") for p in own).items())),
        **({"verbatim": verbatim} if verbatim else {}),
        "disagreements": sum("disagree" in p for p in own),
        "step_counts": {name: steps[name] for name in ("right", "wrong", "unchecked")},
    }
