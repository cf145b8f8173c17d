import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests import evalsets
from tests.conftest import NOW, some
from tunix_rt_nb import dataset, tasks
from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.dataset import DatasetSpec, evalset
from tunix_rt_nb.evaluate.grade import SECTIONS, grade
from tunix_rt_nb.store.store import TraceStore
from tunix_rt_nb.trace.response import Generation, respond
from tunix_rt_nb.trace.trace import Trace

ITEMS = evalset.read("core-v1")
MADE_OF = evalsets.EDGE_CASES.keys()
LINES = list(files.read_lines(evalset.find("core-v1")))


def sections(field: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for line in LINES:
        found.setdefault(line["section"], set()).add(line[field])
    return found


def test_the_set_that_ships_has_every_section_and_difficulty_of_each_task() -> None:
    assert len(ITEMS) == len(LINES) >= 400
    assert sections("category")["core"] == sections("category")["edge_case"] == MADE_OF
    assert sections("difficulty").keys() == set(SECTIONS)
    assert all(
        found == {"medium", "hard"} or len(found) == 3 for found in sections("difficulty").values()
    )
    core = Counter((x["category"], x["difficulty"]) for x in LINES if x["section"] == "core")
    assert set(core.values()) == {evalsets.CORE}


@pytest.mark.slow
def test_it_is_what_its_command_makes() -> None:
    assert list(evalsets.items()) == LINES


def test_its_worked_solutions_are_right_and_know_their_section() -> None:
    for (name, trace), line in zip(ITEMS, LINES, strict=True):
        assert tasks.problems(trace) == []
        found = grade(name, trace, Generation(respond(trace), 9, True))
        assert (found["outcome"], found["section"]) == ("right", line["section"])
        assert found["expected_answer"] == line["expected_answer"]


@pytest.mark.slow
@pytest.mark.parametrize("name", evalsets.TAKES_STEPS)
def test_answers_of_trace_sensitive_items_cannot_be_guessed(name: str) -> None:
    n = 60 if name == "countdown" else 250  # whose prompts take long to draw
    for level in ("medium", "hard"):
        task, answers = tasks.get(name, level), Counter[str]()
        for k in range(n):
            prompt = task.prompt(random.Random(f"{name}:{level}:{k}"))
            answers[task.solution(task.problem(prompt), "fine").answer] += 1
        assert answers.most_common(1)[0][1] <= n * evalsets.MOST_FREQUENT
    chosen = [t for n, t in ITEMS if n.startswith(f"trace_sensitive-{name}-")]
    assert len(chosen) == 2 * evalsets.SENSITIVE
    assert all(map(evalsets.takes_steps, chosen))


def test_edge_cases_are_what_they_are_called() -> None:
    for name, trace in ITEMS:
        if name.startswith("edge_case-"):
            about, is_one = evalsets.EDGE_CASES[trace.task or ""]
            assert is_one(trace), f"{name}: {about}"


def test_no_problem_of_it_gets_into_a_dataset_and_each_is_counted(tmp_path: Path) -> None:
    """Where a training draw hits upon an item, in whatever words, the build leaves it out."""
    others = [t for name in tasks.TASKS for t in some(name, 4, seed=1)]
    asked = {evalset.problem(trace) for _, trace in ITEMS}
    others = [trace for trace in others if evalset.problem(trace) not in asked]
    store = TraceStore(tmp_path / "traces")
    store.add([*others, *(trace for _, trace in ITEMS)], NOW)
    spec = DatasetSpec.of(dataset_name="d", eval_sets=["core-v1"], near_duplicates=None)
    built = dataset.build(store, spec, tmp_path)
    manifest = dataset.read_manifest(built)
    assert manifest["rejected"] == {"in_eval_set": len(ITEMS)}
    assert manifest["eval_sets"] == {"core-v1": files.sha256(evalset.find("core-v1"))}
    rejects = list(files.read_lines(built / "rejects.jsonl"))
    assert {line["of"] for line in rejects} == {f"core-v1#{name}" for name, _ in ITEMS}
    evalset.check_unseen(ITEMS, (trace for _, trace in dataset.load(built, "train")))


def test_items_that_were_trained_on_are_refused() -> None:
    seen = [trace for _, trace in ITEMS[:3]] + some("arithmetic", 3, seed=0)
    with pytest.raises(
        InputError, match="eval set: 3 of 510 items were trained on, such as 'core-"
    ):
        evalset.check_unseen(ITEMS, seen)
    unknown = Trace.of("p", [("s", "t")], "a", {"task": "mine"})
    evalset.check_unseen(ITEMS, [unknown])


@pytest.mark.parametrize("meta", [None, {"task": "mine"}, {"task": "arithmetic"}])
def test_a_prompt_that_was_trained_on_is_refused_whatever_its_trace_says(
    meta: dict[str, Any] | None,
) -> None:
    items = [(name, trace) for name, trace in ITEMS if trace.task == "arithmetic"]
    name, trace = items[0]
    prompt = trace.prompt.upper().replace(" ", "  ") if meta != {"task": "arithmetic"} else ""
    seen = Trace.of(prompt or trace.prompt, [("s", "t")], "a", meta)
    with pytest.raises(
        InputError, match=f"1 of {len(items)} items were trained on, such as '{name}"
    ):
        evalset.check_unseen(items, [seen])


def line(**changed: Any) -> str:
    return json.dumps({**LINES[0], **changed}, ensure_ascii=False)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no records, expected JSON lines"),
        ("nonsense", "x.jsonl:1: not a JSON object: "),
        ("7", "x.jsonl:1: expected an object such as "),
        ("[" * 100_000, "x.jsonl: is no JSON array: "),
        ('{"id": "a"}', "x.jsonl:1: no known format: its keys are id; expected one of"),
        (line(id=""), "x.jsonl:1: id: String should have at least 1 character"),
        (line(id=[7]), "x.jsonl:1: id: Input should be a valid string"),
        (line(section="other"), "x.jsonl:1: section: Input should be 'core', 'trace_sensitive' or"),
        (line(expected_answer="draw"), "x.jsonl:1: expected_answer: 'draw' is wrong"),
        (f"{line()}\n{line(prompt='p')}", "x.jsonl:2: id: 'core-high_card_duel-easy-1' is the"),
        (f"{line()}\n{line(id='b')}", "x.jsonl:2: prompt: asks the same as item 'core-high"),
    ],
)
def test_a_damaged_set_is_refused_with_file_and_line(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "x.jsonl").write_text(text)
    with pytest.raises(InputError) as error:
        evalset.read(str(tmp_path / "x.jsonl"))
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_a_set_may_ask_the_same_in_capitals_or_with_more_spaces(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    asked = ["The capital of France?", "The capital of FRANCE?", "The capital of  France?"]
    files.write_lines(
        path, ({"id": f"{n}", "prompt": a, "expected_answer": "Paris"} for n, a in enumerate(asked))
    )
    assert [trace.prompt for _, trace in evalset.read(str(path))] == asked
    files.write_lines(
        path, ({"id": f"{n}", "prompt": asked[0], "expected_answer": "Paris"} for n in (0, 1))
    )
    with pytest.raises(InputError, match="x.jsonl:2: prompt: asks the same as item '0'"):
        evalset.read(str(path))


def test_a_set_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match="eval set: unknown 'core-v2', did you mean core-v1"):
        evalset.read("core-v2")
    with pytest.raises(InputError, match="none/x.jsonl: cannot be read: No such file"):
        evalset.read("none/x.jsonl")
    with pytest.raises(InputError, match="eval set: unknown 'core'"):
        evalset.find("core")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"question": "q", "answer": "a #### 4"}\n\n', ("1", "q", [], "4")),
        ('\ufeff{"id": 7, "prompt": "q", "expected_answer": "4"}\r\n', ("7", "q", [], "4")),
        ('[{"problem": "q", "solution": "a", "answer": 4}]', ("1", "q", ["a"], "4")),
        (
            json.dumps(
                {
                    "messages": [
                        {"role": "user", "content": "q"},
                        {"role": "assistant", "content": "<think>a</think>4"},
                    ]
                }
            ),
            ("1", "q", ["a"], "4"),
        ),
    ],
)
def test_a_set_of_ones_own_has_any_usual_format(
    tmp_path: Path, content: str, expected: tuple
) -> None:
    (tmp_path / "x.jsonl").write_text(content, newline="")
    [(name, trace)] = evalset.read(str(tmp_path / "x.jsonl"))
    if "####" in content:
        expected = ("1", "q", ["a"], "4")
    assert (name, trace.prompt, [s.content for s in trace.steps], trace.final_answer) == expected
    assert [item.prompt for item in evalset.eval_items([str(tmp_path / "x.jsonl")])] == ["q"]


def test_the_section_category_and_difficulty_of_an_own_item_are_its_own(tmp_path: Path) -> None:
    own = {"id": "a", "prompt": "Why?", "expected_answer": "So.", "section": "core"}
    lines: list[dict[str, Any]] = [
        {**own, "category": "physics", "difficulty": 3},
        {"id": "b", "prompt": "p", "answer": "4"},
    ]
    sum_ = {"id": "c", "prompt": "What is 17 + 20 - 36?", "answer": "1", "category": "arithmetic"}
    other = {"id": "d", "prompt": "Two and two?", "answer": "4", "category": "arithmetic"}
    path = tmp_path / "x.jsonl"
    files.write_lines(path, [*lines, sum_, other])
    a, b, c, d = (trace for _, trace in evalset.read(str(path)))
    told = {"section": "core", "category": "physics", "difficulty": "3"}
    assert told.items() <= (a.meta or {}).items()
    assert (a.task, b.task, b.steps, c.task, len(c.steps) > 0) == (
        None,
        None,
        (),
        "arithmetic",
        True,
    )
    assert (d.task, (d.meta or {})["category"]) == (None, "arithmetic")


def test_an_item_of_a_known_task_keeps_the_messages_before_its_prompt(tmp_path: Path) -> None:
    chat = [{"role": "system", "content": "Be brief."}]
    asked = {"id": "a", "prompt": "What is 17 + 20 - 36?", "expected_answer": "1"}
    line = {**asked, "category": "arithmetic", "earlier_messages": chat}
    files.write_lines(tmp_path / "x.jsonl", [line])
    [(name, item)] = evalset.read(str(tmp_path / "x.jsonl"))
    assert (item.task, item.earlier.system) == ("arithmetic", "Be brief.")
    assert evalset.record(name, item) == {**line, "difficulty": "easy"}


def test_the_held_out_side_of_a_dataset_becomes_an_eval_set(tmp_path: Path) -> None:
    meta = {"earlier_messages": [{"role": "system", "content": "Be brief."}]}
    chats = [Trace.of(f"Who is number {n}?", [("s", "x")], f"{n}", meta) for n in range(20)]
    store = TraceStore(tmp_path / "traces")
    store.add([*chats, *some("arithmetic", 20, seed=1)], NOW)
    spec = DatasetSpec.of(dataset_name="d", near_duplicates=None, eval_fraction=0.5)
    built = dataset.build(store, spec, tmp_path)
    count = dataset.write_evalset(built, tmp_path / "set.jsonl")
    held_out = list(dataset.load(built, "eval"))
    found = evalset.read(str(tmp_path / "set.jsonl"))
    assert count == len(held_out) == len(found) > 0
    for (id, trace), (name, item) in zip(held_out, found, strict=True):
        assert (name, item.prompt, item.final_answer) == (id, trace.prompt, trace.final_answer)
        assert (item.task, item.earlier) == (trace.task, trace.earlier)
