"""Notations of numbers and texts, in Unicode and LaTeX, rewritten in plain characters."""

import re
import unicodedata

_MEANT = ("<super>", "<sub>", "<fraction>")  # not to be folded: x² is not x2, and 2½ is not 21/2
_SAME = str.maketrans(
    {
        **dict.fromkeys("−‐‑‒–—﹣－", "-"),
        **dict.fromkeys("‘’‛′ʼ", "'"),
        **dict.fromkeys("“”„‟″«»", '"'),
        **dict.fromkeys("\u00a0\u2000\u2001\u2002\u2003\u2007\u2008\u2009\u200a\u202f", " "),
        **dict.fromkeys("\u200b\ufeff\u2060", ""),
    }
)
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_RULES = tuple(
    (re.compile(pattern), put)
    for pattern, put in (
        (r"\\(?:left|right|displaystyle|limits)(?![a-zA-Z])", ""),
        (r"\\(?:text|textbf|textrm|mathrm|mathbf|mbox)\s?\{([^{}]{0,200})\}", r" \1 "),
        (r"\{,\}", ","),
        (r"\\([%$#&])", r"\1"),
        (r"\^\s?\{?\\circ\}?|\\degrees?(?![a-zA-Z])", "°"),
        (r"\\[dtc]?frac\s?\{([^{}]{1,60})\}\s?\{([^{}]{1,60})\}", r" (\1)/(\2)"),
        (r"\\[dtc]?frac\s?([0-9])\s?([0-9])", r" (\1)/(\2)"),
        (r"\\[,;:! ]|(?<=\w)~(?=\w)", " "),
        (r"\\(?:times|cdot|ast)(?![a-zA-Z])|[×⋅·]", "*"),
        (r"\\div(?![a-zA-Z])|÷", "/"),
        (r"\\(?:angle|triangle)\s", " "),
        (r" ?\^\s?\{([^{}]{1,20})\}", r"^\1"),
        (r"(?<=[A-Za-z]) \^", "^"),
    )
)
_RAISED = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]{1,9}")
_FRACTIONS = re.compile("[¼-¾⅐-⅞]")


def folded(text: str) -> str:
    """Return a text in Unicode's compatible form (NFKC), with one kind of dash, quote and space.

    Superscripts, subscripts and fractions are kept, because their position has a meaning.

    Example:
      >>> folded("“x²” … 2½")
      '"x²" ... 2½'
    """
    if text.isascii():
        return text
    same = text.translate(_SAME)
    return "".join(
        c
        if c.isascii() or unicodedata.decomposition(c).startswith(_MEANT)
        else unicodedata.normalize("NFKC", c)
        for c in unicodedata.normalize("NFC", same)
    )


def spelled(text: str) -> str:
    r"""Rewrite the LaTeX and Unicode notations of a number in ASCII.

    Example:
      >>> spelled(r"\$2\frac{1}{2}"), spelled("3 · 10⁴"), spelled(r"50{,}050\text{ apples}")
      ('$2 (1)/(2)', '3 * 10^4', '50,050  apples ')
    """
    plain = _FRACTIONS.sub(_fraction, folded(text))
    for pattern, put in _RULES:
        plain = pattern.sub(put, plain)
    return _RAISED.sub(lambda raised: "^" + raised[0].translate(_SUPERSCRIPTS), plain)


def _fraction(sign: re.Match[str]) -> str:
    return " " + unicodedata.normalize("NFKC", sign[0]).replace("\u2044", "/")
