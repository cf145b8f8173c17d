"""Sums, differences and products, worked out as on paper, column by column.

A whole two-digit sum in one step is too much for a small model. One column needs only a table of a
hundred entries, which a small model can learn.
"""

import operator

from tunix_rt_nb.tasks.task import Line, worded

PLACES = (
    *("Units", "Tens", "Hundreds", "Thousands", "Ten thousands", "Hundred thousands"),
    *("Millions", "Ten millions", "Hundred millions"),
)


def add(a: int, b: int, grain: str = "fine") -> list[Line]:
    """Return the steps of `a + b`; both numbers are 0 or more.

    The grain `fine` gives a step for each column, `coarse` one step in all.

    Example:
      >>> [line[1] for line in add(47, 38)]
      ['Units: 7+8=15, carry 1.', 'Tens: 4+3=7, 7+1=8, so 47+38=85.']
    """
    return _side_by_side(a, "+", b, grain)


def subtract(a: int, b: int, grain: str = "fine") -> list[Line]:
    """Return the steps of `a - b`; `b` is from 0 to `a`.

    The grain `fine` gives a step for each column, `coarse` one step in all.

    Raises:
      ValueError: `b` is greater than `a`.

    Example:
      >>> [line[1] for line in subtract(42, 17)]
      ['Units: 2-7<0, 12-7=5, borrow 1.', 'Tens: 4-1=3, 3-1=2, so 42-17=25.']
    """
    if b > a:
        raise ValueError(f"{a} - {b} is below 0")
    return _side_by_side(a, "-", b, grain)


def multiply(a: int, b: int, grain: str = "fine") -> list[Line]:
    """Return the steps of `a * b`: the products of `a` and each digit of `b`, added up.

    Both numbers are 0 or more. The grain `fine` gives a step for each column, `coarse` one step for
    each product or sum.

    Example:
      >>> [line[1] for line in multiply(47, 8)]
      ['Units: 7*8=56, carry 5.', 'Tens: 4*8=32, 32+5=37, so 47*8=376.']
    """
    lines: list[Line] = []
    total = 0
    # Multiply by the units first, and add each further product to the total at once.
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


def _side_by_side(a: int, op: str, b: int, grain: str) -> list[Line]:
    whole = f"{a}{op}{b}={_COMPUTE[op](a, b)}"
    width = max(len(str(a)), len(str(b)))
    if grain == "coarse" or width == 1:
        return _at_once(whole)
    pairs = zip(_digits(a, width), _digits(b, width), strict=True)
    return _in_columns(list(pairs), op, whole)


def _by_digit(a: int, digit: int, grain: str) -> list[Line]:
    whole = f"{a}*{digit}={a * digit}"
    if grain == "coarse" or a < 10 or digit < 2:
        return _at_once(whole)
    return _in_columns([(d, digit) for d in _digits(a, len(str(a)))], "*", whole)


def _at_once(whole: str) -> list[Line]:
    return [worded("compute", "Now", f"{whole}.")]


def _in_columns(pairs: list[tuple[int, int]], op: str, whole: str) -> list[Line]:
    """Return a step for each column, units first, with the carry or borrow between them.

    Args:
      pairs: the two digits of each column.
      op: the operation: `+`, `-` or `*`.
      whole: the operation with its result, such as `47+38=85`, which ends the last step.
    """
    lines: list[Line] = []
    carry = 0
    for place, (column, digit) in enumerate(pairs):
        name, said, borrowed = PLACES[place], [], 0
        for sign, term in [(op, digit), ("-" if op == "-" else "+", carry)][: 2 if carry else 1]:
            if sign == "-" and column < term:
                # Show `2-7<0` first, because the model must decide to borrow before it subtracts.
                said.append(f"{column}-{term}<0")
                column, borrowed = column + 10, 1
            value = _COMPUTE[sign](column, term)
            said.append(f"{column}{sign}{term}={value}")
            column = value
        carry = borrowed if op == "-" else column // 10
        if place == len(pairs) - 1:
            said.append(f"so {whole}")
        elif carry:
            said.append(f"{'borrow' if op == '-' else 'carry'} {carry}")
        told = ", ".join(said)
        lines.append((name.lower(), f"{name}: {told}.", f"In the {name.lower()} {told}."))
    return lines


def _digits(number: int, width: int) -> list[int]:
    """List the last `width` digits of a number, units first.

    If the number has fewer digits, zeros follow them in the list.
    """
    return [number // 10**place % 10 for place in range(width)]


_COMPUTE = {"+": operator.add, "-": operator.sub, "*": operator.mul}
