"""tunix-rt-nb datasets: datasets from the command line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from tunix_rt_nb import dataset, improve, models, runs, store, train
from tunix_rt_nb.cli import display, options, progress, terminal
from tunix_rt_nb.cli.checks import check_run
from tunix_rt_nb.cli.groups import Group
from tunix_rt_nb.common import InputError, counted, files, one_line
from tunix_rt_nb.report import text_table
from tunix_rt_nb.trace import formats


@click.group(cls=Group)
def datasets() -> None:
    """Build, list, show, compare, merge and export datasets.

    A dataset holds traces: some to train on, the others held out.

    \b
    Example: tunix-rt-nb datasets build cards.yaml
    """


_out = options.folder_option(
    "--out", help="Folder for the dataset's own folder; by default data/datasets."
)
_shards = click.option(
    "--shards",
    "shard_count",
    metavar="N",
    type=int,
    help="Cut each side into N files, a power of two up to 128; by default one file.",
)


@datasets.command()
@click.argument("spec", metavar="SPEC.yaml", type=options.FILE)
@options.store_to_read
@_out
@_shards
@options.engine_options
@options.json_option
def build(
    spec: Path,
    folder: Path | None,
    out: Path | None,
    shard_count: int | None,
    engine: str,
    master: str | None,
    as_json: bool,
) -> None:
    """Build a dataset: select, clean and split traces as a YAML file says.

    The file's fields are dataset_name, dataset_version, filters, limit, selection_strategy (latest,
    random, stratified, quality, custom) and its settings, eval_fraction, near_duplicates,
    eval_sets, parent_dataset_id, template, style, system, tags, session_id, training_run_id. A
    dataset never changes: other content needs another version. In the name of its folder, a space
    or `/` of its name and version becomes `_`.

    \b
    Examples:
      tunix-rt-nb datasets build cards.yaml
      tunix-rt-nb datasets build cards.yaml --store runs/quickstart/1_generate/traces
      tunix-rt-nb datasets build cards.yaml --shards 16
      tunix-rt-nb datasets build cards.yaml --engine spark --master local[2]
    """
    chosen = dataset.DatasetSpec.read(spec)
    opened, parent = options.open_store(folder), out or dataset.versions.home()
    with options.engine_of(engine, master) as spark, progress.progress("building"):
        built = dataset.build(opened, chosen, parent, spark=spark, shard_count=shard_count)
    _tell_key(chosen)
    _tell(built, as_json)


@datasets.command("list")
@click.option("--tag", help="List only datasets with this tag.")
@options.json_option
def list_(tag: str | None, as_json: bool) -> None:
    """List the datasets of data/datasets and of all runs.

    built_at is the time of the build, created_at that of the newest trace.

    \b
    Examples:
      tunix-rt-nb datasets list
      tunix-rt-nb datasets list --tag cards --json
    """
    rows = [{**row, **_built(row)} for row in dataset.listing(tag)]
    times = ("built_at", "created_at")
    shown = ("dataset", "state", "train", "eval", *times, "strategy", "tags", "folder")
    table = [display.only(row, *shown) | display.damage(row) for row in rows]
    terminal.echo_rows(rows, table, as_json, f"{counted(len(rows), 'dataset{s}')}")


@datasets.command()
@click.argument("key")
@options.json_option
def show(key: str, as_json: bool) -> None:
    """Show a dataset: how it was built, its tasks, and the lengths of its traces in tokens.

    It lists how many traces each stage of the build kept, and why traces were refused. KEY is a
    dataset's key or the path of its folder.

    \b
    Example: tunix-rt-nb datasets show quickstart-v1
    """
    _tell(dataset.find(key), as_json)


@datasets.command("diff")
@click.argument("a")
@click.argument("b")
@options.json_option
def diff_command(a: str, b: str, as_json: bool) -> None:
    """List the traces that only A or only B has, and those that moved between train and eval.

    A and B are keys of datasets or the paths of their folders.

    \b
    Example: tunix-rt-nb datasets diff cards-v1 cards-v2
    """
    found = dataset.diff(*(dataset.with_ids(dataset.find(key)) for key in (a, b)))
    if as_json:
        terminal.echo_json(found._asdict())
        return
    for sign, ids in (("+", found.added), ("-", found.removed), ("~", found.moved)):
        for id in ids:
            terminal.echo(f"{sign} {id}")
    told = ", ".join(f"{n:,} {name}" for name, n in found.counts().items())
    terminal.echo(f"{told}; + only in {b}, - only in {a}, ~ moved", err=True)


@datasets.command("merge")
@click.argument("keys", metavar="KEY...", nargs=-1, required=True)
@click.option("--name", required=True, help="dataset_name of the new dataset.")
@options.default_option("--version", default="v1", help="dataset_version of the new dataset.")
@_out
@_shards
@options.json_option
def merge_command(
    keys: tuple[str, ...],
    name: str,
    version: str,
    out: Path | None,
    shard_count: int | None,
    as_json: bool,
) -> None:
    """Merge several datasets into one, with each trace once, and clean it again.

    A trace that any of the datasets held out stays held out.

    \b
    Example: tunix-rt-nb datasets merge cards-v1 sums-v1 --name mixed
    """
    spec = dataset.DatasetSpec.of(dataset_name=name, dataset_version=version)
    sources = [dataset.find(key) for key in keys]
    with progress.progress("merging"):
        merged = dataset.merge(sources, spec, out or dataset.versions.home(), shard_count)
    _tell_key(spec)
    _tell(merged, as_json)


@datasets.command()
@click.argument("key", required=False)
@click.option(
    "--ids", metavar="ID,ID...", help="Ids of traces or their beginnings, instead of KEY."
)
@options.form_option("--format", formats.EXPORTS, "tunix_sft")
@options.output_option(
    "File to write: .jsonl, .jsonl.gz, .parquet, .csv, .array_record or .tfrecord.", required=True
)
@click.option(
    "--split",
    type=options.Choice(["train", "eval", "all"]),
    help="The traces to train on (the default), those held out, or all.",
)
@click.option("--template", help="Chat template; by default the dataset's own, or gemma.")
@click.option("--style", help="Style of a response; by default the dataset's own, or numbered.")
@click.option("--system", help="System message; by default the dataset's own, or none.")
@options.store_option(
    "Folder of the traces: those deleted in it are left out; by default the run's, or data/traces."
)
@options.engine_options
@options.json_option
def export(
    key: str | None,
    ids: str | None,
    form: str,
    path: Path,
    split: str | None,
    template: str | None,
    style: str | None,
    system: str | None,
    folder: Path | None,
    engine: str,
    master: str | None,
    as_json: bool,
) -> None:
    """Write the traces of a dataset, or those with given ids, as records for other programs.

    KEY is the key of a dataset or the path of its folder. Its traces to train on are written; with
    `--split all`, those held out come after them. Traces that were deleted since the build stay
    out, and are counted.

    \b
    Examples:
      tunix-rt-nb datasets export quickstart-v1 -o quickstart.jsonl
      tunix-rt-nb datasets export quickstart-v1 --format messages --split all -o all.parquet
      tunix-rt-nb datasets export quickstart-v1 --template chatml --style tags -o qwen.jsonl
      tunix-rt-nb datasets export --ids 1f3a,77c0 --format trace -o two.csv
    """
    found = dataset.find(key) if key else None
    asked = [id.strip() for id in (ids or "").split(",") if id.strip()]
    kept = options.open_store(folder or (store.traces_of(found) if found else None))
    with options.engine_of(engine, master) as spark, progress.progress("exporting"):
        done = dataset.export(
            path,
            form,
            dataset=found,
            split=split,
            ids=asked,
            store=kept,
            template=template,
            style=style,
            system=system,
            spark=spark,
        )
    left_out = f", {done.deleted:,} deleted traces left out" if done.deleted else ""
    record = {**done._asdict(), "format": form, "path": str(path)}
    if found:
        record["split"] = split or "train"
        held_out = dataset.read_manifest(found)["split"]["eval"] if not split else 0
        left_out += f", {held_out:,} held out are not in it (--split all)" if held_out else ""
    told = f"{done.written:,} records in format {form}{left_out}: {path}"
    terminal.echo_result(record, told, as_json)


@datasets.command("tunix-yaml")
@click.argument("key")
@options.output_option("Write the job to this file instead of printing it.")
@options.default_option("--model-id", default="tiny", help="The model to start from.")
@click.option(
    "--learning-rate", type=float, help="Peak learning rate; by default what fits the model."
)
@click.option("--epochs", "num_epochs", type=int, help="How often each trace is seen.")
@click.option("--batch-size", type=int, help="Sequences per optimiser step.")
@click.option("--max-length", "max_seq_length", type=int, help="Tokens per sequence.")
@click.option("--output-dir", help="Folder of the job's run; by default runs/KEY.")
@options.default_option(
    "--for",
    "program",
    type=options.Choice(["tunix-rt-nb", "tunix-grpo"]),
    default="tunix-rt-nb",
    help="The program that is to run the job.",
)
def tunix_yaml(
    key: str,
    path: Path | None,
    model_id: str,
    output_dir: str | None,
    program: str,
    **training: Any,
) -> None:
    """Print a Tunix job that trains on a dataset, as YAML for `tunix-rt-nb run`.

    KEY is the key of a dataset, the path of its folder, or a JSON lines file that was exported.
    By default, the job writes its run to runs/KEY. If that folder holds another run or the dataset
    itself, the job writes to runs/KEY-job instead. A job that `run` would refuse is not written.

    With `--for tunix-grpo`, the YAML is for Tunix's own command line instead:
    `python -m tunix.cli.grpo_main FILE` lets a model's folder answer prompts, and rewards answers
    and steps that our checkers find right.

    \b
    Examples:
      tunix-rt-nb datasets tunix-yaml quickstart-v1
      tunix-rt-nb datasets tunix-yaml quickstart-v1 --output-dir out -o job.yaml
      tunix-rt-nb datasets tunix-yaml cards-v1 --model-id gemma3-1b-it --epochs 2
      tunix-rt-nb datasets tunix-yaml cards-v1 --for tunix-grpo --model-id my/model -o grpo.yaml
    """
    if not models.catalog.is_known(model_id):
        raise models.catalog.unknown_model("--model-id", model_id)
    job = train.draft_job(key, model_id, output_dir or "", **training)
    if program == "tunix-grpo":
        text = improve.grpo_yaml(job)
    else:
        check_run(runs.parameters.resolve(job.parameters()))
        text = job.yaml()
    if path:
        with files.atomic(path) as file:
            file.write(text.encode())
    else:
        terminal.echo(text.rstrip("\n"))


def _built(row: Mapping[str, Any]) -> dict[str, str]:
    """Return when a dataset was built, as a field of its row; nothing if it is not complete."""
    return {"built_at": dataset.built_at(row["folder"])} if row["state"] == "complete" else {}


def _tell_key(spec: "dataset.DatasetSpec") -> None:
    """Say what the key of a dataset is if its name or version was made safe for a folder."""
    if spec.key != f"{spec.dataset_name}-{spec.dataset_version}":
        terminal.echo(f"made safe for a folder, its key is {spec.key}", err=True)


def _tell(folder: Path, as_json: bool) -> None:
    manifest = dataset.read_manifest(folder)
    if as_json:
        found = {"folder": str(folder), "built_at": dataset.built_at(folder), **manifest}
        terminal.echo_json(found)
        return
    try:
        text = _page(folder, manifest)
    except (LookupError, TypeError, ValueError, AttributeError):
        path = folder / "manifest.json"
        raise InputError(f"{path}: a field has another type, build the dataset again") from None
    terminal.echo(text)


def _form(manifest: "dataset.Manifest") -> list[str]:
    """Return a line with the form that a dataset names; none if it names no part of one."""
    named = dataset.form_of(manifest)._asdict().items()
    told = [f"{part} {one_line(value, 60)}" for part, value in named if value is not None]
    return [f"written in {', '.join(told)}"] if told else []


def _cut(manifest: "dataset.Manifest") -> list[str]:
    """Return a line with the number of shards; none if each side is one file."""
    return [f"each side in {manifest['shards']} shards"] if "shards" in manifest else []


def _page(folder: Path, manifest: "dataset.Manifest") -> str:
    """Return the figures of a manifest as text."""
    sha256 = manifest["sha256"][:16]
    lines = [
        f"{one_line(manifest['dataset_key'])}  sha256 {one_line(sha256)}  {folder}",
        f"built {dataset.built_at(folder)} by {one_line(manifest['code_version'])},"
        f" the newest trace is of {one_line(manifest['created_at'])}",
        *_form(manifest),
        *_cut(manifest),
        "",
        f"{text_table(dataset.funnel(manifest))}\n",
        f"{text_table(dataset.by_task(manifest))}\n",
        "{unit} a trace: median {median}, 95 % up to {p95}, at most {max}".format(
            **manifest["tokens"]
        ),
    ]
    for name, counts in (("refused", manifest["rejected"]), ("changes", manifest.get("changes"))):
        if counts:
            lines.append(f"{name}: {', '.join(f'{n:,} {what}' for what, n in counts.items())}")
    return "\n".join(lines)
