"""Eval sets: items that are never trained on. Each item is checked when the set is read.

`core-v1` ships, in `data/evalsets/`; `python -m tests.evalsets` makes it. An item states a problem
of a known task, which is its category. The three sections measure different things:

- core: problems as they come, of every task and difficulty;
- trace_sensitive: problems that take steps; the most frequent answer is right for at most one
  problem in twenty;
- edge_case: ties, zeros, empty lists, primes, and whatever else is first to go wrong in a task.
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
    """A line of an eval set: a problem, its section, category and difficulty, and its answer."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: str = Field(min_length=1, max_length=128)
    prompt: str = Field(min_length=1, max_length=50_000)
    expected_answer: str = Field(min_length=1, max_length=50_000)
    section: Literal["core", "trace_sensitive", "edge_case"]
    category: str
    difficulty: Literal["easy", "medium", "hard"]

    def trace(self) -> Trace:
        """Return the item as a trace with its worked solution.

        Raises:
          InputError: there is no such task, the task does not know the prompt, or the answer is
            wrong.
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
    """The fields of an eval set's line that decide what a dataset may hold."""

    id: str = Field(min_length=1)
    prompt: str = Field(min_length=1)
    category: Any = None
    meta: Any = None

    def task(self) -> str | None:
        """Return the known task that its category or its `meta.task` names, or None."""
        named = [self.category, self.meta.get("task") if isinstance(self.meta, dict) else None]
        return next((n for n in named if isinstance(n, str) and n in tasks.TASKS), None)


def names() -> list[str]:
    """List the eval sets that ship."""
    return sorted(path.stem for path in paths.EVAL_SETS.glob("*.jsonl"))


def find(name: str) -> Path:
    """Return the file of an eval set, given the name of one that ships, or a path.

    Raises:
      InputError: it is a name, but no eval set of this name ships.

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
    """Read the items of an eval set, in file order: ids, and traces with worked solutions.

    Args:
      name: the name of a set that ships, or a path.

    Raises:
      InputError: the file is missing or empty; or `file:line: field: reason`: a line is malformed,
        an id or a problem appears twice, a task is unknown, a task does not know a prompt, or an
        expected answer is wrong.

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
    """Return the problem that a trace of a known task asks, in whatever words."""
    return trace.task, tasks.get(trace.task or "").problem(trace.prompt)


def _keys(trace: Trace) -> Iterator[Hashable]:
    """Yield the keys of a trace: two traces ask the same if they have a key in common."""
    yield " ".join(unicodedata.normalize("NFC", trace.prompt).lower().split())
    if trace.task in tasks.TASKS:
        yield problem(trace)


def check_unseen(items: Sequence[tuple[str, Trace]], trained: Iterable[Trace]) -> None:
    """Check that no problem of an eval set was trained on, in whatever words.

    Compare traces of no known task only by their prompts, regardless of case and white space.

    Raises:
      InputError: some were trained on. The message says how many, and how to build without them.
    """
    asked = {key: name for name, trace in items for key in _keys(trace)}
    seen = sorted({asked[key] for trace in trained for key in _keys(trace) if key in asked})
    if seen:
        raise InputError(
            f"eval set: {len(seen)} of {len(items)} items were trained on, such as"
            f" {one_line(seen[0], 60)!r}: name it in EVAL_SETS and run 2_build again"
        )


def eval_items(eval_sets: Iterable[str]) -> list[EvalItem]:
    """Read the items that no dataset may hold. Name each `FILE#id`, and sort by these names.

    Args:
      eval_sets: JSON lines files, or the names of eval sets that ship.

    Raises:
      InputError: a file is missing or empty, a line is malformed (`file:line: field: reason`), or
        an id appears twice.
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
    """Yield each line of an eval set, after the `file:line: ` that its errors begin with."""
    lines = files.all_lines(path)
    if not lines:
        raise InputError(f"{path}: holds no items, expected JSON lines")
    for number, line in enumerate(lines, 1):
        where = f"{path}:{number}: "
        yield where, files.json_object(line, where)
