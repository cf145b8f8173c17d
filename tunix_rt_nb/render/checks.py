"""The laws that every tokenised example must obey, whatever the text of its trace is."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tunix_rt_nb.common import InputError
from tunix_rt_nb.models import Tokenizer
from tunix_rt_nb.render.examples import Examples
from tunix_rt_nb.trace import Chat, Form


def check(encoded: Examples, chats: Sequence[Chat], tokenizer: Tokenizer) -> None:
    """Check that tokenised chats obey the laws of the loss mask.

    The laws: one BOS, at the start (none if the chat template has none); no control tokens but
    those of the template; at least one trained token; the trained tokens spell exactly the response
    and its stop token; the tokens before them spell the prompt.

    Args:
      encoded: the tokenised chats.
      chats: the chat of each example in `encoded`, all with the same chat template.
      tokenizer: the tokenizer that encoded them.

    Raises:
      InputError: an example breaks a law; the message names the trace and the law.
    """
    template, index = chats[0].form.template, encoded.index
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
    own = {form: _controls(form, tokenizer) for form in dict.fromkeys(chat.form for chat in chats)}
    name = template.bos or ""
    bos = [tokenizer.controls[name]] if name else []
    for n, (chat, found) in enumerate(zip(chats, controls, strict=True)):
        laws = {
            "BOS is first, once": not bos or (first[n] == bos[0] and found.count(bos[0]) == 1),
            "at least one token is trained": cuts[n] < ends[n],
            "the trained text is the response and its stop": responses[n] == chat.trained.encode(),
            "the text before it is the prompt": prompts[n] == f"{name}{chat.given}".encode(),
            "no text is a control token": found == own[chat.form],
        }
        for law, holds in laws.items():
            if not holds:
                raise InputError(
                    f"trace {encoded[n].id}: cannot be rendered, it breaks this law: {law}"
                )


def _controls(form: Form, tokenizer: Tokenizer) -> list[int]:
    """Return the ids of the control tokens that a chat must have, in order.

    Args:
      form: the chat's template, style, system message and earlier turns.
      tokenizer: the tokenizer.
    """
    every = (*form.head, *form.tail, *form.template.response(""))
    return [tokenizer.controls[segment.text] for segment in every if segment.control]


def _slices(whole: Any, starts: np.ndarray, ends: np.ndarray) -> list[Any]:
    return [whole[a:b] for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]


def _before(sizes: np.ndarray) -> np.ndarray:
    """Return running sums of some sizes: entry `i` is the sum of the first `i` sizes.

    Returns:
      int [len(sizes) + 1]; the last entry is the sum of all sizes.
    """
    return np.concatenate([[0], np.cumsum(sizes)])
