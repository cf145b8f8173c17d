import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import NOW
from tunix_rt_nb import tasks
from tunix_rt_nb.errors import InputError
from tunix_rt_nb.store import Added, TraceStore
from tunix_rt_nb.trace import Trace


def ids(store: TraceStore) -> list[str]:
    return [row["id"] for row in store.query("SELECT id FROM traces ORDER BY id")]


def test_adding_twice_adds_nothing(store: TraceStore, traces: list[Trace]) -> None:
    before = [path.read_bytes() for path in store.shards()]
    assert store.add(traces, "2027-01-01T00:00:00Z") == Added(0, len(traces))
    assert [path.read_bytes() for path in store.shards()] == before


def test_what_goes_in_comes_out(store: TraceStore, traces: list[Trace]) -> None:
    store.check()
    assert ids(store) == sorted(trace.id for trace in traces)
    row = store.query("SELECT * FROM traces WHERE id = $id", {"id": traces[0].id})[0]
    assert row["steps"][0] == traces[0].steps[0].model_dump()
    assert json.loads(row["meta"]) == traces[0].meta
    assert row["created_at"] == NOW


def test_an_empty_store_is_no_error(tmp_path: Path) -> None:
    assert ids(TraceStore(tmp_path / "nothing")) == []


def test_text_of_a_trace_is_data_and_not_sql(tmp_path: Path) -> None:
    store = TraceStore(tmp_path / "it's; DROP")
    nasty = Trace.of("'; DROP VIEW traces; --", [("x", '"}\n{"id": "y"')], "$id", {"a'b": "%"})
    assert store.add([nasty], NOW) == Added(1, 0)
    assert ids(store) == [nasty.id]


def _add(folder: Path, seed: int) -> None:
    TraceStore(folder).add(tasks.draw("arithmetic", 300, seed), NOW)


def test_two_writers_at_once_lose_and_repeat_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_add, args=(tmp_path, seed)) for seed in (1, 1, 2, 3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    expected = {t.id for seed in (1, 2, 3) for t in tasks.draw("arithmetic", 300, seed)}
    assert ids(TraceStore(tmp_path)) == sorted(expected)


def test_a_killed_writer_leaves_whole_shards_only(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tunix_rt_nb import tasks\n"
        "from tunix_rt_nb.store import TraceStore\n"
        "for seed in range(1000):\n"
        "    TraceStore(Path(sys.argv[1])).add(tasks.draw('arithmetic', 40, seed), '2026-01-01')\n"
        "    print(seed, flush=True)\n"
    )
    for delay in (0.0, 0.03, 0.11):
        command = [sys.executable, "-c", code, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            acknowledged = int(writer.stdout.readline())
            time.sleep(delay)
            os.kill(writer.pid, signal.SIGKILL)
            said = writer.stdout.read().split()
        acknowledged = int(said[-1]) if said else acknowledged
        store = TraceStore(tmp_path)
        store.check()
        kept = set(ids(store))
        for seed in range(acknowledged + 1):
            assert {t.id for t in tasks.draw("arithmetic", 40, seed)} <= kept


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (b'{"id": "x", "prompt": ', r"\.jsonl:81: not a JSON object"),
        (b'{"id": "x", "created_at": "now"}', r"\.jsonl:81: prompt: Field required"),
        (b'{"prompt": "p", "final_answer": "a", "steps": 5}', r"\.jsonl:81: steps: "),
        (b"\xff\xfe", r"\.jsonl:81: not a JSON object"),
    ],
)
def test_a_damaged_shard_is_named_with_its_line(
    store: TraceStore, damage: bytes, says: str
) -> None:
    from tunix_rt_nb.dataset import DatasetSpec, select

    shard = store.shards()[0]
    shard.write_bytes(shard.read_bytes() + damage + b"\n")
    with pytest.raises(InputError, match=says) as error:
        select(store, DatasetSpec.of(dataset_name="x"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"{}\n", b'{"prompt": 1}\n'])
def test_a_bad_file_adds_nothing(store: TraceStore, tmp_path: Path, content: bytes) -> None:
    bad = tmp_path / "bad.jsonl"
    good = json.dumps(Trace.of("p", [("s", "t")], "a").model_dump()).encode() + b"\n"
    bad.write_bytes(good + content if content else b"")
    before = ids(store)
    with pytest.raises(InputError, match=r"bad.jsonl:2: |bad.jsonl: holds no traces"):
        store.import_file(bad, NOW)
    assert ids(store) == before


def test_a_wrong_trace_of_a_known_task_is_not_imported(store: TraceStore, tmp_path: Path) -> None:
    right = next(tasks.draw("arithmetic", 1, seed=77))
    wrong = {**right.model_dump(), "final_answer": "1000"}
    file = tmp_path / "wrong.jsonl"
    file.write_text(json.dumps(right.model_dump()) + "\n" + json.dumps(wrong) + "\n")
    with pytest.raises(InputError, match=r"wrong\.jsonl:2: answer: '1000' is wrong"):
        store.import_file(file, NOW)


def test_a_time_that_is_none_is_refused(store: TraceStore, traces: list[Trace]) -> None:
    with pytest.raises(InputError, match="created_at: 'yesterday' is no ISO 8601 time"):
        store.add(traces, "yesterday")


def test_an_altered_trace_no_longer_fits_its_id(store: TraceStore) -> None:
    shard = store.shards()[0]
    shard.write_bytes(shard.read_bytes().replace(b"Units", b"units", 1))
    with pytest.raises(InputError, match=r"\.jsonl:\d+: id: is not that of the content"):
        store.check()


def test_a_file_that_is_not_there_is_named(store: TraceStore, tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.jsonl", tmp_path):
        with pytest.raises(InputError, match=f"{path}: cannot be read"):
            store.import_file(path, NOW)
