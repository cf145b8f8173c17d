"""What a model answers to prompts, kept as it comes: an evaluation that was cut off goes on."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tunix_rt_nb import files, models, sampling
from tunix_rt_nb.sampling import Generation


def answer(
    model_folder: Path,
    prompts: Sequence[Sequence[int]],
    stops: Sequence[str],
    kept: Path,
    report: Callable[[int], None] = lambda done: None,
    **how: Any,
) -> list[Generation]:
    """Answers prompts; each batch is appended to a file before the next one begins.

    What an earlier call with the same model, prompts and settings left there is not generated
    again, that of any other call is replaced. So a run that was killed ends in the same answers.

    Args:
      prompts: the ids of each prompt.
      kept: a JSON lines file: what was asked, then an answer a line.
      report: called with the number of prompts answered so far.
      how: `max_new_tokens`, `batch_size`, `temperature` and `seed` of `sampling.generate`.
    """
    asked = files.digest([models.content_hash(model_folder), list(map(list, prompts)), stops, how])
    known = _read(kept, asked)
    model, tokenizer = models.load(model_folder)
    done = set(known)
    with kept.open("ab") as file:

        def on_batch(written: dict[int, Generation]) -> None:
            file.write(b"".join(map(_line, sorted(written.items()))))
            file.flush()
            os.fsync(file.fileno())
            done.update(written)
            report(len(done))

        how = {**how, "known": known, "on_batch": on_batch}
        return sampling.generate(model, tokenizer, prompts, stops, **how)


class _Kept(msgspec.Struct, forbid_unknown_fields=True):
    """A line: an answer to the prompt of this number."""

    number: int
    text: str
    tokens: int
    stopped: bool


def _line(numbered: tuple[int, Generation]) -> bytes:
    number, written = numbered
    return files.json_line({"number": number, **written._asdict()})


def _read(path: Path, asked: str) -> dict[int, Generation]:
    """The answers to what is asked that are there; the file ends after them."""
    header = files.json_line({"asked": asked})
    path.parent.mkdir(parents=True, exist_ok=True)
    content = path.read_bytes() if path.exists() else b""
    whole = content[: content.rfind(b"\n") + 1]  # a kill may have cut off the last line
    if not whole.startswith(header):
        whole = header
    if whole != content:
        with files.atomic(path) as file:
            file.write(whole)
    found = [msgspec.json.decode(line, type=_Kept) for line in whole.splitlines()[1:]]
    return {one.number: Generation(one.text, one.tokens, one.stopped) for one in found}
