"""tunix-rt-nb sweep: a run for each combination of some parameters' values."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from tunix_rt_nb import report, runs
from tunix_rt_nb.cli import display, progress, terminal
from tunix_rt_nb.cli.checks import check_run
from tunix_rt_nb.cli.options import set_option, settings_of
from tunix_rt_nb.common import InputError, check_name, counted, first_of, one_line
from tunix_rt_nb.host import paths
from tunix_rt_nb.report import text_table

_OPENING, _CLOSING, _QUOTES = "[{", "]}", "'\""


@click.command("sweep")
@click.argument("profile", default="quickstart")
@set_option
@click.option(
    "--name", help="What the names of the runs begin with; by default the name of the profile."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line at the end.")
def sweep_command(profile: str, settings: tuple[str, ...], name: str | None, as_json: bool) -> None:
    """Run PROFILE with each combination of values, and show which of them answers best.

    Give --set several values with commas between them. A comma inside brackets, braces or quotes
    belongs to the value, and a text in quotes loses them.

    SEED=0,1,2 repeats each combination with other weights, orders of rows and samples. The traces
    and the dataset keep their seed, so all runs learn from the same data and answer the same items.

    Steps that are the same in several runs are run once. To go on after an interruption, give the
    same command again: what is complete is skipped. A run that fails does not stop the others, and
    the command ends with exit code 1.

    At the end come a table, a plot (SVG and PNG in runs/) and runs/index.html, a page of all runs.

    \b
    Examples:
      tunix-rt-nb sweep quickstart --set LEARNING_RATE=0.001,0.004 --set SEED=0,1,2
      tunix-rt-nb sweep --set "TRACES={arithmetic: 200},{arithmetic: 800}" --name traces
      tunix-rt-nb sweep --set "SYSTEM='','Think, then answer.'" --set STEPS=600
    """
    values = runs.parameters.load_profile(profile)
    if "runner" in values:
        raise InputError(f"{profile}: is a Tunix job, which names one folder, expected a profile")
    fixed, grid = grid_of(settings)
    stem = check_name("name", name or Path(profile).stem)
    points, values = runs.sweep.points(stem, grid), values | fixed
    for point in points:
        _check(point, values)
    _tell_plan(grid, points)
    problems = _run_all(points, values, profile)
    done = {p.run: _row(p.run) for p in points if p.run not in problems}
    groups = runs.sweep.groups(points, done)
    plots = report.write_sweep_plot(_plot_stem(stem, grid), stem, groups)
    made = [*plots, report.write_index()]
    terminal.echo(f"\n{text_table([_shown(group) for group in groups])}\n", err=as_json)
    if len({row["items_sha256"] for row in done.values()}) > 1:
        terminal.warn("the runs were not asked the same items, set EVAL_SET for that")
    for run, problem in problems.items():
        terminal.echo(f"✗ {run}: {problem}", err=True)
    terminal.echo("\n".join(map(str, made)), err=True)
    if as_json:
        told = [_told(point, done, problems) for point in points]
        folded = [group._asdict() for group in groups]
        record = {"name": stem, "runs": told, "groups": folded, "files": [*map(str, made)]}
        terminal.echo_json(record)
    sys.exit(1 if problems else 0)


def grid_of(settings: Sequence[str]) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """Parse what `--set` takes: the parameters with one value, and the lists of several values.

    Raises:
      InputError: a setting is not KEY=VALUE, a parameter is set twice, or a value is missing, is
        not YAML, or has a bracket or quote that is not closed.

    Example:
      >>> grid_of(["STEPS=60", "SEED=0,1", "STYLE=tags,numbered"])
      ({'STEPS': 60}, {'SEED': [0, 1], 'STYLE': ['tags', 'numbered']})
    """
    kinds, found = runs.parameters.kinds(), dict[str, list[Any]]()
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name:
            raise InputError(f"--set: expected KEY=VALUE, found {one_line(repr(setting))}")
        if name.upper() in found:
            raise InputError(f"--set: {name} is set twice, write its values with commas between")
        parts = split(text, f"--set: {name}")
        if kinds.get(name.upper()) == "str":
            parts = [_unquoted(part) for part in parts]
        each = [settings_of((f"{name}={part}",), kinds) for part in parts]
        found[name.upper()] = [value for one in each for value in one.values()]
    fixed = {name: values[0] for name, values in found.items() if len(values) == 1}
    return fixed, {name: values for name, values in found.items() if len(values) > 1}


def split(text: str, where: str) -> list[str]:
    """Split a text at its commas, but not inside brackets, braces and quotes.

    Args:
      text: the text. A quote counts at the beginning of a value only: `don't` has none.
      where: begins the message of an error.

    Raises:
      InputError: a value is missing, or a bracket or quote is not closed.

    Example:
      >>> split("0.1, [a, b],{c: 1, d: 2},'x, y'", "")
      ['0.1', '[a, b]', '{c: 1, d: 2}', "'x, y'"]
    """
    parts, depth, quote, before = [""], 0, "", ","
    for character in text:
        if character == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += character
        if quote:
            quote = "" if character == quote else quote
        elif character in _QUOTES and before in [*",:", *_OPENING, character]:
            quote = character  # two quotes inside quotes are one that is meant
        else:
            depth += (character in _OPENING) - (character in _CLOSING and depth > 0)
        before = before if character.isspace() else character
    if depth or quote:
        raise InputError(f"{where}: expected {quote or 'a bracket'} to be closed, found {text!r}")
    found = [part.strip() for part in parts]
    if len(found) > 1 and not all(found):
        raise InputError(f"{where}: expected a value at each side of a comma ('' is an empty text)")
    return found


def _unquoted(text: str) -> str:
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in _QUOTES
    return text[1:-1].replace(text[0] * 2, text[0]) if quoted else text


def _check(point: "runs.sweep.Point", values: Mapping[str, Any]) -> None:
    check_run(runs.parameters.resolve({**values, **point.values}, point.by_step))


def _tell_plan(grid: Mapping[str, Sequence[Any]], points: Sequence["runs.sweep.Point"]) -> None:
    word = runs.sweep.word
    axes = [f"{name} {', '.join(map(word, values))}" for name, values in grid.items()]
    terminal.echo(f"{counted(len(points), 'run{s}')}: {' × '.join(axes)}", err=True)
    for line in first_of([point.run for point in points]):
        terminal.echo(f"  {line}", err=True)


def _run_all(
    points: Sequence["runs.sweep.Point"], values: Mapping[str, Any], profile: str
) -> dict[str, str]:
    """Run all points, one after the other; return the failed ones: name -> what went wrong."""
    problems: dict[str, str] = {}
    folders = [paths.home() / "runs" / point.run for point in points]
    for point, folder in zip(points, folders, strict=True):
        runs.chain.accept(folder, {**values, **point.values}, profile, point.by_step)
    for number, (point, folder) in enumerate(zip(points, folders, strict=True), 1):
        terminal.echo(f"\nrun {number} of {len(points)}: {point.run}", err=True)
        try:
            reports = _run(point, folder, values, profile, folders)
        except (runs.StepStopped, KeyboardInterrupt) as error:
            told = "stopped, the same command goes on from here"
            terminal.fail(f"run {number} of {len(points)}: {told}")
            sys.exit(getattr(error, "code", 130))
        except (runs.StepFailed, InputError) as error:
            problems[point.run] = str(error)
            terminal.fail(str(error))
        else:
            again = "complete already, " if all(r.skipped for r in reports) else ""
            terminal.echo(f"  {again}{_scored(_row(point.run))}", err=True)
    return problems


def _run(
    point: "runs.sweep.Point",
    folder: Path,
    values: Mapping[str, Any],
    profile: str,
    folders: Sequence[Path],
) -> list["runs.StepReport"]:
    """Run one point in its folder; take from the other folders of the sweep what is the same."""
    with progress.line() as line:
        return runs.chain.run(
            folder,
            {**values, **point.values},
            profile=profile,
            on_step=_tell_end,
            **progress.of_chain(line),
            by_step=point.by_step,
            donors=[other for other in folders if other != folder],
        )


def _tell_end(step: "runs.StepReport") -> None:
    if step.taken_from:
        terminal.echo(f"  {runs.stem(step.name):<12} as in {step.taken_from}", err=True)
    elif not step.skipped:
        terminal.echo(f"  {runs.stem(step.name):<12} {step.seconds:6.1f} s", err=True)
    for note in step.notes:
        terminal.warn(f"  {'':<12} {note}")


def _scored(row: "runs.registry.Row") -> str:
    share = display.percent(row["score"])
    return f"{share} of the answers right" if share else str(row["problem"])


def _row(run: str) -> "runs.registry.Row":
    return runs.registry.row(paths.home() / "runs" / run)


def _plot_stem(name: str, grid: Mapping[str, Any]) -> Path:
    """Return the path of the plot without its ending; it tells the swept parameters, not SEED."""
    axes = [axis for axis in grid if axis != runs.sweep.SEED] or [runs.sweep.SEED]
    return paths.home() / "runs" / "-".join([name, *axes])


def _shown(group: "runs.sweep.Group") -> dict[str, Any]:
    spread = "" if group.spread is None else f" ± {100 * group.spread:.1f}"
    complete = len(group.scores)
    return {
        **{name: one_line(runs.sweep.word(value), 24) for name, value in group.varied.items()},
        "runs": str(complete) if complete == group.runs else f"{complete} of {group.runs}",
        "answers right": "failed" if group.score is None else f"{group.score:.1%}{spread}",
        "steps right": display.percent(group.steps_right),
        "before": display.percent(group.before),
        "held-out loss": "" if group.eval_loss is None else f"{group.eval_loss:.4f}",
    }


def _told(
    point: "runs.sweep.Point",
    done: Mapping[str, "runs.registry.Row"],
    problems: Mapping[str, str],
) -> dict[str, Any]:
    fields = ("score", "steps_right", "before", "eval_loss", "items")
    scores = display.only(done[point.run], *fields) if point.run in done else {}
    problem = problems.get(point.run)
    return {"run_id": point.run, "varied": point.varied, **scores, "problem": problem}
