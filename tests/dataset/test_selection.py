import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings, strategies as st

from tests.conftest import NOW, THOROUGH
from tunix_rt_nb import tasks
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.common.queries import sql
from tunix_rt_nb.dataset import DatasetSpec
from tunix_rt_nb.dataset.condition import check_condition
from tunix_rt_nb.dataset.selection import quotas, select
from tunix_rt_nb.store import scores
from tunix_rt_nb.store.store import TraceStore
from tunix_rt_nb.trace.trace import Trace

COLOURS = {"red": 50, "green": 30, "blue": 20}


def spec(**fields: object) -> DatasetSpec:
    return DatasetSpec.of(**{"dataset_name": "d", "near_duplicates": None, **fields})


def marbles() -> Iterator[Trace]:
    """A hundred traces of three colours and a few weights, of one to twelve steps."""
    rng = random.Random(5)
    for colour, n in COLOURS.items():
        for k in range(n):
            steps = [("s", "x" * rng.randrange(1, 900)) for _ in range(rng.randrange(1, 13))]
            about = {"colour": colour, "weight": rng.choice([1, 2.5, "heavy", None])}
            yield Trace.of(f"{colour} {k}", steps, "a", about)


@pytest.fixture(scope="module")
def marble_store(tmp_path_factory: pytest.TempPathFactory) -> TraceStore:
    store = TraceStore(tmp_path_factory.mktemp("marbles"))
    store.add(marbles(), NOW)
    return store


def chosen(store: TraceStore, **fields: object) -> list[Trace]:
    with store.connect() as connection:
        select(connection, spec(**fields))
        found = connection.execute("SELECT id FROM selected ORDER BY place").fetchall()
    return [stored.trace for stored in store.get([id for (id,) in found])]


def colours(traces: list[Trace]) -> dict[str, int]:
    return dict(Counter((trace.meta or {})["colour"] for trace in traces))


def test_stratified_takes_the_quotas_that_are_asked_for(marble_store: TraceStore) -> None:
    fields = {"selection_strategy": "stratified", "stratify_by": "colour"}
    wanted = {"red": 7, "blue": 20}
    assert colours(chosen(marble_store, **fields, quotas=wanted)) == wanted


def test_stratified_keeps_exact_proportions_of_as_many_as_there_are(
    marble_store: TraceStore,
) -> None:
    fields = {"selection_strategy": "stratified", "stratify_by": "meta.colour"}
    half = {"red": 0.5, "blue": 0.5}
    assert colours(chosen(marble_store, **fields, proportions=half)) == {"red": 20, "blue": 20}
    thirds = {"red": 1 / 3, "green": 1 / 3, "blue": 1 / 3}
    found = colours(chosen(marble_store, **fields, proportions=thirds, limit=10))
    assert sorted(found.values()) == [3, 3, 4]


def test_stratified_spreads_a_limit_evenly(marble_store: TraceStore) -> None:
    fields = {"selection_strategy": "stratified", "stratify_by": "colour"}
    assert colours(chosen(marble_store, **fields, limit=30)) == dict.fromkeys(COLOURS, 10)
    assert colours(chosen(marble_store, **fields, limit=80)) == {
        "red": 30,
        "green": 30,
        "blue": 20,
    }
    assert colours(chosen(marble_store, **fields, limit=999)) == COLOURS


def test_stratified_takes_others_for_another_seed(marble_store: TraceStore) -> None:
    fields = {"selection_strategy": "stratified", "stratify_by": "colour", "limit": 30}
    drawn = [{t.id for t in chosen(marble_store, **fields, seed=seed)} for seed in (0, 1, 0)]
    assert drawn[0] == drawn[2] != drawn[1]


def test_a_number_of_steps_can_be_a_stratum(marble_store: TraceStore) -> None:
    found = chosen(
        marble_store, selection_strategy="stratified", stratify_by="step_count", quotas={"3": 2}
    )
    assert [len(trace.steps) for trace in found] == [3, 3]


@pytest.mark.slow
@given(
    st.dictionaries(st.sampled_from("abcdefg"), st.integers(1, 60), min_size=1),
    st.integers(1, 300),
    st.randoms(use_true_random=False),
)
@settings(max_examples=THOROUGH)
def test_quotas_are_never_more_than_there_are(
    found: dict[str, int], limit: int, rng: random.Random
) -> None:
    fields = {"selection_strategy": "stratified", "stratify_by": "x", "limit": limit}
    even = quotas(spec(**fields), found)
    assert sum(even.values()) == min(limit, sum(found.values()))
    assert all(n <= found[value] for value, n in even.items())
    fullest = max(even.values())
    assert all(n == found[value] or n >= fullest - 1 for value, n in even.items())
    parts = {value: rng.randint(1, 9) for value in found}
    shares = {value: part / sum(parts.values()) for value, part in parts.items()}
    taken = quotas(spec(**fields, proportions=shares), found)
    total = sum(taken.values())
    assert total <= limit and all(n <= found[value] for value, n in taken.items())
    assert all(abs(n - shares[value] * total) < 1 for value, n in taken.items())


def test_quality_takes_the_best_by_score_from_a_floor_on(marble_store: TraceStore) -> None:
    from tunix_rt_nb.store.scores import score

    everyone = sorted((score(t, NOW)["score"] for t in marbles()), reverse=True)
    best = [score(t, NOW)["score"] for t in chosen(marble_store, selection_strategy="quality")]
    assert best == everyone
    floor = everyone[10]
    found = chosen(marble_store, selection_strategy="quality", quality_floor=floor)
    assert len(found) == sum(value >= floor for value in everyone)


def test_quality_leaves_out_what_has_no_number(marble_store: TraceStore) -> None:
    found = chosen(marble_store, selection_strategy="quality", quality_by="weight")
    weights = [(trace.meta or {})["weight"] for trace in found]
    assert weights == sorted(weights, reverse=True)
    assert set(weights) == {1, 2.5}


def test_filters_take_score_steps_and_length(marble_store: TraceStore) -> None:
    def length(trace: Trace) -> int:
        said = sum(len(step.content) for step in trace.steps)
        return len(trace.prompt) + len(trace.final_answer) + said

    traces = list(marbles())
    few = {t.id for t in traces if len(t.steps) in (2, 3)}
    assert {t.id for t in chosen(marble_store, filters={"step_count": {"in": [2, 3]}})} == few
    short = {t.id for t in traces if length(t) < 800}
    assert {t.id for t in chosen(marble_store, filters={"length": {"<": 800}})} == short
    assert chosen(marble_store, filters={"score": {">=": 0, "<=": 100}, "step_count": 4})
    assert not chosen_ids(marble_store, filters={"meta.length": 3})


def test_filters_take_wrong_steps_and_those_that_can_be_checked(tmp_path: Path) -> None:
    store = TraceStore(tmp_path)
    right, wrong, silent = (
        Trace.of(f"p{n}", [("s", text), ("s", "Add both.")], "a")
        for n, text in enumerate(["2 + 2 = 4", "2 + 2 = 5", "Think."])
    )
    [drawn] = tasks.draw("arithmetic", 1, seed=0)
    store.add([right, wrong, silent, drawn], NOW)
    ids = {right.id, silent.id, drawn.id}
    assert {trace.id for trace in chosen(store, filters={"steps_wrong": 0})} == ids
    both = {"steps_wrong": 0, "steps_checked": {">": 0}}
    assert {trace.id for trace in chosen(store, filters=both)} == {right.id, drawn.id}
    assert chosen(store, selection_strategy="custom", condition="steps_wrong = 1") == [wrong]
    assert chosen(store, filters={"steps_checked": len(drawn.steps)}) == [drawn]
    assert [found.trace for found in store.newest(9, filters={"steps_wrong": 1})] == [wrong]


def chosen_ids(store: TraceStore, **fields: object) -> list[str]:
    return [trace.id for trace in chosen(store, **fields)]


CONDITIONS = {
    "step_count > 3 AND prompt LIKE 'red%'": lambda t: (
        len(t.steps) > 3 and t.prompt.startswith("red")
    ),
    "meta ->> 'colour' IN ('red', 'blue')": lambda t: t.meta["colour"] in ("red", "blue"),
    "NOT (length(final_answer) = 1) OR regexp_matches(prompt, ' 1$') -- a comment": lambda t: (
        t.prompt.endswith(" 1")
    ),
    "len(list_filter(steps, lambda s: length(s.content) > 800)) BETWEEN 1 AND 9": lambda t: any(
        len(s.content) > 800 for s in t.steps
    ),
    "CASE WHEN score > 50 THEN true ELSE false END": lambda t: None,
    "steps[1].type = 's' /* all */": lambda t: True,
}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_custom_condition_chooses(marble_store: TraceStore, condition: str) -> None:
    found = chosen_ids(marble_store, selection_strategy="custom", condition=condition)
    wanted = {t.id for t in marbles() if CONDITIONS[condition](t)}
    assert found and (set(found) == wanted or not wanted)


ATTACKS = (
    "true; COPY traces TO '/tmp/stolen.csv'",
    "true) TO '/tmp/stolen.csv' --",
    "true; ATTACH '/tmp/x.db'",
    "true; INSTALL httpfs; LOAD httpfs",
    "(SELECT count(*) FROM read_text('/etc/passwd')) > 0",
    "EXISTS (FROM read_csv('/etc/passwd'))",
    "id IN (SELECT id FROM deleted)",
    "true) UNION ALL SELECT * FROM traces WHERE (true",
    "true) OR id IN (SELECT id FROM 'other.parquet'",
    "true; PRAGMA database_list",
    "true; SET enable_external_access = true",
    "true; DROP VIEW traces",
    "true; DELETE FROM traces",
    "true; CREATE TABLE t AS SELECT 1",
    "true) LIMIT 1 --",
    "true /*",
    "random() < 0.5",
    "created_at < now()::VARCHAR",
    "getenv('HOME') = '/root'",
    "current_setting('threads') = '1'",
    "count(*) > 1",
    "row_number() OVER () = 1",
    "id = $seed",
    "id = ?",
    "* LIKE 'x'",
    "COLUMNS('.*') = 'x'",
    "current_user = 'duckdb'",
    "write_log('x') IS NULL",
    "nextval('s') = 1",
    "error('x') IS NULL",
    "glob('/etc/*') IS NOT NULL",
    "shards.id = 'x'",
    "",
    "SELECT",
)


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_condition_that_is_more_than_one_is_refused(
    marble_store: TraceStore, attack: str
) -> None:
    with pytest.raises(InputError, match="^condition: ") as error:
        chosen(marble_store, selection_strategy="custom", condition=attack)
    assert "\n" not in str(error.value)
    assert marble_store.count() == sum(COLOURS.values())


@pytest.fixture(scope="module")
def connections(
    marble_store: TraceStore,
) -> Iterator[list[duckdb.DuckDBPyConnection]]:
    """The same traces in DuckDB with 1, 2 and 4 threads, the rows in three orders."""
    rows = [s.record() | {"meta": json.dumps(s.trace.meta)} for s in marble_store]
    made = []
    for n in (1, 2, 4):
        connection = duckdb.connect(config={"threads": n})
        random.Random(n).shuffle(rows)
        connection.execute(
            "CREATE TABLE traces (id VARCHAR, created_at VARCHAR, trace_version VARCHAR,"
            " prompt VARCHAR, steps STRUCT(i BIGINT, type VARCHAR, content VARCHAR)[],"
            " final_answer VARCHAR, meta JSON)"
        )
        connection.executemany(
            "INSERT INTO traces VALUES ($id, $created_at, $trace_version, $prompt, $steps,"
            " $final_answer, $meta)",
            rows,
        )
        scores.define_counts(connection)
        connection.execute(sql("fields"))
        made.append(connection)
    yield made
    for connection in made:
        connection.close()


@pytest.mark.slow
@given(st.text(alphabet="abc1 '\"()-;/*$.=<>[]\\\n,%_", max_size=40))
@settings(max_examples=THOROUGH)
def test_any_text_is_one_condition_or_is_refused(
    connections: list[duckdb.DuckDBPyConnection], text: str
) -> None:
    connection = connections[0]
    try:
        check_condition(text, connection)
    except InputError:
        return
    query = f"SELECT (\n{text}\n) FROM traces LIMIT 3"
    try:
        assert len(connection.execute(query).fetchall()) == 3
    except duckdb.Error as error:
        assert type(error) in (duckdb.BinderException, duckdb.ConversionException)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "COPY (SELECT 1) TO '/tmp/stolen.csv'",
        "ATTACH '/tmp/x.db'",
        "INSTALL httpfs",
        "SET threads = 1",
        "SET enable_external_access = true",
        "SELECT * FROM read_csv('/etc/passwd')",
    ],
)
def test_a_connection_to_a_store_reads_its_files_and_no_other(
    marble_store: TraceStore, query: str
) -> None:
    with pytest.raises(InputError), marble_store.connect() as connection:
        connection.execute(query)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"selection_strategy": "stratified", "limit": 5}, "stratify_by: .* needs a stratify_by"),
        (
            {"selection_strategy": "stratified", "stratify_by": "colour"},
            "limit: a stratified selection needs one of limit, quotas and proportions",
        ),
        (
            {"selection_strategy": "stratified", "stratify_by": "c", "proportions": {"a": 0.7}},
            "proportions: expected shares that add up to 1",
        ),
        (
            {"selection_strategy": "stratified", "stratify_by": "c", "quotas": {"a": 0}},
            "quotas: expected 1 or more",
        ),
        (
            {
                "selection_strategy": "stratified",
                "stratify_by": "c",
                "quotas": {"a": 1},
                "limit": 3,
            },
            "limit: cannot be combined with quotas",
        ),
        ({"quotas": {"a": 1}}, "quotas: has no effect with selection_strategy latest"),
        ({"quality_floor": 3.0}, "quality_floor: has no effect with selection_strategy latest"),
        ({"selection_strategy": "custom"}, "condition: .* needs a condition"),
        ({"filters": {"score": {"in": ["a"]}}}, "filters: score: 'in' cannot take"),
        ({"filters": {"step_count": "many"}}, "filters: step_count: '=' cannot take 'many'"),
        (
            {
                "selection_strategy": "stratified",
                "stratify_by": "colour",
                "quotas": {"blue": 21},
            },
            "quotas: blue: is 21, but only 20 traces match",
        ),
        (
            {
                "selection_strategy": "stratified",
                "stratify_by": "colour",
                "quotas": {"bleu": 2},
            },
            "quotas: value of colour: unknown 'bleu', did you mean blue",
        ),
    ],
)
def test_a_strategy_that_cannot_be_followed_names_its_field(
    marble_store: TraceStore, fields: dict, says: str
) -> None:
    with pytest.raises(InputError, match=says) as error:
        chosen(marble_store, **fields)
    assert "\n" not in str(error.value)


STRATEGIES = st.one_of(
    st.just({"selection_strategy": "latest"}),
    st.fixed_dictionaries(
        {"selection_strategy": st.just("random"), "seed": st.integers(-9, 2**40)}
    ),
    st.fixed_dictionaries(
        {
            "selection_strategy": st.just("stratified"),
            "stratify_by": st.sampled_from(["colour", "weight", "step_count", "none"]),
            "seed": st.integers(0, 9),
            "limit": st.integers(1, 120),
        }
    ),
    st.fixed_dictionaries(
        {
            "selection_strategy": st.just("quality"),
            "quality_by": st.sampled_from(["score", "weight", "length"]),
        }
    ),
    st.fixed_dictionaries(
        {
            "selection_strategy": st.just("custom"),
            "condition": st.sampled_from(list(CONDITIONS)),
        }
    ),
)


@pytest.mark.slow
@given(STRATEGIES, st.one_of(st.none(), st.integers(1, 120)), st.floats(0, 0.9))
def test_a_selection_is_the_same_on_any_thread_count_and_order_of_rows(
    connections: list[duckdb.DuckDBPyConnection],
    strategy: dict,
    limit: int | None,
    fraction: float,
) -> None:
    wanted = spec(**{"limit": limit, **strategy, "eval_fraction": fraction})
    found = []
    for connection in connections:
        select(connection, wanted)
        query = "SELECT id, is_eval, first_id FROM selected ORDER BY place"
        found.append(connection.execute(query).fetchall())
    assert found[0] == found[1] == found[2]


PROMPTS = st.lists(st.text(min_size=1, max_size=20), min_size=2, max_size=40, unique=True)


@pytest.mark.slow
@given(PROMPTS)
@settings(max_examples=200)
def test_the_side_of_a_prompt_depends_on_nothing_else(
    connections: list[duckdb.DuckDBPyConnection], prompts: list[str]
) -> None:
    key = sql("prompt_key")
    side: dict[str, int] = {}
    query = (
        f"SELECT prompt, ('0x' || left(sha256('split:' || sha256({key})), 8))::UBIGINT"
        " FROM (SELECT unnest($prompts::VARCHAR[]) AS prompt)"
    )
    for part in (prompts[:1], prompts, prompts[::-1]):
        for prompt, number in connections[0].execute(query, {"prompts": part}).fetchall():
            assert side.setdefault(prompt, number) == number


def test_a_spec_is_read_from_yaml(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text("dataset_name: cards\nfilters: {task: {in: [high_card_duel]}}\ntags: [a]\n")
    assert DatasetSpec.read(path).filters == {"task": {"in": ["high_card_duel"]}}
    for text, says in {
        "dataset_name: [1]": r"spec\.yaml: dataset_name: ",
        "dataset_name: x\ndataset_name: y": r"spec\.yaml: .*line 2: 'dataset_name'.*twice",
        "- a": r"spec\.yaml: expected `NAME: value` lines, found list",
        "dataset_name: a;b": r"spec\.yaml: dataset_name: 'a;b' is unsafe",
        "a: [": r"spec\.yaml: .*(is not YAML|line 1|tag)",
        "dataset_name: !!python/object:os.system x": r"spec\.yaml: .*(is not YAML|line 1|tag)",
    }.items():
        path.write_text(text)
        with pytest.raises(InputError, match=says) as error:
            DatasetSpec.read(path)
        assert "\n" not in str(error.value)
