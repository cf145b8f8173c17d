"""What the service `tunix-rt` makes of its own data, from its definition, field by field."""

import json
import uuid
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

import pytest

from tests.conftest import NOW
from tests.helpers import reference
from tunix_rt_nb import dataset, evaluate, models, render, train
from tunix_rt_nb.common import files
from tunix_rt_nb.dataset import evalset
from tunix_rt_nb.evaluate.grade import grade
from tunix_rt_nb.store import scores
from tunix_rt_nb.store.store import TraceStore
from tunix_rt_nb.trace.formats import reader, reads_back
from tunix_rt_nb.trace.response import Generation
from tunix_rt_nb.trace.trace import Trace

FILTERS = {"dataset": "dev-reasoning-v2"}
REQUEST = {
    "dataset_name": "dev reasoning",
    "dataset_version": "v2",
    "filters": FILTERS,
    "limit": 540,
    "selection_strategy": "random",
    "seed": 42,
    "session_id": "session-1",
    "training_run_id": "run-1",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the service: its traces and its eval set."""
    folder = tmp_path_factory.mktemp("reference")
    files.write_lines(folder / "dataset.jsonl", reference.traces())
    files.write_lines(folder / "eval_v2.jsonl", reference.items())
    return folder


@pytest.fixture(scope="module")
def store(folder: Path) -> TraceStore:
    store = TraceStore(folder / "traces")
    told: list[str] = []
    added = store.import_files([folder / "dataset.jsonl"], NOW, "auto", report=told.append)
    assert (added.new, added.known) == (550, 0)
    assert "550 traces" in told[0]
    return store


@pytest.fixture(scope="module")
def built(folder: Path, store: TraceStore) -> Path:
    asked = {**REQUEST, "eval_sets": [str(folder / "eval_v2.jsonl")]}
    return dataset.build(store, dataset.DatasetSpec.of(**asked), folder)


@pytest.fixture(scope="module")
def chosen(built: Path) -> list[tuple[str, Trace]]:
    return [pair for side in dataset.SIDES for pair in dataset.load(built, side)]


def payloads(store: TraceStore) -> list[dict[str, Any]]:
    return [json.loads(stored.trace.canonical()) for stored in store.newest(1_000)]


def test_the_traces_are_kept_as_they_are(store: TraceStore) -> None:
    def key(record: dict[str, Any]) -> str:
        return json.dumps(record, sort_keys=True)

    assert sorted(payloads(store), key=key) == sorted(reference.traces(), key=key)


def test_the_baseline_score_is_the_definition(store: TraceStore) -> None:
    for stored in store.newest(1_000):
        lengths = [len(step.content) for step in stored.trace.steps]
        steps, length = min(len(lengths) / 10, 1) * 50, min(fmean(lengths) / 500, 1) * 50
        found = scores.score(stored.trace, NOW)
        assert found["score"] == round(steps + length, 2)
        assert found["details"] == {
            "step_count": len(lengths),
            "avg_step_length": round(fmean(lengths), 2),
            "total_chars": sum(lengths),
            "step_score": round(steps, 2),
            "length_score": round(length, 2),
            "criteria": "baseline",
            "scored_at": NOW,
        }


def test_the_manifest_has_every_field(built: Path, chosen: list[tuple[str, Trace]]) -> None:
    manifest: Any = dataset.read_manifest(built)
    assert manifest["dataset_key"] == built.name == "dev_reasoning-v2"
    assert manifest.items() >= REQUEST.items()
    assert (manifest["dataset_schema_version"], manifest["parent_dataset_id"]) == ("1.0", None)
    assert str(uuid.UUID(manifest["build_id"])) == manifest["build_id"]
    assert manifest["created_at"] == NOW
    assert manifest["trace_ids"] == [id for id, _ in chosen]
    assert manifest["trace_count"] == len(chosen) == 540 - manifest["rejected"]["duplicate_prompt"]
    counts = [len(trace.steps) for _, trace in chosen]
    chars = [
        len(t.prompt) + len(t.final_answer) + sum(len(s.content) for s in t.steps)
        for _, t in chosen
    ]
    assert manifest["stats"] == {
        "avg_step_count": pytest.approx(fmean(counts), abs=1e-4),
        "min_step_count": min(counts),
        "max_step_count": max(counts),
        "avg_total_chars": pytest.approx(fmean(chars), abs=1e-4),
    }


def rendered(trace: Trace) -> str:
    """The text of a trace as the service renders it."""
    steps = "".join(f"{n}. {step.content}\n" for n, step in enumerate(trace.steps, 1))
    block = f"Reasoning:\n{steps}" if steps else ""
    return (
        f"<start_of_turn>user\n{trace.prompt}<end_of_turn>\n"
        f"<start_of_turn>model\n{block}Answer: {trace.final_answer}<end_of_turn>"
    )


def expected(id: str, trace: Trace, form: str) -> dict[str, Any]:
    """The record of a trace in a format of the service."""
    facts = {"created_at": NOW, "trace_version": "1.0"}
    contents = [step.content for step in trace.steps]
    numbers = [f"{n}. {content}" for n, content in enumerate(contents, 1)]
    answer = trace.final_answer
    records: dict[str, dict[str, Any]] = {
        "trace": {
            "prompts": trace.prompt,
            "trace_steps": contents,
            "final_answer": answer,
            "metadata": facts,
        },
        "tunix_sft": {
            "prompts": rendered(trace),
            "final_answer": answer,
            "metadata": {**facts, "format": "tunix_sft"},
        },
        "training_example": {
            "prompt": f"{trace.prompt}\n\nPlease show your reasoning steps.",
            "response": "\n".join(["Reasoning:", *numbers, f"Answer: {answer}"]),
            "metadata": {"source_trace_id": id, **facts},
        },
    }
    record = records[form]
    return {"id": id, **record, "metadata": {**record["metadata"], **(trace.meta or {})}}


@pytest.mark.parametrize("form", ["trace", "tunix_sft", "training_example"])
def test_a_record_of_an_export_is_the_definition_and_reads_back(
    form: str, built: Path, chosen: list[tuple[str, Trace]], tmp_path: Path
) -> None:
    out = tmp_path / "x.jsonl"
    dataset.export(out, form, dataset=built, split="all")
    lines = out.read_bytes().splitlines()
    read = reader(reads_back(form))
    for (id, trace), line in zip(chosen, lines, strict=True):
        record = json.loads(line)
        assert record == expected(id, trace, form)
        assert list(record) == list(expected(id, trace, form))
        again = read(line)
        assert (again.prompt, again.final_answer) == (trace.prompt, trace.final_answer)
        if trace.meta and trace.meta["category"] != "edge_case":  # a step there looks like two
            assert [s.content for s in again.steps] == [s.content for s in trace.steps]
        kept = {name: value for name, value in (again.meta or {}).items() if name != "imported"}
        assert kept == trace.meta


def test_a_job_is_the_manifest_of_the_service(built: Path) -> None:
    job = train.draft_job(str(built), "google/gemma-2-2b-it", "out")
    assert job.model_dump(exclude_none=True) == {
        "version": "1.0",
        "runner": "tunix",
        "mode": "sft",
        "model": {"model_id": "google/gemma-2-2b-it"},
        "dataset": {"format": "tunix_sft", "path": str(built)},
        "training": {
            "learning_rate": 2e-5,
            "weight_decay": 0.01,
            "num_epochs": 3,
            "batch_size": 8,
            "max_seq_length": 2048,
            "device": "auto",
        },
        "output": {"output_dir": str(Path("out").absolute())},
    }


def test_the_eval_set_is_read_item_by_item(folder: Path) -> None:
    found = evalset.read(str(folder / "eval_v2.jsonl"))
    asked = reference.items()
    assert [id for id, _ in found] == [item["id"] for item in asked]
    for (_, trace), item in zip(found, asked, strict=True):
        assert (trace.prompt, trace.final_answer) == (item["prompt"], item["expected_answer"])
        assert (trace.meta or {})["section"] == item["section"]


def means(values: dict[str, list[float]]) -> dict[str, tuple[int, float]]:
    return {name: (len(some), pytest.approx(fmean(some))) for name, some in values.items()}


def test_the_scorecard_has_every_figure(folder: Path) -> None:
    items = evalset.read(str(folder / "eval_v2.jsonl"))
    answers = [
        grade(
            id, trace, Generation(f"Answer: {'no idea' if n % 3 else trace.final_answer}", 3, True)
        )
        for n, (id, trace) in enumerate(items)
    ]
    given = [float(n % 3 == 0) for n in range(100)]
    card: Any = evaluate.sum_up(answers)
    assert (card["n_items"], card["n_scored"], card["n_skipped"]) == (100, 100, 0)
    assert card["primary_score"] == pytest.approx(fmean(given))
    assert card["stddev"] == pytest.approx(pstdev(given))
    assert (card["min_score"], card["max_score"]) == (0, 1)
    for field in ("section", "category", "difficulty"):
        groups: dict[str, list[float]] = {}
        for item, score in zip(reference.items(), given, strict=True):
            groups.setdefault(item[field], []).append(score)
        found = card[f"{field}_scores"]
        assert {name: (g["n"], g["score"]) for name, g in found.items()} == means(groups)
    low, high = card["interval"]
    assert low < fmean(given) < high


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_model_is_trained_on_the_traces_and_evaluated_on_the_items(
    folder: Path, built: Path, tmp_path: Path
) -> None:
    tokenizer = render.tokenizer_for("tiny", built, 512, "gemma", "numbered")
    manifest = render.render_dataset(built, tmp_path / "rendered", tokenizer, max_length=256)
    base = models.create("tiny", tokenizer, 0, tmp_path / "base")
    model, _ = models.load(base)
    rows = {
        side: render.pack(render.load(tmp_path / "rendered", side), 256) for side in dataset.SIDES
    }
    config = train.SftConfig.of(steps=2, batch_size=1, warmup_steps=1)
    lines = train.fine_tune(model, rows["train"], rows["eval"], config, tmp_path)
    assert max(line["step"] for line in lines) == 2
    models.save(model, tokenizer, tmp_path / "model")
    items = evalset.read(str(folder / "eval_v2.jsonl"))
    evalset.check_unseen(items, (trace for _, trace in dataset.load(built, "train")))
    some, skipped = evaluate.choose(items, 1)
    answers = evaluate.predict(tmp_path / "model", some, manifest, max_new_tokens=2)
    card = evaluate.sum_up(answers, skipped)
    assert card["n_items"] == 100
    assert card["section_scores"].keys() == {"core", "trace_sensitive", "edge_case"}
