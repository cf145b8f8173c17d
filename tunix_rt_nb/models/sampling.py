"""Generation: answers to many prompts, with few array shapes for JAX to compile."""

import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import jax
import numpy as np
from flax import nnx
from tunix.sft.sharding_utils import shard_input

from tunix_rt_nb.models import answers, shapes
from tunix_rt_nb.models.devices import check_processes, devices_of, mesh_of
from tunix_rt_nb.models.folder import Model
from tunix_rt_nb.models.tokenizer import Tokenizer
from tunix_rt_nb.trace import Generation

CHUNK = 4  # batches after which the rows begin anew; a killed call repeats at most twice as many
_FREE = -1


class Look(NamedTuple):
    """What becomes of an answer that was looked at while it is being written.

    Attributes:
      kept: the number of its tokens to keep; the others are taken back.
      temperature: that of the tokens to come.
      written: the answer, if it is finished.
    """

    kept: int
    temperature: float
    written: Generation | None = None


class Order(NamedTuple):
    """What is asked of a model, for all prompts of a call.

    Attributes:
      prompts: the token ids of each prompt.
      ends: int [n], the ids of the stop tokens.
      most: the most tokens of an answer.
      rows: the most answers that are written at a time.
      seed: seeds the random draws.
      temperature: that of the first tokens of each answer.
      look: called with the index of a prompt, the tokens of its answer so far, and whether the last
        of them is a stop token.
      steps: the number of tokens between two looks; an answer is looked at earlier if others have
        finished.
    """

    prompts: Sequence[Sequence[int]]
    ends: np.ndarray
    most: int
    rows: int
    seed: int
    temperature: float
    look: Callable[[int, np.ndarray, bool], Look]
    steps: int


def generate(
    model: Model,
    tokenizer: Tokenizer,
    prompts: Sequence[Sequence[int]],
    stops: Sequence[str],
    max_new_tokens: int,
    batch_size: int = 64,
    temperature: float = 0.0,
    seed: int = 0,
    known: Mapping[int, Generation] = MappingProxyType({}),
    on_answers: Callable[[dict[int, Generation]], None] = lambda written: None,
) -> list[Generation]:
    """Generate an answer to each prompt, up to a stop token or `max_new_tokens`.

    When some answers of a batch have stopped, the next prompts take their rows. When no prompt is
    left and half of the rows are free, the other half goes on in a smaller batch. The cache doubles
    whenever it is full, so a decode step attends to few empty slots. Random draws depend on the
    seed and the prompt's index, not on the batch.

    Args:
      model: the model.
      tokenizer: its tokenizer.
      prompts: the token ids of each prompt, from BOS to the tokens that open the model's turn.
      stops: the control tokens that end an answer, such as `<end_of_turn>`.
      max_new_tokens: the most tokens of an answer, its stop token included.
      batch_size: the most answers at a time.
      temperature: 0 takes the likeliest token each time, 1 samples from the model's distribution.
      seed: seeds the random draws.
      known: answers from an earlier call: index in `prompts` -> answer. The prompts are answered in
        chunks of a few batches. A chunk is skipped only if all its answers are known, so that the
        other answers are written beside the same ones as before.
      on_answers: called whenever some answers are finished: index in `prompts` -> answer.

    Returns:
      One generation per prompt, in the order of the prompts: the text, its number of tokens,
      whether a stop token ended it, and the token ids.

    Raises:
      InputError: JAX spans several processes.
    """
    ends = np.array([tokenizer.control(piece) for piece in stops])

    def look(number: int, ids: np.ndarray, stopped: bool) -> Look:
        if not stopped and len(ids) < max_new_tokens:
            return Look(len(ids), temperature)
        return Look(len(ids), temperature, generation(ids, stopped, tokenizer))

    order = Order(
        prompts, ends, max_new_tokens, batch_size, seed, temperature, look, answers.UNBOUNDED
    )
    return fulfil(model, order, known, on_answers)


def generation(ids: np.ndarray, stopped: bool, tokenizer: Tokenizer) -> Generation:
    """Return an answer, given its tokens and whether the last one is a stop token."""
    text = tokenizer.decode(ids[: len(ids) - stopped].tolist())
    return Generation(text, len(ids) - stopped, stopped, tuple(ids.tolist()))


def fulfil(
    model: Model,
    order: Order,
    known: Mapping[int, Generation],
    on_answers: Callable[[dict[int, Generation]], None],
) -> list[Generation]:
    """Answer prompts chunk by chunk, shortest prompts first; skip chunks that are known.

    Args:
      model, known, on_answers: as for `generate`.
      order: what is asked.
    """
    check_processes("generation")
    # Sort by length, so that the prompts of a batch need little padding.
    numbers = sorted(range(len(order.prompts)), key=lambda i: len(order.prompts[i]))
    written: dict[int, Generation] = {}
    for some in np.array_split(numbers, max(1, len(numbers) // (CHUNK * order.rows))):
        chunk = some.tolist()
        if all(i in known for i in chunk):
            written |= {i: known[i] for i in chunk}
            continue
        for new in _answers(model, order, chunk):
            if new:
                on_answers(new)
                written |= new
    return [written[i] for i in range(len(order.prompts))]


def _answers(model: Model, order: Order, numbers: Sequence[int]) -> Iterator[dict[int, Generation]]:
    """Answer some prompts; yield finished answers while others are still being written.

    Args:
      model, order: as for `fulfil`.
      numbers: the indices of the prompts, shortest prompt first.
    """
    with devices_of(model), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Tunix 0.1.7 with Flax 0.12
        writing = _Writing(model, order, numbers)
        while True:
            writing.write()
            yield writing.look()
            if not writing.used.any() and not writing.waiting:
                return
            writing.refill()
            writing.shrink()
            writing.move(0)


class _Writing:
    """A batch of answers while it is written, with the prompts that wait for a row.

    Args:
      model, order, numbers: as for `_answers`.

    Attributes:
      waiting: the indices of the prompts that have no row yet.
      places: int [rows], the index of the prompt that each row answers; _FREE for none.
      heat: float32 [rows], the temperature of each row.
      state: the batch on the devices.
    """

    def __init__(self, model: Model, order: Order, numbers: Sequence[int]) -> None:
        rows = shapes.rows_for(len(numbers), order.rows)
        self.order = order
        self._model, self._shares = nnx.split(model), mesh_of(model).shape["fsdp"]
        self.limit = shapes.limit_of(max(map(len, order.prompts)), order.most)
        self.places, self.waiting = np.full(rows, _FREE), deque(numbers[rows:])
        self.places[: len(numbers)] = numbers[:rows]
        self.heat = np.full(rows, order.temperature, np.float32)
        self.state = self._read(numbers[:rows], rows, self.limit)

    @property
    def used(self) -> np.ndarray:
        """Bool [rows]: True for the rows whose answer is being written."""
        return np.asarray(self.places != _FREE)

    @property
    def _group(self) -> int:
        """The number of prompts that begin together, so that JAX compiles few shapes."""
        return min(shapes.FEWEST, len(self.places))

    def write(self) -> None:
        """Write until it pays to give free rows away or to have fewer, or until the next look."""
        rows = len(self.places)
        if self.waiting:
            fewest = rows - min(self._group, len(self.waiting))
        else:
            fewest = rows // 2 if shapes.rows_for(1, rows) < rows else 0
        ends, steps = self.order.ends, self.order.steps
        self.state = answers.write(self._model, self.state, ends, fewest, self.heat, steps)

    def look(self) -> dict[int, Generation]:
        """Look at each answer; take back what is not to be kept, and return what is finished."""
        state, tokens = self.state, np.asarray(self.state.tokens)
        counts, stopped = _lengths(tokens, np.asarray(state.at - state.first), self.order.ends)
        finished, back = {}, []
        for place in np.flatnonzero(self.used).tolist():
            number, ids = int(self.places[place]), tokens[place, : counts[place]]
            kept, self.heat[place], written = self.order.look(number, ids, bool(stopped[place]))
            if written:
                finished[number], self.places[place] = written, _FREE
            elif kept < len(ids):
                last = ids[kept - 1] if kept else self.order.prompts[number][-1]
                back.append((place, kept, last))
        for start in range(0, len(back), self._group):
            some = back[start : start + self._group]
            some += some[-1:] * (self._group - len(some))
            state = answers.taken_back(state, *map(np.array, zip(*some, strict=True)))
        self.state = state._replace(done=jax.device_put(~self.used, state.done.sharding))
        return finished

    def refill(self) -> None:
        """Give free rows to waiting prompts, a group at a time."""
        while waiting := self.waiting:
            n = min(self._group, len(waiting))
            free = np.flatnonzero(~self.used)[:n]
            if len(free) < n:
                return
            numbers = [waiting.popleft() for _ in range(n)]
            length = shapes.bucket(max(len(self.order.prompts[i]) for i in numbers))
            self.move(length - 1)
            new = self._read(numbers, self._group)
            places = np.pad(free, (0, self._group - n), "edge")
            self.state = answers.filled(self.state, new, places)
            self.places[free], self.heat[free] = numbers, self.order.temperature

    def shrink(self) -> None:
        """Have fewer rows, if no prompt waits: unfinished rows come first, free ones fill up."""
        rows = shapes.rows_for(int(self.used.sum()), len(self.places))
        if not self.waiting and rows < len(self.places):
            chosen = np.argsort(~self.used, kind="stable")[:rows]
            self.places, self.heat = self.places[chosen], self.heat[chosen]
            self.state = answers.chosen(self.state, chosen, self.state.seen.shape[1])

    def move(self, least: int) -> None:
        """Let the rows go on in slot `least` or a later one, with at least one free slot.

        The cache grows only when it is full; empty slots slow down each decoding step.
        """
        at, room = int(self.state.at), self.state.seen.shape[1]
        if least <= at < room:
            return
        prompts, used = self.order.prompts, np.flatnonzero(self.used)
        lengths = [len(prompts[i]) - 1 for i in self.places[used].tolist()]
        written = np.asarray(self.state.at - self.state.first)[used]
        lowest = max([least, *(lengths + written).tolist()])
        if lowest + shapes.BUCKET > room and room < self.limit:
            room = shapes.room_for(lowest, self.limit)
            self.state = answers.chosen(self.state, np.arange(len(self.places)), room)
        if not least <= at < room:
            self.state = answers.moved(self.state, lowest)

    def _read(self, numbers: Sequence[int], rows: int, limit: int = 0) -> answers.Answers:
        """Read prompts into a new batch, whose cache can grow up to `limit`, or not at all."""
        ids = shapes.padded([self.order.prompts[i] for i in numbers], rows)
        keys = answers.keys_of(self.order.seed, numbers, rows)
        length = ids.shape[1]
        if rows % self._shares == 0:
            ids = shard_input(ids, ("fsdp",))
        room = shapes.room_for(length, limit) if limit else length
        done = np.arange(rows) >= len(numbers)
        return answers.read(self._model, ids, done, keys, room=room, most=self.order.most)


def _lengths(
    tokens: np.ndarray, written: np.ndarray, ends: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return how many tokens each answer has, its stop token included, and whether it has one.

    Args:
      tokens: int32 [rows, most]: the tokens of each answer, then what means nothing.
      written: int [rows], the number of tokens of each row, counted on after a stop token.
      ends: int [n], the ids of the stop tokens.
    """
    found = np.isin(tokens, ends) & (np.arange(tokens.shape[1]) < written[:, None])
    stopped = np.asarray(found.any(1))
    return np.where(stopped, found.argmax(1) + 1, np.minimum(written, tokens.shape[1])), stopped
