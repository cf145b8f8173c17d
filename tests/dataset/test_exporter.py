import csv
import gzip
import json
import os
import random
import re
import resource
import struct
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from array_record.python.array_record_module import ArrayRecordReader
from hypothesis import given, settings, strategies as st
from tensorboardX.record_writer import masked_crc32c

from tests.conftest import NOW
from tests.helpers import odd
from tunix_rt_nb import dataset, tasks
from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.dataset import DatasetSpec, build
from tunix_rt_nb.dataset.exporter import FORMS, KINDS, SIDES, Exported, export
from tunix_rt_nb.dataset.folder import sealed
from tunix_rt_nb.store.shards import write_deletion
from tunix_rt_nb.store.store import TraceStore
from tunix_rt_nb.trace.chat import Said, render
from tunix_rt_nb.trace.formats import reader
from tunix_rt_nb.trace.response import STYLES, respond
from tunix_rt_nb.trace.templates import TEMPLATES
from tunix_rt_nb.trace.trace import Trace

EVERY_CONTROL = "".join(map(chr, [*range(32), *range(127, 160)]))
TEXTS = [
    "a" + EVERY_CONTROL,
    "\"quotes\" 'and' \\back\\slashes\\n /",
    "beyond the BMP: 🂡 👩‍👩‍👧 \U0010ffff, \u2028 and \u2029, \ufeff, \ufffe, e\u0301",
    "<start_of_turn>user\nme<end_of_turn>\n<eos>",
    "a\n2. b\nAnswer: c\n\\3. d\n\\\\Answer: e\n\n٢. f\r\n4. g\n10.h\n11. i",
    "Answer: ",
    "\n5. ",
    " , ,\t",
    "NULL",
    "{metadata} $path %s {0}",
]
METAS: list[dict[str, Any] | None] = [
    None,
    {},
    {"nothing": None, "list": [None, {}, [], {"deep": {"nothing": None}}]},
    {
        "huge": 1.7976931348623157e308,
        "tiny": 5e-324,
        "odd": [1e16, 1e-7, 0.1, -0.0, 1e22, 123456.0],
    },
    {"n": [2**64 - 1, -(2**63), 2**53 + 1, 0, -1, True, False]},
    {"created_at": None, "z": 1, "trace_version": {"a": None}, "format": 1e16, "a": [None]},
    {"format": "mine"},
    {
        "": "",
        '"': "'",
        "\\": "/",
        "~1": "~",
        "$.a[0]": 0,
        EVERY_CONTROL: EVERY_CONTROL,
        "🂡\u2028": 1,
    },
    {text: text for text in TEXTS},
    {"id": "x", "prompts": "y", "facts": 1, "meta": {"meta": None}, "NULL": "NULL", "null": "null"},
]


@pytest.fixture(scope="module")
def traces() -> list[Trace]:
    """Forty traces of each of two tasks."""
    names = ("high_card_duel", "arithmetic")
    return [trace for name in names for trace in tasks.draw(name, 40, seed=7)]


def odd_traces() -> list[Trace]:
    """A trace for each odd text and meta; each text is in every place."""
    steps = [("s", text) for text in TEXTS]
    return [
        Trace.of(prompt, steps, answer, meta)
        for prompt, answer, meta in zip(TEXTS, reversed(TEXTS), METAS, strict=True)
    ]


def expected(trace: Trace, form: str) -> dict[str, Any]:
    """Return what a record is to be, in the words of its definition."""
    meta = json.loads(trace.canonical())["meta"]
    facts = {"created_at": NOW, "trace_version": "1.0"}
    if form == "training_example":
        facts = {"source_trace_id": trace.id, **facts}
    if form == "tunix_sft":
        facts["format"] = "tunix_sft"
    metadata = {**facts, **(meta or {})}
    contents = [step.content for step in trace.steps]
    steps = "".join(f"{n}. {content}\n" for n, content in enumerate(contents, 1))
    text = (
        f"<start_of_turn>user\n{trace.prompt}<end_of_turn>\n<start_of_turn>model\n"
        f"Reasoning:\n{steps}Answer: {trace.final_answer}<end_of_turn>"
    )
    user = {"role": "user", "content": trace.prompt}
    assistant = {"role": "assistant", "content": respond(trace)}
    answer = trace.final_answer
    records: dict[str, dict[str, Any]] = {
        "trace": {"prompts": trace.prompt, "trace_steps": contents, "final_answer": answer},
        "tunix_sft": {"prompts": text, "final_answer": answer},
        "training_example": {
            "prompt": f"{trace.prompt}\n\nPlease show your reasoning steps.",
            "response": respond(trace),
        },
        "messages": {"messages": [user, assistant], "id": trace.id},
    }
    record = records[form] if form == "messages" else {"id": trace.id, **records[form]}
    return {**record, "metadata": metadata}


def as_json(value: Any) -> str:
    """Compact JSON with the numbers of ECMAScript and the escapes in capitals, as DuckDB has it."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{as_json(k)}:{as_json(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(as_json, value)) + "]"
    if isinstance(value, float):
        return number(value)
    text = json.dumps(value, ensure_ascii=False)
    return re.sub(r"(?<!\\)((?:\\\\)*)\\u00(..)", lambda u: f"{u[1]}\\u00{u[2].upper()}", text)


def number(value: float) -> str:
    """A float as ECMAScript writes it, but with `.0` where it is whole and has no exponent."""
    digits = format(Decimal(repr(value)), "f")
    if 1e-6 <= abs(value) < 1e21 or value == 0:
        return digits if "." in digits else digits + ".0"
    return re.sub(r"e\+?(-?)0*", r"e\1", repr(value))


def lines(path: Path) -> list[str]:
    """The lines of a file; only a line feed ends one."""
    text = path.read_bytes().decode()
    assert text.endswith("\n")
    return text.removesuffix("\n").split("\n")


def keep(folder: Path, traces: Sequence[Trace]) -> TraceStore:
    store = TraceStore(folder / "traces")
    store.add(traces, NOW)
    return store


@pytest.mark.parametrize("form", FORMS)
def test_records_are_what_their_definition_says_byte_for_byte(form: str, tmp_path: Path) -> None:
    traces = odd_traces()
    store = keep(tmp_path, traces)
    out = tmp_path / "out.jsonl"
    export(out, form, ids=[trace.id for trace in traces], store=store)
    assert lines(out) == [as_json(expected(trace, form)) for trace in traces]
    spec = DatasetSpec.of(dataset_name="d", near_duplicates=None, eval_fraction=0.5)
    folder = build(store, spec, tmp_path)
    export(out, form, dataset=folder, split="all")
    in_order = [trace for side in SIDES for _, trace in dataset.load(folder, side)]
    assert len(in_order) == len(traces)
    assert lines(out) == [as_json(expected(trace, form)) for trace in in_order]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | odd.texts(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(odd.texts(), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["created_at", "trace_version", "format", "a"]) | odd.texts()
METAS_OF_ANY_KIND = st.none() | st.dictionaries(KEYS, JSON, max_size=4)
ODD = st.builds(
    lambda trace, meta: Trace.model_validate({**trace.model_dump(), "meta": meta}),
    odd.traces(odd.texts()),
    METAS_OF_ANY_KIND,
)


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(st.lists(ODD, min_size=1, max_size=20, unique_by=lambda trace: trace.id))
def test_no_text_and_no_meta_comes_out_otherwise(traces: list[Trace]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = keep(folder, traces)
        for form in FORMS:
            export(folder / "x.jsonl", form, ids=[trace.id for trace in traces], store=store)
            assert lines(folder / "x.jsonl") == [as_json(expected(t, form)) for t in traces]


def big(folder: Path, n: int) -> list[str]:
    """A dataset whose files take several buffers to read; its ids in order."""
    ids = [str(uuid.UUID(int=k * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128)) for k in range(n)]
    sides = {"train": ids[: n * 9 // 10], "eval": ids[n * 9 // 10 :]}
    rest = {
        "created_at": NOW,
        "trace_version": "1.0",
        "prompt": "p",
        "steps": [{"i": 0, "type": "s", "content": "x" * 900}],
        "final_answer": "a",
        "meta": {"k": 1},
    }
    for side, names in sides.items():
        files.write_lines(folder / f"{side}.jsonl", ({"id": id, **rest} for id in names))
    hashes = {f"{side}.jsonl": files.sha256(folder / f"{side}.jsonl") for side in sides}
    split = {side: len(names) for side, names in sides.items()}
    made = sealed(
        {
            "dataset_key": "d",
            "files": hashes,
            "sha256": "0" * 64,
            "split": split,
            "considered": {"in_store": n, "matching": n},
            "created_at": NOW,
            "trace_count": n,
            "tasks": {},
            "rejected": {},
            "trace_ids": ids,
            "selection_strategy": "latest",
            "tags": [],
            "parent_dataset_id": None,
        }
    )
    files.write_json(folder / "manifest.json", made)
    return ids


@pytest.mark.slow
def test_order_and_bytes_do_not_depend_on_the_threads(tmp_path: Path) -> None:
    ids = big(tmp_path / "d", 45_000)
    store = keep(tmp_path, [])
    gone = ids[5::7]
    write_deletion(store.folder, gone, NOW)
    left = [id for k, id in enumerate(ids) if k % 7 != 5]
    for kind in (".jsonl", ".parquet"):
        hashes = set()
        for threads in (1, 2, 4):
            out = tmp_path / f"out{kind}"
            done = export(out, dataset=tmp_path / "d", split="all", store=store, threads=threads)
            assert done == Exported(len(left), len(gone))
            hashes.add(files.sha256(out))
        assert len(hashes) == 1
    table = pyarrow.parquet.read_table(tmp_path / "out.parquet", columns=["id"])
    assert table["id"].to_pylist() == left
    assert [line[7:43] for line in lines(tmp_path / "out.jsonl")] == left


@pytest.mark.parametrize("kind", [".jsonl", ".parquet"])
def test_what_needs_more_memory_gets_it_and_is_the_same(
    kind: str, some_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(tmp_path / f"a{kind}", dataset=some_dataset)
    monkeypatch.setattr(sys.modules[export.__module__], "_MEMORY", "1MB")
    export(tmp_path / f"b{kind}", dataset=some_dataset)
    assert (tmp_path / f"a{kind}").read_bytes() == (tmp_path / f"b{kind}").read_bytes()


def test_ids_keep_the_order_in_which_they_are_given(tmp_path: Path) -> None:
    traces = [Trace.of(f"p{k}", [("s", "x" * 500)], "a") for k in range(5_000)]
    keep(tmp_path, traces)
    ids = [trace.id for trace in traces]
    random.Random(3).shuffle(ids)
    for threads in (1, 2, 4):
        store = TraceStore(tmp_path / "traces", threads)
        assert export(tmp_path / "x.jsonl", ids=ids, store=store) == Exported(5_000, 0)
        assert [line[7:43] for line in lines(tmp_path / "x.jsonl")] == ids


@pytest.fixture(scope="module")
def some_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of odd and of drawn traces, beside its store."""
    folder = tmp_path_factory.mktemp("made")
    store = keep(folder, [*odd_traces(), *tasks.draw("arithmetic", 40, seed=1)])
    spec = DatasetSpec.of(dataset_name="d", near_duplicates=None, eval_fraction=0.3)
    return build(store, spec, folder)


def records(folder: Path, form: str) -> list[dict[str, Any]]:
    return [expected(trace, form) for side in SIDES for _, trace in dataset.load(folder, side)]


@pytest.mark.parametrize("form", FORMS)
def test_parquet_keeps_lists_and_metadata_as_json(
    form: str, some_dataset: Path, tmp_path: Path
) -> None:
    export(tmp_path / "x.parquet", form, dataset=some_dataset, split="all")
    rows = pyarrow.parquet.read_table(tmp_path / "x.parquet").to_pylist()
    wanted = records(some_dataset, form)
    assert rows == [{**record, "metadata": as_json(record["metadata"])} for record in wanted]


@pytest.mark.parametrize("form", FORMS)
def test_csv_has_lists_and_metadata_as_json(form: str, some_dataset: Path, tmp_path: Path) -> None:
    export(tmp_path / "x.csv", form, dataset=some_dataset, split="all")
    with (tmp_path / "x.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows == [
        {name: v if isinstance(v, str) else as_json(v) for name, v in record.items()}
        for record in records(some_dataset, form)
    ]


def test_records_of_other_kinds_are_the_lines_of_json_lines(
    some_dataset: Path, tmp_path: Path
) -> None:
    for kind in KINDS:
        export(tmp_path / f"x{kind}", dataset=some_dataset)
    wanted = [line.encode() for line in lines(tmp_path / "x.jsonl")]
    assert gzip.decompress((tmp_path / "x.jsonl.gz").read_bytes()).splitlines() == wanted
    reader = ArrayRecordReader(str(tmp_path / "x.array_record"))
    assert reader.read_all() == wanted
    reader.close()
    assert list(tfrecords((tmp_path / "x.tfrecord").read_bytes())) == wanted
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"x{kind}" for kind in KINDS)


def tfrecords(data: bytes) -> Iterator[bytes]:
    """The records of a TFRecord file: length, its CRC, content, its CRC."""
    while data:
        length, crc = struct.unpack_from("<QI", data)
        assert crc == masked_crc32c(data[:8])
        content, data = data[12 : 12 + length], data[12 + length :]
        assert struct.unpack_from("<I", data)[0] == masked_crc32c(content)
        yield content
        data = data[4:]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_dataset_gives_the_same_bytes(
    kind: str, some_dataset: Path, tmp_path: Path
) -> None:
    for name in "ab":
        export(tmp_path / f"{name}{kind}", dataset=some_dataset)
    assert (tmp_path / f"a{kind}").read_bytes() == (tmp_path / f"b{kind}").read_bytes()


def test_the_training_side_is_exported_unless_told_otherwise(
    some_dataset: Path, tmp_path: Path
) -> None:
    counts = dataset.read_manifest(some_dataset)["split"]
    both = []
    for side in SIDES:
        done = export(tmp_path / "x.jsonl", dataset=some_dataset, split=side)
        assert done == Exported(counts[side], 0)
        both += lines(tmp_path / "x.jsonl")
    assert export(tmp_path / "x.jsonl", dataset=some_dataset).written == counts["train"]
    assert lines(tmp_path / "x.jsonl") == both[: counts["train"]]
    export(tmp_path / "x.jsonl", dataset=some_dataset, split="all")
    assert lines(tmp_path / "x.jsonl") == both
    with pytest.raises(InputError, match="split: unknown 'test', expected one of: train, eval, a"):
        export(tmp_path / "x.jsonl", dataset=some_dataset, split="test")


def test_deleted_traces_stay_out_and_are_counted(store: TraceStore, tmp_path: Path) -> None:
    folder = build(store, DatasetSpec.of(dataset_name="d", limit=50), tmp_path)
    ids = [id for side in SIDES for id, _ in dataset.load(folder, side)]
    store.delete([ids[3], ids[-1]], NOW)
    out = tmp_path / "out.jsonl"
    assert export(out, dataset=folder, split="all", store=store) == Exported(48, 2)
    assert [line[7:43] for line in lines(out)] == ids[:3] + ids[4:-1]
    assert export(out, dataset=folder, split="all") == Exported(50, 0)
    asked = [ids[7], ids[3], ids[0][:13], ids[7].upper(), ids[-1], ids[0]]
    assert export(out, ids=asked, store=store) == Exported(2, 2)
    assert [line[7:43] for line in lines(out)] == [ids[7], ids[0]]
    with pytest.raises(InputError, match="nothing to export, all traces are deleted"):
        export(out, ids=[ids[3]], store=store)
    assert len(lines(out)) == 2


def test_an_unknown_id_is_an_error_and_writes_nothing(store: TraceStore, tmp_path: Path) -> None:
    [first] = [stored.trace.id for stored in store.newest(1)]
    for id in (str(uuid.UUID(int=1)), "f" * 13):
        with pytest.raises(InputError, match=f"id: '{id}' does not exist in"):
            export(tmp_path / "x.jsonl", ids=[first, id], store=store)
    with pytest.raises(InputError, match="is neither an id nor the beginning of one"):
        export(tmp_path / "x.jsonl", ids=["'; DROP TABLE traces; -- " + "x" * 20], store=store)
    assert not (tmp_path / "x.jsonl").exists()


def test_exactly_one_of_dataset_and_ids_is_given(
    store: TraceStore, some_dataset: Path, tmp_path: Path
) -> None:
    out = tmp_path / "x.jsonl"
    with pytest.raises(InputError, match="either the key of a dataset or ids of traces"):
        export(out, store=store)
    with pytest.raises(InputError, match="either the key of a dataset or ids of traces"):
        export(out, dataset=some_dataset, ids=["1f"], store=store)
    with pytest.raises(InputError, match="ids need a store, and cannot be combined"):
        export(out, ids=["1f"])


def test_an_altered_or_incomplete_dataset_is_not_exported(
    store: TraceStore, tmp_path: Path
) -> None:
    folder = build(store, DatasetSpec.of(dataset_name="d", limit=50), tmp_path)
    side = folder / "eval.jsonl"
    side.write_bytes(side.read_bytes().replace(b"a", b"b", 1))
    with pytest.raises(InputError, match=r"eval\.jsonl: was altered after the build"):
        export(tmp_path / "x.jsonl", dataset=folder, split="all")
    export(tmp_path / "x.jsonl", dataset=folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(InputError, match=r"has no manifest\.json"):
        export(tmp_path / "x.jsonl", dataset=folder)


def test_a_side_without_traces_is_said_to_be_empty(tmp_path: Path) -> None:
    store = keep(tmp_path, odd_traces())
    spec = DatasetSpec.of(dataset_name="d", near_duplicates=None, eval_fraction=0)
    folder = build(store, spec, tmp_path)
    with pytest.raises(InputError, match=r"nothing to export, the side eval is empty"):
        export(tmp_path / "x.jsonl", dataset=folder, split="eval")
    assert export(tmp_path / "x.jsonl", dataset=folder).written == len(odd_traces())


def test_a_shard_that_lacks_a_field_is_named(tmp_path: Path) -> None:
    id = str(uuid.UUID(int=1))
    files.write_lines(
        tmp_path / "traces/traces-x.jsonl", [{"id": id, "created_at": NOW, "prompt": "p"}]
    )
    store = TraceStore(tmp_path / "traces")
    with pytest.raises(InputError, match=r"traces-x\.jsonl:1: .*Field required"):
        export(tmp_path / "x.jsonl", ids=[id], store=store)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("x.json", r"ending is unknown, expected one of: \.jsonl, \.jsonl\.gz, \.parquet, \.csv"),
        ("folder.jsonl", "exists and is not a file"),
        ("pipe.csv", "exists and is not a file"),
        ("file/x.csv", "file: cannot be written: "),
    ],
)
def test_a_file_that_cannot_be_written_is_named(
    name: str, says: str, some_dataset: Path, tmp_path: Path
) -> None:
    (tmp_path / "folder.jsonl").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(InputError, match=says):
        export(tmp_path / name, dataset=some_dataset)
    assert len(list(tmp_path.iterdir())) == 3


def test_what_is_read_is_never_written_to(
    store: TraceStore, some_dataset: Path, tmp_path: Path
) -> None:
    [first] = [stored.trace.id for stored in store.newest(1)]
    with pytest.raises(InputError, match="is in the folder that is exported"):
        export(some_dataset / "train.jsonl", dataset=some_dataset)
    with pytest.raises(InputError, match="is in the folder that is exported"):
        export(store.shards()[0], ids=[first], store=store)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """As on a disk that is full."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk_leaves_the_old_file(
    kind: str, store: TraceStore, some_dataset: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    out = tmp_path / f"out/x{kind}"
    ids = [stored.trace.id for stored in store.newest(1)]
    for source in ({"dataset": some_dataset}, {"ids": ids, "store": store}):
        export(out, **source)
        size = out.stat().st_size
        out.write_bytes(b"old")
        with files_of_at_most(size - 10), pytest.raises(InputError) as error:
            export(out, **source)
        assert "\n" not in str(error.value)
        assert out.read_bytes() == b"old"
        assert list(out.parent.iterdir()) == [out]


@pytest.mark.parametrize(
    ("module", "kind", "package"),
    [
        ("array_record.python.array_record_module", ".array_record", "array_record"),
        ("tensorboardX.record_writer", ".tfrecord", "tensorboardX"),
    ],
)
def test_a_library_that_is_missing_is_named(
    module: str,
    kind: str,
    package: str,
    some_dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=f"pip install {package}$"):
        export(tmp_path / f"x{kind}", dataset=some_dataset)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_form_is_named(some_dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="format: unknown 'tunix-sft', did you mean tunix_sft?"):
        export(tmp_path / "x.jsonl", "tunix-sft", dataset=some_dataset)


CHAT = [
    {"role": "user", "content": "Emil is 28."},
    {"role": "assistant", "content": "Ok."},
]
EARLIER = {
    "none": [],
    "system": [{"role": "system", "content": "Be kind."}],
    "turns": CHAT,
    "both": [{"role": "system", "content": "Be kind."}, *CHAT],
}


def chats() -> list[Trace]:
    """A trace after each kind of earlier messages, with steps and without."""
    steps = [("s", "28 + 4 = 32.\nSo it is."), ("s", "It's 32.")]
    return [
        Trace.of(f"{name}: in {n} years?", steps[:n], "32", {"earlier_messages": earlier})
        for name, earlier in EARLIER.items()
        for n in (0, 2)
    ]


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("system", ["", 'It\'s "brief"; $stop {form}.'])
def test_a_text_is_that_of_the_form_and_reads_back(
    template: str, style: str, system: str, tmp_path: Path
) -> None:
    traces, out = chats(), tmp_path / "x.jsonl"
    named: Any = {"template": template, "style": style, "system": system}
    export(out, ids=[t.id for t in traces], store=keep(tmp_path, traces), **named)
    usual = named == {"template": "gemma", "style": "numbered", "system": ""}
    for trace, line in zip(traces, lines(out), strict=True):
        record = json.loads(line)
        assert record["prompts"] == render(trace, template, style, system).text
        assert record["metadata"].get("form") == (None if usual else named)
        again = reader("tunix_sft")(line.encode())
        assert Said.of(again) == Said.of(trace)
        kept = {name: value for name, value in (again.meta or {}).items() if name != "imported"}
        assert kept == trace.meta


@pytest.mark.parametrize("form", ["messages", "training_example"])
def test_other_records_take_the_parts_of_a_form_that_they_have(form: str, tmp_path: Path) -> None:
    traces, out = chats(), tmp_path / "x.jsonl"
    spec = DatasetSpec.of(dataset_name="d", eval_fraction=0, style="tags", system="Be brief.")
    folder = build(keep(tmp_path, traces), spec, tmp_path)
    export(out, form, dataset=folder)
    for (_, trace), line in zip(dataset.load(folder, "train"), lines(out), strict=True):
        record = json.loads(line)
        said = record.get("response") or record["messages"][-1]["content"]
        assert said == respond(trace, "tags")
        told = {"style": "tags", "system": "Be brief."} if form == "messages" else {"style": "tags"}
        assert record["metadata"]["form"] == told
        again = reader(form)(line.encode())
        assert Said.of(again)[:3] == Said.of(trace)[:3]
        if form == "messages":
            own = trace.earlier.system
            assert record["messages"][0] == {"role": "system", "content": own or "Be brief."}
            assert again.earlier.turns == trace.earlier.turns


def test_a_dataset_is_exported_in_the_form_that_it_names(tmp_path: Path) -> None:
    store, out = keep(tmp_path, odd_traces()), tmp_path / "x.jsonl"
    spec = DatasetSpec.of(dataset_name="d", near_duplicates=None, template="chatml")
    folder = build(store, spec, tmp_path)
    export(out, dataset=folder)
    [*found] = dataset.load(folder, "train")
    texts = [json.loads(line)["prompts"] for line in lines(out)]
    assert texts == [render(trace, "chatml").text for _, trace in found]
    export(out, dataset=folder, template="gemma", system="Be brief.")
    texts = [json.loads(line)["prompts"] for line in lines(out)]
    assert texts == [render(trace, "gemma", "numbered", "Be brief.").text for _, trace in found]
    export(out, "trace", dataset=folder)  # has no text in a template
    with pytest.raises(InputError, match="template: has no effect on records of format trace"):
        export(out, "trace", dataset=folder, template="gemma")
    with pytest.raises(InputError, match="template: unknown 'gema', did you mean gemma?"):
        export(out, dataset=folder, template="gema")


def test_what_the_metadata_of_a_trace_calls_its_own_stays_its_own(tmp_path: Path) -> None:
    own: list[Any] = [
        {"form": "sonnet"},
        {"form": {"lines": 14}},
        {"source_trace_id": "x"},
        {"form": {}},
    ]
    traces = [Trace.of(f"{n}?", [("s", "t")], "a", meta) for n, meta in enumerate(own)]
    out, store = tmp_path / "x.jsonl", keep(tmp_path, traces)
    for form in ("tunix_sft", "messages"):
        export(out, form, ids=[trace.id for trace in traces], store=store)
        for trace, line in zip(traces, lines(out), strict=True):
            again = reader(form)(line.encode()).meta or {}
            assert {k: v for k, v in again.items() if k != "imported"} == trace.meta
