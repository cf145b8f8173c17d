"""Responses with reasoning and answer in one text, as most others write them.

Each line of the reasoning that is not empty becomes a step, without its number. If an export of
ours wrote the text, the steps are exactly those of the exported trace.
"""

import re
from collections.abc import Iterable

from tunix_rt_nb.common import InputError
from tunix_rt_nb.trace.formats.record import Record, as_steps, make_trace
from tunix_rt_nb.trace.response import STYLES, unwrite, write
from tunix_rt_nb.trace.trace import Trace

STYLE = STYLES["numbered"]  # the style in which our exports write a response
_ANSWER_LINE = re.compile(r"^[ \t]*(?:Answer:|####)", re.MULTILINE)
_NUMBER = re.compile(r"\d{1,4}[.)]\s+")


def read_text(record: Record, used: Iterable[str], prompt: str, name: str, said: str) -> Trace:
    """Make a trace of a prompt and a text that holds reasoning and answer.

    Args:
      used: the fields of the record that the prompt and the text come from.
      name: the field that the text comes from, for error messages.

    Raises:
      InputError: the text has no reasoning or no answer.
    """
    texts, answer = unwrite(said, STYLE)
    if not texts or not answer or write(texts, answer, STYLE) != said:  # no export of ours wrote it
        reasoning, answer = _split(said)
        lines = [line.strip() for line in reasoning.split("\n") if line.strip()]
        texts = tuple(_NUMBER.sub("", line, count=1).strip() for line in lines)
    if not texts or not answer:
        missing = "reasoning" if answer else "answer"
        raise InputError(
            f"{name}: has no {missing}, expected <think>...</think>ANSWER,"
            " <reasoning>...</reasoning><answer>ANSWER</answer>,"
            " or lines and a last one with Answer: ANSWER"
        )
    steps = as_steps(texts)
    return make_trace(record, used, {}, prompt=prompt, steps=steps, final_answer=answer)


def _split(said: str) -> tuple[str, str]:
    """Split a response into reasoning and answer; a missing part is empty.

    Example:
      >>> _split("Reasoning:\\n1. 2 + 2 = 4.\\nAnswer: 4")
      ('1. 2 + 2 = 4.', '4')
    """
    for tag in ("think", "reasoning"):
        before, closing, after = said.partition(f"</{tag}>")
        if closing:
            _, opening, inside = after.partition("<answer>")
            answer = inside.partition("</answer>")[0] if opening else after
            return before.strip().removeprefix(f"<{tag}>").strip(), answer.strip()
    lines = list(_ANSWER_LINE.finditer(said))
    if not lines:
        return said, ""
    before, after = said[: lines[-1].start()], said[lines[-1].end() :]
    return before.strip().removeprefix("Reasoning:").strip(), after.strip()
