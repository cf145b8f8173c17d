"""A reasoning trace: a prompt, the steps that solve it, and the final answer."""

import uuid
from collections.abc import Callable, Mapping
from hashlib import sha1
from typing import Annotated, Any, Final, NamedTuple, TypeVar

import msgspec
from msgspec import Meta

from tunix_rt_nb.common import InputError, strict_json

T = TypeVar("T")

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "tunix_rt_nb/trace").bytes
_FIXED = 0xF000_C000_0000_0000_0000  # the bits of a UUID that hold its version and variant
_VERSION_5 = 0x5000_8000_0000_0000_0000  # those bits in a UUIDv5, by RFC 9562

Name = Annotated[str, Meta(min_length=1, max_length=64)]
Text = Annotated[str, Meta(min_length=1, max_length=50_000)]


OWN: Final = "own"  # what to call the task of traces that no task made
EARLIER: Final = "earlier_messages"  # the key in `meta` of the messages before the prompt


class Earlier(NamedTuple):
    """The messages of a chat before its last prompt.

    Attributes:
      system: the system message; empty if there is none.
      turns: pairs of a user's message and the model's reply, oldest first.
    """

    system: str = ""
    turns: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, meta: Mapping[str, Any] | None) -> "Earlier":
        """Read the messages from a trace's `meta`; return an empty `Earlier` if it has none.

        Raises:
          ValueError: `meta.earlier_messages` is not an optional system message, followed by pairs
            of a user's and an assistant's message.

        Example:
          >>> Earlier.of({"earlier_messages": [{"role": "system", "content": "Be brief."}]})
          Earlier(system='Be brief.', turns=())
        """
        if not meta or EARLIER not in meta:
            return cls()
        try:
            found = msgspec.convert(meta[EARLIER], list[_Message])
        except msgspec.ValidationError as error:
            raise ValueError(f"meta.{EARLIER}: {error}") from None
        system = found.pop(0).content if found and found[0].role == "system" else ""
        roles = [message.role for message in found]
        if roles != ["user", "assistant"] * (len(found) // 2):
            raise ValueError(
                f"meta.{EARLIER}: expected an optional system message, then user and assistant in"
                " turn"
            )
        texts = [message.content for message in found]
        return cls(system, tuple(zip(texts[::2], texts[1::2], strict=True)))

    def messages(self) -> list[dict[str, str]]:
        """Return the messages as dicts of `role` and `content`, the system message first."""
        told = [("system", self.system)] if self.system else []
        for asked, said in self.turns:
            told += [("user", asked), ("assistant", said)]
        return [{"role": role, "content": content} for role, content in told]

    def labelled(self) -> list[str]:
        """Return the messages as texts that begin with the role, such as `system: Be brief.`."""
        return [f"{told['role']}: {told['content']}" for told in self.messages()]


class _Message(msgspec.Struct, forbid_unknown_fields=True):
    role: str
    content: str


# Step and Trace declare their fields in alphabetical order, because canonical JSON sorts its keys
# and the encoder keeps the declared order.


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One step of the reasoning: its index `i`, its type (`read`, `compute`, ...) and its text."""

    content: Annotated[str, Meta(min_length=1, max_length=20_000)]
    i: Annotated[int, Meta(ge=0)]
    type: Name


class _Fields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    final_answer: Text
    meta: dict[str, Any] | None = None
    prompt: Text
    steps: Annotated[tuple[Step, ...], Meta(max_length=1_000)]
    trace_version: Name = "1.0"


class Trace(_Fields, frozen=True, forbid_unknown_fields=True, kw_only=True, dict=True):
    """A prompt with its steps and answer.

    Its limits: 50,000 characters in the prompt and in the answer, 1,000 steps, 20,000 characters in
    a step, 64 in its type, and 1 MiB for the whole trace as JSON. None of these texts may be empty.

    `Trace.of`, `Trace.model_validate` and `parse_line` check everything. The bare constructor does
    not check the types and lengths of the fields.

    Raises:
      InputError: a field is missing, has the wrong type or exceeds a limit; the indices of the
        steps are not 0, 1, 2, ...; `meta` is not JSON or has more than 64 levels; `Earlier.of`
        refuses `meta.earlier_messages`. The message is `field: reason`. The bare constructor raises
        `ValueError` or `RecursionError` instead.

    Example:
      >>> trace = Trace.of("What is 2 + 2?", [("compute", "2 + 2 = 4.")], "4")
      >>> trace.steps[0].content
      '2 + 2 = 4.'
    """

    def __post_init__(self) -> None:
        for place, step in enumerate(self.steps):
            if step.i != place:
                raise ValueError(
                    f"steps.{place}.i: is {step.i}, expected {place}, as indices run 0, 1, 2, ..."
                )
        Earlier.of(self.meta)  # raises if these messages are malformed
        try:
            size = len(self.canonical_bytes())
        except UnicodeEncodeError:
            raise ValueError("trace: holds half a surrogate pair, expected text in UTF-8") from None
        if size > strict_json.MAX_BYTES:
            raise ValueError(f"trace: may take 1 MiB, this one takes {size} bytes")

    @classmethod
    def of(
        cls,
        prompt: str,
        steps: list[tuple[str, str]],
        final_answer: str,
        meta: dict[str, Any] | None = None,
    ) -> "Trace":
        """Build a trace; number its steps.

        Args:
          prompt: the problem.
          steps: (type, content) for each step, such as `("compute", "2 + 2 = 4.")`.
          final_answer: the answer.
          meta: facts about the trace as JSON, such as the `task` that made it.
        """
        numbered = [{"i": i, "type": kind, "content": text} for i, (kind, text) in enumerate(steps)]
        return cls.model_validate(
            {"prompt": prompt, "steps": numbered, "final_answer": final_answer, "meta": meta}
        )

    @classmethod
    def model_validate(cls, fields: Mapping[str, Any]) -> "Trace":
        """Build a trace from its fields, given as parsed JSON.

        Raises:
          InputError: `field: reason`, as for the class.
        """
        try:
            return msgspec.convert(fields, cls)
        except (msgspec.ValidationError, RecursionError) as error:
            raise InputError(strict_json.why(error)) from None

    def model_dump(self) -> dict[str, Any]:
        """Return the fields as a dict that can be written as JSON."""
        return {
            "trace_version": self.trace_version,
            "prompt": self.prompt,
            "steps": [{"i": s.i, "type": s.type, "content": s.content} for s in self.steps],
            "final_answer": self.final_answer,
            "meta": self.meta,
        }

    def canonical(self) -> str:
        """Return the trace as canonical JSON: sorted keys, no spaces, floats written by `repr`."""
        return self.canonical_bytes().decode()

    def canonical_bytes(self) -> bytes:
        """Return the canonical JSON as bytes in UTF-8."""
        kept = self.__dict__.get("_canonical")  # cached_property is slow: Python 3.11 locks it
        if kept is None:
            odd = self.meta is not None and strict_json.check_json(self.meta)
            kept = self.__dict__["_canonical"] = _WRITE(_Exact.of(self) if odd else self)
        return kept

    @property
    def key(self) -> bytes:
        """The UUIDv5 of the canonical content, 16 bytes; equal traces always have equal keys."""
        digest = sha1(_NAMESPACE + self.canonical_bytes()).digest()
        return (int.from_bytes(digest[:16]) & ~_FIXED | _VERSION_5).to_bytes(16)

    @property
    def id(self) -> str:
        """The key in the usual notation of a UUID."""
        return id_of(self.key)

    @property
    def earlier(self) -> Earlier:
        """The messages before the prompt, from `meta.earlier_messages`; usually empty."""
        return Earlier.of(self.meta)

    @property
    def task(self) -> str | None:
        """The name of the task that made this trace, from `meta.task`; None if it is missing."""
        name = (self.meta or {}).get("task")
        return name if isinstance(name, str) else None


class _Exact(_Fields, frozen=True, kw_only=True):
    """A trace to encode as JSON. Each float in its `meta` is already JSON, written by `repr`."""

    @classmethod
    def of(cls, trace: Trace) -> "_Exact":
        fields = {name: getattr(trace, name) for name in _Fields.__struct_fields__}
        return cls(**{**fields, "meta": strict_json.exact(trace.meta)})


class _Line(_Fields, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A trace in a line of a file, and the two keys that a store adds: `id` and `created_at`."""

    id: Any = None
    created_at: Any = None


_WRITE = msgspec.json.Encoder(order="deterministic").encode
_READ_LINE = msgspec.json.Decoder(_Line).decode
_READ_TRACE = msgspec.json.Decoder(Trace).decode
_READ_OBJECT = msgspec.json.Decoder(dict[str, Any]).decode


def id_of(key: bytes) -> str:
    """Write a trace's key of 16 bytes in the usual notation of a UUID.

    Example:
      >>> id_of(bytes(range(16)))
      '00010203-0405-0607-0809-0a0b0c0d0e0f'
    """
    text = key.hex("-", 2)  # a dash every two bytes; the slices drop three dashes
    return f"{text[:4]}{text[5:29]}{text[30:34]}{text[35:]}"


def parse_line(line: str | bytes, where: str) -> Trace:
    """Read a trace from one JSON line; ignore the keys that a store adds (`id`, `created_at`).

    Args:
      line: one JSON object.
      where: the name of this line in an error message, usually `file:line`.

    Raises:
      InputError: `where: field: reason`.
    """
    try:
        return parse(line)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def parse(line: str | bytes) -> Trace:
    """Read a trace from one JSON line; ignore the keys that a store adds (`id`, `created_at`).

    Raises:
      InputError: `field: reason`.
    """
    return _decoded(_read, line)


def _read(line: str | bytes) -> Trace:
    try:
        return _READ_TRACE(line)
    except msgspec.ValidationError:  # maybe only because of the keys that a store adds
        return _stored(line)[0]


def parse_stored(line: str | bytes) -> tuple[Trace, Any, Any]:
    """Read a trace and the keys that a store adds from one JSON line.

    Returns:
      trace: the trace.
      id: the value of the key `id`, unchecked; None if it is missing.
      created_at: the value of the key `created_at`, unchecked; None if it is missing.

    Raises:
      InputError: `field: reason`.
    """
    return _decoded(_stored, line)


def _stored(line: str | bytes) -> tuple[Trace, Any, Any]:
    read = _READ_LINE(line)
    # Every line of a store goes through here; collecting the fields in a loop takes a fifth longer.
    trace = Trace(
        trace_version=read.trace_version,
        prompt=read.prompt,
        steps=read.steps,
        final_answer=read.final_answer,
        meta=read.meta,
    )
    return trace, read.id, read.created_at


def parse_object(line: bytes) -> dict[str, Any]:
    """Read any JSON object from a line.

    Raises:
      InputError: the line is too long for a trace, is not JSON, holds something else, or has an
        object that repeats a key.
    """
    found = _decoded(_READ_OBJECT, line)
    check_keys(line)
    return found


def check_keys(line: bytes) -> None:
    """Raise `InputError` if an object in a JSON line repeats a key."""
    try:
        strict_json.check_keys(line)
    except ValueError as error:
        raise InputError(str(error)) from None


def _decoded(decode: Callable[[str | bytes], T], line: str | bytes) -> T:
    try:
        strict_json.check_length(line)
        return decode(line)
    except (ValueError, RecursionError) as error:
        raise InputError(strict_json.why(error, line)) from None
