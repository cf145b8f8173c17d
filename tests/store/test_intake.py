"""Files of one's own: what an import says of them, and of lines that it cannot read."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NOW
from tunix_rt_nb.common import InputError
from tunix_rt_nb.store import TraceStore
from tunix_rt_nb.trace import formats

GOOD = {"question": "2 + 2?", "answer": "4"}
SKIP = "--skip-bad (in a notebook: SKIP_BAD) leaves bad lines out"


def write(path: Path, *records: Any) -> Path:
    lines = (record if isinstance(record, str) else json.dumps(record) for record in records)
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def imported(path: Path, form: str = "auto", **how: Any) -> list[str]:
    """The lines that an import reports."""
    told: list[str] = []
    TraceStore(path.parent / "traces").import_files([path], NOW, form, report=told.append, **how)
    return told


def refused(path: Path, form: str = "auto", **how: Any) -> list[str]:
    """The lines of the message that refuses an import, without the name of the file."""
    with pytest.raises(InputError) as error:
        imported(path, form, **how)
    return [line.removeprefix(f"{path}:") for line in str(error.value).split("\n")]


@pytest.mark.parametrize("skip_bad", [False, True])
@pytest.mark.parametrize(
    ("form", "names", "says"),
    [
        (
            "auto",
            {"prompt": "frag", "answer": "antwort"},
            "map: prompt: unknown column 'frag', did you mean frage? the columns are frage, antwort",
        ),
        (
            "auto",
            {"prompt": "frage", "answer": "x.y"},
            "map: answer: unknown column 'x.y', the col",
        ),
        ("auto", {}, "no known format: its columns are frage, antwort; expected one of messages, "),
        ("messages", {}, "messages: Field required; the columns are frage, antwort"),
        ("auto", {"prompt": "frage"}, "response: Field required, expected one of: response, "),
    ],
)
def test_what_is_wrong_with_all_lines_is_told_once(
    tmp_path: Path, form: str, names: dict[str, str], says: str, skip_bad: bool
) -> None:
    rows = [{"frage": f"{n}?", "antwort": n} for n in range(50)]
    [told] = refused(write(tmp_path / "x.jsonl", *rows), form, names=names, skip_bad=skip_bad)
    assert told.startswith(f" {says}")
    assert "frage, antwort" in told and "--skip-bad" not in told


def test_it_is_told_before_anyone_reads_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunix_rt_nb.store.intake._BLOCK", 1_000)
    lines = b"".join(json.dumps({"frage": f"{n}?"}).encode() + b"\n" for n in range(20_000))
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(gzip.compress(lines)[:-9])  # the end is damaged, but nobody comes there
    [told] = refused(path)
    assert told.startswith(" no known format: its columns are frage; ")


def test_names_that_are_nearly_known_and_many_columns_are_told(tmp_path: Path) -> None:
    [told] = refused(write(tmp_path / "x.jsonl", {"Qestion": "?", "ANSWER": "4"}))
    assert "its columns are Qestion, ANSWER (did you mean question, answer?); expected" in told
    assert told.endswith(", or --map prompt=FIELD,answer=FIELD")
    [told] = refused(write(tmp_path / "x.jsonl", {f"c{n}": "?" for n in range(40)}))
    assert "its columns are c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, …; expected" in told


def test_a_column_that_only_some_lines_have_is_one(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", {"frage": "1?"}, {"frage": "2?", "antwort": "2"})
    told = refused(path, names={"prompt": "frage", "answer": "antwort"})
    assert told == [f"1: antwort: Field required, because the mapping names it; {SKIP}"]


def test_a_line_of_no_known_shape_is_told_the_known_ones(tmp_path: Path) -> None:
    chat = {"messages": [{"role": "user", "content": "p"}, {"role": "assistant", "content": "4"}]}
    told = refused(write(tmp_path / "x.jsonl", chat, [1, 2], {"foo": 1, "bar": 2}, {"prompt": "p"}))
    assert told[
        0
    ] == '2: expected an object such as {"question": "2 + 2?", "answer": "4"}, found' + (" a list")
    assert told[1] == (
        f"3: no known format: its keys are foo, bar; expected one of {formats.SHAPES},"
        " or --map prompt=FIELD,answer=FIELD"
    )
    assert told[2] == "4: messages: Field required"


@pytest.mark.parametrize("shape", formats.SHAPES.split(", "))
def test_each_shape_that_is_told_is_known(shape: str) -> None:
    assert formats.recognise(dict.fromkeys(shape.split("/"), "x")).name


@pytest.mark.parametrize("bad", [1, 3, 30])
def test_the_way_to_leave_bad_lines_out_is_told_once_at_the_end(tmp_path: Path, bad: int) -> None:
    told = refused(write(tmp_path / "x.jsonl", GOOD, *["nonsense"] * bad))
    assert told[-1].endswith(f"; {SKIP}")
    assert "\n".join(told).count("--skip-bad") == 1
    if bad > 1:
        count = "and 10 more bad lines" if bad > 20 else f"{bad} bad lines"
        assert told[-1] == f"{count}; nothing was imported; {SKIP}"


def test_it_is_not_told_where_it_would_not_help(tmp_path: Path) -> None:
    assert "--skip-bad" not in refused(write(tmp_path / "x.jsonl", "nonsense", "{"))[-1]
    assert "--skip-bad" not in refused(tmp_path / "none.jsonl")[-1]
    [told] = refused(write(tmp_path / "x.jsonl", "nonsense", "{"), skip_bad=True)
    assert told.startswith("1: not a JSON object: ")
    assert told.endswith("; no record of this file can be read, see --as and --map")


def test_all_lines_that_are_left_out_are_listed_in_a_file(tmp_path: Path) -> None:
    path, listed = write(tmp_path / "x.jsonl", GOOD, *["{"] * 23), tmp_path / "skipped.txt"
    told = imported(path, skip_bad=True, skipped=listed)
    assert told[0] == f"{path}: 1 question with answer (1 with an answer only), 23 lines skipped"
    assert told[-1] == f"skipped … and 3 more, all are in {listed}"
    lines = listed.read_text().splitlines()
    assert [f"skipped {line}" for line in lines[:20]] == told[1:-1]
    assert [line.startswith(f"{path}:{n}: ") for n, line in enumerate(lines, 2)] == [True] * 23
    imported(write(path, GOOD), skip_bad=True, skipped=listed)
    assert not listed.exists()


@pytest.mark.parametrize(
    ("records", "says"),
    [
        ([GOOD, "{"], "1 question with answer (1 with an answer only), 1 line skipped"),
        ([GOOD, {**GOOD, "question": "?"}], "2 questions with answers (2 with an answer only)"),
        ([{"question": "?", "answer": "a\n#### 4"}], "1 GSM8K problem"),
    ],
)
def test_one_is_told_in_the_singular(tmp_path: Path, records: list[Any], says: str) -> None:
    path = write(tmp_path / "x.jsonl", *records)
    assert imported(path, skip_bad=True)[0] == f"{path}: {says}"
