"""The laws that every rendered example must obey, whatever its trace says."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tunix_rt_nb.common import InputError
from tunix_rt_nb.models import Tokenizer
from tunix_rt_nb.render.examples import Examples
from tunix_rt_nb.trace import Chat, Said


def check(encoded: Examples, chats: Sequence[Chat], tokenizer: Tokenizer) -> None:
    """Check the examples of some chats against the laws of their masks.

    The laws: one BOS, at the start (none if the template has none); no control tokens but the
    template's; at least one trained token; the trained tokens spell the response and its stop
    exactly; the tokens before them spell the prompt.

    Args:
      encoded: the examples.
      chats: the chat of each example, all of one form.
      tokenizer: the tokenizer that encoded them.

    Raises:
      InputError: an example breaks a law; the message names the trace and the law.
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
    """Return the sum of the sizes before each place, and the total at the end."""
    return np.concatenate([[0], np.cumsum(sizes)])


def check_text(chat: Chat, said: Said, trace_id: str) -> None:
    """Check that the text of a chat reads back as what it should say.

    Raises:
      InputError: it reads back as something else; the message names the trace.
    """
    if chat.form.read(chat.text) != said:
        raise InputError(f"trace {trace_id}: cannot be rendered: its text reads back as another")
