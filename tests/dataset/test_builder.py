import json
import os
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from tests.conftest import NOW
from tunix_rt_nb import dataset, tasks
from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.common.filters import filter_condition
from tunix_rt_nb.dataset import DatasetSpec, build
from tunix_rt_nb.dataset.folder import sealed
from tunix_rt_nb.dataset.selection import select
from tunix_rt_nb.host import version
from tunix_rt_nb.store.store import TraceStore
from tunix_rt_nb.trace.trace import Trace


@pytest.fixture(scope="module")
def traces() -> list[Trace]:
    """Forty traces of each of two tasks."""
    names = ("high_card_duel", "arithmetic")
    return [trace for name in names for trace in tasks.draw(name, 40, seed=7)]


def spec(**fields: object) -> DatasetSpec:
    return DatasetSpec.of(**{"dataset_name": "d", "eval_fraction": 0.3, **fields})


def chosen(store: TraceStore, **fields: object) -> list[str]:
    """The ids that a spec selects, in order."""
    with store.connect() as connection:
        select(connection, spec(**fields))
        found = connection.execute("SELECT id FROM selected ORDER BY place").fetchall()
    return [id for (id,) in found]


def test_a_build_is_the_same_bytes_on_any_thread_count(store: TraceStore, tmp_path: Path) -> None:
    folders = [
        build(
            TraceStore(store.folder, threads=n),
            spec(selection_strategy="random", seed=3),
            tmp_path / str(n),
        )
        for n in (1, 2, 4)
    ]
    contents = [{p.name: p.read_bytes() for p in folder.iterdir()} for folder in folders]
    assert contents[0] == contents[1] == contents[2]
    assert set(contents[0]) == {
        "manifest.json",
        "train.jsonl",
        "eval.jsonl",
        "rejects.jsonl",
        "README.md",
    }


def test_no_prompt_stands_on_both_sides(
    store: TraceStore, traces: list[Trace], tmp_path: Path
) -> None:
    spaced = Trace.of("  what is   7 + 7?", [("s", "7 + 7 = 14.")], "14")
    plain = Trace.of("What is 7 + 7?", [("s", "7 + 7 = 14.")], "14")
    lines = [Trace.of(t.prompt + "\n\t ", [("s", "t")], "a") for t in traces]
    store.add([spaced, plain, *lines], NOW)
    folder = build(store, spec(near_duplicates=None), tmp_path)
    sides = [
        {" ".join(t.prompt.lower().split()) for _, t in dataset.load(folder, side)}
        for side in ("train", "eval")
    ]
    assert not sides[0] & sides[1]
    assert all(sides)
    rejects = list(files.read_lines(folder / "rejects.jsonl"))
    assert {spaced.id, plain.id} in [{reject["id"], reject["of"]} for reject in rejects]
    refused = 1 + len(traces)
    assert len(rejects) == refused
    assert dataset.read_manifest(folder)["rejected"] == {"duplicate_prompt": refused}


def test_prompts_that_differ_behind_a_nul_are_different(tmp_path: Path) -> None:
    store = TraceStore(tmp_path / "s")
    prompts = ["a\0bé", "a\0cé", "a\0bé ", "A\0BÉ"]
    store.add([Trace.of(p, [("s", "t")], "a", {"n": n}) for n, p in enumerate(prompts)], NOW)
    folder = build(store, spec(near_duplicates=None, eval_fraction=0.0), tmp_path)
    assert dataset.read_manifest(folder)["rejected"] == {"duplicate_prompt": 2}


def test_a_prompt_never_changes_sides_when_the_data_grows(
    store: TraceStore, tmp_path: Path
) -> None:
    def sides(version: str) -> dict[str, bool]:
        folder = build(store, spec(dataset_version=version), tmp_path)
        return {
            i: side == "eval" for side in ("train", "eval") for i, _ in dataset.load(folder, side)
        }

    before = sides("v1")
    store.add(tasks.draw("arithmetic", 200, seed=99), NOW)
    after = sides("v2")
    assert len(after) > len(before)
    assert all(after[trace_id] == side for trace_id, side in before.items())


def test_random_follows_the_seed_and_latest_the_time(store: TraceStore) -> None:
    draws = {tuple(chosen(store, selection_strategy="random", seed=s, limit=9)) for s in (1, 1, 2)}
    assert len(draws) == 2
    late = next(tasks.draw("arithmetic", 1, seed=50))
    store.add([late], "2030-01-01T00:00:00Z")
    assert chosen(store, limit=1) == [late.id]


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({"task": "arithmetic"}, 40),
        ({"meta.task": {"!=": "arithmetic"}}, 44),
        ({"task": {"in": ["arithmetic", "high_card_duel"]}}, 80),
        ({"my_card": {"exists": True}}, 40),
        ({"my_card": {"exists": False}, "difficulty": "easy"}, 40),
        ({"deep.n": {"<": 3}}, 2),
        ({"deep.n": {">=": 2}}, 2),
        ({"deep.n": 3}, 1),
        ({"o'dd \"$/~": "it's"}, 1),
    ],
)
def test_filters_choose_by_any_path(store: TraceStore, filters: dict, count: int) -> None:
    store.add([Trace.of(f"n {n}", [("s", "t")], "a", {"deep": {"n": n}}) for n in (1, 2, 3)], NOW)
    store.add([Trace.of("odd", [("s", "t")], "a", {"o'dd \"$/~": "it's"})], NOW)
    assert len(chosen(store, filters=filters)) == count


@given(st.text(max_size=20), st.one_of(st.text(max_size=20), st.integers(), st.none()))
def test_no_filter_can_become_sql(path: str, value: object) -> None:
    where, parameters = filter_condition({path: value})
    assert where == "true AND json_extract(meta, $p0)::VARCHAR = $v1"
    assert json.loads(parameters["v1"]) == value


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"dataset_name": "../x"}, r"dataset_name: '../x' is unsafe"),
        ({"dataset_name": ""}, "dataset_name"),
        ({"dataset_version": "v\t1"}, r"dataset_version: 'v\\t1' is unsafe"),
        ({"dataset_name": "../my cards"}, r"dataset_name: '../my cards' is unsafe"),
        ({"template": "gema"}, "template: unknown 'gema', did you mean gemma?"),
        ({"style": "tag"}, "style: unknown 'tag', did you mean tags?"),
        ({"selection_strategy": "random"}, "seed: selection_strategy random needs a seed"),
        ({"selection_strategy": "best"}, "selection_strategy"),
        ({"limit": 0}, "limit"),
        ({"eval_fraction": 1.0}, "eval_fraction"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_bad_spec_names_its_field_in_one_line(fields: dict, says: str) -> None:
    with pytest.raises(InputError, match=says) as error:
        spec(**fields)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "filters",
    [
        {"task": "chess"},
        {"task": {"like": "x"}},
        {"task": {"<": "abc"}},
        {"task": {"<": True}},
        {"task": {"in": "arithmetic"}},
        {"task": {"exists": "yes"}},
        {"task": {"in": [1, "a", None]}},
        {"task": {}},
    ],
)
def test_nothing_selected_builds_nothing(store: TraceStore, tmp_path: Path, filters: dict) -> None:
    with pytest.raises(InputError, match="filters: "):
        build(store, spec(filters=filters), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_existing_version_with_other_content_is_left_alone(
    store: TraceStore, tmp_path: Path
) -> None:
    folder = build(store, spec(), tmp_path)
    before = (folder / "manifest.json").read_bytes()
    assert build(store, spec(), tmp_path) == folder
    with pytest.raises(InputError, match="already holds other content.*another dataset_version"):
        build(store, spec(limit=5), tmp_path)
    assert (folder / "manifest.json").read_bytes() == before


def test_an_interrupted_or_altered_dataset_is_not_read(store: TraceStore, tmp_path: Path) -> None:
    folder = build(store, spec(), tmp_path)
    train = folder / "train.jsonl"
    train.write_bytes(train.read_bytes().replace(b"10", b"11", 1))
    with pytest.raises(InputError, match=r"train\.jsonl: was altered"):
        list(dataset.load(folder, "train"))
    (folder / "manifest.json").unlink()
    with pytest.raises(InputError, match=r"has no manifest\.json"):
        list(dataset.load(folder, "eval"))
    assert build(store, spec(), tmp_path) == folder
    assert list(dataset.load(folder, "train"))


def test_a_copy_is_the_dataset_byte_for_byte(store: TraceStore, tmp_path: Path) -> None:
    source = build(store, spec(), tmp_path / "built")
    folder = dataset.copy(source.rename(tmp_path / "moved"), tmp_path / "run")
    assert folder == tmp_path / "run/d-v1"
    moved = {path.name: path.read_bytes() for path in (tmp_path / "moved").iterdir()}
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == moved


@pytest.mark.parametrize("name", ["manifest.json", "train.jsonl", "eval.jsonl", "rejects.jsonl"])
def test_a_dataset_that_is_not_whole_is_not_copied(
    store: TraceStore, tmp_path: Path, name: str
) -> None:
    source = build(store, spec(), tmp_path)
    text = (source / name).read_bytes()
    (source / name).write_bytes(text.replace(b"1", b"7", 1) or b"\n")
    with pytest.raises(InputError, match=f"{name}: .*altered after the build"):
        dataset.copy(source, tmp_path / "run")
    (source / name).unlink()
    with pytest.raises(InputError, match="is missing|has no manifest.json"):
        dataset.copy(source, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_no_manifest_makes_a_copy_leave_its_folder(store: TraceStore, tmp_path: Path) -> None:
    source = build(store, spec(), tmp_path)
    manifest = dataset.read_manifest(source)
    for change in ({"dataset_name": "../x"}, {"files": {"../train.jsonl": ""}}):
        files.write_json(source / "manifest.json", sealed({**manifest, **change}))
        with pytest.raises(InputError, match="is unsafe"):
            dataset.copy(source, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_manifest_says_what_is_in_the_dataset(store: TraceStore, tmp_path: Path) -> None:
    folder = build(store, spec(filters={"task": "arithmetic"}, session_id="s1"), tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text())
    lines = [*files.read_lines(folder / "train.jsonl"), *files.read_lines(folder / "eval.jsonl")]
    assert sorted(manifest["trace_ids"]) == sorted(line["id"] for line in lines)
    assert manifest["dataset_key"] == folder.name == "d-v1"
    assert manifest["trace_count"] == 40 == sum(manifest["split"].values())
    assert sum(manifest["tasks"]["arithmetic"].values()) == 40
    assert manifest["stats"]["min_step_count"] == manifest["stats"]["max_step_count"] == 4
    assert manifest["session_id"] == "s1"
    assert manifest["files"]["train.jsonl"] == files.sha256(folder / "train.jsonl")


def test_the_same_prompt_after_other_messages_is_another_problem(tmp_path: Path) -> None:
    def chat(age: int) -> Trace:
        told = (
            {"role": "user", "content": f"Emil is {age}."},
            {"role": "assistant", "content": "Ok."},
        )
        return Trace.of("And in 4 years?", [], f"{age + 4}", {"earlier_messages": list(told)})

    store = TraceStore(tmp_path / "traces")
    alone = [Trace.of(prompt, [], "x") for prompt in ("And in 4 years?", "and in  4 years?")]
    store.add([chat(28), chat(36), *alone], NOW)
    spec = DatasetSpec.of(dataset_name="chats", near_duplicates=None, eval_fraction=0)
    manifest = dataset.read_manifest(dataset.build(store, spec, tmp_path))
    assert (manifest["trace_count"], manifest["rejected"]) == (3, {"duplicate_prompt": 1})


def test_a_name_is_made_safe_as_the_service_made_it(store: TraceStore, tmp_path: Path) -> None:
    named = spec(dataset_name="my cards/easy", dataset_version="v 1")
    folder = build(store, named, tmp_path / "built")
    assert folder.name == named.key == "my_cards_easy-v_1"
    manifest = dataset.read_manifest(folder)
    assert (manifest["dataset_key"], manifest["dataset_name"]) == (folder.name, "my cards/easy")
    assert dataset.copy(folder, tmp_path / "run").name == folder.name
    with pytest.raises(InputError, match="with another dataset_name"):
        build(store, spec(dataset_name="my_cards easy", dataset_version="v_1"), tmp_path / "built")


def test_the_manifest_names_the_form_and_the_code(store: TraceStore, tmp_path: Path) -> None:
    form = {"template": "chatml", "style": "tags", "system": "Be brief."}
    manifest = dataset.read_manifest(build(store, spec(**form), tmp_path))
    assert manifest.items() >= form.items()
    assert dataset.form_of(manifest) == ("chatml", "tags", "Be brief.")
    assert manifest["code_version"] == version.of_code()
    dataset.check_form(manifest, "chatml", "tags", "Be brief.")
    with pytest.raises(InputError, match="STYLE: is 'numbered', but the dataset d-v1 names 'tags'"):
        dataset.check_form(manifest, "chatml", "numbered", "Be brief.")
    plain = dataset.read_manifest(build(store, spec(dataset_version="v2"), tmp_path))
    assert dataset.form_of(plain) == (None, None, None)
    dataset.check_form(plain, "llama3", "tags", "")


def test_the_time_of_the_build_is_told_and_changes_no_byte(
    store: TraceStore, tmp_path: Path
) -> None:
    folder = build(store, spec(), tmp_path / "a")
    os.utime(folder / "manifest.json", (1.8e9, 1.8e9))
    again = build(store, spec(), tmp_path / "b")
    assert (folder / "manifest.json").read_bytes() == (again / "manifest.json").read_bytes()
    assert dataset.read_manifest(folder)["created_at"] == NOW
    assert dataset.built_at(folder) == "2027-01-15T08:00:00Z" != dataset.built_at(again)
    assert dataset.built_at(dataset.copy(folder, tmp_path / "c")) == dataset.built_at(folder)


def test_another_commit_makes_no_other_dataset(
    store: TraceStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = build(store, spec(), tmp_path / "a")
    monkeypatch.setattr(version, "of_code", lambda: "0.1.0+gffffffffffff")
    later = build(store, spec(), tmp_path / "b")
    before, after = (dict(dataset.read_manifest(one)) for one in (folder, later))
    assert {name for name in before if before[name] != after[name]} == {
        "code_version",
        "manifest_sha256",
    }
    assert build(store, spec(), tmp_path / "a") == folder
    assert dataset.read_manifest(folder) == before
    assert dataset.copy(later, tmp_path / "a") == folder


def test_the_training_side_alone_is_not_split_again(tmp_path: Path) -> None:
    store = TraceStore(tmp_path / "s")
    store.add(tasks.draw("arithmetic", 300, seed=1), NOW)
    whole = build(store, spec(), tmp_path)
    half = TraceStore(tmp_path / "half")
    half.import_files([whole / "train.jsonl"], NOW, "trace")
    with pytest.raises(InputError, match="holds out none of .* export it with `--split all`"):
        build(half, spec(dataset_version="v2"), tmp_path)
    assert (
        dataset.read_manifest(build(half, spec(eval_fraction=0), tmp_path / "b"))["split"]["eval"]
        == 0
    )


def test_a_manifest_of_an_earlier_version_names_no_form(store: TraceStore, tmp_path: Path) -> None:
    folder = build(store, spec(), tmp_path)
    manifest = dict(dataset.read_manifest(folder))
    for name in ("template", "style", "system"):
        del manifest[name]
    files.write_json(folder / "manifest.json", sealed(manifest))
    assert build(store, spec(), tmp_path) == folder
    with pytest.raises(InputError, match="with another template"):
        build(store, spec(template="gemma"), tmp_path)
