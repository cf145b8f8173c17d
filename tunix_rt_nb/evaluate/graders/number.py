"""The grader of numbers: one value in any notation, with or without its unit."""

import re
from fractions import Fraction
from typing import NamedTuple

from tunix_rt_nb.evaluate.graders.notation import spelled
from tunix_rt_nb.evaluate.graders.units import CURRENCIES, MULTIPLES, asked_otherwise, unit_of
from tunix_rt_nb.evaluate.graders.verdict import Verdict, decided, passed
from tunix_rt_nb.trace import DOUBT

NAME = "number"
_MOST = 400  # characters; a longer text is no number


class Number(NamedTuple):
    """A number in a text.

    Attributes:
      value: the exact value; 37 for `37 %`.
      text: the digits as written, without grouping, units and other words.
      unit: the unit in one spelling, such as `km` for `kilometers`; empty if there is none.
      currency: the sign of the currency, such as `$`; empty if there is none.
    """

    value: Fraction
    text: str
    unit: str = ""
    currency: str = ""


_GROUPED = (  # 1,234.5 and 12,34,567 and 1 234.5
    r"[1-9][0-9]{0,2}(?:,[0-9]{3}){1,40}(?![0-9])(?:\.[0-9]{1,99})?",
    r"[1-9][0-9]?(?:,[0-9]{2}){1,20},[0-9]{3}(?![0-9])(?:\.[0-9]{1,99})?",
    r"[1-9][0-9]{0,2}(?:[ '_][0-9]{3}){1,40}(?![0-9])(?:[.,][0-9]{1,99})?",
)
_EUROPEAN = (  # 1.234,5 and 1.234.567 and 0,5; but 1.234 has a decimal point
    r"[1-9][0-9]{0,2}(?:\.[0-9]{3}){1,40},[0-9]{1,99}",
    r"[1-9][0-9]{0,2}(?:\.[0-9]{3}){2,40}(?![0-9.])",
    r"0,[0-9]{1,99}",
)
_PLAIN = r"[0-9]{1,350}(?:\.[0-9]{0,350})?|\.[0-9]{1,350}"
_DECIMAL = "|".join((*_EUROPEAN, *_GROUPED, _PLAIN))
_ONE = rf"(?:{_DECIMAL})"
_IN = rf"(?:{_ONE}|\(\s?[+-]?{_ONE}\s?\))"
_CURRENCY = r"(?:US\$|[$€£¥₹]|USD|EUR|GBP)"
_BODY = (
    rf"(?P<whole>[0-9]{{1,30}}) ?(?P<part>(?<= )[1-9][0-9]?/[1-9][0-9]{{0,5}}"
    r"|\([1-9][0-9]{0,5}\)/\([1-9][0-9]{0,5}\))"
    rf"|(?P<top>{_IN}) ?/ ?(?P<bottom>[+-]?{_IN})"
    rf"|(?P<mantissa>{_ONE}) ?(?:[eE](?P<e>[+-]?[0-9]{{1,3}})"
    r"|[*x] ?10\^\(?(?P<ten>[+-]?[0-9]{1,3})\)?)"
    r"|10\^\(?(?P<power>[+-]?[0-9]{1,3})\)?"
    r"|(?P<comma>[0-9]{1,9},[0-9]{1,2})(?=\s?(?:%|[€£$]|percent|euros?\b))"
    rf"|(?P<plain>{_ONE})"
)
_NUMBER = re.compile(
    rf"(?P<sign>[+-] ?)?(?P<before>{_CURRENCY} ?)?(?P<second>[+-])?(?:{_BODY})(?P<tail>.*)"
)
_LEAD = re.compile(
    r"(?:it(?:'s| is| was)|that(?:'s| is)|there (?:are|is|were|was|will be)|exactly|a total of) ",
    re.IGNORECASE,
)
_NAMED = re.compile(  # left of an equals sign: x, x_1, f(3), |AB|, Total cost
    r"\|?[A-Za-z]{1,20}\|?(?:_\{?\w{1,3}\}?)?(?:\([\w, ]{0,20}\))?(?: [A-Za-z]{1,20}){0,4}"
)
_SUM = re.compile(  # or arithmetic, whose only letter is x for times
    r"(?:[-0-9\s.,+*/^(){}!%$€£]|(?<=[0-9) ])x(?= ?[0-9(])|\\sqrt| of (?=[0-9])){0,200}"
)
_EITHER = re.compile("[0-9] [0-9]{3} ?/")  # 2 101/102 may be 2,101/102
_UNKNOWN = re.compile(r"\s{0,9}\$?([A-Za-z](?:_\{?\w\}?)?)\s{0,9}=")
_ASKED = re.compile(  # the unknown that a prompt asks for; not the article `a`
    r"\b(?:value of|solve for|find|determine|compute|what is) \$?"
    r"(?!a (?!in\b|that\b|if\b|when\b)[a-z])([A-Za-z])\b",
    re.IGNORECASE,
)
_UNEQUAL = re.compile("[!<>:~≠≈]=|≠|≈|=[<>]")
CHANGES = re.compile(
    r"\b(?:and|half|twice|double|triple|third|times|minus|plus|log|ln|sqrt|sin|cos|tan)\b", re.I
)
"""Words that change the number beside them, as in `half of 5`."""


def compare(answer: str, expected: str, prompt: str = "") -> Verdict:
    """Compare two numbers by value.

    If one of the texts is not one number, the verdict has no score, so the next grader decides.

    The answer is wrong if its unit differs from the expected unit. If only the expected answer has
    a unit, the unit is ignored. If only the answer has one, it is ignored too, unless the prompt
    asks for a different unit: then the answer is wrong. 37 % equals either 37 or 0.37, depending on
    the prompt.

    Example:
      >>> compare("$1,000.00", "1000"), compare("12 or 13", "12").score
      (Verdict(score=1.0, why='1000.00 = 1000'), None)
    """
    one, other = read(answer), read(expected)
    if one is None or other is None:
        texts = [name for name, n in (("answer", one), ("expected", other)) if n is None]
        return passed(f"{' and '.join(texts)}: not one number")
    names = {name[1] for text in (answer, expected) if (name := _UNKNOWN.match(text))}
    if len(names) > 1 or other_unknown(answer, prompt):
        return decided(False, f"another unknown: {' and '.join(sorted(names))}")
    elsewhere = not (other.unit or other.currency)
    if _clash(one, other) or (elsewhere and asked_otherwise(one.unit or one.currency, prompt)):
        units = [n.unit or n.currency or "those asked for" for n in (one, other)]
        return decided(False, f"the units differ: {units[0]} and {units[1]}")
    if (one.unit == "%") != (other.unit == "%"):
        share, bare = (one, other) if one.unit == "%" else (other, one)
        same = _is_share(share.value, bare.value, "%" in prompt or "percent" in prompt.lower())
    else:
        same = one.value == other.value
    return decided(same, f"{one.text} {'=' if same else 'is not'} {other.text}")


def other_unknown(answer: str, prompt: str) -> bool:
    """Tell whether an answer such as `x = 5` gives an unknown that the prompt does not ask for.

    Example:
      >>> other_unknown("x = 5", "Solve for q: 2q = 10."), other_unknown("q = 5", "Find q.")
      (True, False)
    """
    name, asked = _UNKNOWN.match(answer), _ASKED.findall(prompt[:20_000])
    return bool(name and asked) and name is not None and name[1] not in asked


def read(text: str) -> Number | None:
    r"""Read a text that states one number; return None if it is anything else, or ambiguous.

    The number may have a unit, or stand after an equals sign.

    Example:
      >>> read(r"x = 2\frac{1}{2}"), read("154*325 = 50{,}050 apples").text, read("29 of 30")
      (Number(value=Fraction(5, 2), text='2 1/2', unit='', currency=''), '50050', None)
    """
    if len(text) > _MOST or _UNEQUAL.search(text):
        return None
    plain = re.sub(r"\s{1,9}", " ", spelled(text)).strip()
    if _EITHER.search(plain):
        return None
    sides = plain.split("=")
    number = _number(sides[-1].strip())
    if number is None or not all(_equals(side.strip(), number) for side in sides[:-1]):
        return None
    return number


def _number(text: str) -> Number | None:
    """Read a text that is one number, without an equals sign before it."""
    lead = _LEAD.match(text)
    found = _NUMBER.fullmatch(text[lead.end() :] if lead else text)
    if not found or (found["sign"] and found["second"]):
        return None
    try:
        value, bare = _value(found)
    except ZeroDivisionError:
        return None
    tail, times = _times(found["tail"])
    currency = (found["before"] or "").strip().lower()
    if not currency and tail.strip().lower() in CURRENCIES:
        currency, tail = tail.strip().lower(), ""
    unit = unit_of(tail)
    if unit is None or (currency and unit and tail[0] not in " /"):
        return None
    minus = "-" if "-" in (found["sign"] or found["second"] or "") else ""
    signed = (-value if minus else value) * times
    text = f"{minus}{bare}" if times == 1 else str(signed)
    return Number(signed, text, unit, CURRENCIES.get(currency, ""))


def _value(found: re.Match[str]) -> tuple[Fraction, str]:
    """Return the value of a matched number, and its digits without sign, grouping or LaTeX."""
    if found["whole"]:
        part = re.sub("[()]", "", found["part"])
        return int(found["whole"]) + Fraction(part), f"{found['whole']} {part}"
    if found["top"]:
        (top, a), (bottom, b) = _decimal(found["top"]), _decimal(found["bottom"])
        return top / bottom, f"{a}/{b}"
    if found["mantissa"]:
        value, bare = _decimal(found["mantissa"])
        power = int(found["e"] or found["ten"])
        return value * Fraction(10) ** power, f"{bare}e{power}"
    if found["power"]:
        return Fraction(10) ** int(found["power"]), f"10^{found['power']}"
    if found["comma"]:
        bare = found["comma"].replace(",", ".")
        return Fraction(bare), bare
    return _decimal(found["plain"])


def _decimal(text: str) -> tuple[Fraction, str]:
    """Return the value of a decimal, and its digits without separators of thousands."""
    text = text.strip("() ")
    if any(re.fullmatch(pattern, text) for pattern in _EUROPEAN):
        bare = text.replace(".", "").replace(",", ".")
    elif re.fullmatch(r"[0-9]{1,3}(?:[ '_][0-9]{3}){1,40},[0-9]{1,99}", text):
        bare = re.sub("[ '_]", "", text).replace(",", ".")
    else:
        bare = re.sub("[ ,'_]", "", text)
    return Fraction(bare.removesuffix(".")), bare.removesuffix(".")


def _times(tail: str) -> tuple[str, int]:
    """Split a word such as `million` off the text after a number; return rest and factor."""
    word = re.match(rf" ({'|'.join(MULTIPLES)})\b", tail, re.IGNORECASE)
    return (tail[word.end() :], MULTIPLES[word[1].lower()]) if word else (tail, 1)


def _equals(side: str, number: Number) -> bool:
    """Tell whether `side = number` gives the number as answer: `x = 5` does, `2x = 5` does not."""
    known = _number(side)
    if known:
        return known.value == number.value
    if _SUM.fullmatch(side):
        return True
    if CHANGES.search(side) or DOUBT.search(side):
        return False
    product = re.fullmatch("[a-z]{2}", side)  # such as xy
    return bool(_NAMED.fullmatch(side)) and not product


def _clash(one: Number, other: Number) -> bool:
    """Tell whether two numbers have different units or currencies."""
    units, currencies = {one.unit, other.unit} - {""}, {one.currency, other.currency} - {""}
    if units <= {"°", "°C"} or units <= {"°", "°F"}:
        units = set()
    apart = bool(units and currencies) and not any(n.unit and n.currency for n in (one, other))
    return len(units) > 1 or len(currencies) > 1 or apart


def _is_share(percent: Fraction, bare: Fraction, asked: bool) -> bool:
    """Tell whether a number without a unit means the same as a percentage.

    Unless the prompt asks for per cent, a number below one is a share: 0.37 means 37 %, not 0.37 %.

    Args:
      percent: the percentage, 37 for `37 %`.
      bare: the number without a unit.
      asked: True if the prompt asks for per cent.
    """
    if asked or abs(bare) >= 1 or not bare:
        return bare == percent
    return 100 * bare == percent
