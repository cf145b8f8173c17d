"""tunix-rt-nb datasets and smoke: what becomes of a dataset outside, from the command line."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tunix_rt_nb import runs
from tunix_rt_nb.cli.traces import _json, _open, _store_option
from tunix_rt_nb.errors import InputError, unknown

if TYPE_CHECKING:
    from tunix_rt_nb.smoke import Check
    from tunix_rt_nb.store import TraceStore

_FORMS = ("tunix_sft", "trace", "training_example", "messages")


@click.group()
def datasets() -> None:
    """Export datasets, and write the jobs that train on them.

    \b
    Example: tunix-rt-nb datasets export quickstart-v1 -o quickstart.jsonl
    """


def find(key: str) -> Path:
    """The folder of a dataset: a path; or a key in data/datasets, or in the newest run's build.

    Raises:
      InputError: no such dataset; lists those that there are, the nearest first.
    """
    newest = runs.newest("build")
    shelves = [runs.home() / "data" / "datasets", *([newest] if newest else [])]
    for folder in (Path(key), *(shelf / key for shelf in shelves)):
        if _is_dataset(folder):
            return folder
    names = sorted(path.name for shelf in shelves for path in shelf.glob("*") if _is_dataset(path))
    if not names:
        raise InputError(f"dataset: {key!r} is not there, nor any other, run 2_build first")
    raise unknown("dataset", key, names)


def _is_dataset(folder: Path) -> bool:
    return (folder / "manifest.json").is_file()


@datasets.command()
@click.argument("key", required=False)
@click.option(
    "--ids", metavar="ID,ID...", help="Instead of KEY: ids of traces or their beginnings."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMS),
    default=_FORMS[0],
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
@_store_option(
    "Where the traces are; whose deleted ones stay out of a dataset: its run's, or data/traces."
)
@_json
def export(
    key: str | None,
    ids: str | None,
    form: str,
    path: Path,
    split: str | None,
    folder: Path | None,
    as_json: bool,
) -> None:
    """Write the traces of a dataset, or those with some ids, as records that others read.

    KEY is the key of a dataset in data/datasets or in the newest run, or the path of its folder.
    First come the traces to train on, then those held out. Traces that were deleted since the
    build stay out, and are counted.

    \b
    Examples:
      tunix-rt-nb datasets export quickstart-v1 -o quickstart.jsonl
      tunix-rt-nb datasets export quickstart-v1 --format messages --split train -o train.parquet
      tunix-rt-nb datasets export --ids 1f3a,77c0 --format trace -o two.csv
    """
    from tunix_rt_nb.export import export as write

    dataset = find(key) if key else None
    asked = [id.strip() for id in (ids or "").split(",") if id.strip()]
    done = write(path, form, dataset=dataset, split=split, ids=asked, store=_store(dataset, folder))
    if as_json:
        click.echo(json.dumps({**done._asdict(), "format": form, "path": str(path)}))
        return
    left_out = f", {done.deleted:,} deleted traces left out" if done.deleted else ""
    click.echo(f"{done.written:,} records of the form {form}{left_out}: {path}")


def _store(dataset: Path | None, folder: Path | None) -> "TraceStore":
    """The store that was chosen, or else that of the run in which the dataset was built."""
    if dataset and not folder and (dataset.parent / "result.json").is_file():
        made_from = runs.result(dataset.parent)["inputs"].get("generate")
        traces = dataset.parent / made_from["folder"] / "traces" if made_from else None
        folder = traces if traces and traces.is_dir() else None
    return _open(folder)


@datasets.command("tunix-yaml")
@click.argument("key")
@click.option(
    "-o", "--output", "path", metavar="FILE", type=click.Path(path_type=Path), help="Write a file."
)
@click.option("--model-id", default="tiny", show_default=True, help="The model to start from.")
@click.option("--output-dir", help="Where training writes to: runs/KEY unless given.")
def tunix_yaml(key: str, path: Path | None, model_id: str, output_dir: str | None) -> None:
    """Print the Tunix job that trains on a dataset, as YAML.

    KEY is the key of a dataset, the path of its folder, or a JSON lines file that was exported.

    \b
    Examples:
      tunix-rt-nb datasets tunix-yaml quickstart-v1
      tunix-rt-nb datasets tunix-yaml quickstart-v1 --output-dir out -o job.yaml
    """
    from tunix_rt_nb.job import Job, write

    source, form = Path(key), _FORMS[0]
    if source.is_file():
        form = _form_in(source)
    else:
        source = find(key)
    name = source.name.removesuffix(".jsonl")
    out = Path(output_dir) if output_dir else runs.home() / "runs" / name
    job = Job.of(
        model={"model_id": model_id},
        dataset={"format": form, "path": str(source.resolve())},
        output={"output_dir": str(out.resolve())},
    )
    if path:
        write(job, path)
    else:
        click.echo(job.yaml(), nl=False)


def _form_in(path: Path) -> str:
    """The form of the records of a JSON lines file, by its first line."""
    from tunix_rt_nb.smoke import form_of
    from tunix_rt_nb.strict_json import MAX_LINE
    from tunix_rt_nb.trace import parse_object

    try:
        with path.open("rb") as file:
            return form_of(parse_object(file.readline(MAX_LINE + 1)))
    except InputError as error:
        raise InputError(f"{path}:1: {error}") from None


@click.command("smoke")
@click.argument("path", metavar="FILE.jsonl", type=click.Path(path_type=Path))
@click.option(
    "--samples",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="How many records to tokenise and train on.",
)
@_json
@click.pass_context
def smoke_command(context: click.Context, path: Path, samples: int, as_json: bool) -> None:
    """Check a file of exported records: each line, then masks, arrays and two steps of training.

    Ends with 1 where anything is wrong. Training needs the extra `train`, and is left out
    without it.

    \b
    Example: tunix-rt-nb smoke quickstart.jsonl --samples 16
    """
    from tunix_rt_nb.smoke import smoke

    found = smoke(path, samples)
    if as_json:
        checks = [check._asdict() for check in found.checks]
        told = {**found._asdict(), "checks": checks, "right": found.right}
        click.echo(json.dumps(told, ensure_ascii=False))
    else:
        for line in (*found.wrong, *map(_row, found.checks)):
            click.echo(line)
    context.exit(0 if found.right else 1)


def _row(check: "Check") -> str:
    mark = {True: "✓", False: "✗", None: "-"}[check.right]
    return f"{mark} {check.name:<9} {check.told}"
