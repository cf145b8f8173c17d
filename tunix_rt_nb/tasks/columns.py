"""Sums, differences and products as one writes them on paper, column by column.

A whole two-digit sum in one step is too much for a small model; a column is a table of a hundred
entries that it can learn.
"""

from tunix_rt_nb.tasks.task import Line

PLACES = (
    *("Units", "Tens", "Hundreds", "Thousands", "Ten thousands", "Hundred thousands"),
    *("Millions", "Ten millions", "Hundred millions"),
)


def add(a: int, b: int, grain: str = "fine") -> list[Line]:
    """The lines of `a + b`, both from 0 on.

    Example:
      >>> [line[1] for line in add(47, 38)]
      ['Units: 7+8=15, carry 1.', 'Tens: 4+3=7, 7+1=8, so 47+38=85.']
    """
    return _columns(a, "+", b, grain)


def subtract(a: int, b: int, grain: str = "fine") -> list[Line]:
    """The lines of `a - b`, from 0 on, `b` at most `a`.

    Example:
      >>> [line[1] for line in subtract(42, 17)]
      ['Units: 2-7 is below 0, 12-7=5, borrow 1.', 'Tens: 4-1=3, 3-1=2, so 42-17=25.']
    """
    if b > a:
        raise ValueError(f"{a} - {b} is below 0")
    return _columns(a, "-", b, grain)


def multiply(a: int, b: int, grain: str = "fine") -> list[Line]:
    """The lines of `a * b`, both from 0 on: a product by each digit of `b`, then their sum.

    Example:
      >>> [line[1] for line in multiply(47, 8)]
      ['Units: 7*8=56, carry 5.', 'Tens: 4*8=32, 32+5=37, so 47*8=376.']
    """
    lines: list[Line] = []
    total = 0
    for place, digit in enumerate(reversed(str(b))):
        if digit == "0" and b:
            continue
        part = a * int(digit)
        lines += _by_digit(a, int(digit), grain)
        if place:
            shifted = part * 10**place
            times = f"{a}*{digit}{'0' * place}={shifted}."
            lines.append(("shift", f"So {times}", f"With the zeros, {times}"))
            part = shifted
        if total:
            lines += add(total, part, grain)
        total += part
    if len(str(b).strip("0")) > 1:
        lines.append(("product", f"So {a}*{b}={total}.", f"Together, {a}*{b}={total}."))
    return lines


def _columns(a: int, op: str, b: int, grain: str) -> list[Line]:
    result = a + b if op == "+" else a - b
    whole = f"{a}{op}{b}={result}."
    width = max(len(str(a)), len(str(b)))
    if grain == "coarse" or width == 1:
        return [("compute", whole, f"Now {whole}")]
    lines: list[Line] = []
    carry = 0
    for place in range(width):
        column, name = a // 10**place % 10, PLACES[place]
        terms = [b // 10**place % 10, carry] if place else [b // 10**place % 10]
        said, carry = "", 0
        for term in terms:
            if op == "-" and column < term:
                # Whether to borrow is a decision of its own, taken once both digits stand there.
                said, column, carry = f"{said}{column}-{term} is below 0, ", column + 10, 1
            value = column + term if op == "+" else column - term
            said, column = f"{said}{column}{op}{term}={value}, ", value
        if op == "+":
            carry = column // 10
        said += f"so {whole}" if place == width - 1 else f"{_WORD[op]} {carry}."
        lines.append((name.lower(), f"{name}: {said}", f"In the {name.lower()} {said}"))
    return lines


def _by_digit(a: int, digit: int, grain: str) -> list[Line]:
    whole = f"{a}*{digit}={a * digit}."
    if grain == "coarse" or a < 10 or digit < 2:
        return [("compute", whole, f"Now {whole}")]
    lines: list[Line] = []
    carry = 0
    for place, d in enumerate(map(int, reversed(str(a)))):
        product, name = d * digit, PLACES[place]
        column = product + carry
        carried = f", {product}+{carry}={column}" if place else ""
        carry = column // 10
        ending = f", so {whole}" if place == len(str(a)) - 1 else f", carry {carry}."
        said = f"{d}*{digit}={product}{carried}{ending}"
        lines.append((name.lower(), f"{name}: {said}", f"In the {name.lower()} {said}"))
    return lines


_WORD = {"+": "carry", "-": "borrow"}
