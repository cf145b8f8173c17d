"""Generation that is checked while it goes on: what is wrong is taken back and drawn again.

All rows write a few tokens, then a check looks at each answer. If it finds a part wrong, the row
keeps the tokens before this part. It draws the next ones at a temperature, until the check has
nothing against them. If the part fails too often, the answer is given up: the model abstains.
"""

import warnings
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from tunix.sft.sharding_utils import shard_input

from tunix_rt_nb.models import sampling
from tunix_rt_nb.models.devices import check_processes, devices_of
from tunix_rt_nb.models.folder import Model
from tunix_rt_nb.models.sampling import Answers
from tunix_rt_nb.models.tokenizer import Tokenizer
from tunix_rt_nb.trace import Generation

LOOK = 16  # tokens written between two looks
TRIES = 2  # draws of the same part of an answer, after the first one, before the model abstains
TEMPERATURE = 0.7  # at which a part is drawn again, if the rest is written at a lower one
_AGAIN = 2**31 - 1  # folded into a key for other draws; no number of tokens is as large


class Verdict(NamedTuple):
    """The finding of a check about an answer that is being written.

    Attributes:
      kept: the number of characters that hold, from the beginning of the text.
      wrong: True if the text after them is wrong; False if it is right or cannot be judged yet.
      earlier: the number of characters to keep if the same part fails again and again, because
        the mistake may lie before it; at most `kept`.
    """

    kept: int
    wrong: bool
    earlier: int


Check = Callable[[int, str, bool], Verdict]
"""A check, given the index of a prompt, the text of its answer so far, and whether it is whole."""


def generate(
    model: Model,
    tokenizer: Tokenizer,
    prompts: Sequence[Sequence[int]],
    stops: Sequence[str],
    max_new_tokens: int,
    check: Check,
    batch_size: int = 64,
    temperature: float = 0.0,
    seed: int = 0,
    tries: int = TRIES,
    known: Mapping[int, Generation] = MappingProxyType({}),
    on_batch: Callable[[dict[int, Generation]], None] = lambda written: None,
) -> list[Generation]:
    """Generate an answer to each prompt; take back what a check finds wrong, and draw it again.

    If the check finds nothing wrong, the answers are those of `sampling.generate`. What is taken
    back does not count against `max_new_tokens`.

    Args:
      model, tokenizer, prompts, stops, max_new_tokens, batch_size, temperature, seed, known,
        on_batch: as for `sampling.generate`.
      check: called every few tokens for each answer that is not finished.
      tries: how often the same part of an answer is drawn again before the model abstains.

    Returns:
      One generation per prompt, in the order of the prompts. `redrawn` counts the tokens that were
      taken back. An answer with `abstained` ends before the part that failed.

    Raises:
      InputError: JAX spans several processes.
    """
    check_processes("generation")
    ends = np.array([tokenizer.control(piece) for piece in stops])
    editor = _Editor(tokenizer, check, ends, tries, max_new_tokens)
    limit = sampling._bucket(max(map(len, prompts))) + max_new_tokens

    def answer(numbers: Sequence[int]) -> dict[int, Generation]:
        rows = sampling._shape(len(numbers), batch_size)
        ids = sampling._padded([prompts[i] for i in numbers], rows)
        keys = sampling._keys(seed, numbers, rows)
        drafts = [_Draft(number) for number in numbers]
        return dict(_answers(model, ids, keys, temperature, drafts, editor, limit))

    return sampling._in_batches(prompts, batch_size, known, on_batch, answer)


@dataclass
class _Draft:
    """An answer that is being written.

    Attributes:
      number: the index of its prompt.
      mark: the most tokens at which a part was taken back, or held after it was drawn again.
      tries: how often the part after the mark was taken back; above 0 while it is drawn again.
      redrawn: the number of tokens taken back so far.
      written: the answer, once it is finished.
    """

    number: int
    mark: int = -1
    tries: int = 0
    redrawn: int = 0
    written: Generation | None = None


class _Editor(NamedTuple):
    """The rules by which an answer goes on, is taken back, or is finished.

    Attributes:
      ends: int [n], the ids of the stop tokens.
      most: the most tokens of an answer.
    """

    tokenizer: Tokenizer
    check: Check
    ends: np.ndarray
    tries: int
    most: int

    def look(self, draft: _Draft, ids: np.ndarray, stopped: bool) -> int:
        """Have a draft checked; return how many of its tokens to keep.

        If the draft is finished, set its `written`.

        Args:
          draft: the draft.
          ids: int [n], its tokens.
          stopped: True if the last one is a stop token.
        """
        verdict = self.check(draft.number, self._text(ids, len(ids) - stopped), stopped)
        kept = self._kept(draft, ids, stopped, verdict)
        draft.redrawn += len(ids) - kept
        abstained = draft.tries > self.tries
        stopped &= kept == len(ids)
        if abstained or stopped or kept == self.most:
            n = kept - stopped
            whole = tuple(ids[:kept].tolist())
            draft.written = Generation(
                self._text(ids, n), n, stopped, whole, abstained, draft.redrawn
            )
        return kept

    def _kept(self, draft: _Draft, ids: np.ndarray, whole: bool, verdict: Verdict) -> int:
        if not verdict.wrong and (whole or not draft.tries):
            return len(ids)
        kept = self._within(ids, verdict.kept)
        beyond = kept > draft.mark
        if not verdict.wrong and not beyond:
            return len(ids)  # what is drawn again cannot be judged yet
        # The mark only ever rises, and each part after it has few tries: so the work is bounded.
        draft.mark = max(kept, draft.mark)
        draft.tries = (1 if beyond else draft.tries + 1) if verdict.wrong else 0
        if self.tries // 2 < draft.tries <= self.tries:
            return self._within(ids, verdict.earlier)
        return kept  # if all of it holds, what follows was still drawn at the higher temperature

    def _within(self, ids: np.ndarray, characters: int) -> int:
        """Return how many whole tokens the first characters of an answer have."""
        lengths = range(len(ids) + 1)
        return bisect_right(lengths, characters, key=lambda n: len(self._text(ids, n))) - 1

    def _text(self, ids: np.ndarray, n: int) -> str:
        return self.tokenizer.decode(ids[:n].tolist())


def _answers(
    model: Model,
    ids: np.ndarray,
    keys: jax.Array,
    temperature: float,
    drafts: Sequence[_Draft],
    editor: _Editor,
    limit: int,
) -> Iterator[tuple[int, Generation]]:
    """Generate a batch of answers; yield each with the index of its prompt once it is finished.

    Args:
      model, ids, keys, temperature, limit: as for `sampling._answers`.
      drafts: the drafts of the first rows of `ids`; the rows after them are fillers.
      editor: the rules.
    """
    # `rows` maps the rows still in the batch to rows of `ids`. Finished and unused rows are beyond
    # the drafts.
    rows, room, used = np.arange(len(ids)), sampling._room(ids.shape[1], limit), len(drafts)
    with devices_of(model) as mesh, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Tunix 0.1.7 with Flax 0.12
        split = len(ids) % mesh.shape["fsdp"] == 0
        placed = shard_input(ids, ("fsdp",)) if split else ids
        state = sampling.read(model, placed, rows >= used, keys, room=room, most=editor.most)
        write = nnx.cached_partial(sampling.write, model)  # else each look flattens the model anew
        while True:
            again = np.array([row < used and drafts[row].tries > 0 for row in rows.tolist()])
            heat = np.where(again, max(temperature, TEMPERATURE), temperature).astype(np.float32)
            state = write(state, editor.ends, 0, heat, LOOK)
            # Have the answers checked, and yield the finished ones.
            tokens = np.asarray(state.tokens)
            written, stopped = _lengths(tokens, np.asarray(state.at - state.first), editor.ends)
            done, kept = rows >= used, written.copy()
            for place in np.flatnonzero(~done).tolist():
                draft = drafts[int(rows[place])]
                ids_so_far = tokens[place, : written[place]]
                kept[place] = editor.look(draft, ids_so_far, bool(stopped[place]))
                if draft.written:
                    done[place] = True
                    yield draft.number, draft.written
            if done.all():
                return
            # Take back; the longest answer then ends where it would if nothing were taken back. So
            # the cache never needs more room than `limit`.
            at = ids.shape[1] - 1 + kept[~done].max()
            full = int(state.at) == room
            if full or (kept != written)[~done].any() or (done != state.done).any():
                before = np.take_along_axis(tokens, np.maximum(kept - 1, 0)[:, None], 1)[:, 0]
                last = np.where(kept > 0, before, ids[np.minimum(rows, len(ids) - 1), -1])
                state = _taken_back(state, kept, last, done, at)
            # Shrink the batch and grow the cache, as `sampling` does.
            fewer = np.argsort(done, kind="stable")[
                : sampling._shape(int((~done).sum()), len(rows))
            ]
            rows = np.where(done, len(ids), rows)
            longer = sampling._room(room, limit) if int(state.at) == room else room
            if len(fewer) < len(rows) or longer > room:
                rows, room = rows[fewer], longer
                state = sampling._chosen(state, fewer, room)


def _lengths(
    tokens: np.ndarray, written: np.ndarray, ends: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return how many tokens each answer has, its stop token included, and whether it has one.

    Args:
      tokens: int32 [rows, most]: the tokens of each answer, then tokens taken back earlier.
      written: int [rows], the number of tokens of each row, counted on after a stop token.
      ends: int [n], the ids of the stop tokens.
    """
    found = np.isin(tokens, ends) & (np.arange(tokens.shape[1]) < written[:, None])
    stopped = np.asarray(found.any(1))
    return np.where(stopped, found.argmax(1) + 1, np.minimum(written, tokens.shape[1])), stopped


@partial(jax.jit, donate_argnames="state")
def _taken_back(
    state: Answers, kept: jax.Array, last: jax.Array, done: jax.Array, at: jax.Array
) -> Answers:
    """Take back tokens of each answer, and move the rows so that all go on in the same slot.

    The slots of a row stay next to each other. So a sliding window, which counts slots, reaches as
    many tokens as it does in an answer of which nothing was taken back.

    Args:
      state: the batch; it is donated.
      kept: int [rows], how many tokens of each answer to keep.
      last: int [rows], the last token that is kept of each row, prompt included.
      done: bool [rows]: True for the rows that do not go on.
      at: the slot in which the rows go on.
    """
    rows, room = state.seen.shape
    # Forget the slots of the tokens taken back; positions and attention follow from `seen`.
    slots, end = jnp.arange(room), (state.first + kept)[:, None]
    seen = state.seen & (slots < end)
    # Roll each row; the slots that come round the end hold nothing.
    source = (slots - (at - end)) % room

    def rolled(x: jax.Array) -> jax.Array:
        if x.ndim == 1:  # `end_index`, one number per row
            return jnp.full_like(x, at)
        return jnp.take_along_axis(x, source.reshape(rows, room, *[1] * (x.ndim - 2)), 1)

    # Rows that lost tokens need other random draws than before.
    fresh = jax.vmap(partial(jax.random.fold_in, data=_AGAIN))(state.keys)
    keys = jnp.where(kept < state.at - state.first, fresh, state.keys)
    return state._replace(
        last=last.astype(jnp.int32),
        done=done,
        seen=rolled(seen),
        cache=jax.tree.map(rolled, state.cache),
        at=jnp.int32(at),
        first=(at - kept).astype(jnp.int32),
        keys=keys,
    )
