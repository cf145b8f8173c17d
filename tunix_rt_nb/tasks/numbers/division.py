"""Division as on paper, one digit of the quotient after the other."""

from tunix_rt_nb.tasks.numbers import columns
from tunix_rt_nb.tasks.task import Line, worded


def divide(a: int, b: int, grain: str = "fine") -> list[Line]:
    """Return the steps that divide `a`, 0 or more, by `b`, 1 or more.

    If `a` is below 100 and `b` has one digit, one step states `a=b*q+r`, with the quotient `q` and
    the remainder `r`. For a larger `a`, there is one such step for each digit of the quotient. If
    `b` has several digits, the steps also multiply and subtract. The grain `coarse` always gives
    one step.

    Example:
      >>> [line[1] for line in divide(47, 2)]
      ['47=2*23+1.']
      >>> [line[1] for line in divide(157, 6)]
      ['15=6*2+3.', '37=6*6+1, so 157=6*26+1.']
      >>> [line[1] for line in divide(38, 15)]
      ['15*2=30 goes into 38.', 'Units: 8-0=8.', 'Tens: 3-3=0, so 38-30=8.']
    """
    if grain == "coarse" or a < b or (a < 100 and b < 10):
        return [_fact(a, b)]
    # Begin with the fewest leading digits that make a number of at least `b`.
    first = next(size for size in range(1, len(str(a)) + 1) if int(str(a)[:size]) >= b)
    rest, *digits = int(str(a)[:first]), *map(int, str(a)[first:])
    lines = _digit(rest, b)
    for digit in digits:
        rest = rest % b * 10 + digit
        if b >= 10:
            said = f"ring down {digit}: {rest}."
            lines.append(("bring", f"B{said}", f"Now b{said}"))
        lines += _digit(rest, b)
    if digits:
        whole = f"{_text(a, b)}."
        if b >= 10:
            lines.append(("divide", f"So {whole}", f"Together, {whole}"))
        else:
            kind, *texts = lines[-1]
            lines[-1] = (kind, *(f"{text[:-1]}, so {whole}" for text in texts))
    return lines


def _digit(a: int, b: int) -> list[Line]:
    """Return the steps, at grain `fine`, of a division whose quotient has one digit."""
    if b < 10 or a < b:
        return [_fact(a, b)]
    product = b * (a // b)
    lines = [worded("fit", "Now", f"{b}*{a // b}={product} goes into {a}.")]
    if product >= 100:
        lines = columns.multiply(b, a // b)
    if product < a:
        return lines + columns.subtract(a, product)
    return [*lines, _fact(a, b)] if product >= 100 else [_fact(a, b)]


def _fact(a: int, b: int) -> Line:
    return worded("divide", "Now", f"{_text(a, b)}.")


def _text(a: int, b: int) -> str:
    return f"{a}={b}*{a // b}+{a % b}"
