"""Eval sets: items that are never trained on. Each item is checked when the set is read.

A known task is one in `tasks.TASKS`. The set `core-v1` ships with this package, in
`data/evalsets/`; `python -m tests.evalsets` makes it. Each of its items states a problem of a known
task, which its category names. The three sections of the set measure different things:

- core: ordinary problems of every task and difficulty;
- trace_sensitive: problems that need several steps. Guessing does not help, because even the most
  frequent answer is right for at most one problem in twenty;
- edge_case: ties, zeros, empty lists, primes, and other inputs that are easy to get wrong.
"""

import random
import unicodedata
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from tunix_rt_nb import tasks
from tunix_rt_nb.common import InputError, checked, one_line, unknown
from tunix_rt_nb.host import paths
from tunix_rt_nb.trace import EARLIER, Trace, formats, inputs, parse_object


class Item(BaseModel):
    """A problem of an eval set with its answer; all else is optional.

    Attributes:
      id: its id in the file; if it has none, the number of its record there.
      section: the section of the set that it belongs to; None if the file names none.
      category: the name of a task in `tasks.TASKS`, or any other name; empty if the file has none.
      difficulty: any word or number, as text.
      trace: the problem and its answer; the steps too, if the file has them.
    """

    model_config = ConfigDict(strict=True, arbitrary_types_allowed=True)

    id: str = Field(min_length=1, max_length=128)
    section: Literal["core", "trace_sensitive", "edge_case"] | None = None
    category: str = Field(default="", max_length=64)
    difficulty: str | None = Field(default=None, max_length=64)
    trace: Trace

    def known(self) -> Trace | None:
        """Return the item's problem as a trace, with the solution that its task works out.

        Return None if the item names no task in `tasks.TASKS`, or if that task cannot read the
        problem.

        Raises:
          InputError: the item's answer is wrong.
        """
        name = self.category or self.trace.task
        if name not in tasks.TASKS:
            return None
        level = self.difficulty if self.difficulty in tasks.DIFFICULTIES else "easy"
        task = tasks.get(name, level)
        told = {"section": self.section, EARLIER: self.trace.earlier.messages()}
        meta: dict[str, Any] = {name: value for name, value in told.items() if value}
        try:
            trace = task.write(self.trace.prompt, random.Random(0), **meta)
        except ValueError:
            return None
        if task.grade(self.trace.final_answer, trace) != 1.0:
            answer = one_line(self.trace.final_answer, 60)
            raise InputError(f"expected_answer: {answer!r} is wrong")
        return trace

    def own(self) -> Trace:
        """Return the trace as the file has it; put section, category and difficulty into `meta`."""
        told = {"section": self.section, "category": self.category, "difficulty": self.difficulty}
        rest = {name: value for name, value in (self.trace.meta or {}).items() if name != "task"}
        fields = {
            **self.trace.model_dump(),
            "meta": {**rest, **{k: v for k, v in told.items() if v}},
        }
        return Trace.model_validate(fields)


class EvalItem(NamedTuple):
    """A prompt that must not be trained on.

    Attributes:
      name: `FILE#id`: the eval set's file or name, and the item's id.
      prompt: the prompt.
      task: the task in `tasks.TASKS` that the item names; None if it names none.
    """

    name: str
    prompt: str
    task: str | None


def names() -> list[str]:
    """List the names of the eval sets that ship."""
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
    """Read the items of an eval set as (id, trace) pairs, in file order.

    If an item states a problem of a known task (one in `tasks.TASKS`), its trace has the solution
    that the task works out. Otherwise its trace has the steps and the answer in the file.

    Args:
      name: the name of a set that ships, or the path of a file or folder of records, in any format
        that `1_generate` imports.

    Raises:
      InputError: the file is missing or empty; or `file:line: field: reason`: a record is
        malformed, an id or a problem appears twice, or the answer to a problem of a known task is
        wrong.

    Example:
      >>> len(read("core-v1")) >= 400
      True
    """
    found: dict[str, Trace] = {}
    problems: dict[Hashable, str] = {}
    for where, item in _items(find(name)):
        if item.id in found:
            raise InputError(f"{where}id: {one_line(item.id, 60)!r} is the id of an earlier item")
        try:
            found[item.id] = item.known() or item.own()
        except InputError as error:
            raise InputError(f"{where}{error}") from None
        earlier = problems.setdefault(_identity(found[item.id]), item.id)
        if earlier != item.id:
            raise InputError(f"{where}prompt: asks the same as item {one_line(earlier, 60)!r}")
    return list(found.items())


def record(id: str, trace: Trace) -> dict[str, Any]:
    """Return an item as a record of an eval set; fields that the trace lacks are left out."""
    meta = trace.meta or {}
    told = {
        "section": meta.get("section"),
        "category": meta.get("category") or trace.task,
        "difficulty": meta.get("difficulty"),
        EARLIER: meta.get(EARLIER),
    }
    asked = {"id": id, "prompt": trace.prompt, "expected_answer": trace.final_answer}
    return {**asked, **{name: value for name, value in told.items() if value}}


def _items(path: Path) -> Iterator[tuple[str, Item]]:
    """Yield a pair for each item of an eval set: the text `file:line: `, and the item."""
    for file in inputs.files_of(path, "test"):
        for number, line in inputs.records(file):
            where = f"{file}:{number}: "
            try:
                record = parse_object(line)
                trace = formats.recognise(record).read(record)
            except InputError as error:
                raise InputError(f"{where}{error}") from None
            yield where, checked(Item, {**_told(record, number), "trace": trace}, where)


def _told(record: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Return a record's `id`, `section`, `category` and `difficulty`; leave out missing ones.

    Numbers become text. The id is `number` if the record has none.

    Args:
      record: a record of an eval set.
      number: the number of the record in its file.
    """
    several = (record.get(name) for name in ("meta", "metadata"))
    meta: dict[str, Any] = next((one for one in several if isinstance(one, dict)), {})
    found = {k: record.get(k, meta.get(k)) for k in ("section", "category", "difficulty")}
    told = {"id": record.get("id", record.get("task_id", number)), **found}
    return {k: str(v) if type(v) in (int, float) else v for k, v in told.items() if v is not None}


def _identity(trace: Trace) -> Hashable:
    """Return a key that two items of a set must not share; it may ask in capitals, too."""
    return problem(trace) if trace.task in tasks.TASKS else (trace.prompt, trace.earlier)


def problem(trace: Trace) -> Hashable:
    """Return a key that is the same for all traces that ask the same problem.

    If a trace names a task in `tasks.TASKS`, that task reads the problem, so the words of the
    prompt do not matter. Otherwise the key is made of the words.

    Raises:
      ValueError: the task cannot read the problem.
    """
    if trace.task in tasks.TASKS:
        return trace.task, tasks.get(trace.task or "").problem(trace.prompt)
    return _asked(trace)


def _asked(trace: Trace) -> Hashable:
    """Return a key of a trace's prompt: its words in lower case, and any messages before it."""
    words = " ".join(unicodedata.normalize("NFC", trace.prompt).lower().split())
    return (words, trace.earlier) if any(trace.earlier) else words


def keys(trace: Trace) -> Iterator[Hashable]:
    """Yield a key of the words of a trace's prompt, and a key of its problem.

    There is no second key if the trace's task is not in `tasks.TASKS`, or cannot read the problem.
    Two traces that share any key ask the same problem.
    """
    yield _asked(trace)
    if trace.task in tasks.TASKS:
        with suppress(ValueError):  # a trace of another problem may name a known task
            yield problem(trace)


def check_unseen(items: Sequence[tuple[str, Trace]], trained: Iterable[Trace]) -> None:
    """Check that no problem of an eval set was trained on, not even in other words.

    Prompts are compared regardless of case and white space. If their task is in `tasks.TASKS`, two
    prompts that state the same problem in different words count as the same, too.

    Args:
      items: the (id, trace) pairs of the eval set.
      trained: the traces that were trained on.

    Raises:
      InputError: some items were trained on. The message says how many, and how to build a dataset
        without them.
    """
    asked = {key: name for name, trace in items for key in keys(trace)}
    seen = sorted({asked[key] for trace in trained for key in keys(trace) if key in asked})
    if seen:
        raise InputError(
            f"eval set: {len(seen)} of {len(items)} items were trained on, such as"
            f" {one_line(seen[0], 60)!r}: name the eval set in EVAL_SETS and run 2_build again"
        )


def eval_items(eval_sets: Iterable[str]) -> list[EvalItem]:
    """Read the items that must not be in a dataset, each named `FILE#id`, sorted by name.

    Args:
      eval_sets: the names of eval sets that ship, or files as `read` takes them; a record may be
        a prompt without an answer.

    Raises:
      InputError: a file is missing or empty, a record is malformed (`file:line: field: reason`), or
        an id appears twice.
    """
    found: dict[str, EvalItem] = {}
    for path in eval_sets:
        for where, id, prompt, task in _prompts(find(path)):
            name = f"{path}#{id}"
            if name in found:
                raise InputError(f"{where}id: {id!r} is the id of an earlier item")
            found[name] = EvalItem(name, prompt, task)
    return sorted(found.values())


def _prompts(path: Path) -> Iterator[tuple[str, str, str, str | None]]:
    """Yield a tuple for each record of an eval set.

    Its members are `file:line: ` (for error messages), id, prompt, and the task in `tasks.TASKS`
    that the record names, or None.
    """
    try:
        sources = [(f, *each) for f in inputs.files_of(path, "test") for each in inputs.records(f)]
    except InputError as error:
        raise InputError(f"eval_sets: {error}") from None
    for file, number, line in sources:
        where = f"{file}:{number}: "
        try:
            record = parse_object(line)
            told = _told(record, number)
            prompt = formats.prompt_of(record)
        except InputError as error:
            raise InputError(f"{where}{error}") from None
        meta = record.get("meta")
        named = [told.get("category"), meta.get("task") if isinstance(meta, dict) else None]
        task = next((n for n in named if isinstance(n, str) and n in tasks.TASKS), None)
        yield where, str(told["id"]), prompt, task
