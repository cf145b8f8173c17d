"""Text for Markdown: what it holds stays in its cell or its block of code."""

import json
import re
from collections.abc import Iterable
from typing import Any


def table(rows: Iterable[Iterable[object]]) -> str:
    """Joins cells, already escaped by `cell`, into the rows of a table."""
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in rows)


def cell(text: str) -> str:
    """Escapes a text so that it stays in its cell of a table; cuts it at 100 characters."""
    return re.sub(r"([\\|`*_<>\[\]&])", r"\\\1", " ".join(text.split()))[:100]


def code(value: Any) -> str:
    """Writes a value as JSON that can stand between backticks."""
    return json.dumps(value, ensure_ascii=False).replace("`", "'")


def fenced(text: str) -> str:
    """Puts a text into a block of code that nothing in it can end."""
    fence = "`" * max(3, *(len(ticks) + 1 for ticks in re.findall("`+", text) or [""]))
    return f"{fence}text\n{text}\n{fence}"
