"""Units, read from the text after a number and returned in one spelling, such as `km`."""

import re

from tunix_rt_nb.trace import DOUBT

CURRENCIES = {
    **dict.fromkeys(("$", "us$", "usd", "dollar", "dollars", "us dollars"), "$"),
    **dict.fromkeys(("€", "eur", "euro", "euros"), "€"),
    **dict.fromkeys(("£", "gbp"), "£"),
    **dict.fromkeys(("¥", "jpy", "yen"), "¥"),
    **dict.fromkeys(("₹", "inr", "rupee", "rupees"), "₹"),
}
MULTIPLES = {
    "hundred": 100,
    "thousand": 1000,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
    "dozen": 12,
}
_NAMES = {
    "%": "percent per_cent pct",
    "°": "degree deg",
    "°C": "celsius °celsius",
    "°F": "fahrenheit °fahrenheit",
    "m": "meter metre",
    "km": "kilometer kilometre",
    "cm": "centimeter centimetre",
    "mm": "millimeter millimetre",
    "mi": "mile",
    "in": "inch inche",
    "ft": "foot feet",
    "yd": "yard",
    "g": "gram gramme",
    "kg": "kilogram kilo",
    "mg": "milligram",
    "lb": "lbs",
    "oz": "ounce",
    "s": "second sec",
    "min": "minute",
    "h": "hour hr",
    "ms": "millisecond",
    "day": "",
    "week": "",
    "month": "",
    "year": "yr",
    "l": "liter litre",
    "ml": "milliliter millilitre",
    "cent": "¢",
}
_CANON = {name: unit for unit, names in _NAMES.items() for name in (unit, *names.split())}
_KINDS = (
    {"m", "km", "cm", "mm", "mi", "in", "ft", "yd"},
    {"g", "kg", "mg", "lb", "oz"},
    {"s", "min", "h", "ms", "day", "week", "month", "year"},
    {"l", "ml"},
    {"$", "cent"},
    {"°C", "°F"},
)
_ATTACHED = {"km", "cm", "mm", "kg", "mg", "ml", "ft", "lb", "lbs", "oz", "min", "hr", "mph"}
_SINGLE = {"m", "g", "s", "h", "l", "L", "N", "J", "W", "V", "C", "F"}
_NO_UNIT = re.compile(  # words that change a number, or hold another one
    r"\b(?:and|of|out|to|through|minus|plus|times|divided|over|from|than|more|less|fewer|hal(?:f|ves)"
    r"|thirds?|quarters?|fourths?|fifths?|sixths?|eighths?|tenths?|hundredths?|thousandths?"
    r"|remainder|rem|mod|modulo|squared|cubed|factorial|choose|pi|sqrt|root|about|around|approx\w*"
    r"|roughly|nearly|almost|below|under|above|negative|positive|tens|hundreds?|thousands?|millions?|billions?"
    r"|trillions?|dozens?|one|two|three|four|five|six|seven|eight|nine|ten|twice|double|triple|pm|am"
    r"|between|at|least|most|base|bc|bce|infinity|plusminus|point)\b",
    re.IGNORECASE,
)
_WORDS = re.compile(
    r"(?:/ ?)?[A-Za-z°%¢µ]{1,24}(?:\^[23])?(?:(?: ?/ ?| ?\* ?|-| )[A-Za-z°]{1,24}(?:\^[23])?){0,4}"
)
_ALTOGETHER = re.compile(r"(?:^| )(?:in total|in all|altogether|overall|total)$", re.IGNORECASE)
_MANY = re.compile(r"how (?:many|much)(?: \w{1,20}){0,2}", re.IGNORECASE)


def unit_of(tail: str) -> str | None:
    """Return the unit after a number, in one spelling; None if the text is something else.

    Args:
      tail: all that follows the number, with the space before it. If it is empty, so is the unit.

    Example:
      >>> unit_of(" kilometers per hour"), unit_of("cm^2"), unit_of(" square metres"), unit_of("")
      ('km/h', 'cm^2', 'm^2', '')
      >>> unit_of(" of 30"), unit_of("x"), unit_of(" or so")
      (None, None, None)
    """
    words = re.sub(r"\s{1,9}", " ", tail).removesuffix(".")
    attached, words = not words.startswith(" "), _ALTOGETHER.sub("", words).strip()
    if not words:
        return ""
    if not _WORDS.fullmatch(words) or _NO_UNIT.search(words) or DOUBT.search(words):
        return None
    first = re.split(r"[ /*^-]", words)[0] or "/"
    if len(first) == 1 and first not in _SINGLE and first not in "%°¢/":
        return None
    if attached and first not in _ATTACHED and first[0] not in "%°¢/" and first not in "mgsh":
        return None
    return _canonical(words)


def asked_otherwise(unit: str, prompt: str) -> bool:
    """Tell whether a prompt asks for a unit of the same kind as `unit`, but not for `unit` itself.

    Example:
      >>> asked_otherwise("km", "How many meters does she run?")
      True
    """
    kind = next((kind for kind in _KINDS if unit in kind), None)
    if kind is None:
        return False
    for text in (*_MANY.findall(prompt), prompt):
        named = {_word(word) for word in re.findall(r"[A-Za-z°$¢]{1,24}", text)} & kind
        if named:
            return unit not in named
    return False


def _canonical(words: str) -> str:
    same = re.sub(r"\bper cent\b", "percent", words)
    same = re.sub(r" ?/ ?|(?:^| )per ", "/", same)
    same = re.sub(r"\b(?:square|sq) (\w{1,24})", r"\1^2", same)
    same = re.sub(r"\b(?:cubic|cu) (\w{1,24})", r"\1^3", same)
    same = re.sub("° ?([CF])$", r"°\1", re.sub("^degrees? ", "°", same))
    return re.sub(r"[^ /*^-]{1,30}", lambda word: _word(word[0]), same)


def _word(word: str) -> str:
    """Return the unit or currency that a word names, such as `km`; of other words, the singular."""
    if len(word) <= 2:
        return CURRENCIES.get(word, _CANON.get(word, word))
    low = word.lower()
    one = low[:-1] if low.endswith("s") and not low.endswith("ss") else low
    return (
        CURRENCIES.get(low) or _CANON.get(low) or _CANON.get(one) or _CANON.get(low.title()) or one
    )
