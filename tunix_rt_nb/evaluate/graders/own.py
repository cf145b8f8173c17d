"""The user's grader, tried before all others: a Python file with a function `grade`."""

import traceback
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, NamedTuple

from tunix_rt_nb.common import InputError, one_line
from tunix_rt_nb.evaluate.graders.verdict import Verdict

NAME = "own"
_WANTED = "expected `def grade(answer, expected, prompt)` that returns a number from 0 to 1"


class Own(NamedTuple):
    """A grader from a file: `grade(answer, expected, prompt)` returns a score from 0.0 to 1.0."""

    path: Path
    grade: Callable[[str, str, str], Any]

    def compare(self, answer: str, expected: str, prompt: str = "") -> Verdict:
        """Score an answer with the file's `grade`.

        Raises:
          InputError: `grade` raises an exception, or returns anything but a number from 0 to 1; the
            message begins with `file:line:`.
        """
        try:
            score = self.grade(answer, expected, prompt)
        except Exception as error:
            asked = f"for the answer {one_line(answer, 60)!r}, expected {one_line(expected, 60)!r}"
            raise InputError(f"{_where(self.path, error)}: {_told(error)} {asked}") from None
        if not (isinstance(score, int | float) and 0.0 <= score <= 1.0):  # NaN fails, too
            line = getattr(getattr(self.grade, "__code__", None), "co_firstlineno", 1)
            raise InputError(
                f"{self.path}:{line}: grade: returned {one_line(repr(score), 60)} for the answer"
                f" {one_line(answer, 60)!r}, {_WANTED}"
            )
        return Verdict(float(score), f"{self.path.name} says {float(score):g}")


def load_grader(path: str | Path) -> Own:
    """Load a grader from a Python file, and try it with an answer that equals the expected one.

    Raises:
      InputError: there is no such file, it cannot be run, its `grade` is missing or fails; the
        message begins with `file:line:` if a line is to blame.
    """
    file = Path(path)
    spec = spec_from_file_location("own_grader", file) if file.suffix == ".py" else None
    if spec is None or spec.loader is None or not file.is_file():
        raise InputError(f"{file}: is no Python file, {_WANTED}")
    module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise InputError(f"{file}:{error.lineno}: {_told(error)}") from None
    except Exception as error:
        raise InputError(f"{_where(file, error)}: {_told(error)}") from None
    grade = getattr(module, "grade", None)
    if not callable(grade):
        raise InputError(f"{file}: has no function grade, {_WANTED}")
    own = Own(file, grade)
    own.compare("1", "1", "")
    return own


def _where(path: Path, error: BaseException) -> str:
    """Return `file:line` for the last line of a file that an error passed through; else `file`."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename) == path
    ]
    return f"{path}:{lines[-1]}" if lines else f"{path}"


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {one_line(str(error), 120)}"
