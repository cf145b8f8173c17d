"""Chats to token ids and loss mask, in one pass.

Prompt and response are tokenised separately and joined. So the prompt's ids are a prefix by
construction, and no code has to search the ids for a marker to find the mask.
"""

from collections.abc import Sequence

import numpy as np

from tunix_rt_nb.models import Tokenizer
from tunix_rt_nb.render.examples import Examples
from tunix_rt_nb.trace import Chat, Form


def encode(chats: Sequence[Chat], tokenizer: Tokenizer, ids: Sequence[str]) -> Examples:
    """Tokenise chats: BOS and prompt (not trained), then the response and its stop (trained).

    Args:
      chats: one or more chats, all of one form.
      ids: the id of each example.

    Raises:
      InputError: the tokenizer lacks a piece of the template.
    """
    template = chats[0].form.template
    # Tokenise prompts and responses apart, so that no token spans the border between them: the
    # prompt ids are then a prefix, the same ids that generation starts from.
    prompts = encode_prompts([chat.asked for chat in chats], tokenizer, chats[0].form)
    said = tokenizer.literals([template.before_response + chat.said for chat in chats])
    # The stop piece is trained too: the model has to learn where to end.
    stop = [tokenizer.control(template.stop)]
    tokens: list[int] = []
    for prompt, response in zip(prompts, said, strict=True):
        tokens += prompt
        tokens += response
        tokens += stop
    # The mask is one number per example: tokens from the prompt's length on are trained.
    given = [len(prompt) for prompt in prompts]
    lengths = [n + len(response) + 1 for n, response in zip(given, said, strict=True)]
    return Examples.joined(list(ids), given, lengths, np.array(tokens, np.int32))


def encode_prompts(prompts: Sequence[str], tokenizer: Tokenizer, form: Form) -> list[list[int]]:
    """Tokenise prompts for generation: exactly the ids that precede a trained response."""
    # Head and tail are the same for all prompts and meet them at control pieces, where no token
    # can span the border. The lead is literal text, so it is tokenised with the prompt.
    head, tail = tokenizer.segments(form.head), tokenizer.segments(form.tail)
    return [head + ids + tail for ids in tokenizer.literals([form.lead + p for p in prompts])]
