"""tunix-rt-nb runs: comparison of two runs, and of one run with a baseline."""

from pathlib import Path
from typing import Any, cast

import click

from tunix_rt_nb import evaluate, report, runs
from tunix_rt_nb.cli import display, terminal
from tunix_rt_nb.cli.options import default_option, end, json_option
from tunix_rt_nb.common import InputError, nearest, one_line, unknown
from tunix_rt_nb.host import paths
from tunix_rt_nb.report import text_table


@click.command("compare")
@click.argument("a")
@click.argument("b")
@default_option(
    "--show",
    type=click.IntRange(min=0),
    default=3,
    help="How many changed items to show side by side.",
)
@json_option
def compare_command(a: str, b: str, show: int, as_json: bool) -> None:
    """Tell whether run B answers better or worse than run A, or whether more items are needed.

    A and B are runs, their folders, or files of predictions. They are compared item by item, and
    must have answered the same items, asked in the same template and style.

    \b
    Examples:
      tunix-rt-nb runs compare quickstart slower
      tunix-rt-nb runs compare before.jsonl after.jsonl --show 10
    """
    one, two = (_predictions(name) for name in (a, b))
    found = evaluate.compare(one, two)
    if as_json:
        terminal.echo_json(found)
        return
    terminal.echo(text_table(_rows(found)))
    terminal.echo(f"\nB against A: {evaluate.verdict(found)}")
    terminal.echo(f"{found['gained']} items gained, {found['lost']} lost")
    if found["n"] < evaluate.FEWEST:
        few = f"{found['n']} items are few, {evaluate.FEWEST} and more decide better"
        terminal.warn(few)
    before, after = evaluate.by_item(one), evaluate.by_item(two)
    for name in found["changed"][:show]:
        kind, of_a, of_b = evaluate.change(before[name], after[name])
        terminal.echo(f"\n{one_line(name, 60)}, {kind}:")
        terminal.echo(report.side_by_side.answers_side_by_side(of_a, of_b, display.width()))


def _predictions(name: str) -> "list[evaluate.Prediction]":
    """Read the predictions of a run or file.

    Raises:
      InputError: there are none; for a name that is nearly that of a run, the message tells that.
    """
    known = [folder.name for folder in runs.registry.folders()]
    if name not in known and not Path(name).exists() and nearest(name, known, cutoff=0.6):
        raise unknown("run", name, known)
    return evaluate.predictions.find(name)


def _rows(found: "evaluate.Comparison") -> list[dict[str, Any]]:
    groups = {**found["sections"], **found["difficulties"], **found["tasks"], "all": found}
    return [
        {
            "items of": name,
            "n": group["n"],
            "A": f"{group['a']:.1%}",
            "B": f"{group['b']:.1%}",
            "difference": f"{100 * group['difference']:+.1f}",
            "95 % interval": "{:+.1f} to {:+.1f}".format(*(100 * x for x in group["interval"])),
            **display.only(group, "gained", "lost"),
            "p": "<0.001" if group["p_value"] < 0.001 else f"{group['p_value']:.3f}",
        }
        for name, group in groups.items()
    ]


@click.command("baseline")
@click.argument("name")
@click.argument("run", required=False)
@click.option("--take", is_flag=True, help="Store RUN's figure as the baseline.")
@default_option(
    "--metric",
    default="primary_score",
    help="Path of the figure in a scorecard, such as category_scores.arithmetic.score.",
)
@default_option(
    "--direction",
    type=click.Choice(["higher", "lower"]),
    default="higher",
    help="Whether a higher or a lower figure is better.",
)
@default_option(
    "--tolerance",
    type=click.FloatRange(0, 1),
    default=0.05,
    help="How much worse a run may be, as a share of the baseline.",
)
@json_option
def baseline_command(
    name: str,
    run: str | None,
    take: bool,
    metric: str,
    direction: str,
    tolerance: float,
    as_json: bool,
) -> None:
    """Check RUN against a baseline, a figure of an earlier run.

    With --take, store the figure of RUN as the baseline NAME. Without RUN, show the baseline. Exits
    with 1 if RUN is worse than the baseline allows.

    \b
    Examples:
      tunix-rt-nb runs baseline my-baseline quickstart --take --tolerance 0.02
      tunix-rt-nb runs baseline my-baseline run-2
      tunix-rt-nb runs baseline my-baseline
    """
    if take:
        if run is None:
            raise InputError("--take: expected a RUN to take the figure from")
        card, run_id = _card(run), Path(run).name
        runs.baseline.write(runs.baseline.take(name, card, metric, direction, tolerance, run_id))
    base = runs.baseline.read(name)
    record = {**base.model_dump(), "limit": base.limit}
    told = f"{base.name}: {base.metric} {base.value:.4f} of {base.run}, limit {base.limit:.4f}"
    if run is not None and not take:
        verdict = runs.baseline.check(base, _card(run))
        record |= {"found": verdict.value, "regressed": verdict.regressed}
        told = verdict.told
    terminal.echo_result(record, told, as_json)
    end(not record.get("regressed"))


def _card(run: str) -> "evaluate.Scorecard":
    """Return the scorecard of a run's trained model, given the run's name or folder."""
    folder = Path(run) if Path(run).is_dir() else paths.home() / "runs" / run
    found = runs.result(folder / runs.stem("evaluate"))
    if not isinstance(found.get("after"), dict):
        raise InputError(f"{folder}: has no scorecard, run 5_evaluate again")
    return cast("evaluate.Scorecard", found["after"])
