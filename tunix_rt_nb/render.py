"""A dataset rendered: every trace as token ids with its loss mask, checked, ready to train on."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import compress, islice
from pathlib import Path
from typing import Any

from tunix_rt_nb import dataset, files
from tunix_rt_nb.chat import Chat, Read, form_sha256, render, template, text_of, unrender
from tunix_rt_nb.errors import InputError, unknown
from tunix_rt_nb.tokens import Example, Tokenizer, encode, train_tokenizer
from tunix_rt_nb.trace import Trace

_FILES = ("train.jsonl", "eval.jsonl", "rejects.jsonl", "tokenizer.model")


def render_dataset(
    source: Path,
    folder: Path,
    tokenizer: Tokenizer,
    template_name: str = "gemma",
    style: str = "numbered",
    max_length: int = 192,
    system: str = "",
) -> dict[str, Any]:
    """Renders both sides of a dataset into a folder; the manifest is written last.

    An example longer than `max_length` is not cut: it is left out, counted, and listed in
    `rejects.jsonl`.

    Args:
      system: the system message of every chat; empty for none, or for the template's own where it
        has one.

    Returns:
      The manifest: what was rendered how, the counts, the sha256 of every file, and `form_sha256`,
      that of all that defines the template, the style and the system message.

    Raises:
      InputError: no training example fits; the tokenizer lacks a piece of the template; or a trace
        does not read back, or a mask breaks one of its laws (names the trace).
    """
    form = (template_name, style, system)
    for piece in template(template_name).pieces:
        tokenizer.control(piece)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").unlink(missing_ok=True)
    rejects: list[dict[str, Any]] = []
    counts: dict[str, int] = {}
    for side in ("train", "eval"):
        lines = []
        for trace_id, trace in dataset.load(source, side):
            chat = render(trace, *form)
            example = encode(chat, tokenizer, trace_id)
            check(example, chat, tokenizer)
            check_text(chat, trace, trace_id, *form)
            if len(example) > max_length:
                rejects.append({"id": trace_id, "reason": "too_long", "tokens": len(example)})
            else:
                mask = [int(trained) for trained in example.mask]
                lines.append({"id": trace_id, "text": chat.text, "ids": example.ids, "mask": mask})
        counts[side] = len(lines)
        files.write_lines(folder / f"{side}.jsonl", lines)
    if not counts["train"]:
        raise InputError(f"max_length: no training example fits into {max_length} tokens")
    files.write_lines(folder / "rejects.jsonl", rejects)
    with files.atomic(folder / "tokenizer.model") as file:
        file.write(tokenizer.model)
    made_from = dataset.read_manifest(source)
    manifest = {
        "dataset_key": made_from["dataset_key"],
        "dataset_sha256": made_from["sha256"],
        "template": template_name,
        "style": style,
        "system": system,
        "form_sha256": form_sha256(*form),
        "max_length": max_length,
        "examples": counts,
        "rejected": dict(Counter(reject["reason"] for reject in rejects)),
        "files": {name: files.sha256(folder / name) for name in _FILES},
    }
    files.write_json(folder / "manifest.json", manifest)
    return manifest


def load(folder: Path, side: str, limit: int | None = None) -> list[Example]:
    """The examples of one side of a rendered dataset, at most `limit` of them.

    Raises:
      InputError: the folder is not complete, a file was altered since, or there is no example.
    """
    path = folder / f"{side}.jsonl"
    altered = "was altered after it was rendered, run 3_render again"
    files.check_unaltered(path, read_manifest(folder), altered)
    examples = [
        Example(line["id"], tuple(line["ids"]), tuple(map(bool, line["mask"])))
        for line in islice(files.read_lines(path), limit and max(limit, 0))
    ]
    if not examples:
        raise InputError(
            f"{path}: holds no example, more traces or another eval_fraction would help"
        )
    return examples


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a complete rendered dataset."""
    return files.read_manifest(folder, "3_render")


def lengths_by_task(examples: Iterable[Example], source: Path) -> dict[str, list[int]]:
    """The token counts of the training examples of a dataset, by task."""
    tasks = {trace_id: trace.task or "unknown" for trace_id, trace in dataset.load(source, "train")}
    lengths: dict[str, list[int]] = {}
    for example in examples:
        lengths.setdefault(tasks[example.id], []).append(len(example))
    return dict(sorted(lengths.items()))


def tokenizer_for(
    model: str, source: Path, vocab_size: int, template_name: str, style: str, system: str = ""
) -> Tokenizer:
    """The tokenizer of a model; for `tiny`, one trained on the dataset's training side.

    Raises:
      InputError: unknown model.
    """
    if model != "tiny":
        raise unknown("model", model, ["tiny"])

    def texts() -> Iterator[str]:
        for _, trace in dataset.load(source, "train"):
            yield from _literal(render(trace, template_name, style, system))

    controls = template(template_name).pieces
    return Tokenizer(train_tokenizer(texts(), vocab_size, controls))


def _literal(chat: Chat) -> Iterable[str]:
    return (s.text for s in (*chat.prompt, *chat.response) if not s.control)


def check(example: Example, chat: Chat, tokenizer: Tokenizer) -> None:
    """Holds an example to the laws of its mask.

    One BOS, first (none where the template has none); no control token but the template's; at
    least one trained token; the trained tokens are the response and its stop, read back exactly;
    what comes before them is the prompt.

    Raises:
      InputError: names the trace and the law.
    """
    trained = list(compress(example.ids, example.mask))
    prompt = len(example) - len(trained)
    bos = [tokenizer.control(chat.bos)] if chat.bos else []
    marks = [tokenizer.control(s.text) for s in (*chat.prompt, *chat.response) if s.control]
    every = set(tokenizer.controls.values())
    laws = {
        "one BOS, first": [n for n, t in enumerate(example.ids) if t in bos] == [0][: len(bos)],
        "only the end is trained": bool(trained) and not any(example.mask[:prompt]),
        "the trained text is the response and its stop": tokenizer.decode(trained)
        == text_of(chat.response),
        "the text before it is the prompt": tokenizer.decode(example.ids[len(bos) : prompt])
        == text_of(chat.prompt),
        "no text is a control token": [t for t in example.ids if t in every] == bos + marks,
    }
    for law, holds in laws.items():
        if not holds:
            raise InputError(f"trace {example.id}: cannot be rendered: broken law: {law}")


def check_text(
    chat: Chat, trace: Trace, trace_id: str, template_name: str, style: str, system: str
) -> None:
    """Reads the text of a chat back and compares it with the trace.

    Raises:
      InputError: names the trace.
    """
    said = Read(trace.prompt, tuple(step.content for step in trace.steps), trace.final_answer)
    try:
        same = unrender(chat.text, template_name, style, system) == said
    except InputError:
        same = False
    if not same:
        raise InputError(f"trace {trace_id}: cannot be rendered: its text reads back as another")
