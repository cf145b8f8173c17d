"""Shared helpers for every room: errors, files, text, strict JSON and YAML, SQL, workers.

The first cell of a notebook imports this package, so this file imports nothing that has to be
installed.
"""

from tunix_rt_nb.common.errors import (
    InputError,
    OutOfTime,
    check_name,
    checked,
    nearest,
    unknown,
)
from tunix_rt_nb.common.filters import filter_condition
from tunix_rt_nb.common.queries import records, sql
from tunix_rt_nb.common.text import counted, escaped, first_of, one_line, printable
