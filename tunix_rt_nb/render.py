"""A dataset rendered: every trace as token ids with its loss mask, checked, ready to train on."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import compress, islice
from pathlib import Path
from typing import Any

from tunix_rt_nb import dataset, files
from tunix_rt_nb.chat import Chat, Parsed, parse, render, respond, template
from tunix_rt_nb.errors import InputError, unknown
from tunix_rt_nb.tokens import BOS, Example, Tokenizer, encode, train_tokenizer
from tunix_rt_nb.trace import Trace

_FILES = ("train.jsonl", "eval.jsonl", "rejects.jsonl", "tokenizer.model")


def render_dataset(
    source: Path,
    folder: Path,
    tokenizer: Tokenizer,
    template_name: str = "gemma",
    style: str = "numbered",
    max_length: int = 192,
) -> dict[str, Any]:
    """Renders both sides of a dataset into a folder; the manifest is written last.

    An example longer than `max_length` is not cut: it is left out, counted, and listed in
    `rejects.jsonl`; so is a trace that would not read back from its rendering as it is, because
    its text looks like the style's own marks.

    Returns:
      The manifest: what was rendered how, the counts, the sha256 of every file.

    Raises:
      InputError: no training example fits; or a mask breaks one of its laws (names the trace).
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").unlink(missing_ok=True)
    rejects: list[dict[str, Any]] = []
    counts: dict[str, int] = {}
    for side in ("train", "eval"):
        lines = []
        for trace_id, trace in dataset.load(source, side):
            chat = render(trace, template_name, style)
            example = encode(chat, tokenizer, template(template_name).bos, trace_id)
            check(example, chat, tokenizer)
            if reason := _why_not(example, trace, style, max_length):
                rejects.append({"id": trace_id, "reason": reason, "tokens": len(example)})
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
        "max_length": max_length,
        "examples": counts,
        "rejected": dict(Counter(reject["reason"] for reject in rejects)),
        "files": {name: files.sha256(folder / name) for name in _FILES},
    }
    files.write_json(folder / "manifest.json", manifest)
    return manifest


def _why_not(example: Example, trace: Trace, style: str, max_length: int) -> str | None:
    """Why an example is left out, or None where it is not."""
    if len(example) > max_length:
        return "too_long"
    as_is = Parsed(tuple(step.content for step in trace.steps), trace.final_answer, strict=True)
    return None if parse(respond(trace, style), style) == as_is else "does_not_read_back"


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
    model: str, source: Path, vocab_size: int, template_name: str, style: str
) -> Tokenizer:
    """The tokenizer of a model; for `tiny`, one trained on the dataset's training side.

    Raises:
      InputError: unknown model.
    """
    if model != "tiny":
        raise unknown("model", model, ["tiny"])

    def texts() -> Iterator[str]:
        for _, trace in dataset.load(source, "train"):
            yield from _literal(render(trace, template_name, style))

    return Tokenizer(train_tokenizer(texts(), vocab_size))


def _literal(chat: Chat) -> Iterable[str]:
    return (s.text for s in (*chat.prompt, *chat.response) if not s.control)


def check(example: Example, chat: Chat, tokenizer: Tokenizer) -> None:
    """Holds an example to the laws of its mask.

    One BOS, first; at least one trained token; the trained tokens are the response and its stop,
    read back exactly; what comes before them is the prompt.

    Raises:
      InputError: names the trace and the law.
    """
    trained = list(compress(example.ids, example.mask))
    prompt = len(example) - len(trained)
    laws = {
        "one BOS, first": [i for i, t in enumerate(example.ids) if t == BOS] == [0],
        "only the end is trained": bool(trained) and not any(example.mask[:prompt]),
        "the trained text is the response and its stop": tokenizer.decode(trained)
        == "".join(segment.text for segment in chat.response),
        "the text before it is the prompt": tokenizer.decode(example.ids[1:prompt])
        == "".join(segment.text for segment in chat.prompt),
    }
    for law, holds in laws.items():
        if not holds:
            raise InputError(f"trace {example.id}: cannot be rendered: broken law: {law}")
