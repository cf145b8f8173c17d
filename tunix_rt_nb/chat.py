"""A trace as a chat: templates, response styles, and the way back from text to steps.

A chat is a list of segments, each either literal text or one control piece. The two never mix:
what stands in a trace is always literal, so it cannot become a control token.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

from tunix_rt_nb.errors import unknown
from tunix_rt_nb.trace import Trace

STYLES = ("numbered", "tags")


class Segment(NamedTuple):
    """A run of literal text, or one control piece such as `<end_of_turn>`."""

    text: str
    control: bool = False


@dataclass(frozen=True)
class Template:
    """How a chat model's turns are written; `bos` is a token, it is no part of the text."""

    bos: str
    before_prompt: tuple[Segment, ...]
    after_prompt: tuple[Segment, ...]
    stop: str

    def prompt(self, text: str) -> tuple[Segment, ...]:
        """The user's turn and the opening of the model's."""
        return (*self.before_prompt, Segment(text), *self.after_prompt)


# https://ai.google.dev/gemma/docs/core/prompt-structure
TEMPLATES = {
    "gemma": Template(
        bos="<bos>",
        before_prompt=(Segment("<start_of_turn>", True), Segment("user\n")),
        after_prompt=(
            Segment("<end_of_turn>", True),
            Segment("\n"),
            Segment("<start_of_turn>", True),
            Segment("model\n"),
        ),
        stop="<end_of_turn>",
    )
}


@dataclass(frozen=True)
class Chat:
    """One prompt and its response, both in segments; the response ends with the stop piece."""

    prompt: tuple[Segment, ...]
    response: tuple[Segment, ...]

    @property
    def text(self) -> str:
        """The whole chat as people read it."""
        return "".join(segment.text for segment in (*self.prompt, *self.response))


def template(name: str) -> Template:
    """The template of that name, or an `InputError` that lists them."""
    if name not in TEMPLATES:
        raise unknown("template", name, TEMPLATES)
    return TEMPLATES[name]


def render(trace: Trace, template_name: str = "gemma", style: str = "numbered") -> Chat:
    """Renders a trace as a chat.

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
    response = (Segment(respond(trace, style)), Segment(chosen.stop, True))
    return Chat(prompt=chosen.prompt(trace.prompt), response=response)


def respond(trace: Trace, style: str = "numbered") -> str:
    """The response alone: the steps, then the answer, without the stop piece."""
    if style not in STYLES:
        raise unknown("style", style, STYLES)
    steps = "".join(f"{step.i + 1}. {step.content}\n" for step in trace.steps)
    if style == "tags":
        return f"<reasoning>\n{steps}</reasoning>\n<answer>{trace.final_answer}</answer>"
    return (f"Reasoning:\n{steps}" if steps else "") + f"Answer: {trace.final_answer}"


class Parsed(NamedTuple):
    """What a response says: its steps, its answer (None where none is found), and whether it
    kept to the style exactly."""

    steps: tuple[str, ...]
    answer: str | None
    strict: bool


_RESPONSE = {
    "numbered": re.compile(r"(?:Reasoning:\n(?P<steps>.*\n))?Answer: (?P<answer>.*)", re.DOTALL),
    "tags": re.compile(
        r"<reasoning>\n(?P<steps>.*\n)</reasoning>\n<answer>(?P<answer>.*)</answer>", re.DOTALL
    ),
}
_LENIENT_ANSWER = re.compile(r"(?:Answer:|<answer>)[ \t]*([^\n<]*)", re.IGNORECASE)


def parse(response: str, style: str = "numbered") -> Parsed:
    """Reads steps and answer back from a response (without its stop piece).

    Where the form is not exactly the style's, the last `Answer:` or `<answer>` and all numbered
    lines are taken, and `strict` is False.

    Example:
      >>> parse("Reasoning:\\n1. 2 + 2 = 4.\\nAnswer: 4")
      Parsed(steps=('2 + 2 = 4.',), answer='4', strict=True)
      >>> parse("so 2 + 2 = 4. answer: 4 of course").answer
      '4 of course'
    """
    exact = _RESPONSE[style].fullmatch(response)
    if exact and (steps := _numbered(exact["steps"] or "")) is not None:
        return Parsed(steps, exact["answer"], strict=True)
    answers = list(_LENIENT_ANSWER.finditer(response))
    answer = answers[-1][1].strip() if answers else None
    lines = re.findall(r"^\d+\. (.+)$", response, re.MULTILINE)
    return Parsed(tuple(lines), answer or None, strict=False)


def _numbered(block: str) -> tuple[str, ...] | None:
    """`1. a\\n2. b\\n` -> ("a", "b"); a step may have several lines; None where numbers skip."""
    steps: list[str] = []
    for line in re.findall(r"[^\n]*\n", block):
        head = f"{len(steps) + 1}. "
        if line.startswith(head):
            steps.append(line.removeprefix(head))
        elif steps:
            steps[-1] += line
        else:
            return None
    return tuple(step.removesuffix("\n") for step in steps)
