"""The list of all formats; every other list of formats, in the command line too, comes from it."""

import zlib
from collections.abc import Callable
from pathlib import Path

from tunix_rt_nb.common import InputError, files, strict_json, unknown
from tunix_rt_nb.trace.formats.gsm8k import GSM8K
from tunix_rt_nb.trace.formats.messages import MESSAGES
from tunix_rt_nb.trace.formats.record import Exported, Format, Record
from tunix_rt_nb.trace.formats.reference import REFERENCE, TRACE
from tunix_rt_nb.trace.formats.tagged import TAGGED, TRAINING_EXAMPLE
from tunix_rt_nb.trace.formats.tunix_sft import TUNIX_SFT
from tunix_rt_nb.trace.trace import Trace, parse, parse_object

_ALL = (TRACE, TUNIX_SFT, TRAINING_EXAMPLE, MESSAGES, REFERENCE, GSM8K, TAGGED)
FORMATS = {one.name: one for one in _ALL}
EXPORTS: dict[str, type[Exported]] = {one.name: one.exported for one in _ALL if one.exported}


def named(name: str) -> Format:
    """Return the format with this name.

    Raises:
      InputError: there is no such format.
    """
    if name not in FORMATS:
        raise unknown("form", name, FORMATS)
    return FORMATS[name]


def reader(name: str) -> Callable[[bytes], Trace]:
    """Return a function that reads a trace from one line in a format.

    The function raises `InputError` with `field: reason` if the line is bad.

    Raises:
      InputError: there is no such format.
    """
    one = named(name)
    if one is TRACE:
        return parse  # decodes bytes directly, and accepts the two keys that a store adds
    return lambda line: one.read(parse_object(line))


def reads_back(name: str) -> str:
    """Return the name of the format that imports what this format exports.

    Example:
      >>> reads_back("trace"), reads_back("messages")
      ('reference', 'messages')
    """
    return named(name).reads_back or name


def export_of(record: Record) -> str:
    """Return the name of the export format whose fields a record has.

    Raises:
      InputError: the record lacks a field of every export format.

    Example:
      >>> export_of({"id": "1", "prompt": "2 + 2?", "response": "Answer: 4", "metadata": {}})
      'training_example'
    """
    fields = {name: kind.__struct_fields__ for name, kind in EXPORTS.items()}
    lacks = {name: [f for f in names if f not in record] for name, names in fields.items()}
    # prefer the larger format in a tie: a `trace` record has all fields of `tunix_sft` too
    nearest = min(lacks, key=lambda name: (len(lacks[name]), -len(fields[name])))
    if lacks[nearest]:
        raise InputError(f"{lacks[nearest][0]}: Field required, the nearest form is {nearest}")
    return nearest


def export_in(path: Path) -> str:
    """Find the export format of a JSON lines file, plain or gzip, from its first line.

    Raises:
      InputError: the file cannot be read, or its first record has no export format.
    """
    try:
        with path.open("rb") as raw:
            lines = files.numbered(raw, strict_json.MAX_LINE)
            number, line = next(((n, line) for n, line in lines if not line.isspace()), (1, b""))
        return export_of(parse_object(line))
    except (EOFError, zlib.error) as error:
        raise InputError(f"{path}: is cut off or damaged gzip: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except InputError as error:
        raise InputError(f"{path}:{number}: {error}") from None
