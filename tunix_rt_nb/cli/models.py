"""tunix-rt-nb models: promoted models, which are models of runs that are kept for good."""

import click

from tunix_rt_nb import runs
from tunix_rt_nb.cli import display, terminal
from tunix_rt_nb.cli.options import end, json_option
from tunix_rt_nb.common import counted


@click.group()
def models() -> None:
    """Promote models of runs, that is, keep them for good; list, show and verify promoted models.

    \b
    Example: tunix-rt-nb models promote quickstart
    """


@models.command()
@click.argument("run")
@click.option("--as", "name", default="", help="Name of the model; by default the name of the run.")
@json_option
def promote(run: str, name: str, as_json: bool) -> None:
    """Keep the model of RUN for good, as the next version of its name: v1, v2, ...

    Prints the folder of the new version, which the parameter MODEL can name. If a version of this
    name already holds this model, no new version is made.

    \b
    Examples:
      tunix-rt-nb models promote quickstart
      tunix-rt-nb models promote quickstart --as sums --json
    """
    made = runs.promoted.promote(runs.registry.find(run), name)
    known = "" if made.new else ", exists already"
    told = f"{made.model}/{made.version}  sha256 {made.sha256[:16]}  {made.folder}{known}"
    record = {**made._asdict(), "folder": str(made.folder)}
    terminal.echo_result(record, told, as_json)


@models.command("list")
@click.option("--model", "name", default="", help="List only versions of this model.")
@json_option
def list_(name: str, as_json: bool) -> None:
    """List the promoted models, the newest version of each first.

    \b
    Example: tunix-rt-nb models list
    """
    rows = runs.promoted.listing(name)
    shown = ("model", "version", "run", "base", "dataset", "items", "bytes")
    table = [
        {
            **display.only(row, *shown),
            "answers": display.percent(row["score"]),
            **display.damage(row),
        }
        for row in rows
    ]
    terminal.echo_rows(
        rows, table, as_json, f"{counted(len(rows), 'version{s}')} in {runs.promoted.home()}"
    )


@models.command()
@click.argument("model", metavar="NAME[/VERSION]")
def show(model: str) -> None:
    """Print what is known about a promoted model, as JSON.

    A name without a version, such as sums, stands for the newest version.

    \b
    Example: tunix-rt-nb models show sums/v1
    """
    folder = runs.promoted.find(model)
    told = {"folder": str(folder), **runs.promoted.manifest(folder)}
    terminal.echo_json(told, indent=2)


@models.command()
@click.argument("model", metavar="NAME[/VERSION]")
def verify(model: str) -> None:
    """Check that the files of a promoted model are unchanged; exit with 1 if not.

    \b
    Example: tunix-rt-nb models verify sums
    """
    folder = runs.promoted.find(model)
    altered = runs.promoted.altered(folder)
    for name in altered:
        terminal.echo(f"✗ {folder / name}: was changed or removed after it was promoted")
    if not altered:
        terminal.echo(f"✓ {folder}: every file is unchanged")
    end(not altered)
