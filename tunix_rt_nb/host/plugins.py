"""A user's own tasks: in files named by an environment variable, and in installed packages.

A task is code that makes problems, solves them in steps and checks solutions.
"""

import importlib.util
import os
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

VARIABLE = "TUNIX_RT_TASKS"  # paths of files, separated like the folders in PATH
GROUP = "tunix_rt_nb.tasks"  # the entry point group in which a package registers its tasks


def named() -> list[Path]:
    """List the paths in the environment variable `TUNIX_RT_TASKS`.

    Example:
      >>> named()
      []
    """
    names = os.environ.get(VARIABLE, "").split(os.pathsep)
    return [Path(os.path.realpath(name)) for name in names if name]


def name(path: Path) -> None:
    """Append a path to the variable `TUNIX_RT_TASKS`, for this process and those that it starts."""
    paths = dict.fromkeys([*named(), Path(os.path.realpath(path))])
    os.environ[VARIABLE] = os.pathsep.join(map(str, paths))


def installed() -> list[EntryPoint]:
    """List the entry points by which installed packages register tasks, sorted by name."""
    return sorted(entry_points(group=GROUP))


def sources() -> list[Path]:
    """List the files with the code of the user's own tasks.

    If the content of these files changes, a step of a run that uses tasks has to run again. For an
    installed package, list the file of the module that its entry point names, not its imports.
    """
    specs = [importlib.util.find_spec(point.module) for point in installed()]
    return [*named(), *(Path(spec.origin) for spec in specs if spec and spec.origin)]
