"""The words around sums: those that join numbers, name units, or cast doubt on what follows."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


SIGNS = {"plus": "+", "minus": "-", "times": "*"}
BY = {"divided": "/", "multiplied": "*"}  # if "by" follows
EQUAL = {"equals", "is", "are", "equal"}
LINKS = {"equal", "to"}
ABOUT = {"about", "approximately", "approx", "roughly", "around", "nearly", "almost", "circa", "ca"}
LINKS |= ABOUT

# A sum near one of these words may be no claim of the writer, or may follow other rules.
HEDGES = _set(
    """wrong incorrect incorrectly false mistake mistakes mistaken mistakenly error erroneous
    misread miscalculated contradiction contradicts impossible absurd invalid wait oops hmm
    base binary octal hex hexadecimal mod modulo modular congruent xor clock guess guessed
    says said claims claimed thinks thought wrote answered"""
)
# The same, but only in the same clause.
CLAUSE_HEDGES = _set(
    """not isn't aren't doesn't don't can't cannot never no neither nor if suppose supposing assume
    assuming unless whether instead rather imagine versus vs"""
)
# Verbs: a word of FUNCTIONS before the verb does not apply to the sum after it.
VERBS = _set(
    """is are was were be been equals has have had do does did will would can could must should may
    cost costs pay pays paid spend spends spent get gets got make makes made earn earns earned need
    needs eat eats ate use uses used sell sells sold buy buys bought give gives gave"""
)
# Functions, which may apply to the number after them and not to the whole sum.
FUNCTIONS = _set(
    """root sqrt log ln lg sin cos tan sine cosine tangent exp half third quarter fifth tenth
    average mean median mode remainder gcd gcf hcf lcm absolute floor ceil ceiling square squared
    squares cube cubed twice double triple thrice quadruple inverse reciprocal opposite negative
    factorial choose ratio max min maximum minimum digit digits derivative integral limit out"""
)
# Words that apply to the number right after them and not to the whole sum.
TAKERS = _set(
    """by than off between from add adds adding added subtract subtracts subtracting subtracted
    multiply multiplies multiplying divide divides dividing plus minus times percent per each
    every"""
)
# Words after a result which show that it is only part of the result, or no claim.
AFTERS = _set(
    """carry carrying carried borrow borrowing borrowed remainder rem left-over leftover mod modulo
    base binary wrong incorrect false impossible contradiction contradicts not no or wait oops hmm
    digit column tens ones hundreds percent dozen clock o'clock am pm
    string strings concatenation joke"""
)
TAKES_BACK = _set("wait no oops hmm actually wrong incorrect not mistake false")
# A sum after one of these begins a clause.
OPENS = _set("so thus therefore hence and that since because but then as")
ROUNDS = _set(
    """round rounds rounded rounding nearest estimate estimated approximate approximately approx
    about roughly around nearly almost truncated truncating"""
)
# Words that end the name of a unit.
ENDS = _set(
    """and or so then that which who where when if because but since thus therefore hence giving
    gives makes leaves meaning while as we i you he she they it this these those there is are was
    were has have had will would can must needs equals equal plus minus times divided multiplied
    now next finally first also not to"""
)
_FILLERS = _set(
    """a an the of in on at for from with by per each every more less fewer total extra additional
    remaining left altogether other new old same both only still away long high full whole large
    small big different equal"""
)
_BARS = _set("per a an each every")
DOUBTFUL = _set("each every both twice half than off less fewer more out matrix matrices")

THE = {"the", "these", "those", "all", "his", "her", "their", "its", "our"}
LETTERS = frozenset("mgshlLdktKMBWVANJFC")  # single letters that may be units
SCALES = _set("dozen pair couple score gross hundred thousand million billion k K M B")
# Name of a unit -> for each dimension it may belong to, (dimension, all names of the unit).
_UNITS: dict[str, tuple[tuple[str, str], ...]] = {}
for _dimension, _names in {
    "time": "second sec s|minute min|hour hr h|day d|week wk|fortnight|month|quarter|year yr"
    "|decade|century",
    "length": "millimeter millimetre mm|centimeter centimetre cm|meter metre m|kilometer kilometre"
    " km|inch in|foot feet ft|yard yd|mile mi",
    "mass": "milligram mg|gram gramme g|kilogram kilo kg|ton tonne t|ounce oz|pound lb",
    "volume": "milliliter millilitre ml|liter litre l|gallon gal|quart qt|pint pt|cup|tablespoon"
    " tbsp|teaspoon tsp",
    "money": "dollar $ usd buck|cent ¢|penny pennie|nickel|dime|quarter|euro €|pound £|pence p"
    "|yen ¥|rupee ₹",
    "angle": "degree|radian rad",
    "turn": "percent",
}.items():
    for _group in _names.split("|"):
        for _name in _group.split():
            _UNITS[_name] = (*_UNITS.get(_name, ()), (_dimension, _group))
for _name, _of in {
    "mph": ("mile mi", "hour hr h"),
    "kph": ("kilometer kilometre km", "hour hr h"),
    "kmh": ("kilometer kilometre km", "hour hr h"),
    "daily": ("", "day d"),
    "weekly": ("", "week wk"),
    "monthly": ("", "month"),
    "yearly": ("", "year yr"),
    "annually": ("", "year yr"),
    "hourly": ("", "hour hr h"),
}.items():
    _UNITS[_name] = (("length", _of[0]), ("time", _of[1])) if _of[0] else (("time", _of[1]),)


def stem(word: str) -> str:
    """Return a word in lower case, without the ending of a plural.

    Example:
      >>> stem("Inches"), stem("boxes"), stem("days"), stem("s")
      ('inch', 'box', 'day', 's')
    """
    word = word.lower() if len(word) > 1 else word
    if len(word) > 4 and word.endswith(("ches", "shes", "xes", "sses")):
        return word[:-2]
    return word[:-1] if len(word) > 2 and word.endswith("s") and not word.endswith("ss") else word


def known(word: str) -> bool:
    """Tell whether a word is a unit of measure or of money, or a scale such as `k`."""
    return stem(word) in _UNITS or word in SCALES


class Unit(NamedTuple):
    """The unit of a number, such as `km/hour`.

    Attributes:
      names: the stems of the words above the fraction bar: `km`.
      per: the stems of the words below it: `hour`.
    """

    names: frozenset[str]
    per: frozenset[str] = frozenset()

    @classmethod
    def of(cls, words: Sequence[str]) -> "Unit":
        """Read a unit from its words, in which `per`, `a` or `each` stands for the fraction bar."""
        named: list[str] = []
        per: list[str] = []
        below = False
        for word in words:
            if word.lower() not in _FILLERS:
                (per if below else named).append(stem(word))
            below = word.lower() in _BARS
        return cls(frozenset(named), frozenset(per))


def convertible(units: Sequence[Unit]) -> bool:
    """Tell whether numbers with these units may need a conversion, as from hours to minutes.

    A name above one fraction bar cancels the same name below another. So `hours` times
    `minutes per hour` needs no conversion.

    Example:
      >>> convertible([Unit.of(["hours"]), Unit.of(["minutes"])])
      True
      >>> convertible([Unit.of(["hours"]), Unit.of(["minutes", "per", "hour"])])
      False
    """
    above = {name for unit in units for name in unit.names}
    below = {name for unit in units for name in unit.per}
    seen: dict[str, str] = {}
    for word in above ^ below:  # units both above and below a bar cancel
        if word in SCALES:
            return True
        for dimension, name in _UNITS.get(word, ()):
            if seen.setdefault(dimension, name) != name:
                return True
    return False


def mixed(units: Iterable[Unit]) -> bool:
    """Tell whether two successive units have no name in common, as `hens` and `eggs`.

    Units without a name are skipped.
    """
    named = [unit.names for unit in units if unit.names]
    return any(not a & b for a, b in pairwise(named))


def paid(units: Iterable[Unit]) -> bool:
    """Tell whether some units are money and others are not; units without a name are skipped."""
    money = [
        any(dimension == "money" for name in unit.names for dimension, _ in _UNITS.get(name, ()))
        for unit in units
        if unit.names
    ]
    return any(money) and not all(money)


def first_unit(words: list[str]) -> list[str]:
    """Return the words of the unit that begins a list of words.

    The unit is `per` and a word, or two words with `per` between them, or else the first word.
    """
    if words[:1] == ["per"]:
        return words[:2]
    return words[:3] if words[1:2] == ["per"] else words[:1]
