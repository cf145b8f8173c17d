"""Traces and scores as text on a terminal."""

import json
import shutil
from collections.abc import Mapping
from typing import Any

from tunix_rt_nb import store, tasks
from tunix_rt_nb.common import counted, one_line, printable
from tunix_rt_nb.trace import EARLIER


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
    trace = stored.trace
    told = {name: value for name, value in (trace.meta or {}).items() if name != EARLIER}
    meta = [json.dumps(told, ensure_ascii=False)] if told else []
    earlier = [text.replace("\n", "\n  ") for text in trace.earlier.labelled()]
    before = ["", *earlier] if earlier else []
    lines = [f"{trace.id}  {stored.created_at}", *meta, *before, "", trace.prompt, ""]
    for step, reason, right in zip(trace.steps, checked.steps, checked.right, strict=True):
        text = step.content.replace("\n", "\n       ")
        lines.append(f"{_tick(right)} {step.i + 1:>3}. {text}")
        if reason:
            lines.append(f"       {one_line(reason)}")
    if checked.end:
        lines.append(f"✗ {len(trace.steps) + 1:>3}. is missing: {one_line(checked.end)}")
    lines.append(f"{_tick(checked.answer)} Answer: {trace.final_answer}")
    return printable("\n".join(lines))


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


def finding(found: "tasks.Finding") -> str:
    """Return a line of text on one test of a task: whether it passed, its name and its figures."""
    return printable(f"{_tick(found.holds)} {found.check:<20}  {found.told}")


def _size(n: int) -> str:
    return f"{n:,}" if n < 10**9 else f"{n:.0e}"


def _tick(right: object) -> str:
    return "·" if right is None else "✓" if right else "✗"
