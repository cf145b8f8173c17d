"""tunix-rt-nb smoke: check of a file of records, before training on it."""

from pathlib import Path

import click

from tunix_rt_nb import train
from tunix_rt_nb.cli import progress, terminal
from tunix_rt_nb.cli.options import default_option, end, json_option


@click.command("smoke")
@click.argument("path", metavar="FILE.jsonl", type=click.Path(path_type=Path))
@default_option(
    "--samples",
    type=click.IntRange(min=1),
    default=8,
    help="How many records to tokenise and train on.",
)
@json_option
def smoke_command(path: Path, samples: int, as_json: bool) -> None:
    """Check a file of exported records: each line, then masks, arrays and two steps of training.

    Exits with 1 if anything is wrong. Without the extra `train`, the training is left out.

    \b
    Example: tunix-rt-nb smoke quickstart.jsonl --samples 16
    """
    with progress.progress("checking"):
        found = train.smoke.smoke(path, samples)
    checks = [check._asdict() for check in found.checks]
    record = {**found._asdict(), "checks": checks, "right": found.right}
    text = "\n".join([*found.wrong, *map(_row, found.checks)])
    terminal.echo_result(record, text, as_json)
    end(found.right)


def _row(check: "train.Check") -> str:
    mark = {True: "✓", False: "✗", None: "-"}[check.right]
    return f"{mark} {check.name:<9} {check.told}"
