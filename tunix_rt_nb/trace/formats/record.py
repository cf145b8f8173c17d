"""The common parts of all formats: records, their fields, and the trace made of them."""

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Annotated, Any, NamedTuple, get_origin

import msgspec

from tunix_rt_nb.common import InputError, one_line
from tunix_rt_nb.trace.chat import Form, form
from tunix_rt_nb.trace.response import STYLES
from tunix_rt_nb.trace.templates import TEMPLATES
from tunix_rt_nb.trace.trace import Earlier, Trace

Record = Mapping[str, Any]
Full = Annotated[str, msgspec.Meta(min_length=1)]
MOST = 12  # names of fields that a message lists

# Fields that hold reasoning, in records and in messages
THOUGHTS = (
    *("reasoning", "reasoning_content", "thinking", "thought"),
    *("rationale", "cot", "chain_of_thought"),
)

GEMMA_NUMBERED = form("gemma", "numbered")  # the form of an exported record that names no other
# Keys in the metadata of an exported record that are not the trace's own: the export added the
# first three, and an earlier import the last.
_FACTS = ("created_at", "trace_version", "format", "imported")


class Exported(msgspec.Struct):
    """The fields that every exported record has.

    Attributes:
      id: the id of the trace.
      metadata: the `meta` of the trace, and facts such as its `created_at` and `trace_version`.
    """

    id: Full
    metadata: dict[str, Any]

    def turns(self) -> tuple[Earlier, str, str]:
        """Return the messages before the prompt, the prompt, and the response.

        Raises:
          InputError: a field is malformed; the message is `field: reason`.
        """
        raise NotImplementedError


class Format(NamedTuple):
    """The shape of a record in a file.

    Attributes:
      name: the name of the format, as users write it after `--as` or `--format`.
      read: a function that makes a trace of a record, or raises `InputError` with `field: reason`.
      exported: the class of an exported record; None if the format can only be imported.
      reads_back: the name of the format that imports the records exported in this one; empty if
        this format imports them itself.
      noun: what people call its records, such as `chat{s}`, as `counted` takes it.
    """

    name: str
    read: Callable[[Record], Trace]
    exported: type[Exported] | None = None
    reads_back: str = ""
    noun: str = "trace{s}"

    @property
    def lists(self) -> list[str]:
        """The names of an exported record's fields that hold lists; in a CSV file they are JSON."""
        fields = msgspec.structs.fields(self.exported) if self.exported else ()
        return [field.name for field in fields if get_origin(field.type) is list]


def make_trace(record: Record, used: Iterable[str], meta: Record, **fields: Any) -> Trace:
    """Make a trace of a record.

    If this package exported the record, its `metadata` becomes the trace's `meta` again.

    Args:
      record: the record.
      used: the names of the fields that were read; all other fields go to `meta.imported`.
      meta: what to put into the trace's `meta`.
      fields: the other fields of the trace, such as `prompt`, `steps` and `final_answer`.
    """
    rest = {name: value for name, value in record.items() if name not in used}
    if is_ours(record):
        told = record["metadata"]
        rest.pop("metadata", None)
        facts = [name for name in _facts(record) if name in told]
        rest |= {name: told[name] for name in facts}
        meta = {name: value for name, value in {**meta, **told}.items() if name not in facts}
    whole = {**meta, "imported": rest} if rest else dict(meta)
    return Trace.model_validate({**fields, "meta": whole or None})


def is_ours(record: Record) -> bool:
    """Tell whether this package exported a record, by the `trace_version` in its `metadata`."""
    told = record.get("metadata")
    return isinstance(told, dict) and "trace_version" in told


def is_example(record: Record) -> bool:
    """Tell whether an exported record is of the format `training_example`.

    Records of this format that were exported by an earlier version do not count: their prompts ask
    for no steps.
    """
    return is_ours(record) and "response" in record and "source_trace_id" in record["metadata"]


def form_of(record: Record) -> Form:
    """Return the form in which an exported record is written; Gemma's, numbered, if it names none.

    Example:
      >>> told = {"trace_version": "1.0", "form": {"template": "chatml", "style": "tags"}}
      >>> form_of({"metadata": told}).template.stop
      '<|im_end|>'
    """
    named = named_form(record)
    if not named:
        return GEMMA_NUMBERED
    template, style = named.get("template", "gemma"), named.get("style", "numbered")
    return form(template, style, named.get("system", ""))


def named_form(record: Record) -> dict[str, str]:
    """Return the parts of the form that a record names; none if its `form` is the trace's own."""
    named = record["metadata"].get("form") if is_ours(record) else None
    if not isinstance(named, dict) or not named.keys() <= {"template", "style", "system"}:
        return {}
    right = (
        all(isinstance(value, str) for value in named.values())
        and named.get("template", "gemma") in TEMPLATES
        and named.get("style", "numbered") in STYLES
    )
    return named if right else {}


def _facts(record: Record) -> tuple[str, ...]:
    """Return the keys in an exported record's metadata that may be the export's own."""
    example = ("source_trace_id",) if is_example(record) else ()
    return (*_FACTS, *example, *(("form",) if named_form(record) else ()))


def as_steps(texts: Iterable[str]) -> list[dict[str, Any]]:
    """Convert texts to the numbered steps of a trace, each of the type `reason`."""
    return [{"i": i, "type": "reason", "content": text} for i, text in enumerate(texts)]


def present(record: Record, names: tuple[str, ...]) -> str:
    """Return the first of these names whose field in the record is not empty.

    Raises:
      InputError: all of these fields are empty or missing.
    """
    for name in names:
        if record.get(name):
            return name
    raise InputError(f"{names[0]}: Field required, expected one of: {', '.join(names)}")


def system_of(record: Record) -> str:
    """Return the field `system` of a record; an empty text if it is blank, missing or not text."""
    system = record.get("system")
    return system if isinstance(system, str) and system.strip() else ""


def text(record: Record, name: str, where: str = "") -> str:
    """Return the value of a field; raise `InputError` if it is missing or not text.

    The error message begins with `where`.
    """
    return of_type(record, name, str, where)


def listed(names: Iterable[str]) -> str:
    """Write names of fields as a list: the first 12 of them, and `…` if there are more.

    Example:
      >>> listed(["id", "text"]), listed(map(str, range(99)))
      ('id, text', '0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, …')
    """
    found = [one_line(name, 40) for name in islice(names, MOST + 1)]
    return ", ".join([*found[:MOST], "…"] if len(found) > MOST else found) or "none"


def of_type(record: Record, name: str, kind: type, where: str = "") -> Any:
    """Return the value of a field; raise `InputError` if it is missing or not of the type `kind`.

    The error message begins with `where`.
    """
    if name not in record:
        raise InputError(f"{where}{name}: Field required")
    value = record[name]
    if type(value) is not kind:
        raise InputError(f"{where}{name}: expected {kind.__name__}, got {type(value).__name__}")
    return value
