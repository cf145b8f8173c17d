"""Loading of a user's tasks: classes in a Python file, or in an installed package."""

import contextlib
import inspect
import re
import sys
import traceback
from collections.abc import Iterable
from hashlib import sha256
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

from tunix_rt_nb.common import InputError, one_line
from tunix_rt_nb.tasks.task import Task

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


def of_file(path: Path) -> list[type[Task]]:
    """Execute a file and return the tasks that it defines.

    The file runs as a module with a private name, which cannot clash with another module. It cannot
    import the files next to it. Abstract classes and imported tasks are left out. A task that sets
    no `source` gets the name of the file as its source.

    Raises:
      InputError: the file cannot be read, fails, or defines no task.
    """
    module = _executed(path)
    tasks = _tasks(module, str(path))
    for task in tasks:
        if task.source == Task.source:
            task.source = path.name
    return tasks


def of_package(point: EntryPoint) -> list[type[Task]]:
    """Return the tasks of an entry point, which names a task or a module with tasks.

    Raises:
      InputError: the entry point cannot be imported, or names neither a task nor a module with
        tasks.
    """
    where = told_of(point)
    try:
        found = point.load()
    except Exception as error:
        raise InputError(f"{where}: {_told(error)}") from None
    if isinstance(found, ModuleType):
        return _tasks(found, where)
    if not (inspect.isclass(found) and issubclass(found, Task)) or inspect.isabstract(found):
        raise InputError(f"{where}: names no task, expected a module or a subclass of Task")
    _check(found, where)
    return [found]


def told_of(point: EntryPoint) -> str:
    """Describe an entry point for a message, as `entry point NAME = VALUE`."""
    return f"entry point {point.name} = {point.value}"


def _tasks(module: ModuleType, where: str) -> list[type[Task]]:
    """Return the tasks that a module defines; raise `InputError` if it defines none.

    `where` names the module's file or entry point in messages.
    """
    own = [
        one for one in vars(module).values() if getattr(one, "__module__", "") == module.__name__
    ]
    classes = [one for one in dict.fromkeys(own) if inspect.isclass(one) and issubclass(one, Task)]
    tasks = [one for one in classes if not inspect.isabstract(one)]
    if not tasks:
        lacking = [f"{one.__name__} lacks {_listed(one.__abstractmethods__)}" for one in classes]
        what = lacking[0] if lacking else "expected a subclass of Task with prompt, read and solve"
        raise InputError(f"{where}: defines no task: {what}")
    for task in tasks:
        _check(task, where)
    return tasks


def _executed(path: Path) -> ModuleType:
    try:
        source = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    module = ModuleType(f"_task_file_{sha256(str(path.resolve()).encode()).hexdigest()[:16]}")
    module.__file__ = str(path)
    before = sys.modules.get(module.__name__)
    sys.modules[module.__name__] = module  # where dataclasses look for it
    try:
        # Compile here, because the import system would leave a __pycache__ beside the file, and
        # might run outdated bytecode from it.
        exec(compile(source, str(path), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        sys.modules.pop(module.__name__)
        sys.modules |= {before.__name__: before} if before else {}
        raise InputError(f"{path}{_line(error, path)}: {_told(error)}") from None
    return module


def _line(error: BaseException, path: Path) -> str:
    """Return the number of the line in a file that raised an error, as `:12`.

    Return an empty string if the error did not arise in this file.
    """
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f":{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    return f":{lines[-1]}" if lines else ""


def _told(error: BaseException) -> str:
    return one_line(f"{type(error).__name__}: {getattr(error, 'msg', '') or error}")


def _check(task: type[Task], where: str) -> None:
    with contextlib.suppress(OSError, TypeError):  # a class may have no source file
        where = f"{where}:{inspect.getsourcelines(task)[1]}"
    for field in ("name", "about"):
        if not isinstance(getattr(task, field, None), str):
            raise InputError(f"{where}: class {task.__name__} has no {field}, expected a text")
    if not _NAME.fullmatch(task.name):
        expected = "expected up to 64 of a-z, 0-9 and _, beginning with a letter"
        raise InputError(f"{where}: name: {task.name!r}, {expected}")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
