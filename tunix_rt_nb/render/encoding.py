"""Encoding of chats as token ids with a loss mask.

Prompt and response are tokenised separately and joined. The loss mask begins where they meet, so
no code has to search the ids for a marker.
"""

from collections.abc import Sequence

import numpy as np

from tunix_rt_nb.models import Tokenizer
from tunix_rt_nb.render.examples import Examples
from tunix_rt_nb.trace import Chat, Form


def encode(chats: Sequence[Chat], tokenizer: Tokenizer, ids: Sequence[str]) -> Examples:
    """Tokenise chats: BOS and prompt (not trained), then response and stop token (trained).

    Args:
      chats: one or more chats, all with the same chat template.
      tokenizer: the tokenizer.
      ids: the id to give to the example of each chat.

    Raises:
      InputError: the tokenizer lacks a control token of the template.
    """
    template = chats[0].form.template
    # Tokenise prompts and responses apart, so that no token spans the border between them: the
    # prompt ids are then a prefix, the same ids that generation starts from.
    prompts = encode_prompts([(chat.form, chat.asked) for chat in chats], tokenizer)
    said = tokenizer.literals([template.before_response + chat.said for chat in chats])
    # The stop token is trained too: the model has to learn where to end.
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


def encode_prompts(asked: Sequence[tuple[Form, str]], tokenizer: Tokenizer) -> list[list[int]]:
    """Tokenise prompts for generation, exactly as `encode` does before a response.

    Args:
      asked: (form, prompt) pairs. The form holds the chat template, the system message and the
        earlier turns.
      tokenizer: the tokenizer.

    Returns:
      The token ids of each prompt.

    Raises:
      InputError: the tokenizer lacks a control token of the template.
    """
    # The head ends and the tail begins with a control token, so no token can span their borders
    # with the prompt. The lead is literal text, so it is tokenised with the prompt. Most prompts
    # share one form, so tokenise the head and tail of each form only once.
    around = {
        form: (tokenizer.segments(form.head), tokenizer.segments(form.tail))
        for form in dict.fromkeys(form for form, _ in asked)
    }
    ids = tokenizer.literals([form.lead + prompt for form, prompt in asked])
    ends = [around[form] for form, _ in asked]
    return [head + own + tail for (head, tail), own in zip(ends, ids, strict=True)]
