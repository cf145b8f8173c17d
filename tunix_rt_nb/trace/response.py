"""Responses of a model: steps and an answer, written as one text and read back from it.

There are two styles. This is the same response in both:

    numbered                     tags
    Reasoning:                   <reasoning>
    1. 2 and 2 are asked.        1. 2 and 2 are asked.
    2. 2 + 2 = 4.                2. 2 + 2 = 4.
    Answer: 4                    </reasoning>
                                 <answer>4</answer>

The texts of steps and answer are copied into the response unchanged, with all line breaks and
spaces. A step ends before the line that begins with the next number; the last step ends before the
line that begins the answer. The rest is the answer. So a response reads back exactly, unless a line
inside a step begins like the next step or like the answer. Then the step reads back as two steps,
or the answer begins too early; no text is lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tunix_rt_nb.common import unknown
from tunix_rt_nb.trace.free_text import Parsed, loose
from tunix_rt_nb.trace.trace import Trace


@dataclass(frozen=True)
class Style:
    """The fixed texts of a response, between which the steps and the answer are written.

    A response is the opening, the numbered steps, the middle, the answer and the closing.
    """

    opening: str
    middle: str
    closing: str


STYLES = {
    "numbered": Style(opening="Reasoning:\n", middle="Answer: ", closing=""),
    # the style that the Google Tunix Hackathon (Kaggle, 2025) asked for
    "tags": Style(opening="<reasoning>\n", middle="</reasoning>\n<answer>", closing="</answer>"),
}


def style_named(name: str) -> Style:
    """Return the style with this name, or raise an `InputError` that lists all styles."""
    if name not in STYLES:
        raise unknown("style", name, STYLES)
    return STYLES[name]


def respond(trace: Trace, style: str = "numbered") -> str:
    r"""Write the steps of a trace, then its answer, as one text.

    Args:
      trace: the trace.
      style: the name of a style, `numbered` or `tags`.

    Raises:
      InputError: unknown style.

    Example:
      >>> trace = Trace.of("?", [("list", "Two are prime:\n2 and\n3."), ("count", "2")], "2")
      >>> print(respond(trace))
      Reasoning:
      1. Two are prime:
      2 and
      3.
      2. 2
      Answer: 2
    """
    steps = [step.content for step in trace.steps]
    return write(steps, trace.final_answer, style_named(style))


def write(steps: Sequence[str], answer: str, how: Style) -> str:
    """Write the texts of steps, then an answer, as one text in the style `how`."""
    lines = "".join([f"{n}. {step}\n" for n, step in enumerate(steps, 1)])
    opening = how.opening if lines or how.closing else ""  # no `Reasoning:` without steps
    return f"{opening}{lines}{how.middle}{answer}{how.closing}"


def unwrite(text: str, how: Style) -> tuple[tuple[str, ...], str]:
    """Read the steps and the answer of a text that `write` wrote in the style `how`.

    Any other text gives a meaningless result, without an error. To detect it, `write` the result
    again and compare.

    Example:
      >>> unwrite("Reasoning:\\n1. 2 + 2 = 4.\\nAnswer: 4", STYLES["numbered"])
      (('2 + 2 = 4.',), '4')
    """
    body = text.removeprefix(how.opening).removesuffix(how.closing)
    block, _, answer = f"\n{body}".partition("\n" + how.middle)
    return tuple(numbered(block)), answer


def reads_back(steps: Sequence[str], answer: str, how: Style) -> bool:
    """Tell whether `unwrite` returns the same steps and answer from the text that `write` makes.

    Example:
      >>> reads_back(["2 is prime\\n2. so is 3"], "2", STYLES["numbered"])
      False
    """
    return unwrite(write(steps, answer, how), how) == (tuple(steps), answer)


def parse_response(response: str, style: str = "numbered", lines: int = 1) -> Parsed:
    """Read steps and answer back from a response, which is given without its stop token.

    A response that `respond` wrote in this style reads back exactly. Any other is read as free text
    by `free_text.loose`, whatever its style. Reading takes linear time.

    Args:
      response: the text of the response.
      style: the name of a style, `numbered` or `tags`.
      lines: the most lines of an answer. If there are more, the model ran on after its answer, and
        the response is read as free text.

    Raises:
      InputError: unknown style.

    Example:
      >>> parse_response("Reasoning:\\n1. 2 + 2 = 4.\\nAnswer: 4")
      Parsed(steps=('2 + 2 = 4.',), answer='4', strict=True, ran_on=False)
      >>> parse_response("so 2 + 2 = 4. answer: 4 of course").answer
      '4 of course'
    """
    how = style_named(style)
    steps, answer = unwrite(response, how)
    in_style = answer and write(steps, answer, how) == response
    if in_style and answer.count("\n") < lines:
        return Parsed(steps, answer, strict=True)
    return loose(response)


def numbered(block: str) -> list[str]:
    r"""Split a list numbered 1, 2, 3, ... into its steps, unchanged; a step may have several lines.

    Args:
      block: the list, with a line break before its first number.

    Example:
      >>> numbered("\n1. a\nb\n2. c")
      ['a\nb', 'c']
    """
    found: list[str] = []
    at = 0 if block.startswith("\n1. ") else -1
    while at >= 0:
        start = at + len(f"\n{len(found) + 1}. ")
        at = block.find(f"\n{len(found) + 2}. ", start)
        found.append(block[start : at if at >= 0 else None])
    return found


class Generation(NamedTuple):
    """A text that a model wrote.

    Attributes:
      text: the text, without its stop token.
      tokens: the number of its tokens, the stop token left out.
      stopped: True if the model wrote a stop token, False if it reached its limit of tokens.
      ids: the token ids that the model wrote, its stop token included; empty if they are not known.
        The text, encoded again, may give other ids.
      abstained: True if the model gave up, because a check refused what it wrote too often.
      redrawn: the number of tokens that were taken back, because a check refused them.
    """

    text: str
    tokens: int
    stopped: bool
    ids: tuple[int, ...] = ()
    abstained: bool = False
    redrawn: int = 0
