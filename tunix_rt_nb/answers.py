"""What a model answers to prompts, kept as it comes: an evaluation that was cut off goes on."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tunix_rt_nb import models
from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.common.text import one_line
from tunix_rt_nb.models import sampling
from tunix_rt_nb.render.encode import encode_prompts
from tunix_rt_nb.trace.chat import Form
from tunix_rt_nb.trace.response import Generation


def answer(
    model_folder: Path,
    prompts: Sequence[str],
    form: Form,
    kept: Path | None = None,
    report: Callable[[int], None] = lambda done: None,
    **how: Any,
) -> list[Generation]:
    """Answers prompts; each batch is appended to a file before the next one begins.

    What an earlier call with the same model, prompts and settings left there is not generated
    again, that of any other call is replaced. So a run that was killed ends in the same answers.

    Args:
      form: what prompts are written in, and answers read.
      kept: a JSON lines file: what was asked, then a batch a line; None keeps nothing.
      report: called with the number of prompts answered so far.
      how: `max_new_tokens`, `batch_size`, `temperature` and `seed` of `sampling.generate`.

    Raises:
      InputError: what an earlier call left is damaged.
    """
    model, tokenizer = models.load(model_folder)
    known = {}
    if kept:
        asked = [models.content_hash(model_folder), prompts, form.sha256, how]
        known = _read(kept, files.digest(asked))
    done = set(known)

    def on_batch(written: dict[int, Generation]) -> None:
        if kept:
            _append(kept, written)
        done.update(written)
        report(len(done))

    ids = encode_prompts(prompts, tokenizer, form)
    stops = form.template.stops
    found = sampling.generate(model, tokenizer, ids, stops, known=known, on_batch=on_batch, **how)
    return [answer._replace(text=form.template.said(answer.text)) for answer in found]


def _append(path: Path, written: dict[int, Generation]) -> None:
    """Adds a batch, as one line: of what is cut off nothing is left, and it is generated whole."""
    batch = [{"number": n, **one._asdict()} for n, one in sorted(written.items())]
    with path.open("ab") as file:
        file.write(files.json_line({"batch": batch}))
        file.flush()
        os.fsync(file.fileno())


class _Kept(msgspec.Struct, forbid_unknown_fields=True):
    """An answer to the prompt of this number."""

    number: int
    text: str
    tokens: int
    stopped: bool


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    """A line: the answers that came together."""

    batch: list[_Kept]


def _read(path: Path, asked: str) -> dict[int, Generation]:
    """The answers to what is asked that are there; the file ends after them."""
    header = files.json_line({"asked": asked})
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = files.whole_lines(path)
    if lines[:1] != [header]:
        lines = [header]
    with files.atomic(path) as file:  # without what a kill may have cut off
        file.writelines(lines)
    try:
        found = [msgspec.json.decode(line, type=_Line) for line in lines[1:]]
    except msgspec.MsgspecError as error:
        raise InputError(f"{path}: is damaged, remove it: {one_line(str(error))}") from None
    kept = [one for line in found for one in line.batch]
    return {one.number: Generation(one.text, one.tokens, one.stopped) for one in kept}
