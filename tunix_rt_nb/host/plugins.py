"""A user's own tasks: in files named by an environment variable, and in installed packages."""

import importlib.util
import os
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

VARIABLE = "TUNIX_RT_TASKS"  # paths of files, separated like the folders in PATH
GROUP = "tunix_rt_nb.tasks"  # the entry point group in which a package registers its tasks


def named() -> list[Path]:
    """List the files in the environment variable `TUNIX_RT_TASKS`.

    Example:
      >>> named()
      []
    """
    names = os.environ.get(VARIABLE, "").split(os.pathsep)
    return [Path(name).resolve() for name in names if name]


def name(path: Path) -> None:
    """Append a file to `TUNIX_RT_TASKS`, for this process and those that it starts."""
    paths = dict.fromkeys([*named(), path.resolve()])
    os.environ[VARIABLE] = os.pathsep.join(map(str, paths))


def installed() -> list[EntryPoint]:
    """List the entry points by which installed packages register tasks, sorted by name."""
    return sorted(entry_points(group=GROUP))


def sources() -> list[Path]:
    """List the files with the code of the user's own tasks.

    Their content is part of the key that decides whether a step has to run again. For an entry
    point, list the file of its module, without the files that it imports.
    """
    specs = [importlib.util.find_spec(point.module) for point in installed()]
    return [*named(), *(Path(spec.origin) for spec in specs if spec and spec.origin)]
