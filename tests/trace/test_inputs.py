import gzip
import json
from pathlib import Path

import duckdb
import pytest

from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.trace.inputs import files_of, records

ROWS = [
    {"question": "2 + 2?", "answer": "2 + 2 = 4.\n#### 4"},
    {"question": "07?", "answer": "It's “7”, naïve.\n#### 07"},
]


def read(path: Path) -> list[dict]:
    return [json.loads(record) for _, record in records(path)]


def write(path: Path) -> Path:
    lines = "".join(json.dumps(row) + "\n" for row in ROWS)
    kind = path.name.partition(".")[2]
    if kind == "json":
        path.write_text(json.dumps(ROWS, indent=1))
    elif kind == "jsonl.gz":
        path.write_bytes(gzip.compress(lines.encode()))
    elif kind in ("parquet", "csv"):
        path.with_suffix(".jsonl").write_text(lines)
        source = f"read_json('{path.with_suffix('.jsonl')}')"
        duckdb.sql(f"COPY (FROM {source}) TO '{path}' (FORMAT {kind})")
    elif kind == "arrow":
        arrow = pytest.importorskip("pyarrow")
        table = arrow.Table.from_pylist(ROWS)
        with arrow.OSFile(str(path), "wb") as file, arrow.ipc.new_stream(file, table.schema) as out:
            out.write_table(table)
    else:
        path.write_text("\ufeff" + lines.replace("\n", "\r\n\n"), newline="")
    return path


@pytest.mark.parametrize("kind", ["jsonl", "jsonl.gz", "json", "parquet", "csv", "arrow"])
def test_every_kind_of_file_gives_the_same_records(kind: str, tmp_path: Path) -> None:
    assert read(write(tmp_path / f"a[1]*.{kind}")) == ROWS


def test_records_of_json_lines_have_the_numbers_of_their_lines(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('\n{"a": 1}\n\n{"a": 2}')
    assert [number for number, _ in records(tmp_path / "x.jsonl")] == [2, 4]


def test_csv_keeps_text_as_it_stands_and_reads_lists(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text('id,answer,messages\n007,1.50,"[{""role"": ""user""}]"\n')
    expected = {"id": "007", "answer": "1.50", "messages": [{"role": "user"}]}
    assert read(tmp_path / "x.csv") == [expected]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("x.jsonl", b"", "holds no records, expected JSON lines"),
        ("x.jsonl", b" \n\n", "holds no records, expected JSON lines"),
        ("x.json", b'[{"a": 1}', "is no JSON array: "),
        (
            "x.jsonl.gz",
            gzip.compress(b'{"a": 1}\n' * 99, mtime=0)[:-9],
            "gzip data is cut off or damaged",
        ),
        ("x.csv", b"a,b\n1\n", ":2: expected 2 columns"),
        ("x.csv", b"a,b\n1,2,3\n", ":2: expected 2 columns"),
        ("x.csv", b'a,b\n1,"2\n', "unexpected end of data"),
        ("x.parquet", b"PAR1", "cannot be read: "),
    ],
)
def test_damaged_files_are_named(name: str, content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"^{tmp_path / name}:") as error:
        read(tmp_path / name)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none.jsonl: cannot be read: No such file"):
        read(tmp_path / "none.jsonl")


def test_a_dataset_folder_gives_its_training_files(tmp_path: Path) -> None:
    names = ["data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet", "README.md"]
    for name in [*names, "dataset_info.json", "train/x.jsonl"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [path.relative_to(tmp_path).as_posix() for path in files_of(tmp_path)]
    assert found == ["data/train-00000-of-00001.parquet", "train/x.jsonl"]
    assert [path.name for path in files_of(tmp_path, "test")] == ["test-00000-of-00001.parquet"]
    with pytest.raises(InputError, match="has no split validation, only test, train"):
        files_of(tmp_path, "validation")


def test_a_folder_without_splits_gives_all_its_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no data files"):
        files_of(tmp_path)
    (tmp_path / "constraint.jsonl").touch()
    (tmp_path / "more.csv").touch()
    assert [path.name for path in files_of(tmp_path)] == ["constraint.jsonl", "more.csv"]
    assert files_of(tmp_path / "more.csv") == [tmp_path / "more.csv"]


def test_hidden_files_and_folders_are_no_data(tmp_path: Path) -> None:
    for name in (".held.json", ".cache/x.jsonl", "data/x.jsonl", "y.csv"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("{}\n")
    found = files_of(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["data/x.jsonl", "y.csv"]


def test_a_folder_with_too_many_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tunix_rt_nb.trace.inputs._MOST_FILES", 2)
    for n in range(3):
        (tmp_path / f"{n}.jsonl").touch()
    with pytest.raises(InputError, match="has over 2 files, name the files to read"):
        files_of(tmp_path)
