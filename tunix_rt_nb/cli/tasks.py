"""tunix-rt-nb tasks: the kinds of problems that traces are drawn from, yours included."""

from pathlib import Path

import click

from tunix_rt_nb import tasks
from tunix_rt_nb.cli import display, terminal
from tunix_rt_nb.cli.groups import Group
from tunix_rt_nb.cli.options import Choice, end, folder_option, json_option
from tunix_rt_nb.common import counted, nearest, unknown


class _Listing(Group):
    """A group that runs its command `list` if no command is named, not even by a near name."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        name = args[0] if args else ""
        near = name not in tasks.TASKS and nearest(name, [*tasks.TASKS, *self.commands])
        if not near or near not in self.commands:
            args = args if name in ctx.help_option_names else ["list", *args]
        return super().parse_args(ctx, args)


@click.group("tasks", cls=_Listing)
def tasks_group() -> None:
    """List, show and check the tasks that traces are drawn from.

    A task is a kind of problem. It draws problems, solves them step by step, and checks each step.
    Your own tasks come from the files in TUNIX_RT_TASKS, which are separated like those in PATH.
    """


@tasks_group.command("list")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@json_option
def list_tasks(names: tuple[str, ...], as_json: bool) -> None:
    """List the tasks that traces can be drawn from; given NAMEs, show each with an example.

    The list tells what a task asks, and how many different problems each difficulty has: k stands
    for thousands, M for millions, 1e10 for ten thousand millions, ∞ for more than can be counted.

    \b
    Examples:
      tunix-rt-nb tasks
      tunix-rt-nb tasks arithmetic gin_melds
      tunix-rt-nb tasks --json
    """
    whole = bool(names) or as_json
    found = list(tasks.catalogue(names, examples=whole))
    if whole:
        terminal.echo_result(found, "\n".join(map(display.task, found)), as_json)
        return
    terminal.echo(display.task_table(found))
    terminal.echo(f"{counted(len(found), 'task{s}')}; `tasks NAME` shows an example", err=True)
    if missing := len(tasks.TASKS) - len(tasks.available()):
        terminal.warn(f"{missing} more need reasoning-gym: {tasks.INSTALL}")


@tasks_group.command("check")
@click.argument("what", metavar="FILE|NAME")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@json_option
def check_task(what: str, names: tuple[str, ...], as_json: bool) -> None:
    """Print the certificate of the tasks that FILE defines, or of a task by its NAME.

    For the certificate, this draws traces and tests rules that every task must keep: the same seed
    gives the same bytes, altered steps are caught, wrong answers score 0. Exits with 1 if a rule is
    broken. NAMEs after FILE choose some of its tasks.

    \b
    Examples:
      tunix-rt-nb tasks check mine.py
      tunix-rt-nb tasks check arithmetic --json
    """
    if what not in tasks.TASKS and not Path(what).suffix and not Path(what).exists():
        raise unknown("task", what, tasks.TASKS)
    defined = [what] if what in tasks.TASKS else tasks.load_from([Path(what)])
    for name in names:
        if name not in defined:
            raise unknown("task", name, defined)
    right, found = True, []
    for name in names or defined:
        if not as_json:
            terminal.echo(name)
        for finding in tasks.certify(name):
            right = right and finding.holds
            found.append({"task": name, **finding._asdict()})
            if not as_json:
                terminal.echo(display.finding(finding))
    if as_json:
        terminal.echo_json(found)
    end(right)


@tasks_group.command("export")
@click.argument("name")
@click.option(
    "--as", "form", type=Choice(["verifiers"]), required=True, help="Library to write it for."
)
@folder_option(
    "-o", "--output", "folder", required=True, help="Folder to write to; it must be new or empty."
)
def export_task(name: str, form: str, folder: Path) -> None:
    """Write a task as an environment for the library `verifiers`, which trains with rewards.

    The environment is a Python package. Its rewards are the grade of the answer and the share of
    right steps.

    \b
    Example: tunix-rt-nb tasks export arithmetic --as verifiers -o arithmetic_env
    """
    for path in tasks.export_environment(name, folder):
        terminal.echo(path)
