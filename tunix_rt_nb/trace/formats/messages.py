"""Chats as a list of messages, which most trainers can read."""

import msgspec

from tunix_rt_nb.common import InputError, one_line
from tunix_rt_nb.trace.formats.one_text import read_text
from tunix_rt_nb.trace.formats.record import Exported, Format, Full, Record, of_type, text
from tunix_rt_nb.trace.trace import Trace


class _Message(msgspec.Struct):
    role: str
    content: Full


class _Messages(Exported):
    messages: list[_Message]

    def turns(self) -> tuple[str, str]:
        _check_roles([message.role for message in self.messages])
        return self.messages[0].content, self.messages[1].content


def messages(record: Record) -> Trace:
    """Read a chat: a user turn, then an assistant turn with reasoning and answer in its text.

    Example:
      >>> said = "<think>2 + 2 = 4.</think>4"
      >>> turns = [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": said}]
      >>> messages({"messages": turns}).final_answer
      '4'
    """
    turns = of_type(record, "messages", list)
    _check_roles([turn.get("role") if isinstance(turn, dict) else None for turn in turns])
    texts = [text(turn, "content", f"messages.{i}.") for i, turn in enumerate(turns)]
    return read_text(record, ("messages",), texts[0], "messages.1.content", texts[1])


def _check_roles(roles: list[object]) -> None:
    if roles != ["user", "assistant"]:
        found = one_line(", ".join(map(str, roles[:5])), 60) or "none"
        raise InputError(f"messages: expected one user and one assistant turn, found {found}")


MESSAGES = Format("messages", messages, _Messages)
