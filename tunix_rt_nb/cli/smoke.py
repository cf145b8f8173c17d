"""tunix-rt-nb smoke: check of a file of records, before training on it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tunix_rt_nb import train
from tunix_rt_nb.cli.options import json_option

if TYPE_CHECKING:
    from tunix_rt_nb.train import Check


@click.command("smoke")
@click.argument("path", metavar="FILE.jsonl", type=click.Path(path_type=Path))
@click.option(
    "--samples",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="How many records to tokenise and train on.",
)
@json_option
@click.pass_context
def smoke_command(context: click.Context, path: Path, samples: int, as_json: bool) -> None:
    """Check a file of exported records: each line, then masks, arrays and two steps of training.

    Ends with 1 if anything is wrong. Training needs the extra `train`, and is left out without it.

    \b
    Example: tunix-rt-nb smoke quickstart.jsonl --samples 16
    """
    found = train.smoke.smoke(path, samples)
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
