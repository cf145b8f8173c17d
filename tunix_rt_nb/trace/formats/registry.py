"""All formats by name; commands, parameters and exports take their lists of formats from here."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from tunix_rt_nb.common import InputError, unknown
from tunix_rt_nb.trace.formats.gsm8k import GSM8K
from tunix_rt_nb.trace.formats.mapping import check_parts, renamed
from tunix_rt_nb.trace.formats.messages import LISTS, MESSAGES
from tunix_rt_nb.trace.formats.record import (
    Exported,
    Format,
    Record,
    listed,
    named_form,
    present,
    text,
)
from tunix_rt_nb.trace.formats.reference import REFERENCE, TRACE
from tunix_rt_nb.trace.formats.tagged import (
    ANSWERS,
    PROMPTS,
    RESPONSES,
    TAGGED,
    TRAINING_EXAMPLE,
    tagged,
)
from tunix_rt_nb.trace.formats.tunix_sft import TUNIX_SFT
from tunix_rt_nb.trace.inputs import records
from tunix_rt_nb.trace.trace import Trace, check_keys, parse, parse_object

_ALL = (TRACE, TUNIX_SFT, TRAINING_EXAMPLE, MESSAGES, REFERENCE, GSM8K, TAGGED)
AUTO = "auto"  # recognises the format of each record by its fields
_OF_TRACE = {*Trace.__struct_fields__, "id", "created_at"}
KNOWN = (*LISTS, *PROMPTS, *RESPONSES, *ANSWERS)  # fields by which chats and tables are known
FORMATS = {one.name: one for one in _ALL}
SHAPES = (  # fields by which a record is recognised, as messages list them
    "messages, conversations, question/answer, prompt/completion, instruction/output,"
    " problem/solution, prompt/steps/final_answer"
)
EXPORTS: dict[str, type[Exported]] = {one.name: one.exported for one in _ALL if one.exported}


class NoFormat(InputError):
    """The error for records whose fields fit no format."""


def no_format(has: str) -> NoFormat:
    """Return the error for records that fit no format; `has` says which fields they have."""
    return NoFormat(f"no known format: {has}; expected one of {SHAPES}")


def named(name: str) -> Format:
    """Return the format with this name.

    Raises:
      InputError: there is no such format.
    """
    if name not in FORMATS:
        raise unknown("format", name, FORMATS)
    return FORMATS[name]


def reader(name: str, names: Mapping[str, str] | None = None) -> Callable[[bytes], Trace]:
    """Return a function that reads a trace from one line in a format.

    The function raises `InputError` with `field: reason` if the line is bad.

    Args:
      name: one of `FORMATS`, or `auto` to recognise each line by its fields.
      names: part of a trace -> the field of the record that holds it. The parts are `prompt`,
        `system`, `reasoning`, `response` and `answer`. If `names` is given, `name` is ignored.

    Raises:
      InputError: there is no such format or no such part.
    """
    if names:
        check_parts(names)
        return lambda line: tagged(renamed(parse_object(line), names))
    if name == AUTO:
        return lambda line: _recognised(parse_object(line))
    one = named(name)
    if one is TRACE:
        return _trace
    return lambda line: one.read(parse_object(line))


def _trace(line: bytes) -> Trace:
    # `parse` decodes bytes directly, and accepts the two keys that a store adds.
    trace = parse(line)
    check_keys(line)
    return trace


def _recognised(record: Record) -> Trace:
    return recognise(record).read(record)


def recognise(record: Record) -> Format:
    """Recognise the format of a record by its fields.

    Raises:
      NoFormat: the fields fit no format.

    Example:
      >>> recognise({"question": "2 + 2?", "answer": "2 + 2 = 4 #### 4"}).name
      'gsm8k'
      >>> recognise({"conversations": [], "system": "Be brief."}).name
      'messages'
    """
    has = record.keys() if isinstance(record, Mapping) else set()
    turns = (
        all(isinstance(record.get(name), list) for name in ("prompt", "completion")) if has else 0
    )
    if turns or not has.isdisjoint(LISTS):
        return MESSAGES
    if "payload" in has or "trace_steps" in has or {"prompt", "steps", "final_answer"} <= has:
        steps = record.get("steps")
        texts = isinstance(steps, list) and any(isinstance(step, str) for step in steps)
        return REFERENCE if texts or not has <= _OF_TRACE else TRACE
    if {"prompts", "final_answer"} <= has:
        return TUNIX_SFT
    if {"question", "answer"} <= has and "####" in str(record["answer"]):
        return GSM8K
    if not has.isdisjoint(PROMPTS) and not has.isdisjoint((*RESPONSES, *ANSWERS)):
        return TAGGED
    raise no_format(f"its keys are {listed(has)}")


def prompt_of(record: Record) -> str:
    """Return the prompt of a record of any format; the record need not have an answer.

    Raises:
      InputError: the record has no prompt.

    Example:
      >>> prompt_of({"question": "2 + 2?"})
      '2 + 2?'
    """
    try:
        return recognise(record).read(record).prompt
    except InputError:
        if not record.keys().isdisjoint(LISTS):  # a chat has its prompt nowhere else
            raise
        return Trace.of(text(record, present(record, PROMPTS)), [], "?").prompt


def form_of(lines: Iterable[bytes]) -> str:
    """Recognise the format of a file, and return its name.

    This is the format of the first line that is recognised; `auto` if no line is.
    """
    for line in lines:
        with suppress(InputError):
            return recognise(parse_object(line)).name
    return AUTO


def reads_back(name: str) -> str:
    """Return the name of the format that imports what the format `name` exports.

    For `auto` this is `auto`.

    Example:
      >>> reads_back("trace"), reads_back("messages")
      ('reference', 'messages')
    """
    return name if name == AUTO else named(name).reads_back or name


def export_of(record: Record) -> str:
    """Return the name of the format in which a record was exported.

    Raises:
      InputError: the record lacks at least one field of each export format.

    Example:
      >>> export_of({"id": "1", "prompt": "2 + 2?", "response": "Answer: 4", "metadata": {}})
      'training_example'
    """
    fields = {name: kind.__struct_fields__ for name, kind in EXPORTS.items()}
    lacks = {name: [f for f in names if f not in record] for name, names in fields.items()}
    # prefer the larger format in a tie: a `trace` record has all fields of `tunix_sft` too
    nearest = min(lacks, key=lambda name: (len(lacks[name]), -len(fields[name])))
    if lacks[nearest]:
        raise InputError(f"{lacks[nearest][0]}: Field required, the nearest format is {nearest}")
    return nearest


def export_in(path: Path) -> str:
    """Return the name of the format in which a file was exported, judged by its first record.

    Raises:
      InputError: the file cannot be read, or its first record has the fields of no export format.
    """
    number, line = next(records(path))
    try:
        return export_of(parse_object(line))
    except InputError as error:
        raise InputError(f"{path}:{number}: {error}") from None


def form_in(path: Path) -> dict[str, str]:
    """Return the form that the first record of an exported file names.

    Return part -> value for each of `template`, `style` and `system` that it names.
    """
    _, line = next(records(path))
    return named_form(parse_object(line))
