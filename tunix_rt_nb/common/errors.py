"""The errors that a terminal and a notebook show as one line."""

import difflib
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from tunix_rt_nb.common.text import one_line

if TYPE_CHECKING:
    from pydantic import TypeAdapter


class _Told(Exception):
    """An error that a notebook shows as one line, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]


class InputError(_Told):
    """Bad input: the message names the file, line and field, what was expected and what to do.

    The command line prints it as one line and exits with status 2. A notebook shows the line
    without a traceback, because the mistake is in the input and not in our code.
    """


class OutOfTime(_Told):
    """Raised when training stops itself at its deadline; run the training again to continue."""


def unknown(what: str, name: str, known: Iterable[str]) -> InputError:
    """Return the error for an unknown name; it suggests the nearest known name, or lists all.

    Args:
      what: what is being named, such as `task`; the message begins with this word.
      name: the unknown name.
      known: all names that are allowed.

    Example:
      >>> str(unknown("task", "arithmetics", ["arithmetic", "cards"]))
      "task: unknown 'arithmetics', did you mean arithmetic?"
    """
    names = list(map(str, known))
    near = nearest(str(name), names, cutoff=0.6)  # what is less like it would mislead
    hint = f"did you mean {near}?" if near else f"expected one of: {', '.join(names)}"
    return InputError(f"{what}: unknown {_quoted(str(name))}, {hint}")


def nearest(name: str, known: Iterable[str], cutoff: float = 0.5) -> str:
    """Return the known name that is most similar to a name; ignore upper and lower case.

    Args:
      name: the name.
      known: the known names.
      cutoff: the least similarity, from 0 (nothing in common) to 1 (the same letters in order).

    Returns:
      The known name, as in `known`; empty if none is similar enough.

    Example:
      >>> nearest("Qestion", ["answer", "question"])
      'question'
    """
    folded = {k.upper(): k for k in known}
    near = difflib.get_close_matches(name.upper(), folded, n=1, cutoff=cutoff)
    return folded[near[0]] if near else ""


def _quoted(name: str) -> str:
    """Return a name in quotes, shortened if it is too long for a message."""
    return repr(name if len(name) <= 120 else one_line(name, 120))


def check_name(what: str, name: str) -> str:
    """Return a name unchanged if it is safe as a file name and in a shell.

    Args:
      what: the parameter that holds the name; the error message begins with it.
      name: 1 to 64 letters, digits, `.`, `_` and `-`, beginning with a letter or digit.

    Raises:
      InputError: the name breaks these rules.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise InputError(
            f"{what}: {_quoted(name)} is unsafe, use letters, digits, '.', '_', '-', at most 64"
            " in all, a letter or digit first"
        )
    return name


Checked = TypeVar("Checked")


def checked(kind: type[Checked], fields: Mapping[str, Any], where: str = "") -> Checked:
    """Validate fields and build a Pydantic model or a TypedDict from them.

    Args:
      kind: the class of the model or TypedDict.
      fields: field name -> value.
      where: a prefix for the error message, such as `file.json: `.

    Raises:
      InputError: a field is invalid; the message is `{where}field: reason` for the first bad field.
    """
    from pydantic import ValidationError

    try:
        made: Checked = _adapter(kind).validate_python(fields)  # type: ignore[arg-type]
        return made
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or kind.__name__
        reason = first["msg"].removeprefix("Value error, ")
        raise InputError(where + one_line(f"{field}: {reason}", 1_000)) from None


@cache
def _adapter(kind: Any) -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter

    return TypeAdapter(kind)
