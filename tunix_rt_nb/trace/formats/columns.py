"""The columns of a file: the fields that its records have.

If no record of a file can be read, one error about its columns says why.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from tunix_rt_nb.common import InputError, nearest
from tunix_rt_nb.trace.formats.mapping import holds
from tunix_rt_nb.trace.formats.record import MOST, Record, listed
from tunix_rt_nb.trace.formats.registry import AUTO, KNOWN, no_format, reader
from tunix_rt_nb.trace.trace import parse_object

_LIKE = 0.7  # how much a name must have in common with a known one to be taken for a slip


def misfit(lines: Sequence[bytes], form: str, names: Mapping[str, str]) -> InputError | None:
    """Return the error that all records at the beginning of a file have in common, or None.

    There are three such errors: no record has a field that `names` maps; no record is in a known
    format; or all records lack a field of their format. Such an error refuses the whole file, so
    its other records need not be read.

    Args:
      lines: the first records of the file.
      form: the format of the file; `auto` if no record is recognised.
      names: part of a trace -> the field of a record that holds it; the parts are `mapping.PARTS`.

    Example:
      >>> str(misfit([b'{"frage": "2 + 2?"}'], "auto", {"prompt": "frag"}))
      "map: prompt: unknown column 'frag', did you mean frage? the columns are frage"
      >>> misfit([b'{"frage": "2 + 2?", "answer": "4"}'], "auto", {"prompt": "frage"}) is None
      True
    """
    found = list(_objects(lines))
    columns = list(dict.fromkeys(name for record in found for name in record))
    if not found:
        return None
    for part, field in names.items():
        if not any(holds(record, field) for record in found):
            near = nearest(field, columns)
            hint = f"did you mean {near}? " if near else ""
            told = f"unknown column {field!r}, {hint}the columns are {listed(columns)}"
            return InputError(f"map: {part}: {told}")
    if form == AUTO and not names:
        return no_format(f"its columns are {listed(columns)}{_slips(columns[:MOST])}")
    reason = _shared(lines, form, names) if len(found) > 1 else ""
    lacks = ": Field required" in reason
    return InputError(f"{reason}; the columns are {listed(columns)}") if lacks else None


def _objects(lines: Iterable[bytes]) -> Iterator[Record]:
    for line in lines:
        with suppress(InputError):
            yield parse_object(line)


def _slips(columns: Iterable[str]) -> str:
    """Suggest known field names for misspelt columns, as in ` (did you mean question?)`.

    Return an empty text if no column is similar to a known name.
    """
    near = {name: nearest(name, KNOWN, _LIKE) for name in columns if name not in KNOWN}
    meant = listed(dict.fromkeys(filter(None, near.values())))
    return f" (did you mean {meant}?)" if any(near.values()) else ""


def _shared(lines: Iterable[bytes], form: str, names: Mapping[str, str]) -> str:
    """Return the error message that is the same for all records of a file.

    Return an empty text if a record can be read, or if the messages differ.
    """
    read, reasons = reader(form, names), set[str]()
    for record in lines:
        try:
            read(record)
        except InputError as error:
            reasons.add(str(error))
        else:
            return ""
        if len(reasons) > 1:
            return ""
    return reasons.pop()
