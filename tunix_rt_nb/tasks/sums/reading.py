"""A parser for one side of an equation, which ends where tokens stop looking like arithmetic."""

from fractions import Fraction

from tunix_rt_nb.tasks.sums import wording
from tunix_rt_nb.tasks.sums.expressions import Item
from tunix_rt_nb.tasks.sums.phrases import NUMERIC, Phrases
from tunix_rt_nb.tasks.sums.sides import Side
from tunix_rt_nb.tasks.sums.tokens import ZEROS, Literal, Token

_MAX_WORDS = 6  # the most words or brackets after a variable that belong to it


def read_side(phrases: Phrases, i: int, opaque: bool = False) -> Side:
    """Read the side of an equation that begins at token `i`.

    `opaque` tells whether it begins with something of unknown value, such as a variable.
    """
    return _Reading(phrases, i, opaque).read()


class _Reading:
    """A parser of one side of an equation: at each token it expects a number or an operation.

    A method that returns a bool returns False if the side ends here. The method `variable` is an
    exception.
    """

    def __init__(self, phrases: Phrases, i: int, opaque: bool) -> None:
        self.phrases, self.i = phrases, i
        self.first = i
        self.side = Side(opaque=opaque)
        self.wants_number = True
        self.depth = 0
        self.outer = i  # the index of the outermost bracket that is open
        self.closers: dict[int, list[Item]] = {}  # closing bracket -> items to add after it
        self.paid = False  # whether the last number is an amount of money

    @property
    def token(self) -> Token:
        return self.phrases.token(self.i)

    def read(self) -> Side:
        going = True
        while going:
            at = self.i
            going = self.number() if self.wants_number else self.operation()
            if not going and self.depth:
                # Brackets hold something without a value: pass over the outermost brackets.
                self.side.opaque, self.depth, self.wants_number = True, 0, False
                self.i, going = self.phrases.pairs[self.outer] + 1, True
            going = going and self.i > at
        phrases, side = self.phrases, self.side
        side.opaque |= self.wants_number
        side.after, side.followed = self.i, self.token.kind
        if self.i > self.first:
            start, end = phrases.token(self.first).start, phrases.token(self.i - 1).end
            side.text = phrases.text[start:end]
        return side

    def put(self, *items: Item) -> None:
        self.side.items += items
        self.i += 1

    def number(self) -> bool:
        token, phrases = self.token, self.phrases
        if token.kind == "operator":
            if token.text in ("+", "-"):
                self.put(token.text)
            else:  # bold or italics if glued to what follows; else a number is missing
                self.side.opaque |= not phrases.token(self.i + 1).glued
                self.i += 1
        elif token.kind == "money":
            self.pay(token.text)
            self.i += 1
        elif token.kind == "number":
            self.literal()
        elif token.kind == "open" and self.i in phrases.pairs:
            self.open()
        elif token.kind == "over":
            return self.over()
        elif token.kind == "root" or phrases.root(self.i):
            self.side.signs += 1
            self.put("√")
        else:
            return self.unknown()
        return True

    def pay(self, sign: str) -> None:
        self.side.units.append(wording.Unit.of([sign]))
        self.paid = True

    def literal(self) -> None:
        token, before = self.token, self.phrases.token(self.i - 1)
        crossed = before.kind == "cross" and self.side.items[-1:] == ["*"]
        if token.literal is None or (
            token.glued and before.kind in ("word", "odd", "cross", "number") and not crossed
        ):
            self.side.opaque = True
            self.i += 1
        else:
            self.put(token.literal)
        self.wants_number = False
        if token.money:
            self.pay("$")
        after = self.token
        if after.kind == "odd" and after.glued:
            self.side.opaque = True
            self.i += 1
        if after.kind == "number" and after.literal and token.literal and not token.money:
            self.mixed_number()
        elif after.kind == "over":
            self.side.items.append("&")
            self.side.doubt = self.wants_number = True
        elif after.kind == "word" and (zeros := ZEROS.get(after.text.lower())):
            number = self.side.items[-1] if self.side.items else ""
            if not isinstance(number, str):
                self.side.items[-1] = number.scaled(Fraction(10**zeros))
            self.i += 1

    def mixed_number(self) -> None:
        """Read the `1/2` of a mixed number such as `3 1/2`."""
        phrases, i = self.phrases, self.i
        top, bar, bottom = self.token, phrases.token(i + 1), phrases.token(i + 2)
        if bar.text != "/" or not bar.glued or not bottom.glued or not bottom.literal:
            return
        whole = self.side.items[-1] if self.side.items else ""
        if isinstance(whole, str) or not top.literal:
            return
        if all(n.place == 1 for n in (whole, top.literal, bottom.literal)) and (
            0 < top.literal.value < bottom.literal.value
        ):
            self.side.doubt |= len(self.side.items) == 1
            self.side.items += ["&", "(", top.literal, "⁄", bottom.literal, ")"]
            self.i += 3

    def open(self) -> None:
        if not self.depth:
            self.outer = self.i
        self.depth += 1
        self.put("(")

    def over(self) -> bool:
        r"""Read `\frac{1}{2}` or `\frac12`; return False if the side ends here."""
        phrases, i = self.phrases, self.i
        digits = phrases.token(i + 1)
        if digits.kind == "number" and digits.literal and len(digits.text) == 2:
            top, bottom = (digits.literal._replace(value=Fraction(int(d))) for d in digits.text)
            self.put("(", top, "/", bottom, ")")
            self.i += 1
            self.wants_number = False
            return True
        close = phrases.pairs.get(i + 1)
        end = None if close is None else phrases.pairs.get(close + 1)
        if close is None or end is None:
            return self.unknown()
        self.closers |= {close: ["/"], end: [")"]}
        self.put("(")
        if not self.depth:  # `outer` must be a bracket; the second one ends the fraction
            self.outer = close + 1
        self.depth += 1
        self.side.signs += 1
        self.put("(")
        return True

    def unknown(self) -> bool:
        """Pass over something that has no known value, such as a variable or a function.

        Return False if the side ends here.
        """
        phrases, token = self.phrases, self.token
        if token.kind in ("line", "relation", "arrow", "close", "end", "stop"):
            asks = token.text in "?" and phrases.joins(self.i + 1)
            if not asks or self.depth:
                return False
        self.side.opaque, self.wants_number = True, False
        self.i += 1
        for _ in range(_MAX_WORDS):
            after = self.token
            named = after.kind in ("word", "odd", "raised", "cross")
            if after.kind == "open" and self.i in phrases.pairs:
                self.i = phrases.pairs[self.i] + 1
            elif (named and not phrases.joins(self.i)) or (
                after.glued and after.kind in ("number", "percent")
            ):
                self.i += 1
            else:
                break
        return True

    def operation(self) -> bool:
        token, phrases, side = self.token, self.phrases, self.side
        if token.kind == "operator":
            if token.text == "/" and phrases.token(self.i + 1).kind == "word":  # $20/hour
                side.doubt |= not self.paid
                return self.words()
            return self.sign(token.text)
        if token.kind == "cross":
            if phrases.times(self.i):
                return self.operate("*")
            return self.words()
        if token.kind == "close" and self.depth:
            self.close()
        elif token.kind == "open":
            return self.bracket()
        elif token.kind == "percent":
            side.percents += 1
            side.opaque |= phrases.token(self.i + 1).kind == "number"
            self.put("%")
        elif token.kind == "raised":
            self.put("^", "(", Literal(Fraction(int(token.text))), ")")
            side.signs += 1
        elif token.kind in ("word", "money", "degree"):
            return self.words()
        elif token.kind == "number" and not self.depth:
            side.doubt = True  # two numbers side by side
            return False
        elif token.kind in ("odd", "over", "root") and token.glued:
            side.opaque = True
            self.i += 1
        else:
            return False
        return True

    def operate(self, sign: str, tokens: int = 1) -> bool:
        self.side.items.append(sign)
        self.side.signs += 1
        self.side.sums += sign in "+-"
        self.i += tokens
        self.wants_number, self.paid = True, False
        return True

    def sign(self, text: str) -> bool:
        phrases, i = self.phrases, self.i
        if phrases.markup(i):
            self.i += 1
            return True
        after = phrases.token(i + 1)
        glued = self.token.glued and after.glued
        if text == "**":
            text = "^"
        elif text == "/" and glued and phrases.token(i - 1).kind == after.kind == "number":
            text = "⁄"
        return self.operate(text)

    def close(self) -> None:
        self.depth -= 1
        added = self.closers.get(self.i, [])
        self.put(")", *added)
        if added == ["/"]:
            self.wants_number = True

    def bracket(self) -> bool:
        """Read brackets after a number: they multiply it, as in `2(3)`, or hold a remark in words.

        Return False if the side ends here.
        """
        phrases, token = self.phrases, self.token
        close = phrases.pairs.get(self.i)
        if close is None:
            return False
        goes_on = phrases.joins(close + 1) or self.depth > 0
        if phrases.note(self.i) and not token.glued:
            if goes_on:
                self.i = close + 1
            return goes_on
        if token.text != "(" or not (token.glued or goes_on):
            return False
        self.side.doubt |= not token.glued
        self.side.items.append("·")
        self.side.signs += 1
        self.open()
        self.wants_number = True
        return True

    def words(self) -> bool:
        """Read a sign in words, or a unit; return False if the side ends here."""
        phrases, side, token = self.phrases, self.side, self.token
        if found := phrases.sign_word(self.i):
            return self.operate(*found)
        text = token.text.lower()
        if text == "percent":
            side.percents += 1
            self.put("%")
            return True
        if text == "of" and (side.items[-1:] == ["%"] or side.items[-2:-1] == ["⁄"]):
            the = phrases.token(self.i + 1).text.lower() in wording.THE
            if phrases.token(self.i + 1 + the).kind in NUMERIC:
                side.doubt |= side.sums > 0
                return self.operate("*", 1 + the)
        words, after = phrases.unit(self.i)
        joins = phrases.joins(after) or (self.depth > 0 and phrases.token(after).kind == "close")
        glued = token.glued and token.text != "/"
        if token.kind == "cross" or (words and self.variable(words[0], glued, joins)):
            side.opaque = True
        if not joins:  # a sentence follows; only its first word may be a unit
            words = wording.first_unit(words)
        unit = wording.Unit.of(words)
        if self.paid:  # such as `$5 a piece`
            unit = wording.Unit(side.units.pop().names, unit.per)
        side.units.append(unit)
        if not joins or not words:
            if token.kind == "cross" and token.glued:
                self.i += 1
                return True
            return False
        side.doubt |= not wording.DOUBTFUL.isdisjoint(word.lower() for word in words)
        self.i = after
        return True

    def variable(self, word: str, glued: bool, joins: bool) -> bool:
        """Tell whether a word after a number names a variable, as in `2y`.

        If the word may be a variable or a unit, also mark the side as doubtful.

        Args:
          word: the word.
          glued: whether no space precedes the word.
          joins: whether the expression continues after the word.
        """
        if len(word) == 1 and (glued or joins):
            self.side.doubt |= word in wording.LETTERS
            return word.isalpha() and word not in wording.LETTERS
        self.side.doubt |= glued and word.isalpha() and not wording.known(word)
        return False
