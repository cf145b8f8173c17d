"""A trial of checks while a model writes: against writing plainly, and against a majority vote."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

from tunix_rt_nb import models
from tunix_rt_nb.evaluate.comparison import compare, verdict
from tunix_rt_nb.evaluate.prediction import Prediction
from tunix_rt_nb.evaluate.predictor import predict
from tunix_rt_nb.evaluate.samples import majority
from tunix_rt_nb.evaluate.scorecard import by_item
from tunix_rt_nb.render import Rendered
from tunix_rt_nb.trace import Trace

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
_FEWEST = 3  # answers to vote with: a majority of two decides nothing


class Trial(NamedTuple):
    """The answers of one model to the same items, written in three ways.

    Attributes:
      checked: the predictions of the answers that were checked while they were written.
      rows: for each way its answers that are right, those of them with every step right, its wrong
        answers, the items without an answer, and the tokens drawn, those taken back included.
      verdict: whether the checked answers are better than the plain ones, by pairs.
    """

    checked: list[Prediction]
    rows: list[dict[str, Any]]
    verdict: str


def try_checks(
    name: str,
    plain: Sequence[Prediction],
    model_folder: Path,
    items: Sequence[tuple[str, Trace]],
    rendered: Rendered,
    kept: Path,
    temperature: float = 0.0,
    progress: Progress = lambda what, n: nullcontext(lambda done: None),
    **how: Any,
) -> Trial:
    """Answer items again, with a check of each step and by majority vote, and compare.

    The vote is held on at least as many tokens as the checked answers took, and among at least
    three answers to each item.

    Args:
      name: what checks the steps, a key of `checking.CHECKS`.
      plain: the answers of the model as it wrote them without a check.
      model_folder, items, rendered, temperature, how: as for `predict`.
      kept: a folder that keeps answers as they come, so that an interrupted call resumes.
      progress: shows the progress of answering, as `report.answering_progress` does.

    Raises:
      InputError: as for `predict` and `compare`.
    """
    asked = model_folder, items, rendered
    first = [answer for answer in plain if answer.get("sample", 0) == 0]
    with progress("with checked steps", len(items)) as told:
        here = kept / "checked.jsonl"
        checked = predict(
            *asked, kept=here, checked=name, temperature=temperature, report=told, **how
        )
    samples = max(_FEWEST, ceil(_tokens(checked) / max(1, _tokens(first))))
    heat = temperature or models.redrawing.TEMPERATURE
    with progress(f"{samples} times, to vote", samples * len(items)) as told:
        here = kept / "votes.jsonl"
        votes = predict(*asked, kept=here, samples=samples, temperature=heat, report=told, **how)
    several = by_item(votes).values()
    rows = [
        _row("plain", first, first),
        _row(f"majority of {samples}", [majority(v) for v in several], votes),
        _row(f"checked by {name}", checked, checked),
    ]
    return Trial(checked, rows, verdict(compare(first, checked)))


def _row(way: str, given: Sequence[Prediction], drawn: Sequence[Prediction]) -> dict[str, Any]:
    """Return one row of a trial.

    Args:
      way: how the answers were written.
      given: the answer to each item.
      drawn: all answers that were written for that.
    """
    answered = [answer for answer in given if answer["answer"] is not None]
    right = sum(answer["score"] == 1.0 for answer in answered)
    return {
        "answers": way,
        "right": right,
        "every step right": sum(answer.get("outcome") == "right" for answer in answered),
        "wrong": len(answered) - right,
        "not answered": len(given) - len(answered),
        "tokens": _tokens(drawn),
    }


def _tokens(predictions: Sequence[Prediction]) -> int:
    return sum(answer.get("tokens", 0) + answer.get("redrawn", 0) for answer in predictions)
