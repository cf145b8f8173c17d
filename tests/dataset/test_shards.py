import json
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, strategies as st

from tests.conftest import NOW
from tunix_rt_nb import dataset, render, tasks
from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.dataset import SIDES, DatasetSpec, builder, shards
from tunix_rt_nb.dataset.exporter import FORMS, KINDS, export
from tunix_rt_nb.dataset.folder import sealed
from tunix_rt_nb.store.store import TraceStore
from tunix_rt_nb.trace.trace import Trace


def spec(**fields: Any) -> DatasetSpec:
    told = {"dataset_name": "d", "selection_strategy": "random", "seed": 5, "eval_fraction": 0.3}
    return DatasetSpec.of(**{**told, **fields})


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TraceStore:
    """Traces of two tasks, and one with every line break that Python knows in its prompt."""
    made = TraceStore(tmp_path_factory.mktemp("store"))
    breaks = Trace.of("a\rb\r\nc\x0bd\x0c\x1c\x85\u2028e", [("s", "x\ny")], "z", {"k": "\r"})
    names = ("high_card_duel", "arithmetic")
    made.add([breaks, *(t for name in names for t in tasks.draw(name, 150, seed=2))], NOW)
    return made


@pytest.fixture(scope="module")
def plain(store: TraceStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dataset.build(store, spec(), tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def cut(store: TraceStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same dataset in eight shards a side, which no test may change."""
    return dataset.build(store, spec(), tmp_path_factory.mktemp("cut"), shard_count=8)


@pytest.fixture
def mine(cut: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    return shutil.copytree(cut, tmp_path / "mine" / cut.name)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def everything(folder: Path) -> list[list[tuple[str, Trace]]]:
    return [list(dataset.load(folder, side)) for side in SIDES]


def resealed(folder: Path, path: Path) -> None:
    """Make the manifest say that a file is as it was built."""
    manifest: Any = dataset.read_manifest(folder)
    manifest["files"][path.name] = files.sha256(path)
    files.write_json(folder / "manifest.json", sealed(manifest))


def test_the_same_traces_come_in_the_same_order(plain: Path, cut: Path) -> None:
    assert everything(cut) == everything(plain)
    for side in SIDES:
        lines = [line for _, line in dataset.lines(cut, side)]
        assert b"".join(lines) == (plain / f"{side}.jsonl").read_bytes()


@pytest.mark.parametrize("count", [1, 2, 16, 128])
def test_any_number_of_shards_holds_the_same(
    store: TraceStore, plain: Path, tmp_path: Path, count: int
) -> None:
    folder = dataset.build(store, spec(), tmp_path, shard_count=count)
    assert everything(folder) == everything(plain)
    assert sum(path.suffix == ".jsonl" for path in folder.iterdir()) == 2 * count + 1


def test_shards_share_no_trace_and_keep_the_order_of_the_dataset(plain: Path, cut: Path) -> None:
    for side in SIDES:
        order = [id for id, _ in dataset.load(plain, side)]
        parts = [list(files.read_lines(cut / name)) for name in shards.names(side, 8)]
        ids = [[line["id"] for line in part] for part in parts]
        assert sorted(id for part in ids for id in part) == sorted(order)
        assert all(part == [id for id in order if id in part] for part in ids)
        assert all(shards.number(id, 8) == k for k, part in enumerate(ids) for id in part)


@given(st.uuids(), st.sampled_from(list(pairwise(shards.COUNTS))))
def test_each_shard_is_two_shards_of_twice_as_many(id: object, counts: tuple[int, int]) -> None:
    few, many = (shards.number(str(id), count) for count in counts)
    assert few == many // 2
    assert 0 <= many < counts[1]


@given(
    st.lists(st.uuids(), unique=True, max_size=60).map(lambda ids: list(map(str, ids))),
    st.sampled_from(shards.COUNTS),
    st.integers(0, 60),
    st.integers(1, 20),
)
def test_what_is_cut_is_joined_again(
    tmp_path_factory: pytest.TempPathFactory, ids: list[str], count: int, train: int, block: int
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    lines = {"train": ids[:train], "eval": ids[train:]}
    blocks = {
        f"{side}.jsonl": [
            "".join(f'"{id}\r"\n' for id in some[k : k + block]).encode()
            for k in range(0, len(some), block)
        ]
        for side, some in lines.items()
    }
    for name, part in shards.cut(blocks, ids, count):
        with (folder / name).open("ab") as file:
            file.write(part)
    for side, some in lines.items():
        found = [line for _, line in shards.joined(folder, side, count)]
        assert found == [f'"{id}\r"\n'.encode() for id in some]


def test_every_file_is_the_same_on_any_thread_count_and_in_any_order_of_insertion(
    store: TraceStore, cut: Path, tmp_path: Path
) -> None:
    second = TraceStore(tmp_path / "store", threads=1)
    traces = [trace for side in everything(cut) for _, trace in side]
    for part in (traces[200:], traces[:200]):
        second.add(reversed(part), NOW)
    again = dataset.build(second, spec(), tmp_path, shard_count=8)
    told = dataset.read_manifest(cut)["files"]
    assert dataset.read_manifest(again)["files"] == told
    assert {name: files.sha256(cut / name) for name in told} == told
    threaded = dataset.build(
        TraceStore(store.folder, threads=4), spec(), tmp_path / "4", shard_count=8
    )
    assert contents(threaded) == contents(cut)


def test_a_trace_stays_in_its_shard_when_the_data_grows(
    store: TraceStore, mine: Path, tmp_path: Path
) -> None:
    more = TraceStore(tmp_path / "store")
    more.add((trace for side in everything(mine) for _, trace in side), NOW)
    more.add(tasks.draw("arithmetic", 200, seed=99), "2026-02-02T00:00:00Z")
    large = dataset.build(more, spec(seed=6), tmp_path, shard_count=8)

    def places(folder: Path) -> dict[str, str]:
        named = [name for side in SIDES for name in shards.names(side, 8)]
        return {line["id"]: name for name in named for line in files.read_lines(folder / name)}

    before, after = places(mine), places(large)
    assert len(after) > len(before)
    assert before.items() <= after.items()


def test_the_manifest_is_as_small_with_many_traces_as_with_few(tmp_path: Path) -> None:
    def size(n: int) -> int:
        store = TraceStore(tmp_path / f"store-{n}")
        store.add(tasks.draw("arithmetic", n, seed=1), NOW)
        folder = dataset.build(store, spec(), tmp_path / str(n), shard_count=4)
        text = (folder / "manifest.json").read_text()
        assert "trace_ids" not in text
        return len(text)

    assert abs(size(2000) - size(200)) < 200
    assert size(200) < 5_000


def test_side_files_list_the_ids_in_order(plain: Path, cut: Path) -> None:
    whole = dataset.read_manifest(plain)["trace_ids"]
    assert dataset.with_ids(cut)["trace_ids"] == whole
    assert dataset.with_ids(plain) == dataset.read_manifest(plain)
    listed = [(cut / f"{side}.ids").read_text().split() for side in SIDES]
    assert listed[0] + listed[1] == whole


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_an_export_has_the_bytes_of_that_without_shards(
    plain: Path, cut: Path, tmp_path: Path, form: str, kind: str
) -> None:
    paths = [tmp_path / name / f"x{kind}" for name in ("plain", "cut")]
    for split in ("train", "all"):
        for path, folder in zip(paths, (plain, cut), strict=True):
            export(path, form, dataset=folder, split=split)
        assert paths[0].read_bytes() == paths[1].read_bytes()
        assert [path.name for path in paths[1].parent.iterdir()] == [f"x{kind}"]


def test_rendered_arrays_and_eval_sets_are_those_without_shards(
    plain: Path, cut: Path, tmp_path: Path
) -> None:
    made = []
    for folder in (plain, cut):
        out = tmp_path / folder.parent.name
        known = render.tokenizer_for("tiny", folder, 640, "gemma", "numbered")
        found = render.render_dataset(folder, out, known, "gemma", "numbered")
        dataset.write_evalset(folder, tmp_path / f"{out.name}.jsonl")
        made.append((found["files"], (tmp_path / f"{out.name}.jsonl").read_bytes()))
    assert made[0] == made[1]


def test_merged_copied_and_compared_it_is_the_dataset_without_shards(
    plain: Path, cut: Path, tmp_path: Path
) -> None:
    found = dataset.diff(dataset.with_ids(plain), dataset.with_ids(cut))
    assert (found.added, found.removed, found.moved) == ([], [], [])
    with pytest.raises(InputError, match="d-v1: its ids are in other files"):
        dataset.diff(dataset.read_manifest(plain), dataset.read_manifest(cut))
    merged = [
        dataset.merge([folder], spec(dataset_name="m"), tmp_path / str(k), count)
        for k, (folder, count) in enumerate([(plain, None), (cut, None), (cut, 2)])
    ]
    assert everything(merged[0]) == everything(merged[1]) == everything(merged[2])
    assert contents(dataset.copy(cut, tmp_path / "copy")) == contents(cut)


def test_a_dataset_in_shards_can_be_the_parent_of_a_version(store: TraceStore, mine: Path) -> None:
    build_id = dataset.read_manifest(mine)["build_id"]
    for version, parent in (("v2", "d-v1"), ("v3", build_id)):
        told = spec(dataset_version=version, parent_dataset_id=parent, limit=100)
        later = dataset.build(store, told, mine.parent, shard_count=2)
        assert dataset.read_manifest(later)["changes"]["added"] == 0
        assert dataset.read_manifest(later)["changes"]["removed"] > 100


def test_the_card_names_the_shards_for_the_hub(
    cut: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    front = yaml.safe_load((cut / "README.md").read_text().split("---\n")[1])
    [train, held_out] = front["configs"][0]["data_files"]
    assert train == {"split": "train", "path": "train-*-of-00008.jsonl"}
    assert len(list(cut.glob(held_out["path"]))) == 8


def test_a_loader_that_people_use_reads_shards_and_empty_ones_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    store = TraceStore(tmp_path / "store")
    store.add(tasks.draw("arithmetic", 30, seed=1), NOW)
    folder = dataset.build(store, spec(), tmp_path, shard_count=16)
    assert not all(path.stat().st_size for path in folder.glob("eval-*.jsonl"))
    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert {side: len(loaded[side]) for side in loaded} == dataset.read_manifest(folder)["split"]


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def edited(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"a", b"b", 1))


def remove(path: Path) -> None:
    path.unlink()


def other(path: Path) -> None:
    path.write_bytes(path.with_name(path.name.replace("00003-", "00004-")).read_bytes())


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *(("train-00003-of-00008.jsonl", damage) for damage in (cut_off, edited, other, remove)),
        *(("train.ids", damage) for damage in (cut_off, edited, remove)),
    ],
)
def test_a_damaged_shard_is_named_in_one_line_and_a_build_restores_it(
    store: TraceStore, mine: Path, tmp_path: Path, name: str, damage: Callable[[Path], None]
) -> None:
    before = contents(mine)
    damage(mine / name)
    readers: list[Callable[[], object]] = [
        lambda: list(dataset.load(mine, "train")),
        lambda: export(tmp_path / "x.jsonl", dataset=mine),
        lambda: dataset.copy(mine, tmp_path / "copy"),
        lambda: dataset.merge([mine], spec(dataset_name="m"), tmp_path),
        lambda: dataset.check_side(mine, "train", dataset.read_manifest(mine)),
    ]
    for read in readers:
        with pytest.raises(InputError) as error:
            read()
        assert str(error.value).startswith(f"{mine / name}: ")
        assert "\n" not in str(error.value)
    assert list(dataset.load(mine, "eval"))
    dataset.build(store, spec(), mine.parent, shard_count=8)
    assert contents(mine) == before


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("train-00003-of-00008.jsonl", lambda text: b"", "was altered"),
        ("train-00003-of-00008.jsonl", lambda text: text + b"{}\n", "was altered"),
        ("train.ids", lambda text: b"\xff" + text, "train.ids:1: expected the id of a trace"),
    ],
)
def test_a_shard_that_fits_its_hash_but_not_the_ids_is_named(
    mine: Path, name: str, change: Callable[[bytes], bytes], said: str
) -> None:
    (mine / name).write_bytes(change((mine / name).read_bytes()))
    resealed(mine, mine / name)
    with pytest.raises(InputError, match=said):
        list(dataset.lines(mine, "train"))


@pytest.mark.parametrize("shards", [0, 3, 256, "8", 2**40, None])
def test_a_manifest_with_another_number_of_shards_is_refused(mine: Path, shards: object) -> None:
    path = mine / "manifest.json"
    path.write_text(json.dumps(sealed({**files.read_json(path), "shards": shards})))
    with pytest.raises(InputError, match=r"manifest\.json: shards: "):
        dataset.read_manifest(mine)


@pytest.mark.parametrize("count", [0, 3, -4, 256])
def test_a_number_of_shards_that_is_no_power_of_two_is_refused_first(
    store: TraceStore, tmp_path: Path, count: int
) -> None:
    with pytest.raises(InputError, match=f"^shards: {count} is no power of two from 1 to 128$"):
        dataset.build(store, spec(), tmp_path / "x", shard_count=count)
    assert not (tmp_path / "x").exists()


def test_too_many_traces_for_one_manifest_are_asked_for_in_shards(
    store: TraceStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder, "_MOST_LISTED", 100)
    with pytest.raises(InputError, match=r"^shards: a manifest cannot list \d+ traces, build "):
        dataset.build(store, spec(), tmp_path / "x")
    assert not (tmp_path / "x").exists()
    assert dataset.build(store, spec(), tmp_path / "x", shard_count=1)


def test_a_dataset_is_not_built_again_with_another_number_of_shards(
    store: TraceStore, mine: Path
) -> None:
    before = contents(mine)
    for count, said in ((None, "8 and not None"), (4, "8 and not 4")):
        with pytest.raises(InputError, match=f"d-v1: was built with shards {said}, and a dataset"):
            dataset.build(store, spec(), mine.parent, shard_count=count)
    assert contents(mine) == before


def test_an_interrupted_build_leaves_nothing_in_a_build_with_other_shards(
    store: TraceStore, plain: Path, mine: Path
) -> None:
    (mine / "manifest.json").unlink()
    (mine / "train-notes.jsonl").write_text("of the user")
    dataset.build(store, spec(), mine.parent)
    (mine / "train-notes.jsonl").unlink()
    assert contents(mine) == contents(plain)


def test_a_build_that_fails_leaves_nothing(
    store: TraceStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*arguments: object) -> Any:
        yield "train-00000-of-00002.jsonl", b"a"
        raise InputError("it failed")

    monkeypatch.setattr(shards, "cut", failing)
    with pytest.raises(InputError, match="it failed"):
        dataset.build(store, spec(), tmp_path, shard_count=2)
    assert contents(tmp_path / "d-v1") == {}
