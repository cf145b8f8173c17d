"""What a condition of a user may be: one expression on one trace, and nothing beside it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests.conftest import NOW
from tunix_rt_nb import dataset
from tunix_rt_nb.common import InputError, files
from tunix_rt_nb.dataset import DatasetSpec, selection
from tunix_rt_nb.dataset.condition import check_condition
from tunix_rt_nb.store import TraceStore
from tunix_rt_nb.trace import Trace

LEAVES = (  # the parentheses that are put around it
    "true) OR (true",
    "false) OR (true",
    "true) AND (true",
    "true) --",
    "true) OR true --",
    "true) OR (true -- )",
    "true) /* ",
    "true /*) OR (true",
    "1 = 1) OR (1 = 1",
    "true)) OR ((true",
    "(true) OR (true))",
    "true\n) OR (\ntrue",
    "true) UNION SELECT * FROM traces WHERE (true",
    "true) UNION ALL FROM traces WHERE (true",
    "true) EXCEPT SELECT 1 WHERE (true",
    "true) LIMIT 1 OFFSET (1",
    "true) ORDER BY (1",
    "true) GROUP BY ALL HAVING (true",
    "true) QUALIFY (true",
    "true) USING SAMPLE (1",
    "true) WINDOW w AS (ORDER BY id",
    "true); COPY traces TO '/tmp/x.csv'; SELECT (true",
    "true; SELECT true",
    "true;",
    ";",
    ")",
    "(",
    "() OR (true",
    "true\0) OR (true",
    "true) OR (\0",
    "$$a$$) OR ($$b$$ = 'b'",
    "'a') = ('a'",
    "E'\\'') OR (true --",
    "true]) OR ([true",
    "true} OR {true",
)
MORE = (  # than one expression
    "",
    " ",
    "--",
    "true, false",
    "true x",
    "true AS x",
    "x: true",
    "DISTINCT true",
    "DISTINCT ON (id) true",
    "ALL true",
    "*",
    "traces.*",
    "true FROM traces",
    "true WHERE true",
    "true GROUP BY ALL",
    "true HAVING true",
    "true ORDER BY 1",
    "true LIMIT 1",
    "true QUALIFY true",
    "true USING SAMPLE 1",
    "true UNION SELECT true",
    "true INTO x",
    "SELECT true",
    "WITH x AS (SELECT 1) SELECT true",
    "true true",
    "id = $p0",
    "id = $1",
    "id = ?",
    "#1 = 'x'",
    "DEFAULT",
    "COLUMNS('.*') = 'x'",
    "COLUMNS(*) IS NULL",
    "UNPACK (COLUMNS(*)) IS NULL",
)
OTHERS = (  # tables, files, settings, statements
    "(SELECT true)",
    "EXISTS (SELECT 1)",
    "EXISTS (FROM '/etc/passwd')",
    "id IN (SELECT id FROM deleted)",
    "id = ANY (SELECT id FROM traces)",
    "id = ANY(steps)",
    "id IN (FROM read_csv('/etc/passwd'))",
    "(VALUES (true))",
    "(TABLE traces) IS NULL",
    "read_text('/etc/passwd') IS NULL",
    "read_blob('/etc/passwd') IS NULL",
    "read_csv('/etc/passwd') IS NULL",
    "read_json('x') IS NULL",
    "read_parquet('x') IS NULL",
    "parquet_scan('x') IS NULL",
    "glob('/*') IS NULL",
    "sniff_csv('x') IS NULL",
    "getenv('HOME') IS NULL",
    "getvariable('x') IS NULL",
    "current_setting('threads') IS NULL",
    "current_user = 'x'",
    "session_user = 'x'",
    "current_database() = 'x'",
    "current_schema() = 'x'",
    "current_query() = 'x'",
    "version() = 'x'",
    "pg_backend_pid() = 1",
    "txid_current() = 1",
    "nextval('s') = 1",
    "currval('s') = 1",
    "query('SELECT 1') IS NULL",
    "query_table('traces') IS NULL",
    "duckdb_settings() IS NULL",
    "json_execute_serialized_sql('x') IS NULL",
    "json_serialize_sql('SELECT 1') IS NULL",
    "from_substrait('x') IS NULL",
    "write_log('x') IS NULL",
    "error('x') IS NULL",
    "sleep_ms(1000) IS NULL",
    "shards.id = 'x'",
    "deleted.id = 'x'",
    "main.lower(id) = 'x'",
    "system.main.lower(id) = 'x'",
    "prompt.lower() = 'x'",
    "rowid = 1",
    "filename = 'x'",
    "prompt_key = 'x'",
    "count(*) > 1",
    "sum(length) > 1",
    "max(id) = 'x'",
    "lower(DISTINCT id) = 'x'",
    "string_agg(id ORDER BY id) = 'x'",
    "count(id) FILTER (WHERE true) > 1",
    "row_number() OVER () = 1",
    "sum(length) OVER (ORDER BY id) > 1",
    "lag(id) OVER () = 'x'",
    "GROUPING(id) = 1",
    "unnest([true])",
    "id COLLATE NOCASE = 'x'",
    "PRAGMA database_list",
    "COPY traces TO '/tmp/x.csv'",
    "ATTACH '/tmp/x.db'",
    "INSTALL httpfs",
    "SET threads = 1",
)
TIMES = (  # the clock, the time zone, chance
    "now() IS NULL",
    "created_at < now()::VARCHAR",
    "created_at::DATE < today()",
    "created_at::DATE < current_date",
    "created_at::TIMESTAMP < current_timestamp",
    "created_at::TIMESTAMP < current_localtimestamp()",
    "created_at::TIMESTAMP < localtimestamp",
    "current_time IS NULL",
    "current_localtime() IS NULL",
    "get_current_timestamp() IS NULL",
    "transaction_timestamp() IS NULL",
    "age(created_at::TIMESTAMP) > INTERVAL 1 DAY",
    "age(created_at::TIMESTAMP, created_at::TIMESTAMP) IS NULL",
    "created_at::TIMESTAMPTZ < '2026-01-01'",
    "created_at::TIMESTAMP WITH TIME ZONE < '2026-01-01'",
    "CAST(created_at AS TIMESTAMPTZ) IS NULL",
    "TRY_CAST(created_at AS TIMESTAMPTZ) IS NULL",
    "TIMESTAMPTZ '2026-01-01' IS NULL",
    "created_at::TIMETZ IS NULL",
    "created_at::TIMESTAMPTZ[] IS NULL",
    "created_at::TIMESTAMP AT TIME ZONE 'Europe/Berlin' IS NULL",
    "timezone('Europe/Berlin', created_at::TIMESTAMP) IS NULL",
    "to_timestamp(1) IS NULL",
    "make_timestamptz(1) IS NULL",
    "strptime(created_at, '%Y') IS NULL",
    "try_strptime(created_at, '%Y %Z') IS NULL",
    "random() < 0.5",
    "setseed(1) IS NULL",
    "uuid() IS NULL",
    "gen_random_uuid() IS NULL",
    "uuidv7() IS NULL",
    "hash(id) % 2 = 0",
    "list_filter(steps, lambda now: true) IS NULL AND created_at::DATE < now",
    "list_filter(steps, lambda current_date: true) IS NULL AND created_at::DATE < current_date",
    "(current_date -> 'x') IS NULL",
)
LARGE = (  # gigabytes, or hours
    "lpad(id, 1000000000, 'x') = 'x'",
    "rpad(id, 1000000000, 'x') = 'x'",
    "repeat(id, 1000000000) = 'x'",
    "repeat([1], 1000000000) IS NULL",
    "format('{:1000000000}', 1) = 'x'",
    "printf('%1000000000d', 1) = 'x'",
    "bar(1, 0, 1, 1000000000) = 'x'",
    "range(1000000000) IS NULL",
    "generate_series(1, 1000000000) IS NULL",
    "len(range(1000000000)) > 1",
    "list_resize([1], 1000000000) IS NULL",
    "array_resize([1], 1000000000) IS NULL",
    "list_reduce(steps, lambda a, b: a) IS NULL",
    "reduce(['a', 'b'], lambda a, b: a || a || b) = 'x'",
    "list_concat(steps, steps) IS NULL",
    "list_zip(steps, steps) IS NULL",
    "flatten([[1]]) IS NULL",
    "list_aggregate(steps, 'string_agg', 'x') IS NULL",
    "array_to_string(steps, 'x') IS NULL",
    "to_json(to_json(prompt)) IS NULL",
    "json_quote(json_quote(prompt)) IS NULL",
    "json_object('a', prompt) IS NULL",
    "json_pretty(meta) IS NULL",
    "prompt::JSON IS NULL",
    "prompt::BLOB IS NULL",
    "prompt::BIT IS NULL",
    "'9'::BIGNUM IS NULL",
    "[1]::INTEGER[1000000000] IS NULL",
    "{'a': 1}::STRUCT(a INTEGER) IS NULL",
    "MAP {'a': prompt} IS NULL",
    "factorial(1000) > 1",
    "1000 ! > 1",
    "levenshtein(prompt, final_answer) > 1",
    "jaccard(prompt, prompt) > 1",
    "jaro_similarity(prompt, prompt) > 1",
    "regexp_replace(prompt, '', prompt, 'g') = 'x'",
    "replace(prompt, 'a', prompt) = 'x'",
    "replace(prompt, 'a', 'aa') = 'x'",
    "replace(prompt, id, 'a') = 'x'",
    "length(" + " || ".join(["prompt"] * 14) + ") > 1",
    "string_split(" * 13 + "prompt" + ", 'a')::VARCHAR" * 13 + " = 'x'",
    "lower(" * 201 + "prompt" + ")" * 201 + " = 'x'",
    "list_transform(steps, lambda s: prompt) IS NULL",
    "list_transform(steps, lambda s: s.content || prompt) IS NULL",
    "list_filter(steps, lambda s: lower(prompt) = s.content) IS NULL",
    "list_filter(steps, lambda s: contains(CASE WHEN true THEN prompt END, s.content)) IS NULL",
    "list_filter(steps, lambda s: len(list_filter(steps, lambda t: s.i = t.i)) > 1) IS NULL",
    "[[s.i = t.i for s in steps] for t in steps] IS NULL",
    "(lambda x: x) IS NULL",
    "json_extract(meta, '$..*') IS NULL",
    "(meta -> '$.*') IS NULL",
    "(meta -> prompt) IS NULL",
    "meta ->> ('$.' || '*') = 'x'",
    "meta -> 'a' = 'b'",
    "NOT " * 600 + "true",
    "lower(" * 5000 + "id" + ")" * 5000 + " = 'x'",
    "(" * 5000 + "true" + ")" * 5000,
)
ATTACKS = (*LEAVES, *MORE, *OTHERS, *TIMES, *LARGE)

HONEST = {  # condition -> how many of the five traces it chooses
    "true": 5,
    "NOT false": 5,
    "step_count > 1": 2,
    "step_count BETWEEN 1 AND 2": 5,
    "step_count IN (2, 3)": 2,
    "step_count % 2 = 0 OR step_count = 99": 2,
    "steps_wrong = 0 AND score >= 0": 5,
    "length < 1000 -- a comment": 5,
    "/* a comment */ length > 0": 5,
    "(step_count > 1) OR (step_count <= 1)": 5,
    "((true))": 5,
    "task IS NULL": 3,
    "task = 'sums'": 2,
    "task IN ('sums', 'cards')": 2,
    "list_contains(['sums', 'cards'], task)": 2,
    "coalesce(task, 'own') <> 'own'": 2,
    "nullif(task, 'sums') IS NULL": 5,
    "prompt LIKE 'What%'": 4,
    "prompt NOT LIKE 'What%'": 1,
    "prompt ILIKE '%WHAT%'": 4,
    "lower(prompt) LIKE '%what%'": 4,
    "prompt GLOB 'What*'": 4,
    "prompt SIMILAR TO '.*[0-9].*'": 5,
    "regexp_matches(prompt, '[0-9]+ [+] [0-9]+')": 5,
    "regexp_extract(prompt, '([0-9]+)', 1)::INTEGER > 2": 3,
    "starts_with(prompt, 'What') AND ends_with(prompt, '?')": 4,
    "contains(prompt, final_answer)": 0,
    "final_answer IN prompt": 0,
    "position('is' IN prompt) > 0": 4,
    "substring(prompt, 1, 4) = 'What'": 4,
    "prompt[1:4] = 'What'": 4,
    "len(string_split(prompt, ' ')) = 5": 5,
    "split_part(prompt, ' ', 2) = 'is'": 4,
    "replace(prompt, ' ', '') LIKE 'Whatis%'": 4,
    "trim(final_answer) = final_answer": 5,
    "prompt || final_answer <> ''": 5,
    "TRY_CAST(final_answer AS INTEGER) > 6": 1,
    "final_answer::INTEGER = length(final_answer) OR true": 5,
    "meta ->> 'level' = 'easy'": 2,
    "(meta -> 'card' ->> 'rank')::INTEGER > 10": 1,
    "json_extract_string(meta, '$.card.rank') = '12'": 1,
    "meta ->> '$.level' IS NOT NULL": 2,
    "json_exists(meta, '$.card')": 1,
    "steps[1].type = 's'": 5,
    "len(list_filter(steps, lambda s: length(s.content) > 8)) > 0": 5,
    "len(list_filter(steps, lambda s: contains(s.content, final_answer))) > 0": 5,
    "list_bool_or(list_transform(steps, lambda s: s.i = step_count - 1))": 5,
    "len([s.content for s in steps if s.i > 0]) = 1": 2,
    "list_contains(list_transform(steps, lambda s: lower(s.type)), 's')": 5,
    "CASE WHEN step_count > 1 THEN true ELSE false END": 2,
    "if(step_count > 1, true, false)": 2,
    "created_at < '2026-06'": 5,
    "created_at::DATE = DATE '2026-01-01'": 5,
    "created_at::TIMESTAMP < TIMESTAMP '2026-01-01 00:00:01'": 5,
    "created_at::DATE + INTERVAL 3 DAY > '2026-01-02'": 5,
    "extract(year FROM created_at::DATE) = 2026": 5,
    "year(created_at::DATE) = 2026 AND month(created_at::DATE) = 1": 5,
    "date_trunc('month', created_at::DATE) = DATE '2026-01-01'": 5,
    "date_diff('day', DATE '2025-12-31', created_at::DATE) = 1": 5,
    "strftime(created_at::DATE, '%Y-%m') = '2026-01'": 5,
    "('0x' || left(sha256(id), 8))::UBIGINT >= 0": 5,
    "round(sqrt(length) * 2, 1) > 1 AND abs(-1) = 1": 5,
    "greatest(step_count, 2) = least(step_count, 2)": 2,
    "prompt = 'it''s' OR trace_version <> 'x'": 5,
    "prompt <> $$true) OR (true$$": 5,
    "prompt <> 'true) OR (true; DROP TABLE traces --'": 5,
}


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as found:
        yield found


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TraceStore:
    def trace(a: int, question: str, steps: int, meta: dict | None) -> Trace:
        texts = [("s", f"{a} + 2 = {a + 2}"), ("s", "So that is it.")]
        return Trace.of(question.format(a), texts[:steps], f"{a + 2}", meta)

    store = TraceStore(tmp_path_factory.mktemp("traces"))
    what = "What is {} + 2?"
    metas = ({"task": "sums", "level": "easy"}, {"task": "sums", "level": "easy"}, None, None)
    found = [trace(n + 1, what, 1 + (n > 1), meta) for n, meta in enumerate(metas)]
    store.add([*found, trace(6, "Add {} + 2 now.", 1, {"card": {"rank": 12}})], NOW)
    return store


def spec(condition: str, **fields: object) -> DatasetSpec:
    return DatasetSpec.of(
        **{"dataset_name": "d", "selection_strategy": "custom", "condition": condition, **fields}
    )


@pytest.fixture(scope="module")
def traces(store: TraceStore) -> Iterator[duckdb.DuckDBPyConnection]:
    with store.connect() as found:
        yield found


def chosen(traces: duckdb.DuckDBPyConnection, condition: str) -> int:
    return selection.select(traces, spec(condition))[0]


def short(text: str) -> str:
    return text if len(text) < 60 else f"{text[:40]}... ({len(text)})"


@pytest.mark.parametrize("attack", ATTACKS, ids=short)
def test_an_attack_is_refused_before_anything_runs(
    connection: duckdb.DuckDBPyConnection, attack: str
) -> None:
    with pytest.raises(InputError, match="^condition: ") as error:
        check_condition(attack, connection)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400


def test_there_are_many_attacks_and_honest_conditions() -> None:
    assert len(set(ATTACKS)) >= 200
    assert len(HONEST) >= 60


@pytest.mark.parametrize("condition", HONEST)
def test_an_honest_condition_chooses(traces: duckdb.DuckDBPyConnection, condition: str) -> None:
    assert chosen(traces, condition) == HONEST[condition]


def test_a_condition_stays_within_the_filters(store: TraceStore, tmp_path: Path) -> None:
    filters = {"task": "sums"}
    folder = dataset.build(store, spec("true OR true", filters=filters), tmp_path)
    assert dataset.read_manifest(folder)["considered"]["matching"] == 2
    with pytest.raises(InputError, match="condition: is not valid SQL"):
        dataset.build(store, spec("true) OR (true", filters=filters), tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_a_list_of_many_ids_is_no_attack(
    store: TraceStore, traces: duckdb.DuckDBPyConnection
) -> None:
    ids = [stored.trace.id for stored in store]
    many = [*ids, *(f"{n:036}" for n in range(5000))]
    assert chosen(traces, f"id IN ({', '.join(map(repr, many))})") == len(ids)
    assert chosen(traces, " OR ".join(f"id = '{id}'" for id in many[:1000])) == len(ids)


def test_a_condition_that_takes_too_long_is_stopped(
    store: TraceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "_PATIENCE", 0.1)
    with (
        store.connect() as connection,
        pytest.raises(InputError, match="condition: took over 0 minutes"),
        selection._limited(connection),
    ):
        connection.execute("SELECT count(*) FROM range(1000000000000) WHERE random() > 2")


@pytest.mark.slow
def test_a_condition_chooses_the_same_in_any_time_zone(store: TraceStore, tmp_path: Path) -> None:
    path = tmp_path / "honest.json"
    timely = [condition for condition in HONEST if "created_at" in condition]
    files.write_json(path, timely)
    code = (
        "from tests.dataset.test_condition import *\n"
        "with TraceStore(Path(sys.argv[1])).connect() as traces:\n"
        "    asked = json.loads(Path(sys.argv[2]).read_text())\n"
        "    print(json.dumps({c: chosen(traces, c) for c in asked}))"
    )
    for zone in ("Pacific/Kiritimati", "America/Los_Angeles"):
        command = [sys.executable, "-c", code, str(store.folder), str(path)]
        told = subprocess.run(command, env={"TZ": zone}, capture_output=True, text=True, check=True)
        assert json.loads(told.stdout) == {condition: HONEST[condition] for condition in timely}
