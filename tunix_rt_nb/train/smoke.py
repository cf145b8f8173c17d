"""Check of a file of records: its format, its masks and arrays, and two real training steps."""

import heapq
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import msgspec
import numpy as np

from tunix_rt_nb.common import InputError, one_line, strict_json
from tunix_rt_nb.models import Tokenizer, train_tokenizer
from tunix_rt_nb.render import Examples, Rows, checks, encode, pack
from tunix_rt_nb.trace import Chat, Said, formats, inputs, parse_object

MAX_TOLD = 20  # bad lines listed one by one; the others are only counted
LONGEST = 2_048  # tokens; a longer sample takes no part in the training steps
STEPS = 2


class Check(NamedTuple):
    """The result of one named check.

    Attributes:
      right: True if the check passed, False if it failed, None if it is undecided.
      told: one line that explains it.
    """

    name: str
    right: bool | None
    told: str


class Smoked(NamedTuple):
    """The findings about a file.

    Attributes:
      form: the format of its records; None if no line is a record of a known format.
      records: the number of records, bad ones included.
      wrong: the first 20 bad lines, each as `file:line: field: reason`. If there are more, the last
        item says how many.
      checks: the checks, in the order they ran. The first covers every record. The others cover a
        few samples: their loss masks, their arrays, and a short training run on them.
    """

    form: str | None
    records: int
    wrong: list[str]
    checks: list[Check]

    @property
    def right(self) -> bool:
        """True if no check failed."""
        return all(check.right is not False for check in self.checks)


class _Sample(NamedTuple):
    id: str
    chat: Chat


def smoke(path: Path, samples: int = 8) -> Smoked:
    """Check every line of a JSON lines file of records, then tokenise a few and train on them.

    The samples to tokenise are the records whose ids have the lowest hashes. Train a new tokenizer
    on the text of the samples, tokenise them with it, and check their loss masks by the laws of
    `render.checks`. Then train for two steps, if the libraries for training are installed.

    Args:
      path: the file of records.
      samples: how many records to tokenise and train on.

    Raises:
      InputError: the file cannot be read.
    """
    reader = _Reader(path)
    drawn = heapq.nsmallest(samples, reader, key=lambda sample: crc32(sample.id.encode()))
    checks = [reader.check(), *reader.notes()]
    if drawn:
        checks += _check_samples(drawn)
    return Smoked(reader.form, reader.records, reader.wrong(), checks)


_FORM = formats.GEMMA_NUMBERED


def _form_of(line: bytes) -> str:
    record = parse_object(line)
    try:
        return formats.export_of(record)
    except InputError as error:
        found = formats.form_of([line])
        if found == formats.AUTO:
            raise error from None
        return found


class _Reader:
    """Reader of a file: yields the good records as chats and keeps the reasons for the others."""

    def __init__(self, path: Path) -> None:
        self.form: str | None = None
        self.records = self._bad = self._marked = 0
        self._wrong: list[str] = []
        self._path = path
        self._ids: set[str] = set()

    def __iter__(self) -> Iterator[_Sample]:
        for number, line in inputs.records(self._path):
            self.records += 1
            try:
                sample = self._parse(line)
            except (InputError, ValueError, RecursionError) as error:
                told = str(error) if isinstance(error, InputError) else strict_json.why(error, line)
                self._add(number, told.replace("trace: ", "record: ", 1))
                continue
            if sample.id in self._ids:
                self._add(number, f"id: {one_line(sample.id, 60)} appears a second time")
                continue
            self._ids.add(sample.id)
            text = sample.chat.asked + sample.chat.said
            self._marked += any(piece in text for piece in _FORM.template.pieces)
            yield sample

    def _parse(self, line: bytes) -> _Sample:
        """Return a line's record as a sample.

        A record in an export format keeps its own turns. A record in any other format is read as an
        import reads it, and written as a chat in Gemma's template with numbered steps.
        """
        if self.form is None:
            self.form = _form_of(line)
        strict_json.check_length(line)
        if self.form not in formats.EXPORTS:
            trace = formats.reader(self.form)(line)
            return _Sample(trace.id, _FORM.write(Said.of(trace)))
        record = msgspec.json.decode(line, type=formats.EXPORTS[self.form])
        earlier, prompt, response = record.turns()
        return _Sample(record.id, Chat(_FORM.after(earlier), prompt, response))

    def _add(self, number: int, reason: str) -> None:
        self._bad += 1
        if self._bad <= MAX_TOLD:
            self._wrong.append(f"{self._path}:{number}: {reason}")

    def wrong(self) -> list[str]:
        """List up to `MAX_TOLD` bad lines with reasons; a last item counts the others, if any."""
        more = self._bad - len(self._wrong)
        return [*self._wrong, f"and {more:,} more bad lines"] if more else self._wrong

    def check(self) -> Check:
        """Tell whether all lines are good records of one format."""
        if not self.records:
            return Check("records", False, "there is none")
        if self._bad:
            return Check("records", False, f"{self._bad:,} of {self.records:,} lines are bad")
        told = f"{self.records:,} of format {self.form}, each with its own id"
        return Check("records", True, told)

    def notes(self) -> Iterator[Check]:
        """Yield at most two checks, which matter only to other trainers.

        The first confirms that each text has Gemma's template. The second warns of records that
        hold control tokens in their own text. Only a trainer that tokenises turn by turn can
        distinguish them from the control tokens of the template.
        """
        if self.form == "tunix_sft" and not self._bad:
            yield Check("template", True, "every text begins, turns and ends as its template does")
        if self._marked:
            told = f"{self._marked:,} records have a control token inside their text: only trainers"
            more = "that tokenise turn by turn can tell it from the template's"
            yield Check("markers", None, f"{told} {more}")


def _check_samples(samples: Sequence[_Sample]) -> Iterator[Check]:
    chats = [chat for _, chat in samples]
    segments = [s for chat in chats for s in (*chat.prompt, *chat.response)]
    tokenizer = Tokenizer(train_tokenizer((s.text for s in segments if not s.control), 512))
    try:
        examples = encode(chats, tokenizer, [sample.id for sample in samples])
        checks.check(examples, chats, tokenizer)
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
    """Train the tiny model for two steps, as the train notebook does.

    The check is undecided if the libraries for training are not installed.
    """
    try:
        from tunix_rt_nb import models
        from tunix_rt_nb.train import sft
    except ModuleNotFoundError as error:
        told = f"not done, {error.name} is missing: pip install -e '.[train]'"
        return Check("training", None, told)
    with tempfile.TemporaryDirectory() as name:
        base = models.create("tiny", tokenizer, 0, Path(name) / "base")
        model, _ = models.load(base)
        config = sft.SftConfig.of(steps=STEPS, batch_size=min(2, len(rows)), warmup_steps=1)
        try:
            metrics = sft.fine_tune(model, rows, rows, config, Path(name))
        except InputError as error:  # for example, the loss is not a number
            return Check("training", False, str(error))
    losses = ", ".join(f"{line['loss']:.3f}" for line in metrics if "loss" in line)
    return Check("training", True, f"{STEPS} steps of the tiny model, loss {losses}")
