"""The reader of free text: finds steps and an answer where a model kept to no style."""

import re
from collections import deque
from collections.abc import Iterator
from itertools import filterfalse
from typing import NamedTuple


class Parsed(NamedTuple):
    """The steps and the answer that a response holds.

    Attributes:
      answer: the final answer; None if there is none.
      strict: True if the response keeps to its style exactly.
      ran_on: True if the response goes on after its answer.
    """

    steps: tuple[str, ...]
    answer: str | None
    strict: bool
    ran_on: bool = False


# Each repetition has a limit or takes the rest of a line, so no text can make these patterns slow.
_STEP = re.compile(
    r"[ >*#]{0,8}(?:step ?([0-9]{1,4}) ?[.:)]|([0-9]{1,4})[.)](?=[\s*]|$))\*{0,2}\s*(.*)",
    re.IGNORECASE,
)
_ANSWER = re.compile(r"[ >*#]{0,8}(?:the )?(?:final )?answer[ *]{0,3}:", re.IGNORECASE)
_HEADING = re.compile(r"[ >*#]{0,8}(?:final )?answer[ *#]{0,8}", re.IGNORECASE)
_SAID = re.compile(  # without a judgement such as `the answer is wrong`
    r"\banswer[ *]{0,3}(?:is\b(?! (?:not|right|wrong|correct|incorrect)\b)|:)", re.IGNORECASE
)
_BOXED = re.compile(r"\\boxed\{([^{}]{0,999})\}")  # LaTeX
_MARKED = re.compile(rf"{_BOXED.pattern}|^#### ?([+-]?[0-9].{{0,999}})$")  # GSM8K
_TELLS = re.compile(r"answer|\\boxed|^####", re.IGNORECASE)
_AGAIN = re.compile(r"[ >*#]{0,8}(?:question|problem|prompt|user)\b", re.IGNORECASE)
_OPENED = re.compile("<answer>", re.IGNORECASE)
_OTHER_TAG = re.compile("</?(?:reasoning|answer)>", re.IGNORECASE)
_CLAUSE = re.compile("[,.:;!?]")
_UNSAID = re.compile(  # words that keep a clause from being a statement
    r"\b(?:suppos|assum|doubt|(?:if|whether|unless|not|cannot)\b)|n['’]t\b", re.IGNORECASE
)
_TAKEN_BACK = re.compile(
    r"(?:(?:oh|wait|no|sorry|actually|hmm|but)\b[,.! ]{0,9}){0,4}"
    r"(?:$|(?:that|this|it|(?:the|my) answer)(?:['’]s| is| was) "
    r"(?:wrong|incorrect|not (?:right|correct|it)\b)"
    r"|I (?:was wrong|made a mistake|am not sure|do not know|don['’]t know))",
    re.IGNORECASE,
)


def loose(text: str) -> Parsed:
    """Read steps and an answer from a text that has no style or breaks the rules of its style.

    A step is a line like `1. ...`, `2) ...` or `**Step 3:** ...`.

    The answer is the last one given. It is either marked or said:

    - marked: a line like `Answer: ...`, `**Final answer:** ...`, `<answer>...` or `#### 4`, or a
      line with `\\\\boxed{...}`;
    - said: `the answer is ...`. This does not count after an `if` or a `suppose`. Among the steps,
      it does not count if a further step follows.

    A line such as `That is wrong` withdraws the answer before it. If there is no answer at all, the
    line after `</reasoning>` is the answer. `plain` strips the marks around each answer.

    If the model begins a new question or a new first step after its answer, it ran on. The text
    from there is not read.

    Example:
      >>> loose("Sure!\\nStep 1: 2 + 2 = 4.\\n\\n**Answer:** 4.\\nQuestion: 3 + 3?\\nAnswer: 6")
      Parsed(steps=('2 + 2 = 4.',), answer='4', strict=False, ran_on=True)
    """
    steps: list[str] = []
    answer = thought = ""  # the answer so far, and one said among the steps
    ended = ran_on = after = False
    lines = _lines(text)
    for line in lines:
        step = _STEP.match(line)
        first = step and "1" in step.group(1, 2)
        # A line after a marked answer means that the model ran on. Stop reading only if it asks
        # again or begins its steps again.
        ran_on = ended
        if (thought or answer) and (_AGAIN.match(line) or (first and steps)):
            ran_on = True
            break
        # A further step shows that what was said among the steps is not the final answer.
        if step:
            steps.append(step[3])
            thought = ""
        # Keep the answer of this line, if it tells one.
        told, marked = _told(line, lines)
        after = told is None
        ended = ended or (marked and bool(told))
        if told and steps and not marked:
            thought = told
        elif told:
            answer, thought = told, ""
        elif after and not step and steps and not steps[-1]:
            steps[-1] = line  # the text below a heading such as `Step 1:`
        elif (thought or answer) and after and not step and _TAKEN_BACK.match(line):
            answer = thought = ""
    # Without an answer, take the first line after the reasoning.
    rest = filterfalse(_ANSWER.match, _lines(text.partition("</reasoning>")[2]))
    given = thought or answer
    found = given or plain(next(rest, ""))
    return Parsed(tuple(steps), found or None, False, ran_on or (bool(given) and after))


def _told(line: str, lines: Iterator[str]) -> tuple[str | None, bool]:
    """Return the answer on a line, None if it tells none, and whether it is marked as one.

    If the line only announces an answer, take it from the next line.
    """
    if not _TELLS.search(line):  # true of most lines, and quick to find out
        return None, False
    mark, said = (deque(found.finditer(line), 1) for found in (_MARKED, _SAID))  # the last of each
    if mark and not (said and said[0].start() > mark[0].start()):
        return plain("".join(filter(None, mark[0].groups()))), True
    marked = bool(_ANSWER.match(line) or _HEADING.fullmatch(line))
    if not marked and not said:
        return None, False
    if said and _UNSAID.search(_CLAUSE.split(line[: said[0].start()])[-1]):
        return None, False
    text = line[said[0].end() :] if said else ""
    return plain(text) or plain(_SAID.split(next(lines, ""))[-1]), marked


def _lines(text: str) -> Iterator[str]:
    """Yield the lines of a text that are not empty, split at tags too.

    `<answer>` becomes a line that begins with `Answer: `; the other tags are removed.
    """
    apart = _OTHER_TAG.sub("\n", _OPENED.sub("\nAnswer: ", text))
    return filter(None, map(str.strip, apart.split("\n")))


def plain(answer: str) -> str:
    """Strip the marks around an answer: Markdown, LaTeX, colons before it, full stops after it.

    Example:
      >>> plain("**8**."), plain("$\\\\boxed{1/2}$")
      ('8', '1/2')
    """
    bare = answer.strip(" :*`$").rstrip(".*` $")
    boxed = _BOXED.fullmatch(bare)
    return boxed[1].strip() if boxed else bare
