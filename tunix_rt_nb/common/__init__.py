"""The ground that every room stands on: errors, files, text, strict JSON and YAML, SQL, workers.

The first cell of a notebook imports it, so what its face loads needs nothing installed.
"""

from tunix_rt_nb.common.errors import InputError, OutOfTime, check_name, checked, unknown
from tunix_rt_nb.common.filters import filter_condition
from tunix_rt_nb.common.sql import sql
from tunix_rt_nb.common.text import one_line, printable
