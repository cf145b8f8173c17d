"""Attempts: the answers of a model in one round, graded, and their file.

rounds/
  round-01.jsonl    a header, then a line per answer: a prediction with the sampled token ids

A file is written before the first update of its round. A run that was killed reads it again, so it
learns from the same answers.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tunix_rt_nb import evaluate, models
from tunix_rt_nb.common import InputError, files, one_line
from tunix_rt_nb.evaluate import Prediction
from tunix_rt_nb.improve.prompts import Asked
from tunix_rt_nb.improve.settings import Settings
from tunix_rt_nb.models import Tokenizer
from tunix_rt_nb.render import Rendered, encode_prompts
from tunix_rt_nb.trace import Generation, form


class Attempt(NamedTuple):
    """An answer to a prompt of a round.

    Attributes:
      asked: the prompt.
      number: the number of the prompt in its round, from 0.
      prompt: its token ids.
      said: the token ids that the model sampled, its stop token included.
      graded: the answer, graded.
    """

    asked: Asked
    number: int
    prompt: tuple[int, ...]
    said: tuple[int, ...]
    graded: Prediction

    @property
    def length(self) -> int:
        """The number of tokens of prompt and answer."""
        return len(self.prompt) + len(self.said)


def answer(
    model: Any,
    tokenizer: Tokenizer,
    asked: Sequence[Asked],
    rendered: Rendered,
    settings: Settings,
    round: int,
    batch_size: int,
    grader: Any = None,
    report: Callable[[int], None] = lambda done: None,
) -> list[dict[str, Any]]:
    """Sample `settings.group` answers to each prompt, and grade them.

    Args:
      model: the model, as it is now.
      asked: the prompts.
      rendered: the manifest of the data that the model was fine-tuned on; it names the form.
      round: the number of the round, from 0; each has its own random draws.
      batch_size: answers at a time.
      grader: what `evaluate.named_grader` returns.
      report: called with the number of answers so far.

    Returns:
      The lines of the round's file: all answers to the first prompt, then those to the next.
    """
    how = form(rendered["template"], rendered["style"], rendered["system"])
    prompts = encode_prompts(
        [(how.after(a.trace.earlier), a.trace.prompt) for a in asked], tokenizer
    )
    done: set[int] = set()

    def on_batch(written: dict[int, Generation]) -> None:
        done.update(written)
        report(len(done))

    said = models.sampling.generate(
        model,
        tokenizer,
        [prompt for prompt in prompts for _ in range(settings.group)],
        how.template.stops,
        settings.max_new_tokens,
        batch_size,
        settings.answer_temperature,
        # Other rounds draw other tokens, though their answers have the same numbers.
        seed=(settings.seed + 7_919 * (round + 1)) % 2**31,
        on_batch=on_batch,
    )
    items = [(a.name, a.trace) for a in asked for _ in range(settings.group)]
    written = [one._replace(text=how.template.said(one.text)) for one in said]
    graded = evaluate.predictions_of(
        items, written, rendered, settings.max_new_tokens, settings.answer_temperature, grader
    )
    return [
        {**one, "sample": k % settings.group, "ids": list(text.ids)}
        for k, (one, text) in enumerate(zip(graded, said, strict=True))
    ]


def path_of(folder: Path, round: int) -> Path:
    """Return the path of a round's file; rounds count from 0 here, and from 1 in names."""
    return folder / f"round-{round + 1:02}.jsonl"


def write(path: Path, identity: str, lines: Sequence[Mapping[str, Any]]) -> None:
    """Write the file of a round, atomically.

    Args:
      path: the file.
      identity: what determines the run, as a hash.
      lines: what `answer` returns.
    """
    files.write_lines(path, [{"run": identity}, *lines])


def read(path: Path, identity: str) -> list[dict[str, Any]] | None:
    """Read the file of a round; None if there is none, or it is of another run.

    Raises:
      InputError: the file is damaged.
    """
    if not path.exists():
        return None
    try:
        header, *lines = files.read_lines(path)
    except ValueError as error:
        raise InputError(f"{path}: is damaged, remove it: {one_line(str(error))}") from None
    return lines if header == {"run": identity} else None


def attempts_of(
    lines: Sequence[Any], asked: Sequence[Asked], tokenizer: Tokenizer, how: Any
) -> list[Attempt]:
    """Return the attempts of a round.

    Args:
      lines: the lines of its file, without the header.
      asked: its prompts.
      tokenizer: the tokenizer.
      how: the form.
    """
    prompts = encode_prompts(
        [(how.after(a.trace.earlier), a.trace.prompt) for a in asked], tokenizer
    )
    group = len(lines) // len(asked)
    return [
        Attempt(asked[k // group], k // group, tuple(prompts[k // group]), tuple(line["ids"]), line)
        for k, line in enumerate(lines)
    ]
