"""The card of a dataset, the README of its folder, by the Hugging Face hub's conventions.

`markdown.front_matter` writes its YAML, and not `huggingface_hub.DatasetCardData`. That class would
add ten packages and 26 MB to the base install, folds lines at 80 characters, and turns U+0085 in
a name into a space.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from statistics import fmean
from typing import Any

from tunix_rt_nb import tasks
from tunix_rt_nb.common import markdown
from tunix_rt_nb.trace import Trace, parse_line, respond

_TOKEN = re.compile(r"\d|\w+?(?=\d|\b)|[^\w\s]")
_BARS = 12  # of the histogram, at most
_WIDTH = 40  # characters of the longest bar
_FIELDS = (
    ("id", "string", "a UUID, made from the rest of the trace"),
    ("prompt", "string", "the question"),
    ("steps", "list of objects", "the steps in order: `i` from 0, `type` and `content`, the text"),
    ("final_answer", "string", "the answer"),
    ("meta", "object", "what is known about the trace, such as its `task` and `difficulty`"),
    ("created_at", "string", "when the trace was made, in UTC"),
    ("trace_version", "string", "the version of this format"),
)
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (10**6, "100K<n<1M"))


def token_statistics(lines: Iterable[bytes]) -> dict[str, Any]:
    """Measure the lengths of traces in words, digits and signs.

    Real tokens cannot be counted here, because a later step chooses the tokenizer.

    Args:
      lines: a sample of traces as JSON lines; one at least.

    Returns:
      unit: what is counted as a token.
      sample: the number of traces.
      min, mean, median, p95, max: statistics of the number of tokens per trace.
      histogram: one pair per bin: its upper bound in tokens (included), its number of traces.
    """
    traces = [parse_line(line, "sample") for line in lines]
    counts = sorted(len(_TOKEN.findall(f"{t.prompt} {respond(t)}")) for t in traces)
    width = max(1, -(-(counts[-1] - counts[0] + 1) // _BARS))
    bins = Counter((count - counts[0]) // width for count in counts)
    return {
        "unit": "words, digits and signs",
        "sample": len(counts),
        "min": counts[0],
        "mean": round(fmean(counts), 2),
        "median": counts[len(counts) // 2],
        "p95": counts[len(counts) * 95 // 100],
        "max": counts[-1],
        "histogram": [[counts[0] + width * (k + 1) - 1, bins[k]] for k in range(max(bins) + 1)],
    }


def card(manifest: Mapping[str, Any], example: Trace) -> str:
    """Return a dataset's card as Markdown: tasks, lengths, numbers of rejects, and an example.

    Args:
      manifest: the manifest of the dataset.
      example: a trace from its `train.jsonl`.
    """
    split, tokens = manifest["split"], manifest["tokens"]
    sides = ((markdown.cell(task), n["train"], n["eval"]) for task, n in manifest["tasks"].items())
    by_task, filters = markdown.table(sides), markdown.code(manifest["filters"])
    asked = "\n\n".join([*example.earlier.labelled(), example.prompt])
    text = f"""{markdown.front_matter(_metadata(manifest))}
# {manifest["dataset_key"]}

{manifest["trace_count"]:,} reasoning traces: {split["train"]:,} to train on, {split["eval"]:,} held
out by the hash of the prompt, so that no prompt is on both sides. Of known tasks each step was
checked by a program. Built by tunix_rt_nb {manifest["code_version"]}.

| task | to train on | held out |
| --- | ---: | ---: |
{by_task}

## Use

The sides are the splits `train` and `eval`:

```python
from datasets import load_dataset

folder = {manifest["dataset_key"]!r}  # the path of this folder, or its name on the hub
dataset = load_dataset(folder)
print(dataset["train"][0]["prompt"])
```

## Fields

| field | type | what it holds |
| --- | --- | --- |
{markdown.table(_FIELDS)}

## An example

{markdown.fenced(asked)}

{markdown.fenced(respond(example))}

## Length

{tokens["unit"].capitalize()} of prompt and response, of {tokens["sample"]:,} traces: mean
{tokens["mean"]}, median {tokens["median"]}, 95 % up to {tokens["p95"]}, at most {tokens["max"]}.
Steps a trace: {manifest["stats"]["min_step_count"]} to {manifest["stats"]["max_step_count"]}.

```text
{_histogram(tokens["histogram"])}
```

## Refused

{_refused(manifest)}

## Limitations

{_limitations(manifest)}

## How it was chosen

Strategy `{manifest["selection_strategy"]}`, filters `{filters}`. The content has
the sha256 `{manifest["sha256"]}`; {_ids(manifest)}
`rejects.jsonl` what was refused and what it collided with.
"""
    return text.replace("\0", "\ufffd")  # as CommonMark asks; a NUL would make it a binary file


def _metadata(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata that the Hugging Face hub reads from a dataset's card.

    Source: https://huggingface.co/docs/hub/datasets-cards
    """
    size = next((name for n, name in _SIZES if manifest["trace_count"] < n), "n>1M")
    count = manifest.get("shards")
    ending = ".jsonl" if count is None else f"-*-of-{count:05}.jsonl"
    files = [{"split": side, "path": f"{side}{ending}"} for side in manifest["split"]]
    return {
        "pretty_name": manifest["dataset_key"],
        "license": "unknown",  # whoever publishes the dataset chooses one
        "language": ["en"] if _known(manifest) else None,
        "task_categories": ["text-generation"],
        "tags": ["reasoning", *manifest["tags"]],
        "size_categories": [size],
        "configs": [{"config_name": "default", "data_files": files}],
    }


def _known(manifest: Mapping[str, Any]) -> bool:
    """Tell whether all traces are of tasks that this package knows; these are in English."""
    return manifest["tasks"].keys() <= tasks.TASKS.keys()


def _ids(manifest: Mapping[str, Any]) -> str:
    if "shards" not in manifest:
        return "`manifest.json` has every parameter and the id of every trace,"
    return (
        "`manifest.json` has every parameter, `train.ids` and\n`eval.ids` the id of every trace in"
        " order (a shard has those whose ids begin alike),"
    )


def _limitations(manifest: Mapping[str, Any]) -> str:
    origin = (
        "Its problems are drawn by programs: their wording varies little, and their steps are as"
        " regular as those of a program"
        if _known(manifest)
        else "Traces of other tasks than this package knows are as their author wrote them, and no"
        " program checked their answers"
    )
    return (
        f"{origin}. The held-out side is drawn like the other one, so it does not tell how a model"
        " does on problems of another kind. No license was chosen: whoever publishes the dataset"
        " writes one into the first lines of this file."
    )


def _refused(manifest: Mapping[str, Any]) -> str:
    if not manifest["rejected"]:
        return "Nothing."
    rows = markdown.table(manifest["rejected"].items())
    return f"| reason | traces |\n| --- | ---: |\n{rows}"


def _histogram(bins: Iterable[tuple[int, int]]) -> str:
    most = max(n for _, n in bins)
    return "\n".join(f"{f'to {upto}':>8} {'█' * -(-_WIDTH * n // most)} {n}" for upto, n in bins)
