"""Chats as lists of messages, in the variants of OpenAI, ShareGPT and TRL."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from tunix_rt_nb.common import InputError, one_line
from tunix_rt_nb.trace.formats.one_text import read_text
from tunix_rt_nb.trace.formats.record import (
    THOUGHTS,
    Exported,
    Format,
    Full,
    Record,
    of_type,
    system_of,
    text,
)
from tunix_rt_nb.trace.trace import EARLIER, Earlier, Trace

LISTS = ("messages", "conversations", "conversation")
_ROLES = {
    "human": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bard": "assistant",
    "bing": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "ai": "assistant",
    "developer": "system",
}


class _Message(msgspec.Struct):
    role: str
    content: Full


class _Messages(Exported):
    messages: list[_Message]

    def turns(self) -> tuple[Earlier, str, str]:
        *earlier, asked, said = _in_turn(msgspec.to_builtins(self.messages), "messages")
        return Earlier.of({EARLIER: earlier}), asked["content"], said["content"]


def messages(record: Record) -> Trace:
    """Make a trace of a chat: its last user message is the prompt, the last reply the response.

    A system message and earlier turns go to `meta.earlier_messages`. Reasoning is read from the
    text of the response, from a field such as `reasoning_content`, or from content parts of type
    `thinking` or `reasoning`.

    Example:
      >>> said = "<think>2 + 2 = 4.</think>4"
      >>> turns = [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": said}]
      >>> messages({"messages": turns}).final_answer
      '4'
    """
    names, raw = _messages_of(record)
    *earlier, asked, said = _in_turn(_with_system(record, raw, names), names[0])
    bare = [{name: one[name] for name in ("role", "content")} for one in earlier]
    meta = {EARLIER: bare} if bare else {}
    thought = said.get("reasoning", "")
    return read_text(
        record, (*names, "system"), asked["content"], said["content"], thought, meta=meta
    )


def _messages_of(record: Record) -> tuple[tuple[str, ...], list[Any]]:
    """Return the names of the fields that hold a record's messages, and the messages.

    Only TRL has two such fields, `prompt` and `completion`.
    """
    if all(isinstance(record.get(name), list) for name in ("prompt", "completion")):  # TRL
        return ("prompt", "completion"), [*record["prompt"], *record["completion"]]
    name = next((name for name in LISTS if name in record), LISTS[0])
    return (name,), of_type(record, name, list)


def _with_system(record: Record, raw: list[Any], names: Iterable[str]) -> list[dict[str, Any]]:
    """Convert messages to OpenAI's roles and fields.

    If the record has a field `system`, it becomes the first message.

    Args:
      record: the record.
      raw: its messages, unconverted.
      names: the names of the fields that hold the messages; an error message begins with the last.

    Returns:
      A dict of `role`, `content` and, if there is any, `reasoning` for each message.
    """
    *_, name = names
    found = [_message(turn, f"{name}.{i}.") for i, turn in enumerate(raw)]
    if system := system_of(record):
        found.insert(0, {"role": "system", "content": system})
    return found


def _message(turn: Any, where: str) -> dict[str, Any]:
    """Convert a message to a dict of `role`, `content` and, if there is any, `reasoning`.

    Error messages begin with `where`, such as `messages.0.`.
    """
    if not isinstance(turn, dict):
        raise InputError(f"{where[:-1]}: expected dict, got {type(turn).__name__}")
    role = turn.get("role", turn.get("from"))
    role = _ROLES.get(f"{role}".lower(), role)
    name = "content" if "content" in turn or "value" not in turn else "value"
    content, thought = _parts(turn, name, where)
    for field in THOUGHTS:
        if isinstance(turn.get(field), str) and turn[field].strip():
            thought.append(turn[field])
    found = {"role": role, "content": content}
    return {**found, "reasoning": "\n".join(thought)} if thought else found


def _parts(turn: Mapping[str, Any], name: str, where: str) -> tuple[str, list[str]]:
    """Return the text of a message, and the texts of its content parts that hold reasoning.

    Args:
      turn: the message.
      name: the field with its content, a text or a list of parts as in OpenAI's API.
      where: a prefix for error messages, such as `messages.0.`.
    """
    if not isinstance(turn.get(name), list):
        return text(turn, name, where), []
    said, thought = [], []
    for i, part in enumerate(turn[name]):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in ("thinking", "reasoning"):
            field = "thinking" if "thinking" in part else "text"
            thought.append(text(part, field, f"{where}{name}.{i}."))
        elif kind == "text":
            said.append(text(part, "text", f"{where}{name}.{i}."))
        else:
            found = one_line(f"{kind or type(part).__name__}", 30)
            raise InputError(f"{where}{name}.{i}: expected a part of type text, found {found}")
    return "".join(said), thought


def _in_turn(found: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """Check that user and assistant take turns. Return the messages; drop a blank system message.

    Args:
      found: the messages, as dicts with `role` and `content`.
      name: the field that holds the messages; the error message begins with it.

    Raises:
      InputError: user and assistant do not take turns, or the assistant is not last.
    """
    if found and found[0]["role"] == "system" and not found[0]["content"].strip():
        found = found[1:]
    roles = [message["role"] for message in found]
    turns = roles[1:] if roles[:1] == ["system"] else roles
    if not turns or turns != ["user", "assistant"] * (len(turns) // 2):
        told = one_line(", ".join(map(str, roles[:6])), 60) or "none"
        raise InputError(
            f"{name}: expected an optional system message, then user and assistant in turn,"
            f" the assistant last; found {told}"
        )
    return found


MESSAGES = Format("messages", messages, _Messages, noun="chat{s}")
