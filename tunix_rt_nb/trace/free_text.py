"""What models write in no style, or in one that they did not keep to: steps and an answer."""

import re
from collections import deque
from collections.abc import Iterator
from itertools import filterfalse
from typing import NamedTuple


class Parsed(NamedTuple):
    """What a response says.

    Attributes:
      answer: None where none is found.
      strict: whether it kept to the style exactly.
      ran_on: whether it went on after its answer.
    """

    steps: tuple[str, ...]
    answer: str | None
    strict: bool
    ran_on: bool = False


# Each repetition has a limit or the rest of a line to itself, so no text can make these slow.
_STEP = re.compile(
    r"[ >*#]{0,8}(?:step ?([0-9]{1,4}) ?[.:)]|([0-9]{1,4})[.)](?=[\s*]|$))\*{0,2}\s*(.*)",
    re.IGNORECASE,
)
_ANSWER = re.compile(r"[ >*#]{0,8}(?:the )?(?:final )?answer[ *]{0,3}:", re.IGNORECASE)
_HEADING = re.compile(r"[ >*#]{0,8}(?:final )?answer[ *#]{0,8}", re.IGNORECASE)
_SAID = re.compile(  # and not what the answer is like
    r"\banswer[ *]{0,3}(?:is\b(?! (?:not|right|wrong|correct|incorrect)\b)|:)", re.IGNORECASE
)
_BOXED = re.compile(r"\\boxed\{([^{}]{0,999})\}")  # LaTeX
_MARKED = re.compile(rf"{_BOXED.pattern}|^#### ?([+-]?[0-9].{{0,999}})$")  # GSM8K
_TELLS = re.compile(r"answer|\\boxed|^####", re.IGNORECASE)
_AGAIN = re.compile(r"[ >*#]{0,8}(?:question|problem|prompt|user)\b", re.IGNORECASE)
_OPENED = re.compile("<answer>", re.IGNORECASE)
_OTHER_TAG = re.compile("</?(?:reasoning|answer)>", re.IGNORECASE)
_CLAUSE = re.compile("[,.:;!?]")
_UNSAID = re.compile(  # what makes no statement of a clause
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
    """Reads what a model wrote in no style, or in one that it did not keep to.

    A step is a line like `1. ...`, `2) ...` or `**Step 3:** ...`. The answer is the last that is
    given: marked, in a line like `Answer: ...`, `**Final answer:** ...`, `<answer>...`, `#### 4` or
    one with `\\\\boxed{...}`; or said, `the answer is ...`, but not before a further step or after
    an `if` or a `suppose`. One that a line takes back, as `That is wrong`, is none. Else it is the
    line after `</reasoning>`. What `plain` leaves out is left out. A model that begins a question
    or a first step anew, after its answer, has run on: that is not read.

    Example:
      >>> loose("Sure!\\nStep 1: 2 + 2 = 4.\\n\\n**Answer:** 4.\\nQuestion: 3 + 3?\\nAnswer: 6")
      Parsed(steps=('2 + 2 = 4.',), answer='4', strict=False, ran_on=True)
    """
    steps: list[str] = []
    answer = thought = ""  # what is given, and what is said among the steps
    ended = ran_on = after = False
    lines = _lines(text)
    for line in lines:
        step = _STEP.match(line)
        first = step and "1" in step.group(1, 2)
        ran_on = ended
        if (thought or answer) and (_AGAIN.match(line) or (first and steps)):
            ran_on = True
            break
        if step:
            steps.append(step[3])
            thought = ""
        told, marked = _told(line, lines)
        after = told is None
        ended = ended or (marked and bool(told))
        if told and steps and not marked:
            thought = told
        elif told:
            answer, thought = told, ""
        elif after and not step and steps and not steps[-1]:
            steps[-1] = line
        elif (thought or answer) and after and not step and _TAKEN_BACK.match(line):
            answer = thought = ""
    rest = filterfalse(_ANSWER.match, _lines(text.partition("</reasoning>")[2]))
    given = thought or answer
    found = given or plain(next(rest, ""))
    return Parsed(tuple(steps), found or None, False, ran_on or (bool(given) and after))


def _told(line: str, lines: Iterator[str]) -> tuple[str | None, bool]:
    """The answer that a line tells, or the next one for it, and whether it is marked as one."""
    if not _TELLS.search(line):  # as a rule, and quicker
        return None, False
    mark, said = (deque(found.finditer(line), 1) for found in (_MARKED, _SAID))  # the last ones
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
    """The lines of a text in which each tag begins one, without those that are empty."""
    apart = _OTHER_TAG.sub("\n", _OPENED.sub("\nAnswer: ", text))
    return filter(None, map(str.strip, apart.split("\n")))


def plain(answer: str) -> str:
    """An answer without the marks around it.

    Example:
      >>> plain("**8**."), plain("$\\\\boxed{1/2}$")
      ('8', '1/2')
    """
    bare = answer.strip(" :*`$").rstrip(".*` $")
    boxed = _BOXED.fullmatch(bare)
    return boxed[1].strip() if boxed else bare
