"""Attempts: the answers of a model in one round, graded, and their file.

rounds/
  round-01.jsonl         a header, then a line per answer: a prediction with the sampled token ids
  round-02.kept.jsonl    the answers so far of a round that is under way

The file of a round is written before its first update. A run that was killed reads it again, so it
learns from the same answers; and if it was killed while it answered, it goes on with what it kept.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tunix_rt_nb import evaluate, models
from tunix_rt_nb.common import InputError, checked, files, one_line
from tunix_rt_nb.evaluate import Prediction
from tunix_rt_nb.improve.prompts import Asked
from tunix_rt_nb.improve.settings import Settings
from tunix_rt_nb.models import Tokenizer
from tunix_rt_nb.render import Rendered, encode_prompts
from tunix_rt_nb.trace import Generation, Parsed, form, parse_response

_TRIES = 4  # draws of a wrong step: more than for an answer to a user, as only right ones teach


class _Line(Prediction):
    """A line of a round's file; `ids` are the token ids that the model sampled."""

    ids: list[int]


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

    @property
    def parsed(self) -> Parsed:
        """The steps and the answer in the response, as they were graded."""
        lines = 1 + self.graded["expected_answer"].count("\n")
        return parse_response(self.graded["response"], self.graded["style"], lines)

    @property
    def first_wrong(self) -> str:
        """The text of the first wrong step, numbered if the response keeps to the style.

        It is empty if no step is wrong, or if the next one is missing.
        """
        first = self.graded["first_wrong"] or 0
        number = f"{first}. " if self.graded["strict_format"] else ""
        return "".join(number + step for step in self.parsed.steps[max(first - 1, 0) : first])


def answer(
    model: Any,
    tokenizer: Tokenizer,
    asked: Sequence[Asked],
    rendered: Rendered,
    settings: Settings,
    round: int,
    batch_size: int,
    kept: evaluate.Kept,
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
      kept: the answers that an earlier try left, which are not sampled again.
      grader: what `evaluate.named_grader` returns.
      report: called with the number of answers so far.

    Returns:
      The lines of the round's file: all answers to the first prompt, then those to the next.
    """
    how = form(rendered["template"], rendered["style"], rendered["system"])
    prompts = encode_prompts(
        [(how.after(a.trace.earlier), a.trace.prompt) for a in asked], tokenizer
    )
    done = set(kept.answers)

    def on_answers(written: dict[int, Generation]) -> None:
        kept.append(written)
        done.update(written)
        report(len(done))

    items = [(a.name, a.trace) for a in asked for _ in range(settings.group)]
    each = [prompt for prompt in prompts for _ in range(settings.group)]
    # Other rounds draw other tokens, though their answers have the same numbers.
    seed = (settings.seed + 7_919 * (round + 1)) % 2**31
    given = model, tokenizer, each, how.template.stops, settings.max_new_tokens
    chance: dict[str, Any] = {"temperature": settings.answer_temperature, "seed": seed}
    chance |= {"batch_size": batch_size, "known": kept.answers, "on_answers": on_answers}
    if settings.redraw:
        traces = [trace for _, trace in items]
        check = evaluate.Reader(traces, how, evaluate.find_named(settings.redraw))
        said = models.redrawing.generate(*given, check, tries=_TRIES, **chance)
    else:
        said = models.sampling.generate(*given, **chance)
    written = [one._replace(text=how.template.said(one.text)) for one in said]
    sizes = settings.max_new_tokens, settings.answer_temperature
    graded = evaluate.predictions_of(items, written, rendered, *sizes, grader, settings.redraw)
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
    files.write_lines(path, [{"run": identity, "answers": len(lines)}, *lines])


def read(path: Path, identity: str) -> list[dict[str, Any]] | None:
    """Read the file of a round; None if there is none, or it is of another run.

    Raises:
      InputError: the file is damaged.
    """
    if not path.exists():
        return None
    try:
        header, *lines = files.read_lines(path)
        if header.get("run") != identity:
            return None
        if header.get("answers") != len(lines):
            raise InputError(f"{len(lines)} answers, expected {header.get('answers')}")
        return [checked(_Line, line, f"{path}:{n}: ") for n, line in enumerate(lines, 2)]  # type: ignore
    except (InputError, ValueError) as error:
        told = one_line(str(error).removeprefix(f"{path}:"))
        raise InputError(f"{path}: is damaged, remove it: {told}") from None


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
