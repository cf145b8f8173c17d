"""Eval sets: items that are never trained on, each checked when they are read.

`core-v1` ships, in `data/evalsets/`; `python -m tests.evalsets` makes it. An item states a problem
of a known task, which is its category. Three sections tell different things:

- core: problems as they come, of every task and difficulty;
- trace_sensitive: what takes steps: the most frequent answer is right one time in twenty at most;
- edge_case: ties, zeros, empty lists, primes, and whatever else a task gets wrong first.
"""

import random
import unicodedata
from collections.abc import Hashable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from tunix_rt_nb import tasks
from tunix_rt_nb.common import InputError, checked, files, one_line, unknown
from tunix_rt_nb.host import paths
from tunix_rt_nb.trace import Trace


class Item(BaseModel):
    """A line of an eval set: a problem, what it belongs to, and its answer."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: str = Field(min_length=1, max_length=128)
    prompt: str = Field(min_length=1, max_length=50_000)
    expected_answer: str = Field(min_length=1, max_length=50_000)
    section: Literal["core", "trace_sensitive", "edge_case"]
    category: str
    difficulty: Literal["easy", "medium", "hard"]

    def trace(self) -> Trace:
        """The item as a trace, with its worked solution.

        Raises:
          InputError: no such task, the prompt is none of it, or the answer is wrong.
        """
        if self.category not in tasks.TASKS:
            raise unknown("category", self.category, tasks.TASKS)
        task = tasks.get(self.category, self.difficulty)
        try:
            trace = task.write(self.prompt, random.Random(0), section=self.section)
        except ValueError as error:
            raise InputError(
                f"prompt: is none of {self.category}: {one_line(str(error))}"
            ) from None
        if task.grade(self.expected_answer, trace) != 1.0:
            raise InputError(f"expected_answer: {one_line(self.expected_answer, 60)!r} is wrong")
        return trace


class EvalItem(NamedTuple):
    """A prompt that must not be trained on, and the known task it belongs to, if any."""

    name: str
    prompt: str
    task: str | None


class _Line(BaseModel):
    """What counts here of a line of an eval set."""

    id: str = Field(min_length=1)
    prompt: str = Field(min_length=1)
    category: Any = None
    meta: Any = None

    def task(self) -> str | None:
        """The known task that its category or its `meta.task` names."""
        named = [self.category, self.meta.get("task") if isinstance(self.meta, dict) else None]
        return next((n for n in named if isinstance(n, str) and n in tasks.TASKS), None)


def names() -> list[str]:
    """The eval sets that ship."""
    return sorted(path.stem for path in paths.EVAL_SETS.glob("*.jsonl"))


def find(name: str) -> Path:
    """The file of an eval set: the name of one that ships, or a path.

    Raises:
      InputError: it is a name, and none of those that ship.

    Example:
      >>> find("core-v1").name, find("my/set.jsonl").name
      ('core-v1.jsonl', 'set.jsonl')
    """
    if name in names():
        return paths.EVAL_SETS / f"{name}.jsonl"
    path = Path(name)
    if "/" not in name and not path.suffix and not path.exists():
        raise unknown("eval set", name, names())
    return path


def read(name: str) -> list[tuple[str, Trace]]:
    """The items of an eval set: ids, and traces with worked solutions, in the order of the file.

    Args:
      name: of one that ships, or a path.

    Raises:
      InputError: `file:line: field: reason`: a line is malformed, an id or a problem stands there
        twice, the task is unknown, a prompt is none of its task, an expected answer is wrong; or
        the file is missing or empty.

    Example:
      >>> len(read("core-v1")) >= 400
      True
    """
    found: dict[str, Trace] = {}
    problems: dict[Hashable, str] = {}
    for where, record in _records(find(name)):
        item = checked(Item, record, where)
        if item.id in found:
            raise InputError(f"{where}id: {one_line(item.id, 60)!r} is that of an earlier item")
        try:
            found[item.id] = item.trace()
        except InputError as error:
            raise InputError(f"{where}{error}") from None
        earlier = problems.setdefault(problem(found[item.id]), item.id)
        if earlier != item.id:
            raise InputError(f"{where}prompt: states the problem of item {one_line(earlier, 60)!r}")
    return list(found.items())


def problem(trace: Trace) -> Hashable:
    """What a trace of a known task asks, in whatever words."""
    return trace.task, tasks.get(trace.task or "").problem(trace.prompt)


def _keys(trace: Trace) -> Iterator[Hashable]:
    """By what a trace is known to ask the same as another."""
    yield " ".join(unicodedata.normalize("NFC", trace.prompt).lower().split())
    if trace.task in tasks.TASKS:
        yield problem(trace)


def check_unseen(items: Sequence[tuple[str, Trace]], trained: Iterable[Trace]) -> None:
    """Holds an eval set to be of problems that are in no training set, in whatever words.

    Of a trace of no known task the prompt alone tells: without regard to case and white space.

    Raises:
      InputError: some were trained on; says how many and how to build without them.
    """
    asked = {key: name for name, trace in items for key in _keys(trace)}
    seen = sorted({asked[key] for trace in trained for key in _keys(trace) if key in asked})
    if seen:
        raise InputError(
            f"eval set: {len(seen)} of {len(items)} items were trained on, such as"
            f" {one_line(seen[0], 60)!r}: name it in EVAL_SETS and run 2_build again"
        )


def eval_items(eval_sets: Iterable[str]) -> list[EvalItem]:
    """Reads the items that no dataset may hold, each called `FILE#id`, in the order of these names.

    Args:
      eval_sets: JSON lines files, or the names of eval sets that ship.

    Raises:
      InputError: a file is missing or empty, a line is malformed (`file:line: field: reason`), or
        an id stands there twice.
    """
    found: dict[str, EvalItem] = {}
    for path in eval_sets:
        try:
            records = list(_records(find(path)))
        except InputError as error:
            raise InputError(f"eval_sets: {error}") from None
        for where, record in records:
            item = checked(_Line, record, where)
            name = f"{path}#{item.id}"
            if name in found:
                raise InputError(f"{where}id: {item.id!r} is that of an earlier item")
            found[name] = EvalItem(name, item.prompt, item.task())
    return sorted(found.values())


def _records(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Reads each line of an eval set, with the `file:line: ` that its errors begin with."""
    lines = files.all_lines(path)
    if not lines:
        raise InputError(f"{path}: holds no items, expected JSON lines")
    for number, line in enumerate(lines, 1):
        where = f"{path}:{number}: "
        yield where, files.json_object(line, where)
