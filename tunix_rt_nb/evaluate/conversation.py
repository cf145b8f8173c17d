"""A conversation with a trained model, whose steps are checked while it writes them."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tunix_rt_nb import models, tasks
from tunix_rt_nb.common import InputError
from tunix_rt_nb.evaluate.grade import _within
from tunix_rt_nb.evaluate.items import task_of
from tunix_rt_nb.render import Rendered, encode_prompts
from tunix_rt_nb.trace import Earlier, Generation, Trace, form, parse_response, plain, response

_LONGEST = 20_000  # characters of a question, as of the prompt of a trace


class Reply(NamedTuple):
    """A model's reply to a question, as far as it is written.

    Attributes:
      text: the text so far.
      steps: the texts of the steps that are complete.
      right: for each of these steps True or False; None if nobody can check it.
      reasons: for each of these steps why it is wrong, or None.
      writing: the text after these steps, such as a step that is being written.
      answer: the final answer; None if there is none, or none yet.
      answer_right: True or False; None if nobody can check the answer.
      whole: True if the model wrote all that it will.
      stopped: True if the model ended the reply, False if it reached its limit of tokens.
    """

    text: str
    steps: tuple[str, ...] = ()
    right: tuple[bool | None, ...] = ()
    reasons: tuple[str | None, ...] = ()
    writing: str = ""
    answer: str | None = None
    answer_right: bool | None = None
    whole: bool = False
    stopped: bool = False


class Conversation:
    """A model that is asked one question after the other.

    The model is asked in the template, style and system message that it was trained in.

    Args:
      folder: the model folder.
      rendered: the manifest of the rendered dataset; it names template, style and system message.
      max_new_tokens: the most tokens of a reply.
      turns: True to ask each question after the earlier ones and their replies; False to ask each
        alone, as a dataset without earlier messages has them.

    Attributes:
      earlier: the questions so far and their replies; empty without `turns`.

    Raises:
      InputError: the folder holds no model, or a size is below 1.
    """

    def __init__(
        self, folder: Path, rendered: Rendered, max_new_tokens: int = 256, turns: bool = False
    ) -> None:
        if max_new_tokens < 1:
            raise InputError(f"max_new_tokens: {max_new_tokens}, expected 1 or more")
        self._form = form(rendered["template"], rendered["style"], rendered["system"])
        self._style = rendered["style"]
        self._model, self._tokenizer = models.load(folder)
        self._most, self._turns = max_new_tokens, turns
        self.earlier: tuple[tuple[str, str], ...] = ()

    def reset(self) -> None:
        """Forget the earlier questions and replies."""
        self.earlier = ()

    def ask(self, question: str) -> Iterator[Reply]:
        """Ask a question, and yield the reply again and again while it is written.

        The last reply is the whole one. Its steps and its answer are checked by the task that the
        question belongs to. If no task can read the question, only the sums in the steps are
        checked.

        Raises:
          InputError: the question is empty or too long.
        """
        if not question.strip() or len(question) > _LONGEST:
            found = f"{len(question):,} characters" if question.strip() else "is blank"
            raise InputError(f"question: {found}, expected a text of at most {_LONGEST:,}")
        how = self._form.after(Earlier("", self.earlier))
        [ids] = encode_prompts([(how, question)], self._tokenizer)
        stops = how.template.stops
        read, reply = _Reader(question, self._style), Reply("")
        stream = models.stream(self._model, self._tokenizer, ids, stops, self._most)
        for written, whole in stream:
            reply = read(written._replace(text=how.template.said(written.text)), whole)
            yield reply
        if self._turns:
            self.earlier = (*self.earlier, (question, reply.text))


class _Reader:
    """A reader of the reply to one question, which is called with each longer part of it."""

    def __init__(self, question: str, style: str) -> None:
        self._question, self._style = question, style
        self._task = _task_for(question)
        self._known = Reply("")

    def __call__(self, written: Generation, whole: bool) -> Reply:
        """Read the steps and the answer of what is written so far, and check them."""
        if whole:
            parsed = parse_response(written.text, self._style)
            answer = parsed.answer if parsed.strict or not parsed.answer else plain(parsed.answer)
            found = self._checked(parsed.steps, answer)
            return found._replace(text=written.text, whole=True, stopped=written.stopped)
        steps, writing = _complete(written.text, self._style)
        if steps != self._known.steps:  # to check the same steps again would take long
            self._known = self._checked(steps, None)
        return self._known._replace(text=written.text, writing=writing)

    def _checked(self, steps: tuple[str, ...], answer: str | None) -> Reply:
        said = Trace.of(
            self._question, _within(steps), (answer or "?")[:_LONGEST], {"task": self._task}
        )
        found = tasks.check(said)
        more = (None,) * (len(steps) - len(said.steps))  # what is beyond the limit of a trace
        right, reasons = (*found.right, *more), (*found.steps, *more)
        verdict = found.answer if answer else None
        return Reply("", steps, right, reasons, "", answer, verdict)


def _task_for(question: str) -> str | None:
    """Return the name of the task that can read a question, and so can check its solution."""
    asked = (Trace.of(question, [], "?", {"task": name}) for name in tasks.TASKS)
    return next((trace.task for trace in asked if task_of(trace)), None)


def _complete(text: str, style: str) -> tuple[tuple[str, ...], str]:
    """Split the beginning of a response into its complete steps and the text after them.

    Example:
      >>> _complete("Reasoning:\\n1. 2 + 2 = 4.\\n2. So", "numbered")
      (('2 + 2 = 4.',), '2. So')
    """
    how = response.style_named(style)
    steps, answer = response.unwrite(text, how)
    if f"\n{how.middle}" in text:
        return steps, f"{how.middle}{answer}"
    # The last step may go on: only the next number ends it.
    ended = steps[:-1]
    numbered = response.write(ended, "", how).removesuffix(f"{how.middle}{how.closing}")
    return ended, text.removeprefix(numbered if ended else how.opening)
