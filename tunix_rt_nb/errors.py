"""The errors that are told in one line, in a terminal and in a notebook."""

import difflib
import re
from collections.abc import Iterable


class InputError(Exception):
    """Bad input: the message names the file, line and field, what was expected and what to do.

    The command line prints it as one line and exits with 2; a notebook shows the line without
    a traceback, because the traceback is ours and the mistake is not.
    """

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]


class OutOfTime(Exception):
    """Training ended itself because its time was over; it goes on when it is run again."""

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]


def unknown(what: str, name: str, known: Iterable[str]) -> InputError:
    """The error for a name that is none of the known ones; it points to the nearest.

    Example:
      >>> str(unknown("task", "arithmetics", ["arithmetic", "cards"]))
      "task: unknown 'arithmetics', did you mean arithmetic? expected one of: arithmetic, cards"
    """
    names = list(known)
    folded = {str(k).upper(): str(k) for k in names}
    near = difflib.get_close_matches(str(name).upper(), folded, n=1, cutoff=0.5)
    hint = f", did you mean {folded[near[0]]}?" if near else ","
    return InputError(
        f"{what}: unknown {name!r}{hint} expected one of: {', '.join(folded.values())}"
    )


def check_name(what: str, name: str) -> str:
    """Passes a name on that is safe for a file system and a shell; refuses any other."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise InputError(f"{what}: {name!r} is unsafe, use letters, digits, '.', '_', '-'")
    return name
