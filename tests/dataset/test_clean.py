import json
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from tests.conftest import NOW
from tunix_rt_nb import dataset, tasks
from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.dataset import DatasetSpec, clean, evalset
from tunix_rt_nb.dataset.evalset import EvalItem
from tunix_rt_nb.dataset.near import ngrams, shingles, similarity, words
from tunix_rt_nb.store.store import TraceStore
from tunix_rt_nb.trace.trace import Trace

TEMPLATE = (
    "A baker near the old harbour bakes {} loaves of bread before the ferry comes, and {} more"
    " after lunch for the late guests. How many loaves does the baker bake on that day altogether?"
)
WORDS = [f"w{k}" for k in range(5000)]
SUM = {"task": "arithmetic"}


def said(prompt: str, meta: dict[str, Any] | None = None) -> Trace:
    return Trace.of(prompt, [("s", "t")], "a", meta)


def store_of(folder: Path, traces: Iterable[Trace]) -> TraceStore:
    store = TraceStore(folder / "traces")
    store.add(traces, NOW)
    return store


def store_in_order(folder: Path, traces: Iterable[Trace]) -> TraceStore:
    """Each trace is a second older than the one before: `latest` keeps their order."""
    store = TraceStore(folder / "traces")
    for k, trace in enumerate(traces):
        store.add([trace], f"2026-01-01T00:00:{59 - k:02}Z")
    return store


def eval_set(folder: Path, items: Iterable[Mapping[str, Any]]) -> str:
    path = folder / "evalset.jsonl"
    full = {"expected_answer": "a", "section": "core", "category": "x", "difficulty": "easy"}
    files.write_lines(path, [{**full, **item} for item in items])
    return str(path)


def build(store: TraceStore, parent: Path, **fields: Any) -> Path:
    spec = {"dataset_name": "d", "eval_fraction": 0.0, **fields}
    return dataset.build(store, DatasetSpec.of(**spec), parent)


def outcome(
    folder: Path, prompts: Iterable[str], meta: dict[str, Any] | None = None, **fields: Any
) -> list[dict[str, Any]]:
    """The rejects of a dataset of these prompts, with prompts in the place of their ids."""
    traces = [said(p, meta) for p in prompts]
    anchor = said("there is always one more prompt that stays in the dataset")
    names = {t.id: t.prompt for t in traces}
    built = build(store_in_order(folder, [*traces, anchor]), folder, **fields)
    return [
        {k: names.get(v, v) for k, v in line.items()}
        for line in files.read_lines(built / "rejects.jsonl")
    ]


def test_one_prompt_in_other_case_spacing_and_unicode_form_is_kept_once(tmp_path: Path) -> None:
    forms = ["Café au lait", "  café\tAU\n\nlait ", "cafe\u0301 au\u00a0lait", "cafe au lait"]
    assert outcome(tmp_path, forms, near_duplicates=None) == [
        {"id": form, "reason": "duplicate_prompt", "of": forms[0]} for form in forms[1:3]
    ]


def test_the_first_of_two_near_duplicates_is_kept(tmp_path: Path) -> None:
    long = " ".join(WORDS[:30])
    changed = long.replace("w15 ", "other ")
    assert outcome(tmp_path, [changed, long]) == [
        {"id": long, "reason": "near_duplicate", "of": changed, "similarity": round(25 / 31, 4)}
    ]


def test_without_a_threshold_near_duplicates_stay(tmp_path: Path) -> None:
    prompts = ["Say hello to Ann today", "Say hello to Ann today!"]
    assert outcome(tmp_path / "off", prompts, near_duplicates=None) == []
    [reject] = outcome(tmp_path / "on", prompts, near_duplicates=1.0)
    assert reject["similarity"] == 1.0


def test_problems_of_a_known_task_are_no_near_duplicates(tmp_path: Path) -> None:
    asks = ("What is", "What, what is", "What then is")
    prompts = [f"{ask} 12 + 34 - 15 + 20 + 11?" for ask in asks]
    assert outcome(tmp_path / "known", prompts, SUM, near_duplicates=0.5) == []
    unknown = outcome(tmp_path / "unknown", prompts, {"task": "mine"}, near_duplicates=0.5)
    assert [reject["reason"] for reject in unknown] == ["near_duplicate"] * 2


def test_problems_of_a_template_that_differ_in_their_numbers_or_answers_are_all_kept(
    tmp_path: Path,
) -> None:
    prompts = [TEMPLATE.format(10 + k, 3 + k % 7) for k in range(40)]
    assert outcome(tmp_path / "numbers", prompts) == []
    worded = [TEMPLATE.format(n, "two") for n in ("five", "six", "seven")]
    traces = [Trace.of(p, [("s", "t")], str(7 + k)) for k, p in enumerate(worded)]
    build(store_of(tmp_path, traces), tmp_path)
    assert dataset.read_manifest(tmp_path / "d-v1")["rejected"] == {}
    assert len(outcome(tmp_path / "same", worded)) == 2


def test_of_one_prompt_with_two_answers_the_first_is_kept(tmp_path: Path) -> None:
    traces = [Trace.of("What is it?", [("s", "t")], answer) for answer in ("5", "6")]
    folder = build(store_in_order(tmp_path, traces), tmp_path)
    assert [t.final_answer for _, t in dataset.load(folder, "train")] == ["5"]
    assert dataset.read_manifest(folder)["rejected"] == {"duplicate_prompt": 1}


SAME = """
import random
from tunix_rt_nb.common import files
from tunix_rt_nb.dataset.evalset import EvalItem
from tunix_rt_nb.dataset.clean import rejects
rng = random.Random(1)
texts = [" ".join(rng.choices("abcdefgh", k=rng.randrange(30))) for _ in range(1000)]
rows = [
    {"id": str(k), "prompt": t, "answer": "", "task": None, "first_id": str(k), "eval_item": None}
    for k, t in enumerate(texts)
]
found = rejects(rows, 0.5, [EvalItem(f"x#{k}", t, None) for k, t in enumerate(texts[:5])])
assert {r["reason"] for r in found} == {"near_duplicate", "in_eval_set"}, len(found)
print(len(found), files.digest(found))
"""


@pytest.mark.slow
def test_the_same_prompts_are_left_out_in_every_process_on_any_thread_count() -> None:
    told = {
        subprocess.run(
            [sys.executable, "-c", SAME],
            env={**os.environ, "PYTHONHASHSEED": seed, "RAYON_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed, threads in (("0", "1"), ("31337", "4"))
    }
    assert len(told) == 1


@st.composite
def mixtures(draw: st.DrawFn) -> tuple[list[Trace], list[dict[str, str]]]:
    """Traces of no task, others of sums, and an eval set that shares some of both."""
    prose = st.lists(st.sampled_from("abc"), min_size=1, max_size=12).map(" ".join)
    sums = st.tuples(st.sampled_from(["What is {}?", "Calculate {}."]), st.integers(10, 13)).map(
        lambda drawn: drawn[0].format(f"{drawn[1]} + 20 - 10")
    )
    spaced = st.tuples(st.one_of(prose, prose, sums), st.sampled_from(["", " "]))
    traces = [
        said(space + prompt, SUM if "+" in prompt and not space else None)
        for prompt, space in draw(st.lists(spaced, max_size=25, unique=True))
    ]
    asked = draw(st.lists(st.one_of(prose, sums), max_size=3, unique=True))
    items = [
        {"id": str(k), "prompt": p, "category": "arithmetic" if "+" in p else "x"}
        for k, p in enumerate(asked)
    ]
    return traces, items


@pytest.mark.slow
@settings(max_examples=12)
@given(mixtures())
def test_what_is_kept_is_clean_and_what_is_not_is_listed(
    drawn: tuple[list[Trace], list[dict[str, str]]],
) -> None:
    traces, items = drawn
    traces = [*traces, said("this one stays whatever comes")]
    with tempfile.TemporaryDirectory() as name:
        store = store_of(Path(name), traces)
        fields: dict[str, Any] = {"near_duplicates": 0.6}
        if items:
            fields["eval_sets"] = [eval_set(Path(name), items)]
        folder = build(store, Path(name), **fields)
        other = build(TraceStore(store.folder, threads=1), Path(name) / "1", **fields)
        assert [p.read_bytes() for p in sorted(folder.iterdir())] == [
            p.read_bytes() for p in sorted(other.iterdir())
        ]
        kept = dict(dataset.load(folder, "train"))
        refused = [line["id"] for line in files.read_lines(folder / "rejects.jsonl")]
        again = build(store_of(Path(name) / "2", kept.values()), Path(name) / "2", **fields)
        assert dict(dataset.load(again, "train")) == kept
    assert sorted([*kept, *refused]) == sorted(trace.id for trace in traces)
    prompts = [" ".join(t.prompt.lower().split()) for t in kept.values()]
    assert len(set(prompts)) == len(prompts)
    assert not set(prompts) & {item["prompt"].lower() for item in items}
    assert not telling([t.prompt for t in kept.values() if t.task is None], items)
    read = tasks.get("arithmetic").read
    asked = {read(item["prompt"]) for item in items if item["category"] == "arithmetic"}
    assert not asked & {read(trace.prompt) for trace in kept.values() if trace.task}


def telling(prompts: list[str], items: list[dict[str, str]]) -> set[tuple[str, ...]]:
    """The 8-grams that stand in an item and in 1 to 10 prompts, and whole shorter prompts."""
    counts = Counter(g for p in prompts for g in set(ngrams(words(p), 8)))
    asked = {g for item in items for g in ngrams(words(item["prompt"]), 8)}
    return {g for g in asked if counts[g] > 0 and (counts[g] <= 10 or len(g) < 8)}


EIGHT = "one two three four five six seven eight"


@pytest.mark.parametrize(
    ("prompt", "ngram"),
    [
        (f"Before it: {EIGHT.upper()}, and after", EIGHT),
        ("one two three four five six seven", None),
        ("one two three four five six seven, nine", None),
        ("what is 2 + 2", "what is 2 + 2"),
        ("And what is 2 + 2?", None),
        ("What is 2 - 2?", None),
    ],
)
def test_eight_words_of_an_eval_prompt_give_it_away(
    tmp_path: Path, prompt: str, ngram: str | None
) -> None:
    items = [{"id": "long", "prompt": f"Zero {EIGHT} nine"}, {"id": "s", "prompt": "What is 2+2?"}]
    items.append({"id": "short", "prompt": "What is 2 + 2?"})
    path = eval_set(tmp_path, items)
    found = outcome(tmp_path, [prompt], eval_sets=[path])
    of = f"{path}#{'long' if ngram == EIGHT else 'short'}"
    expected = {"id": prompt, "reason": "in_eval_set", "of": of, "ngram": ngram}
    assert found == ([expected] if ngram else [])


@pytest.mark.parametrize(("standing", "refused"), [(10, 10), (11, 0)])
def test_eight_words_that_stand_in_more_than_ten_prompts_are_boilerplate(
    standing: int, refused: int
) -> None:
    prompts = [f"{k} {EIGHT} {k} {k} {k}" for k in range(standing)]
    items = [EvalItem("x#1", f"{EIGHT} nine", None)]
    assert len(shared(prompts, items)) == refused


def test_the_whole_of_a_short_prompt_is_never_boilerplate() -> None:
    prompts = [f"What is 2 + 2{'?' * k}" for k in range(20)]
    assert len(shared(prompts, [EvalItem("x#1", "what is 2 + 2", None)])) == 20


def test_of_several_items_the_first_by_name_is_told() -> None:
    items = [EvalItem(f"x#{k}", f"{EIGHT} {k}", None) for k in range(3)]
    assert [reject["of"] for reject in shared([EIGHT], items)] == ["x#0"]


def test_boilerplate_is_counted_in_the_prompts_that_stay() -> None:
    known = "nine ten eleven twelve 13 14 15 16"
    prompts = [f"{k} {EIGHT} {k}" for k in range(10)] + [f"{EIGHT} . {known}"]
    items = [EvalItem("x#1", f"{EIGHT} !", None)]
    assert shared(prompts, items) == []
    assert len(shared(prompts, [*items, EvalItem("x#2", known, None)])) == 11


EIGHTS = st.lists(
    st.lists(st.sampled_from("aab"), min_size=6, max_size=12).map(" ".join),
    max_size=40,
    unique=True,
)


@given(EIGHTS, st.lists(st.text("ab ", min_size=12, max_size=20), max_size=2))
def test_no_prompt_that_stays_shares_a_telling_ngram(prompts: list[str], asked: list[str]) -> None:
    items = [EvalItem(f"x#{k}", p, None) for k, p in enumerate(asked)]
    refused = {int(reject["id"]): reject for reject in shared(prompts, items)}
    for k, reject in refused.items():
        gram = tuple(reject["ngram"].split())
        assert gram in ngrams(words(prompts[k]), 8)
        assert gram in ngrams(words(asked[int(reject["of"].removeprefix("x#"))]), 8)
    kept = [p for k, p in enumerate(prompts) if k not in refused]
    assert not telling(kept, [{"prompt": p} for p in asked])
    assert shared(kept, items) == []


def shared(prompts: list[str], items: list[EvalItem]) -> list[clean.Reject]:
    rows = [
        {"id": str(k), "prompt": p, "task": None, "first_id": str(k), "eval_item": None}
        for k, p in enumerate(prompts)
    ]
    return clean.rejects(rows, None, items)


def test_the_same_problem_in_other_words_is_in_the_eval_set(tmp_path: Path) -> None:
    prompts = ["Calculate 12 + 34 - 15.", "What is 12 + 34 - 16?", "WHAT is 10 + 10 + 10?"]
    items = [
        {"id": "1", "prompt": "What is 12 + 34 - 15?", "category": "arithmetic"},
        {"id": "2", "prompt": "What is 10 + 10 + 10?", "category": "x"},
        {"id": "3", "prompt": "Add it up", "category": "arithmetic"},
        {"id": "4", "prompt": "Work out 12 + 34 - 15.", "category": "arithmetic"},
    ]
    path = eval_set(tmp_path, items)
    assert outcome(tmp_path, prompts, SUM, eval_sets=[path]) == [
        {"id": prompts[0], "reason": "in_eval_set", "of": f"{path}#1"},
        {"id": prompts[2], "reason": "in_eval_set", "of": f"{path}#2"},
    ]


def test_words_that_problems_of_a_known_task_share_say_nothing(tmp_path: Path) -> None:
    items = [{"id": "1", "prompt": "What is 12 + 34 - 15 + 20 + 11?", "category": "arithmetic"}]
    prompts = ["What is 12 + 34 - 15 + 20 + 11 + 12?"]
    path = eval_set(tmp_path, items)
    assert outcome(tmp_path / "known", prompts, SUM, eval_sets=[path]) == []
    [reject] = outcome(tmp_path / "unknown", prompts, eval_sets=[path])
    assert reject["ngram"] == "what is 12 + 34 - 15 +"


def test_an_eval_prompt_with_other_numbers_wipes_no_data_of_its_template(tmp_path: Path) -> None:
    path = eval_set(tmp_path, [{"id": "1", "prompt": TEMPLATE.format(10, 4)}])
    others = [TEMPLATE.format(a, b) for a, b in ((10, 3), (12, 4), (4, 10), (100, 4))]
    given_away = [
        TEMPLATE.format(10, 4),
        TEMPLATE.format(10, 4).replace("old ", ""),
        f"Question 7: {TEMPLATE.format(10, 4)} Answer in 1 sentence.",
        TEMPLATE.format("ten", "four"),
    ]
    for near in (None, 0.8):
        folder = tmp_path / str(near)
        found = outcome(folder, [*others, *given_away], eval_sets=[path], near_duplicates=near)
        assert {reject["id"] for reject in found} == set(given_away)


def test_of_items_of_one_template_the_one_with_the_same_numbers_is_told() -> None:
    items = [EvalItem(f"x#{k}", TEMPLATE.format(k, k + 1), None) for k in range(1, 2000)]
    prompts = [f"Task 0: {TEMPLATE.format(k, k + 1)}" for k in (3, 1, 70, 1500)]
    assert [reject["of"] for reject in shared(prompts, items)] == ["x#3", "x#1", "x#70", "x#1500"]
    assert shared([TEMPLATE.format(k, k + 2) for k in range(10)], items) == []


def test_the_task_of_an_item_may_stand_in_its_meta(tmp_path: Path) -> None:
    items = [
        {"id": "m", "prompt": "What is 12 + 34 - 15?", "meta": SUM},
        {"id": "n", "prompt": "What is 11 + 11 - 11?", "meta": {"task": "chess"}},
    ]
    path = eval_set(tmp_path, items)
    found = outcome(
        tmp_path,
        ["Calculate 12 + 34 - 15.", "Calculate 11 + 11 - 11."],
        SUM,
        eval_sets=[path],
    )
    assert [reject["of"] for reject in found] == [f"{path}#m"]


def test_every_reject_is_counted_and_the_funnel_shows_each_sieve(tmp_path: Path) -> None:
    long = " ".join(WORDS[:40])
    prompts = ["a b c", "A  b c", "d e f", "Known thing", "KNOWN thing", long, f"{long} more", "x"]
    path = eval_set(tmp_path, [{"id": "k", "prompt": "known thing?"}])
    store = store_in_order(tmp_path, map(said, prompts))
    folder = build(store, tmp_path, eval_sets=[path], limit=7)
    manifest = dataset.read_manifest(folder)
    assert manifest["rejected"] == {"duplicate_prompt": 2, "in_eval_set": 1, "near_duplicate": 1}
    assert manifest["eval_sets"] == {path: files.sha256(Path(path))}
    assert manifest["files"]["rejects.jsonl"] == files.sha256(folder / "rejects.jsonl")
    assert {row["sieve"]: row["traces"] for row in dataset.funnel(manifest)} == {
        "in the store": 8,
        "match the filters": 8,
        "selected": 7,
        "one of each prompt": 5,
        "no near-duplicates": 4,
        "in no eval set": 3,
        "to train on": 3,
        "held out": 0,
    }


def test_near_duplicates_never_stand_on_both_sides(tmp_path: Path) -> None:
    rng = random.Random(2)
    prompts = [rng.choices(WORDS, k=30) for _ in range(15)]
    prompts += [[*prompt, word] for prompt in prompts for word in ("x", "y")]
    folder = build(
        store_of(tmp_path, (said(" ".join(p)) for p in prompts)), tmp_path, eval_fraction=0.5
    )
    sides = [
        [set(shingles(t.prompt)) for _, t in dataset.load(folder, s)] for s in ("train", "eval")
    ]
    assert len(sides[0]) + len(sides[1]) == 15
    assert max(similarity(a, b) for a in sides[0] for b in sides[1]) < 0.1


def test_a_dataset_that_an_eval_set_holds_whole_is_not_built(tmp_path: Path) -> None:
    store = store_of(tmp_path, [said("Known thing")])
    path = eval_set(tmp_path, [{"id": "k", "prompt": "known thing"}])
    with pytest.raises(InputError, match="nothing to train on: 1 selected, 1 refused, 0 held out"):
        build(store, tmp_path, eval_sets=[path])
    assert not (tmp_path / "d-v1").exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, r"eval_sets: .*e\.jsonl: cannot be read: No such file"),
        ("", r"eval_sets: .*e\.jsonl: holds no records"),
        ('{"id": "1", "prompt": "a"}\n{"id": ', r"e\.jsonl:2: not a JSON object"),
        ("[1]", r"e\.jsonl:1: expected an object such as .*, found a number"),
        ("[" * 100_000, r"e\.jsonl: is no JSON array"),
        ('{"id": "1"}', r"e\.jsonl:1: prompt: Field required"),
        ('{"id": "1", "prompt": ""}', r"e\.jsonl:1: prompt: "),
        ('{"id": "1", "prompt": "\\ud800"}', r"e\.jsonl:1: (trace|not|prompt)"),
        (
            '{"id": "1", "prompt": "a"}\n{"id": "1", "prompt": "b"}',
            r"e\.jsonl:2: id: '1' is the id of an earlier item",
        ),
    ],
)
def test_a_bad_eval_set_is_told_in_one_line(tmp_path: Path, content: str | None, says: str) -> None:
    path = tmp_path / "e.jsonl"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=says) as error:
        evalset.eval_items([str(path)])
    assert "\n" not in str(error.value)


def test_an_item_may_have_any_further_fields(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    line = {"id": "1", "prompt": "p", "category": ["x"], "meta": 3, "more": None}
    path.write_text(json.dumps(line))
    assert evalset.eval_items([str(path)]) == [EvalItem(f"{path}#1", "p", None)]


@pytest.mark.parametrize(
    "fields",
    [
        {"near_duplicates": 0.4},
        {"near_duplicates": 1.5},
        {"near_duplicates": 80},
        {"near_duplicates": float("nan")},
        {"near_duplicates": "high"},
        {"eval_sets": "file.jsonl"},
        {"eval_sets": [1]},
    ],
)
def test_a_wrong_threshold_or_list_names_its_field(fields: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"^{next(iter(fields))}") as error:
        DatasetSpec.of(dataset_name="d", **fields)
    assert "\n" not in str(error.value)
