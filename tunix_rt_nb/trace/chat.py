"""Traces as chats, written in a template and a style.

The template is how a family of models marks the turns of a chat. The style is how the steps and the
answer of a trace are written as one response.
"""

from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import takewhile
from typing import NamedTuple

from tunix_rt_nb.common import files
from tunix_rt_nb.trace.response import Style, style_named, write
from tunix_rt_nb.trace.templates import Segment, Template, Turns, segments, template, text_of
from tunix_rt_nb.trace.trace import Earlier, Trace


class Said(NamedTuple):
    """The content of a chat, without its template and style.

    Attributes:
      prompt: the text of the prompt.
      steps: the texts of the steps.
      answer: the final answer.
      earlier: the messages before the prompt, the system message included.
    """

    prompt: str
    steps: tuple[str, ...]
    answer: str
    earlier: Earlier = Earlier()

    @classmethod
    def of(cls, trace: Trace) -> "Said":
        """Return the prompt, the steps, the answer and the earlier messages of a trace."""
        steps = tuple(step.content for step in trace.steps)
        return cls(trace.prompt, steps, trace.final_answer, trace.earlier)


@dataclass(frozen=True)
class Form:
    """The template, style and system message in which the traces of a dataset are written.

    Attributes:
      template: how a family of models marks the turns of a chat.
      style: how steps and an answer are written as one response.
      system: the system message; if empty, the template's `default_system` is used.
      turns: the earlier turns of a chat: pairs of a user's message and the model's reply. Empty
        in the form of a whole dataset.
    """

    template: Template
    style: Style
    system: str = ""
    turns: Turns = ()

    @cached_property
    def head(self) -> tuple[Segment, ...]:
        """The segments before a prompt: BOS and all others up to the last control token.

        A segment is a run of literal text or one control token, such as `<start_of_turn>`.
        """
        opening = self.template.opening(self.system, self.turns)
        bos = [Segment(self.template.bos, True)] if self.template.bos else []
        return (*bos, *opening[: -len(_literal_end(opening)) or None])

    @cached_property
    def lead(self) -> str:
        """The literal text between `head` and the prompt, such as `user\\n`.

        It is tokenised together with the prompt.
        """
        return text_of(_literal_end(self.template.opening(self.system, self.turns)))

    @cached_property
    def tail(self) -> tuple[Segment, ...]:
        """The segments that close the user's turn and open the model's, a control token first."""
        return segments(self.template.after_prompt, self.template.turns)

    @cached_property
    def before(self) -> str:
        """The text before a prompt, without BOS."""
        return text_of(self.template.opening(self.system, self.turns))

    @cached_property
    def between(self) -> str:
        """The text between a prompt and its response."""
        return self.template.after_prompt + self.template.before_response

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the template, the style and the system message, without the turns."""
        return files.digest([asdict(self.template), asdict(self.style), self.system])

    def after(self, earlier: Earlier) -> "Form":
        """Return a copy of this form with the earlier turns of a trace.

        If `earlier` has a system message, it replaces the form's own.
        """
        if not any(earlier):
            return self
        return replace(self, system=earlier.system or self.system, turns=earlier.turns)

    def write(self, said: Said) -> "Chat":
        """Write a prompt, steps and an answer as a chat."""
        text = write(said.steps, said.answer, self.style)
        return Chat(self.after(said.earlier), said.prompt, text)


def _literal_end(opening: tuple[Segment, ...]) -> tuple[Segment, ...]:
    """Return the segments of literal text at the end of `opening`, after its last control token."""
    return tuple(takewhile(lambda segment: not segment.control, opening[::-1]))[::-1]


def form(template_name: str = "gemma", style: str = "numbered", system: str = "") -> Form:
    """Return the form with this template, style and system message.

    Args:
      template_name: the name of a template, such as `gemma` or `chatml`.
      style: the name of a style, `numbered` or `tags`.
      system: the system message; if empty, the template's `default_system` is used.

    Raises:
      InputError: unknown template or style.
    """
    return Form(template(template_name), style_named(style), system)


class Chat(NamedTuple):
    """A prompt and its response, and the form to write them in.

    Attributes:
      form: the template, the style, the system message and the earlier turns.
      asked: the text of the prompt.
      said: the text of the response, without a stop token.
    """

    form: Form
    asked: str
    said: str

    @property
    def prompt(self) -> tuple[Segment, ...]:
        """The segments before the response: all up to the opening of the model's turn, but BOS.

        A segment is a run of literal text or one control token, such as `<start_of_turn>`.
        """
        return self.form.template.prompt(self.asked, self.form.system, self.form.turns)

    @property
    def response(self) -> tuple[Segment, ...]:
        """The segments of the response and its stop token."""
        return self.form.template.response(self.said)

    @property
    def given(self) -> str:
        """The segments of `prompt` as one text; this is what a model is given."""
        return f"{self.form.before}{self.asked}{self.form.template.after_prompt}"

    @property
    def trained(self) -> str:
        """The segments of `response` as one text; this is what a model is trained to write."""
        template = self.form.template
        return f"{template.before_response}{self.said}{template.stop}"

    @property
    def text(self) -> str:
        """The whole chat as text for people to read."""
        return self.given + self.trained


def render(
    trace: Trace, template_name: str = "gemma", style: str = "numbered", system: str = ""
) -> Chat:
    """Write a trace as a chat.

    Args:
      trace: the trace.
      template_name: the name of a template, such as `gemma` or `chatml`.
      style: the name of a style, `numbered` or `tags`.
      system: the system message; if empty, the template's `default_system` is used.

    Raises:
      InputError: unknown template or style.

    Example:
      >>> trace = Trace.of("What is 2 + 2?", [("compute", "2 + 2 = 4.")], "4")
      >>> print(render(trace).text)
      <start_of_turn>user
      What is 2 + 2?<end_of_turn>
      <start_of_turn>model
      Reasoning:
      1. 2 + 2 = 4.
      Answer: 4<end_of_turn>
    """
    return form(template_name, style, system).write(Said.of(trace))
