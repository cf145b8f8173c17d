"""tunix-rt-nb kaggle: the notebooks as kernels on Kaggle, on a TPU by default."""

import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from tunix_rt_nb import dataset, kaggle, runs
from tunix_rt_nb.cli import progress, terminal
from tunix_rt_nb.cli.checks import check_run
from tunix_rt_nb.cli.groups import Group
from tunix_rt_nb.cli.options import default_option, end, set_option, settings_of
from tunix_rt_nb.common import InputError, check_name
from tunix_rt_nb.host import paths


@click.group("kaggle", cls=Group)
def kaggle_group() -> None:
    """Run notebooks as Kaggle kernels; push datasets and models.

    \b
    Example: tunix-rt-nb kaggle run kaggle-tpu
    """


_run_id = click.option("--run-id", help="Name of the run folder; by default the profile's.")
_kernel = click.option(
    "--kernel",
    metavar="[OWNER/]SLUG",
    help="The kernel's name on Kaggle; by default tunix-rt-RUN, and yours.",
)
_accelerator = default_option(
    "--accelerator",
    default="TpuV5E8",
    help="The machine: TpuV5E8, TpuV6E8, NvidiaTeslaT4 or none.",
)
_force = click.option(
    "--force", is_flag=True, help="Check neither that it fits the chips nor that quota is left."
)


def _kernels(name: str) -> ModuleType:
    """Import a module of `tunix_rt_nb.kaggle`; raise InputError if package `kaggle` is missing."""
    import importlib

    try:
        importlib.import_module("six")  # kaggle needs it without declaring it
        importlib.import_module("kagglesdk")
        if importlib.util.find_spec("kaggle") is None:
            raise ImportError("kaggle")
        return importlib.import_module(f"tunix_rt_nb.kaggle.{name}")
    except ImportError as error:
        raise InputError(
            f"{error.name or 'kaggle'} is missing: pip install -e '.[kaggle]'"
        ) from None


def _told(line: str) -> None:
    terminal.echo(line, err=True)


def _preparing(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the argument and the options of the commands that prepare a kernel."""
    for option in (_accelerator, _kernel, _run_id, set_option):
        command = option(command)
    return click.argument("source", metavar="PROFILE|NOTEBOOK.ipynb", default="kaggle-tpu")(command)


def _prepare(
    source: str, settings: tuple[str, ...], run_id: str | None, kernel: str | None, accelerator: str
) -> Path:
    name = check_name("run-id", run_id or Path(source).stem)
    alone = source.endswith(".ipynb")
    given = settings_of(settings, kaggle.kinds_of(Path(source)) if alone and settings else None)
    if not alone:
        values = runs.parameters.load_profile(source) | given
        check_run(runs.parameters.resolve(values), here=False)
    slug = re.sub(r"[^a-z0-9]+", "-", f"tunix-rt-{name}".lower())[:50].strip("-")
    run_dir = paths.home() / "runs" / name
    return kaggle.prepare(source, given, run_dir, kernel or slug, accelerator)


@kaggle_group.command("prepare")
@_preparing
def prepare_command(**how: Any) -> None:
    """Write a kernel: a notebook that runs on Kaggle as it is, and its metadata.

    Given a PROFILE, the kernel runs all five notebooks; given a notebook, only that one. The first
    cells hold the package: what renders and trains as readable source, the rest compressed. The
    parameters are filled in. The notebook also runs on this machine. Nothing is sent to Kaggle and
    no credentials are needed. Prints the folder of the kernel, and on stderr how to run it in
    Kaggle's editor.

    \b
    Examples:
      tunix-rt-nb kaggle prepare kaggle-tpu
      tunix-rt-nb kaggle prepare quickstart --accelerator none --set STEPS=100 --run-id try
      tunix-rt-nb kaggle prepare notebooks/3_render.ipynb --kernel me/rendering
    """
    folder = _prepare(**how)
    terminal.echo(folder)
    for line in kaggle.by_hand(folder):
        _told(line)
    _told(f"Or from here: tunix-rt-nb kaggle push {folder.parent.name}")


@kaggle_group.command("push")
@click.argument("run_id", metavar="RUN")
@click.option("--resume", is_flag=True, help="Continue from the output of the last version.")
@_force
def push_command(run_id: str, resume: bool, force: bool) -> None:
    """Push the kernel that was prepared for RUN, so that Kaggle runs it.

    Before that, this compiles training and evaluation for the chips of the kernel's machine, and
    looks at this week's quota. It does not push if training or evaluation does not fit the chips,
    or if no quota is left.

    \b
    Examples:
      tunix-rt-nb kaggle push kaggle-tpu
      tunix-rt-nb kaggle push kaggle-tpu --resume
    """
    submission = _kernels("submission")
    run_dir = paths.home() / "runs" / check_name("run-id", run_id)
    with progress.progress("pushing"):
        pushed = submission.push(run_dir, force, resume, _told)
    _say(pushed)


def _say(pushed: "kaggle.Submission") -> None:
    terminal.echo(f"{pushed.handle} version {pushed.version}: {pushed.url}")


@kaggle_group.command("watch")
@click.argument("run_id", metavar="RUN|OWNER/SLUG")
def watch_command(run_id: str) -> None:
    """Show the state and the log of a kernel as they come, until it ends.

    Exits with 1 if the kernel did not complete. If you stop this command and call it again, it
    continues with the next line of the log.

    \b
    Example: tunix-rt-nb kaggle watch kaggle-tpu
    """
    pushed = _kernels("submission").find(run_id)
    end(_kernels("watching").watch(pushed, terminal.echo))


@kaggle_group.command("pull")
@click.argument("run_id", metavar="RUN|OWNER/SLUG")
def pull_command(run_id: str) -> None:
    """Bring the output of a kernel into its run folder, as if the kernel had run here.

    The hash of each file is checked; if one is wrong, nothing is pulled.

    \b
    Example: tunix-rt-nb kaggle pull kaggle-tpu
    """
    pushed = _kernels("submission").find(run_id)
    with progress.progress("pulling"):
        pulled = _kernels("pulling").pull(pushed, _told)
    terminal.echo(pulled)


@kaggle_group.command("run")
@_preparing
@_force
def run_command(force: bool, **how: Any) -> None:
    """Prepare, push, watch and pull a kernel in one go.

    \b
    Example: tunix-rt-nb kaggle run kaggle-tpu --set EPOCHS=3
    """
    submission, folder = _kernels("submission"), _prepare(**how)
    with progress.progress("pushing"):
        pushed = submission.push(folder.parent, force, False, _told)
    _say(pushed)
    completed = _kernels("watching").watch(pushed, terminal.echo)
    if completed:
        with progress.progress("pulling"):
            pulled = _kernels("pulling").pull(pushed, _told)
        terminal.echo(pulled)
    end(completed)


@kaggle_group.group("datasets", cls=Group)
def datasets_group() -> None:
    """Push datasets to Kaggle.

    \b
    Example: tunix-rt-nb kaggle datasets push quickstart-v1 me/cards
    """


@datasets_group.command("push")
@click.argument("key")
@click.argument("handle", metavar="OWNER/SLUG")
def push_dataset_command(key: str, handle: str) -> None:
    """Push a built dataset: a new private Kaggle dataset, or a new version of one.

    KEY is a dataset's key or the path of its folder. Prints the value for the parameter DATASET.

    \b
    Example: tunix-rt-nb kaggle datasets push all-tasks-v1 me/all-tasks
    """
    with progress.progress("pushing"):
        pushed = _kernels("uploads").push_dataset(dataset.find(key), handle, _told)
    terminal.echo(pushed)


@kaggle_group.group("models", cls=Group)
def models_group() -> None:
    """Push models to Kaggle.

    \b
    Example: tunix-rt-nb kaggle models push quickstart me/card-player
    """


@models_group.command("push")
@click.argument("run_id", metavar="RUN|FOLDER")
@click.argument("handle", metavar="OWNER/SLUG")
def push_model_command(run_id: str, handle: str) -> None:
    """Push the model of a run, or a model's folder: a new private Kaggle model, or a new version.

    Prints the value for the parameter MODEL.

    \b
    Example: tunix-rt-nb kaggle models push kaggle-tpu me/card-player
    """
    of_run = paths.home() / "runs" / run_id / runs.stem("train") / "model"
    folder = Path(run_id) if Path(run_id).is_dir() else of_run
    with progress.progress("pushing"):
        pushed = _kernels("uploads").push_model(folder, handle, _told)
    terminal.echo(pushed)
