"""A trace as a chat: in a template and a style, and the way back from text."""

from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import takewhile
from typing import NamedTuple

from tunix_rt_nb.common import InputError, files
from tunix_rt_nb.trace.response import Style, style_named, unwrite, write
from tunix_rt_nb.trace.templates import Segment, Template, segments, template, text_of
from tunix_rt_nb.trace.trace import Trace


class Said(NamedTuple):
    """What a chat says, however it is written."""

    prompt: str
    steps: tuple[str, ...]
    answer: str

    @classmethod
    def of(cls, trace: Trace) -> "Said":
        """What a trace says."""
        return cls(trace.prompt, tuple(step.content for step in trace.steps), trace.final_answer)


@dataclass(frozen=True)
class Form:
    """How all traces of a dataset are written: in a template and a style, with a system message.

    Attributes:
      system: empty for none, or for the template's own where it has one.
    """

    template: Template
    style: Style
    system: str = ""

    @cached_property
    def head(self) -> tuple[Segment, ...]:
        """What comes before a prompt, from BOS to the last control piece."""
        opening = self.template.opening(self.system)
        bos = [Segment(self.template.bos, True)] if self.template.bos else []
        return (*bos, *opening[: -len(_literal_end(opening)) or None])

    @cached_property
    def lead(self) -> str:
        """The literal text from there to the prompt, which is tokenised with it."""
        return text_of(_literal_end(self.template.opening(self.system)))

    @cached_property
    def tail(self) -> tuple[Segment, ...]:
        """What comes after a prompt; it begins with a control piece."""
        return segments(self.template.after_prompt, self.template.turns)

    @cached_property
    def before(self) -> str:
        """The text before a prompt; of BOS it has nothing."""
        return text_of(self.template.opening(self.system))

    @cached_property
    def between(self) -> str:
        """The text between a prompt and its response."""
        return self.template.after_prompt + self.template.before_response

    @cached_property
    def sha256(self) -> str:
        """Of all that defines how a trace is written."""
        return files.digest([asdict(self.template), asdict(self.style), self.system])

    def write(self, said: Said) -> "Chat":
        """Writes a prompt, steps and an answer as a chat."""
        return Chat(self, said.prompt, write(said.steps, said.answer, self.style))

    def read(self, text: str) -> Said:
        """What a text says that `write` wrote; of another, whatever comes of it: see `unrender`.

        A prompt may hold anything, even another chat. But a response holds a line that begins with
        `1. ` under the style's opening only once, so the last one in the text is where it begins.
        """
        cut = text.rfind(f"{self.between}{self.style.opening}1. ")
        said = text[cut + len(self.between) :].removesuffix(self.template.stop)
        return Said(text[len(self.before) : cut], *unwrite(said, self.style))

    def unrender(self, text: str) -> Said:
        """`read` of a text that may be no chat of this form.

        Raises:
          InputError: it is none.
        """
        said = self.read(text)
        if not (said.steps and said.answer and self.write(said).text == text):
            raise InputError(
                "chat: is no trace in this template, style and system message,"
                f" render it with `render`: it begins {text[:40]!r}"
            )
        return said


def _literal_end(opening: tuple[Segment, ...]) -> tuple[Segment, ...]:
    """The literal segments at the end."""
    return tuple(takewhile(lambda segment: not segment.control, opening[::-1]))[::-1]


def form(template_name: str = "gemma", style: str = "numbered", system: str = "") -> Form:
    """The form of these names.

    Raises:
      InputError: unknown template or style.
    """
    return Form(template(template_name), style_named(style), system)


class Chat(NamedTuple):
    """One prompt and its response in some form."""

    form: Form
    asked: str
    said: str

    @property
    def prompt(self) -> tuple[Segment, ...]:
        """The user's turn and the opening of the model's, without BOS."""
        return self.form.template.prompt(self.asked, self.form.system)

    @property
    def response(self) -> tuple[Segment, ...]:
        """The model's turn, to its stop piece."""
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
        """The whole chat as people read it."""
        return self.given + self.trained


def render(
    trace: Trace, template_name: str = "gemma", style: str = "numbered", system: str = ""
) -> Chat:
    """Renders a trace as a chat.

    Args:
      system: the system message; empty for none, or for the template's own where it has one.

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
    """Reads prompt, steps and answer back from a rendered chat; the inverse of `render`.

    Raises:
      InputError: the text is not the rendering of a trace in that template, style and system.

    Example:
      >>> trace = Trace.of("Say [/INST] Reasoning:\\n1. x", [("say", "Said.")], "yes")
      >>> unrender(render(trace, "mistral").text, "mistral")
      Said(prompt='Say [/INST] Reasoning:\\n1. x', steps=('Said.',), answer='yes')
    """
    return form(template_name, style, system).unrender(text)
