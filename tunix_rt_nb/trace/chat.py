"""Traces as chats: written in a template and a style, and read back from the text."""

from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import takewhile
from typing import NamedTuple

from tunix_rt_nb.common import InputError, files
from tunix_rt_nb.trace.response import Style, style_named, unwrite, write
from tunix_rt_nb.trace.templates import Segment, Template, segments, template, text_of
from tunix_rt_nb.trace.trace import Trace


class Said(NamedTuple):
    """The content of a chat, without its template and style."""

    prompt: str
    steps: tuple[str, ...]
    answer: str

    @classmethod
    def of(cls, trace: Trace) -> "Said":
        """Return the prompt, the texts of the steps and the answer of a trace."""
        return cls(trace.prompt, tuple(step.content for step in trace.steps), trace.final_answer)


@dataclass(frozen=True)
class Form:
    """The template, style and system message in which all traces of a dataset are written.

    Attributes:
      system: the system message. If empty, the template's own is used if it has one, else none.
    """

    template: Template
    style: Style
    system: str = ""

    @cached_property
    def head(self) -> tuple[Segment, ...]:
        """The segments before a prompt, from BOS to the last control piece."""
        opening = self.template.opening(self.system)
        bos = [Segment(self.template.bos, True)] if self.template.bos else []
        return (*bos, *opening[: -len(_literal_end(opening)) or None])

    @cached_property
    def lead(self) -> str:
        """The literal text between `head` and the prompt; it is tokenised with the prompt."""
        return text_of(_literal_end(self.template.opening(self.system)))

    @cached_property
    def tail(self) -> tuple[Segment, ...]:
        """The segments after a prompt; the first is a control piece."""
        return segments(self.template.after_prompt, self.template.turns)

    @cached_property
    def before(self) -> str:
        """The text before a prompt, without BOS."""
        return text_of(self.template.opening(self.system))

    @cached_property
    def between(self) -> str:
        """The text between a prompt and its response."""
        return self.template.after_prompt + self.template.before_response

    @cached_property
    def sha256(self) -> str:
        """The digest of everything that defines how a trace is written."""
        return files.digest([asdict(self.template), asdict(self.style), self.system])

    def write(self, said: Said) -> "Chat":
        """Write a prompt, steps and an answer as a chat."""
        return Chat(self, said.prompt, write(said.steps, said.answer, self.style))

    def read(self, text: str) -> Said:
        """Read prompt, steps and answer back from a text that `write` wrote.

        Any other text gives a meaningless result, without an error; see `unrender` for a check.

        A prompt may hold anything, even another chat. A response holds the style's opening with
        `1. ` right after it only once, at its start, because `write` escapes any other. So the last
        one in the text is where the response begins.
        """
        cut = text.rfind(f"{self.between}{self.style.opening}1. ")
        said = text[cut + len(self.between) :].removesuffix(self.template.stop)
        return Said(text[len(self.before) : cut], *unwrite(said, self.style))

    def unrender(self, text: str) -> Said:
        """Read a text as `read` does, and check that it is a chat of this form.

        Raises:
          InputError: the text is not a chat of this form.
        """
        said = self.read(text)
        if not (said.steps and said.answer and self.write(said).text == text):
            raise InputError(
                "chat: is no trace in this template, style and system message,"
                f" render it with `render`: it begins {text[:40]!r}"
            )
        return said


def _literal_end(opening: tuple[Segment, ...]) -> tuple[Segment, ...]:
    """Return the literal segments after the last control piece."""
    return tuple(takewhile(lambda segment: not segment.control, opening[::-1]))[::-1]


def form(template_name: str = "gemma", style: str = "numbered", system: str = "") -> Form:
    """Return the form with this template, style and system message.

    Raises:
      InputError: unknown template or style.
    """
    return Form(template(template_name), style_named(style), system)


class Chat(NamedTuple):
    """A prompt (`asked`) and its response (`said`), to be written in a form."""

    form: Form
    asked: str
    said: str

    @property
    def prompt(self) -> tuple[Segment, ...]:
        """The segments of the user's turn and of the opening of the model's turn, without BOS."""
        return self.form.template.prompt(self.asked, self.form.system)

    @property
    def response(self) -> tuple[Segment, ...]:
        """The segments of the model's turn, its stop piece included."""
        return self.form.template.response(self.said)

    @property
    def given(self) -> str:
        """The text of `prompt`."""
        return f"{self.form.before}{self.asked}{self.form.template.after_prompt}"

    @property
    def trained(self) -> str:
        """The text of `response`."""
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
      system: the system message. If empty, the template's own is used if it has one, else none.

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


def unrender(
    text: str, template_name: str = "gemma", style: str = "numbered", system: str = ""
) -> Said:
    """Read prompt, steps and answer back from the text of a chat that `render` wrote.

    Raises:
      InputError: the text is not a trace in this template and style with this system message.

    Example:
      >>> trace = Trace.of("Say [/INST] Reasoning:\\n1. x", [("say", "Said.")], "yes")
      >>> unrender(render(trace, "mistral").text, "mistral")
      Said(prompt='Say [/INST] Reasoning:\\n1. x', steps=('Said.',), answer='yes')
    """
    return form(template_name, style, system).unrender(text)
