"""The type of an option that takes a time span, such as `90m`."""

import re
from typing import Any

import click

_SPAN = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)([smhd]?)", re.ASCII)
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}


class Duration(click.ParamType):
    """A number with `s`, `m`, `h` or `d`, as `timeout` of coreutils takes it; in seconds."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the seconds of a time span.

        Example:
          >>> [Duration().convert(text, None, None) for text in ("90m", "1.5h", "45")]
          [5400.0, 5400.0, 45.0]
        """
        if isinstance(value, float):  # the default
            return value
        found = _SPAN.fullmatch(value)
        seconds = float(found[1]) * _SECONDS[found[2]] if found else 0.0
        if not seconds:
            self.fail(f"expected a time such as 90m, 1.5h or 5400 (seconds), found {value!r}")
        return seconds
