"""The templates in which several families of chat models write turns.

A chat is a list of segments. Each segment is either literal text or one control token, never both.
The text of a trace is always literal, so it cannot become a control token.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from tunix_rt_nb.common import unknown


class Segment(NamedTuple):
    """A run of literal text or, if `control` is True, one control token such as `<end_of_turn>`."""

    text: str
    control: bool = False


Turns = tuple[tuple[str, str], ...]
"""The earlier turns of a chat: pairs of what the user asked and what the model said."""


@dataclass(frozen=True)
class Template:
    r"""The way in which a family of chat models writes turns.

    White space around a message is kept, even if the family's own template strips it.

    Attributes:
      bos: the token that begins a sequence, before the text of the chat; None if there is none.
      turns: the control tokens that mark turns in the strings below.
      before_prompt: what opens the user's turn if there is no system message.
      before_system: what comes before a system message.
      after_system: what comes between a system message and the prompt.
      after_prompt: what closes the user's turn and opens the model's; the model goes on from there.
      next_turn: what closes an earlier response and opens the user's next turn.
      before_response: literal text that begins the model's turn, before its response.
      stops: the tokens that end a response: first the one that a response is trained to end with,
        then others that a model may end with.
      default_system: the system message of a chat if none is given.
      system_last: True if the system message opens the last of the user's turns, not the first.

    Example:
      >>> TEMPLATES["mistral"].prompt("2 + 2?")[:2]
      (Segment(text='[INST]', control=True), Segment(text=' ', control=False))
    """

    bos: str | None
    turns: tuple[str, ...]
    before_prompt: str
    before_system: str
    after_system: str
    after_prompt: str
    next_turn: str
    stops: tuple[str, ...]
    before_response: str = ""
    default_system: str = ""
    system_last: bool = False

    @property
    def stop(self) -> str:
        """The control token that a response is trained to end with."""
        return self.stops[0]

    @property
    def pieces(self) -> tuple[str, ...]:
        """The control tokens that a tokenizer must have for this template, without duplicates."""
        every = (*([self.bos] if self.bos else []), *self.turns, *self.stops)
        return tuple(dict.fromkeys(every))

    def opening(self, system: str = "", turns: Turns = ()) -> tuple[Segment, ...]:
        """Return the segments before the prompt, without BOS.

        Args:
          system: the system message; if empty, `default_system` is used.
          turns: the earlier turns: pairs of a user's message and the model's reply.
        """
        system = system or self.default_system
        late = self._message(system) if self.system_last and turns else ()
        found = [*self._first(system if not late else "")]
        for asked, said in turns:
            found += [Segment(asked), *segments(self.after_prompt, self.turns)]
            found += [Segment(self.before_response + said)]
            found += segments(self.next_turn, self.pieces)
        return (*found, *late)

    def _first(self, system: str) -> tuple[Segment, ...]:
        """Return the segments before the user's first message, with the system message `system`."""
        if not system:
            return segments(self.before_prompt, self.turns)
        return (*segments(self.before_system, self.turns), *self._message(system))

    def _message(self, system: str) -> tuple[Segment, ...]:
        """Return the segments of a system message and of the text between it and the prompt.

        Return no segments if the message is empty.
        """
        return (Segment(system), *segments(self.after_system, self.turns)) if system else ()

    def prompt(self, text: str, system: str = "", turns: Turns = ()) -> tuple[Segment, ...]:
        """Return the segments before a response, up to the opening of the model's turn; no BOS.

        Args:
          text: the prompt.
          system: the system message; if empty, `default_system` is used.
          turns: the earlier turns: pairs of a user's message and the model's reply.
        """
        closing = segments(self.after_prompt, self.turns)
        return (*self.opening(system, turns), Segment(text), *closing)

    def response(self, text: str) -> tuple[Segment, ...]:
        """Return the segments of a response and its stop token."""
        return Segment(self.before_response + text), Segment(self.stop, True)

    def said(self, written: str) -> str:
        """Strip `before_response` from the beginning of the text that a model wrote."""
        return written.removeprefix(self.before_response)


@cache
def segments(text: str, turns: tuple[str, ...]) -> tuple[Segment, ...]:
    """Split a string of a template into segments at each of the control tokens in `turns`."""
    parts = re.split(f"({'|'.join(map(re.escape, turns))})", text)
    return tuple(Segment(part, part in turns) for part in parts if part)


TEMPLATES = {
    # https://ai.google.dev/gemma/docs/core/prompt-structure
    "gemma": Template(
        bos="<bos>",
        turns=("<start_of_turn>", "<end_of_turn>"),
        before_prompt="<start_of_turn>user\n",
        before_system="<start_of_turn>user\n",  # Gemma has no system turn
        after_system="\n\n",
        after_prompt="<end_of_turn>\n<start_of_turn>model\n",
        next_turn="<end_of_turn>\n<start_of_turn>user\n",
        stops=("<end_of_turn>", "<eos>"),
    ),
    # https://huggingface.co/Qwen/Qwen2.5-7B-Instruct: no BOS, always a system message
    "chatml": Template(
        bos=None,
        turns=("<|im_start|>", "<|im_end|>"),
        before_prompt="<|im_start|>user\n",
        before_system="<|im_start|>system\n",
        after_system="<|im_end|>\n<|im_start|>user\n",
        after_prompt="<|im_end|>\n<|im_start|>assistant\n",
        next_turn="<|im_end|>\n<|im_start|>user\n",
        stops=("<|im_end|>", "<|endoftext|>"),
        default_system="You are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
    ),
    # https://www.llama.com/docs/model-cards-and-prompt-formats/meta-llama-3
    "llama3": Template(
        bos="<|begin_of_text|>",
        turns=("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        before_prompt="<|start_header_id|>user<|end_header_id|>\n\n",
        before_system="<|start_header_id|>system<|end_header_id|>\n\n",
        after_system="<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n",
        after_prompt="<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
        next_turn="<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n",
        stops=("<|eot_id|>", "<|end_of_text|>"),
    ),
    # https://github.com/mistralai/mistral-common, version 3: each space begins a token
    "mistral": Template(
        bos="<s>",
        turns=("[INST]", "[/INST]"),
        before_prompt="[INST] ",
        before_system="[INST] ",
        after_system="\n\n",
        after_prompt="[/INST]",
        next_turn="</s>[INST] ",
        system_last=True,
        before_response=" ",
        stops=("</s>",),
    ),
}


def template(name: str) -> Template:
    """Return the template with this name, or raise an `InputError` that lists all templates."""
    if name not in TEMPLATES:
        raise unknown("template", name, TEMPLATES)
    return TEMPLATES[name]


def text_of(segments: tuple[Segment, ...]) -> str:
    """Join segments into one text; a control token is written as its name, such as `<eos>`."""
    return "".join([segment.text for segment in segments])
