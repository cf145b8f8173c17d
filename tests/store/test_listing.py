import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import NOW
from tests.store.test_store import LATER, READERS, ids, small
from tunix_rt_nb import dataset, store as room
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.store import index, listing, writing
from tunix_rt_nb.store.store import Added, TraceStore
from tunix_rt_nb.store.verify import Verification

ALL: dict[str, Callable[[TraceStore], object]] = {
    **READERS,
    "deleted": TraceStore.deleted,
    "overview": TraceStore.overview,
    "verify": lambda store: list(Verification(store.folder)),
}


@pytest.fixture
def two(tmp_path: Path) -> TraceStore:
    """A store with two shards and a deletion."""
    store = TraceStore(tmp_path / "traces")
    store.add([small(n) for n in range(20)], NOW)
    store.add([small(n) for n in range(20, 40)], LATER)
    store.delete([small(3).id], LATER)
    return store


def content(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}


def deletion(store: TraceStore) -> Path:
    [path] = store.folder.glob("deleted-*.jsonl")
    return path


def build(store: TraceStore) -> Path:
    spec = dataset.DatasetSpec.of(dataset_name="d", near_duplicates=None)
    return dataset.build(store, spec, store.folder.parent)


def first_line(shard: Path) -> bytes:
    return shard.read_bytes().splitlines(keepends=True)[0]


NOTES: dict[str, tuple[str, str]] = {
    "leads out by its whole path": (
        '{"into": "A", "replaced": ["VICTIM"]}',
        "names '.*victim",
    ),
    "leads out by dots": ('{"into": "A", "replaced": ["../victim.txt"]}', "names '../victim.txt'"),
    "leads out like a shard": (
        '{"into": "A", "replaced": ["traces-/../../traces-victim.jsonl"]}',
        "names 'traces-/../../traces-victim.jsonl', which is no file of this store",
    ),
    "names a file that is no shard": ('{"into": "A", "replaced": ["notes"]}', "names 'notes'"),
    "merges into what is no shard": ('{"into": "../x", "replaced": []}', "names '../x'"),
    "has a NUL": ('{"into": "A", "replaced": ["traces-\\u0000.jsonl"]}', "names 'traces-.*'"),
    "replaces itself": ('{"into": "A", "replaced": ["A"]}', "A cannot replace itself"),
    "would cost traces": ('{"into": "A", "replaced": ["B"]}', "B has traces that A lacks"),
    "is a list": ("[]", "is damaged: Expected `object`, got `array`"),
    "is a number": ("7", "is damaged: Expected `object`, got `int`"),
    "is empty": ("", "is damaged: Input data was truncated"),
    "is cut off": ('{"into": "A", "repl', "is damaged: "),
    "lacks a field": ('{"into": "A"}', "is damaged: Object missing required field `replaced`"),
    "names a number": ('{"into": "A", "replaced": [7]}', "is damaged: Expected `str`, got `int`"),
    "is no UTF-8": ('{"into": "\udcff", "replaced": []}', "is damaged: "),
    "is deep": ("[" * 100_000, "is damaged: "),
    "has half a surrogate pair": ('{"into": "A", "replaced": ["\\ud800"]}', "is damaged: "),
}


@pytest.mark.parametrize("note", NOTES)
def test_a_merge_note_neither_hides_nor_removes_what_it_may_not(
    two: TraceStore, note: str, tmp_path: Path
) -> None:
    victims = [tmp_path / "victim.txt", tmp_path / "traces-victim.jsonl", two.folder / "notes"]
    for victim in victims:
        victim.write_text("precious")
    a, b = (path.name for path in two.shards())
    text, says = (t.replace("A", a).replace("B", b) for t in NOTES[note])
    path = two.folder / listing.MERGE
    path.write_bytes(text.replace("VICTIM", str(victims[0])).encode(errors="surrogateescape"))
    before = content(two.folder)
    for run in ALL.values():
        with pytest.raises(InputError, match=f"^{path}: {says}") as error:
            run(two)
        assert str(error.value).endswith(
            "; remove .merge.json, then run: tunix-rt-nb traces compact"
        )
        assert "\n" not in str(error.value)
    assert {**content(two.folder), ".lock": b""} == {**before, ".lock": b""}
    assert [victim.read_text() for victim in victims] == ["precious"] * 3
    path.unlink()
    assert two.count() == 39
    assert list(Verification(two.folder)) == []


def test_what_a_killed_merge_left_is_finished_by_the_next_writer(two: TraceStore) -> None:
    old = {path: path.read_bytes() for path in [*two.shards(), *map(index.path_of, two.shards())]}
    before = ids(two)
    assert two.compact() == 1
    [into] = two.shards()
    for path, whole in old.items():
        path.write_bytes(whole)
    note = {"into": into.name, "replaced": [path.name for path in old if path.suffix == ".jsonl"]}
    (two.folder / listing.MERGE).write_text(json.dumps(note))
    assert (ids(two), two.shards()) == (before, [into])
    assert list(Verification(two.folder)) == []
    assert two.add([small(3)], NOW) == Added(0, 0, 1)
    assert not any(path.exists() for path in old)
    assert ids(two) == before


def test_a_removed_file_is_named_by_everyone_until_its_record_is_removed(two: TraceStore) -> None:
    for path, lost in (
        (two.shards()[0], "its traces are gone"),
        (deletion(two), "what it deleted is back"),
    ):
        kept = path.read_bytes()
        path.unlink()
        note = two.folder / listing.HELD
        says = f"{path}: was removed, so {lost}; restore it or, if this is intended, remove {note}"
        assert list(Verification(two.folder)) == [says]
        for name, run in ALL.items():
            if name != "verify":
                with pytest.raises(InputError) as error:
                    run(two)
                assert str(error.value) == says
        with pytest.raises(InputError, match="was removed"):
            build(two)
        path.write_bytes(kept)
        assert list(Verification(two.folder)) == []
        assert two.count() == 39
    two.shards()[0].unlink()
    (two.folder / listing.HELD).unlink()
    assert two.count() in (19, 20)


def test_a_store_of_an_earlier_version_has_no_record_until_it_is_written_to(
    two: TraceStore,
) -> None:
    note = two.folder / listing.HELD
    whole = json.loads(note.read_text())
    assert whole == sorted(p.name for p in (*two.shards(), deletion(two)))
    note.unlink()
    verification = Verification(two.folder)
    assert list(verification) == []
    assert not verification.recorded
    assert (two.count(), len(list(two)), len(ids(two))) == (39, 39, 39)
    assert not note.exists(), "a reader wrote"
    two.add([small(99)], NOW)
    assert set(json.loads(note.read_text())) > set(whole)
    assert list(verification) == []
    assert verification.recorded


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("7", "is damaged: Expected `array`, got `int`"),
        ("", "is damaged: Input data was truncated"),
        ('["../victim.txt"]', "names '../victim.txt', which is no file of this store"),
        ('["traces-mine.jsonl"]', "names 'traces-mine.jsonl', which is no file of this store"),
        ("[" * 100_000, "is damaged: "),
    ],
)
def test_a_record_that_is_damaged_is_named(two: TraceStore, text: str, says: str) -> None:
    (two.folder / listing.HELD).write_text(text)
    for run in ALL.values():
        with pytest.raises(InputError, match=f"^{two.folder / listing.HELD}: {says}") as error:
            run(two)
        assert str(error.value).endswith("; remove .held.json")


def test_a_writer_that_died_before_its_record_raises_no_alarm(
    two: TraceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(writing, "_hold", lambda folder, gone=(): None)
        assert two.add([small(50)], NOW) == Added(1, 0)
    assert len(two.shards()) == len(listing.record(two.folder) or ()) == 3
    assert list(Verification(two.folder)) == []
    two.add([small(51)], NOW)
    assert len(listing.record(two.folder) or ()) == len(two.shards()) + 1 == 5


@pytest.mark.parametrize("what", ["pipe", "folder", "link to nothing", "link to itself"])
@pytest.mark.parametrize(
    "name",
    [
        *("traces-x.jsonl", "deleted-x.jsonl", ".traces-x.index", ".draft-x.tmp"),
        *(listing.MERGE, listing.HELD),
    ],
)
def test_what_is_no_file_is_named_and_nobody_waits_for_it(
    two: TraceStore, name: str, what: str
) -> None:
    path = two.folder / name
    path.unlink(missing_ok=True)
    if what == "pipe":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    else:
        path.symlink_to("nowhere" if what == "link to nothing" else name)
    for run in ALL.values():
        with pytest.raises(InputError, match=f"^{path}: is no file, move it out of this folder$"):
            run(two)


@pytest.mark.parametrize("what", ["folder", "link"])
def test_a_lock_that_is_no_file_is_named_and_its_target_stays(
    two: TraceStore, tmp_path: Path, what: str
) -> None:
    victim = tmp_path / "victim.txt"
    victim.write_text("precious")
    lock = two.folder / ".lock"
    lock.unlink(missing_ok=True)
    lock.mkdir() if what == "folder" else lock.symlink_to(victim)
    with pytest.raises(InputError, match=f"^{two.folder}: cannot be written: "):
        two.add([small(50)], NOW)
    assert victim.read_text() == "precious"
    assert two.count() == 39


def test_a_link_to_a_shard_elsewhere_is_read_and_compaction_leaves_its_target(
    two: TraceStore, tmp_path: Path
) -> None:
    other = TraceStore(tmp_path / "other")
    other.add([small(70)], NOW)
    [shard] = other.shards()
    (two.folder / "traces-link.jsonl").symlink_to(shard)
    assert small(70).id in ids(two)
    two.compact()
    assert len(two.shards()) == 1
    assert small(70).id in ids(two)
    assert ids(other) == [small(70).id]


@pytest.mark.parametrize("name", ["traces-\n.jsonl", "traces-\udcff.jsonl", "deleted-\x1b.jsonl"])
def test_a_name_that_cannot_be_printed_is_told(two: TraceStore, name: str) -> None:
    (two.folder / name).write_bytes(b"")
    with pytest.raises(InputError, match="is not printable, rename this file") as error:
        ids(two)
    assert str(error.value).isprintable()


@pytest.mark.parametrize("name", ["traces-*.jsonl", "traces-[0-9]*.jsonl", "traces-?.jsonl"])
def test_a_name_put_there_by_hand_is_no_pattern(two: TraceStore, name: str) -> None:
    line = room.Stored(small(70), NOW).record()
    (two.folder / name).write_text(json.dumps(line) + "\n")
    assert ids(two) == sorted(stored.trace.id for stored in two)
    assert two.count() == 40


def altered(path: Path, old: bytes, new: bytes) -> None:
    whole = path.read_bytes()
    assert len(old) == len(new)
    assert old in whole
    path.write_bytes(whole.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b'"final_answer":"1', b'"final_answer":"9', ":1: id: does not match the content"),
        (b'"created_at":"2026', b'"created_at":"2025', ": was altered after it was written"),
    ],
)
def test_a_digit_that_was_altered_in_a_shard_is_told_by_who_keeps_what_it_reads(
    two: TraceStore, tmp_path: Path, old: bytes, new: bytes, says: str
) -> None:
    made = build(two)
    for shard in two.shards():  # the answer to be altered is in one of the first lines
        if b'"final_answer":"1' in first_line(shard):
            break
    else:
        says = says.replace(":1:", r":\d+:")
    altered(shard, old, new)
    told = list(Verification(two.folder))
    assert len(told) == 1
    assert shard.name in told[0]
    for keep in (
        lambda: build(two),
        lambda: dataset.export(tmp_path / "x.jsonl", ids=[small(1).id], store=two),
        lambda: list(two),
        lambda: b"".join(two.lines(room.store.Contents(two.folder).table)),
        two.overview,
    ):
        with pytest.raises(InputError, match=shard.name):
            keep()
    with pytest.raises(
        InputError, match=f"{shard.name}: was altered after it was written.*restore"
    ):
        two.compact()
    assert len(two.shards()) == 2
    altered(shard, new, old)
    assert build(two) == made


def test_an_emptied_or_altered_deletion_file_brings_nothing_back(two: TraceStore) -> None:
    path = deletion(two)
    whole = path.read_bytes()
    for damaged in (b"", whole.replace(b"2026", b"2025"), whole[:-1]):
        path.write_bytes(damaged)
        [told] = Verification(two.folder)
        assert told.startswith(f"{path}: was altered after it was written, ")
        for name, run in ALL.items():
            if name != "verify":
                with pytest.raises(InputError) as error:
                    run(two)
                assert str(error.value) == told
        with pytest.raises(InputError, match="was altered"):
            build(two)
    path.write_bytes(whole)
    assert two.count() == 39


def test_an_index_that_leads_to_other_lines_is_told_before_they_are_kept(two: TraceStore) -> None:
    path = index.path_of(two.shards()[0])
    whole = path.read_bytes()
    rows = index.read(two.shards()[0]).copy()
    for part in ("hi", "lo"):
        rows[part][[4, 5]] = rows[part][[5, 4]]
    path.write_bytes(whole[:16] + rows.tobytes())
    with pytest.raises(InputError, match=f"{path}: this index does not match its shard, remove"):
        build(two)
    for places in ([5, 4], [4, -5], [4, 1 << 40]):
        rows["place"][[4, 5]] = places
        path.write_bytes(whole[:16] + rows.tobytes())
        for name in ("count", "newest", "get", "add"):
            with pytest.raises(InputError, match=f"{path}: is damaged, remove it"):
                READERS[name](two)
    path.unlink()
    assert build(two).is_dir()
