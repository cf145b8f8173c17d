"""The process that compares formulas with math-verify; it answers JSON lines until its input ends.

It runs as a separate process, because math-verify can hang, fails in threads, and may take any
amount of memory. `process` kills it when it takes too long.
"""

import json
import sys
from typing import Any

_MEMORY = 3 << 30  # bytes of address space; SymPy would use up all memory for 9**9**9


def equal(answer: str, expected: str) -> bool | None:
    """Tell whether two formulas are equal; None if one cannot be read."""
    from math_verify import verify
    from sympy import Expr

    one, other = _parsed(answer), _parsed(expected)
    if isinstance(one, Expr) and isinstance(other, Expr):
        apart = one - other
        if apart.is_number:
            return apart == 0 or bool(apart.equals(0))
    return bool(verify(other, one, strict=True, timeout_seconds=None))


def _parsed(text: str) -> Any:
    """Read a whole formula; its decimals become fractions, so that nothing is rounded.

    The extraction of math-verify is not used, because it takes the last formula of a text for the
    whole text, and drops words and letters that it takes for units.
    """
    from latex2sympy2_extended import NormalizationConfig, latex2sympy
    from sympy import Basic, Float, Rational

    config = NormalizationConfig(malformed_operators=True, boxed="none")
    found = latex2sympy(text, is_real=True, normalization_config=config)
    if not isinstance(found, Basic):
        return found
    return found.xreplace({x: Rational(str(x)) for x in found.atoms(Float)})


def main() -> None:
    """Tell for each input line `[answer, expected]`, in JSON, whether the two formulas are equal.

    The first line printed is null if math-verify can be imported, or else the error. Then comes a
    line for each input line: true or false, or null if a formula cannot be read.
    """
    import logging

    logging.disable(logging.CRITICAL)
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    except (ImportError, ValueError, OSError):
        pass  # not on every system
    try:
        import math_verify  # noqa: F401
    except ImportError as error:
        print(json.dumps(f"{error}"), flush=True)
        return
    print(json.dumps(None), flush=True)
    for line in sys.stdin:
        try:
            found = equal(*json.loads(line))
        except Exception:  # SymPy raises exceptions of any type
            found = None
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
