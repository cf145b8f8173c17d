"""A condition that a user wrote in SQL, checked to be one condition on one trace.

DuckDB's own parser parses the condition, and the check walks the tree. Everything that is not
listed in this file is refused: kinds of expressions, operators, functions, types and columns. So a
condition cannot reach a file, a setting, the clock, a time zone, chance or another table, and the
same traces give the same dataset anywhere.

No listed function makes a text much longer than its arguments. Nesting could still multiply
lengths, so the number of functions that make texts is limited, and so is what a lambda may do.
"""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tunix_rt_nb import store
from tunix_rt_nb.common import InputError, filters, nearest, one_line, unknown

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

COLUMNS = (*store.COLUMNS, "task", *filters.NUMBERS)  # those of the view `fields`


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_KINDS = _words("BETWEEN CASE CAST COLUMN_REF COMPARISON CONJUNCTION CONSTANT FUNCTION TYPE")
_OPERATORS = _words(
    "OPERATOR_NOT OPERATOR_IS_NULL OPERATOR_IS_NOT_NULL OPERATOR_COALESCE OPERATOR_TRY COMPARE_IN"
    " COMPARE_NOT_IN ARRAY_EXTRACT ARRAY_SLICE STRUCT_EXTRACT"
)
_TEXT_TYPES = _words("VARCHAR TEXT STRING CHAR BPCHAR LIST")  # casts to these make texts
_TYPES = _TEXT_TYPES | _words(
    "BOOLEAN BOOL TINYINT SMALLINT INTEGER INT BIGINT HUGEINT UTINYINT USMALLINT UINTEGER UBIGINT"
    " UHUGEINT FLOAT REAL DOUBLE DECIMAL NUMERIC DATE TIME TIMESTAMP DATETIME TIMESTAMP_S"
    " TIMESTAMP_MS TIMESTAMP_NS INTERVAL UUID"
)
# Functions whose results are numbers, times or truth values.
_SMALL = _words(
    "~~ !~~ ~~* !~~* ~~~ like_escape not_like_escape ilike_escape not_ilike_escape ^@ contains"
    " starts_with ends_with prefix suffix regexp_matches regexp_full_match length len char_length"
    " character_length strlen bit_length ascii unicode ord instr strpos position"
    " + - * / // % ** ^ @ abs add subtract multiply divide mod pow power sqrt cbrt exp ln log log2"
    " log10 ceil ceiling floor round round_even trunc sign even isnan isinf isfinite"
    " list_contains list_has list_has_all list_has_any list_indexof list_position array_contains"
    " array_has array_has_all array_has_any array_indexof array_position array_length list_sum"
    " list_avg list_count list_bool_and list_bool_or list_unique array_unique"
    " date_part datepart date_trunc datetrunc date_diff datediff date_sub datesub year quarter"
    " month week weekofyear yearweek isoyear day dayofmonth dayofweek dayofyear isodow weekday hour"
    " minute second millisecond microsecond epoch epoch_ms epoch_us epoch_ns last_day make_date"
    " to_years to_quarters to_months to_weeks to_days to_hours to_minutes to_seconds"
)
_OF_JSON = _words(
    "->> json_extract json_extract_string json_extract_path json_extract_path_text json_value"
    " json_exists json_type json_keys json_array_length"
)
_WITH_LAMBDA = _words(
    "list_filter list_transform list_apply array_filter array_transform array_apply filter apply"
)
# Functions whose results are texts, lists or any value, no longer than their arguments.
_SAME_SIZE = (
    _OF_JSON
    | _WITH_LAMBDA
    | _words(
        "lower upper lcase ucase trim ltrim rtrim substr substring left right reverse strip_accents"
        " nfc_normalize regexp_extract split_part chr md5 sha1 sha256 strftime dayname monthname"
        " json_valid if nullif greatest least list_value list_distinct array_distinct list_slice"
        " array_slice list_extract list_element array_extract struct_extract struct_pack"
        " list_min list_max"
    )
)
# Functions that make a text or list longer: each by its arguments, or by a constant factor.
_GROWING = _words(
    "|| concat concat_ws string_split str_split split string_to_array string_split_regex"
    " str_split_regex regexp_split_to_array regexp_extract_all replace translate"
)
_FUNCTIONS = _SMALL | _SAME_SIZE | _GROWING
_MOST_GROWING = 12  # in one condition, so that lengths are multiplied by some dozens at most
_MOST_TEXTS = 200
_MOST_LEVELS = 100  # of expressions in each other


def check_condition(condition: str, connection: "DuckDBPyConnection") -> str:
    """Check that a condition looks at one trace and at nothing else. Return it unchanged.

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
    # A condition that closes a parenthesis of ours, such as `true) OR (true`, is valid in
    # parentheses but not alone. One with a clause behind it, such as `true LIMIT 1`, is valid alone
    # but not in parentheses. New lines keep a comment at its end from hiding the parenthesis.
    expression = _only_expression(_parse(f"SELECT \n{condition}\n", connection))
    _only_expression(_parse(f"SELECT (\n{condition}\n)", connection))
    growing = texts = 0
    for node, within in _walk(expression):
        _check_kind(node)
        if node["class"] == "FUNCTION":
            _check_function(node)
            growing += node["function_name"].lower() in _GROWING
            texts += _makes_text(node)
        if node["class"] == "CAST":
            growing += node["type_expr"]["type_name"].upper() in _TEXT_TYPES
        _check_place(node, within)
    if growing > _MOST_GROWING or texts > _MOST_TEXTS:
        raise InputError(
            f"condition: makes too many texts, expected at most {_MOST_GROWING} of ||, concat,"
            f" split, replace and casts to text, and {_MOST_TEXTS} functions of text in all"
        )
    return condition


def _parse(query: str, connection: "DuckDBPyConnection") -> list[dict[str, Any]]:
    if "\0" in query:
        raise InputError("condition: contains a NUL character, remove it")
    [(text,)] = connection.execute("SELECT json_serialize_sql($q)", {"q": query}).fetchall()
    try:
        found = json.loads(text)
    except RecursionError:
        raise _too_deep() from None
    if found["error"]:
        raise InputError(f"condition: is not valid SQL: {one_line(found['error_message'])}")
    return list(found["statements"])


def _too_deep() -> InputError:
    return InputError("condition: is nested too deeply, write it with fewer levels")


def _only_expression(statements: list[dict[str, Any]]) -> dict[str, Any]:
    node = statements[0]["node"]
    expressions = node.get("select_list") or []
    added = ("modifiers", "where_clause", "group_expressions", "having", "sample", "qualify")
    plain = len(statements) == len(expressions) == 1 and not any(node[name] for name in added)
    plain = plain and not expressions[0]["alias"] and node["from_table"]["type"] == "EMPTY"
    if not plain or node["cte_map"]["map"] or node["aggregate_handling"] != "STANDARD_HANDLING":
        raise InputError("condition: expected one condition in SQL, found more than one")
    return expressions[0]


class _Within:
    """What is around an expression.

    Attributes:
      parent: the expression that it is an argument of; None for the whole condition.
      names: the parameters of the lambda that it is in; empty outside a lambda.
      level: how many expressions it is in.
    """

    def __init__(
        self, parent: dict[str, Any] | None, names: frozenset[str], level: int = 0
    ) -> None:
        self.parent, self.names, self.level = parent, names, level
        if level > _MOST_LEVELS:
            raise _too_deep()


def _walk(expression: dict[str, Any]) -> Iterator[tuple[dict[str, Any], _Within]]:
    """Yield an expression and every expression inside it, each with what is around it.

    A lambda is not yielded, only the expression that it computes.
    """
    waiting = [(expression, _Within(None, frozenset()))]
    while waiting:
        node, within = waiting.pop()
        if node["class"] == "LAMBDA" and node["syntax_type"] == "LAMBDA_KEYWORD":
            names = _parameters(node, within)
            waiting.append((node["expr"], _Within(node, names, within.level + 1)))
            continue
        yield node, within
        inside = _Within(node, within.names, within.level + 1)
        waiting += [(child, inside) for child in _children(node)]


def _children(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the expressions directly inside an expression."""
    for part in value.values() if isinstance(value, dict) else value:
        if isinstance(part, dict) and "class" in part:
            yield part
        elif isinstance(part, dict | list):
            yield from _children(part)


def _parameters(node: dict[str, Any], within: _Within) -> frozenset[str]:
    """Return the names of a lambda's parameters; raise `InputError` if it may not be here."""
    parent = within.parent
    if parent is None or parent.get("function_name", "").lower() not in _WITH_LAMBDA:
        raise InputError("condition: a lambda is only allowed in list_filter and list_transform")
    if within.names:
        raise InputError("condition: a lambda in a lambda is not allowed")
    lhs = node["lhs"]
    named = [lhs] if lhs["class"] == "COLUMN_REF" else list(_children(lhs))
    return frozenset(name.lower() for one in named for name in one["column_names"])


def _check_kind(node: dict[str, Any]) -> None:
    kind = node["class"]
    if kind == "OPERATOR" and node["type"] not in _OPERATORS:
        kind = node["type"]
    elif kind in ("OPERATOR", "LAMBDA") or kind in _KINDS:  # a LAMBDA here is the `->` of JSON
        kind = ""
    if kind:
        raise InputError(f"condition: a {kind.lower().replace('_', ' ')} is not allowed")
    if node["class"] == "TYPE" and node["type_name"].upper() not in _TYPES:
        name = node["type_name"]
        raise InputError(f"condition: the type {name} is not allowed, use one such as TIMESTAMP")
    if node["class"] == "LAMBDA":
        _check_path(node["expr"])


def _check_function(node: dict[str, Any]) -> None:
    name = node["function_name"].lower()
    plain = not (node["schema"] or node["catalog"] or node["distinct"] or node["filter"])
    if name not in _FUNCTIONS or not plain or node["order_bys"]["orders"]:
        near = nearest(name, _FUNCTIONS, cutoff=0.8)
        hint = f"did you mean {near}?" if near and near != name else "see docs/data.md"
        raise InputError(f"condition: {one_line(name, 40)}() is not allowed here, {hint}")
    arguments = [argument["expression"] for argument in node["arguments"]]
    if name in _OF_JSON:
        for path in arguments[1:]:
            _check_path(path)
    if name == "replace" and len(arguments) == 3:
        old, new = (_text(argument) for argument in arguments[1:])
        if old is None or new is None or len(new.encode()) > len(old.encode()):
            raise InputError("condition: replace() may only put in a constant that is not longer")


def _check_path(path: dict[str, Any]) -> None:
    """Check that a path in JSON is constant and names one value, not every value: no `*`."""
    for node, _ in _walk(path):
        joined = node["class"] == "LAMBDA" or node.get("function_name") in ("->>", "list_value")
        if not joined and (node["class"] != "CONSTANT" or "*" in node["literal"]["text"]):
            raise InputError(
                "condition: expected a constant path in JSON without *, in parentheses if it is"
                " compared: (meta -> 'a') = 'b'"
            )


def _text(node: dict[str, Any]) -> str | None:
    literal = node["literal"] if node["class"] == "CONSTANT" else {}
    return literal["text"] if literal.get("kind") == "STRING" else None


def _makes_text(node: dict[str, Any] | None) -> bool:
    """Tell whether an expression makes a value of any size; a LAMBDA is the `->` of JSON."""
    if node is None or node["class"] in ("COMPARISON", "BETWEEN"):
        return False
    return node["class"] != "FUNCTION" or node["function_name"].lower() not in _SMALL


def _check_place(node: dict[str, Any], within: _Within) -> None:
    """Check the column that an expression names, and where it is."""
    if node["class"] != "COLUMN_REF" or node["column_names"][0].lower() in within.names:
        return
    column = node["column_names"][0]
    if column.lower() not in COLUMNS:
        raise unknown("condition: column", column, COLUMNS)
    # A list of texts that each contain the prompt would be as large as steps times prompt.
    if within.names and _makes_text(within.parent):
        raise InputError(
            f"condition: in a lambda, {column} may only be compared or searched, not returned or"
            " put into another text"
        )
