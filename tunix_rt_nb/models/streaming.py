"""Generation of one answer that can be read while it is written."""

import warnings
from collections.abc import Iterator, Sequence

import numpy as np
from flax import nnx

from tunix_rt_nb.models import answers, sampling, shapes
from tunix_rt_nb.models.devices import check_processes, devices_of
from tunix_rt_nb.models.folder import Model
from tunix_rt_nb.models.tokenizer import Tokenizer
from tunix_rt_nb.trace import Generation

TOKENS = 4  # written between two looks; with fewer, the looks take longer than the tokens
_CUT_OFF = "\ufffd"  # what a character becomes of whose bytes only some are written


def stream(
    model: Model,
    tokenizer: Tokenizer,
    prompt: Sequence[int],
    stops: Sequence[str],
    max_new_tokens: int,
    temperature: float = 0.0,
    seed: int = 0,
) -> Iterator[tuple[Generation, bool]]:
    """Generate an answer to one prompt, and yield it again and again, each time a bit longer.

    Yield pairs: the answer so far, and whether it is whole. The last one is whole, and the same
    that `sampling.generate` returns for this prompt alone, up to rounding.

    Args:
      model, tokenizer, stops, max_new_tokens, temperature, seed: as for `sampling.generate`.
      prompt: the token ids of the prompt.

    Raises:
      InputError: JAX spans several processes.
    """
    check_processes("generation")
    ends = np.array([tokenizer.control(piece) for piece in stops])
    ids = shapes.padded([prompt], 1)
    limit = shapes.limit_of(len(prompt), max_new_tokens)
    room = shapes.room_for(ids.shape[1], limit)
    with devices_of(model), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Tunix 0.1.7 with Flax 0.12
        none, keys = np.zeros(1, bool), answers.keys_of(seed, [0], 1)
        split = nnx.split(model)
        state = answers.read(split, ids, none, keys, room=room, most=max_new_tokens)
        n = 0
        while n < max_new_tokens:
            state = answers.write(split, state, ends, 0, temperature, TOKENS)
            n = int(state.at - state.first[0])
            ids = np.asarray(state.tokens)[0, :n]
            found = sampling.generation(ids, bool(np.isin(ids[-1], ends)), tokenizer)
            if found.stopped or n == max_new_tokens:
                yield found, True
                return
            yield found._replace(text=found.text.rstrip(_CUT_OFF)), False
            if int(state.at) == room:
                room = shapes.room_for(room, limit)
                state = answers.chosen(state, np.arange(1), room)
