import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from tests.conftest import NOW, some
from tests.helpers import odd
from tunix_rt_nb import tasks
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.dataset.exporter import export
from tunix_rt_nb.store.store import TraceStore
from tunix_rt_nb.trace.chat import Said
from tunix_rt_nb.trace.formats import EXPORTS, FORMATS, reader, reads_back
from tunix_rt_nb.trace.trace import Trace

STEP = {"i": 0, "type": "a", "content": "one"}


def convert(form: str, record: Any) -> Trace:
    return reader(form)(json.dumps(record).encode())


def steps(trace: Trace) -> list[str]:
    return [step.content for step in trace.steps]


def test_a_record_of_the_tracing_service_is_put_in_order() -> None:
    payload = {
        "trace_version": "1.0",
        "prompt": "p",
        "steps": [
            {"i": 9, "type": "b", "content": "three"},
            {"i": 2, "type": "a", "content": "one"},
            {"i": 4, "type": "a", "content": "two"},
        ],
        "final_answer": "f",
        "meta": {"source": "web"},
    }
    trace = convert("reference", payload)
    assert steps(trace) == ["one", "two", "three"]
    assert [step.i for step in trace.steps] == [0, 1, 2]
    assert trace.meta == {"source": "web"}
    stored = convert("reference", {"id": "7", "created_at": "then", "payload": payload})
    assert steps(stored) == steps(trace)
    assert stored.meta == {"source": "web", "imported": {"id": "7", "created_at": "then"}}


@pytest.mark.parametrize("found", [["one", "two"], [STEP, {**STEP, "i": 5, "content": "two"}]])
def test_an_export_of_the_tracing_service_has_texts_or_steps(found: list) -> None:
    record = {
        "id": "7",
        "prompts": "p",
        "trace_steps": found,
        "final_answer": "f",
        "metadata": {"created_at": "then"},
    }
    trace = convert("reference", record)
    assert (trace.prompt, steps(trace), trace.final_answer) == ("p", ["one", "two"], "f")
    assert trace.meta == {"created_at": "then", "imported": {"id": "7"}}


SFT = {
    "prompts": "<start_of_turn>user\np<end_of_turn>\n<start_of_turn>model\nAnswer: f<end_of_turn>",
    "final_answer": "f",
}
SAID = [
    "<think>1. one\n\n2. two</think>f",
    "<think>\none\ntwo\n</think>\n\nf\n",
    "one\ntwo</think>f",  # a chat template has opened the tag
    "<reasoning>\n1. one\n2. two\n</reasoning>\n<answer>f</answer>",
    "<think>one\ntwo</think><answer>f</answer>",
    "Reasoning:\n1. one\n2. two\nAnswer: f",
    "one\ntwo\n#### f",
]


@pytest.mark.parametrize("said", SAID)
def test_reasoning_becomes_a_step_a_line(said: str) -> None:
    turns = [{"role": "user", "content": "p"}, {"role": "assistant", "content": said}]
    for trace in (
        convert("messages", {"messages": turns}),
        convert("tagged", {"problem": "p", "completion": said}),
    ):
        assert (trace.prompt, steps(trace), trace.final_answer) == ("p", ["one", "two"], "f")
        assert trace.meta is None


def test_a_gsm8k_problem_is_read_as_it_is_published() -> None:
    answer = (
        "Natalia sold 48/2 = <<48/2=24>>24 clips in May.\n"
        "Natalia sold 48+24 = <<48+24=72>>72 clips altogether.\n#### 72"
    )
    trace = convert("gsm8k", {"question": "How many clips?", "answer": answer})
    assert steps(trace) == [
        "Natalia sold 48/2 = 24 clips in May.",
        "Natalia sold 48+24 = 72 clips altogether.",
    ]
    assert trace.final_answer == "72"


def test_an_instruction_keeps_what_it_is_about() -> None:
    record = {"instruction": "Add.", "input": "2 and 2", "output": SAID[0], "source": [1]}
    trace = convert("tagged", record)
    assert trace.prompt == "Add.\n\n2 and 2"
    assert trace.meta == {"imported": {"source": [1]}}


@pytest.mark.parametrize(
    ("form", "record", "says"),
    [
        ("reference", {"steps": [STEP], "final_answer": "f"}, "prompt: Field required"),
        ("reference", {"prompt": "p", "final_answer": "f"}, "steps: Field required"),
        ("reference", {"prompt": "p", "steps": [STEP]}, "final_answer: Field required"),
        ("reference", {"prompt": "p", "steps": [STEP] * 2}, "steps.1.i: 0 is there twice"),
        ("reference", {"prompt": "p", "steps": [{"i": "0"}]}, "steps.0.i: expected int, got str"),
        ("reference", {"prompt": "p", "steps": ["a", STEP]}, "steps.0.i: Field required"),
        ("reference", {"prompts": "p", "trace_steps": 5}, "trace_steps: expected list, got int"),
        ("reference", {"prompt": "p", "steps": [], "final_answer": "f"}, "steps: expected array"),
        (
            "reference",
            {"prompt": "p", "steps": [STEP], "final_answer": "f", "meta": 5},
            "meta: expected dict, got int",
        ),
        ("messages", {}, "messages: Field required"),
        ("messages", {"messages": []}, "messages: expected one user and one assistant turn"),
        ("messages", {"messages": [1, 2]}, "messages: expected one user and one assistant turn"),
        (
            "messages",
            {"messages": [{"role": "user", "content": "p"}] * 2},
            "messages: expected one user and one assistant turn, found user, user",
        ),
        (
            "messages",
            {"messages": [{"role": "user", "content": "p"}, {"role": "assistant"}]},
            "messages.1.content: Field required",
        ),
        (
            "messages",
            {
                "messages": [
                    {"role": "user", "content": "p"},
                    {"role": "assistant", "content": "just 4"},
                ]
            },
            "messages.1.content: has no answer, expected <think>",
        ),
        ("gsm8k", {"question": "q", "answer": "no mark"}, "answer: has no final answer, expected"),
        ("gsm8k", {"question": "q", "answer": "#### 4"}, "answer: has no reasoning"),
        ("gsm8k", {"answer": "a\n#### 4"}, "question: Field required"),
        ("tagged", {"response": SAID[0]}, "prompt: Field required, as one of: prompt, question"),
        ("tagged", {"prompt": "p"}, "response: Field required, as one of: response, answer"),
        ("tagged", {"prompt": "p", "output": "<think>a</think> "}, "output: has no answer"),
        ("tagged", {"prompt": "p", "output": "<think></think>4"}, "output: has no reasoning"),
        ("tagged", {"prompt": "p", "output": 5}, "output: expected str, got int"),
        ("tagged", {"prompt": "p", "output": SAID[0], "x": 1 << 64}, "meta.imported.x: is an int"),
        ("tagged", [], "trace: expected object, got array"),
        ("tunix_sft", {"prompts": "p"}, "final_answer: Field required"),
        ("tunix_sft", {"final_answer": "p"}, "prompts: Field required"),
        ("tunix_sft", {**SFT, "prompts": "p"}, "prompts: does not begin with '<start_of_turn>us"),
        ("tunix_sft", {**SFT, "final_answer": "g"}, "prompts: does not end with 'Answer: g<end_of"),
        ("tunix_sft", SFT, "steps: expected array of length >= 1"),
    ],
)
def test_what_is_missing_is_named(form: str, record: Any, says: str) -> None:
    with pytest.raises(InputError) as error:
        convert(form, record)
    assert str(error.value).startswith(says)


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(InputError, match="form: unknown 'message', did you mean messages?"):
        reader("message")


def there_and_back(folder: Path, form: str, traces: list[Trace]) -> dict[str, Trace]:
    """What an import makes of the export of some traces, by the ids of these."""
    folder.mkdir()
    store, path = TraceStore(folder / "traces"), folder / "x.jsonl"
    store.add(traces, NOW)
    export(path, form, ids=[trace.id for trace in traces], store=store)
    found = map(reader(reads_back(form)), path.read_bytes().splitlines())
    return {(trace.meta or {})["imported"]["id"]: trace for trace in found}


@pytest.mark.parametrize("form", EXPORTS)
def test_an_export_reads_back_as_the_traces_it_is_of(form: str, tmp_path: Path) -> None:
    drawn = [trace for name in tasks.TASKS for trace in some(name, 3, seed=1, mistakes=0.5)]
    found = there_and_back(tmp_path / "x", form, drawn)
    assert len(found) == len(drawn)
    for trace in drawn:
        assert Said.of(found[trace.id]) == Said.of(trace)
        facts = (found[trace.id].meta or {}).pop("imported")
        assert {"id": trace.id, "created_at": NOW, "trace_version": "1.0"}.items() <= facts.items()
        assert found[trace.id].meta == trace.meta
        assert tasks.problems(found[trace.id]) == []


def test_every_form_of_an_export_can_be_read() -> None:
    assert {"tunix_sft", "trace", "training_example", "messages"} == EXPORTS.keys()
    assert {reads_back(name) for name in EXPORTS} <= FORMATS.keys()


@settings(max_examples=15)
@given(st.lists(odd.traces(odd.texts()), min_size=1, max_size=9, unique_by=lambda t: t.id))
def test_whatever_a_trace_says_its_export_says_it(
    tmp_path_factory: pytest.TempPathFactory, traces: list[Trace]
) -> None:
    for form in ("trace", "training_example", "messages"):
        found = there_and_back(tmp_path_factory.mktemp("x") / form, form, traces)
        assert {id: Said.of(trace) for id, trace in found.items()} == {
            trace.id: Said.of(trace) for trace in traces
        }


@pytest.mark.parametrize("form", EXPORTS)
def test_an_export_of_an_import_keeps_where_that_came_from(form: str, tmp_path: Path) -> None:
    first = Trace.of("2 + 2?", [("s", "2 + 2 = 4.")], "4", {"id": 1, "imported": {"id": "q7"}})
    [once] = there_and_back(tmp_path / "x", form, [first]).values()
    assert (once.meta or {})["id"] == 1
    assert (once.meta or {})["imported"]["imported"] == {"id": "q7"}


def test_a_step_of_several_lines_stays_one_where_an_export_wrote_it() -> None:
    said = "Reasoning:\n1. Two are prime:\n\\2. and\n3.\n2. 2\nAnswer: 2"
    trace = convert("tagged", {"prompt": "p", "response": said})
    assert steps(trace) == ["Two are prime:\n2. and\n3.", "2"]


def test_metadata_that_others_wrote_is_not_taken_for_ours() -> None:
    record = {"prompt": "p", "response": SAID[0], "metadata": {"task": "arithmetic"}}
    assert convert("tagged", record).meta == {"imported": {"metadata": {"task": "arithmetic"}}}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)
STEP_NAMES = ["i", "type", "content", "role"]
PAYLOAD_NAMES = ["payload", "prompt", "steps", "final_answer", "meta", "trace_version"]
OTHER_NAMES = ["prompts", "trace_steps", "metadata", "messages", "question", "answer", "input"]
names = st.sampled_from([*STEP_NAMES, *PAYLOAD_NAMES, *OTHER_NAMES])
parts = json_values | st.lists(st.dictionaries(names, json_values | st.sampled_from(SAID)))


@settings(max_examples=100)
@given(record=st.dictionaries(names, parts, max_size=5), form=st.sampled_from(list(FORMATS)))
def test_any_record_is_a_trace_or_a_bad_line(record: dict, form: str) -> None:
    try:
        trace = convert(form, record)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert reader("trace")(json.dumps(trace.model_dump()).encode()) == trace


def test_hostile_text_takes_no_long_time() -> None:
    for said in ("\n" * 900_000, "<think>" * 100_000, "</think>" * 100_000, "<<" * 400_000):
        for form in ("tagged", "gsm8k"):
            with pytest.raises(InputError):
                convert(form, {"question": "p", "answer": said})
