"""Our items as a task of lm-evaluation-harness, by its rules; with the harness itself, if it is here.

pip install lm_eval, and these tests load the task as it does.
"""

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given

from tests.conftest import some
from tests.golden import published
from tests.helpers.odd import texts
from tests.helpers.run_folders import TRACES, predictions, right, trained, wrong
from tunix_rt_nb import tasks
from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.evaluate import harness
from tunix_rt_nb.trace.chat import form
from tunix_rt_nb.trace.response import STYLES, respond
from tunix_rt_nb.trace.templates import TEMPLATES, text_of
from tunix_rt_nb.trace.trace import EARLIER, Earlier, Trace

PREDICTIONS = predictions([right(t) for t in TRACES])
# The fields of a task: lm_eval.config.task.TaskConfig, of version 0.4.13.
FIELDS = {
    *("task", "dataset_path", "dataset_kwargs", "test_split", "output_type", "description"),
    *("doc_to_text", "doc_to_target", "generation_kwargs", "filter_list", "metric_list"),
    "metadata",
}
DATES = [
    {"id": "a", "prompt": "Which day?", "expected_answer": "2026-01-01"},
    {"id": "b", "prompt": "Which list?", "expected_answer": "[1, 2]"},
    {"id": "c", "prompt": "{{ 7 * 7 }} {% raw %}", "expected_answer": "007"},
]
TURNS = (("How old is she?", "She is 7."), ("And he?\n", "9."))
EARLIERS = [Earlier("Be brief.", TURNS), Earlier("", TURNS), Earlier("Be kind."), Earlier()]
CHATS = [  # items with and without messages before the prompt, in one file
    {
        "id": f"{n}",
        "prompt": "In 4 years?",
        "expected_answer": "11",
        **({EARLIER: earlier.messages()} if any(earlier) else {}),
    }
    for n, earlier in enumerate(EARLIERS)
]


def written(folder: Path, name: str = "sums", **how: str) -> tuple[dict[str, Any], list[dict]]:
    path = harness.write(folder, name, PREDICTIONS, form(**how), 64)
    return yaml.safe_load(path.read_text()), list(files.read_lines(folder / f"{name}.jsonl"))


def exact_match(task: dict[str, Any], line: dict[str, Any], response: str) -> bool:
    """Grade a response as the harness does: the last match of its filter against the target."""
    [kept] = task["filter_list"]
    pattern, first = kept["filter"]
    found = re.findall(pattern["regex_pattern"], response)
    assert (pattern["group_select"], first) == (-1, {"function": "take_first"})
    return bool(found) and found[-1].strip() == line["target"]


def test_the_task_has_the_fields_that_the_harness_knows(tmp_path: Path) -> None:
    task, lines = written(tmp_path, system="Be brief.")
    assert set(task) == FIELDS
    assert task["dataset_kwargs"] == {"data_files": {"test": "sums.jsonl"}}
    assert task["generation_kwargs"]["until"] == ["<end_of_turn>", "<eos>"]
    assert task["generation_kwargs"]["max_gen_toks"] == 64
    assert all(line.keys() == lines[0].keys() for line in lines)
    assert {task["doc_to_text"], task["doc_to_target"], task["description"]} <= lines[0].keys()
    assert [line["id"] for line in lines] == [trace.id for trace in TRACES]
    assert lines[0]["category"] == "arithmetic"
    assert lines[0]["system"] == "Be brief."


def test_the_same_items_give_the_same_bytes_in_any_folder(tmp_path: Path) -> None:
    for name in ("a", "b"):
        written(tmp_path / name)
    for name in ("sums.yaml", "sums.jsonl"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", tasks.TASKS)
def test_a_traces_own_rendering_matches_its_target(name: str, style: str, tmp_path: Path) -> None:
    traces = some(name, 5, seed=2)
    items = [{"id": t.id, "prompt": t.prompt, "expected_answer": t.final_answer} for t in traces]
    task = yaml.safe_load(harness.write(tmp_path, "x", items, form(style=style)).read_text())
    for trace, line in zip(traces, files.read_lines(tmp_path / "x.jsonl"), strict=True):
        assert exact_match(task, line, respond(trace, style))
        assert not exact_match(task, line, wrong(trace))
        assert not exact_match(task, line, "")


ODD = texts(["\n", "Answer: ", "</answer>", "\\", "{{ x }}"])


@pytest.mark.parametrize("style", STYLES)
@given(answer=ODD, other=ODD)
def test_an_answer_of_any_text_matches_itself_alone(style: str, answer: str, other: str) -> None:
    answer, other = answer.strip() or "-", other.strip() or "-"
    how = form(style=style)
    task = harness.task("x", how)
    line = harness._line({"id": "x", "prompt": "?", "expected_answer": answer}, how)
    for said in (answer, other):
        trace = Trace.of("?", [("guess", "So.")], said)
        assert exact_match(task, line, respond(trace, style)) == (said == answer)


def test_samples_are_read_back_by_item(tmp_path: Path) -> None:
    path = tmp_path / "samples_sums.jsonl"
    doc = {"id": "a", "prompt": "?"}
    sample = {"doc_id": 0, "doc": doc, "resps": [["Answer: 1"]], "filter": "answer"}
    files.write_lines(path, [sample, {**sample, "doc": {**doc, "id": "b"}}])
    one, two = harness.responses(path)
    assert one == {"id": "a", "prompt": "?", "response": "Answer: 1"}
    assert two == {**one, "id": "b"}
    for line in ("{}", "x", '{"doc": {"id": "a", "prompt": "?"}, "resps": []}', "[]"):
        path.write_text(line)
        with pytest.raises(InputError, match=r"samples_sums.jsonl:1: is no logged sample"):
            harness.responses(path)


@pytest.mark.parametrize(
    "how", [{"style": "tags"}, {"template": "llama3"}, {"system": "Be brief."}]
)
def test_what_the_harness_logged_is_graded_as_here(tmp_path: Path, how: dict[str, str]) -> None:
    asked = {"template": "gemma", "style": "numbered", "system": "", **how}
    rendered = {**asked, "form_sha256": form(*asked.values()).sha256}
    texts = [respond(t, asked["style"]) if n % 3 else wrong(t) for n, t in enumerate(TRACES)]
    ours = predictions(texts, TRACES, **how)
    path = samples(tmp_path / "samples_x.jsonl", ours)
    items = [(trace.id, trace) for trace in TRACES]
    for theirs, one in zip(harness.graded(path, items, rendered), ours, strict=True):
        assert theirs == {**one, "tokens": 0}
    assert len(harness.graded(samples(path, ours[:7]), items, rendered)) == 7
    with pytest.raises(InputError, match="predictions: are of another eval set: "):
        harness.graded(samples(path, ours), items[1:], rendered)
    with pytest.raises(InputError, match=r"samples_x\.jsonl: has several samples of an item"):
        harness.graded(samples(path, [*ours, ours[0]]), items, rendered)
    with pytest.raises(InputError, match=r"samples_x\.jsonl: holds no samples"):
        harness.graded(samples(path, []), items, rendered)


def samples(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Return what the harness logs of these answers."""
    files.write_lines(path, [{"doc": row, "resps": [[row["response"]]]} for row in rows])
    return path


@pytest.mark.parametrize("system", ["", "You count."])
@pytest.mark.parametrize("name", TEMPLATES)
def test_the_harness_asks_a_chat_as_we_ask_it(name: str, system: str, tmp_path: Path) -> None:
    how = form(name, system=system)
    task = yaml.safe_load(harness.write(tmp_path, "x", CHATS, how).read_text())
    assert set(task) == FIELDS
    lines = list(files.read_lines(tmp_path / "x.jsonl"))
    for line, earlier in zip(lines, EARLIERS, strict=True):
        assert {type(value) for value in line.values()} == {str}
        told, asked = line[task["description"]], line[task["doc_to_text"]]
        ours = how.after(earlier)
        prompt = ours.template.prompt("In 4 years?", ours.system, ours.turns)
        theirs = published(name, told, asked, add_generation_prompt=True)
        assert theirs == (ours.template.bos or "") + text_of(prompt)


def test_answers_in_a_chat_are_graded_and_those_in_another_chat_are_refused(tmp_path: Path) -> None:
    rendered = {"template": "gemma", "style": "numbered", "system": "", "form_sha256": ""}
    items = [
        (f"{n}", Trace.of("In 4 years?", [], "11", {EARLIER: earlier.messages()}))
        for n, earlier in enumerate(EARLIERS)
    ]
    harness.write(tmp_path, "x", CHATS, form())
    lines = files.read_lines(tmp_path / "x.jsonl")
    path = samples(tmp_path / "samples.jsonl", [{**r, "response": "Answer: 11"} for r in lines])
    graded = harness.graded(path, items, rendered)
    assert [answer["score"] for answer in graded] == [1.0] * 4
    assert [answer.get(EARLIER) for answer in graded] == [item.get(EARLIER) for item in CHATS]
    with pytest.raises(InputError, match="the prompt or the earlier messages of '0' differ"):
        harness.graded(path, [("0", items[1][1]), *items[1:]], rendered)


def test_no_items_and_an_unsafe_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="harness: x has no items"):
        harness.write(tmp_path, "x", [], form())
    with pytest.raises(InputError, match="name: 'a/b' is unsafe"):
        harness.write(tmp_path, "a/b", PREDICTIONS, form())


def test_a_model_without_a_chat_template_is_refused(tmp_path: Path) -> None:
    model = trained(tmp_path) / "4_train" / "model"
    with pytest.raises(InputError, match="has no chat_template"):
        harness.command(model, tmp_path / "x.yaml")
    files.write_json(model / "tokenizer_config.json", {"chat_template": "x"})
    told = harness.command(model, tmp_path / "my tasks" / "x.yaml")
    assert told.startswith(f"cd '{tmp_path}/my tasks' && lm_eval --model hf")


@pytest.mark.skipif(not find_spec("lm_eval"), reason="lm_eval is not installed")
@pytest.mark.parametrize("system", ["", "Be brief. {{ x }}"])
def test_the_harness_loads_the_task_and_asks_what_we_ask(tmp_path: Path, system: str) -> None:
    harness.write(tmp_path, "odd", DATES, form(system=system))
    found = asked_by_the_harness(tmp_path)
    assert [asked["text"] for asked in found] == [system + item["prompt"] for item in DATES]
    assert [asked["target"] for asked in found] == [
        f"Answer: {item['expected_answer']}" for item in DATES
    ]
    assert [asked["score"] for asked in found] == [1.0, 1.0, 1.0]


@pytest.mark.skipif(not find_spec("lm_eval"), reason="lm_eval is not installed")
def test_the_harness_itself_asks_a_chat_as_we_ask_it(tmp_path: Path) -> None:
    how = form(system="You count.")
    harness.write(tmp_path, "odd", CHATS, how)
    forms = [how.after(earlier) for earlier in EARLIERS]
    ours = [f"<bos>{one.before}In 4 years?{one.template.after_prompt}" for one in forms]
    assert [asked["text"] for asked in asked_by_the_harness(tmp_path, "chat")] == ours


def asked_by_the_harness(folder: Path, *chat: str) -> list[dict[str, Any]]:
    told = subprocess.run(
        [sys.executable, "-c", _ASK, *chat],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder)},
    )
    return list(json.loads(told.stdout.splitlines()[-1]))


_ASK = """
import json
import sys
from jinja2 import Template
from tunix_rt_nb.models.tokenizer_files import _GEMMA_CHAT
from lm_eval.tasks import TaskManager
task = TaskManager(include_path=".", include_defaults=False).load(["odd"])["tasks"]["odd"]
chat = Template(_GEMMA_CHAT)  # the chat template in the folder of a saved model
task.build_all_requests(
    apply_chat_template="chat" in sys.argv,
    chat_template=lambda turns, **how: chat.render(messages=turns, bos_token="<bos>", **how),
)
for request in task.instances:
    request.resps = ["Reasoning:\\n1. So.\\n" + request.doc["target"]]
task.apply_filters()
told = [
    {
        "text": request.args[0],
        "target": task.doc_to_target(request.doc),
        "score": task.process_results(request.doc, [request.filtered_resps["answer"]])["exact_match"],
    }
    for request in task.instances
]
print(json.dumps(told))
"""
