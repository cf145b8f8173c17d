"""Batched generation: many prompts in, many responses out, one compilation."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from tunix.generate import sampler as tunix_sampler

from tunix_rt_nb.models import gemma3
from tunix_rt_nb.tokens import Tokenizer


class Generation(NamedTuple):
    """What a model wrote, without its stop token; `stopped` is False where it ran out of room."""

    text: str
    tokens: int
    stopped: bool


class _IdSampler(tunix_sampler.Sampler):
    """Tunix's sampler over ids of our own making: a prompt's text never becomes a control token."""

    def tokenize(self, ids: Sequence[int]) -> np.ndarray:
        return np.asarray(ids, np.int32)


class _Adapter:
    """What the sampler asks of a tokenizer."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.decode = tokenizer.decode
        self._controls = tokenizer.controls

    def encode(self, text: str) -> list[int]:
        raise NotImplementedError("prompts come as ids")

    def bos_id(self) -> int:
        return self._controls["<bos>"]

    def eos_id(self) -> int:
        return self._controls["<eos>"]

    def pad_id(self) -> int:
        return self._controls["<pad>"]


def sampler(model: gemma3.Gemma3, tokenizer: Any, room: int) -> tunix_sampler.Sampler:
    """Tunix's sampler of a model, for prompts that come as ids.

    Args:
      tokenizer: with the methods of `_Adapter`.
      room: tokens of a prompt and its answer.
    """
    config = model.config
    cache = tunix_sampler.CacheConfig(room, config.num_layers, config.num_kv_heads, config.head_dim)
    return _IdSampler(model, tokenizer, cache)


def generate(
    model: gemma3.Gemma3,
    tokenizer: Tokenizer,
    prompts: Sequence[Sequence[int]],
    stops: Sequence[str],
    max_new_tokens: int,
    batch_size: int = 64,
    on_batch: Callable[[int], None] = lambda done: None,
) -> list[Generation]:
    """Answers prompts greedily, `batch_size` at a time, each until one of the stop pieces.

    Args:
      prompts: the ids of each prompt, from BOS to the opening of the model's turn.
      on_batch: called with the number of prompts answered so far.

    Returns:
      One generation a prompt, in the order of the prompts.
    """
    longest = max(map(len, prompts))
    made = sampler(model, _Adapter(tokenizer), longest + max_new_tokens)
    ends = [tokenizer.control(piece) for piece in stops]
    written: list[Generation] = []
    for start in range(0, len(prompts), batch_size):
        batch = list(prompts[start : start + batch_size])
        filled = batch + [batch[-1]] * (batch_size - len(batch))  # one shape, one compilation
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            output = made(filled, max_new_tokens, max_prompt_length=longest, eos_tokens=ends)
        for ids in output.tokens[: len(batch)]:
            stopped = len(ids) < max_new_tokens
            written.append(Generation(tokenizer.decode(ids), len(ids), stopped))
        on_batch(len(written))
    return written
