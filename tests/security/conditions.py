"""Conditions in SQL: it is taken, or ends otherwise than with one line that refuses it."""

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from tunix_rt_nb.common import InputError
from tunix_rt_nb.dataset import condition

_READERS = (
    *("read_csv", "read_csv_auto", "read_parquet", "parquet_scan", "read_json", "read_json_auto"),
    *("read_text", "read_blob", "read_ndjson", "sniff_csv", "glob", "parquet_metadata"),
    *("parquet_schema", "arrow_scan", "query", "query_table", "duckdb_settings", "duckdb_secrets"),
    *("duckdb_tables", "pragma_database_list", "repeat_row", "range"),
)
_CHANGING = (
    *("random()", "uuid()", "gen_random_uuid()", "now()", "current_timestamp", "today()"),
    *("current_date", "get_current_time()", "transaction_timestamp()", "txid_current()"),
    *(
        "getenv('HOME')",
        "current_setting('threads')",
        "version()",
        "current_user",
        "current_query()",
    ),
    *("current_database()", "current_schema()", "getvariable('x')", "nextval('s')", "setseed(0.5)"),
    *("pg_backend_pid()", "currval('s')", "write_log('x')", "error('x')", "stats(id)"),
    *("in_search_path('a','b')", "current_schemas(true)", "uuidv7()", "uuidv4()"),
)
_STATEMENTS = (
    *(
        "DROP TABLE traces",
        "DELETE FROM traces",
        "UPDATE traces SET id = 1",
        "CREATE TABLE x(a INT)",
    ),
    *("INSERT INTO traces VALUES (1)", "ATTACH 'x.db'", "DETACH x", "COPY traces TO '/tmp/x'"),
    *("COPY (SELECT 1) TO '/tmp/x'", "EXPORT DATABASE '/tmp/x'", "IMPORT DATABASE '/tmp/x'"),
    *("INSTALL httpfs", "LOAD httpfs", "PRAGMA database_list", "SET threads = 1", "RESET threads"),
    *("CALL pragma_version()", "SELECT getenv('HOME')", "CHECKPOINT", "VACUUM", "USE main"),
    *("BEGIN", "PREPARE x AS SELECT 1", "EXECUTE x", "EXPLAIN SELECT 1", "DESCRIBE traces"),
)
_SHAPES = (
    *("", " ", ";", "--", "/*", "true)", "(true", "true) --", "true) OR (true", "true, true", "*"),
    *("(SELECT true)", "EXISTS (SELECT 1)", "id IN (SELECT id FROM traces)", "id = ANY(SELECT 1)"),
    *("true) UNION SELECT (true", "true) UNION ALL SELECT * FROM traces --", "true ORDER BY 1"),
    *("true LIMIT 1", "true) FROM traces --", "true FROM traces", "true) WHERE (false", "$1", "?"),
    *(
        "$x",
        "row_number() OVER () > 0",
        "sum(length) OVER () > 0",
        "COLUMNS('.*') > 0",
        "unnest([1])",
    ),
    *("true) GROUP BY (1", "true) HAVING (true", "true) QUALIFY (true", "true USING SAMPLE 1"),
    *("true\n) --", "true\n); DROP TABLE traces; SELECT (1", "true/**/)/**/UNION/**/SELECT/**/(1"),
    *("rowid > 0", "x.id = 1", "other_column = 1", "'a' || secret = 'b'", "count(*) > 0"),
    *("list(id) IS NOT NULL", "string_agg(id, ',') = ''", "DEFAULT", "id = %s", "{{ 7 * 7 }} = 49"),
    *("(WITH x AS (SELECT 1) SELECT * FROM x) = 1", "(FROM traces)", "(VALUES (1)) = 1"),
    *("(TABLE traces) = 1", "ARRAY(SELECT 1) = [1]", "\x00", "true\x00", "\\", "'", '"', "$$"),
)
_OWN = [
    *(f"{name}('/etc/passwd') IS NOT NULL" for name in _READERS),
    *(f"(SELECT count(*) FROM {name}('/etc/passwd')) > 0" for name in _READERS),
    *(f"{call} IS NOT NULL" for call in _CHANGING),
    *(f"true); {statement}; SELECT (true" for statement in _STATEMENTS),
    *(f"true; {statement}" for statement in _STATEMENTS),
    *_STATEMENTS,
    *_SHAPES,
]


def _listed() -> list[str]:
    """The attacks that the tests of conditions list as `ATTACKS`."""
    paths = sorted((Path(__file__).parents[1] / "dataset").glob("test_condition*.py"))
    modules = [import_module(f"tests.dataset.{path.stem}") for path in paths]
    return [text for module in modules for text in getattr(module, "ATTACKS", ())]


ATTACKS = list(dict.fromkeys([*_OWN, *_listed()]))


@cache
def _connection() -> Any:
    import duckdb

    return duckdb.connect()


def attempt(attack: str) -> bool:
    try:
        condition.check_condition(attack, _connection())
    except InputError as error:
        return "\n" in str(error)
    except Exception:
        return True
    return True
