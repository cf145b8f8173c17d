"""Whether a file of records can be trained on: its form, its masks and arrays, two real steps."""

import heapq
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from zlib import crc32

import msgspec
import numpy as np

from tunix_rt_nb import files, laws
from tunix_rt_nb.chat import Chat, form
from tunix_rt_nb.errors import InputError
from tunix_rt_nb.examples import Examples
from tunix_rt_nb.packing import Rows, pack
from tunix_rt_nb.response import respond
from tunix_rt_nb.strict_json import MAX_LINE, check_length, why
from tunix_rt_nb.text import one_line
from tunix_rt_nb.tokens import Tokenizer, encode, train_tokenizer
from tunix_rt_nb.trace import Trace, parse_object

MAX_TOLD = 20  # bad lines told one by one
LONGEST = 2_048  # tokens of a sample that is trained on
STEPS = 2
_SFT = form("gemma", "numbered")
_GEMMA, _NUMBERED = _SFT.template, _SFT.style
_Full = Annotated[str, msgspec.Meta(min_length=1)]


class Check(NamedTuple):
    """What was looked at and what came of it; `right` is None where nothing was decided."""

    name: str
    right: bool | None
    told: str


class Smoked(NamedTuple):
    """What a file is like.

    Attributes:
      wrong: its bad lines, `file:line: field: reason`, or the first 20 and how many more.
    """

    form: str | None
    records: int
    wrong: list[str]
    checks: list[Check]

    @property
    def right(self) -> bool:
        """Whether nothing is wrong."""
        return all(check.right is not False for check in self.checks)


class _Record(msgspec.Struct):
    id: _Full
    metadata: dict[str, Any]

    def turns(self) -> tuple[str, str]:
        """What the user says and what the model answers; `InputError` says `field: reason`."""
        raise NotImplementedError


class _Sft(_Record):
    prompts: _Full
    final_answer: _Full

    def turns(self) -> tuple[str, str]:
        opening, turn = _GEMMA.before_prompt, _GEMMA.after_prompt
        ending = f"{_NUMBERED.middle}{self.final_answer}{_GEMMA.stop}"
        if not self.prompts.startswith(opening):
            raise InputError(f"prompts: does not begin with {opening!r}")
        if not self.prompts.endswith(ending):
            raise InputError(f"prompts: does not end with {one_line(repr(ending))}")
        said = self.prompts[len(opening) : -len(ending)]
        prompt, found, reasoning = said.rpartition(f"{turn}{_NUMBERED.opening}1. ")
        if found and reasoning.endswith("\n"):
            response = said[len(prompt) + len(turn) :] + _NUMBERED.middle + self.final_answer
        elif said.endswith(turn):  # a trace without steps
            prompt, response = said.removesuffix(turn), _NUMBERED.middle + self.final_answer
        else:
            raise InputError(f"prompts: has no {turn + _NUMBERED.opening + '1. '!r} with steps")
        return prompt, response


class _Trace(_Record):
    prompts: _Full
    trace_steps: list[str]
    final_answer: _Full

    def turns(self) -> tuple[str, str]:
        steps = [("step", content) for content in self.trace_steps]
        return self.prompts, respond(Trace.of(self.prompts, steps, self.final_answer))


class _Pair(_Record):
    prompt: _Full
    response: _Full

    def turns(self) -> tuple[str, str]:
        return self.prompt, self.response


class _Message(msgspec.Struct):
    role: str
    content: _Full


class _Messages(_Record):
    messages: list[_Message]

    def turns(self) -> tuple[str, str]:
        roles = [message.role for message in self.messages]
        if roles != ["user", "assistant"]:
            found = one_line(", ".join(roles), 60) or "none"
            raise InputError(f"messages: expected one user and one assistant turn, found {found}")
        return self.messages[0].content, self.messages[1].content


_FORMS: dict[str, type[_Record]] = {
    "tunix_sft": _Sft,
    "trace": _Trace,
    "training_example": _Pair,
    "messages": _Messages,
}


class _Sample(NamedTuple):
    id: str
    chat: Chat


def smoke(path: Path, samples: int = 8) -> Smoked:
    """Checks every line of a JSON lines file of records, then tokenises and trains on a few.

    Samples are chosen by the hash of their ids, tokenised with a tokenizer that is trained on them,
    and held to the laws of their masks; two steps of training follow, where its libraries are.

    Args:
      samples: how many.

    Raises:
      InputError: the file cannot be read.
    """
    reader = _Reader(path)
    drawn = heapq.nsmallest(samples, reader, key=lambda sample: crc32(sample.id.encode()))
    checks = [reader.check(), *reader.notes()]
    if drawn:
        checks += _check_samples(drawn)
    return Smoked(reader.form, reader.records, reader.wrong(), checks)


class _Reader:
    """The good records of a file as chats; takes note of the others."""

    def __init__(self, path: Path) -> None:
        self.form: str | None = None
        self.records = self._bad = self._marked = 0
        self._wrong: list[str] = []
        self._path = path
        self._ids: set[str] = set()

    def __iter__(self) -> Iterator[_Sample]:
        for number, line in enumerate(self._lines(), 1):
            self.records += 1
            try:
                record = self._parse(line)
                prompt, response = record.turns()
            except (InputError, ValueError, RecursionError) as error:
                told = str(error) if isinstance(error, InputError) else why(error, line)
                self._add(number, told.replace("trace: ", "record: ", 1))
                continue
            if record.id in self._ids:
                self._add(number, f"id: {one_line(record.id, 60)} is there a second time")
                continue
            self._ids.add(record.id)
            self._marked += any(piece in prompt + response for piece in _GEMMA.pieces)
            yield _Sample(record.id, Chat(_SFT, prompt, response))

    def _lines(self) -> Iterator[bytes]:
        try:
            with self._path.open("rb") as file:
                yield from files.lines(file, MAX_LINE)
        except OSError as error:
            raise InputError(f"{self._path}: cannot be read: {error.strerror}") from None

    def _parse(self, line: bytes) -> _Record:
        if self.form is None:
            self.form = form_of(parse_object(line))
        check_length(line)
        return msgspec.json.decode(line, type=_FORMS[self.form])

    def _add(self, number: int, reason: str) -> None:
        self._bad += 1
        if self._bad <= MAX_TOLD:
            self._wrong.append(f"{self._path}:{number}: {reason}")

    def wrong(self) -> list[str]:
        """The bad lines."""
        more = self._bad - len(self._wrong)
        return [*self._wrong, f"and {more:,} more bad lines"] if more else self._wrong

    def check(self) -> Check:
        """Whether all lines are records of one form."""
        if not self.records:
            return Check("records", False, "there is none")
        if self._bad:
            return Check("records", False, f"{self._bad:,} of {self.records:,} lines are bad")
        told = f"{self.records:,} of the form {self.form}, each with an id of its own"
        return Check("records", True, told)

    def notes(self) -> Iterator[Check]:
        """What others may stumble over."""
        if self.form == "tunix_sft" and not self._bad:
            yield Check("template", True, "every text begins, turns and ends as Gemma's does")
        if self._marked:
            told = f"{self._marked:,} records have one inside their text, which only a trainer"
            yield Check("markers", None, f"{told} that tokenises turn by turn can tell")


def form_of(record: dict[str, Any]) -> str:
    """The form whose fields a record has.

    Raises:
      InputError: there is none.

    Example:
      >>> form_of({"id": "1", "prompt": "2 + 2?", "response": "Answer: 4", "metadata": {}})
      'training_example'
    """
    fields = {form: kind.__struct_fields__ for form, kind in _FORMS.items()}
    lacks = {form: [name for name in names if name not in record] for form, names in fields.items()}
    # the fields of `tunix_sft` are some of those of `trace`, so of two the larger one is meant
    nearest = min(lacks, key=lambda form: (len(lacks[form]), -len(fields[form])))
    if lacks[nearest]:
        raise InputError(f"{lacks[nearest][0]}: Field required, the nearest form is {nearest}")
    return nearest


def _check_samples(samples: Sequence[_Sample]) -> Iterator[Check]:
    chats = [chat for _, chat in samples]
    segments = [s for chat in chats for s in (*chat.prompt, *chat.response)]
    tokenizer = Tokenizer(train_tokenizer((s.text for s in segments if not s.control), 512))
    try:
        examples = encode(chats, tokenizer, [sample.id for sample in samples])
        laws.check(examples, chats, tokenizer)
    except InputError as error:
        yield Check("masks", False, str(error))
        return
    lengths = examples.index["length"]
    total, trained = lengths.sum(), (lengths - examples.index["prompt"]).sum()
    told = f"{len(examples)} samples, {trained:,} of {total:,} tokens trained: every response to"
    yield Check("masks", True, f"{told} its stop, no prompt, one BOS")
    short = examples.chosen(lengths <= LONGEST)
    if not len(short):
        yield Check("arrays", False, f"all samples have over {LONGEST:,} tokens")
        return
    rows = pack(short, -(-int(short.index["length"].max()) // 64) * 64)
    yield _check_arrays(rows, short, len(examples))
    yield _train(rows, tokenizer)


def _check_arrays(rows: Rows, examples: Examples, of: int) -> Check:
    arrays = rows.arrays(np.arange(len(rows)))
    lengths, shape = examples.index["length"], (len(rows), rows.length)
    right = (
        all(array.shape == shape for array in arrays.values())
        and (arrays["segments"] > 0).sum() == lengths.sum()
        and arrays["trained"].sum() == (lengths - examples.index["prompt"]).sum()
    )
    few = f"; {of - len(examples)} samples have over {LONGEST:,} tokens" * (of > len(examples))
    told = f"tokens, segments, positions and trained are [{shape[0]}, {shape[1]}]"
    return Check("arrays", bool(right), f"{told}, {rows.fill:.0%} full{few}")


def _train(rows: Rows, tokenizer: Tokenizer) -> Check:
    """Trains the tiny model as the train notebook does."""
    try:
        from tunix_rt_nb import models, sft
    except ModuleNotFoundError as error:
        told = f"not done, {error.name} is missing: pip install -e '.[train]'"
        return Check("training", None, told)
    with tempfile.TemporaryDirectory() as name:
        base = models.create("tiny", tokenizer, 0, Path(name) / "base")
        model, _ = models.load(base)
        config = sft.SftConfig.of(steps=STEPS, batch_size=min(2, len(rows)), warmup_steps=1)
        try:
            metrics = sft.train(model, rows, rows, config, Path(name))
        except InputError as error:  # a loss that is not a number
            return Check("training", False, str(error))
    losses = ", ".join(f"{line['loss']:.3f}" for line in metrics if "loss" in line)
    return Check("training", True, f"{STEPS} steps of the tiny model, loss {losses}")
