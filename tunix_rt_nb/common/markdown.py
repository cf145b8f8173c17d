"""Text escaped for Markdown, so that it stays in its table cell, code block or front matter."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any


def front_matter(fields: Mapping[str, Any]) -> str:
    """Format fields as the YAML front matter of a model or dataset card; leave out empty values.

    Each value is one line of JSON, which is YAML too. JSON quotes every text, so YAML cannot take a
    text for syntax.

    Unprintable characters are escaped as `\\U` and eight digits. Left as they are, some would be
    line breaks to YAML. JSON's own escapes may be surrogate pairs, which YAML does not allow.

    Example:
      >>> print(front_matter({"license": None, "tags": ["🂡", "a: b", "c\\x85d"]}))
      ---
      tags: ["🂡", "a: b", "c\\U00000085d"]
      ---
    """
    values = {name: json.dumps(v, ensure_ascii=False) for name, v in fields.items() if v}
    text = "\n".join(f"{name}: {value}" for name, value in values.items())
    escaped = "".join(c if c.isprintable() or c == "\n" else f"\\U{ord(c):08x}" for c in text)
    return f"---\n{escaped}\n---"


def table(rows: Iterable[Iterable[object]]) -> str:
    """Format rows of cells as the lines of a Markdown table, without a header.

    The caller escapes each text by `cell` first.
    """
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in rows)


def cell(text: str) -> str:
    """Escape a text so that it stays in its cell of a table; cut it at 100 characters."""
    return re.sub(r"([\\|`*_<>\[\]&])", r"\\\1", " ".join(text.split()))[:100]


def code(value: Any) -> str:
    """Return a value as JSON for a code span, each backtick in it replaced by `'`.

    The caller puts the result between backticks.
    """
    return json.dumps(value, ensure_ascii=False).replace("`", "'")


def fenced(text: str) -> str:
    """Put a text into a code block that nothing in the text can end."""
    fence = "`" * max(3, *(len(ticks) + 1 for ticks in re.findall("`+", text) or [""]))
    return f"{fence}text\n{text}\n{fence}"
