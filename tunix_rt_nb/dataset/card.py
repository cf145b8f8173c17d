"""The card of a dataset, by the conventions of the Hugging Face hub: its folder's README."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from statistics import fmean
from typing import Any

from tunix_rt_nb.common import markdown
from tunix_rt_nb.trace import Trace, parse_line, respond

_TOKEN = re.compile(r"\d|\w+?(?=\d|\b)|[^\w\s]")
_BARS = 12  # of the histogram, at most
_WIDTH = 40  # characters of the longest bar
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (10**6, "100K<n<1M"))


def token_statistics(lines: Iterable[bytes]) -> dict[str, Any]:
    """How long traces are in tokens, before a model is chosen: words, digits and signs.

    Args:
      lines: those of a sample of traces.

    Returns:
      Size of the sample, least, mean, median, 95th percentile and most, and a histogram: up to how
      many tokens -> how many traces.
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
    """The card: what is in a dataset, of which length, what was refused, and an example.

    Args:
      manifest: that of the dataset.
      example: a trace of its training side.
    """
    split, tokens = manifest["split"], manifest["tokens"]
    sides = ((markdown.cell(task), n["train"], n["eval"]) for task, n in manifest["tasks"].items())
    by_task, filters = markdown.table(sides), markdown.code(manifest["filters"])
    return f"""---
{_front_matter(manifest)}
---
# {manifest["dataset_key"]}

{manifest["trace_count"]:,} reasoning traces: {split["train"]:,} to train on, {split["eval"]:,} held
out by the hash of the prompt, so that no prompt is on both sides. Of known tasks each step was
checked by a program. Built by tunix_rt_nb {manifest["code_version"]}.

| task | to train on | held out |
| --- | ---: | ---: |
{by_task}

## Length

{tokens["unit"].capitalize()} of prompt and response, of {tokens["sample"]:,} traces: mean
{tokens["mean"]}, median {tokens["median"]}, 95 % up to {tokens["p95"]}, at most {tokens["max"]}.
Steps a trace: {manifest["stats"]["min_step_count"]} to {manifest["stats"]["max_step_count"]}.

```text
{_histogram(tokens["histogram"])}
```

## Refused

{_refused(manifest)}

## An example

{markdown.fenced(example.prompt)}

{markdown.fenced(respond(example))}

## How it was chosen

Strategy `{manifest["selection_strategy"]}`, filters `{filters}`. The content has
the sha256 `{manifest["sha256"]}`; `manifest.json` has every parameter and the id of every trace,
`rejects.jsonl` what was refused and what it collided with.
"""


def _front_matter(manifest: Mapping[str, Any]) -> str:
    """YAML; all of it is JSON, which YAML reads, so that a name can mean nothing else."""
    size = next((name for n, name in _SIZES if manifest["trace_count"] < n), "n>1M")
    files = [{"split": side, "path": f"{side}.jsonl"} for side in manifest["split"]]
    fields = {
        "pretty_name": manifest["dataset_key"],
        "task_categories": ["text-generation"],
        "tags": ["reasoning", *manifest["tags"]],
        "size_categories": [size],
        "configs": [{"config_name": "default", "data_files": files}],
    }
    return "\n".join(f"{name}: {json.dumps(value)}" for name, value in fields.items())


def _refused(manifest: Mapping[str, Any]) -> str:
    if not manifest["rejected"]:
        return "Nothing."
    rows = markdown.table(manifest["rejected"].items())
    return f"| reason | traces |\n| --- | ---: |\n{rows}"


def _histogram(bins: Iterable[tuple[int, int]]) -> str:
    most = max(n for _, n in bins)
    return "\n".join(f"{f'to {upto}':>8} {'█' * -(-_WIDTH * n // most)} {n}" for upto, n in bins)
