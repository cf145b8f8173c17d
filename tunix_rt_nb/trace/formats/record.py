"""What a record of a format is, and how any record becomes a trace."""

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, NamedTuple, get_origin

import msgspec

from tunix_rt_nb.common import InputError
from tunix_rt_nb.trace.trace import Trace

Record = Mapping[str, Any]
Full = Annotated[str, msgspec.Meta(min_length=1)]

# What an export adds to a trace's own meta, and what an import adds to it, once more.
_FACTS = ("created_at", "trace_version", "format", "imported")


class Exported(msgspec.Struct):
    """The fields that every record of an export has."""

    id: Full
    metadata: dict[str, Any]

    def turns(self) -> tuple[str, str]:
        """Return what the user says and what the model answers.

        Raises:
          InputError: `field: reason`.
        """
        raise NotImplementedError


class Format(NamedTuple):
    """The shape of a record.

    Attributes:
      name: as `--as` and `--format` take it.
      read: makes a trace of a record, or raises an `InputError` that says `field: reason`.
      exported: the fields of a record that an export writes; None where an import alone has it.
      reads_back: the name of the format that reads what the export writes; empty for this one.
    """

    name: str
    read: Callable[[Record], Trace]
    exported: type[Exported] | None = None
    reads_back: str = ""

    @property
    def lists(self) -> list[str]:
        """The fields of an exported record that are lists; a CSV file holds them as JSON."""
        fields = msgspec.structs.fields(self.exported) if self.exported else ()
        return [field.name for field in fields if get_origin(field.type) is list]


def make_trace(record: Record, used: Iterable[str], meta: Record, **fields: Any) -> Trace:
    """Make a trace of these fields; what else is in the record goes into its `meta`."""
    rest = {name: value for name, value in record.items() if name not in used}
    told = record.get("metadata")
    if isinstance(told, dict) and "trace_version" in told:  # an export of ours wrote it
        rest.pop("metadata", None)
        rest |= {name: told[name] for name in _FACTS if name in told}
        meta = {name: value for name, value in {**meta, **told}.items() if name not in _FACTS}
    whole = {**meta, "imported": rest} if rest else dict(meta)
    return Trace.model_validate({**fields, "meta": whole or None})


def as_steps(texts: Iterable[str]) -> list[dict[str, Any]]:
    """Number texts as the steps of a trace."""
    return [{"i": i, "type": "reason", "content": text} for i, text in enumerate(texts)]


def present(record: Record, names: tuple[str, ...]) -> str:
    """Return the first of the names under which the record holds something.

    Raises:
      InputError: it holds nothing under any of them.
    """
    for name in names:
        if record.get(name):
            return name
    raise InputError(f"{names[0]}: Field required, as one of: {', '.join(names)}")


def text(record: Record, name: str, where: str = "") -> str:
    """Return a field that has to be text; errors begin with `where`."""
    return of_type(record, name, str, where)


def of_type(record: Record, name: str, kind: type, where: str = "") -> Any:
    """Return a field that has to be of a type; errors begin with `where`."""
    if name not in record:
        raise InputError(f"{where}{name}: Field required")
    value = record[name]
    if type(value) is not kind:
        raise InputError(f"{where}{name}: expected {kind.__name__}, got {type(value).__name__}")
    return value
