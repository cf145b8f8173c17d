"""The shapes of batches and caches in generation: few, because JAX compiles each one."""

from collections.abc import Sequence

import numpy as np

from tunix_rt_nb.models.tokenizer import PAD

BUCKET = 32  # prompts are padded to a multiple of this many tokens
ROOM = 256  # tokens per row in the first, shortest cache
FEWEST = 8  # rows in the smallest batch: with fewer, a decode step is no faster


def bucket(length: int) -> int:
    """Return the length to which a prompt is padded, in tokens."""
    return -(-length // BUCKET) * BUCKET


def rows_for(n: int, most: int) -> int:
    """Return how many rows to use for a batch of `n` answers, so that few rows are unused.

    Begin with `most` rows. Halve the number while it is even and the half is at least `n` and at
    least FEWEST, the rows of the smallest batch. JAX then compiles few shapes.
    """
    while most % 2 == 0 and most // 2 >= max(n, FEWEST):
        most //= 2
    return most


def room_for(length: int, limit: int) -> int:
    """Return the length of a cache, in tokens, that holds `length` tokens and at least BUCKET more.

    The length is ROOM times a power of 2, so that JAX compiles few shapes, but at most `limit`.
    BUCKET and ROOM are constants of this module.
    """
    room = ROOM
    while room < length + BUCKET:
        room *= 2
    return min(room, limit)


def limit_of(length: int, most: int) -> int:
    """Return the length of the longest cache, in tokens per row.

    When a cache of this length is full, the rows move; the BUCKET to spare lets them do so rarely.

    Args:
      length: the most tokens of a prompt.
      most: the most tokens of an answer.
    """
    return bucket(length) + most + BUCKET


def padded(prompts: Sequence[Sequence[int]], rows: int) -> np.ndarray:
    """Put prompts into an array, int32 [rows, length], padded on the left.

    All prompts then end in the same column, so every row puts its next token into the same slot of
    the cache. The length is a multiple of BUCKET, a constant of this module.

    Args:
      prompts: the token ids of each prompt.
      rows: the number of rows. If there are more rows than prompts, the last prompt is repeated.
    """
    ids = np.full((rows, bucket(max(map(len, prompts)))), PAD, np.int32)
    for row in range(rows):
        prompt = prompts[min(row, len(prompts) - 1)]
        ids[row, -len(prompt) :] = prompt
    return ids
