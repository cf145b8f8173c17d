"""Text escaped for Markdown, so that it stays in its table cell or code block."""

import json
import re
from collections.abc import Iterable
from typing import Any


def table(rows: Iterable[Iterable[object]]) -> str:
    """Join cells, already escaped by `cell`, into the rows of a table."""
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in rows)


def cell(text: str) -> str:
    """Escape a text so that it stays in its cell of a table; cut it at 100 characters."""
    return re.sub(r"([\\|`*_<>\[\]&])", r"\\\1", " ".join(text.split()))[:100]


def code(value: Any) -> str:
    """Convert a value to JSON that can stand between backticks."""
    return json.dumps(value, ensure_ascii=False).replace("`", "'")


def fenced(text: str) -> str:
    """Put a text into a code block that nothing in the text can end."""
    fence = "`" * max(3, *(len(ticks) + 1 for ticks in re.findall("`+", text) or [""]))
    return f"{fence}text\n{text}\n{fence}"
