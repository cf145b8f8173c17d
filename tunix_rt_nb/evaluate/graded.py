"""Answers to items as predictions: graded, and with the way in which they were asked."""

from collections.abc import Sequence
from typing import Any

from tunix_rt_nb.evaluate.grade import grade
from tunix_rt_nb.evaluate.graders.judged import Judge
from tunix_rt_nb.evaluate.graders.own import Own
from tunix_rt_nb.evaluate.prediction import Prediction
from tunix_rt_nb.render import Rendered
from tunix_rt_nb.trace import Generation, Trace


def predictions_of(
    items: Sequence[tuple[str, Trace]],
    answers: Sequence[Generation],
    rendered: Rendered,
    max_new_tokens: int,
    temperature: float = 0.0,
    grader: Own | Judge | None = None,
    checked: str = "",
) -> list[Prediction]:
    """Grade answers, and record how they were asked.

    Args:
      items: the (id, trace) pair that each answer is for.
      answers: what a model wrote.
      rendered: the manifest of the data that the model was trained on; it names the form.
      max_new_tokens: the most tokens of an answer.
      temperature: the temperature at which answers were sampled.
      grader: what `named_grader` returns; it grades the items that no task can verify.
      checked: what checked each step while it was written, a key of `checking.CHECKS`; empty for
        nothing.

    Raises:
      InputError: the grader fails.
    """
    asked = {
        "template": rendered["template"],
        "style": rendered["style"],
        "form_sha256": rendered["form_sha256"],
        "max_new_tokens": max_new_tokens,
        "temperature": temperature,
    }
    found: list[Prediction] = []
    for (name, trace), answer in zip(items, answers, strict=True):
        one: Any = {**grade(name, trace, answer, rendered["style"], grader), **asked}
        if checked:
            one |= {"checked": checked, "abstained": answer.abstained, "redrawn": answer.redrawn}
        found.append(one)
    return found
