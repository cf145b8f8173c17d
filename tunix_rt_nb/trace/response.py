r"""What a model answers to a prompt: steps and an answer as one text, and back again.

There are two styles:

    numbered                     tags
    Reasoning:                   <reasoning>
    1. 2 and 2 are asked.        1. 2 and 2 are asked.
    2. 2 + 2 = 4.                2. 2 + 2 = 4.
    Answer: 4                    </reasoning>
                                 <answer>4</answer>

A text stands in it as it is, with all its lines and spaces. Only where it would be misread does it
get a backslash, which reading takes away again:

- in front of a further line of a step that begins like a step (`2. `), or like the answer
  (`Answer: `) in `numbered`;
- in front of every further line of the answer in `numbered`: a line that has none is no part of the
  answer, the model ran on;
- after the `<` of a tag of the style in `tags`, as scripts are kept apart in HTML: `<\/answer>`.

Where there are backslashes already, one more is put to them; so every text reads back exactly.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from tunix_rt_nb.common import unknown
from tunix_rt_nb.trace.free_text import Parsed, loose
from tunix_rt_nb.trace.trace import Trace

_APART = "\0"  # what no pattern matches, so joined texts match where they do alone


class Escape:
    r"""Puts a backslash where texts would be misread, and takes it away again.

    Args:
      misread: a character, and a pattern of what is misread after it.

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
        """The texts with a backslash at each place."""
        if not self._bare.search(_APART.join(texts)):  # as a rule, and quicker than substitutions
            return texts
        return [self._bare.sub(r"\g<0>\\", text) for text in texts]

    def take(self, texts: Sequence[str]) -> Sequence[str]:
        """The texts without them: `take(put(texts))` are the texts."""
        if not self._escaped.search(_APART.join(texts)):
            return texts
        return [self._escaped.sub(lambda found: found[0][0], text) for text in texts]


@dataclass(frozen=True)
class Style:
    """How a response is written: opening, numbered steps, middle, answer, closing.

    Attributes:
      in_steps, in_answer: what there would be misread, as `Escape` takes it.
    """

    opening: str
    middle: str
    closing: str
    in_steps: Mapping[str, str]
    in_answer: Mapping[str, str]

    @cached_property
    def steps(self) -> Escape:
        """Keeps the text of steps apart from what separates them."""
        return Escape(self.in_steps)

    @cached_property
    def answer(self) -> Escape:
        """Keeps the text of an answer apart from what ends it."""
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
    # what the Google Tunix Hackathon (Kaggle, 2025) asked models to write
    "tags": Style(
        opening="<reasoning>\n",
        middle="</reasoning>\n<answer>",
        closing="</answer>",
        in_steps={"\n": r"[0-9]+\. ", "<": _TAG},
        in_answer={"<": _TAG},
    ),
}


def style_named(name: str) -> Style:
    """The style of that name, or an `InputError` that lists them."""
    if name not in STYLES:
        raise unknown("style", name, STYLES)
    return STYLES[name]


def respond(trace: Trace, style: str = "numbered") -> str:
    r"""The steps of a trace, then its answer.

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
    """Steps and an answer in a style; `respond` of a trace that has them."""
    lines = "".join([f"{n}. {step}\n" for n, step in enumerate(how.steps.put(steps), 1)])
    opening = how.opening if lines or how.closing else ""  # an answer alone needs none
    return f"{opening}{lines}{how.middle}{how.answer.put([answer])[0]}{how.closing}"


def unwrite(text: str, how: Style) -> tuple[tuple[str, ...], str]:
    """The steps and the answer of a text that `write` wrote; of another, whatever comes of it.

    Example:
      >>> unwrite("Reasoning:\\n1. 2 + 2 = 4.\\nAnswer: 4", STYLES["numbered"])
      (('2 + 2 = 4.',), '4')
    """
    body = text.removeprefix(how.opening).removesuffix(how.closing)
    block, _, answer = f"\n{body}".partition("\n" + how.middle)
    return tuple(how.steps.take(numbered(block))), how.answer.take([answer])[0]


def parse_response(response: str, style: str = "numbered") -> Parsed:
    """Reads steps and answer back from a response (without its stop piece).

    What `respond` wrote reads back as it was. Anything else is read as one would read what a model
    wrote, whatever the style: see `loose`. Both take time in proportion to the text.

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
    r"""The steps of a list, as they stand there; one may have several lines.

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
    """What a model wrote, without its stop token; `stopped` is False where it ran out of room."""

    text: str
    tokens: int
    stopped: bool
