"""tunix-rt-nb traces: the trace store from the command line."""

import json
from pathlib import Path
from typing import Any

import click

from tunix_rt_nb import report, store, tasks
from tunix_rt_nb.cli import display, options, progress, terminal
from tunix_rt_nb.cli.groups import Group
from tunix_rt_nb.common import InputError, counted, workers
from tunix_rt_nb.trace import formats


@click.group(cls=Group)
def traces() -> None:
    """Generate, import, list, show, compare, score, delete, verify and compact traces.

    A trace is a prompt, the reasoning steps that solve it, and the answer.

    \b
    Example: tunix-rt-nb traces import mine.jsonl
    """


@traces.command("import")
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=options.FILE)
@options.form_option("--as", [formats.AUTO, *formats.FORMATS], formats.AUTO)
@options.map_option
@options.skip_option
@options.store_to_change
@options.json_option
def import_(
    paths: tuple[Path, ...],
    form: str,
    names: str,
    skip_bad: bool,
    folder: Path | None,
    as_json: bool,
) -> None:
    """Add the traces of files: all of them or, if a record is bad, none.

    A file holds JSON lines (plain, gzip, or - for standard input), a JSON array, Parquet or CSV;
    a folder is a dataset as Hugging Face lays it out. The format of the records is recognised by
    their fields. A trace that is in the store is not added again, and a deleted one stays deleted.
    If one of `tunix-rt-nb tasks` made a trace (a known task), its steps are checked.

    \b
    Examples:
      tunix-rt-nb traces import mine.jsonl
      tunix-rt-nb traces import --map prompt=frage,answer=antwort fragen.csv
      tunix-rt-nb traces import --as gsm8k --skip-bad train.jsonl.gz test.jsonl.gz
    """
    opened = options.open_store(folder, to_read=False)
    skipped = opened.folder / "skipped.txt"
    how = {"names": formats.parts_of(names), "skip_bad": skip_bad, "skipped": skipped}
    lines: list[str] = []
    with progress.progress("reading", progress.size(paths)) as shown:
        added = opened.import_files(
            paths, store.now(), form, shown.read, workers.processes(), report=lines.append, **how
        )
    for line in lines:
        terminal.echo(line, err=True)
    told = f"{display.added(added)}: {opened.folder}"
    terminal.echo_result(added._asdict(), told, as_json)


@traces.command()
@click.argument("task")
@click.option("-n", "--number", "n", type=int, required=True, help="How many traces.")
@options.default_option("--seed", type=int, default=0, help="Another seed draws other traces.")
@options.default_option(
    "--difficulty", type=options.Choice(tasks.DIFFICULTIES), default="easy", help="Of the problems."
)
@options.default_option(
    "--grain",
    type=options.Choice(tasks.GRAINS),
    default="fine",
    help="Small steps, or larger ones.",
)
@options.default_option(
    "--mistakes", type=float, default=0.0, help="Share of traces that repair a wrong step."
)
@click.option(
    "--shard", metavar="K/N", help="Draw only shard K, from 0, of N; auto and auto/N find K."
)
@options.folder_option(
    "--shards",
    "parts",
    help="Folder to write the shard to or, without --shard, to join the shards from.",
)
@options.store_to_change
@options.json_option
def generate(
    task: str,
    n: int,
    shard: str | None,
    parts: Path | None,
    folder: Path | None,
    as_json: bool,
    **how: Any,
) -> None:
    """Draw traces of distinct problems of TASK, and check every step.

    On many machines, each draws one shard into the same folder, as `--shard 3/8` or, in an array of
    Slurm, an indexed job of Kubernetes or a task of Spark, as `--shard auto/8`. Once all are there,
    the same command without --shard adds them to the store: the same traces as one machine draws.

    \b
    Examples:
      tunix-rt-nb traces generate arithmetic -n 1000
      tunix-rt-nb traces generate gcd -n 1000000 --shard auto/100 --shards parts
      tunix-rt-nb traces generate gcd -n 1000000 --shards parts
    """
    if shard is not None:
        if parts is None or folder is not None:
            raise InputError("--shard: expected --shards FOLDER to write to, and no --store")
        path = tasks.write_shard(parts, tasks.Shard.parse(shard), task, n, **how)
        terminal.echo_result({"file": str(path)}, str(path), as_json)
        return
    drawn = tasks.join_shards(parts, task, n, **how) if parts else tasks.draw(task, n, **how)
    opened = options.open_store(folder, to_read=False)
    added = opened.add(drawn, store.now())
    told = f"{display.added(added)}: {opened.folder}"
    terminal.echo_result(added._asdict(), told, as_json)


@traces.command("list")
@options.default_option("--limit", type=click.IntRange(min=1), default=20, help="How many to list.")
@click.option("--offset", type=click.IntRange(min=0), default=0, help="How many to skip.")
@click.option("--task", help="List only traces of this task.")
@options.where_option("PATH=VALUE", "Only traces whose meta has this value")
@options.store_to_read
@options.json_option
def list_(
    limit: int,
    offset: int,
    task: str | None,
    conditions: tuple[str, ...],
    folder: Path | None,
    as_json: bool,
) -> None:
    """List traces, the newest first; traces of the same time are sorted by id.

    \b
    Examples:
      tunix-rt-nb traces list --limit 100
      tunix-rt-nb traces list --task arithmetic --where difficulty=hard --json
    """
    store = options.open_store(folder)
    filters = options.filters_of(conditions) | ({"task": task} if task else {})
    found = store.newest(limit, offset, filters)
    if as_json:
        terminal.echo_json([stored.record() for stored in found])
        return
    for stored in found:
        terminal.echo(display.line(stored))
    terminal.echo(f"{len(found):,} of {store.count():,} traces in {store.folder}", err=True)


@traces.command()
@click.argument("id")
@options.store_to_read
@options.json_option
def show(id: str, folder: Path | None, as_json: bool) -> None:
    """Show a trace, its steps ticked if they are right and crossed if not.

    If one of `tunix-rt-nb tasks` made the trace (a known task), this task checks the steps.
    Otherwise the sums in the steps are checked, and a step without sums has a dot.

    ID may be the beginning of an id, if no other id begins with it.

    \b
    Example: tunix-rt-nb traces show 1f3a
    """
    [stored] = options.open_store(folder).get([id])
    checked = tasks.check(stored.trace)
    told = {name: getattr(checked, name) for name in ("steps", "end", "answer")}
    told["unchecked"] = sorted(checked.unchecked)
    record, page = {**stored.record(), "checks": told}, display.page(stored, checked)
    terminal.echo_result(record, page, as_json)


@traces.command()
@click.argument("a")
@click.argument("b")
@options.store_to_read
@options.json_option
def compare(a: str, b: str, folder: Path | None, as_json: bool) -> None:
    """Compare two traces, all that they say and their scores, with their steps aligned.

    The mark between two steps is = if both say the same, ~ if they differ, < or > if only one trace
    has the step. A and B are ids or their beginnings.

    \b
    Example: tunix-rt-nb traces compare 1f3a 77c0
    """
    both = options.open_store(folder).get([a, b])
    rows = report.side_by_side.align(both[0].trace, both[1].trace)
    scored = [store.scores.score(stored.trace, store.now()) for stored in both]
    sides = [{**stored.record(), **found} for stored, found in zip(both, scored, strict=True)]
    record = {"a": sides[0], "b": sides[1], "rows": [row._asdict() for row in rows]}
    ids = report.side_by_side.Row("id", " ", both[0].trace.id, both[1].trace.id)
    values = report.side_by_side.Row(
        "score", " ", display.score(scored[0]), display.score(scored[1])
    )
    written = report.side_by_side.Row("from", " ", *(stored.created_at for stored in both))
    metas = [json.dumps(stored.trace.meta, ensure_ascii=False) for stored in both]
    meta = report.side_by_side.Row("meta", "=" if metas[0] == metas[1] else "~", *metas)
    text = report.side_by_side.two_columns([ids, written, values, *rows, meta], display.width())
    terminal.echo_result(record, text, as_json)


@traces.command("score")
@click.argument("ids", metavar="[ID...]", nargs=-1)
@options.store_to_read
@options.json_option
def score_command(ids: tuple[str, ...], folder: Path | None, as_json: bool) -> None:
    """Score traces: those with these ids, or all.

    The baseline score measures only length, from 0 to 100: up to 50 for the number of steps (ten or
    more give 50), and up to 50 for their mean length (500 characters or more give 50). If one of
    `tunix-rt-nb tasks` made a trace, rely on its share of right steps and on whether its answer is
    right.

    \b
    Examples:
      tunix-rt-nb traces score
      tunix-rt-nb traces score 1f3a --json
    """
    from tunix_rt_nb.store import scores

    opened, now = options.open_store(folder), store.now()
    found = opened.get(ids) if ids else opened
    scored = ((stored.trace, scores.score(stored.trace, now)) for stored in found)
    if as_json:
        terminal.echo_array({"id": trace.id, **values} for trace, values in scored)
    elif ids:
        for trace, values in scored:
            terminal.echo(f"{trace.id}  {display.score(values)}")
    else:
        for row in scores.summary(scored):
            terminal.echo(display.summary(row))


@traces.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@options.store_to_change
@options.json_option
def delete(ids: tuple[str, ...], folder: Path | None, as_json: bool) -> None:
    """Delete traces: all of them or, if an ID is unknown, none.

    An ID may be the beginning of an id. A deleted trace stays deleted when it is imported again.

    \b
    Example: tunix-rt-nb traces delete 1f3a
    """
    deleted = options.open_store(folder, to_read=False).delete(ids, store.now())
    terminal.echo_result({"deleted": deleted}, "\n".join(deleted), as_json)


@traces.command("verify")
@options.store_to_read
@options.engine_options
@options.json_option
def verify_command(folder: Path | None, engine: str, master: str | None, as_json: bool) -> None:
    """Check every trace again: its line, its id, its steps, its answer, and that it occurs once.

    If one of `tunix-rt-nb tasks` made a trace, this task checks its steps and answer. In other
    traces, the sums in the steps are checked. Prints one line for each fault, and exits with 1 if
    there is any.

    \b
    Example: tunix-rt-nb traces verify
    """
    opened = options.open_store(folder)
    wrong = []
    with options.engine_of(engine, master) as spark, progress.progress("checking"):
        verification = store.Verification(opened.folder, processes=workers.processes(), spark=spark)
        for line in verification:
            wrong.append(line)
            if not as_json:
                terminal.echo(line)
    seen, checked = verification.traces, verification.checked
    right, false, unchecked = verification.sums
    steps = {"right": right, "wrong": false, "unchecked": unchecked}
    record = {"traces": seen, "checked": checked, "steps": steps, "wrong": wrong}
    told = f"{counted(seen, 'trace{s}')}, {checked:,} of them of known tasks"
    if any(verification.sums):
        told += (
            f"; steps of the others: {right:,} right, {false:,} wrong, {unchecked:,} not checkable"
        )
    text = f"{told}: {len(wrong) or 'nothing'} wrong in {opened.folder}"
    terminal.echo_result(record, text, as_json)
    if not verification.recorded:
        terminal.warn("removed files cannot be told: an earlier version wrote this store")
    options.end(not wrong)


@traces.command()
@options.store_to_change
@options.json_option
def compact(folder: Path | None, as_json: bool) -> None:
    """Merge the shards of the store into one, without the deleted traces.

    \b
    Example: tunix-rt-nb traces compact
    """
    store = options.open_store(folder, to_read=False)
    before = len(store.shards())
    with progress.progress("merging"):
        left_out = store.compact()
    counts = {"shards_before": before, "shards": len(store.shards()), "left_out": left_out}
    told = f"{before} shards became {counts['shards']}, {left_out} deleted traces left out"
    terminal.echo_result(counts, told, as_json)
