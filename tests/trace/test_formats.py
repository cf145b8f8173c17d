import contextlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from tests.conftest import NOW, some
from tests.helpers import growth, odd
from tunix_rt_nb import tasks
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.dataset.exporter import export
from tunix_rt_nb.store.store import TraceStore
from tunix_rt_nb.trace import response
from tunix_rt_nb.trace.chat import Said
from tunix_rt_nb.trace.formats import (
    EXPORTS,
    FORMATS,
    form_of,
    parts_of,
    reader,
    reads_back,
    recognise,
)
from tunix_rt_nb.trace.formats.one_text import STYLE
from tunix_rt_nb.trace.formats.record import THOUGHTS
from tunix_rt_nb.trace.trace import Earlier, Trace

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


def chat(*texts: str, **more: Any) -> dict[str, Any]:
    roles = ["user", "assistant"]
    return {"messages": [{"role": roles[n % 2], "content": t} for n, t in enumerate(texts)], **more}


@pytest.mark.parametrize(
    ("said", "steps_", "answer", "whole"),
    [
        ("<think>2+2=4.</think>\nAnswer: 4", ["2+2=4."], "4", True),
        ("<think>2+2=4.</think>\n**Answer:** 4", ["2+2=4."], "4", True),
        ("<think>2+2=4.</think>\nThe final answer is \\boxed{4}.", ["2+2=4."], "4", True),
        (
            "<think>a</think>\n**Solution**\nWe add.\n\n**Final Answer**\n\\boxed{4}",
            ["a"],
            "4",
            False,
        ),
        ("<think>a</think>x<think>b</think>4", ["a", "x", "b"], "4", True),
        ("<think>a</think> 4 <|im_end|>", ["a"], "4", True),
        ("<thinking>\na\n</thinking>\n4", ["a"], "4", True),
        ("<Thought>a</Thought>4", ["a"], "4", True),
        (
            "<|begin_of_thought|>\n\na\n\n<|end_of_thought|>\n\n<|begin_of_solution|>\n\n4\n\n<|end_of_solution|>",
            ["a"],
            "4",
            True,
        ),
        ("[THINK]a[/THINK]4", ["a"], "4", True),
        ("a\n</think>\n4", ["a"], "4", True),
        ("a<answer>4</answer>", ["a"], "4", True),
        ("2+2=4\nAnswer: 4\n\nI hope that helps.", ["2+2=4"], "4", False),
        ("2+2=4.\n\n**Final Answer:** 4", ["2+2=4."], "4", True),
        ("2+2=4.\nThe answer is: 4", ["2+2=4."], "4", True),
        ("We add 2+2=4.\nSo $\\boxed{4}$.", ["We add 2+2=4.", "So $\\boxed{4}$."], "4", True),
        (
            "There are 50 +\n12. That makes 62.\n#### 62",
            ["There are 50 +", "12. That makes 62."],
            "62",
            True,
        ),
        (
            "<think>1990. The year.\nSo it is 1990.</think>1990",
            ["1990. The year.", "So it is 1990."],
            "1990",
            True,
        ),
        (
            "<think>```python\nfor i in x:\n\n    s += i\n```\nDone.</think>7",
            ["```python\nfor i in x:\n\n    s += i\n```", "Done."],
            "7",
            True,
        ),
        (
            "<think>    s += i\n  1. x\n  1. y</think>7",
            ["    s += i", "  1. x", "  1. y"],
            "7",
            True,
        ),
        ("<think>Plan:\n1) x\n2) y</think>7", ["Plan:", "x", "y"], "7", True),
        ("<think>```\nopen\n\n  code</think>7", ["```", "open", "  code"], "7", True),
        ("Paris is the capital.\nIt is large.", [], "Paris is the capital.\nIt is large.", True),
        ("<think></think>Paris", [], "Paris", True),
        (
            "The answer is blowing in the wind.\n\na\nb\nc\nd\ne",
            [],
            "The answer is blowing in the wind.\n\na\nb\nc\nd\ne",
            True,
        ),
    ],
)
def test_no_word_of_a_response_is_lost(
    said: str, steps_: list[str], answer: str, whole: bool
) -> None:
    trace = convert("messages", chat("p", said))
    assert (steps(trace), trace.final_answer) == (steps_, answer)
    assert trace.meta == (None if whole else {"response": said})
    assert convert("auto", {"problem": "p", "completion": said}) == trace


@pytest.mark.parametrize(
    "said", ["<think>2+2=4. The answer is 4", "a\n<reasoning>\n1. b", "[THINK]"]
)
def test_reasoning_that_never_ends_has_no_answer(said: str) -> None:
    tag = re.search(r"[<\[]\w+[>\]]", said)[0]  # type: ignore[index]
    for record in (chat("p", said), {"problem": "p", "completion": said}):
        with pytest.raises(
            InputError, match=re.escape(f"begins with {tag} and never ends: no ans")
        ):
            convert("auto", record)


def test_reasoning_that_never_ends_may_have_its_answer_elsewhere() -> None:
    trace = convert("auto", {"problem": "p", "completion": "<think>one\ntwo", "final_answer": "4"})
    assert (steps(trace), trace.final_answer) == (["one", "two"], "4")


@pytest.mark.parametrize("field", THOUGHTS)
def test_reasoning_may_have_a_field_of_its_own_in_records_and_in_messages(field: str) -> None:
    said = {"role": "assistant", "content": "4", field: "a"}
    for record in ({"messages": [USER, said]}, {"question": "q", "answer": "4", field: "a"}):
        trace = convert("auto", record)
        assert (trace.prompt, steps(trace), trace.final_answer) == ("q", ["a"], "4")


THOUGHT = {"role": "assistant", "content": "4"}
USER = {"role": "user", "content": "q"}


@pytest.mark.parametrize(
    "record",
    [
        {"messages": [USER, {**THOUGHT, "reasoning_content": "a"}]},
        {"messages": [USER, {**THOUGHT, "thinking": "a"}]},
        {"messages": [USER, {**THOUGHT, "reasoning": "a"}]},
        {
            "messages": [
                USER,
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "a"},
                        {"type": "text", "text": "4"},
                    ],
                },
            ]
        },
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "q"}]},
                {"role": "model", "content": "<think>a</think>4"},
            ]
        },
        {
            "messages": [
                {"role": "system", "content": " "},
                USER,
                {"role": "assistant", "content": "<think>a</think>4"},
            ]
        },
        {
            "conversations": [
                {"from": "human", "value": "q"},
                {"from": "gpt", "value": "<think>a</think>4"},
            ]
        },
        {"prompt": [USER], "completion": [{**THOUGHT, "reasoning_content": "a"}]},
        {"prompt": "q", "completion": "<think>a</think>4"},
        {"instruction": "q", "input": "", "output": "<think>a</think>4"},
        {"instruction": "q", "input": "", "reasoning": "a", "output": "4"},
        {"problem": "q", "solution": "a", "answer": "4"},
        {"problem": "q", "answer": 4, "generations": ["<think>a</think>\\boxed{4}", "no"]},
        {"query": "q", "response": "a\nThe answer is: 4"},
        {"question": "q", "answer": "a\n#### 4"},
        {"question": "q", "rationale": "a", "answer": "4"},
        {"prompt": "q", "steps": ["a"], "final_answer": "4"},
    ],
)
def test_usual_shapes_are_recognised(record: dict[str, Any]) -> None:
    trace = convert("auto", record)
    assert (trace.prompt, steps(trace), trace.final_answer) == ("q", ["a"], "4")
    assert trace.meta is None


def test_a_question_with_its_answer_only_has_no_steps() -> None:
    for record in ({"question": "q", "answer": "4"}, {"prompt": "q", "final_answer": 4}):
        trace = convert("auto", record)
        assert (trace.prompt, steps(trace), trace.final_answer) == ("q", [], "4")


def test_the_turns_before_the_last_prompt_are_kept_apart() -> None:
    told = {"role": "developer", "content": "Be brief."}
    turns = chat("q", "<think>a</think>4", "r", "<think>b</think>5")["messages"]
    trace = convert("auto", {"messages": [told, *turns], "source": "web"})
    assert (trace.prompt, steps(trace), trace.final_answer) == ("r", ["b"], "5")
    assert trace.earlier == Earlier("Be brief.", (("q", "<think>a</think>4"),))
    assert (trace.meta or {})["imported"] == {"source": "web"}
    assert convert("auto", {**chat("q", "4"), "system": "s"}).earlier == Earlier("s")


def test_fields_of_other_names_are_mapped() -> None:
    read = reader("auto", parts_of("prompt=frage,answer=meta.final"))
    trace = read(b'{"frage": "q", "meta": {"final": 4}, "rationale": "a"}')
    assert (trace.prompt, steps(trace), trace.final_answer) == ("q", ["a"], "4")
    with pytest.raises(InputError, match="frage: Field required, because the mapping"):
        read(b'{"question": "q"}')
    for bad in ("frage", "frage=", "promt=frage"):
        with pytest.raises(InputError, match="^map: "):
            parts_of(bad)


@pytest.mark.parametrize("record", [{}, {"text": "once upon a time"}, {"a": 1, "b": 2}])
def test_a_record_of_no_known_format_is_told_what_to_do(record: dict[str, Any]) -> None:
    with pytest.raises(
        InputError, match="^no known format: its keys are .*; expected one of messages"
    ):
        convert("auto", record)


def test_the_format_of_lines_is_that_of_the_first_that_has_one() -> None:
    assert form_of([b"broken", b'{"x": 1}', b'{"question": "q", "answer": "a"}']) == "tagged"
    assert form_of([b"broken"]) == "auto"
    assert recognise(SFT).name == "tunix_sft"


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
        ("reference", {"prompt": "p", "steps": [STEP] * 2}, "steps.1.i: 0 occurs twice"),
        ("reference", {"prompt": "p", "steps": [{"i": "0"}]}, "steps.0.i: expected int, got str"),
        ("reference", {"prompt": "p", "steps": ["a", STEP]}, "steps.0.i: Field required"),
        ("reference", {"prompts": "p", "trace_steps": 5}, "trace_steps: expected list, got int"),
        (
            "reference",
            {"prompt": "p", "steps": [STEP], "final_answer": "f", "meta": 5},
            "meta: expected dict, got int",
        ),
        ("messages", {}, "messages: Field required"),
        ("messages", {"messages": []}, "messages: expected an optional system message, then user"),
        ("messages", {"messages": [1, 2]}, "messages.0: expected dict, got int"),
        (
            "messages",
            {"messages": [{"role": "user", "content": "p"}] * 2},
            "messages: expected an optional system message, then user and assistant in turn, the"
            " assistant last; found user, user",
        ),
        (
            "messages",
            {"messages": [{"role": "tool", "content": "p"}]},
            "messages: expected an optional system message, then user and assistant in turn, the"
            " assistant last; found tool",
        ),
        (
            "messages",
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages.0.content.0: expected a part of type text, found image_url",
        ),
        (
            "messages",
            {"messages": [{"role": "user", "content": "p"}, {"role": "assistant"}]},
            "messages.1.content: Field required",
        ),
        ("gsm8k", {"question": "q", "answer": "no mark"}, "answer: has no final answer, expected"),
        ("gsm8k", {"answer": "a\n#### 4"}, "question: Field required"),
        ("tagged", {"response": SAID[0]}, "prompt: Field required, expected one of: prompt, q"),
        ("tagged", {"prompt": "p"}, "response: Field required, expected one of: respons"),
        ("tagged", {"prompt": "p", "output": "<think>a</think> "}, "final_answer: expected str of"),
        ("tagged", {"prompt": "p", "output": {}}, "output: expected str, got dict"),
        ("tagged", {"prompt": "p", "output": SAID[0], "x": 1 << 64}, "meta.imported.x: is an int"),
        ("tagged", {"prompt": " \n", "output": "4"}, "prompt: is blank"),
        ("tagged", [], "expected an object such as "),
        ("tunix_sft", {"prompts": "p"}, "final_answer: Field required"),
        ("tunix_sft", {"final_answer": "p"}, "prompts: Field required"),
        ("tunix_sft", {**SFT, "prompts": "p"}, "prompts: does not begin with '<start_of_turn>us"),
        ("tunix_sft", {**SFT, "final_answer": "g"}, "prompts: does not end with 'Answer: g<end_of"),
    ],
)
def test_what_is_missing_is_named(form: str, record: Any, says: str) -> None:
    with pytest.raises(InputError) as error:
        convert(form, record)
    assert str(error.value).startswith(says)


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(InputError, match="format: unknown 'message', did you mean messages?"):
        reader("message")


def there_and_back(folder: Path, form: str, traces: list[Trace]) -> dict[str, Trace]:
    """Return what an import makes of the export of some traces, by the ids of these."""
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


def reads_as_it_is(trace: Trace) -> bool:
    said = Said.of(trace)
    return response.reads_back(said.steps, said.answer, STYLE)


odd_traces = odd.traces(odd.texts()).filter(reads_as_it_is)


@pytest.mark.slow
@settings(max_examples=15)
@given(st.lists(odd_traces, min_size=1, max_size=9, unique_by=lambda t: t.id))
def test_whatever_a_trace_says_its_export_says_it(
    tmp_path_factory: pytest.TempPathFactory, traces: list[Trace]
) -> None:
    for form in ("trace", "training_example", "messages"):
        found = there_and_back(tmp_path_factory.mktemp("x") / form, form, traces)
        for trace in traces:
            assert Said.of(found[trace.id]) == Said.of(trace)


@pytest.mark.parametrize("form", EXPORTS)
def test_an_export_of_an_import_keeps_where_that_came_from(form: str, tmp_path: Path) -> None:
    first = Trace.of("2 + 2?", [("s", "2 + 2 = 4.")], "4", {"id": 1, "imported": {"id": "q7"}})
    [once] = there_and_back(tmp_path / "x", form, [first]).values()
    assert (once.meta or {})["id"] == 1
    assert (once.meta or {})["imported"]["imported"] == {"id": "q7"}


def test_a_step_of_several_lines_stays_one_where_an_export_wrote_it() -> None:
    said = "Reasoning:\n1. Two are prime:\n2 and\n3.\n2. 2\nAnswer: two,\nor so"
    ours = {"prompt": "p", "response": said, "metadata": {"trace_version": "1.0"}}
    trace = convert("tagged", ours)
    assert steps(trace) == ["Two are prime:\n2 and\n3.", "2"]
    assert trace.final_answer == "two,\nor so"


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


@pytest.mark.slow
@settings(max_examples=100)
@given(record=st.dictionaries(names, parts, max_size=5), form=st.sampled_from(list(FORMATS)))
def test_any_record_is_a_trace_or_a_bad_line(record: dict, form: str) -> None:
    try:
        trace = convert(form, record)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert reader("trace")(json.dumps(trace.model_dump()).encode()) == trace


@pytest.mark.slow
def test_hostile_text_takes_no_long_time() -> None:
    def read(size: int) -> None:
        with contextlib.suppress(InputError):
            convert(form, {"question": "p", "answer": (unit * size)[:size]})

    for unit in ("\n", "<think>", "</think>", "<<"):
        for form in ("tagged", "gsm8k"):
            assert growth.linear(read, 50_000), (unit, form)


def test_a_bold_phrase_that_ends_the_last_line_is_the_answer() -> None:
    said = "The adults pay 2 * 23 = 46.\n922 + 134 = 1056.\n\nThe train arrives at **17:36**."
    trace = reader("auto")(json.dumps({"question": "When?", "output": said}).encode())
    steps = [step.content for step in trace.steps]
    assert steps == [
        "The adults pay 2 * 23 = 46.",
        "922 + 134 = 1056.",
        "The train arrives at **17:36**.",
    ]
    assert trace.final_answer == "17:36"


@pytest.mark.parametrize(
    "said",
    [
        "Add both.\nIt is **4** or **5**.",
        "Add both.\nIt is not **4**.",
        "Add.\n**Note:**",
        "So **4**.",
    ],
)
def test_a_bold_phrase_in_doubt_or_alone_is_no_answer(said: str) -> None:
    trace = reader("auto")(json.dumps({"question": "When?", "output": said}).encode())
    assert (trace.steps, trace.final_answer) == ((), said)
