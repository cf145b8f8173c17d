"""A side of an equation: an expression, and the units of its numbers."""

from dataclasses import dataclass, field

from tunix_rt_nb.tasks.sums import wording
from tunix_rt_nb.tasks.sums.expressions import Item, Reading, evaluate
from tunix_rt_nb.tasks.sums.tokens import Literal


@dataclass
class Side:
    """One side of an equation.

    Attributes:
      text: the side as it is written.
      after: the index of the token after the side.
      followed: the kind of the token after the side.
      items: the numbers, signs and brackets of the expression.
      opaque: whether it has a variable, a function or something else without a known value.
      doubt: whether the text may mean something other than the expression in `items`.
      signs: the number of its operations.
      sums: the number of operations that add or subtract.
      units: the units of its numbers.
      percents: the number of times that it has `%` or `percent`.
    """

    text: str = ""
    after: int = 0
    followed: str = "end"
    items: list[Item] = field(default_factory=list)
    opaque: bool = False
    doubt: bool = False
    signs: int = 0
    sums: int = 0
    units: list[wording.Unit] = field(default_factory=list)
    percents: int = 0

    @property
    def calculates(self) -> bool:
        """True if the side is more than a plain number."""
        return self.signs > 0 or self.percents > 0

    def values(self, other: bool = False) -> list[Literal]:
        """Return the value of the side for each way to read it, if it has one.

        If `other`, read commas as decimal points and points as commas; return an empty list if this
        makes no difference.
        """
        numbers = [item for item in self.items if not isinstance(item, str)]
        if other and all(number.other is None for number in numbers):
            return []
        # 20% of 50 is a fifth of it, but 100% - 20% = 80 treats percent as a unit.
        percents = (False, True) if self.percents and self.signs == self.sums else (False,)
        tight = (False, True) if any(sign in self.items for sign in "⁄·^") else (False,)
        found = [
            evaluate(self.items, Reading(percent, bind, other))
            for percent in percents
            for bind in tight
        ]
        return [value for value in found if value is not None]
