"""The tokens of a text that may hold sums: numbers, words, signs, brackets, LaTeX commands."""

import re
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

_MAX_DIGITS = 40  # a longer number gets no value, as nobody calculates with it

_FRACTIONS = {
    **dict(zip("½⅓⅔¼¾", ((1, 2), (1, 3), (2, 3), (1, 4), (3, 4)), strict=True)),
    **dict(zip("⅕⅖⅗⅘⅙⅚", ((1, 5), (2, 5), (3, 5), (4, 5), (1, 6), (5, 6)), strict=True)),
    **dict(zip("⅛⅜⅝⅞", ((1, 8), (3, 8), (5, 8), (7, 8)), strict=True)),
}
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
ZEROS = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}

# Every repetition is of one character class, or bounded: reading takes time linear in the text.
_TOKEN = re.compile(
    r"""
      (?P<fence>```)
    | (?P<note><<[^<>\n]{1,200}>>)
    | (?P<space>[ \t\r\u00a0\u2009\u202f"`“”‘’«»&$]|\\[,;:!\ ()\[\]])
    | (?P<line>\n|\\\\|\\(?:begin|end)\{[a-z*]{1,20}\})
    | (?P<number>
        (?: \d{1,3}+(?:(?:,|\{,\}|[\u00a0\u2009\u202f]|\\,)\d{3}(?!\d))++ | \d++ )(?:\.\d++)?
        | \.\d++ | (?=[½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞])
      )
      (?P<power>[eE][+-]?\d{1,3}(?![\w.]))?
      (?P<dots>\.\.\.|…|\\[lc]?dots)?
      (?P<vulgar>[½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞])?
      (?P<bad>[.,:'’_]\d[\d.,:]*+|[\u0300-\u036f₀-₉_|#@]|(?:st|nd|rd|th)\b
           |!(?=[\d!)]|\s*[-+*/=^]))?
    | (?P<raised>⁻?[⁰¹²³⁴-⁹]{1,4})
    | (?P<cross>[xX](?![^\W\d_]))
    | (?P<word>[^\W\d_]\w*+(?:['’-][^\W\d_]\w*+)*+(?:_\w*+)?)
    | \\(?P<name>[A-Za-z]++|[%$])
    | (?P<arrow>[-=<]{1,3}>|<-{1,3}(?!\d)|<=>|[:+*/-]=|={3,}|-{2,}|[→⇒⟹⇔←≡—])
    | (?P<relation>==|!=|=/=|<=|>=|[=＝<>≤≥≠≈≃≅⩽⩾])
    | (?P<degree>[°′″]|\^\\circ\b|\^\{\\circ\})
    | (?P<operator>\*\*|[-+*/÷^×✕✖∗·⋅∙−–‒－＋∕⁄])
    | (?P<open>[(\[{]) | (?P<close>[)\]}])
    | (?P<percent>%)
    | (?P<money>[€£¥₹¢])
    | (?P<root>√)
    | (?P<odd>[_|@\#\\~?±∓∞∑∏∫∂∆₀-₉☐□▢⬜…]|\.\.\.)
    | (?P<stop>.)
    """,
    re.VERBOSE,
)
_SUFFIXES = ("power", "dots", "vulgar", "bad")  # groups that may end a number
_SAME = {
    **dict.fromkeys(("×", "✕", "✖", "∗", "·", "⋅", "∙", "times", "cdot", "ast"), "*"),
    **dict.fromkeys(("−", "–", "‒", "－"), "-"),
    **dict.fromkeys(("∕", "⁄"), "/"),
    **dict.fromkeys(("＝", "=="), "="),
    **dict.fromkeys(("!=", "=/=", "neq", "ne"), "≠"),
    **dict.fromkeys(("<=", "⩽", "leq", "le", "leqslant"), "≤"),
    **dict.fromkeys((">=", "⩾", "geq", "ge", "geqslant"), "≥"),
    **dict.fromkeys(("≃", "≅", "approx", "simeq", "cong"), "≈"),
    "＋": "+",
    "div": "÷",
    "lt": "<",
    "gt": ">",
}
_NAMES = {
    **dict.fromkeys(("times", "cdot", "ast", "div"), "operator"),
    **dict.fromkeys(
        ("neq", "ne", "leq", "le", "leqslant", "geq", "ge", "geqslant", "lt", "gt"), "relation"
    ),
    **dict.fromkeys(("approx", "simeq", "cong"), "relation"),
    **dict.fromkeys(("frac", "dfrac", "tfrac", "cfrac"), "over"),
    **dict.fromkeys(("text", "textbf", "textit", "textrm", "mathrm", "mathbf", "mbox"), "space"),
    **dict.fromkeys(("boxed", "left", "right", "big", "Big", "bigl", "bigr", "$"), "space"),
    **dict.fromkeys(("displaystyle", "quad", "qquad", "implies", "Rightarrow", "to"), "stop"),
    **dict.fromkeys(("therefore", "because", "rightarrow", "iff"), "stop"),
    "sqrt": "root",
    "%": "percent",
    "circ": "degree",
    "pounds": "money",
}
# How the decimals of thirds, sevenths, ninths, π, e and the like end.
_ROUNDED = re.compile(r"(11|14|16|17|2[289]|33|4[1234]|5[67]|6[267]|7[12378]|8[35689])$")


class Literal(NamedTuple):
    """A number as it is written.

    Attributes:
      value: its exact value.
      place: the place value of its last digit, such as 1/100 for `3.14`; 0 for a fraction.
      slack: its largest possible rounding error; 0 if it does not look rounded.
      other: its value where a comma is the decimal point: 1.2 for `1,200`, and 1200 for `1.200`;
        None if there is only one way to read the number.
      zeros: the number of zeros at the end of its whole part.
    """

    value: Fraction
    place: Fraction = Fraction(0)
    slack: Fraction = Fraction(0)
    other: Fraction | None = None
    zeros: int = 0

    def scaled(self, factor: Fraction) -> "Literal":
        """Multiply the number by a power of ten, or by -1."""
        size, other = abs(factor), self.other
        return Literal(
            self.value * factor,
            self.place * size,
            self.slack * size,
            None if other is None else other * factor,
            self.zeros,
        )


class Token(NamedTuple):
    """A token of a text; spaces, quotes and LaTeX's formatting commands are left out.

    Attributes:
      kind: what it is, such as `number` or `operator`: a named group of the regex `_TOKEN`, or for
        a LaTeX command its kind in `_NAMES`.
      text: what is written; each sign in one spelling, such as `-` for an en dash.
      start: where it begins in the text.
      end: where it ends.
      glued: whether nothing stands between it and the token before it.
      literal: the value of a number; None if its notation is unclear, or it is no number.
      money: whether a dollar sign stands before it.
    """

    kind: str
    text: str
    start: int
    end: int
    glued: bool = False
    literal: Literal | None = None
    money: bool = False


def tokens(text: str) -> list[Token]:
    """Split a text into tokens, in time linear in its length.

    Example:
      >>> [token.text for token in tokens("Half of $48 is 48 ÷ 2.")]
      ['Half', 'of', '48', 'is', '48', '÷', '2', '.']
    """
    found: list[Token] = []
    # A dollar sign after a digit or letter closes LaTeX; then no dollar sign is taken for money.
    latex = re.search(r"[\w)}]\$(?!\d)", text) is not None
    at, end, money = 0, -1, False
    while True:
        while text.startswith(" ", at):  # the most frequent token of all, and it says nothing
            at += 1
        if not (match := _TOKEN.match(text, at)):
            return found
        start, at = match.span()
        kind, shown = match.lastgroup or "stop", match[0]
        if kind in _SUFFIXES:
            kind = "number"
        elif kind == "name":
            shown = match["name"]
            kind = _NAMES.get(shown, "odd")
        elif kind == "fence":  # pass over a block of code
            closing = text.find("```", at)
            kind, at = "line", len(text) if closing < 0 else closing + 3
        if kind in ("space", "note"):
            if end == start and not shown.isspace():
                end = at
            money |= shown in ("$", "\\$") and not latex
            continue
        if kind == "raised":
            shown = shown.translate(_RAISED)
        literal = _literal(match) if kind == "number" else None
        if kind in ("operator", "relation"):
            shown = _SAME.get(shown, shown)
        token = Token(kind, shown, start, at, end == start, literal, money)
        found.append(token)
        end, money = at, False


def _literal(match: re.Match[str]) -> Literal | None:
    number, power, dots, vulgar, bad = match.group("number", "power", "dots", "vulgar", "bad")
    if len(number) > _MAX_DIGITS or bad:
        return None
    return _parsed(number, power, dots, vulgar)


@lru_cache(maxsize=1000)
def _parsed(number: str, power: str | None, dots: str | None, vulgar: str | None) -> Literal | None:
    digits, _, decimals = re.sub(r"[^\d.]", "", number).partition(".")
    zeros = len(digits) - len(digits.rstrip("0"))
    doubtful = (dots and not decimals) or (vulgar and decimals)
    if doubtful or (digits[:1] == "0" and len(digits) > 1):
        return None
    value, place = Fraction(int(digits + decimals or "0")), Fraction(1, 10 ** len(decimals))
    if vulgar:
        return Literal(value + Fraction(*_FRACTIONS[vulgar]))
    other = None
    if decimals and len(digits) <= 3 and len(decimals) == 3 and digits != "0":
        other = value  # 1.200 is 1200 in half of the world
    elif not decimals and number.count(",") == 1:
        other = value / 1000  # and 1,200 is 1.2
    value *= place
    slack = _slack(decimals, bool(dots))
    if decimals and len(digits + decimals) > 12:  # probably the rounded output of a computer
        slack = max(slack, value / 10**12)
    literal = Literal(value, place, slack, other, zeros)
    return literal.scaled(Fraction(10) ** int(power[1:])) if power else literal


def _slack(decimals: str, dots: bool) -> Fraction:
    """Return the largest possible rounding error of a number; 0 if it does not look rounded.

    `decimals` holds the digits after the point. `dots` tells whether an ellipsis follows them.
    """
    place = Fraction(1, 10 ** len(decimals))
    if dots:
        return place
    rounded = _ROUNDED.search(decimals) or (len(decimals) > 3 and decimals[-1] not in "05")
    return place / 2 if rounded else Fraction(0)
