"""tunix-rt-nb: the top command, with `run` and `status`."""

import math
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

import tunix_rt_nb
from tunix_rt_nb import report, runs, train
from tunix_rt_nb.cli import display, progress, status, terminal
from tunix_rt_nb.cli.chat import chat_command
from tunix_rt_nb.cli.checks import check_run
from tunix_rt_nb.cli.compare import baseline_command, compare_command
from tunix_rt_nb.cli.datasets import datasets
from tunix_rt_nb.cli.duration import Duration
from tunix_rt_nb.cli.evalsets import evalsets
from tunix_rt_nb.cli.grade import grade_command
from tunix_rt_nb.cli.groups import Group
from tunix_rt_nb.cli.kaggle import kaggle_group
from tunix_rt_nb.cli.models import models
from tunix_rt_nb.cli.options import (
    Choice,
    form_option,
    json_option,
    map_option,
    set_option,
    settings_of,
    skip_option,
)
from tunix_rt_nb.cli.panel import panel_command
from tunix_rt_nb.cli.preflight import preflight_command
from tunix_rt_nb.cli.runs import runs_commands
from tunix_rt_nb.cli.smoke import smoke_command
from tunix_rt_nb.cli.sweep import sweep_command
from tunix_rt_nb.cli.tasks import tasks_group
from tunix_rt_nb.cli.traces import traces
from tunix_rt_nb.common import InputError, check_name, printable
from tunix_rt_nb.host import paths
from tunix_rt_nb.trace import formats


class _Group(Group):
    """The top command: bad input ends with one line on stderr and exit code 2.

    A failed run ends with exit code 1.
    """

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except InputError as error:
            _fail(str(error), 2)
        except click.UsageError as error:
            told = printable(error.format_message())  # it may name a file
            raise click.UsageError(told, error.ctx) from None
        except BrokenPipeError:  # nobody reads on; click handles that itself
            raise
        except OSError as error:
            _fail(f"{error.filename or 'file system'}: {error.strerror}", 2)


def _fail(message: str, code: int) -> NoReturn:
    terminal.fail(message)
    sys.exit(code)


_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(cls=_Group, context_settings=_CONTEXT)
@click.version_option(tunix_rt_nb.__version__, prog_name="tunix-rt-nb")
def main() -> None:
    """Turn reasoning traces into a model that shows its work.

    \b
    Example: tunix-rt-nb run quickstart
    """


for command in (compare_command, baseline_command):
    runs_commands.add_command(command)
for command in (tasks_group, traces, datasets, evalsets, runs_commands, models):
    main.add_command(command)
for command in (smoke_command, preflight_command, grade_command, kaggle_group):
    main.add_command(command)
main.add_command(chat_command)
main.add_command(panel_command)
main.add_command(sweep_command)

_step = Choice(runs.STEPS)
_SCORED = ("evaluate", "improve")  # the last steps of runs that end with a table of scores


@main.command()
@click.argument("profile", default="quickstart")
@click.option(
    "--data",
    multiple=True,
    metavar="FILE",
    help="Train and evaluate on your own traces; give it several times for several files.",
)
@form_option("--as", [formats.AUTO, *formats.FORMATS], formats.AUTO)
@map_option
@skip_option
@set_option
@click.option("--from", "from_step", type=_step, default=runs.STEPS[0], help="First step to run.")
@click.option("--to", "to_step", type=_step, default=runs.LAST, help="Last step to run.")
@click.option(
    "--run-id", help="Name of the run folder; by default that of the profile or data. Not for jobs."
)
@click.option("--fresh", is_flag=True, help="Run every step, even if nothing changed.")
@click.option(
    "--timeout",
    type=Duration(),
    default=math.inf,
    help="Stop after this time, such as 90m or 1.5h; s, m, h or d, and seconds without one.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line at the end.")
def run(
    profile: str,
    data: tuple[str, ...],
    form: str,
    names: str,
    skip_bad: bool,
    settings: tuple[str, ...],
    from_step: str,
    to_step: str,
    run_id: str | None,
    fresh: bool,
    timeout: float,
    as_json: bool,
) -> None:
    """Run the notebooks with the parameters of PROFILE, a profile or a Tunix job.

    A profile is a YAML file of parameters. PROFILE is its path, or the name of a built-in one.

    Steps whose code, parameters and inputs have not changed are skipped; an interrupted run goes
    on where it stopped. So does one that --timeout stopped: a training writes a checkpoint first.

    With --data, the traces are those of your files alone, unless --set TRACES asks for more. A file
    holds JSON lines, a JSON array, Parquet or CSV; a folder is a dataset as Hugging Face lays it
    out. The format of the records is recognised by their fields.

    A job is a YAML file with a `runner`, as `datasets tunix-yaml` writes it. The job names the
    folder of its run. --set may only set parameters that the job does not set.

    \b
    Examples:
      tunix-rt-nb run
      tunix-rt-nb run quickstart --set LEARNING_RATE=0.003 --run-id slower
      tunix-rt-nb run quickstart --to build
      tunix-rt-nb run quickstart --timeout 90m
      tunix-rt-nb run --data mine.jsonl
      tunix-rt-nb run job.yaml --set ITEMS=100
    """
    values, given = runs.parameters.load_profile(profile), settings_of(settings)
    own = _own(data, form, names, skip_bad)
    job = train.load_job(Path(profile)) if "runner" in values else None
    if job:
        if own:
            raise InputError(f"--data: {profile} sets the data already, in dataset.path")
        if run_id:
            raise InputError(f"--run-id: {profile} sets the folder already, in output.output_dir")
        values, run_dir = job.and_settings(given), Path(job.output.output_dir)
    else:
        values |= own | given
        name = run_id or own.get("DATASET_NAME") or Path(profile).stem
        run_dir = paths.home() / "runs" / check_name("run-id", name)
    parameters = runs.parameters.resolve(values)
    check_run(parameters, from_step, to_step)
    base = parameters["evaluate"].get("BASELINE")
    held_to = runs.baseline.read(base) if base and to_step in _SCORED else None
    try:
        with progress.line() as line:
            reports = runs.chain.run(
                run_dir,
                values,
                from_step=from_step,
                to_step=to_step,
                fresh=fresh,
                profile=profile,
                job=job.model_dump() if job else None,
                timeout=timeout,
                on_step=_tell_end,
                **progress.of_chain(line),
            )
    except runs.StepStopped as error:
        _fail(str(error), error.code)
    except runs.StepFailed as error:
        _fail(str(error), 1)
    cards = report.cards(run_dir) if reports[-1].name in _SCORED else None
    if cards:
        terminal.echo(report.before_after_text(*cards), err=as_json)
    terminal.echo(f"Everything is in {run_dir}", err=as_json)
    if as_json:
        steps = [
            {"name": r.name, "seconds": round(r.seconds, 1), "skipped": r.skipped} for r in reports
        ]
        scores = report.summary(*cards) if cards else {}
        terminal.echo_json({"run_id": run_dir.name, "steps": steps, **scores})
    if held_to:
        evaluated = runs.result(run_dir / runs.stem("evaluate"))
        verdict = runs.baseline.check(held_to, evaluated["after"])
        if verdict.regressed:
            _fail(verdict.told, 1)


def _own(data: tuple[str, ...], form: str, names: str, skip_bad: bool) -> dict[str, Any]:
    """Return the parameters that --data and its options set; empty without --data.

    Raises:
      InputError: an option for files is given without --data.
    """
    how = {"IMPORT_AS": form, "IMPORT_MAP": formats.parts_of(names), "SKIP_BAD": skip_bad}
    if not data:
        if how != {"IMPORT_AS": formats.AUTO, "IMPORT_MAP": {}, "SKIP_BAD": False}:
            raise InputError("--as, --map and --skip-bad: expected files to read, give --data too")
        return {}
    name = train.job_name(Path(os.path.realpath(data[0])))
    return {"TRACES": {}, "IMPORT": list(data), "DATASET_NAME": name, **how}


def _tell_end(step: "runs.StepReport") -> None:
    what = "skipped, nothing changed" if step.skipped else f"{step.seconds:6.1f} s"
    terminal.echo(f"  {runs.stem(step.name):<12} {what}", err=True)
    for note in step.notes:
        terminal.echo(f"  {'':<12} {note}", err=True)


@main.command("status")
@json_option
def status_command(as_json: bool) -> None:
    """Show versions, JAX devices, what is installed and how to install what is missing.

    RediAI is a service of yours. If REDIAI_MODE is `real`, its health is asked at REDIAI_BASE_URL,
    for five seconds at most, and the answer counts for half a minute. Without it, `mock` is shown.

    \b
    Example: tunix-rt-nb status
    """
    rows = status.rows()
    terminal.echo_result(rows, display.states(rows), as_json)
