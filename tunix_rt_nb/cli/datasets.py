"""tunix-rt-nb datasets: datasets from the command line."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tunix_rt_nb import dataset, runs, train
from tunix_rt_nb.cli.options import json_option, open_store, store_option, store_to_read
from tunix_rt_nb.host import paths
from tunix_rt_nb.report import text_table
from tunix_rt_nb.trace import formats

if TYPE_CHECKING:
    from tunix_rt_nb.store import TraceStore

# Commands import `dataset` when called, because it loads numpy and pydantic, and few need those.


@click.group()
def datasets() -> None:
    """Build, list, show, compare, merge and export datasets.

    \b
    Example: tunix-rt-nb datasets build cards.yaml
    """


_out = click.option(
    "--out",
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the dataset's folder goes: data/datasets unless given.",
)


@datasets.command()
@click.argument("spec", metavar="SPEC.yaml", type=click.Path(path_type=Path))
@store_to_read
@_out
@json_option
def build(spec: Path, folder: Path | None, out: Path | None, as_json: bool) -> None:
    """Build a dataset: select, clean and split traces as a YAML file says.

    The file's fields are dataset_name, dataset_version, filters, limit, selection_strategy (latest,
    random, stratified, quality, custom) and its settings, eval_fraction, near_duplicates,
    eval_sets, parent_dataset_id, tags, session_id, training_run_id. A dataset never changes: other
    content needs another version.

    \b
    Examples:
      tunix-rt-nb datasets build cards.yaml
      tunix-rt-nb datasets build cards.yaml --store runs/quickstart/1_generate/traces
    """
    chosen = dataset.DatasetSpec.read(spec)
    _tell(dataset.build(open_store(folder), chosen, out or dataset.versions.home()), as_json)


@datasets.command("list")
@click.option("--tag", help="Only those with this tag.")
@json_option
def list_(tag: str | None, as_json: bool) -> None:
    """List the datasets of data/datasets and of all runs.

    \b
    Examples:
      tunix-rt-nb datasets list
      tunix-rt-nb datasets list --tag cards --json
    """
    rows = list(dataset.listing(tag))
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False))
    elif rows:
        shown = ("dataset", "state", "train", "eval", "created_at", "strategy", "tags", "folder")
        click.echo(text_table([{name: row.get(name) for name in shown} for row in rows]))
    click.echo(f"{len(rows)} datasets", err=True)


@datasets.command()
@click.argument("key")
@json_option
def show(key: str, as_json: bool) -> None:
    """Show a dataset: its funnel, its tasks, its length, what was refused.

    KEY is a dataset's key or the path of its folder.

    \b
    Example: tunix-rt-nb datasets show quickstart-v1
    """
    _tell(dataset.find(key), as_json)


@datasets.command("diff")
@click.argument("a")
@click.argument("b")
@json_option
def diff_command(a: str, b: str, as_json: bool) -> None:
    """List the traces that only A or only B has, and those that changed between train and eval.

    \b
    Example: tunix-rt-nb datasets diff cards-v1 cards-v2
    """
    found = dataset.diff(*(dataset.read_manifest(dataset.find(key)) for key in (a, b)))
    if as_json:
        click.echo(json.dumps(found._asdict()))
        return
    for sign, ids in (("+", found.added), ("-", found.removed), ("~", found.moved)):
        for id in ids:
            click.echo(f"{sign} {id}")
    told = ", ".join(f"{n:,} {name}" for name, n in found.counts().items())
    click.echo(f"{told}; + only in {b}, - only in {a}, ~ on another side", err=True)


@datasets.command("merge")
@click.argument("keys", metavar="KEY...", nargs=-1, required=True)
@click.option("--name", required=True, help="dataset_name of the new one.")
@click.option("--version", default="v1", show_default=True, help="dataset_version of the new one.")
@_out
@json_option
def merge_command(
    keys: tuple[str, ...], name: str, version: str, out: Path | None, as_json: bool
) -> None:
    """Merge several datasets into one: each trace once, cleaned again.

    Traces that any of them held out stay held out.

    \b
    Example: tunix-rt-nb datasets merge cards-v1 sums-v1 --name mixed
    """
    spec = dataset.DatasetSpec.of(dataset_name=name, dataset_version=version)
    sources = [dataset.find(key) for key in keys]
    _tell(dataset.merge(sources, spec, out or dataset.versions.home()), as_json)


@datasets.command()
@click.argument("key", required=False)
@click.option(
    "--ids", metavar="ID,ID...", help="Instead of KEY: ids of traces or their beginnings."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(formats.EXPORTS)),
    default="tunix_sft",
    show_default=True,
    help="What the records are.",
)
@click.option(
    "-o",
    "--output",
    "path",
    metavar="FILE",
    required=True,
    type=click.Path(path_type=Path),
    help="Where to: .jsonl, .jsonl.gz, .parquet, .csv, .array_record or .tfrecord.",
)
@click.option("--split", type=click.Choice(["train", "eval"]), help="One side only.")
@store_option(
    "Where the traces are; whose deleted ones stay out of a dataset: its run's, or data/traces."
)
@json_option
def export(
    key: str | None,
    ids: str | None,
    form: str,
    path: Path,
    split: str | None,
    folder: Path | None,
    as_json: bool,
) -> None:
    """Write the traces of a dataset, or those with given ids, as records for other programs.

    KEY is the key of a dataset in data/datasets or in the newest run, or the path of its folder.
    First come the traces to train on, then those held out. Traces that were deleted since the
    build stay out, and are counted.

    \b
    Examples:
      tunix-rt-nb datasets export quickstart-v1 -o quickstart.jsonl
      tunix-rt-nb datasets export quickstart-v1 --format messages --split train -o train.parquet
      tunix-rt-nb datasets export --ids 1f3a,77c0 --format trace -o two.csv
    """
    found = dataset.find(key) if key else None
    asked = [id.strip() for id in (ids or "").split(",") if id.strip()]
    done = dataset.export(
        path, form, dataset=found, split=split, ids=asked, store=_store(found, folder)
    )
    if as_json:
        click.echo(json.dumps({**done._asdict(), "format": form, "path": str(path)}))
        return
    left_out = f", {done.deleted:,} deleted traces left out" if done.deleted else ""
    click.echo(f"{done.written:,} records of the form {form}{left_out}: {path}")


def _store(dataset: Path | None, folder: Path | None) -> "TraceStore":
    """Open the store in `folder`; without one, that of the run in which the dataset was built.

    If neither is known, open the store that commands read by default.
    """
    if dataset and not folder and (dataset.parent / "result.json").is_file():
        made_from = runs.result(dataset.parent)["inputs"].get("generate")
        traces = dataset.parent / made_from["folder"] / "traces" if made_from else None
        folder = traces if traces and traces.is_dir() else None
    return open_store(folder)


@datasets.command("tunix-yaml")
@click.argument("key")
@click.option(
    "-o", "--output", "path", metavar="FILE", type=click.Path(path_type=Path), help="Write a file."
)
@click.option("--model-id", default="tiny", show_default=True, help="The model to start from.")
@click.option("--output-dir", help="The folder of its run: runs/KEY unless given.")
def tunix_yaml(key: str, path: Path | None, model_id: str, output_dir: str | None) -> None:
    """Print a Tunix job that trains on a dataset, as YAML for `tunix-rt-nb run`.

    KEY is the key of a dataset, the path of its folder, or a JSON lines file that was exported.
    If runs/KEY holds another run or the dataset itself, the job's run is runs/KEY-job.

    \b
    Examples:
      tunix-rt-nb datasets tunix-yaml quickstart-v1
      tunix-rt-nb datasets tunix-yaml quickstart-v1 --output-dir out -o job.yaml
    """
    source, form = Path(key), "tunix_sft"
    if source.is_file():
        form = formats.export_in(source)
    else:
        source = dataset.versions.find(key)
    out = Path(output_dir) if output_dir else paths.home() / "runs" / train.job_name(source)
    if not output_dir and (runs.is_taken(out) or source.resolve().is_relative_to(out)):
        out = out.with_name(f"{out.name}-job")
    job = train.Job.of(
        model={"model_id": model_id},
        dataset={"format": form, "path": str(source.resolve())},
        output={"output_dir": str(out.resolve())},
    )
    if path:
        train.write_job(job, path)
    else:
        click.echo(job.yaml(), nl=False)


def _tell(folder: Path, as_json: bool) -> None:
    manifest = dataset.read_manifest(folder)
    if as_json:
        click.echo(json.dumps({"folder": str(folder), **manifest}, ensure_ascii=False))
        return
    click.echo(f"{manifest['dataset_key']}  sha256 {manifest['sha256'][:16]}  {folder}\n")
    click.echo(f"{text_table(dataset.funnel(manifest))}\n")
    click.echo(f"{text_table(dataset.by_task(manifest))}\n")
    tokens = manifest["tokens"]
    click.echo(
        f"{tokens['unit']} a trace: median {tokens['median']}, 95 % up to {tokens['p95']},"
        f" at most {tokens['max']}"
    )
    for name, text in (("refused", manifest["rejected"]), ("changes", manifest.get("changes"))):
        if text:
            click.echo(f"{name}: {', '.join(f'{n:,} {what}' for what, n in text.items())}")
