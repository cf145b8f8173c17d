"""Rendered datasets: the traces as token ids with a loss mask, checked and ready to train on."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NotRequired, TypedDict, TypeVar, cast

import msgspec
import numpy as np
import typing_extensions

from tunix_rt_nb import dataset
from tunix_rt_nb.common import InputError, checked, files, printable
from tunix_rt_nb.models import Tokenizer, sources, train_tokenizer
from tunix_rt_nb.render import examples
from tunix_rt_nb.render.checks import check
from tunix_rt_nb.render.encoding import encode
from tunix_rt_nb.render.examples import Examples
from tunix_rt_nb.trace import EARLIER, OWN, Chat, Earlier, Form, Said, form, reads_back

A = TypeVar("A")
B = TypeVar("B")
_ARRAYS = tuple(name for side in dataset.SIDES for name in examples.names(side))
_FILES = (*_ARRAYS, "rejects.jsonl", "tokenizer.model")
_AT_A_TIME = 100_000  # characters per batch to tokenise; larger ones fit less well into CPU caches
_SAMPLE = 10_000  # the approximate number of traces that a tokenizer is trained on


class Rendered(TypedDict):
    """The fields of a rendered dataset's `manifest.json`.

    Attributes:
      dataset_key: the name and version of the dataset, such as `quickstart-v1`.
      dataset_sha256: the hash of the dataset's content.
      template: the chat template, such as `gemma`.
      style: how a response writes its steps and its answer, such as `numbered`.
      system: the system message; if empty, the template's own is used if it has one.
      form_sha256: the hash of everything that defines the template, style and system message.
      max_length: the most tokens that an example may have; longer ones were left out.
      examples: how many examples each side, `train` and `eval`, has.
      rejected: how many examples were left out for each reason.
      read_otherwise: how many responses parse into other steps than their trace has, because a
        line inside a step begins like the next step. Their text is complete all the same.
      files: the sha256 of each file, by its name.
    """

    dataset_key: str
    dataset_sha256: str
    template: str
    style: str
    system: str
    form_sha256: str
    max_length: int
    examples: dict[str, int]
    rejected: dict[str, int]
    read_otherwise: NotRequired[int]
    files: dict[str, str]


class _Needed(typing_extensions.TypedDict):
    """The fields of a manifest without which nothing in its folder can be used."""

    template: str
    style: str
    system: NotRequired[str]
    form_sha256: str
    files: NotRequired[dict[str, str]]


class Reject(TypedDict):
    """An example that was left out: its `id`, the `reason` and its number of `tokens`.

    The reason is `too_long`: the example has more tokens than `max_length`.
    """

    id: str
    reason: str
    tokens: int


def render_dataset(
    source: Path,
    folder: Path,
    tokenizer: Tokenizer,
    template_name: str = "gemma",
    style: str = "numbered",
    max_length: int = 192,
    system: str = "",
) -> Rendered:
    """Render a dataset: tokenise both sides, `train` and `eval`, with a loss mask.

    Examples longer than `max_length` are not cut. They are left out, counted, and listed in
    `rejects.jsonl`. However large the dataset, only a few batches are in memory at a time. The
    manifest is written last, so it marks a complete folder.

    Args:
      source: the folder of the dataset.
      folder: where to write the rendered dataset.
      tokenizer: the tokenizer of the model to train.
      template_name: the chat template, a key of `TEMPLATES`.
      style: how a response writes its steps and its answer, a key of `STYLES`.
      max_length: the most tokens that an example may have.
      system: the system message of chats without one of their own. If empty, the template's own is
        used if it has one, else none.

    Returns:
      The manifest, with the fields that `Rendered` explains.

    Raises:
      InputError: the template or style is unknown, or is not the one that the dataset names; the
        dataset was altered after its build; no training example fits; the tokenizer lacks a control
        token of the template; or a trace's token ids break a law of `checks.check` (the message
        names the trace).
    """
    how = form(template_name, style, system)
    made_from = dataset.read_manifest(source)
    dataset.check_form(made_from, template_name, style, system)
    for piece in how.template.pieces:
        tokenizer.control(piece)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").unlink(missing_ok=True)
    counts, rejected = Counter[str](), Counter[str]()
    with files.atomic(folder / "rejects.jsonl") as rejects:
        for side in dataset.SIDES:
            with examples.writer(folder, side) as add:
                for some in _encoded(_watched(_said(source, side), how, counts), tokenizer, how):
                    fits = some.index["length"] <= max_length
                    add(some.chosen(fits))
                    counts[side] += int(fits.sum())
                    for long in some.index[~fits]:
                        rejects.write(files.json_line(_reject(long)))
                        rejected["too_long"] += 1
    if not counts["train"]:
        raise InputError(f"max_length: no training example fits into {max_length} tokens")
    with files.atomic(folder / "tokenizer.model") as file:
        file.write(tokenizer.model)
    manifest: Rendered = {
        "dataset_key": made_from["dataset_key"],
        "dataset_sha256": made_from["sha256"],
        "template": template_name,
        "style": style,
        "system": system,
        "form_sha256": how.sha256,
        "max_length": max_length,
        "examples": {side: counts[side] for side in dataset.SIDES},
        "rejected": dict(rejected),
        "read_otherwise": counts["read_otherwise"],
        "files": {name: files.sha256(folder / name) for name in _FILES},
    }
    files.write_json(folder / "manifest.json", manifest)
    return manifest


def _reject(long: np.void) -> Reject:
    return {"id": long["id"].decode(), "reason": "too_long", "tokens": int(long["length"])}


class _Step(msgspec.Struct, gc=False):
    content: str


class _Meta(msgspec.Struct, gc=False):
    earlier_messages: Any = None


class _Line(msgspec.Struct, gc=False):
    """The fields of a dataset's line that rendering needs; they were checked at the build."""

    id: str
    prompt: str
    steps: list[_Step]
    final_answer: str
    meta: _Meta | None = None


_READ = msgspec.json.Decoder(_Line).decode


def _said(source: Path, side: str) -> Iterator[tuple[str, Said]]:
    """Yield the id and content of each trace on one side of a dataset.

    Args:
      source: the folder of the dataset.
      side: `train` or `eval`.

    Raises:
      InputError: the file was altered after the build.
    """
    for _, text in dataset.lines(source, side):
        line = _READ(text)
        steps = tuple([step.content for step in line.steps])
        told = line.meta and line.meta.earlier_messages
        earlier = Earlier.of({EARLIER: told}) if told else Earlier()
        yield line.id, Said(line.prompt, steps, line.final_answer, earlier)


def _watched(
    traces: Iterable[tuple[str, Said]], how: Form, counts: Counter[str]
) -> Iterator[tuple[str, Said]]:
    """Yield the traces unchanged; count those whose steps change when written and parsed again.

    Steps change if a line inside a step begins like the next step.

    Args:
      traces: (id, content) pairs.
      how: the form, which defines how a response writes its steps.
      counts: where to count, under the key `read_otherwise`.
    """
    for trace_id, said in traces:
        counts["read_otherwise"] += not reads_back(said.steps, said.answer, how.style)
        yield trace_id, said


def _encoded(
    traces: Iterable[tuple[str, Said]], tokenizer: Tokenizer, how: Form
) -> Iterator[Examples]:
    """Tokenise all traces; yield their examples in batches, after `checks.check` has passed them.

    Args:
      traces: (id, content) pairs.
      tokenizer: the tokenizer.
      how: the template, style and system message to write the traces in.
    """

    def encoded(some: list[tuple[str, Chat]]) -> tuple[list[Chat], Examples]:
        ids, chats = [trace_id for trace_id, _ in some], [chat for _, chat in some]
        return chats, encode(chats, tokenizer, ids)

    for chats, found in _one_ahead(encoded, _batches(traces, how)):
        check(found, chats, tokenizer)
        yield found


def _one_ahead(work: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
    """Yield `work(item)` for each item, while a thread computes the next one.

    The tokenizer releases Python's global lock while it works. So the thread runs in parallel with
    the code that uses the items.
    """
    with ThreadPoolExecutor(1) as thread:
        last: Future[B] | None = None
        for item in items:
            coming = thread.submit(work, item)
            if last:
                yield last.result()
            last = coming
        if last:
            yield last.result()


def _batches(traces: Iterable[tuple[str, Said]], how: Form) -> Iterator[list[tuple[str, Chat]]]:
    """Write all traces as chats; yield (id, chat) pairs in batches.

    A batch has about `_AT_A_TIME` characters.

    Args:
      traces: (id, content) pairs.
      how: the template, style and system message to write them in.
    """
    chats: list[tuple[str, Chat]] = []
    size = 0
    for trace_id, said in traces:
        chat = how.write(said)
        chats.append((trace_id, chat))
        size += len(chat.asked) + len(chat.said)
        if size >= _AT_A_TIME:
            yield chats
            chats, size = [], 0
    if chats:
        yield chats


def load(folder: Path, side: str, limit: int | None = None) -> Examples:
    """Load the examples of one side of a rendered dataset.

    Args:
      folder: the folder of the rendered dataset.
      side: `train` or `eval`.
      limit: load only the first `limit` examples; None for all.

    Raises:
      InputError: the folder is incomplete, a file was altered after rendering, or there is no
        example.
    """
    _check_unaltered(folder, examples.names(side))
    every = examples.load(folder, side)
    some = every if limit is None else every.chosen(slice(max(limit, 0)))
    if not len(some):
        raise InputError(
            f"{folder / examples.names(side)[0]}: holds no example,"
            " use more traces or another eval_fraction"
        )
    return some


def load_tokenizer(folder: Path) -> Tokenizer:
    """Load the tokenizer of a rendered dataset.

    Raises:
      InputError: the folder is incomplete, or `tokenizer.model` was altered after rendering.
    """
    _check_unaltered(folder, ["tokenizer.model"])
    return Tokenizer.read(folder / "tokenizer.model")


def _check_unaltered(folder: Path, names: Iterable[str]) -> None:
    hashes = read_manifest(folder).get("files", {})
    for name in names:
        path = folder / name
        if not path.exists():
            raise InputError(f"{path}: is missing, run 3_render again")
        found = files.sha256(path)
        if found != hashes.get(name):
            raise InputError(
                f"{path}: was altered after it was rendered, its sha256 is {found[:12]}"
                f" and not {printable(hashes.get(name, 'none')[:12])}: run 3_render again"
            )


def read_manifest(folder: Path) -> Rendered:
    """Read the manifest of a rendered dataset.

    Raises:
      InputError: the folder is incomplete, so it has no manifest.
    """
    found: Any = files.read_manifest(folder, "3_render")
    checked(_Needed, found, f"{folder / 'manifest.json'}: ")
    return cast("Rendered", found)


def rejects(folder: Path) -> list[Reject]:
    """List the examples that were left out of a rendered dataset.

    Raises:
      InputError: the folder is incomplete, or `rejects.jsonl` was altered after rendering.
    """
    _check_unaltered(folder, ["rejects.jsonl"])
    return cast("list[Reject]", list(files.read_lines(folder / "rejects.jsonl")))


def lengths_by_task(rendered: Examples, source: Path) -> dict[str, list[int]]:
    """Return the lengths of a dataset's training examples, by task.

    Args:
      rendered: the training examples.
      source: the folder of the dataset that they were rendered from.

    Returns:
      task -> number of tokens of each of its examples; the task is `own` if a trace has none.
    """
    ids, lengths = rendered.index["id"].tolist(), rendered.index["length"].tolist()
    length_of = dict(zip(ids, lengths, strict=True))
    found: dict[str, list[int]] = {}
    for trace_id, trace in dataset.load(source, "train"):
        if length := length_of.get(trace_id.encode()):
            found.setdefault(trace.task or OWN, []).append(length)
    return dict(sorted(found.items()))


def tokenizer_for(
    model: str, source: Path, vocab_size: int, template_name: str, style: str, system: str = ""
) -> Tokenizer:
    """Return the tokenizer of a model; for the model `tiny`, train one on the dataset.

    The tokenizer of `tiny` is trained on the dataset's `train` side. In a large dataset, use only
    about 10,000 traces, those with the lowest ids. Ids are hashes, so these traces are a random
    sample. The same dataset always gives the same tokenizer.

    Args:
      model: `tiny`, or a model that `sources.find` finds. All other arguments are for `tiny` only.
      source: the folder of the dataset.
      vocab_size: the largest number of tokens.
      template_name: the chat template, a key of `TEMPLATES`.
      style: how a response writes its steps and its answer, a key of `STYLES`.
      system: the system message of chats without one of their own.

    Raises:
      InputError: no source has the model; or, for `tiny`, an argument is invalid or the dataset was
        altered after its build.
    """
    if model != "tiny":
        return Tokenizer.read(sources.find(model) / "tokenizer.model")
    how = form(template_name, style, system)
    share = _SAMPLE / max(1, dataset.read_manifest(source)["split"]["train"])

    def texts() -> Iterator[str]:
        for trace_id, said in _said(source, "train"):
            if int(trace_id[:8], 16) < share * 2**32:
                yield from _literal(how.write(said))

    return Tokenizer(train_tokenizer(texts(), vocab_size, how.template.pieces))


def _literal(chat: Chat) -> Iterable[str]:
    return (s.text for s in (*chat.prompt, *chat.response) if not s.control)
