"""What must hold of every rendered example, whatever its trace says."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tunix_rt_nb.common import InputError
from tunix_rt_nb.models import Tokenizer
from tunix_rt_nb.render.examples import Examples
from tunix_rt_nb.trace import Chat, Said


def check(encoded: Examples, chats: Sequence[Chat], tokenizer: Tokenizer) -> None:
    """Holds the examples of some chats to the laws of their masks.

    One BOS, first (none where the template has none); no control token but the template's; at
    least one trained token; the trained tokens are the response and its stop, read back exactly;
    what comes before them is the prompt.

    Raises:
      InputError: names the trace and the law.
    """
    how, index = chats[0].form, encoded.index
    starts, ends = index["start"], index["start"] + index["length"]
    cuts = starts + index["prompt"]
    spelled, sizes = tokenizer.spell(encoded.tokens)
    byte = _before(sizes)
    prompts = _slices(spelled, byte[starts], byte[cuts])
    responses = _slices(spelled, byte[cuts], byte[ends])
    steers = np.isin(encoded.tokens, [*tokenizer.controls.values()])
    count = _before(steers)
    controls = _slices(encoded.tokens[steers].tolist(), count[starts], count[ends])
    first = encoded.tokens[starts]
    own = [
        tokenizer.controls[segment.text]
        for segment in (*how.head, *how.tail, *how.template.response(""))
        if segment.control
    ]
    bos, name = own[: how.template.bos is not None], how.template.bos or ""
    for n, (chat, found) in enumerate(zip(chats, controls, strict=True)):
        laws = {
            "one BOS, first": not bos or (first[n] == bos[0] and found.count(bos[0]) == 1),
            "at least one token is trained": cuts[n] < ends[n],
            "the trained text is the response and its stop": responses[n] == chat.trained.encode(),
            "the text before it is the prompt": prompts[n] == f"{name}{chat.given}".encode(),
            "no text is a control token": found == own,
        }
        for law, holds in laws.items():
            if not holds:
                raise InputError(f"trace {encoded[n].id}: cannot be rendered: broken law: {law}")


def _slices(whole: Any, starts: np.ndarray, ends: np.ndarray) -> list[Any]:
    return [whole[a:b] for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]


def _before(sizes: np.ndarray) -> np.ndarray:
    """How much comes before each place, and in all."""
    return np.concatenate([[0], np.cumsum(sizes)])


def check_text(chat: Chat, said: Said, trace_id: str) -> None:
    """Reads the text of a chat back and compares it with what it is to say.

    Raises:
      InputError: names the trace.
    """
    if chat.form.read(chat.text) != said:
        raise InputError(f"trace {trace_id}: cannot be rendered: its text reads back as another")
