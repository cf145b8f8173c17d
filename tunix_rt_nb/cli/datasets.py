"""tunix-rt-nb datasets: datasets from the command line."""

import json
from pathlib import Path

import click

from tunix_rt_nb.cli import display
from tunix_rt_nb.cli.options import json_option, open_store, store_to_read

# The package of datasets loads numpy and pydantic, which not every command needs.


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

    Its fields are dataset_name, dataset_version, filters, limit, selection_strategy (latest,
    random, stratified, quality, custom) and what belongs to it, eval_fraction, near_duplicates,
    eval_sets, parent_dataset_id, tags, session_id, training_run_id. A dataset never changes: other
    content needs another version.

    \b
    Examples:
      tunix-rt-nb datasets build cards.yaml
      tunix-rt-nb datasets build cards.yaml --store runs/quickstart/1_generate/traces
    """
    from tunix_rt_nb import dataset
    from tunix_rt_nb.dataset import versions

    chosen = dataset.DatasetSpec.read(spec)
    _tell(dataset.build(open_store(folder), chosen, out or versions.home()), as_json)


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
    from tunix_rt_nb import dataset

    rows = list(dataset.listing(tag))
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False))
    elif rows:
        shown = ("dataset", "state", "train", "eval", "created_at", "strategy", "tags", "folder")
        click.echo(display.columns([{name: row.get(name) for name in shown} for row in rows]))
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
    from tunix_rt_nb import dataset

    _tell(dataset.find(key), as_json)


@datasets.command("diff")
@click.argument("a")
@click.argument("b")
@json_option
def diff_command(a: str, b: str, as_json: bool) -> None:
    """Tell which traces B has that A has not, and the other way round.

    \b
    Example: tunix-rt-nb datasets diff cards-v1 cards-v2
    """
    from tunix_rt_nb import dataset

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
    """Make one dataset of several: each trace once, cleaned anew.

    What was held out in any of them stays held out.

    \b
    Example: tunix-rt-nb datasets merge cards-v1 sums-v1 --name mixed
    """
    from tunix_rt_nb import dataset
    from tunix_rt_nb.dataset import versions

    spec = dataset.DatasetSpec.of(dataset_name=name, dataset_version=version)
    sources = [dataset.find(key) for key in keys]
    _tell(dataset.merge(sources, spec, out or versions.home()), as_json)


def _tell(folder: Path, as_json: bool) -> None:
    from tunix_rt_nb import dataset

    manifest = dataset.read_manifest(folder)
    if as_json:
        click.echo(json.dumps({"folder": str(folder), **manifest}, ensure_ascii=False))
        return
    click.echo(f"{manifest['dataset_key']}  sha256 {manifest['sha256'][:16]}  {folder}\n")
    click.echo(f"{display.columns(dataset.funnel(manifest))}\n")
    click.echo(f"{display.columns(dataset.by_task(manifest))}\n")
    tokens = manifest["tokens"]
    click.echo(
        f"{tokens['unit']} a trace: median {tokens['median']}, 95 % up to {tokens['p95']},"
        f" at most {tokens['max']}"
    )
    for name, text in (("refused", manifest["rejected"]), ("changes", manifest.get("changes"))):
        if text:
            click.echo(f"{name}: {', '.join(f'{n:,} {what}' for what, n in text.items())}")
