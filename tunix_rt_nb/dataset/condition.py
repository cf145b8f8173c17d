"""A condition that a user wrote in SQL, checked to be a condition and nothing else."""

import json
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from tunix_rt_nb import store
from tunix_rt_nb.common import InputError, filters, one_line, sql, unknown

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

COLUMNS = (*store.COLUMNS, "task", *filters.NUMBERS)  # those of the view `fields`

_KINDS = {  # allowed expressions; there is no subquery, window, parameter or star among them
    "BETWEEN",
    "CASE",
    "CAST",
    "COLLATE",
    "COLUMN_REF",
    "COMPARISON",
    "CONJUNCTION",
    "CONSTANT",
    "FUNCTION",
    "LAMBDA",
    "OPERATOR",
    "TYPE",
}


def check_condition(condition: str, connection: "DuckDBPyConnection") -> str:
    """Check that a condition looks at one trace and at nothing else. Return it unchanged.

    DuckDB's own parser parses the condition. It may contain columns of a trace, constants,
    comparisons, and functions that depend only on their arguments. It may not use another table, a
    file, a setting, the clock, randomness or a second statement. So the same condition always gives
    the same dataset. The connection that runs the condition is locked anyway, and can read only the
    store's files.

    Args:
      condition: the condition, as a user wrote it.
      connection: any DuckDB connection; it parses the condition and does not run it.

    Raises:
      InputError: the condition is not allowed: `condition: reason`.

    Example:
      >>> import duckdb
      >>> check_condition("step_count > 3 AND prompt LIKE '%card%'", duckdb.connect())
      "step_count > 3 AND prompt LIKE '%card%'"
    """
    query = "SELECT json_serialize_sql($query)"
    # Put it on separate lines, so that a comment at its end does not hide the parenthesis.
    [(text,)] = connection.execute(query, {"query": f"SELECT (\n{condition}\n)"}).fetchall()
    found = json.loads(text)
    if found["error"]:
        raise InputError(f"condition: is not valid SQL: {one_line(found['error_message'])}")
    expression = _only_expression(found["statements"])
    nodes = list(_nodes(expression))
    allowed = _functions()
    named = {name for node in nodes if node["class"] == "LAMBDA" for name in _names(node["lhs"])}
    for node in nodes:
        if node["class"] not in _KINDS:
            raise InputError(f"condition: a {node['class'].lower()} is not allowed")
        if node["class"] == "FUNCTION" and node["function_name"].lower() not in allowed:
            raise InputError(
                f"condition: {node['function_name']}() is not allowed, use functions whose result"
                " depends only on their arguments"
            )
        if node["class"] == "COLUMN_REF":
            column = node["column_names"][0]
            if column.lower() not in COLUMNS and column not in named:
                raise unknown("condition: column", column, COLUMNS)
    return condition


@cache
def _functions() -> set[str]:
    """Return the names of DuckDB's functions that depend only on their arguments."""
    import duckdb

    with duckdb.connect() as connection:
        return {name for (name,) in connection.execute(sql("functions")).fetchall()}


def _only_expression(statements: list[dict[str, Any]]) -> dict[str, Any]:
    node = statements[0]["node"]
    expressions = node.get("select_list") or []
    added = ("modifiers", "where_clause", "group_expressions", "having", "sample", "qualify")
    plain = len(statements) == len(expressions) == 1 and not any(node[name] for name in added)
    if not plain or node["from_table"]["type"] != "EMPTY" or node["cte_map"]["map"]:
        raise InputError("condition: expected one condition in SQL, found more than one")
    return expressions[0]


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Yield an expression and every expression inside it."""
    if isinstance(value, dict) and "class" in value:
        yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in inner:
        yield from _nodes(part)


def _names(parameters: Any) -> Iterator[str]:
    for node in _nodes(parameters):
        if node["class"] == "COLUMN_REF":
            yield node["column_names"][0]
