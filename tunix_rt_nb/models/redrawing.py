"""Generation that is checked while it goes on: what is wrong is taken back and drawn again.

All rows write a few tokens, then a check looks at each answer. If it finds a part wrong, the row
keeps the tokens before this part. It draws the next ones at a temperature, until the check has
nothing against them. If the part fails too often, the answer is given up: the model abstains.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from tunix_rt_nb.models import sampling
from tunix_rt_nb.models.folder import Model
from tunix_rt_nb.models.sampling import Look, Order
from tunix_rt_nb.models.tokenizer import Tokenizer
from tunix_rt_nb.trace import Generation

LOOK = 16  # tokens written between two looks
TRIES = 2  # draws of the same part of an answer, after the first one, before the model abstains
TEMPERATURE = 0.7  # at which a part is drawn again, if the rest is written at a lower one


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
    on_answers: Callable[[dict[int, Generation]], None] = lambda written: None,
) -> list[Generation]:
    """Generate an answer to each prompt; take back what a check finds wrong, and draw it again.

    If the check finds nothing wrong, the answers are those of `sampling.generate`. What is taken
    back does not count against `max_new_tokens`.

    Args:
      model, tokenizer, prompts, stops, max_new_tokens, batch_size, temperature, seed, known,
        on_answers: as for `sampling.generate`.
      check: called every few tokens for each answer that is not finished.
      tries: how often the same part of an answer is drawn again before the model abstains.

    Returns:
      One generation per prompt, in the order of the prompts. `redrawn` counts the tokens that were
      taken back. An answer with `abstained` ends before the part that failed.

    Raises:
      InputError: JAX spans several processes.
    """
    ends = np.array([tokenizer.control(piece) for piece in stops])
    editor = _Editor(tokenizer, check, tries, max_new_tokens)
    drafts: dict[int, _Draft] = defaultdict(_Draft)

    def look(number: int, ids: np.ndarray, stopped: bool) -> Look:
        draft = drafts[number]
        kept, written = editor.look(number, draft, ids, stopped)
        heat = max(temperature, TEMPERATURE) if draft.tries else temperature
        return Look(kept, heat, written)

    order = Order(prompts, ends, max_new_tokens, batch_size, seed, temperature, look, LOOK)
    return sampling.fulfil(model, order, known, on_answers)


@dataclass
class _Draft:
    """An answer that is being written.

    Attributes:
      mark: the most tokens at which a part was taken back, or held after it was drawn again.
      tries: how often the part after the mark was taken back; above 0 while it is drawn again.
      redrawn: the number of tokens taken back so far.
    """

    mark: int = -1
    tries: int = 0
    redrawn: int = 0


class _Editor(NamedTuple):
    """The rules by which an answer goes on, is taken back, or is finished.

    Attributes:
      tokenizer, check, tries: as for `generate`.
      most: the most tokens of an answer.
    """

    tokenizer: Tokenizer
    check: Check
    tries: int
    most: int

    def look(
        self, number: int, draft: _Draft, ids: np.ndarray, stopped: bool
    ) -> tuple[int, Generation | None]:
        """Have a draft checked; return how many of its tokens to keep, and the finished answer.

        Args:
          number: the index of its prompt.
          draft: the draft.
          ids: int [n], its tokens.
          stopped: True if the last one is a stop token.
        """
        verdict = self.check(number, self._text(ids, len(ids) - stopped), stopped)
        kept = self._kept(draft, ids, stopped, verdict)
        draft.redrawn += len(ids) - kept
        abstained = draft.tries > self.tries
        stopped &= kept == len(ids)
        if not (abstained or stopped or kept == self.most):
            return kept, None
        written = sampling.generation(ids[:kept], stopped, self.tokenizer)
        return kept, written._replace(abstained=abstained, redrawn=draft.redrawn)

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
