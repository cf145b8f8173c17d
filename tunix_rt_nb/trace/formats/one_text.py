"""Responses that hold reasoning and answer in one text, as in most datasets.

Each non-empty line of the reasoning becomes a step, its words and its indentation unchanged. A code
block is one step. The numbers of a list are left out if they run 1, 2, 3, ... If this package
exported the text, the steps are exactly those of the exported trace.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from tunix_rt_nb.common import InputError
from tunix_rt_nb.trace.formats.record import Record, as_steps, form_of, is_ours, make_trace
from tunix_rt_nb.trace.free_text import answer_in
from tunix_rt_nb.trace.marks import plain, without_end
from tunix_rt_nb.trace.response import STYLES, Style, unwrite, write
from tunix_rt_nb.trace.tags import ANSWER, CLOSED, unclosed, untagged
from tunix_rt_nb.trace.trace import Trace

STYLE = STYLES["numbered"]  # the style of an exported response that names no other
_NUMBER = re.compile(r"[ \t]{0,8}([0-9]{1,4})[.)][ \t]+(?=\S)")
_HASHED = re.compile(r"^####[ \t]{1,9}(\S.{0,999}?)\s{0,9}\Z", re.MULTILINE)  # as in GSM8K
_FENCE = "```"
_AFTER = 4  # lines at most after the first line of an answer, empty ones included


class Split(NamedTuple):
    """A response in parts.

    Attributes:
      steps: the texts of the steps.
      answer: the final answer; empty if the reasoning never ends.
      whole: True if the steps and the answer together hold all words of the response.
    """

    steps: tuple[str, ...]
    answer: str
    whole: bool


def read_text(
    record: Record,
    used: Iterable[str],
    prompt: str,
    said: str,
    thought: str = "",
    answer: str = "",
    meta: Record | None = None,
) -> Trace:
    """Make a trace of a prompt and a response that holds reasoning, an answer, or both.

    The whole response goes to `meta.response` if steps and answer leave out some of its words.

    Args:
      record: the record that holds them.
      used: the names of the record's fields that the texts come from; other fields go to
        `meta.imported`.
      prompt: the prompt.
      said: the response; may be empty if there is an `answer`.
      thought: the reasoning, if the record has a separate field for it.
      answer: the answer, if the record has a separate field for it.
      meta: more fields for the trace's `meta`.

    Raises:
      InputError: the prompt is blank; or a tag such as `<think>` is never closed, and there is no
        `answer`.
    """
    if not (prompt.strip() or is_ours(record)):
        raise InputError("prompt: is blank")
    steps, found, whole = split(said, is_ours(record), form_of(record).style)
    if not (answer or found) and (tag := unclosed(said)):
        raise InputError(f"response: reasoning begins with {tag} and never ends: no answer")
    if answer and not steps:  # all of the response is reasoning, as the answer is elsewhere
        steps, found = steps_of(said), answer
    kept = {} if whole and found == (answer or found) else {"response": said}
    return make_trace(
        record,
        used,
        {**(meta or {}), **kept},
        prompt=prompt,
        steps=as_steps((*steps_of(thought), *steps)),
        final_answer=answer or found,
    )


def split(said: str, ours: bool = False, how: Style = STYLE) -> Split:
    """Split a response into the steps of its reasoning and its answer.

    Reasoning is the text in tags such as `<think>`, or the text before an answer that `answer_in`
    finds. A response with neither is an answer without steps.

    Args:
      said: the response.
      ours: True if this package exported the text.
      how: the style in which it was exported.

    Example:
      >>> split("<think>2 + 2 = 4.</think>So **4**.\\nFinal answer: 4")
      Split(steps=('2 + 2 = 4.',), answer='4', whole=False)
      >>> split("Paris").answer
      'Paris'
    """
    found, answer = unwrite(said, how)
    lines = 0 if ours else answer.count("\n")
    exact = answer and (ours or found) and not lines and all(found)
    if exact and write(found, answer, how) == said:
        return Split(found, answer, whole=True)
    if unclosed(said):
        return Split(steps_of(untagged(said)), "", whole=True)
    closed = [*CLOSED.finditer(said)]
    if closed:
        return _tagged(said[: closed[-1].start()], said[closed[-1].end() :])
    opened = ANSWER.search(said)
    if opened and said[: opened.start()].strip():
        return _tagged(said[: opened.start()], said[opened.start() :])
    reasoning, answer, whole = _told(said)
    return Split(steps_of(reasoning), answer, whole)


def _tagged(before: str, after: str) -> Split:
    """Split a response with tags into steps and answer.

    Args:
      before: the reasoning: the text before the tag that ends it, such as `</think>`, or before
        the tag that begins the answer.
      after: the text after `</think>`, or from the tag that begins the answer.
    """
    reasoning, answer, whole = _told(ANSWER.sub("", after))
    return Split(steps_of(untagged(before)), answer, whole and not reasoning)


def _told(text: str) -> tuple[str, str, bool]:
    """Split a text without tags into its reasoning and its answer.

    The whole text is the answer if `answer_in` finds none, or if more than `_AFTER` (4) lines
    follow the first line of the answer.

    Returns:
      The reasoning, the answer, and True if both together hold all words of the text.
    """
    hashed = _HASHED.search(text)
    if hashed:
        return text[: hashed.start()], hashed[1], True
    found = answer_in(text)
    rest = text[found.start :].strip()
    if found.answer is None or rest.count("\n") > _AFTER:
        return "", without_end(text).strip(), True
    line, _, after = rest.partition("\n")
    # A line that says more than the answer is a line of the reasoning too.
    more = found.answer in line and plain(line) != found.answer
    end = text.index(line, found.start) + len(line) if more else found.start
    return text[:end].strip("\n"), found.answer, not after


def steps_of(reasoning: str) -> tuple[str, ...]:
    """Split reasoning into steps: one for each non-empty line, one for each code block.

    The numbers of a list are left out if they run 1, 2, 3, ...

    Example:
      >>> steps_of("1. Two and two.\\n2. 2 + 2 = 4.")
      ('Two and two.', '2 + 2 = 4.')
      >>> steps_of("There are 50 and\\n12. That makes 62.")
      ('There are 50 and', '12. That makes 62.')
    """
    lines = list(_lines(reasoning.removeprefix(STYLE.opening)))
    numbers = [found[1] for line in lines if (found := _NUMBER.match(line))]
    listed = numbers == [f"{n}" for n in range(1, len(numbers) + 1)]
    if listed and (len(numbers) > 1 or (lines and _NUMBER.match(lines[0]))):
        return tuple(_NUMBER.sub("", line, count=1) for line in lines)
    return tuple(lines)


def _lines(text: str) -> Iterator[str]:
    """Yield each non-empty line of a text, without trailing spaces; yield a code block whole."""
    block: list[str] = []
    for line in map(str.rstrip, text.split("\n")):
        fence = line.lstrip().startswith(_FENCE)
        if block or fence:
            block.append(line)
            if fence and len(block) > 1:
                yield "\n".join(block)
                block = []
        elif line:
            yield line
    yield from _unclosed(block)


def _unclosed(block: Sequence[str]) -> Iterator[str]:
    return filter(None, block)
