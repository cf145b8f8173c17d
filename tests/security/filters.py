"""Filters of `--where`, and names of fields: it finds a trace or changes the store."""

import tempfile
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

from tests.conftest import NOW, some
from tunix_rt_nb.cli import options
from tunix_rt_nb.common import InputError, filters, sql
from tunix_rt_nb.store import TraceStore

_TEXTS = (
    *(
        "' OR true --",
        "' OR 1=1; --",
        "') OR true --",
        '" OR true --',
        "x' UNION SELECT * FROM traces --",
    ),
    *("'; DROP TABLE traces; --", "'; COPY traces TO '/tmp/x'; --", "$p0", "$v1 OR true", "?"),
    *("{field}", "{value} OR true", "{0.__class__}", "%s", "1) OR (1", "true --", "/* */ true"),
    *("' || getenv('HOME') || '", "read_text('/etc/passwd')", "\\' OR true --", "''''", "\x00"),
    *(
        "' OR meta IS NOT NULL OR '",
        "1 OR 1",
        "/",
        "~1~0",
        "$.task",
        "$..*",
        "*",
        "#",
        "a[*]",
        "\n",
    ),
)
_SHAPES = (
    "{text}=1",
    "task={text}",
    "score={text}",
    "meta.{text}=true",
    "{text}>0",
    "task<{text}",
    "field {text}",
)
ATTACKS = [shape.replace("{text}", text) for shape in _SHAPES for text in _TEXTS]


@cache
def _store() -> TraceStore:
    store = TraceStore(Path(tempfile.mkdtemp()) / "traces")
    store.add(some("arithmetic", 3, seed=0), NOW)
    return store


def _files() -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in _store().folder.iterdir() if path.is_file()}


@cache
def _opened() -> tuple[Any, dict[Path, bytes]]:
    """A connection that stays open, because opening one is slow, and the files of the store."""
    opened = ExitStack()
    connection = opened.enter_context(_store().connect())
    return (connection, opened), _files()


def _found(attack: str) -> list[Any]:
    """Return what the store's own queries find for it."""
    (connection, _), _ = _opened()
    name, _, path = attack.partition(" ")
    bound: dict[str, Any] = {}
    if name == "field":
        told = f"{filters.field(path, bound)}::VARCHAR, {filters.text(path, bound)}"
        rows = connection.execute(f"SELECT {told} FROM fields", bound).fetchall()
        return [value for row in rows for value in row if value is not None]
    where, bound = filters.filter_condition(options.filters_of((attack,)))
    asked = sql("list").format(where=where)
    return connection.execute(asked, {**bound, "limit": 1, "offset": 0}).fetchall()


def attempt(attack: str) -> bool:
    import duckdb

    _, before = _opened()
    try:
        found = bool(_found(attack))
    except InputError as error:
        found = "\n" in str(error)
    except duckdb.Error:  # the store makes one line of it
        found = False
    except Exception:
        found = True
    return found or _files() != before
