"""Removal of the marks around an answer: Markdown, LaTeX, labels, and remarks after the answer."""

import re
from collections.abc import Iterator

_ENDS = r"(?:<\|im_end\|>|<end_of_turn>|</s>|<\|eot_id\|>|<\|end\|>|<\|endoftext\|>|<eos>)"
_LAST = re.compile(rf"(?:\s{{0,9}}{_ENDS}){{1,9}}\s{{0,9}}\Z")
_WRAPPED = re.compile(r"\\(?:boxed|fbox|text|textbf|textrm|mathrm|mathbf|operatorname)\s{0,3}\{")
_BOXED = re.compile(r"\\(?:boxed|fbox)\s{0,3}\{")
_EMPHASIS = re.compile(r"(?<![*])(\*{1,3})(?=[^*\s])[^*\n]{0,300}[^*\s]\1(?![*])")
_PAIRS = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"))
_EMPTY = {"$", "$$", r"\(", r"\)", r"\[", r"\]"}
_NEGATED = r"(?![ *]{1,4}(?:not|right|wrong|correct|incorrect|unclear|unknown)\b)"
_LABEL = re.compile(
    r"[ >*#]{0,8}(?:(?:so|thus|hence|therefore),? )?(?:the |my )?(?:final |correct )?"
    rf"answer[ *]{{0,3}}(?:is\b{_NEGATED}|:|=)[ *:,]{{0,6}}"
    r"|(?:therefore|thus|hence|simply)\b[ ,:]{1,6}|#{4}\s{0,3}",
    re.IGNORECASE,
)
_POLITE = re.compile(
    r"(?:I hope|hope (?:this|that|it)|(?:please )?let me know|(?:please )?feel free|thank(?:s| you)"
    r"|you['’]re welcome|happy to help)\b",
    re.IGNORECASE,
)
_POLITELY = re.compile(rf"(?<=[.!])[*$]{{0,4}}\s{{1,9}}(?={_POLITE.pattern})", re.IGNORECASE)
_FURTHER = re.compile(r"(?<=[.!])[*$]{0,4}\s{1,9}(?=[A-Z])")  # a further sentence
_CLAUSE = re.compile(r",\s(?:as|since|because|which|where|given)\b|\s(?:because|since)\b", re.I)
_LETTER = re.compile("[A-Za-z]")
DOUBT = re.compile(
    r"\b(?:no|not|nor|or|wait|wrong|incorrect|actually|but|however|unless|if|except|maybe|perhaps"
    r"|alternatively|instead|assum\w{0,9}|suppos\w{0,9}|doubt\w{0,9}|guess\w{0,9}|unsure|rather"
    r"|probably|think|mistake\w{0,3}|long as|well as|correction|sorry)\b|n['’]t\b|\?",
    re.IGNORECASE,
)
"""Words after an answer that may take it back, or give another one beside it."""


def plain(answer: str) -> str:
    r"""Strip the marks around an answer.

    Marks are Markdown and LaTeX, a label such as `Answer:`, the stop tokens of templates, a full
    stop, a polite sentence, and a clause that only explains the answer. Words that may withdraw the
    answer, such as `Wait`, are kept. Else a grader would accept an answer that was taken back.

    Example:
      >>> plain("**8**."), plain(r"$\boxed{\text{1/2}}$"), plain("Final answer: 7, as computed.")
      ('8', '1/2', '7')
      >>> plain("The answer is 4. Wait, it is 5.")
      '4. Wait, it is 5'
    """
    bare = answer
    for _ in range(9):  # more layers of marks than anyone puts around an answer
        inner = _unmarked(bare)
        if inner == bare:
            break
        bare = inner
    return bare


def polite(line: str) -> bool:
    """Tell whether a line only says something polite, such as `I hope that helps.`"""
    return bool(_POLITE.match(line))


def boxes(line: str) -> Iterator[tuple[int, str]]:
    r"""Yield the start index and the content of each `\boxed{...}` in a line.

    The content may itself have pairs of braces.

    Example:
      >>> list(boxes(r"So $\boxed{\frac{1}{2}}$"))
      [(4, '\\frac{1}{2}')]
    """
    at = 0
    while found := _BOXED.search(line, at):
        at = found.end()
        end = _closing(line, at)
        if end is None:
            return
        yield found.start(), line[at : end - 1]
        at = end


def without_end(text: str) -> str:
    """Strip the stop tokens of templates from the end of a text."""
    end = _LAST.search(text, max(0, len(text) - 400))
    return text[: end.start()] if end else text


def _unmarked(text: str) -> str:
    """Strip the outermost of the marks that `plain` names; inner ones stay."""
    bare = without_end(text).strip(" \n\t:`").rstrip(".` ")
    if _EMPHASIS.sub("", bare).strip() in ("", bare):  # all of it, or an odd star
        bare = bare.strip("*` \n\t:").rstrip(".*` ")
    if bare in _EMPTY:
        return ""
    label = _LABEL.match(bare)
    return _unexplained(_unwrapped(bare[label.end() :] if label else bare))


def _unwrapped(text: str) -> str:
    for opening, closing in _PAIRS:
        inside = text[len(opening) : -len(closing)]
        whole = text.startswith(opening) and text.endswith(closing) and inside
        if whole and opening not in inside and closing not in inside:
            return inside
    wrapped = _WRAPPED.match(text)
    if wrapped and _closing(text, wrapped.end()) == len(text):
        return text[wrapped.end() : -1]
    return text


def _unexplained(text: str) -> str:
    """Cut off what follows an answer: thanks, further sentences, and explanations.

    If any of these words may withdraw the answer, keep them.
    """
    thanks = _POLITELY.search(text)
    if thanks and not re.search("[0-9]|wrong|incorrect|mistake", text[thanks.end() :]):
        return text[: thanks.start()]
    # Names have full stops inside, so cut at a full stop only if no letter comes before it.
    further = _FURTHER.search(text)
    if (
        further
        and not _LETTER.search(text, 0, further.start())
        and not DOUBT.search(text, further.end())
    ):
        return text[: further.start()]
    clause = _CLAUSE.search(text)
    if clause and clause.start() and not DOUBT.search(text, clause.start()):
        reason = clause[0].strip(", ").lower() in ("as", "since", "because")
        if reason or not re.search("[0-9]", text[clause.end() :]):
            return text[: clause.start()]
    return text


def _closing(text: str, at: int) -> int | None:
    """Return the index after the closing brace of a group in LaTeX; None if there is no such brace.

    Args:
      text: the text.
      at: the index after the group's opening brace.
    """
    depth = 1
    for brace in re.finditer(r"\\.|[{}]", text[at : at + 5000]):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if not depth:
            return at + brace.end()
    return None
