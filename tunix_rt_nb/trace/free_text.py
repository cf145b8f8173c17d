"""A reader of free text: it finds steps and an answer in a response that follows no style."""

import re
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from tunix_rt_nb.trace.marks import DOUBT, boxes, plain, polite, without_end
from tunix_rt_nb.trace.tags import ANSWER, CLOSED, OPENED, unclosed


class Parsed(NamedTuple):
    """The steps and the answer that a response holds.

    Attributes:
      steps: the texts of the steps, without their numbers.
      answer: the final answer; None if there is none.
      strict: True if the response is written exactly in its style, such as `numbered`.
      ran_on: True if the response goes on after its answer.
    """

    steps: tuple[str, ...]
    answer: str | None
    strict: bool
    ran_on: bool = False


class Found(NamedTuple):
    """The answer that a text holds, and where it begins.

    Attributes:
      answer: the final answer, without marks such as `**` or `Answer:`; None if there is none.
      start: the index in the text where the line or sentence with the answer begins. The text
        before that index is the reasoning, tags included. Without an answer, `start` is the length
        of the text.
    """

    answer: str | None
    start: int


class _Line(NamedTuple):
    text: str
    start: int


class _Told(NamedTuple):
    """An answer that a line gives.

    Attributes:
      answer: the answer, without marks such as `**` or `Answer:`; may be empty.
      start: the index in the text where the line or sentence with the answer begins.
      marked: True for a line such as `Answer: 4`, False for one such as `The answer is 4`.
    """

    answer: str
    start: int
    marked: bool


# Each repetition has a limit or takes the rest of a line, so no text can make these regexes slow.
_STEP = re.compile(
    r"[ >*#]{0,8}(?:step ?([0-9]{1,4}) ?[.:)]|([0-9]{1,4})[.)](?=[\s*]|$))\*{0,2}\s*(.*)",
    re.IGNORECASE,
)
_ANSWER = re.compile(r"[ >*#]{0,8}(?:the |my )?(?:final |correct )?answer[ *]{0,3}:", re.IGNORECASE)
_HEADING = re.compile(r"[ >*#]{0,8}(?:the )?(?:final )?answer[ *#]{0,8}", re.IGNORECASE)
_SAID = re.compile(  # without a judgement such as `the answer is wrong`
    r"\banswer[ *]{0,3}(?:is\b(?![ *]{1,4}(?:not|right|wrong|correct|incorrect)\b)|:)",
    re.IGNORECASE,
)
_GSM8K = re.compile(r"^####\s{0,3}(?![0-9]{1,4}[.)]\s)((?:[*\\(]{0,4}[$€£]?)[+-]?[0-9.].{0,999})$")
_TELLS = re.compile(r"answer|\\f?box|^####", re.IGNORECASE)
_AGAIN = re.compile(r"[ >*#]{0,8}(?:question|problem|prompt|user)\b", re.IGNORECASE)
_ALONE = re.compile(  # a text that is a marked answer and nothing else
    r"\$[^$]{1,200}\$|\\\(.{1,200}\\\)|\\\[.{1,200}\\\]|\*\*[^*]{1,200}\*\*\.?"
)
_BREAK = re.compile(
    rf"\n|(<answer>)|{ANSWER.pattern}|{OPENED.pattern}|{CLOSED.pattern}"
    r"|<\|im_end\|>(?:\n?<\|im_start\|>)?|<end_of_turn>(?:\n?<start_of_turn>)?|<\|eot_id\|>",
    re.IGNORECASE,
)
_BOLD_END = re.compile(r"\*\*([^*\n]{1,200})(?<!:)\*\*[.!]?[ \t]{0,9}$")
_DELIMITERS = {"$$", r"\[", r"\]", "```"}
_SENTENCE = re.compile(r"[.!?:;][*$]{0,4}\s{1,9}")
_UNSAID = re.compile(  # words that keep a clause from being a statement
    r"\b(?:suppos|assum|doubt|(?:if|whether|unless|not|cannot)\b)|n['’]t\b", re.IGNORECASE
)
_UNSAID_IN = re.compile("[,.:;!?]")
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
    - said: `the answer is ...`. It does not count after an `if` or a `suppose` in the same clause.
      Nor does it count in a step if a further step follows.

    After a closing tag such as `</think>`, an answer needs no mark. If no answer is marked or said
    after the tag, the first line after it is the answer. An answer before the tag counts only if
    none is found after the tag. If a text is just one formula or one bold phrase, it is the answer.
    Without any of these, a bold phrase that ends the last of several lines is the answer.

    A line such as `That is wrong` withdraws the answer before it. The function `plain` strips marks
    such as `**` from the answer.

    If the model begins a new question or a new first step after its answer, it ran on. The new
    question or step, and all text after it, is ignored.

    Example:
      >>> loose("Sure!\\nStep 1: 2 + 2 = 4.\\n\\n**Answer:** 4.\\nQuestion: 3 + 3?\\nAnswer: 6")
      Parsed(steps=('2 + 2 = 4.',), answer='4', strict=False, ran_on=True)
    """
    return _read(text)[0]


def answer_in(text: str) -> Found:
    r"""Find the answer in a text, and the end of the reasoning before it, by the rules of `loose`.

    Example:
      >>> answer_in(r"2 + 2 = 4. So $\boxed{4}$.")
      Found(answer='4', start=11)
      >>> answer_in("<think>2 + 2 = 4</think>\n\n4")
      Found(answer='4', start=26)
    """
    parsed, start = _read(text)
    return Found(parsed.answer, start)


def _read(text: str) -> tuple[Parsed, int]:
    """Read a text as `loose` does.

    Returns:
      The steps and the answer, and the index where the answer starts, as in `Found.start`.
    """
    text = without_end(text)
    thought_out = deque(CLOSED.finditer(text), 1)
    closed = thought_out[0].end() if thought_out else len(text) + 1
    steps: list[str] = []
    # `answer` is the latest answer, `thought` one that was said among the steps, and `before` the
    # answer given before the closing tag.
    answer = thought = before = None
    bare: _Told | None = None  # the line after the tag, which needs no mark
    ended = ran_on = after = crossed = False
    lines = _lines(text)
    for line, start in lines:
        step = _STEP.match(line)
        if start >= closed and not crossed:
            before, answer, thought = thought or answer, None, None
            crossed, ended, after = True, False, False
        if crossed and step and not step[3]:
            step = None  # an answer such as `4.`
        first = step and "1" in step.group(1, 2)
        # A line after a marked answer means that the model ran on. Stop reading only if the line
        # begins a new question or a new first step.
        ran_on = ended
        if (thought or answer) and (_AGAIN.match(line) or (first and steps)):
            ran_on = True
            break
        # A further step shows that what was said among the steps is not the final answer. If the
        # steps begin anew after the tag, only the new ones count.
        if step:
            steps = [] if first and crossed else steps
            steps.append(step[3])
            thought = None
        # Keep the answer of this line, if it gives one.
        told = _told(line, start, lines)
        after = told is None
        ended = ended or bool(told and told.marked and told.answer)
        if told and told.answer and steps and not told.marked:
            thought = told
        elif told and told.answer:
            answer, thought = told, None
        elif after and not step and steps and not steps[-1]:
            steps[-1] = line  # the text below a heading such as `Step 1:`
        elif (thought or answer) and after and not step and _TAKEN_BACK.match(line):
            answer = thought = None
        if crossed and after and not (step or bare or polite(line)):
            bare = _Told(plain(line), start, False)
    if unclosed(text):  # what it says of an answer is a thought, and cut off
        return Parsed(tuple(steps), None, False), len(text)
    given = thought or answer
    found = (
        given or (bare if bare and bare.answer else None) or before or _alone(text) or _bold(text)
    )
    parsed = Parsed(
        tuple(steps), found.answer if found else None, False, ran_on or (bool(given) and after)
    )
    return parsed, found.start if found else len(text)


def _told(line: str, start: int, lines: Iterator[_Line]) -> _Told | None:
    """Return the answer that a line gives; None if it gives none.

    If the line only announces an answer, as `Answer:` does, take the answer from the next line.
    If the next line has no answer either, return an empty one.

    Args:
      line: the line.
      start: the index in the whole text where the line begins.
      lines: an iterator of the lines after `line`; the next one is consumed if `line` announces an
        answer but does not hold it.
    """
    if not _TELLS.search(line):  # most lines end here, after one quick search
        return None
    said = deque(_SAID.finditer(line), 1)  # the last one
    mark = _marked(line)
    if mark and not (said and said[0].start() > mark[0]):
        at, answer = mark
        return _Told(plain(answer), start + _sentence(line, at), True)
    marked = bool(_ANSWER.match(line) or _HEADING.fullmatch(line))
    if not marked and not said:
        return None
    if said and _UNSAID.search(_UNSAID_IN.split(line[: said[0].start()])[-1]):
        return None
    text = line[said[0].end() :] if said else ""
    answer = plain(text) or plain(_SAID.split(next(lines, _Line("", 0)).text)[-1])
    at = 0 if marked or not said else _sentence(line, said[0].start())
    return _Told(answer, start + at, marked)


def _marked(line: str) -> tuple[int, str] | None:
    r"""Find the answer in the last `\boxed{...}` of a line, or after `####`.

    Returns:
      The index in the line where the box or the `####` begins, and the text of the answer. None if
      the line has neither.
    """
    boxed = deque(boxes(line), 1)
    if boxed:
        return boxed[0]
    gsm8k = _GSM8K.match(line)
    return (0, gsm8k[1]) if gsm8k else None


def _sentence(line: str, at: int) -> int:
    """Return where the sentence that contains position `at` begins, as an index into the line."""
    return max((end.end() for end in _SENTENCE.finditer(line, 0, at)), default=0)


def _alone(text: str) -> _Told | None:
    """Return the answer if a text is just one formula or one bold phrase, such as `**4**`.

    Return None for any other text.
    """
    bare = text.strip()
    if _ALONE.fullmatch(bare) and (answer := plain(bare)):
        return _Told(answer, 0, False)
    return None


def _bold(text: str) -> _Told | None:
    """Return the bold phrase that ends the last of several lines, as in `So it is **4**.`

    Return None if there is none, or if the line has a word such as `not` or `or`.
    """
    head, _, line = text.rstrip().rpartition("\n")
    found = _BOLD_END.search(line)
    if not head.strip() or not found or DOUBT.search(line):
        return None
    return _Told(plain(found[1]), len(text.rstrip()) - len(line), False)


def _lines(text: str) -> Iterator[_Line]:
    """Yield each non-empty line of a text, with its start index. A tag ends a line, too.

    The text after `<answer>` becomes a line that begins with `Answer: `. Leave out all other tags,
    and lines that are only a delimiter such as `$$`.
    """
    at, opened = 0, False
    for cut in _BREAK.finditer(text + "\n"):
        line = text[at : cut.start()]
        bare = line.strip()
        if opened:
            yield _Line(f"Answer: {bare}".strip(), at - len("<answer>"))
        elif bare and bare not in _DELIMITERS:
            yield _Line(bare, at + len(line) - len(line.lstrip()))
        at, opened = cut.end(), bool(cut[1])
