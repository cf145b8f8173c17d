"""tunix-rt-nb models: models of runs, kept for good as promoted models, exported and pushed."""

from pathlib import Path

import click

from tunix_rt_nb import models as weights, runs
from tunix_rt_nb.cli import display, progress, terminal
from tunix_rt_nb.cli.groups import Group
from tunix_rt_nb.cli.options import Choice, end, json_option
from tunix_rt_nb.common import InputError, counted


@click.group(cls=Group)
def models() -> None:
    """Keep models of runs for good (promote them), list and verify those; export and push models.

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
    with progress.progress("copying"):
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
    with progress.progress("checking"):
        altered = runs.promoted.altered(folder)
    for name in altered:
        terminal.echo(f"✗ {folder / name}: was changed or removed after it was promoted")
    if not altered:
        terminal.echo(f"✓ {folder}: every file is unchanged")
    end(not altered)


@models.command("export")
@click.argument("run")
@click.option(
    "--as",
    "form",
    type=Choice(["gguf", "orbax"]),
    required=True,
    help="gguf: a file for llama.cpp; orbax: a checkpoint for Tunix's own code.",
)
@click.option(
    "--type",
    "kind",
    type=Choice(["f32", "f16", "q8_0"]),
    help="Type of the numbers in a GGUF file; by default f16.",
)
@click.option(
    "-o",
    "--output",
    "path",
    metavar="PATH",
    type=click.Path(path_type=Path),
    required=True,
    help="File to write, or for orbax a new folder.",
)
def export_command(run: str, form: str, kind: str | None, path: Path) -> None:
    """Write the trained model of RUN in another format; LoRA adapters are merged into it.

    \b
    Examples:
      tunix-rt-nb models export quickstart --as gguf -o quickstart.gguf
      tunix-rt-nb models export quickstart --as gguf --type q8_0 -o small.gguf
      tunix-rt-nb models export quickstart --as orbax -o quickstart_orbax
    """
    if kind and form != "gguf":
        raise InputError("--type: only a GGUF file has types, expected --as gguf with it")
    folder = _trained(run)
    with progress.progress("writing"):
        if form == "gguf":
            weights.write_gguf(folder, path, kind or "f16")
        else:
            weights.write_orbax(folder, path)
    terminal.echo(path)


@models.command()
@click.argument("run")
@click.argument("repository", metavar="OWNER/NAME")
@click.option("--public", is_flag=True, help="Let everyone see the repository.")
def push(run: str, repository: str, public: bool) -> None:
    """Upload the trained model of RUN, with its card, to the Hugging Face hub.

    The repository is made if it does not exist, and is private without --public. The token is
    HF_TOKEN or that of `hf auth login`.

    \b
    Example: tunix-rt-nb models push quickstart me/quickstart
    """
    folder = _trained(run)
    with progress.progress("uploading"):
        address = weights.upload(folder, repository, public)
    terminal.echo(address)


def _trained(run: str) -> Path:
    """Return the folder of the trained model of a run.

    Raises:
      InputError: there is no such run, or its training is not complete.
    """
    return runs.lineage("train", runs.registry.find(run) / runs.stem("train"))["train"] / "model"
