import gzip
import json
import multiprocessing
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, strategies as st

from tests.conftest import NOW
from tunix_rt_nb import store as room, tasks
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.host import paths
from tunix_rt_nb.store import index, listing
from tunix_rt_nb.store.intake import read
from tunix_rt_nb.store.store import Added, TraceStore
from tunix_rt_nb.store.verify import Verification
from tunix_rt_nb.trace.trace import Trace, parse_line

LATER = "2026-01-02T00:00:00Z"
SKIP = "--skip-bad (in a notebook: SKIP_BAD) leaves bad lines out"


@pytest.fixture(scope="module")
def traces() -> list[Trace]:
    """Of two tasks only, which takes less time than of all."""
    return [t for name in ("high_card_duel", "arithmetic") for t in tasks.draw(name, 40, seed=7)]


def ids(store: TraceStore) -> list[str]:
    return [row["id"] for row in store.query("SELECT id FROM traces ORDER BY id")]


def small(n: int) -> Trace:
    """A trace of no known task."""
    return Trace.of(f"{n} + 1 = ?", [("add", f"{n} + 1 = {n + 1}.")], str(n + 1), {"n": n})


def lines(traces: list[Trace]) -> bytes:
    return b"".join(json.dumps(trace.model_dump()).encode() + b"\n" for trace in traces)


def test_adding_twice_adds_nothing(store: TraceStore, traces: list[Trace]) -> None:
    before = [path.read_bytes() for path in store.shards()]
    assert store.add(traces, "2027-01-01T00:00:00Z") == Added(0, len(traces))
    assert [path.read_bytes() for path in store.shards()] == before


def test_of_what_is_added_only_the_new_is_written(tmp_path: Path) -> None:
    store = TraceStore(tmp_path)
    store.add([small(1), small(2)], NOW)
    assert store.add([small(2), small(3), small(3), small(1), small(4)], LATER) == Added(2, 3)
    written = [path.read_bytes().count(b"\n") for path in store.shards()]
    assert written == [2, 2]
    assert ids(store) == sorted(small(n).id for n in (1, 2, 3, 4))
    assert list(Verification(tmp_path)) == []


def test_what_goes_in_comes_out(store: TraceStore, traces: list[Trace]) -> None:
    store.check()
    assert ids(store) == sorted(trace.id for trace in traces)
    row = store.query("SELECT * FROM traces WHERE id = $id", {"id": traces[0].id})[0]
    assert row["steps"] == traces[0].model_dump()["steps"]
    assert json.loads(row["meta"]) == traces[0].meta
    assert row["created_at"] == NOW
    assert {stored.trace.id: stored.trace for stored in store} == {t.id: t for t in traces}


def test_an_empty_store_is_no_error(tmp_path: Path) -> None:
    store = TraceStore(tmp_path / "nothing")
    assert ids(store) == []
    assert (store.count(), store.newest(), list(store), store.compact()) == (0, [], [], 0)


def test_text_of_a_trace_is_data_and_not_sql(tmp_path: Path) -> None:
    store = TraceStore(tmp_path / "it's; DROP [x]*")
    nasty = Trace.of("'; DROP VIEW traces; --\0", [("x", '"}\n{"id": "y"')], "$id", {"a'b": "%"})
    assert store.add([nasty], NOW) == Added(1, 0)
    assert ids(store) == [nasty.id]
    assert store.query("SELECT prompt FROM traces")[0]["prompt"] == nasty.prompt
    assert store.newest()[0].trace == nasty


def test_a_bad_query_is_one_line(store: TraceStore) -> None:
    with pytest.raises(InputError, match=f'^{store.folder}: Binder Error: .* "color"') as error:
        store.query("SELECT color FROM traces")
    assert "\n" not in str(error.value)


def test_duckdb_reads_the_folder_as_it_is(store: TraceStore, traces: list[Trace]) -> None:
    store.delete([traces[0].id], LATER)
    query = f"SELECT id, steps[1].content FROM read_json('{store.folder}/traces-*.jsonl')"
    with duckdb.connect() as connection:
        rows = connection.execute(query).fetchall()
    assert {str(id): content for id, content in rows} == {t.id: t.steps[0].content for t in traces}


def _add(folder: Path, first: int) -> None:
    (folder / f"ready{first}").touch()
    while len(list(folder.glob("ready*"))) < 3:  # all begin at once
        time.sleep(0.001)
    for n in range(first, first + 20):
        TraceStore(folder).add([small(10 * n + k) for k in range(15)], NOW)


@pytest.mark.slow
def test_writers_at_once_lose_and_repeat_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_add, args=(tmp_path, first)) for first in (0, 1, 2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    store = TraceStore(tmp_path)
    assert ids(store) == sorted(small(n).id for n in range(10 * 21 + 15))
    assert list(Verification(tmp_path)) == []
    assert listing.record(tmp_path) == [path.name for path in store.shards()]


def test_the_newest_come_first_and_those_of_one_time_by_id(tmp_path: Path) -> None:
    store = TraceStore(tmp_path)
    for day in (2, 1, 3):
        store.add([small(10 * day + k) for k in range(3)], f"2026-01-0{day}")
    store.add([small(99)], "2026-01-02T21:00:00.5-03:00")  # of the third day, in UTC
    found = [(stored.created_at[:10], stored.trace.id) for stored in store.newest()]
    assert [day for day, _ in found] == ["2026-01-03"] * 4 + ["2026-01-02"] * 3 + ["2026-01-01"] * 3
    assert store.newest()[0].trace.id == small(99).id
    assert found[1:4] == sorted(found[1:4])
    assert [(s.created_at[:10], s.trace.id) for s in store.newest(2, 3)] == found[3:5]
    by_sql = [stored.trace.id for stored in store.newest(filters={"n": {">=": 0}})]
    assert by_sql == [id for _, id in found]


def test_filters_choose_by_meta(store: TraceStore) -> None:
    store.add([small(n) for n in range(5)], LATER)
    assert [s.trace.meta for s in store.newest(1, filters={"n": 3})] == [{"n": 3}]
    assert len(store.newest(filters={"n": {">": 1}})) == 3
    assert {s.trace.task for s in store.newest(filters={"task": "arithmetic"})} == {"arithmetic"}
    with pytest.raises(InputError, match="filters: n: unknown '~'"):
        store.newest(filters={"n": {"~": 1}})


def test_the_beginning_of_an_id_is_enough_where_it_is_unique(store: TraceStore) -> None:
    first = store.newest(1)[0].trace
    assert [s.trace for s in store.get([first.id[:12], first.id.upper()])] == [first, first]
    with pytest.raises(InputError, match=r"id: \d+ ids begin with '1', give more characters: 1"):
        store.get(["1"])
    for none in ("ffffffff-ffff", "", "xyz", first.id + "0"):
        with pytest.raises(InputError, match="does not exist in|neither an id nor the beginning"):
            store.get([none])


def test_a_deleted_trace_stays_deleted(store: TraceStore, traces: list[Trace]) -> None:
    gone, kept = traces[:3], traces[3:]
    assert store.delete([trace.id[:13] for trace in gone], LATER) == [t.id for t in gone]
    for _ in range(2):
        assert ids(store) == sorted(trace.id for trace in kept)
        assert store.count() == len(store.newest()) == len(list(store)) == len(kept)
        assert store.add(traces, LATER) == Added(0, len(kept), deleted=3)
        assert list(Verification(store.folder)) == []
        store.compact()
    assert gone[0].prompt not in "".join(path.read_text() for path in store.shards())
    with pytest.raises(InputError, match="was deleted in"):
        store.delete([gone[0].id], LATER)


def test_where_one_id_is_unknown_nothing_is_deleted(store: TraceStore, traces: list[Trace]) -> None:
    with pytest.raises(InputError, match="id: 'ffffffff' does not exist in"):
        store.delete([traces[0].id, "ffffffff"], LATER)
    assert store.count() == len(traces)


def test_compaction_changes_no_trace(tmp_path: Path) -> None:
    store = TraceStore(tmp_path)
    for n in range(5):
        store.add([small(10 * n + k) for k in range(3)], f"2026-01-0{n + 1}")
    store.delete([small(0).id, small(41).id], LATER)
    before = [stored.record() for stored in store.newest()]
    assert store.compact() == 2
    assert [stored.record() for stored in store.newest()] == before
    assert (len(store.shards()), store.compact(), len(store.shards())) == (1, 0, 1)
    assert list(Verification(tmp_path)) == []
    store.delete([record["id"] for record in before], LATER)
    assert (store.compact(), ids(store), store.count()) == (13, [], 0)
    assert store.add([small(100)], NOW) == Added(1, 0)
    assert ids(store) == [small(100).id]


DAMAGES: list[tuple[Callable[[bytes], bytes], str]] = [
    (lambda content: content + b'{"id": "x", "prompt": \n', r":{last}: not a JSON object"),
    (lambda content: content + b"\xff\xfe\n", r":{last}: not a JSON object: it is not UTF-8"),
    (lambda content: content + b"\n", r":{last}: not a JSON object"),
    (lambda content: content + b'{"id": "x", "created_at": ""}\n', r":{last}: (id|final_answer): "),
    (lambda content: content[: len(content) // 2], r":\d+: not a JSON object: "),
    (
        lambda content: content[:-1],
        r":{last}: was cut off or altered: {n} traces were written, {n}",
    ),
    (lambda content: b"".join(content.splitlines(True)[:-2]), r":\d+: was cut off or altered"),
    (lambda content: b"", ":1: was cut off or altered: {n} traces were written, 0 are left"),
]
READERS: dict[str, Callable[[TraceStore], object]] = {
    "query": ids,
    "count": TraceStore.count,
    "newest": lambda store: store.newest(1),
    "filter": lambda store: store.newest(1, filters={"task": "arithmetic"}),
    "get": lambda store: store.get(["1"]),
    "iterate": list,
    "check": TraceStore.check,
    "add": lambda store: store.add([small(1)], NOW),
    "delete": lambda store: store.delete(["1"], NOW),
    "compact": TraceStore.compact,
}


@pytest.mark.parametrize(("damage", "says"), DAMAGES)
@pytest.mark.parametrize("reader", READERS)
def test_a_damaged_shard_is_named_with_its_line_by_every_reader(
    tmp_path: Path, damage: Callable[[bytes], bytes], says: str, reader: str
) -> None:
    store = TraceStore(tmp_path)
    store.add([small(n) for n in range(20)], NOW)
    store.add([small(n) for n in range(20, 29)], LATER)
    shard = store.shards()[0]
    n = shard.read_bytes().count(b"\n")
    shard.write_bytes(damage(shard.read_bytes()))
    with pytest.raises(InputError, match=shard.name + says.format(n=n, last=n + 1)) as error:
        READERS[reader](store)
    assert "\n" not in str(error.value)
    assert len(list(Verification(tmp_path))) >= 1


@pytest.mark.parametrize("index_too", [False, True])
def test_what_has_the_size_of_what_was_written_is_still_checked(
    tmp_path: Path, index_too: bool
) -> None:
    store = TraceStore(tmp_path)
    store.add([small(n) for n in range(20)], NOW)
    shard = store.shards()[0]
    if index_too:
        index.path_of(shard).unlink()
    whole = shard.read_bytes()
    for old, new, says in (
        (b'"i":0,', b'"i":5,', r":1: steps.0.i: is 5, expected 0"),
        (b'"prompt":"0', b'"prompt":"7', r":1: id: does not match the content"),
        (b'"created_at":"2026', b'"created_at":"202x', r":1: created_at: .* is not an ISO 8601"),
        (b'"created_at":"2026', b'"created_at":"2025', ": was altered after it was written"),
    ):
        shard.write_bytes(whole.replace(old, new, 1))
        with pytest.raises(InputError, match=shard.name + says):
            store.check()
        assert len(list(Verification(tmp_path))) == 1
    shard.write_bytes(b"[" + whole[1:])
    with pytest.raises(
        InputError, match=shard.name + ":1: expected an object such as .*, found a list"
    ):
        ids(store)


def test_an_index_that_does_not_fit_is_named(tmp_path: Path) -> None:
    store = TraceStore(tmp_path)
    store.add([small(n) for n in range(5)], NOW)
    path = index.path_of(store.shards()[0])
    content = path.read_bytes()
    path.write_bytes(content[:-8])
    with pytest.raises(InputError, match=f"{path.name}: is damaged, remove it"):
        store.count()
    path.write_bytes(content[:16] + bytes(16) + content[32:])
    with pytest.raises(InputError, match="this index does not match its shard, remove the index"):
        store.get(["00000000-0000-0000-0000-000000000000"])
    assert f"{path}: this index does not match its shard, remove the index" in list(
        Verification(tmp_path)
    )
    path.unlink()
    assert store.get([small(3).id])[0].trace == small(3)


def test_a_shard_put_there_by_hand_is_read_and_held_to_the_rules(tmp_path: Path) -> None:
    store, other = TraceStore(tmp_path / "a"), TraceStore(tmp_path / "b")
    store.add([small(n) for n in range(5)], NOW)
    other.add([small(n) for n in range(3, 8)], LATER)
    [shard] = other.shards()
    by_hand = store.folder / "traces-mine.jsonl"
    by_hand.write_bytes(shard.read_bytes()[:-1])  # without its last line break
    twice = [f"{max(store.shards())}:{n}" for n in (1, 2)]
    found = list(Verification(store.folder))
    assert [line.partition(": id: ")[0] for line in found] == twice
    assert "appears a second time" in found[0]
    assert store.newest(1)[0].created_at == LATER
    assert store.add([small(7), small(8)], LATER) == Added(1, 1)
    assert store.compact() == 2
    assert list(Verification(store.folder)) == []
    assert store.count() == 9


def test_verification_says_the_same_with_any_number_of_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = TraceStore(tmp_path)
    right = list(tasks.draw("arithmetic", 100, seed=7))
    wrong = [{**trace.model_dump(), "final_answer": "none"} for trace in right]
    own = [Trace.of(f"p{n}", [("s", "2 + 2 = 4"), ("s", f"2 + {n} = 5")], "5") for n in range(9)]
    store.add([*right, *(Trace.model_validate(fields) for fields in wrong), small(1), *own], NOW)
    one, two = Verification(tmp_path), Verification(tmp_path, processes=2)
    found = list(one)
    assert len(found) == 108
    assert sum("answer: 'none' is wrong" in line for line in found) == 100
    assert sum("step 2: 2 + " in line for line in found) == 8
    monkeypatch.setattr("tunix_rt_nb.common.workers._ALONE", 0.0)
    monkeypatch.setattr("tunix_rt_nb.store.store.verify._CHUNK", 9_000)  # a dozen jobs
    assert list(two) == found
    assert (one.traces, one.checked) == (two.traces, two.checked) == (210, 200)
    assert one.sums == two.sums == (11, 8, 0)  # that of `small` is a sum too


@pytest.mark.slow
def test_an_import_is_the_same_with_any_number_of_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tunix_rt_nb.common.workers._ALONE", 0.0)
    monkeypatch.setattr("tunix_rt_nb.store.store.intake._BLOCK", 20_000)  # over a dozen jobs
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    drawn = list(tasks.draw("arithmetic", 100, seed=7))
    right = [small(n) for n in range(900)]
    good.write_bytes(lines([*right, *drawn, *drawn]))
    wrong = Trace.model_validate({**drawn[0].model_dump(), "final_answer": "none"})
    bad.write_bytes(lines(right) + b"{}\n" + lines([*drawn, wrong]))
    told = []
    for processes in (1, 2):
        into = TraceStore(tmp_path / f"store{processes}")
        assert into.import_files([good], NOW, processes=processes) == Added(1000, 100)
        with pytest.raises(InputError) as error:
            into.import_files([bad, tmp_path / "none"], NOW, processes=processes)
        told.append(str(error.value))
    assert told[0] == told[1]
    assert told[0].split("\n")[0] == f"{bad}:901: final_answer: Field required"
    assert told[0].count("\n") == 3
    one, two = (sorted((tmp_path / f"store{n}").glob("*.jsonl")) for n in (1, 2))
    assert [shard.read_bytes() for shard in one] == [shard.read_bytes() for shard in two]


@pytest.mark.parametrize("content", [b"", b"\n \n", b"{}\n", b'{"prompt": 1}\n'])
def test_a_bad_file_adds_nothing(store: TraceStore, tmp_path: Path, content: bytes) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_bytes(lines([small(1)]) + content if content.strip() else content)
    before = ids(store)
    with pytest.raises(InputError, match=r"bad.jsonl:2: |bad.jsonl: holds no records"):
        store.import_files([bad], NOW)
    assert ids(store) == before
    assert not list(store.folder.glob(".draft*"))


def test_every_bad_line_is_told_up_to_twenty(tmp_path: Path) -> None:
    file = tmp_path / "f.jsonl"
    file.write_bytes(lines([small(1)]) + b"{}\n" * 33 + b'{"id": 1' + b" " * (9 << 20) + b"}\n")
    for several, more in (([file], 14), ([file, tmp_path / "none.jsonl", file], 49)):
        with pytest.raises(InputError) as error:
            list(read(several, NOW))
        told = str(error.value).split("\n")
        expected = [f"{file}:{n}: final_answer: Field required" for n in range(2, 22)]
        assert told == [*expected, f"and {more} more bad lines; nothing was imported; {SKIP}"]
    file.write_bytes(b"{}\n" + b'{"id": 1' + b" " * (9 << 20) + b"}\n" + lines([small(2)]))
    with pytest.raises(InputError, match=":2: trace: may take 1 MiB.*\n2 bad lines; nothing was"):
        list(read([file], NOW))


def test_gzip_is_read_and_named_where_it_is_cut_off(tmp_path: Path) -> None:
    file = tmp_path / "t.jsonl.gz"
    whole = gzip.compress(b"\xef\xbb\xbf" + lines([small(n) for n in range(2000)]), mtime=0)
    file.write_bytes(whole)
    assert TraceStore(tmp_path / "a").import_files([file], NOW) == Added(2000, 0)
    for damage in (whole[: len(whole) // 2], whole[:-9], whole[:500] + b"x" + whole[501:]):
        file.write_bytes(damage)
        with pytest.raises(
            InputError, match=r"t\.jsonl\.gz:?\d*: (gzip data is cut off|cannot be read|not a)"
        ):
            TraceStore(tmp_path / "b").import_files([file], NOW)
    assert TraceStore(tmp_path / "b").count() == 0


@given(st.binary(max_size=300))
def test_any_bytes_are_a_named_bad_line(content: bytes) -> None:
    with pytest.raises(InputError, match=r"^x:1: "):
        parse_line(content, "x:1")


def test_a_wrong_trace_of_a_known_task_is_not_imported(store: TraceStore, tmp_path: Path) -> None:
    right = next(tasks.draw("arithmetic", 1, seed=77))
    wrong = {**right.model_dump(), "final_answer": "1000"}
    file = tmp_path / "wrong.jsonl"
    file.write_text(json.dumps(right.model_dump()) + "\n" + json.dumps(wrong) + "\n")
    with pytest.raises(InputError, match=r"wrong\.jsonl:2: answer: '1000' is wrong"):
        store.import_files([file], NOW)


@pytest.mark.parametrize("time", ["yesterday", "", "2026-13-01"])
def test_a_time_that_is_none_is_refused(store: TraceStore, traces: list[Trace], time: str) -> None:
    with pytest.raises(InputError, match="created_at: .* is not an ISO 8601 time"):
        store.add(traces, time)


def test_a_file_that_is_not_there_is_named(store: TraceStore, tmp_path: Path) -> None:
    path = tmp_path / "nowhere.jsonl"
    with pytest.raises(InputError, match=f"{path}: cannot be read"):
        store.import_files([path], NOW)


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path, traces: list[Trace]) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file/x: cannot be written: Not a directory"):
        TraceStore(tmp_path / "file" / "x").add(traces, NOW)


def test_listing_loads_neither_duckdb_nor_the_tasks(store: TraceStore) -> None:
    code = (
        "import sys; from pathlib import Path; from tunix_rt_nb.store.store import TraceStore\n"
        "assert TraceStore(Path(sys.argv[1])).newest(5)\n"
        "print([m for m in ('duckdb', 'pydantic', 'tunix_rt_nb.tasks.drawing') if m in sys.modules])"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, store.folder], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "[]"


def test_lines_of_files_are_a_view_and_no_files_are_a_table_without_rows(tmp_path: Path) -> None:
    columns = {"id": "VARCHAR", "n": "BIGINT"}
    for name, lines in (("a", [{"id": "x", "n": 1}]), ("b", [{"n": 2, "id": "y"}, {"id": "z"}])):
        (tmp_path / name).write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    with duckdb.connect() as connection:
        room.define(connection, "lines", columns, [tmp_path / "a", tmp_path / "b"])
        room.define(connection, "nothing", columns, [])
        found = connection.sql("SELECT * FROM lines ORDER BY id").fetchall()
        assert found == [("x", 1), ("y", 2), ("z", None)]
        assert connection.sql("SELECT * FROM nothing").fetchall() == []
        described = [connection.sql(f"DESCRIBE {name}").fetchall() for name in ("lines", "nothing")]
        assert described[0] == described[1]


def test_the_query_in_the_documentation_reads_shards_as_they_are(tmp_path: Path) -> None:
    page = (paths.PROJECT / "docs/data.md").read_text()
    [query] = re.findall(r"```sql\n(SELECT \* FROM read_json.*?)```", page, re.DOTALL)
    scores = [7] * 20_550 + [1.5] * 25 + [True] * 25 + ["late"]
    store = TraceStore(tmp_path / "traces")
    store.add(
        (
            Trace.of(f"{n}?", [("s", "x")], "2026-11-30", {"score": score})
            for n, score in enumerate(scores)
        ),
        NOW,
    )
    own = query.strip().rstrip(";").replace("data/traces", str(tmp_path / "traces"))
    counts = "meta.score::VARCHAR AS s, typeof(final_answer) AS kind, count(*)::INT AS n"
    text = f"SELECT {counts} FROM ({own}) GROUP BY ALL ORDER BY n, s"
    found = duckdb.connect().execute(text).fetchall()
    assert found == [
        ('"late"', "VARCHAR", 1),
        ("1.5", "VARCHAR", 25),
        ("true", "VARCHAR", 25),
        ("7", "VARCHAR", 20_550),
    ]
