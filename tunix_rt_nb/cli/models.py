"""tunix-rt-nb models: promoted models from the command line."""

import json

import click

from tunix_rt_nb import runs
from tunix_rt_nb.cli.options import json_option
from tunix_rt_nb.report import text_table

# Commands import the registry when called, because it loads DuckDB, which few need.


@click.group()
def models() -> None:
    """Promote the models of runs, list, show and verify them.

    \b
    Example: tunix-rt-nb models promote quickstart
    """


@models.command()
@click.argument("run")
@click.option("--as", "name", default="", help="The name of the model: that of the run, else.")
@json_option
def promote(run: str, name: str, as_json: bool) -> None:
    """Keep the model of RUN for good, as the next version of its name: v1, v2, ...

    The new folder is a model folder that loads as it is. If a version of this name already holds
    this model, no other version is made.

    \b
    Examples:
      tunix-rt-nb models promote quickstart
      tunix-rt-nb models promote quickstart --as sums --json
    """
    made = runs.promoted.promote(runs.registry.find(run), name)
    if as_json:
        click.echo(json.dumps({**made._asdict(), "folder": str(made.folder)}))
        return
    known = "" if made.new else ", there already"
    click.echo(f"{made.model}/{made.version}  sha256 {made.sha256[:16]}  {made.folder}{known}")


@models.command("list")
@click.option("--model", "name", default="", help="Only versions of this one.")
@json_option
def list_(name: str, as_json: bool) -> None:
    """List the promoted models, the newest version of each first.

    \b
    Example: tunix-rt-nb models list
    """
    rows = runs.promoted.listing(name)
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False))
    elif rows:
        shown = ("model", "version", "run", "base", "dataset", "items", "bytes")
        click.echo(
            text_table(
                [
                    {**{field: row[field] for field in shown}, "answers": _percent(row["score"])}
                    for row in rows
                ]
            )
        )
    click.echo(f"{len(rows)} versions in {runs.promoted.home()}", err=True)


@models.command()
@click.argument("model", metavar="NAME[/VERSION]")
def show(model: str) -> None:
    """Print what is known of a promoted model as JSON; of its newest version unless one is named.

    \b
    Example: tunix-rt-nb models show sums/v1
    """
    folder = runs.promoted.find(model)
    told = {"folder": str(folder), **runs.promoted.manifest(folder)}
    click.echo(json.dumps(told, ensure_ascii=False, indent=2))


@models.command()
@click.argument("model", metavar="NAME[/VERSION]")
@click.pass_context
def verify(context: click.Context, model: str) -> None:
    """Check that the files of a promoted model are unchanged; ends with 1 if not.

    \b
    Example: tunix-rt-nb models verify sums
    """
    folder = runs.promoted.find(model)
    altered = runs.promoted.altered(folder)
    for name in altered:
        click.echo(f"✗ {folder / name}: is not what was promoted")
    if not altered:
        click.echo(f"✓ {folder}: every file is what was promoted")
    context.exit(1 if altered else 0)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"
