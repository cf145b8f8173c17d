import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

import tunix_rt_nb.train
from tests.conftest import NOW
from tests.helpers import odd
from tunix_rt_nb import tasks
from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.dataset.exporter import FORMS, export
from tunix_rt_nb.store.store import TraceStore
from tunix_rt_nb.trace.formats import export_of
from tunix_rt_nb.trace.response import respond
from tunix_rt_nb.trace.trace import Trace
from tunix_rt_nb.train.smoke import Smoked, smoke

# Tunix 0.1.7 uses names that JAX 0.10 and Flax 0.12 have deprecated
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

Fields = dict[str, Any]


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the training libraries are not installed."""
    monkeypatch.setitem(__import__("sys").modules, "tunix_rt_nb.train.sft", None)
    monkeypatch.delattr(tunix_rt_nb.train, "sft", raising=False)


def write(folder: Path, form: str, traces: list[Trace]) -> Path:
    store = TraceStore(folder / "traces")
    store.add(traces, NOW)
    export(folder / "x.jsonl", form, ids=[trace.id for trace in traces], store=store)
    return folder / "x.jsonl"


def marks(found: Smoked) -> dict[str, bool | None]:
    return {check.name: check.right for check in found.checks}


def test_records_are_tokenised_and_trained_on(tmp_path: Path) -> None:
    path = write(tmp_path, "tunix_sft", list(tasks.draw("arithmetic", 30, seed=0)))
    found = smoke(path, samples=5)
    assert (found.form, found.records, found.wrong, found.right) == ("tunix_sft", 30, [], True)
    names = ["records", "template", "masks", "arrays", "training"]
    assert [(check.name, check.right) for check in found.checks] == [(n, True) for n in names]
    assert found.checks[2].told.startswith("5 samples, ")
    training = found.checks[-1].told
    first, second = map(float, training.rpartition("loss ")[2].split(", "))
    assert 3 < first < 9
    assert 3 < second < 9


@pytest.mark.usefixtures("no_training")
def test_without_the_training_libraries_it_says_what_to_install(tmp_path: Path) -> None:
    found = smoke(write(tmp_path, "tunix_sft", list(tasks.draw("arithmetic", 9, seed=0))))
    assert found.right
    assert marks(found)["training"] is None
    assert found.checks[-1].told.endswith("is missing: pip install -e '.[train]'")


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("form", FORMS)
def test_every_exported_form_is_known(form: str, tmp_path: Path) -> None:
    found = smoke(write(tmp_path, form, list(tasks.draw("high_card_duel", 9, seed=0))), samples=3)
    assert found.form == form
    assert found.right
    assert found.records == 9
    assert found.checks[-2].told.startswith("tokens, segments, positions and trained are [")


@pytest.mark.usefixtures("no_training")
@settings(max_examples=15)
@given(st.lists(odd.traces(odd.texts()), min_size=1, max_size=9, unique_by=lambda t: t.id))
def test_whatever_a_trace_holds_its_export_passes(
    tmp_path_factory: pytest.TempPathFactory, traces: list[Trace]
) -> None:
    for form in FORMS:
        found = smoke(write(tmp_path_factory.mktemp("x"), form, traces))
        assert found.wrong == []
        assert found.right


GOOD: Fields = {"id": "1", "prompt": "2 + 2?", "response": "Answer: 4", "metadata": {}}
TEXT = (
    "<start_of_turn>user\n2 + 2?<end_of_turn>\n<start_of_turn>model\n"
    "Reasoning:\n1. 2 + 2 = 4.\nAnswer: 4<end_of_turn>"
)
SFT: Fields = {"id": "1", "prompts": TEXT, "final_answer": "4", "metadata": {}}
TURNS = [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"}]
CHAT: Fields = {"id": "1", "messages": TURNS, "metadata": {}}
PARTS: Fields = {**SFT, "prompts": "2 + 2?", "trace_steps": ["2 + 2 = 4."]}


def edited(old: str, new: str) -> Fields:
    assert old in TEXT
    return {"prompts": TEXT.replace(old, new)}


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("good", "change", "says"),
    [
        (GOOD, {"id": 1}, "id: expected str, got int"),
        (GOOD, {"id": ""}, "id: expected str of length >= 1"),
        (GOOD, {"prompt": ""}, "prompt: expected str of length >= 1"),
        (GOOD, {"response": None}, "response: expected str, got null"),
        (GOOD, {"metadata": []}, "metadata: expected object, got array"),
        (GOOD, {"metadata": ...}, "metadata: Field required"),
        (SFT, edited("<start_of_turn>user\n", ""), "prompts: does not begin with '<start_of_turn>"),
        (SFT, edited("Answer: 4", "Answer: 5"), "prompts: does not end with 'Answer: 4<end_of_"),
        (SFT, edited("4<end_of_turn>", "4"), "prompts: does not end with 'Answer: 4<end_of_turn>'"),
        (
            SFT,
            edited("<start_of_turn>model\n", ""),
            "prompts: the response has no steps, expected it",
        ),
        (SFT, edited("1. 2 + 2 = 4.\n", ""), "prompts: the response has no steps, expected it"),
        (SFT, edited("4.\nA", "4. A"), "prompts: the response has no steps, expected it"),
        (
            CHAT,
            {"messages": TURNS[:1]},
            "messages: expected an optional system message, then user and",
        ),
        (CHAT, {"messages": TURNS[::-1]}, "the assistant last; found assistant, user"),
        (CHAT, {"messages": [{"role": "user"}]}, "messages.0.content: Field required"),
        (PARTS, {"trace_steps": ["a", 5]}, "trace_steps.1: expected str, got int"),
    ],
)
def test_a_bad_record_is_one_line(tmp_path: Path, good: Fields, change: Fields, says: str) -> None:
    bad = {k: v for k, v in {**good, "id": "2", **change}.items() if v is not ...}
    path = tmp_path / "x.jsonl"
    files.write_lines(path, [good, bad, {**good, "id": "3"}])
    found = smoke(path)
    assert not found.right
    assert marks(found)["records"] is False
    [line] = found.wrong
    assert line.startswith(f"{path}:2: ")
    assert says in line
    assert found.checks[0].told == "1 of 3 lines are bad"


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"[]", "expected an object such as "),
        (b'{"id": "2', "not a JSON object: "),
        (b'{"id": "\xff"}', "not a JSON object: it is not UTF-8"),
        (b"{}", "Field required"),
        (json.dumps(GOOD).encode(), "id: 1 appears a second time"),
        (json.dumps({**GOOD, "id": "\x1b[31m\n", "metadata": 1}).encode(), "metadata: expected"),
        (json.dumps({**GOOD, "id": "x" * (9 << 20)}).encode(), "record: may take 1 MiB"),
    ],
)
def test_what_is_no_record_is_one_line(tmp_path: Path, line: bytes, says: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(json.dumps(GOOD).encode() + b"\n" + line + b"\n")
    [told] = smoke(path).wrong
    assert told.startswith(f"{path}:2: ")
    assert says in told
    assert told.isprintable()


def test_of_many_bad_lines_the_first_are_told(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("no\n" * 50)
    found = smoke(path)
    assert len(found.wrong) == 21
    assert found.wrong[-1] == "and 30 more bad lines"
    assert marks(found) == {"records": False}


def test_a_file_that_is_empty_or_missing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").touch()
    with pytest.raises(InputError, match=r"x\.jsonl: holds no records"):
        smoke(tmp_path / "x.jsonl")
    with pytest.raises(InputError, match=r"y\.jsonl: cannot be read: No such file"):
        smoke(tmp_path / "y.jsonl")
    with pytest.raises(InputError, match="is a folder, a pipe or a device, expected a file"):
        smoke(tmp_path)


@pytest.mark.usefixtures("no_training")
def test_records_of_any_format_are_checked_as_an_import_reads_them(tmp_path: Path) -> None:
    lines = [{"question": f"What is {n} + 2?", "answer": f"We add. #### {n + 2}"} for n in range(3)]
    files.write_lines(tmp_path / "x.jsonl", lines)
    found = smoke(tmp_path / "x.jsonl")
    assert (found.form, found.records, found.right) == ("gsm8k", 3, True)
    files.write_lines(tmp_path / "x.jsonl", [*lines, {"question": "q"}])
    [told] = smoke(tmp_path / "x.jsonl").wrong
    assert told.endswith("x.jsonl:4: answer: Field required")


@pytest.mark.usefixtures("no_training")
def test_a_trace_without_steps_has_no_reasoning(tmp_path: Path) -> None:
    bare = TEXT.replace("Reasoning:\n1. 2 + 2 = 4.\n", "")
    files.write_lines(tmp_path / "x.jsonl", [{**SFT, "prompts": bare}])
    assert smoke(tmp_path / "x.jsonl").right


@pytest.mark.usefixtures("no_training")
def test_markers_inside_a_text_are_counted(tmp_path: Path) -> None:
    trace = Trace.of("What is <end_of_turn>?", [("say", "A marker.")], "a marker")
    found = smoke(write(tmp_path, "tunix_sft", [trace]))
    assert found.right
    assert marks(found)["markers"] is None
    assert "1 records have a control token inside their text" in found.checks[2].told


@pytest.mark.usefixtures("no_training")
def test_what_no_sample_fits_into_is_wrong(tmp_path: Path) -> None:
    def words(k: int) -> str:
        return " ".join(str(k * n) for n in range(1_500))

    long = [{**GOOD, "id": str(k), "response": words(k)} for k in range(1, 4)]
    files.write_lines(tmp_path / "x.jsonl", [*long, {**GOOD, "id": "0"}])
    found = smoke(tmp_path / "x.jsonl")
    assert found.right
    assert "3 samples have over 2,048 tokens" in found.checks[-2].told
    files.write_lines(tmp_path / "x.jsonl", long)
    found = smoke(tmp_path / "x.jsonl")
    assert not found.right
    assert found.checks[-1].told == "all samples have over 2,048 tokens"


def test_the_form_is_told_by_the_fields() -> None:
    forms = [("training_example", GOOD), ("tunix_sft", SFT), ("messages", CHAT), ("trace", PARTS)]
    assert [export_of(fields) for _, fields in forms] == [form for form, _ in forms]
    assert {form for form, _ in forms} == set(FORMS)
    with pytest.raises(InputError, match="response: Field required, the nearest format is train"):
        export_of({"id": "1", "prompt": "p", "metadata": {}})


def test_the_response_of_an_export_is_the_one_that_is_trained_on() -> None:
    trace = Trace.of("2 + 2?", [("compute", "2 + 2 = 4.")], "4")
    assert TEXT.endswith(respond(trace) + "<end_of_turn>")
