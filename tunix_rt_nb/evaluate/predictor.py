"""Answers of a model to items that it was not trained on, generated and graded.

Answers are kept as they come, so that an interrupted evaluation resumes.
"""

from collections.abc import Callable, Sequence
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

from tunix_rt_nb import models
from tunix_rt_nb.common import InputError, files
from tunix_rt_nb.evaluate.checking import Reader, find_named
from tunix_rt_nb.evaluate.graded import predictions_of
from tunix_rt_nb.evaluate.graders.judged import Judge
from tunix_rt_nb.evaluate.graders.own import Own
from tunix_rt_nb.evaluate.kept import Kept
from tunix_rt_nb.evaluate.prediction import Prediction
from tunix_rt_nb.render import Rendered, encode_prompts
from tunix_rt_nb.trace import Form, Generation, Trace, form


def predict(
    model_folder: Path,
    items: Sequence[tuple[str, Trace]],
    rendered: Rendered,
    max_new_tokens: int = 256,
    batch_size: int = 64,
    kept: Path | None = None,
    samples: int = 1,
    temperature: float = 0.0,
    seed: int = 0,
    grader: Own | Judge | None = None,
    checked: str = "",
    report: Callable[[int], None] = lambda done: None,
) -> list[Prediction]:
    """Let a model answer items in the template and style it was trained in, and grade the answers.

    Args:
      items: pairs of an id and a trace.
      rendered: the manifest of the rendered dataset; it names template, style and system message.
      kept: a file that keeps answers as they come, so that an interrupted call resumes.
      samples: the number of answers to each item. If it is above 1, each prediction has the number
        of its answer as `sample`.
      temperature: 0 takes the likeliest token each time, 1 samples from the model's distribution.
      seed: determines the tokens that are sampled.
      grader: what `named_grader` returns; it grades the items that no task can verify.
      checked: what checks each step while it is written, a key of `checking.CHECKS`; empty for
        nothing. A wrong step is taken back and drawn again; if that fails, the model abstains.
      report: called with the number of answers so far.

    Returns:
      The predictions, in the order of the items, each with the template and style of its
        prompt.

    Raises:
      InputError: there are no items, a size is below 1, the temperature is invalid, the template or
        style has changed since the dataset was rendered, the check is unknown, or the grader
        fails.
    """
    if not items or min(max_new_tokens, batch_size, samples) < 1:
        raise InputError(
            f"evaluate: {len(items)} held-out items, {max_new_tokens} new tokens,"
            f" batches of {batch_size}, {samples} samples: each must be at least 1"
        )
    if not 0 <= temperature < inf or (samples > 1 and temperature == 0):
        raise InputError(
            f"temperature: {temperature}, expected 0 or above; several samples need a temperature"
            " above 0, because they would be equal at 0"
        )
    names = rendered["template"], rendered["style"], rendered["system"]
    how = form(*names)
    if how.sha256 != rendered["form_sha256"]:
        raise InputError(
            f"template: {names[0]} in style {names[1]} has changed, run 3_render again"
        )
    every = [(*item, k) for item in items for k in range(samples)]
    find = find_named(checked) if checked else None
    check = Reader([trace for _, trace, _ in every], how, find) if find else None
    written = _answer(
        model_folder,
        [(how.after(trace.earlier), trace.prompt) for _, trace, _ in every],
        kept,
        report,
        check,
        max_new_tokens=max_new_tokens,
        batch_size=batch_size,
        temperature=temperature,
        seed=seed,
    )
    asked = [(name, trace) for name, trace, _ in every]
    found = predictions_of(asked, written, rendered, max_new_tokens, temperature, grader, checked)
    if samples > 1:
        for (_, _, k), prediction in zip(every, found, strict=True):
            prediction["sample"] = k
    return found


def _answer(
    model_folder: Path,
    asked: Sequence[tuple[Form, str]],
    kept: Path | None = None,
    report: Callable[[int], None] = lambda done: None,
    check: Reader | None = None,
    **how: Any,
) -> list[Generation]:
    """Answer prompts, and append the answers to a file as they are finished.

    If an earlier call with the same model, prompts, form, check and settings left answers in the
    file, they are not generated again. Answers of any other call are replaced. So a call that was
    killed and is repeated returns the same answers as a call that was never killed.

    Args:
      asked: each prompt with the form in which it is written.
      kept: the file of kept answers; None keeps nothing.
      report: called with the number of prompts answered so far.
      check: checks the steps while they are written; None to write without a check.
      how: `max_new_tokens`, `batch_size`, `temperature` and `seed` of `sampling.generate`.

    Returns:
      The answers, in the order of the prompts.

    Raises:
      InputError: the file of an earlier call is damaged.
    """
    model, tokenizer = models.load(model_folder)
    earlier = None
    if kept:
        prompts = [(form.sha256, prompt) for form, prompt in asked]
        call = [models.content_hash(model_folder), prompts, how]
        call += [check.find.__name__] if check else []
        earlier = Kept(kept, files.digest(call))
    known = earlier.answers if earlier else {}
    done = set(known)

    def on_answers(written: dict[int, Generation]) -> None:
        if earlier:
            earlier.append(written)
        done.update(written)
        report(len(done))

    ids = encode_prompts(asked, tokenizer)
    template = asked[0][0].template
    write = partial(models.redrawing.generate, check=check) if check else models.sampling.generate
    found = write(model, tokenizer, ids, template.stops, known=known, on_answers=on_answers, **how)
    return [answer._replace(text=template.said(answer.text)) for answer in found]
