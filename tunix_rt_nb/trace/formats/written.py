"""The records that an export writes, read again: each form's fields, and what a record says."""

import gzip
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Annotated, Any, cast

import msgspec

from tunix_rt_nb.common import InputError, files, one_line, strict_json
from tunix_rt_nb.trace.chat import form
from tunix_rt_nb.trace.response import respond
from tunix_rt_nb.trace.trace import Trace, parse_object

GEMMA_NUMBERED = form("gemma", "numbered")  # what `tunix_sft` is written in
_GEMMA, _NUMBERED = GEMMA_NUMBERED.template, GEMMA_NUMBERED.style
_Full = Annotated[str, msgspec.Meta(min_length=1)]


class Record(msgspec.Struct):
    """What every form has."""

    id: _Full
    metadata: dict[str, Any]

    def turns(self) -> tuple[str, str]:
        """What the user says and what the model answers; `InputError` says `field: reason`."""
        raise NotImplementedError


class _Sft(Record):
    prompts: _Full
    final_answer: _Full

    def turns(self) -> tuple[str, str]:
        return split(self.prompts, self.final_answer)


class _Trace(Record):
    prompts: _Full
    trace_steps: list[str]
    final_answer: _Full

    def turns(self) -> tuple[str, str]:
        steps = [("step", content) for content in self.trace_steps]
        return self.prompts, respond(Trace.of(self.prompts, steps, self.final_answer))


class _Pair(Record):
    prompt: _Full
    response: _Full

    def turns(self) -> tuple[str, str]:
        return self.prompt, self.response


class _Message(msgspec.Struct):
    role: str
    content: _Full


class _Messages(Record):
    messages: list[_Message]

    def turns(self) -> tuple[str, str]:
        roles = [message.role for message in self.messages]
        if roles != ["user", "assistant"]:
            found = one_line(", ".join(roles), 60) or "none"
            raise InputError(f"messages: expected one user and one assistant turn, found {found}")
        return self.messages[0].content, self.messages[1].content


FORMS: dict[str, type[Record]] = {
    "tunix_sft": _Sft,
    "trace": _Trace,
    "training_example": _Pair,
    "messages": _Messages,
}


def split(text: str, answer: str) -> tuple[str, str]:
    r"""The prompt and the response of a record's text in Gemma's template.

    What stands in a trace stands in this text as it is, so it is the last mark of a turn that
    counts, and a response may read as one of other steps.

    Raises:
      InputError: `prompts: reason`, where it is not in this template.

    Example:
      >>> text = "<start_of_turn>user\n2 + 2?<end_of_turn>\n<start_of_turn>model\n"
      >>> split(text + "Answer: 4<end_of_turn>", "4")
      ('2 + 2?', 'Answer: 4')
    """
    opening, turn = _GEMMA.before_prompt, _GEMMA.after_prompt
    ending = f"{_NUMBERED.middle}{answer}{_GEMMA.stop}"
    if not text.startswith(opening):
        raise InputError(f"prompts: does not begin with {opening!r}")
    if not text.endswith(ending):
        raise InputError(f"prompts: does not end with {one_line(repr(ending))}")
    said = text[len(opening) : -len(ending)]
    prompt, found, reasoning = said.rpartition(f"{turn}{_NUMBERED.opening}1. ")
    if found and reasoning.endswith("\n"):
        return prompt, said[len(prompt) + len(turn) :] + _NUMBERED.middle + answer
    if said.endswith(turn):  # a trace without steps
        return said.removesuffix(turn), _NUMBERED.middle + answer
    raise InputError(f"prompts: has no {turn + _NUMBERED.opening + '1. '!r} with steps")


def form_of(record: Mapping[str, Any]) -> str:
    """The form whose fields a record has.

    Raises:
      InputError: there is none.

    Example:
      >>> form_of({"id": "1", "prompt": "2 + 2?", "response": "Answer: 4", "metadata": {}})
      'training_example'
    """
    fields = {form: kind.__struct_fields__ for form, kind in FORMS.items()}
    lacks = {form: [name for name in names if name not in record] for form, names in fields.items()}
    # the fields of `tunix_sft` are some of those of `trace`, so of two the larger one is meant
    nearest = min(lacks, key=lambda form: (len(lacks[form]), -len(fields[form])))
    if lacks[nearest]:
        raise InputError(f"{lacks[nearest][0]}: Field required, the nearest form is {nearest}")
    return nearest


def form_in(path: Path) -> str:
    """The form of the records of a JSON lines file, plain or gzip, by the first of them.

    Raises:
      InputError: the file cannot be read or holds none.
    """
    try:
        with path.open("rb") as raw:
            is_gzip = raw.peek(2).startswith(b"\x1f\x8b")
            file = cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if is_gzip else raw
            lines = enumerate(files.lines(file, strict_json.MAX_LINE), 1)
            number, line = next(((n, line) for n, line in lines if not line.isspace()), (1, b""))
        return form_of(parse_object(line.removeprefix(b"\xef\xbb\xbf")))  # a byte order mark
    except (EOFError, zlib.error) as error:
        raise InputError(f"{path}: is cut off or damaged gzip: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except InputError as error:
        raise InputError(f"{path}:{number}: {error}") from None
