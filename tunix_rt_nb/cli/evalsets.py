"""tunix-rt-nb evalsets: eval sets of one's own from the command line."""

from collections import Counter
from pathlib import Path
from typing import Any

import click

from tunix_rt_nb import dataset, evaluate
from tunix_rt_nb.cli import options, progress, terminal
from tunix_rt_nb.cli.groups import Group
from tunix_rt_nb.common import counted


@click.group(cls=Group)
def evalsets() -> None:
    """Check eval sets, and make one from the held-out traces of a dataset.

    An eval set is a file of questions with their right answers, to evaluate models on.

    \b
    Example: tunix-rt-nb evalsets check mine.jsonl
    """


@evalsets.command()
@click.argument("names", metavar="FILE...", nargs=-1, required=True)
@options.json_option
def check(names: tuple[str, ...], as_json: bool) -> None:
    """Check eval sets: files in any format that `traces import` reads, or names of built-in sets.

    An item needs a prompt and an answer; its id, section, category and difficulty are optional.
    If one of `tunix-rt-nb tasks` made the prompt (a known task), the answer is checked. For other
    items, an evaluation compares a model's answer with that of the item, as `tunix-rt-nb grade`
    does.

    \b
    Examples:
      tunix-rt-nb evalsets check mine.jsonl
      tunix-rt-nb evalsets check core-v1 --json
    """
    with progress.progress("checking"):
        found = [_summary(name) for name in names]
    text = "\n".join(map(_told, found))
    terminal.echo_result(found, text, as_json)


def _summary(name: str) -> dict[str, Any]:
    traces = [trace for _, trace in dataset.evalset.read(name)]
    metas = [trace.meta or {} for trace in traces]
    counts = {
        field: dict(sorted(Counter(str(meta[field]) for meta in metas if meta.get(field)).items()))
        for field in ("section", "category", "difficulty")
    }
    known = sum(trace.task is not None for trace in traces)
    own = (trace.final_answer for trace in traces if trace.task is None)
    verbatim = sum(map(evaluate.verbatim, own))
    sizes = {"items": len(traces), "of_known_tasks": known, "verbatim": verbatim}
    return {"name": name, **sizes, **counts}


def _told(found: dict[str, Any]) -> str:
    items = counted(found["items"], "item{s}")
    told = f"{found['name']}: {items}, {found['of_known_tasks']:,} of known tasks;"
    if n := found["verbatim"]:
        return f"{told} {n:,} of the expected answers are {evaluate.VERBATIM}"
    return f"{told} all can be graded"


@evalsets.command("from")
@click.argument("key")
@options.default_option(
    "-o", "--out", "path", type=options.FILE, default="evalset.jsonl", help="The file to write."
)
def from_(key: str, path: Path) -> None:
    """Write the held-out traces of a dataset as an eval set.

    KEY is the key of a dataset, such as cards-v1, or its folder.

    \b
    Example: tunix-rt-nb evalsets from cards-v1 -o cards.jsonl
    """
    count = dataset.write_evalset(dataset.find(key), path)
    terminal.echo(f"{counted(count, 'item{s}')}: {path}")
