"""The graders of texts: the same characters, or the same apart from case, quotes and articles."""

import re

from tunix_rt_nb.evaluate.graders.notation import folded
from tunix_rt_nb.evaluate.graders.verdict import Verdict, decided, passed

_FORMULA = re.compile(r"[\\^_=+*<>{}|/]")  # in a formula, case and articles have a meaning
_CLOCK = re.compile(r"(?<![\w:.])0(?=[0-9]:[0-5][0-9](?![\w:.]| ?:))")  # 08:28 is 8:28
_QUOTED = re.compile(r"""(["'])(?=.)((?:(?!\1).){1,5000})\1""")
_ARTICLE = re.compile(r"(?:the|an?) (?=.{3})", re.IGNORECASE)
_LEAD = re.compile(r"(?:it(?:'s| is| was)|that(?:'s| is)|this is) (?=.)", re.IGNORECASE)
_SAYS_YES = re.compile(
    r"(yes|no)[,.!;:]? (?:,? ?(?:it|he|she|they|we|you|i|that|this|there|one|the \w{1,20}))"
    r" (?:(?:is|are|was|were|does|do|did|can|could|will|would|has|have|should)( not|n't)?"
    r"|(cannot|can't))(?: (?:correct|right|true|possible|so))?",
    re.IGNORECASE,
)


def exact(answer: str, expected: str, prompt: str = "") -> Verdict:
    """Compare two texts character by character; if they differ, the next grader decides.

    Example:
      >>> exact(" Paris", "Paris").score, exact("paris", "Paris").score
      (1.0, None)
    """
    if answer.strip() == expected.strip():
        return decided(True, "the same characters")
    return passed("other characters")


def text(answer: str, expected: str, prompt: str = "") -> Verdict:
    """Compare two texts as `normal` returns them; if they differ, the next grader decides.

    If `yes` or `no` is expected, a sentence that says no more than that is right, too.

    Example:
      >>> text("“The Eiffel  Tower”.", "eiffel tower").score, text("Yes, it is.", "yes").score
      (1.0, 1.0)
      >>> text("5!", "5").score, text("x²", "x2").score, text("Yes, it is not.", "yes").score
      (None, None, None)
    """
    one, other = normal(answer), normal(expected)
    if one and one == other:
        return decided(True, f"both are {other[:60]!r}")
    if other in ("yes", "no") and _meant(one) == other:
        return decided(True, f"the answer says {other}")
    return passed("other words")


def normal(text: str) -> str:
    """Return a text in a normal form, without the details that do not change its meaning.

    These details are case, the kind of quotes, dashes and spaces, quotes around the text, an
    article or `It is` before it, a full stop after it, and the first zero of a time such as 08:28.
    A formula keeps its case. So does a text of one or two characters, except `no` and `ok`.

    Example:
      >>> normal("It is the  Red Fox."), normal("X"), normal("a^N")
      ('red fox', 'X', 'a^N')
    """
    bare = re.sub(r"\s{1,99}", " ", folded(text)).strip()
    bare = bare.rstrip(". ") if re.search(r"[\w'\")][.]{1,3}$", bare) else bare
    bare = re.sub(r"(?<=[A-Za-z])!$", "", bare)
    quoted = _QUOTED.fullmatch(bare)
    bare = quoted[2].strip() if quoted else bare
    bare = _CLOCK.sub("", bare)
    if _FORMULA.search(bare):
        return bare
    bare = re.sub(r"(?<![0-9]) ?, ?|(?<=[0-9]) ?, ?(?![0-9 ])", ", ", bare)
    for before in (_LEAD, _ARTICLE):
        bare = before.sub("", bare, count=1) if before.match(bare) else bare
    return bare if len(bare) < 3 and bare.lower() not in ("no", "ok") else bare.casefold()


def _meant(said: str) -> str | None:
    """Return `yes` or `no` for a sentence that says just that, such as `Yes, it is`; else None."""
    clause = re.split(r",? (?:because|since|as) ", said, maxsplit=1)[0]
    found = _SAYS_YES.fullmatch(clause.rstrip(".")) or re.fullmatch("(yes|no)", clause)
    if not found or not found[1]:
        return None
    negated = found.re is _SAYS_YES and bool(found[2] or found[3])
    alone = found.re is not _SAYS_YES
    return found[1].lower() if alone or negated == (found[1].lower() == "no") else None
