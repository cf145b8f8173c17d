"""Count of the floating-point operations of a compiled program, read from its HLO text.

The compiler's own count includes the body of a loop only once, however often the body runs. On
several chips the compiler turns most matrix products into loops, to fetch weights during the
product. Its count then includes only a part of the operations of these products.
"""

import math
import re
from functools import cache
from typing import Any, NamedTuple

_COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
_INSTRUCTION = re.compile(r"^\s+(ROOT )?%?([\w.\-]+) = (.*)$")
_CALLS = re.compile(r"(?:calls|body|to_apply|branch_computations)=(?:\{[^}]*\}|%[\w.\-]+)")
_NAME = re.compile(r"%([\w.\-]+)")


class Instruction(NamedTuple):
    """One instruction, a line of HLO text such as `%c = f32[2]{0} add(%a, %b), metadata={...}`.

    Attributes:
      root: True if its result is the result of the computation that it belongs to.
      type: the type of its result, `f32[2]{0}`.
      operation: `add`.
      operands: the names of its operands, `a` and `b`.
      inside: the text in the parentheses.
      more: the text after the parentheses.
    """

    root: bool
    type: str
    operation: str
    operands: list[str]
    inside: str
    more: str


Computation = dict[str, Instruction]


def parse(text: str) -> tuple[str, dict[str, Computation]]:
    """Parse HLO text; return the name of the entry computation, and all computations by name."""
    found: dict[str, Computation] = {}
    entry, current = "", ""
    for line in text.splitlines():
        if header := _COMPUTATION.match(line):
            current = header[2]
            found[current] = {}
            entry = current if header[1] else entry
        elif current and (match := _INSTRUCTION.match(line)):
            found[current][match[2]] = _instruction(bool(match[1]), match[3])
    return entry, found


def _instruction(root: bool, text: str) -> Instruction:
    end = _closing(text, 0) if text.startswith("(") else text.index(" ") - 1
    kind, rest = text[: end + 1], text[end + 2 :]
    start = rest.index("(")
    close = _closing(rest, start)
    inside = rest[start + 1 : close]
    return Instruction(root, kind, rest[:start], _NAME.findall(inside), inside, rest[close + 1 :])


def _closing(text: str, start: int) -> int:
    """Return the index of the parenthesis that closes the one at `start`."""
    depth = 0
    for place in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        if depth == 0:
            return place
    raise ValueError(f"HLO text: a parenthesis is never closed: {text[:80]}")


def operations(compiled: Any) -> float:
    """Count a program's floating-point operations on one device.

    Take the compiler's count, and add the repetitions of matrix products in loops, because the
    compiler counts the body of a loop only once.
    """
    text = compiled.as_text()
    return compiled.cost_analysis()["flops"] + flops(text) - flops(text, loops=False)


def flops(text: str, loops: bool = True) -> float:
    """Count the floating-point operations of all matrix products of a program.

    Args:
      text: the program as HLO text.
      loops: True to count the body of a loop as often as it runs, if that is known; False to count
        it once, as the compiler does.
    """
    entry, computations = parse(text)

    @cache
    def of(name: str) -> float:
        return sum(count(computations[name], one) for one in computations[name].values())

    def count(found: Computation, one: Instruction) -> float:
        if one.operation == "dot":
            return _dot(found, one)
        if one.operation == "convolution":
            return _convolution(found, one)
        called = sum(of(name) for name in _called(one))
        return called * _trips(computations, one) if loops and one.operation == "while" else called

    return of(entry)


def _called(one: Instruction) -> list[str]:
    """Return the names of the computations that an instruction calls; for a loop, its body."""
    return [name for match in _CALLS.finditer(one.more) for name in _NAME.findall(match[0])]


def _trips(computations: dict[str, Computation], loop: Instruction) -> int:
    """Return how often the body of a loop runs.

    This is known only if the loop counts from 0 up to a constant. Return 1 for any other loop.

    Args:
      computations: all computations of the program, by name.
      loop: the `while` instruction.
    """
    condition, body = (
        computations[re.findall(rf"{name}=%([\w.\-]+)", loop.more)[0]]
        for name in ("condition", "body")
    )
    counter = [one for one in condition.values() if one.operation == "get-tuple-element"]
    end = _constants(computations, condition, _root(condition))
    if len(counter) != 1 or len(end) != 1:
        return 1
    [place] = re.findall(r"index=(\d+)", counter[0].more)
    step = _constants(computations, body, body[_root(body).operands[int(place)]])
    return -(-end[0] // step[0]) if len(step) == 1 and step[0] else 1


def _root(computation: Computation) -> Instruction:
    return next(one for one in computation.values() if one.root)


def _constants(
    computations: dict[str, Computation], found: Computation, one: Instruction
) -> list[int]:
    """Return the integer constants of an addition or comparison; look inside a fusion, too.

    Return an empty list for any other instruction.

    Args:
      computations: all computations of the program, by name.
      found: the computation that holds the instruction.
      one: the instruction.
    """
    inner = [each for name in _called(one) for each in computations[name].values()]
    if not {"add", "compare"} & {each.operation for each in (one, *inner)}:
        return []
    taken = [found[name] for name in one.operands] + inner
    return [
        int(each.inside) for each in taken if each.operation == "constant" and each.inside.isdigit()
    ]


def _shape(text: str) -> list[int]:
    """Return the shape in a type: [2, 256] for `bf16[2,256]{1,0:T(8,128)}`."""
    return [int(size) for size in text[text.index("[") + 1 : text.index("]")].split(",") if size]


def _dot(found: Computation, one: Instruction) -> float:
    left = _shape(found[one.operands[0]].type)
    [summed] = re.findall(r"lhs_contracting_dims=\{([\d,]*)\}", one.more)
    depth = math.prod(left[int(axis)] for axis in summed.split(",") if axis)
    return 2.0 * math.prod(_shape(one.type)) * depth


def _convolution(found: Computation, one: Instruction) -> float:
    """Count the floating-point operations of a convolution.

    On a TPU, every matrix product is compiled to a convolution, which moves a window over all axes
    of the left operand except batch and features. Count the products with elements of the left
    operand only, not those with its padding.

    Args:
      found: the computation that holds the convolution.
      one: the convolution.
    """
    [labels] = re.findall(r"dim_labels=(\w+)_(\w+)->(\w+)", one.more)
    shapes = *(_shape(found[name].type) for name in one.operands), _shape(one.type)
    left, right, out = (dict(zip(*each, strict=True)) for each in zip(labels, shapes, strict=True))
    window = dict(
        re.findall(r"(\w+)=([\dx_\-]+)", (re.findall(r"window=\{(.*?)\}", one.more) or [""])[0])
    )
    inside = 1
    for axis in range(len(labels[0]) - 2):

        def setting(name: str, default: str, axis: int = axis) -> str:
            return window[name].split("x")[axis] if name in window else default

        low = int(setting("pad", "0_0").split("_")[0])
        stride, apart, spread = (
            int(setting(name, "1")) for name in ("stride", "rhs_dilate", "lhs_dilate")
        )
        key = str(axis)
        places = (
            at * stride + step * apart - low for at in range(out[key]) for step in range(right[key])
        )
        last = (left[key] - 1) * spread
        inside *= sum(0 <= place <= last and place % spread == 0 for place in places)
    return 2.0 * inside * out["b"] * out["f"] * right["i"]
