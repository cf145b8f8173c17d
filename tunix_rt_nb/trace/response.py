r"""Responses of a model: steps and an answer, written as one text and read back from it.

There are two styles. This is the same response in both:

    numbered                     tags
    Reasoning:                   <reasoning>
    1. 2 and 2 are asked.        1. 2 and 2 are asked.
    2. 2 + 2 = 4.                2. 2 + 2 = 4.
    Answer: 4                    </reasoning>
                                 <answer>4</answer>

The texts of the steps and the answer stand in the response unchanged, with all their lines and
spaces. But some parts of a text would be misread as a part of the style. Writing marks each of them
with a backslash, and reading removes it again:

- A step may have several lines. If a line after the first begins like a step (`2. `), it gets a
  backslash in front: `\2. `. In `numbered`, so does one that begins like the answer (`Answer: `).
- In `numbered`, each line of the answer after the first gets a backslash in front. A line without
  one is not a part of the answer: the model ran on.
- In `tags`, a tag of the style inside a step or the answer gets a backslash after its `<`:
  `<\/answer>`. Scripts inside HTML do the same.

If such a place already has backslashes, writing adds one and reading removes one. So every text
reads back exactly.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from tunix_rt_nb.common import unknown
from tunix_rt_nb.trace.free_text import Parsed, loose
from tunix_rt_nb.trace.trace import Trace

_APART = "\0"  # no pattern matches it, so joined texts match exactly where each text alone does


class Escape:
    r"""Backslashes at the places where a text would be misread: `put` adds, `take` removes them.

    Args:
      misread: for each character, a pattern of what would be misread after it.

    Example:
      >>> lists = Escape({"\n": "[0-9]"})
      >>> print(*lists.put(["1\n2\n\\3\nx"]))
      1
      \2
      \\3
      x
      >>> lists.take(lists.put(["1\n2\n\\3\nx"]))
      ['1\n2\n\\3\nx']
    """

    def __init__(self, misread: Mapping[str, str]) -> None:
        places = [(char, rf"(?=\\*(?:{what}))") for char, what in misread.items()]
        self._bare = re.compile("|".join(char + place for char, place in places))
        self._escaped = re.compile("|".join(rf"{char}\\{place}" for char, place in places))

    def put(self, texts: Sequence[str]) -> Sequence[str]:
        """Return the texts with one more backslash at each place that would be misread."""
        if not self._bare.search(_APART.join(texts)):  # true of most texts, and quicker to find out
            return texts
        return [self._bare.sub(r"\g<0>\\", text) for text in texts]

    def take(self, texts: Sequence[str]) -> Sequence[str]:
        """Return the texts without those backslashes; `take(put(texts))` equals `texts`."""
        if not self._escaped.search(_APART.join(texts)):
            return texts
        return [self._escaped.sub(lambda found: found[0][0], text) for text in texts]


@dataclass(frozen=True)
class Style:
    """The parts of a response in order: opening, numbered steps, middle, answer, closing.

    Attributes:
      in_steps, in_answer: what would be misread in a step and in the answer, for `Escape`.
    """

    opening: str
    middle: str
    closing: str
    in_steps: Mapping[str, str]
    in_answer: Mapping[str, str]

    @cached_property
    def steps(self) -> Escape:
        """The escape that keeps the text of a step apart from what separates steps."""
        return Escape(self.in_steps)

    @cached_property
    def answer(self) -> Escape:
        """The escape that keeps the text of an answer apart from what ends it."""
        return Escape(self.in_answer)


_TAG = "/?(?:reasoning|answer)>"
STYLES = {
    "numbered": Style(
        opening="Reasoning:\n",
        middle="Answer: ",
        closing="",
        in_steps={"\n": r"[0-9]+\. |Answer: "},
        in_answer={"\n": ""},
    ),
    # the style that the Google Tunix Hackathon (Kaggle, 2025) asked for
    "tags": Style(
        opening="<reasoning>\n",
        middle="</reasoning>\n<answer>",
        closing="</answer>",
        in_steps={"\n": r"[0-9]+\. ", "<": _TAG},
        in_answer={"<": _TAG},
    ),
}


def style_named(name: str) -> Style:
    """Return the style with this name, or raise an `InputError` that lists all styles."""
    if name not in STYLES:
        raise unknown("style", name, STYLES)
    return STYLES[name]


def respond(trace: Trace, style: str = "numbered") -> str:
    r"""Write the steps of a trace, then its answer, as one text.

    Raises:
      InputError: unknown style.

    Example:
      >>> trace = Trace.of("?", [("list", "Two are prime:\n2. and\n3."), ("count", "2")], "2")
      >>> print(respond(trace))
      Reasoning:
      1. Two are prime:
      \2. and
      3.
      2. 2
      Answer: 2
    """
    steps = [step.content for step in trace.steps]
    return write(steps, trace.final_answer, style_named(style))


def write(steps: Sequence[str], answer: str, how: Style) -> str:
    """Write steps and an answer in a style, as `respond` does for a trace."""
    lines = "".join([f"{n}. {step}\n" for n, step in enumerate(how.steps.put(steps), 1)])
    opening = how.opening if lines or how.closing else ""  # an answer alone needs none
    return f"{opening}{lines}{how.middle}{how.answer.put([answer])[0]}{how.closing}"


def unwrite(text: str, how: Style) -> tuple[tuple[str, ...], str]:
    """Read the steps and the answer of a text that `write` wrote.

    Any other text gives a meaningless result, without an error. To detect it, `write` the result
    again and compare.

    Example:
      >>> unwrite("Reasoning:\\n1. 2 + 2 = 4.\\nAnswer: 4", STYLES["numbered"])
      (('2 + 2 = 4.',), '4')
    """
    body = text.removeprefix(how.opening).removesuffix(how.closing)
    block, _, answer = f"\n{body}".partition("\n" + how.middle)
    return tuple(how.steps.take(numbered(block))), how.answer.take([answer])[0]


def parse_response(response: str, style: str = "numbered") -> Parsed:
    """Read steps and answer back from a response (without its stop piece).

    A response that `respond` wrote in this style reads back exactly. Any other text is read by
    `loose`, whatever the style. Both take time in proportion to the length of the text.

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
    if answer and write(steps, answer, how) == response:
        return Parsed(steps, answer, strict=True)
    return loose(response)


def numbered(block: str) -> list[str]:
    r"""Split a list numbered 1, 2, 3, ... into its steps, unchanged; a step may have several lines.

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
    """The text that a model wrote, without its stop token, and the number of its tokens.

    `stopped` is False if the model reached its limit of tokens before a stop token.
    """

    text: str
    tokens: int
    stopped: bool
