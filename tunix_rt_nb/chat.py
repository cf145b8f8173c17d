"""A trace as a chat: the templates of several model families, and the way back from text.

A chat is a list of segments, each either literal text or one control piece. The two never mix:
what stands in a trace is always literal, so it cannot become a control token.
"""

import re
from dataclasses import asdict, dataclass
from functools import cache
from typing import NamedTuple

from tunix_rt_nb import files
from tunix_rt_nb.errors import InputError, unknown
from tunix_rt_nb.response import parse, respond, style_named
from tunix_rt_nb.trace import Trace


class Segment(NamedTuple):
    """A run of literal text, or one control piece such as `<end_of_turn>`."""

    text: str
    control: bool = False


@dataclass(frozen=True)
class Template:
    r"""How a chat model's turns are written.

    Where a family's own template strips the white space around a message, this one keeps it.

    Attributes:
      bos: the piece that comes first, a token that is no part of the text; None for none.
      turns: the control pieces in the strings below.
      before_prompt: what opens the user's turn; with a system message `before_system` does.
      after_system: what comes between a system message and the prompt.
      after_prompt: what closes the user's turn and opens the model's; there a model takes over.
      before_response: what a model writes first.
      stops: the pieces that end a response: the one it is trained to end with, then others that
        a model may end with.
      default_system: the system message of a chat that is given none.

    Example:
      >>> TEMPLATES["mistral"].prompt("2 + 2?")[:2]
      (Segment(text='[INST]', control=True), Segment(text=' ', control=False))
    """

    bos: str | None
    turns: tuple[str, ...]
    before_prompt: str
    before_system: str
    after_system: str
    after_prompt: str
    stops: tuple[str, ...]
    before_response: str = ""
    default_system: str = ""

    @property
    def stop(self) -> str:
        """The piece that a response is trained to end with."""
        return self.stops[0]

    @property
    def pieces(self) -> tuple[str, ...]:
        """Every control piece that a tokenizer must have for this template."""
        every = (*([self.bos] if self.bos else []), *self.turns, *self.stops)
        return tuple(dict.fromkeys(every))

    def opening(self, system: str = "") -> tuple[Segment, ...]:
        """All that comes before the prompt."""
        system = system or self.default_system
        if not system:
            return _segments(self.before_prompt, self.turns)
        before = _segments(self.before_system, self.turns)
        return (*before, Segment(system), *_segments(self.after_system, self.turns))

    def prompt(self, text: str, system: str = "") -> tuple[Segment, ...]:
        """The user's turn and the opening of the model's."""
        closing = _segments(self.after_prompt, self.turns)
        return (*self.opening(system), Segment(text), *closing)

    def response(self, text: str) -> tuple[Segment, ...]:
        """The model's turn, to its stop piece."""
        return Segment(self.before_response + text), Segment(self.stop, True)

    def said(self, written: str) -> str:
        """The response in what a model wrote."""
        return written.removeprefix(self.before_response)


@cache
def _segments(text: str, turns: tuple[str, ...]) -> tuple[Segment, ...]:
    """A part of a template, cut at its control pieces."""
    parts = re.split(f"({'|'.join(map(re.escape, turns))})", text)
    return tuple(Segment(part, part in turns) for part in parts if part)


TEMPLATES = {
    # https://ai.google.dev/gemma/docs/core/prompt-structure
    "gemma": Template(
        bos="<bos>",
        turns=("<start_of_turn>", "<end_of_turn>"),
        before_prompt="<start_of_turn>user\n",
        before_system="<start_of_turn>user\n",  # Gemma has no turn for the system
        after_system="\n\n",
        after_prompt="<end_of_turn>\n<start_of_turn>model\n",
        stops=("<end_of_turn>", "<eos>"),
    ),
    # https://huggingface.co/Qwen/Qwen2.5-7B-Instruct: no BOS, and a system message in any case
    "chatml": Template(
        bos=None,
        turns=("<|im_start|>", "<|im_end|>"),
        before_prompt="<|im_start|>user\n",
        before_system="<|im_start|>system\n",
        after_system="<|im_end|>\n<|im_start|>user\n",
        after_prompt="<|im_end|>\n<|im_start|>assistant\n",
        stops=("<|im_end|>", "<|endoftext|>"),
        default_system="You are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
    ),
    # https://www.llama.com/docs/model-cards-and-prompt-formats/meta-llama-3
    "llama3": Template(
        bos="<|begin_of_text|>",
        turns=("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        before_prompt="<|start_header_id|>user<|end_header_id|>\n\n",
        before_system="<|start_header_id|>system<|end_header_id|>\n\n",
        after_system="<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n",
        after_prompt="<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
        stops=("<|eot_id|>", "<|end_of_text|>"),
    ),
    # https://github.com/mistralai/mistral-common, version 3: the spaces are tokens' beginnings
    "mistral": Template(
        bos="<s>",
        turns=("[INST]", "[/INST]"),
        before_prompt="[INST] ",
        before_system="[INST] ",
        after_system="\n\n",
        after_prompt="[/INST]",
        before_response=" ",
        stops=("</s>",),
    ),
}


def template(name: str) -> Template:
    """The template of that name, or an `InputError` that lists them."""
    if name not in TEMPLATES:
        raise unknown("template", name, TEMPLATES)
    return TEMPLATES[name]


def form_sha256(template_name: str, style: str, system: str = "") -> str:
    """The sha256 of all that defines how a trace is rendered."""
    return files.digest([asdict(template(template_name)), asdict(style_named(style)), system])


@dataclass(frozen=True)
class Chat:
    """One prompt and its response, both in segments; the response ends with the stop piece."""

    prompt: tuple[Segment, ...]
    response: tuple[Segment, ...]
    bos: str | None = "<bos>"

    @property
    def text(self) -> str:
        """The whole chat as people read it."""
        return text_of((*self.prompt, *self.response))


def text_of(segments: tuple[Segment, ...]) -> str:
    """What segments say, control pieces by their names."""
    return "".join(segment.text for segment in segments)


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
    chosen = template(template_name)
    response = chosen.response(respond(trace, style))
    return Chat(chosen.prompt(trace.prompt, system), response, chosen.bos)


class Read(NamedTuple):
    """What the text of a chat says."""

    prompt: str
    steps: tuple[str, ...]
    answer: str


def unrender(
    text: str, template_name: str = "gemma", style: str = "numbered", system: str = ""
) -> Read:
    """Reads prompt, steps and answer back from a rendered chat; the inverse of `render`.

    A prompt may hold anything, even another chat. But a response holds a line that begins with
    `1. ` under the style's opening only once, so the last one in the text is where it begins.

    Raises:
      InputError: the text is not the rendering of a trace in that template, style and system.

    Example:
      >>> trace = Trace.of("Say [/INST] Reasoning:\\n1. x", [("say", "Said.")], "yes")
      >>> unrender(render(trace, "mistral").text, "mistral")
      Read(prompt='Say [/INST] Reasoning:\\n1. x', steps=('Said.',), answer='yes')
    """
    chosen = template(template_name)
    before = text_of(chosen.opening(system))
    middle = chosen.after_prompt + chosen.before_response
    cut = text.rfind(f"{middle}{style_named(style).opening}1. ")
    response = text[cut + len(middle) :].removesuffix(chosen.stop)
    parsed = parse(response, style)
    prompt = text[len(before) : cut]
    if (
        cut < 0
        or not parsed.strict
        or text != "".join([before, prompt, middle, response, chosen.stop])
    ):
        raise InputError(
            f"chat: is no trace in template {template_name!r} and style {style!r},"
            " render it with `render`"
        )
    return Read(prompt, parsed.steps, parsed.answer or "")
