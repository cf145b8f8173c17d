"""Tasks of one's own: the classes that a file defines, or that an installed package names."""

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

    The file becomes a module of a private name, so it clashes with none, and it can import none of
    its neighbours. Abstract classes, and tasks that it imports, are left out.

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
    """Return the task that an entry point names, or the tasks that the module it names defines.

    Raises:
      InputError: it cannot be imported, or there is no task.
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
    """Return an entry point as a message names it."""
    return f"entry point {point.name} = {point.value}"


def _tasks(module: ModuleType, where: str) -> list[type[Task]]:
    """Return the tasks that a module defines; raise `InputError` if it defines none."""
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
        # Compiled here: the import system would leave a __pycache__ beside the file, and might
        # take an old one for the file.
        exec(compile(source, str(path), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        sys.modules.pop(module.__name__)
        sys.modules |= {before.__name__: before} if before else {}
        raise InputError(f"{path}{_line(error, path)}: {_told(error)}") from None
    return module


def _line(error: BaseException, path: Path) -> str:
    """Return where in a file an error arose, as `:12`; an empty string if nowhere in it."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f":{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    return f":{lines[-1]}" if lines else ""


def _told(error: BaseException) -> str:
    return one_line(f"{type(error).__name__}: {getattr(error, 'msg', '') or error}")


def _check(task: type[Task], where: str) -> None:
    with contextlib.suppress(OSError, TypeError):  # a class may stand in no file
        where = f"{where}:{inspect.getsourcelines(task)[1]}"
    for field in ("name", "about"):
        if not isinstance(getattr(task, field, None), str):
            raise InputError(f"{where}: class {task.__name__} has no {field}, expected a text")
    if not _NAME.fullmatch(task.name):
        expected = "expected up to 64 of a-z, 0-9 and _, beginning with a letter"
        raise InputError(f"{where}: name: {task.name!r}, {expected}")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
