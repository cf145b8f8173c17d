"""Traces and scores as text on a terminal."""

import json
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from tunix_rt_nb import store, tasks
from tunix_rt_nb.common import counted, one_line, printable
from tunix_rt_nb.report import text_table


def width() -> int:
    """Return the width of the terminal in columns."""
    return shutil.get_terminal_size((100, 24)).columns


def line(stored: "store.Stored") -> str:
    """Return the id, time, task, number of steps and prompt of a trace as one line of text."""
    trace = stored.trace
    task = one_line(trace.task or "-", 16)
    prompt = one_line(trace.prompt, max(width() - 56, 20))
    return f"{trace.id[:8]}  {stored.created_at[:19]}  {task:<16} {len(trace.steps):>4}  {prompt}"


def page(stored: "store.Stored", checked: "tasks.Checks") -> str:
    """Return a whole trace as text.

    Each step is ticked, or crossed with the reason, or has a dot if it cannot be checked.
    """
    from tunix_rt_nb.trace import EARLIER

    trace = stored.trace
    told = {name: value for name, value in (trace.meta or {}).items() if name != EARLIER}
    meta = [json.dumps(told, ensure_ascii=False)] if told else []
    earlier = [text.replace("\n", "\n  ") for text in trace.earlier.labelled()]
    before = ["", *earlier] if earlier else []
    lines = [f"{trace.id}  {stored.created_at}", *meta, *before, "", trace.prompt, ""]
    for each, reason, right in zip(trace.steps, checked.steps, checked.right, strict=True):
        lines.append(step(each.i + 1, each.content, right, reason))
    if checked.end:
        lines.append(f"✗ {len(trace.steps) + 1:>3}. is missing: {one_line(checked.end)}")
    lines.append(answer(trace.final_answer, checked.answer))
    return printable("\n".join(lines))


def step(number: int, text: str, right: bool | None, reason: str | None) -> str:
    """Return a step as text: its mark, its number, and the reason below if it is wrong."""
    indented = text.replace("\n", "\n       ")
    told = f"\n       {one_line(reason)}" if reason else ""
    return f"{_tick(right)} {number:>3}. {indented}{told}"


def answer(text: str, right: bool | None) -> str:
    """Return a final answer as text, with its mark."""
    indented = text.replace("\n", "\n  ")  # so that no line of it begins with a mark of its own
    return f"{_tick(right)} Answer: {indented}"


def score(found: "store.Score") -> str:
    """Return the score of a trace as text."""
    if found["steps_verified"] is None:
        return f"{found['score']}"
    told = f"{found['score']}, {found['steps_verified']:.0%} of the steps right"
    if found["answer_verified"] is None:
        return told
    return f"{told}, answer {'right' if found['answer_verified'] else 'wrong'}"


def summary(row: "store.TaskScore") -> str:
    """Return the mean scores of a task as one line."""
    told = f"{one_line(row['task'], 24):<24} {row['traces']:>9,} traces, score {row['score']:.2f}"
    if row["steps_verified"] is None:
        return told
    steps, answers = row["steps_verified"], row["answers_verified"]
    of_answers = "" if answers is None else f" and {answers:.2%} of the answers"
    return f"{told}, {steps:.2%} of the steps{of_answers} right"


def added(counts: "store.Added") -> str:
    """Return the result of an import as text."""
    told = f"{counted(counts.new, 'new trace{s}')}, {counts.known:,} already there"
    return f"{told}, {counts.deleted:,} deleted earlier" if counts.deleted else told


def percent(share: float | None) -> str:
    """Return a share as a percentage; an empty text if it is None."""
    return "" if share is None else f"{share:.1%}"


def states(rows: Sequence[Mapping[str, str]]) -> str:
    """Return the rows of `status` as text: ✓ for what is there, · for missing, ✗ for broken."""
    marked = [{"": _mark(row), **row} for row in rows]
    return text_table(marked, head=False)


def _mark(row: Mapping[str, str]) -> str:
    return _tick(None if row["state"] == "missing" else not row["install"])


def figure(value: object) -> str:
    """Return a value as text; round a float to four significant digits.

    Example:
      >>> figure(0.9749999), figure(3e-05), figure(12), figure("tiny")
      ('0.975', '3e-05', '12', 'tiny')
    """
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def only(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return these fields of a row; None for a field that the row lacks."""
    return {name: row.get(name) for name in names}


def damage(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the column `damaged` of a row in a list: its `problem`; no column without one."""
    return {"damaged": row["problem"]} if row.get("problem") else {}


def task(entry: dict[str, Any]) -> str:
    """Return a task of the catalogue as text: what it asks, its size, and a solved problem."""
    sizes = [
        f"{level} {_size(n)}" if n else f"{level} countless"
        for level, n in entry["problems"].items()
    ]
    steps = [f"    {i}. {text}" for i, text in enumerate(entry["steps"], 1)]
    lines = [
        f"{entry['task']} ({entry['source']}): {entry['about']}",
        f"  problems: {', '.join(sizes)}",
        *(f"    {line}" for line in entry["prompt"].splitlines()),
        *steps,
        f"    Answer: {entry['answer']}\n",
    ]
    return "\n".join(lines)


def task_table(entries: list[dict[str, Any]]) -> str:
    """Return tasks of the catalogue as a table: what each asks, and its number of problems.

    A row takes one line of the terminal, or of 100 columns on a wider one.
    """
    levels = list(entries[0]["problems"]) if entries else []
    rows = [
        {"task": entry["task"], "asks": entry["about"].partition(" (")[0]}
        | {level: _short_size(n) for level, n in entry["problems"].items()}
        for entry in entries
    ]
    taken = sum(2 + max(len(row[name]) for row in [*rows, {name: name}]) for name in levels)
    room = min(width(), 100) - taken - 2 - max((len(row["task"]) for row in rows), default=0)
    shown = [{**row, "asks": _cut(row["asks"], max(room, 20))} for row in rows]
    return text_table(shown, right=levels)


def _cut(text: str, room: int) -> str:
    """Return a text in at most `room` characters, cut between words."""
    return text if len(text) <= room else text[: room - 2].rpartition(" ")[0].rstrip(",;:") + " …"


def _short_size(n: int | None) -> str:
    """Return a number of problems in at most four characters, such as `49M`.

    Example:
      >>> [_short_size(n) for n in (2652, 49294935, 4 * 10**9, None)]
      ['2.7k', '49M', '4e9', '∞']
    """
    if n is None:
        return "∞"
    if n >= 10**9:
        return f"{n:.0e}".replace("e+0", "e").replace("e+", "e")
    unit, name = (10**6, "M") if n >= 10**6 else (10**3, "k") if n >= 10**3 else (1, "")
    return f"{n / unit:.1f}{name}" if unit > 1 and n / unit < 9.95 else f"{n / unit:.0f}{name}"


def finding(found: "tasks.Finding") -> str:
    """Return a line of text on one test of a task: whether it passed, its name and its figures."""
    return printable(f"{_tick(found.holds)} {found.check:<20}  {found.told}")


def _size(n: int) -> str:
    return f"{n:,}" if n < 10**9 else f"{n:.0e}"


def _tick(right: object) -> str:
    return "·" if right is None else "✓" if right else "✗"
