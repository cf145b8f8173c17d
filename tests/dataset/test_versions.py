import json
from pathlib import Path

import pytest
import yaml

from tests.conftest import NOW
from tunix_rt_nb import dataset, tasks
from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.dataset import DatasetSpec, versions
from tunix_rt_nb.dataset.folder import sealed
from tunix_rt_nb.store.store import TraceStore
from tunix_rt_nb.trace.trace import Trace


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where datasets are that belong to no run."""
    monkeypatch.setenv("TUNIX_RT_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "data" / "datasets"


def sums(n: int, seed: int = 0) -> list[Trace]:
    return list(tasks.draw("arithmetic", n, seed))


def store_of(folder: Path, traces: list[Trace], created_at: str = NOW) -> TraceStore:
    store = TraceStore(folder)
    store.add(traces, created_at)
    return store


def built(store: TraceStore, parent: Path, **fields: object) -> Path:
    return dataset.build(
        store, DatasetSpec.of(**{"dataset_name": "d", "eval_fraction": 0.3, **fields}), parent
    )


def sides(folder: Path) -> dict[str, str]:
    return {id: side for side in dataset.SIDES for id, _ in dataset.load(folder, side)}


def test_a_version_says_how_it_differs_from_its_parent(home: Path, tmp_path: Path) -> None:
    traces = sums(60)
    store = store_of(tmp_path / "s", traces[:40])
    v1 = built(store, home)
    store.delete([traces[0].id], NOW)
    store.add(traces[40:], NOW)
    v2 = built(store, home, dataset_version="v2", parent_dataset_id="d-v1")
    manifests = [dataset.read_manifest(folder) for folder in (v1, v2)]
    assert manifests[1]["changes"] == {"added": 20, "removed": 1, "moved": 0, "kept": 39}
    found = dataset.diff(*manifests)
    assert set(found.added) == {trace.id for trace in traces[40:]}
    assert found.removed == [traces[0].id]
    by_id = built(store, home, dataset_version="v3", parent_dataset_id=manifests[0]["build_id"])
    assert dataset.read_manifest(by_id)["changes"] == manifests[1]["changes"]


def test_an_unknown_parent_is_named_before_anything_is_built(home: Path, tmp_path: Path) -> None:
    store = store_of(tmp_path / "s", sums(9))
    built(store, home)
    with pytest.raises(InputError, match="parent_dataset_id: unknown 'd-v0', did you mean d-v1"):
        built(store, home, dataset_version="v2", parent_dataset_id="d-v0")
    assert not (home / "d-v2").exists()


def test_a_trace_that_is_added_changes_no_earlier_version(home: Path, tmp_path: Path) -> None:
    store = store_of(tmp_path / "s", sums(30))
    folder = built(store, home)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    store.add(sums(30, seed=1), "2030-01-01")
    with pytest.raises(InputError, match="already holds other content"):
        built(store, home)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_the_same_traces_under_another_spec_are_another_version(home: Path, tmp_path: Path) -> None:
    store = store_of(tmp_path / "s", sums(9))
    folder = built(store, home, tags=["a"])
    assert built(store, home, tags=["a"]) == folder
    with pytest.raises(InputError, match="the same traces with another tags"):
        built(store, home, tags=["b"])


def test_a_manifest_that_was_altered_is_refused(home: Path, tmp_path: Path) -> None:
    folder = built(store_of(tmp_path / "s", sums(9)), home)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    for name in ("trace_count", "tags", "sha256", "manifest_sha256"):
        files.write_json(path, {**manifest, name: "other"})
        with pytest.raises(InputError, match=r"manifest\.json: manifest_sha256: .* altered"):
            dataset.read_manifest(folder)
    files.write_json(path, [])
    with pytest.raises(InputError, match=r"manifest\.json: is not (a manifest|the manifest of)"):
        dataset.read_manifest(folder)
    files.write_json(path, sealed(manifest))
    assert dataset.read_manifest(folder) == manifest


def test_datasets_are_listed_also_those_that_were_cut_off(home: Path, tmp_path: Path) -> None:
    store = store_of(tmp_path / "s", sums(20))
    built(store, home, tags=["first"])
    cut = built(store, home, dataset_version="v2")
    (cut / "manifest.json").unlink()
    in_run = built(store, tmp_path / "home" / "runs" / "r" / "2_build", dataset_name="x")
    rows = {row["dataset"]: row for row in dataset.listing()}
    assert {name: row["state"] for name, row in rows.items()} == {
        "d-v1": "complete",
        "d-v2": "incomplete",
        "x-v1": "complete",
    }
    assert rows["d-v1"]["train"] + rows["d-v1"]["eval"] == 20
    assert [row["dataset"] for row in dataset.listing("first")] == ["d-v1"]
    assert dataset.find("x-v1") == in_run == dataset.find(str(in_run))
    with pytest.raises(InputError, match="dataset: unknown 'd-v9', did you mean d-v"):
        dataset.find("d-v9")


def two_contents(tmp_path: Path) -> list[Path]:
    """The datasets `x-v1` of two runs, which differ."""
    runs = tmp_path / "home" / "runs"
    return [
        built(store_of(tmp_path / name, sums(20, seed)), runs / name / "2_build", dataset_name="x")
        for seed, name in enumerate(("one", "two"))
    ]


def test_one_key_with_two_contents_is_refused_and_both_places_are_named(
    home: Path, tmp_path: Path
) -> None:
    one, two = two_contents(tmp_path)
    with pytest.raises(InputError) as error:
        dataset.find("x-v1")
    said = str(error.value)
    assert said.startswith("dataset: 'x-v1' has 2 different contents, give one of these folders: ")
    assert str(one) in said and str(two) in said and "\n" not in said
    assert dataset.find(str(one)) == one
    store = store_of(tmp_path / "s", sums(9))
    with pytest.raises(InputError, match=r"parent_dataset_id: 'x-v1' has 2 different contents.*"):
        built(store, home, parent_dataset_id="x-v1")
    build_id = dataset.read_manifest(one)["build_id"]
    assert dataset.read_manifest(built(store, home, parent_dataset_id=build_id))["changes"]
    with pytest.raises(InputError, match=r"has the key x-v1 of another source but different"):
        dataset.merge([one, two], DatasetSpec.of(dataset_name="both"), home)


def test_one_key_with_one_content_is_found_wherever_it_is(home: Path, tmp_path: Path) -> None:
    one, two = two_contents(tmp_path)
    (two / "manifest.json").unlink()  # an interrupted build
    assert dataset.find("x-v1") == one
    for path in two.iterdir():
        path.unlink()
    two.rmdir()
    assert dataset.copy(one, two.parent) == two
    assert dataset.find("x-v1") in (one, two)
    assert dataset.copy(one, home) == dataset.find("x-v1") == home / "x-v1"


def test_a_copy_never_replaces_another_dataset(home: Path, tmp_path: Path) -> None:
    one, two = two_contents(tmp_path)
    copied = dataset.copy(one, home)
    with pytest.raises(InputError, match="x-v1: already holds another dataset"):
        dataset.copy(two, home)
    assert dataset.read_manifest(copied) == dataset.read_manifest(one)
    (copied / "train.jsonl").write_text("")
    assert list(dataset.load(dataset.copy(one, home), "train"))


def test_a_build_restores_files_that_were_altered(home: Path, tmp_path: Path) -> None:
    store = store_of(tmp_path / "s", sums(20))
    folder = built(store, home)
    (folder / "train.jsonl").write_text("{}")
    (folder / "rejects.jsonl").unlink()
    assert built(store, home) == folder
    assert list(dataset.load(folder, "train"))
    assert dataset.rejects(folder) == []


def test_a_damaged_dataset_hinders_no_list_and_no_other_build(home: Path, tmp_path: Path) -> None:
    store = store_of(tmp_path / "s", sums(20))
    first = built(store, home)
    for name, text in {
        "list-v1": "[]",
        "text-v1": "{",
        "old-v1": '{"dataset_key": "old-v1"}',
    }.items():
        (home / name).mkdir()
        (home / name / "manifest.json").write_text(text)
    states = {row["dataset"]: row["state"] for row in dataset.listing()}
    damaged = dict.fromkeys(("list-v1", "text-v1", "old-v1"), "damaged")
    assert states == {"d-v1": "complete", **damaged}
    assert [row["dataset"] for row in dataset.listing("first")] == []
    by_id = dataset.read_manifest(first)["build_id"]
    assert built(store, home, dataset_version="v2", parent_dataset_id=by_id).name == "d-v2"


def test_nothing_is_written_into_the_folder_of_a_dataset(home: Path, tmp_path: Path) -> None:
    one, two = two_contents(tmp_path)
    before = {path.name: path.read_bytes() for path in two.iterdir()}
    for name in ("train.jsonl", "new.jsonl"):
        with pytest.raises(InputError, match="is in the folder of a dataset"):
            dataset.write_evalset(one, two / name)
        with pytest.raises(InputError, match="is in the folder of a dataset"):
            dataset.export(two / name, dataset=one)
    assert {path.name: path.read_bytes() for path in two.iterdir()} == before


def test_a_field_that_no_manifest_can_hold_is_refused() -> None:
    for fields in (
        {"tags": ["\ud83d\ude00"]},
        {"session_id": "\ud83d"},
        {"filters": {"\ud83d": 1}},
    ):
        [name] = fields
        with pytest.raises(InputError, match=f"{name}: has half a surrogate pair"):
            DatasetSpec.of(dataset_name="d", **fields)
    with pytest.raises(InputError, match="filters: expected JSON: "):
        DatasetSpec.of(dataset_name="d", filters={"k": {"<": float("nan")}})


def test_the_card_holds_any_text_as_characters(home: Path, tmp_path: Path) -> None:
    text = "\U0001f600 \0 \u2028 \x85 \U0001fae8"
    trace = Trace.of(text, [("s", text)], text, {"task": text})
    store = store_of(tmp_path / "s", [trace])
    folder = built(store, home, tags=[text], filters={"k": {"!=": text}}, eval_fraction=0.0)
    card = (folder / "README.md").read_bytes().decode()
    assert yaml.safe_load(card.split("---\n")[1])["tags"] == ["reasoning", text]
    assert "\U0001f600 \ufffd" in card and "\0" not in card and "\\ud83d" not in card


@pytest.mark.slow
def test_merging_keeps_each_trace_once_and_what_was_held_out_held_out(
    home: Path, tmp_path: Path
) -> None:
    traces = sums(80)
    one = built(store_of(tmp_path / "1", traces[:50]), home, eval_fraction=0.1)
    two = built(
        store_of(tmp_path / "2", traces[30:], "2026-02-02T00:00:00Z"),
        home,
        dataset_name="e",
        eval_fraction=0.4,
    )
    both = dataset.merge([one, two], DatasetSpec.of(dataset_name="both"), home)
    found = sides(both)
    assert set(found) == {trace.id for trace in traces}
    for source in (one, two):
        assert all(found[id] == "eval" for id, side in sides(source).items() if side == "eval")
    manifest = dataset.read_manifest(both)
    assert manifest["merged_from"] == {
        folder.name: dataset.read_manifest(folder)["sha256"] for folder in (one, two)
    }
    assert dataset.merge([one, two], DatasetSpec.of(dataset_name="both"), home) == both
    lines = {*(one / "train.jsonl").read_bytes().splitlines()}
    assert lines & {*(both / "train.jsonl").read_bytes().splitlines()}


def test_an_altered_dataset_is_not_merged(home: Path, tmp_path: Path) -> None:
    folder = built(store_of(tmp_path / "s", sums(20)), home)
    path = folder / "train.jsonl"
    path.write_bytes(path.read_bytes().replace(b"arithmetic", b"arithmetik", 1))
    with pytest.raises(InputError, match=r"train\.jsonl: was altered after the build"):
        dataset.merge([folder], DatasetSpec.of(dataset_name="both"), home)
    assert not (home / "both-v1").exists()


def test_a_shard_put_there_by_hand_gives_the_same_dataset(home: Path, tmp_path: Path) -> None:
    traces = sums(20)
    ours = built(store_of(tmp_path / "s", traces), home)
    hand = tmp_path / "hand" / "traces-mine.jsonl"
    hand.parent.mkdir()
    # Another order of keys, other white space, escapes where we have none.
    rows = [{**t.model_dump(), "created_at": NOW, "id": t.id} for t in traces]
    hand.write_text("".join(json.dumps(row) + "\n" for row in rows))
    theirs = built(TraceStore(hand.parent), tmp_path / "theirs")
    for name in ("train.jsonl", "eval.jsonl", "manifest.json"):
        assert (ours / name).read_bytes() == (theirs / name).read_bytes()
    TraceStore(hand.parent).compact()
    again = built(TraceStore(hand.parent), tmp_path / "again")
    assert (again / "manifest.json").read_bytes() == (ours / "manifest.json").read_bytes()


HOSTILE = "```\n| a | <script>alert(1)</script> ---\n[x](y) \u2028 `~~~~"


def test_the_card_is_read_by_the_hub_and_nothing_in_a_trace_can_break_it(
    home: Path, tmp_path: Path
) -> None:
    trace = Trace.of(HOSTILE, [("s", HOSTILE)], HOSTILE, {"task": "a | b\n---\n`x`"})
    folder = built(store_of(tmp_path / "s", [trace]), home, tags=["x: y"], eval_fraction=0.0)
    card = (folder / "README.md").read_text()
    front = yaml.safe_load(card.split("---\n")[1])
    assert front["configs"][0]["data_files"][0] == {"split": "train", "path": "train.jsonl"}
    assert front["tags"] == ["reasoning", "x: y"]
    assert front["size_categories"] == ["n<1K"]
    [row] = [line for line in card.splitlines() if line.startswith("| a ")][:1]
    assert row.replace("\\|", "").count("|") == 4
    assert f"````text\n{HOSTILE}\n````" in card.replace("`````text", "````text")


def test_the_card_shows_the_messages_before_the_prompt_of_its_example(
    home: Path, tmp_path: Path
) -> None:
    chat = [{"role": "system", "content": "Be brief."}]
    trace = Trace.of("Why?", [("s", "x")], "So.", {"earlier_messages": chat})
    folder = built(store_of(tmp_path / "s", [trace]), home, eval_fraction=0.0)
    assert "```text\nsystem: Be brief.\n\nWhy?\n```" in (folder / "README.md").read_text()


def test_a_loader_that_people_use_reads_the_folder_as_it_is(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    folder = built(store_of(tmp_path / "s", sums(40)), home)
    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    manifest = dataset.read_manifest(folder)
    assert {side: len(loaded[side]) for side in loaded} == manifest["split"]
    assert loaded["train"][0]["prompt"] == next(dataset.load(folder, "train"))[1].prompt


def test_where_datasets_are(home: Path) -> None:
    assert versions.home() == home
