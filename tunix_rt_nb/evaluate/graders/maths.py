"""The grader of formulas: expressions, equations, lists, sets, points and intervals.

It splits lists and intervals itself, and has math-verify compare what is in them.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from tunix_rt_nb.evaluate.graders import number
from tunix_rt_nb.evaluate.graders.notation import folded
from tunix_rt_nb.evaluate.graders.process import SHARED, Missing
from tunix_rt_nb.evaluate.graders.verdict import Verdict, decided, passed

_MOST, _MANY = 400, 50  # limits: characters of a formula, and members of a list
_WORDS = (
    r"sin|cos|tan|cot|sec|csc|arcsin|arccos|arctan|sinh|cosh|tanh|log|ln|exp|sqrt|pi|min|max"
    r"|gcd|lcm"
)
_WORD = re.compile(r"[A-Za-z]{2,}")
_PRODUCT = re.compile(r"[abcdknmpqrtuvwxyz]{2,3}")
_CHARACTERS = re.compile(r"[-A-Za-z0-9\s.,;+*/^_(){}\[\]=<>|!&\\°%]{1,400}")
_DOLLARS = re.compile(r"\${1,2}([^$]{1,400})\${1,2}$")
_COMMAND = re.compile(r"\\[A-Za-z]{1,20}")
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\{[a-z]{1,12}\*?\}")
_ODD = re.compile(r"[0-9][A-Za-z][0-9]|[0-9})\]]\s?_|(?<![\\A-Za-z])[A-Za-z][0-9]")
# `_ODD` finds 0x1F, 2x3, 101_2 and x2, which have several readings.
_OTHER = re.compile(r"\\(?:overline|boxed|fbox|approx|sim|dots|ldots|cdots)(?![a-z])")
_DATE = re.compile(r"\s*[0-9]{1,9}(?:[-/][0-9]{1,9}){2,}\s*|\s*[0-9]{1,9}-[0-9]{1,9}\s*")
_UNWORKED = re.compile(r"(?:[-0-9\s.,+*/(){}]|\\(?:cdot|times|frac|div)(?![a-z])){1,400}")
_SOLVED = re.compile(r"([A-Za-z](?:_\{?\w\}?)?(?:\([a-z]\))?)\s{0,9}(?:=|\\in(?![a-z]))\s{0,9}")
_RELATION = re.compile(r"[=<>]|\\(?:le|ge|leq|geq|lt|gt|ne|neq|in|approx)(?![a-z])")
_FORM_ASKED = re.compile(r"\b(?:expand|factor|factori[sz]e|simplify|rewrite)\b", re.IGNORECASE)
_ORDERED = re.compile(
    r"\b(?:order|sort\w{0,3}|ascending|descending|increasing|decreasing|sequence)\b", re.I
)
_UNORDERED = re.compile(r"\b(?:all|solutions|roots|zeros|separated by commas|any order)\b", re.I)
_OR = re.compile(r"\s(?:or|and)\s|\\text\s?\{\s?(?:or|and)\s?\}|\\(?:lor|land|vee|wedge)(?![a-z])")
_SIGNS = (
    (r"\\(?:left|right|big|Big)(?![a-zA-Z])\s?", ""),
    (r"\\[dt]frac", r"\\frac"),
    (r"\{,\}", ","),
    (r"(?<!\\)\\[,;:! ]", " "),
    (r"\*\*", "^"),
    ("√\\s?([0-9]{1,20}|[a-z])", r"\\sqrt{\1}"),
    ("√\\s?\\(([^()]{1,100})\\)", r"\\sqrt{\1}"),
    ("π", r"\\pi "),
    ("∞", r"\\infty "),
    ("∪", r"\\cup "),
    ("∩", r"\\cap "),
    ("∈", r"\\in "),
    ("≤", r"\\le "),
    ("≥", r"\\ge "),
    ("±", r"\\pm "),
    ("∅", r"\\emptyset "),
    ("[×·]", r"\\cdot "),
    (r"\*", r"\\cdot "),
    ("÷", "/"),
    ("²", "^2"),
    ("³", "^3"),
)
_NAMES = (
    (r"(?<![\\A-Za-z])(?:infinity|infty|inf|oo)(?![A-Za-z])", r"\\infty "),
    (r"(?<![\\A-Za-z])sqrt\s?\(([^()]{1,100})\)", r"\\sqrt{\1}"),
    (rf"(?<![\\A-Za-z])({_WORDS})(?![A-Za-z])", r"\\\1 "),
)
_RULES = tuple((re.compile(pattern), put) for pattern, put in (*_SIGNS, *_NAMES))


class _Group(NamedTuple):
    """A list of formulas, or one formula as a list of one.

    Attributes:
      brackets: the opening and the closing bracket, such as `()`; empty if there are none.
      members: the formulas.
      loose: True if the order of the members has no meaning.
    """

    brackets: str
    members: tuple[str, ...]
    loose: bool


def compare(answer: str, expected: str, prompt: str = "") -> Verdict:
    r"""Compare two formulas or lists of formulas.

    The verdict has no score, so the next grader decides, if one of the texts is no formula, or
    if math-verify cannot compare them.

    A formula that repeats the prompt is wrong, and so is arithmetic such as `2 + 2` where a number
    is expected. The order of a list without brackets counts, unless its members are solutions such
    as `x = 1`, or the prompt asks for all solutions.

    Example:
      >>> compare("x**2 + 2x + 1", "(x+1)^2").score, compare(r"\sqrt{8}", r"2\sqrt{2}").score
      (1.0, 1.0)
      >>> compare("(1, 2)", "[1, 2]").score, compare("{2, 1}", r"\{1, 2\}").score
      (0.0, 1.0)
    """
    texts = [_latex(text) for text in (answer, expected)]
    one, other = texts
    if not all(map(_is_formula, texts)):
        return passed("not two formulas")
    if number.read(answer) and number.read(expected):
        return passed("two numbers")
    if one == other:
        return decided(True, "the same formula")
    if _FORM_ASKED.search(prompt):
        return passed("the prompt asks for a form, not only for a value")
    if _bare(one) in _bare(_latex(prompt)) and not _single(one):
        return decided(False, "the answer repeats the prompt")
    if number.read(expected) and _UNWORKED.fullmatch(
        one.replace(r"\cdot", "*").replace(r"\frac", "")
    ):
        return decided(False, "the answer is not worked out")
    try:
        same = _alike(_group(one), _group(other), _free(prompt))
    except Missing as error:
        return passed(f"math-verify is not installed: {error}")
    if same is None:
        return passed("not read in time, or not at all")
    return decided(same, "equal formulas" if same else "different formulas")


def _latex(text: str) -> str:
    latex = _DOLLARS.sub(r"\1", folded(text[: _MOST + 1]).strip())
    for pattern, put in _RULES:
        latex = pattern.sub(put, latex)
    return re.sub(r"\s{1,400}", " ", latex).strip().removesuffix(".")


def _is_formula(text: str) -> bool:
    """Tell whether a text holds nothing but mathematics: no words, dates or overlines."""
    if len(text) > _MOST or any((_DATE.fullmatch(text), _OTHER.search(text), _ODD.search(text))):
        return False
    bare = re.sub(
        r"\\(?:text|mathrm)\s?\{[^{}]{0,99}\}", " # ", _ENVIRONMENT.sub(" ", _OR.sub(", ", text))
    )
    bare = re.sub(rf"\\[A-Za-z]{{1,20}}|(?<![A-Za-z])(?:{_WORDS})(?![A-Za-z])", " ", bare)
    works = re.search(r"[0-9+*/^=\\-]", text)
    products = all(works and _PRODUCT.fullmatch(word) for word in _WORD.findall(bare))
    return bool(products and _CHARACTERS.fullmatch(bare) and re.search("[A-Za-z0-9]", text))


def _free(prompt: str) -> bool:
    return bool(_UNORDERED.search(prompt) and not _ORDERED.search(prompt))


def _group(text: str) -> _Group:
    """Split a list into its members; one formula is a list of one."""
    said = _OR.sub(", ", text)
    outer = re.fullmatch(r"(\\\{|[{(\[])(.{1,400}?)(\\\}|[})\]])", said)
    inside, brackets = said, ""
    if outer and _closes(said, outer.end(1)) and "," in outer[2]:
        inside, brackets = outer[2], f"{outer[1][-1]}{outer[3][-1]}"
    members = [] if number.read(inside) else _split(inside)
    if len(members) < 2:
        brackets, members = "", [text]
    doubled = [m for member in members for m in _signed(member)]
    solved = len(doubled) > 1 and all(map(_SOLVED.match, doubled))
    loose = brackets == "{}" or said != text or solved or len(doubled) > len(members)
    return _Group(brackets, tuple(doubled), loose)


def _closes(text: str, start: int) -> bool:
    """Tell whether the first bracket of a text is closed by its last one.

    Args:
      start: the index after the first bracket.
    """
    depth = 1
    for at, sign in enumerate(text[start:], start):
        depth += (sign in "([{") - (sign in ")]}")
        if depth == 0:
            return at == len(text) - 1
    return False


def _split(text: str) -> list[str]:
    members, depth, start = [], 0, 0
    for at, sign in enumerate(text):
        depth += (sign in "([{") - (sign in ")]}")
        if sign in ",;" and depth == 0:
            members.append(text[start:at].strip())
            start = at + 1
    return [*members, text[start:].strip()]


def _signed(member: str) -> list[str]:
    r"""Return both values of `\pm 2` or `x = \pm 2`; return any other formula alone."""
    found = re.fullmatch(rf"({_SOLVED.pattern})?\\pm (.{{1,99}})", member)
    if not found:
        return [member]
    name, value = found[1] or "", found[3]
    return [f"{name}{value}", f"{name}-{value}"]


def _alike(one: _Group, other: _Group, free: bool) -> bool | None:
    a, b = one.members, other.members
    if len(a) != len(b) or len(a) > _MANY:
        return False
    if {one.brackets, other.brackets} not in ({""}, {"", "()"}, {"", "{}"}, {one.brackets}):
        return False
    if len(a) == 1 or not (
        other.loose or (free and not (one.brackets + other.brackets).strip("{}"))
    ):
        found = [_same(x, y) for x, y in zip(a, b, strict=True)]
        return False if False in found else None if None in found else True
    return _matched(a, list(b))


def _matched(a: Sequence[str], rest: list[str]) -> bool | None:
    """Tell whether two lists of the same length hold equal formulas, in any order.

    Formulas of `rest` that equal one of `a` are removed from `rest`.
    """
    for x in a:
        found = next((y for y in rest if _same(x, y)), None)
        if found is None:
            return False
        rest.remove(found)
    return True


def _same(one: str, other: str) -> bool | None:
    """Tell whether two formulas are equal; None if one cannot be read.

    Numbers are compared by value, without math-verify.
    """
    names = [_SOLVED.match(text) for text in (one, other)]
    if all(names) and len({_bare(name[1]) for name in names if name}) > 1:
        return False
    bare = [
        text[name.end() :] if name and not _RELATION.search(text, name.end()) else text
        for text, name in zip((one, other), names, strict=True)
    ]
    letters = [set(re.findall("[A-Za-z]", _COMMAND.sub("", text))) for text in bare]
    if letters[0] != letters[1] and _lower(letters[0]) == _lower(letters[1]):
        return False  # x is not X, but math-verify takes them for equal
    numbers = [number.read(text) for text in bare]
    if all(numbers):
        return number.compare(bare[0], bare[1]).score == 1.0
    if bool(_RELATION.search(bare[0])) != bool(_RELATION.search(bare[1])):
        return False
    return _bare(bare[0]) == _bare(bare[1]) or SHARED.equal(bare[0], bare[1])


def _lower(letters: set[str]) -> set[str]:
    return {letter.lower() for letter in letters}


def _bare(text: str) -> str:
    return re.sub(r"[\s{}$]|\\cdot", "", text)


def _single(text: str) -> bool:
    """Tell whether a formula is just one symbol or number, such as `x` or `5`.

    A prompt may hold it by chance, so an answer of this kind does not count as repeating it.
    """
    return bool(re.fullmatch(r"-?\\?[A-Za-z]{1,9}|[-0-9.]{1,99}|-?[A-Za-z]", text.strip()))
