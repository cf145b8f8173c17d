"""Text to ids and loss mask, together.

Prompt and response are tokenised separately and joined, so the ids of the prompt are a prefix by
construction and nothing has to search for a marker.
"""

from collections.abc import Sequence

import numpy as np

from tunix_rt_nb.models import Tokenizer
from tunix_rt_nb.render.examples import Examples
from tunix_rt_nb.trace import Chat, Form


def encode(chats: Sequence[Chat], tokenizer: Tokenizer, ids: Sequence[str]) -> Examples:
    """Tokenises chats: BOS and prompt (not trained), then the response and its stop (trained).

    Args:
      chats: one or more, all of one form.
      ids: what to call each example.

    Raises:
      InputError: the tokenizer lacks a piece of the template.
    """
    template = chats[0].form.template
    prompts = encode_prompts([chat.asked for chat in chats], tokenizer, chats[0].form)
    said = tokenizer.literals([template.before_response + chat.said for chat in chats])
    stop = [tokenizer.control(template.stop)]
    tokens: list[int] = []
    for prompt, response in zip(prompts, said, strict=True):
        tokens += prompt
        tokens += response
        tokens += stop
    given = [len(prompt) for prompt in prompts]
    lengths = [n + len(response) + 1 for n, response in zip(given, said, strict=True)]
    return Examples.joined(list(ids), given, lengths, np.array(tokens, np.int32))


def encode_prompts(prompts: Sequence[str], tokenizer: Tokenizer, form: Form) -> list[list[int]]:
    """The ids a model is given to answer: exactly those that stand before a trained response."""
    head, tail = tokenizer.segments(form.head), tokenizer.segments(form.tail)
    return [head + ids + tail for ids in tokenizer.literals([form.lead + p for p in prompts])]
