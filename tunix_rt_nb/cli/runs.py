"""tunix-rt-nb runs: runs and how well they did, from the command line."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from tunix_rt_nb import common, dataset, evaluate, render, report, runs, trace
from tunix_rt_nb.cli import display, options, progress, terminal
from tunix_rt_nb.cli.groups import Group
from tunix_rt_nb.cli.leaderboard import index_command, leaderboard_command, where_runs
from tunix_rt_nb.common import InputError, counted, one_line
from tunix_rt_nb.host import paths
from tunix_rt_nb.report import text_table


@click.group("runs", cls=Group)
def runs_commands() -> None:
    """List, rank, show and judge runs, and write their pages.

    A run is a folder with the results of the notebooks. RUN is its name or its path.

    \b
    Example: tunix-rt-nb runs leaderboard
    """


for command in (leaderboard_command, index_command):
    runs_commands.add_command(command)


@runs_commands.command("list")
@where_runs
@options.json_option
def list_(conditions: tuple[str, ...], as_json: bool) -> None:
    """List the runs; the one that finished last comes first.

    A run is pending, running, completed, failed, timeout, cancelled, stopped, outdated or damaged.
    The field of --where may be a parameter of a step, such as parameters.train.STEPS.

    \b
    Examples:
      tunix-rt-nb runs list
      tunix-rt-nb runs list --where state=failed
      tunix-rt-nb runs list --where "score>=0.9" --where parameters.train.LORA_RANK=16 --json
    """
    rows = runs.registry.listing(options.filters_of(conditions))
    told = f"{counted(len(rows), 'run{s}')} in {paths.home() / 'runs'}"
    terminal.echo_rows(rows, [_listed(row) for row in rows], as_json, told)


@runs_commands.command()
@click.argument("run")
@options.json_option
def show(run: str, as_json: bool) -> None:
    """Show a run: how far it came, what it is made from, what it scored.

    RUN is a run's name or the path of its folder.

    \b
    Example: tunix-rt-nb runs show quickstart
    """
    folder = runs.registry.find(run)
    row = runs.registry.row(folder)
    if as_json:
        terminal.echo_json(row)
        return
    if row["state"] == "damaged":
        raise InputError(f"{one_line(str(folder), 1_000)}: damaged: {row['problem']}")
    scores = _scores(folder) if row["problem"] is None else ""
    for name, value in row.items():
        if value is not None and name != "parameters":
            terminal.echo(f"{name:<15} {one_line(display.figure(value), 1_000)}")
    for step, values in row["parameters"].items():
        pairs = [{"parameter": name, "value": json.dumps(value)} for name, value in values.items()]
        terminal.echo(f"\n{runs.stem(step)}\n{text_table(pairs)}")
    if scores:
        terminal.echo(scores)


def _scores(run: Path) -> str:
    """Return the scores of a run, before and after training and once improved, as text.

    Raises:
      InputError: a scorecard lacks a field, or a field has another type.
    """
    try:
        return report.before_after_text(*report.cards(run))
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        path = run / runs.stem("evaluate") / "result.json"
        told = f"{type(error).__name__}: {error}"
        raise InputError(f"{path}: damaged: {one_line(told)}, run 5_evaluate again") from None


@runs_commands.command("report")
@click.argument("run")
def report_command(run: str) -> None:
    """Write report.html into a run's folder: one file, to read anywhere and to send.

    It shows scores before and after training, reliability by difficulty, what goes wrong and at
    which step first, the ten worst items, the losses and the lineage.

    \b
    Example: tunix-rt-nb runs report quickstart
    """
    terminal.echo(report.write_page(runs.registry.find(run)))


@runs_commands.command("cancel")
@click.argument("run")
def cancel_command(run: str) -> None:
    """Stop a run that another process is at work on, with the same care as Ctrl-C there.

    A training writes a checkpoint first. The command waits for that. The next `tunix-rt-nb run`
    goes on from there.

    \b
    Example: tunix-rt-nb runs cancel quickstart
    """
    folder = runs.registry.find(run)
    with progress.progress(f"stopping {folder.name}"):
        cancelled = runs.cancel(folder)
    state = runs.registry.row(folder)["state"]
    told = "cancelled, run it again to go on" if cancelled else f"ended by itself: {state}"
    terminal.echo(f"{folder.name}: {told}")


@runs_commands.command("judge")
@click.argument("run")
@click.option(
    "--judge", "url", metavar="URL", required=True, help="Address of the endpoint, up to /v1."
)
@click.option("--model", required=True, help="Name of a model at the endpoint.")
@click.option(
    "--items",
    type=click.IntRange(min=1),
    help="How many answers to score, from the first on; by default all.",
)
@options.default_option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    help="Seconds to wait for an answer.",
)
@options.json_option
def judge_command(
    run: str, url: str, model: str, items: int | None, timeout: float, as_json: bool
) -> None:
    """Have a language model score a run's answers by a rubric, in addition to the programs' checks.

    Any endpoint with OpenAI's chat completions will do. Its key, if it needs one, is read from
    TUNIX_RT_JUDGE_KEY. Prompts, raw answers and scores are kept in the run's judged.jsonl. Answers
    that this file already has scores for are not scored again.

    \b
    Example: tunix-rt-nb runs judge quickstart --judge http://127.0.0.1:8000/v1 --model gemma
    """
    folder = runs.registry.find(run)
    answers = evaluate.predictions.of_run(folder / runs.stem("evaluate"), "after")[:items]
    endpoint = evaluate.judge.endpoint(url, model, timeout=timeout)
    judged = evaluate.judge.judge(answers, endpoint, folder / evaluate.judge.FILE)
    told = evaluate.judge.summary(judged)
    if as_json:
        terminal.echo_json(told)
        return
    criteria = ", ".join(f"{name} {mean:.2f} of 5" for name, mean in told["criteria"].items())
    terminal.echo(
        f"{told['scored']} of {told['n']} answers scored: {told['score']:.1%} ({criteria})"
    )
    terminal.echo(f"{folder / evaluate.judge.FILE}", err=True)


eval_set_option = click.option(
    "--eval-set",
    metavar="NAME",
    help="Name or file of an eval set, to use instead of the items of the run's evaluation.",
)


@runs_commands.command("harness")
@click.argument("run")
@options.folder_option("-o", "--output", "folder", required=True, help="Folder to write to.")
@eval_set_option
def harness_command(run: str, folder: Path, eval_set: str | None) -> None:
    """Write RUN's eval items as a task for EleutherAI's lm-evaluation-harness; print how to run it.

    The printed command asks RUN's model. Install the harness first: pip install "lm_eval[hf]".

    \b
    Examples:
      tunix-rt-nb runs harness quickstart -o harness
      tunix-rt-nb runs harness quickstart -o harness --eval-set core-v1
    """
    found = runs.registry.find(run)
    lineage = runs.lineage("evaluate", found / runs.stem("evaluate"))
    rendered = render.read_manifest(lineage["render"])
    how = trace.chat.form(rendered["template"], rendered["style"], rendered["system"])
    items: Iterable[Mapping[str, Any]]
    if eval_set:
        name = dataset.evalset.find(eval_set).stem
        items = [dataset.evalset.record(*item) for item in dataset.evalset.read(eval_set)]
    else:
        answers = evaluate.predictions.of_run(lineage["evaluate"], "after")
        name, items = found.name, {answer["id"]: answer for answer in answers}.values()
    command = evaluate.harness.command(lineage["train"] / "model", folder / f"{name}.yaml")
    asked = runs.registry.row(found)["parameters"].get("evaluate", {})
    evaluate.harness.write(folder, name, items, how, asked.get("MAX_NEW_TOKENS", 256))
    terminal.echo(command)


@runs_commands.command("grade")
@click.argument("run")
@click.argument("samples", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@eval_set_option
@options.output_option(
    "File to write the predictions to, for `runs compare`.",
    click.Path(dir_okay=False, path_type=Path),
)
@options.json_option
def grade_command(
    run: str, samples: Path, eval_set: str | None, path: Path | None, as_json: bool
) -> None:
    """Grade the answers of RUN's model that lm-evaluation-harness logged, step by step.

    SAMPLES is the samples_*.jsonl file of the task that `runs harness` wrote for the same items.

    \b
    Examples:
      tunix-rt-nb runs grade quickstart harness/answers/model/samples_quickstart.jsonl
      tunix-rt-nb runs grade quickstart samples_core-v1.jsonl --eval-set core-v1 -o core.jsonl
    """
    lineage = runs.lineage("evaluate", runs.registry.find(run) / runs.stem("evaluate"))
    rendered = render.read_manifest(lineage["render"])
    own = evaluate.predictions.of_run(lineage["evaluate"], "after")
    items = dataset.evalset.read(eval_set) if eval_set else evaluate.predictions.items_of(own)
    graded = evaluate.harness.graded(samples, items, rendered)
    missing = len(items) - len(graded)
    card = evaluate.sum_up(graded, {"without a sample": missing} if missing else None)
    if path:
        common.files.write_lines(path, graded)
    terminal.echo_result(card, evaluate.headline(card), as_json)
    for line in evaluate.warnings(card):
        terminal.warn(line)


def _listed(row: "runs.registry.Row") -> dict[str, Any]:
    return {
        **display.only(row, "run", "state", "step"),
        "finished": (row["finished"] or "")[:16],
        **display.only(row, "model", "dataset", "items"),
        "before": display.percent(row["before"]),
        "after": display.percent(row["score"]),
        **(display.damage(row) if row["state"] == "damaged" else {}),
    }
