"""Tags around reasoning and around an answer, such as `<think>` and `<answer>`."""

import re
from collections import deque

_NAMES = "think|thinking|thought|thoughts|reasoning|reason|analysis|reflection|scratchpad|cot"
OPENED = re.compile(rf"<(?:{_NAMES})>|<\|begin_of_thought\|>|\[THINK\]|<\|think\|>", re.IGNORECASE)
CLOSED = re.compile(rf"</(?:{_NAMES})>|<\|end_of_thought\|>|\[/THINK\]|<\|/think\|>", re.IGNORECASE)
ANSWER = re.compile(r"</?(?:answer|solution)>|<\|(?:begin|end)_of_solution\|>", re.IGNORECASE)
_BEGUN = re.compile(rf"^[ \t]{{0,9}}({OPENED.pattern})", re.IGNORECASE | re.MULTILINE)


def unclosed(text: str) -> str:
    """Return the tag that begins reasoning if the reasoning never ends; else an empty text.

    Such a tag counts only at the beginning of a line. Reasoning ends at its closing tag, or at a
    tag around an answer.

    Example:
      >>> unclosed("<think>2 + 2 = 4. So the answer is"), unclosed("<think>2 + 2 = 4.</think>4")
      ('<think>', '')
    """
    closed = deque(CLOSED.finditer(text), 1)
    rest = text[closed[0].end() :] if closed else text
    begun = _BEGUN.search(rest)
    return begun[1] if begun and not ANSWER.search(rest, begun.end()) else ""


def untagged(text: str) -> str:
    """Replace the tags around reasoning by line breaks.

    Example:
      >>> untagged("<think>2 + 2 = 4.</think>")
      '\\n2 + 2 = 4.\\n'
    """
    return CLOSED.sub("\n", OPENED.sub("\n", text))
