"""Damaged copies of every file that the package reads, apart from models' files.

Each is read or refused in a line, soon, in little memory, and writes nothing outside its folder.
Models' files have `tests/models/test_damaged.py`. A reader that takes some 30 µs has 10,000 copies,
one of some 300 µs 2,000 to 5,000, one of some ms 1,000, and one that opens DuckDB or draws 60 to
200. `make test` tries the first eighth of them; `make long`, each night, at least 10,000 of each.
"""

import gzip
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from flax import nnx

from tests.conftest import NOW
from tests.helpers.mutations import endure
from tests.helpers.run_folders import (
    TRACES,
    evaluated,
    finished,
    predictions,
    right,
    trained,
    wrong,
)
from tunix_rt_nb import dataset, evaluate, render, report, runs, store
from tunix_rt_nb.cli import options
from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.dataset import evalset, versions
from tunix_rt_nb.dataset.folder import sealed
from tunix_rt_nb.evaluate import harness, judge, scorecard
from tunix_rt_nb.host import place
from tunix_rt_nb.kaggle import embedding, kernel, pulling, scratch, session, submission, watching
from tunix_rt_nb.report import page
from tunix_rt_nb.runs import baseline, chain, parameters, promoted, registry, sieves
from tunix_rt_nb.store import intake
from tunix_rt_nb.store.contents import Contents
from tunix_rt_nb.trace import formats
from tunix_rt_nb.train import checkpoints, job, smoke


class Target(NamedTuple):
    """A reader of files, a sound file, and how many damaged copies of it the reader gets."""

    read: Callable[[bytes], object]
    seed: bytes
    times: int


Made = Callable[[Path], Target]
TARGETS: dict[str, Made] = {}


def target(name: str) -> Callable[[Made], Made]:
    def known(made: Made) -> Made:
        assert name not in TARGETS
        TARGETS[name] = made
        return made

    return known


def told(record: object) -> bytes:
    return json.dumps(record, ensure_ascii=False).encode()


def lines(records: list[Any]) -> bytes:
    return b"".join(told(record) + b"\n" for record in records)


def of_file(path: Path, then: Callable[[], object], times: int, keep: bool = True) -> Target:
    """The target of a file that exists; it is written anew for each reading."""
    seed = path.read_bytes()

    def read(data: bytes) -> None:
        path.write_bytes(data)
        if not keep:  # `keep` is False if reading changes the folder: then it says how to start
            path.parent.mkdir(exist_ok=True)
        then()

    return Target(read, seed, times)


# Records of every format, one line at a time.

ASKED, STEPS = "What is 17 + 25?", ["17 + 25 = 42", "So it is 42."]
STYLED = "Reasoning:\n1. 17 + 25 = 42\n2. So it is 42.\nAnswer: 42"
TYPED = [{"i": n, "type": "compute", "content": step} for n, step in enumerate(STEPS)]
TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello."},
    {"role": "user", "content": ASKED},
    {"role": "assistant", "content": f"<think>{STEPS[0]}</think>42"},
]
RECORDS: dict[str, dict[str, Any]] = {
    "trace": TRACES[0].model_dump(),
    "tunix_sft": {
        "prompts": f"<start_of_turn>user\n{ASKED}<end_of_turn>\n<start_of_turn>model\n"
        f"{STYLED}<end_of_turn>",
        "final_answer": "42",
    },
    "training_example": {"id": "1", "prompt": ASKED, "response": STYLED, "metadata": {"a": [1]}},
    "messages": {"messages": TURNS, "id": "7"},
    "reference": {
        "prompts": ASKED,
        "trace_steps": STEPS,
        "final_answer": "42",
        "metadata": {"a": 1.5},
    },
    "gsm8k": {"question": ASKED, "answer": "17 + 25 = <<17+25=42>>42\n#### 42"},
    "tagged": {"problem": ASKED, "solution": f"<reasoning>{STEPS[0]}</reasoning>\\boxed{{42}}"},
}
CHATS = [{"messages": TURNS[1:], "n": n} for n in range(3)]
MAP = {"prompt": "q", "reasoning": "r", "answer": "a", "system": "s"}
MAPPED = {"q": ASKED, "r": "\n".join(STEPS), "a": "42", "s": "Be brief."}


def _record(form: str, as_form: str) -> Made:
    def made(folder: Path) -> Target:
        return Target(formats.reader(as_form), told(RECORDS[form]), 10_000)

    return made


for _form in RECORDS:
    TARGETS[f"a record of {_form}"] = _record(_form, _form)
    TARGETS[f"a record of {_form}, recognised"] = _record(_form, "auto")


@target("a record with named fields")
def _(folder: Path) -> Target:
    return Target(formats.reader("auto", MAP), told(MAPPED), 10_000)


# Files of records.


def imported(path: Path, content: bytes, times: int, form: str = "auto") -> Target:
    path.write_bytes(content)

    def read() -> None:
        try:
            for _ in intake.read([path], NOW, intake.How(form)):
                pass
        except InputError as error:  # of several lines, if several records are bad
            assert all(line.isprintable() for line in str(error).split("\n")), str(error)
            raise InputError(str(error).split("\n")[0]) from None

    return of_file(path, read, times)


@target("JSON lines")
def _(folder: Path) -> Target:
    return imported(folder / "x.jsonl", lines(CHATS), 2000)


@target("JSON lines of traces")
def _(folder: Path) -> Target:
    return imported(folder / "x.jsonl", lines([t.model_dump() for t in TRACES[:3]]), 1000, "trace")


@target("a JSON array")
def _(folder: Path) -> Target:
    return imported(folder / "x.json", told(CHATS), 2000)


@target("gzipped JSON lines")
def _(folder: Path) -> Target:
    return imported(folder / "x.jsonl.gz", gzip.compress(lines(CHATS)), 2000)


@target("CSV")
def _(folder: Path) -> Target:
    rows = [f'"{n} + 1?","{n} + 1 = {n + 1}, so ""{n + 1}"".\nDone.","{n + 1}"' for n in range(5)]
    return imported(
        folder / "x.csv", "\r\n".join(["question,reasoning,answer", *rows]).encode(), 2000
    )


@target("Parquet")
def _(folder: Path) -> Target:
    import duckdb

    path = folder / "x.parquet"
    query = (
        "SELECT i || ' + 1?' question, [{'a': i}] meta, i || ' #### 1' answer FROM range(5) r(i)"
    )
    duckdb.sql(f"COPY ({query}) TO '{path}'")
    return imported(path, path.read_bytes(), 200)


@target("Arrow")
def _(folder: Path) -> Target:
    arrow = pytest.importorskip("pyarrow")
    path = folder / "x.arrow"
    table = arrow.table(
        {"question": [ASKED] * 3, "answer": ["17 + 25 #### 42"] * 3, "n": [1, 2, 3]}
    )
    with arrow.ipc.new_stream(str(path), table.schema) as stream:
        stream.write_table(table)
    return imported(path, path.read_bytes(), 2000)


@target("an eval set")
def _(folder: Path) -> Target:
    path = folder / "own.jsonl"
    known = [
        {"id": t.id, "prompt": t.prompt, "expected_answer": t.final_answer} for t in TRACES[:2]
    ]
    asked = [
        {"category": "arithmetic", "section": "core", **known[0]},
        known[1],
        RECORDS["messages"],
    ]
    path.write_bytes(lines(asked))

    def read() -> None:
        found = evalset.eval_items([str(path)])
        assert len(evalset.read(str(path))) <= len(found)

    return of_file(path, read, 2000)


@target("a file for the smoke test")
def _(folder: Path) -> Target:
    path = folder / "x.jsonl"
    path.write_bytes(
        lines([RECORDS["training_example"], RECORDS["training_example"] | {"id": "2"}])
    )

    def read() -> None:
        found = smoke._Reader(path)
        list(found)
        assert all(line.isprintable() for line in [*found.wrong(), found.check().told])

    return of_file(path, read, 3000)


# YAML.


@target("a spec")
def _(folder: Path) -> Target:
    path = folder / "x.yaml"
    path.write_bytes(
        b"dataset_name: cards\ndataset_version: v2\nfilters: {meta.task: arithmetic, steps: {'>': 2}}\n"
        b"selection_strategy: stratified\nstratify_by: task\nquotas: {a: 1, b: 2}\n"
        b"eval_fraction: 0.1\nnear_duplicates: 0.8\neval_sets: [core-v1]\ntags: [a, 'b']\n"
    )
    return of_file(path, lambda: dataset.DatasetSpec.read(path), 4000)


@target("a job")
def _(folder: Path) -> Target:
    path = folder / "x.yaml"
    path.write_bytes(
        b"model: {model_id: tiny}\ndataset: {path: data.jsonl, format: messages}\n"
        b"training: {num_epochs: 2, batch_size: 2, learning_rate: 4e-3, max_seq_length: 256}\n"
        b"output: {output_dir: out}\n"
    )
    return of_file(path, lambda: job.read(path).parameters(), 4000)


@target("a profile")
def _(folder: Path) -> Target:
    path = folder / "x.yaml"
    path.write_bytes(
        b"MODEL: tiny\nTRACES: {arithmetic: 20, high_card_duel: 10}\nSTEPS: 8\nlearning_rate: 1e-3\n"
        b"SEED: 010\nEVAL_SETS: [core-v1]\nDATASET_NAME: No\n"
    )
    return of_file(path, lambda: parameters.resolve(parameters.load_profile(str(path))), 3000)


def _set(name: str, value: str) -> Made:
    def read(data: bytes) -> object:
        text = f"{name}={os.fsdecode(data)}"  # as Python makes arguments of bytes
        return parameters.resolve(options.settings_of((text,)))

    return lambda folder: Target(read, value.encode(), 5000)


for _name, _value in {
    "TRACES": "{arithmetic: 20, high_card_duel: 10}",
    "EVAL_SETS": "[core-v1, 'own.jsonl']",
    "LEARNING_RATE": "1.5e-3",
    "STYLE": "numbered",
}.items():
    TARGETS[f"--set {_name}"] = _set(_name, _value)


# Datasets.


def built(folder: Path, shards: int | None = None) -> Path:
    traces = store.TraceStore(folder / "traces")
    traces.add(TRACES, NOW)
    spec = dataset.DatasetSpec.of(dataset_name="d", eval_fraction=0.3)
    return dataset.build(traces, spec, folder / "data" / "datasets", shard_count=shards)


def resealing(data: bytes) -> bytes:
    """The manifest with the hash of what it says now, as if somebody had meant it."""
    try:
        found = files.strict_json.load(data)
    except ValueError:
        return data
    return told(sealed(found)) if isinstance(found, dict) else data


def _manifest(reseal: bool) -> Made:
    def made(folder: Path) -> Target:
        source = built(folder)
        path, good = source / "manifest.json", dataset.read_manifest(source)
        seed = path.read_bytes()

        def read(data: bytes) -> None:
            path.write_bytes(resealing(data) if reseal else data)
            [row] = versions.listing()
            told(row)
            found = dataset.read_manifest(source)
            versions.diff(good, found)
            dataset.funnel(found)
            dataset.by_task(found)
            list(dataset.load(source, "train"))
            dataset.copy(source, folder / "copies")

        return Target(read, seed, 1000)

    return made


TARGETS["a dataset's manifest"] = _manifest(False)
TARGETS["a dataset's manifest, sealed again"] = _manifest(True)


@target("a dataset's traces")
def _(folder: Path) -> Target:
    source = built(folder)
    path, manifest = source / "train.jsonl", files.read_json(source / "manifest.json")

    def read() -> None:
        manifest["files"]["train.jsonl"] = files.sha256(path)
        (source / "manifest.json").write_bytes(told(sealed(manifest)))
        list(dataset.load(source, "train"))

    return of_file(path, read, 2000)


@target("a dataset's list of ids, beside its shards")
def _(folder: Path) -> Target:
    source = built(folder, shards=4)
    path, manifest = source / "train.ids", files.read_json(source / "manifest.json")

    def read() -> None:
        manifest["files"]["train.ids"] = files.sha256(path)
        (source / "manifest.json").write_bytes(told(sealed(manifest)))
        versions.diff(dataset.with_ids(source), dataset.with_ids(source))
        list(dataset.load(source, "train"))

    return of_file(path, read, 2000)


@target("a dataset's rejects")
def _(folder: Path) -> Target:
    source = built(folder)
    path = source / "rejects.jsonl"
    path.write_bytes(lines([{"id": "a", "reason": "too_long", "of": "b"}] * 3))
    return of_file(path, lambda: dataset.rejects(source), 5000)


# Rendered datasets.


@cache
def _rendering() -> Path:
    folder = Path(tempfile.mkdtemp())
    source = built(folder)
    tokenizer = render.tokenizer_for("tiny", source, 400, "gemma", "numbered", "")
    render.render_dataset(source, folder / "out", tokenizer, "gemma", "numbered")
    return folder


def rendered(folder: Path) -> Path:
    return Path(shutil.copytree(_rendering() / "out", folder / "out"))


def _array(name: str) -> Made:
    def made(folder: Path) -> Target:
        out = rendered(folder)
        manifest = files.read_json(out / "manifest.json")

        def read() -> None:
            manifest["files"][name] = files.sha256(out / name)
            (out / "manifest.json").write_bytes(told(manifest))
            examples = render.load(out, "train")
            list(examples)
            render.pack(examples, 512)

        return of_file(out / name, read, 1000)

    return made


TARGETS["rendered examples"] = _array("train.npy")
TARGETS["rendered tokens"] = _array("train_tokens.npy")


@target("a rendered manifest")
def _(folder: Path) -> Target:
    out = rendered(folder)

    def read() -> None:
        render.read_manifest(out)
        render.load(out, "train")
        render.rejects(out)

    return of_file(out / "manifest.json", read, 3000)


# Runs.


def _result(step: str) -> Made:
    def made(folder: Path) -> Target:
        run = evaluated(folder)
        if step == "improve":
            card = evaluate.scorecards(run / runs.stem("evaluate"))[1]
            finished(run, step, {}, improved=card, kept=9)
        path = run / runs.stem(step) / "result.json"
        turn = count()

        def read() -> None:
            runs.states.state(run)
            told(registry._place(run))
            if next(turn) % 20 == 0:  # slow
                told(registry.row(run))
            chain._is_whole(path.parent)
            sieves.notes_of(path.parent)
            runs.origin.of_step(step, {step: path.parent})
            runs.lineage("evaluate", run / runs.stem("evaluate"))
            if step == "improve":
                scorecard.improved_scorecard(path.parent)
            for card in evaluate.scorecards(run / runs.stem("evaluate")):
                evaluate.headline(card)
                baseline.check(baseline.take("a", card), card)

        return of_file(path, read, 1000)

    return made


for _step in runs.STEPS:
    TARGETS[f"the result of {_step}"] = _result(_step)


@target("run.json")
def _(folder: Path) -> Target:
    run = evaluated(folder)

    def read() -> None:
        told(registry.row(run))
        runs.is_taken(run)
        chain._of_complete(run, runs.STEPS)
        page._parameters(run)
        chain._is_of_other_format(run, fresh=False)

    return of_file(run / "run.json", read, 150)


@target("the page of a run")
def _(folder: Path) -> Target:
    run = evaluated(folder)
    return of_file(run / "5_evaluate" / "result.json", lambda: report.write_page(run), 50)


@target("the key of a step")
def _(folder: Path) -> Target:
    path = trained(folder) / "4_train" / "key"
    path.write_text("0" * 64)
    return of_file(path, lambda: chain._has_key(path.parent, "0" * 64), 10_000)


@target("the list of what was skipped")
def _(folder: Path) -> Target:
    path = trained(folder) / "1_generate" / "skipped.txt"
    path.write_text("x.jsonl:1: prompt: is empty\n" * 3)
    return of_file(path, lambda: sieves.notes_of(path.parent), 2000)


@target("an executed notebook")
def _(folder: Path) -> Target:
    run = trained(folder)
    (run / "4_train" / "result.json").unlink()
    path = run / "4_train.ipynb"
    path.write_bytes(told({"metadata": {"papermill": {"exception": True}}, "cells": []}))
    return of_file(path, lambda: runs.states.state(run), 3000)


@target("a baseline")
def _(folder: Path) -> Target:
    card = evaluate.sum_up(predictions([right(t) for t in TRACES]))
    path = baseline.write(baseline.take("a", card))

    def read() -> None:
        told_of = baseline.check(baseline.read("a"), card).told
        assert told_of.isprintable()

    return of_file(path, read, 10_000)


@target("the version of a promoted model")
def _(folder: Path) -> Target:
    made = promoted.promote(trained(folder))

    def read() -> None:
        [row] = promoted.listing()
        told(row)
        promoted.altered(made.folder)

    return of_file(made.folder / "version.json", read, 150)


# Predictions and judgements.


@target("predictions")
def _(folder: Path) -> Target:
    path = folder / "x.jsonl"
    two = TRACES[:1] + TRACES[-1:]
    good = predictions([right(two[0]), wrong(two[1])], two)
    files.write_lines(path, good)

    def read() -> None:
        found = evaluate.predictions.read(path)
        told(evaluate.sum_up(found))
        evaluate.predictions.items_of(found)
        [evaluate.prediction.outcome(one) for one in found]
        [evaluate.prediction.first_wrong(one) for one in found]
        evaluate.compare(good, found)
        report.predictions_html(found)
        judge.messages(found[0])

    return of_file(path, read, 2000)


@target("judgements")
def _(folder: Path) -> Target:
    path = folder / "judged.jsonl"
    asked = predictions([right(t) for t in TRACES[:2]], TRACES[:2])
    made = [
        {
            "id": one["id"],
            "judge": "a",
            "prompt": judge.messages(one),
            "raw": "{}",
            "scores": dict.fromkeys(judge.CRITERIA, 5.0),
            "score": 1.0,
            "problem": None,
        }
        for one in asked
    ]
    files.write_lines(path, made)
    return of_file(path, lambda: told(judge.summary(judge.read(asked, path))), 5000)


@target("the answer of a judge")
def _(folder: Path) -> Target:
    said = 'So: {"correctness": 5, "completeness": 4, "clarity": 3, "why": "?"} Good!'
    return Target(
        lambda data: judge.read_scores(data.decode(errors="replace")), said.encode(), 10_000
    )


@target("answers that are kept")
def _(folder: Path) -> Target:
    path = folder / "answers"
    one = {"number": 3, "text": "a", "tokens": 1, "stopped": True, "ids": [7, 1]}
    path.write_bytes(lines([{"asked": "b"}, {"batch": [one, one | {"number": 4}]}]))
    return of_file(path, lambda: evaluate.Kept(path, "b").answers, 5000)


@target("samples of the harness")
def _(folder: Path) -> Target:
    path = folder / "samples.jsonl"
    doc = {"id": 5, "prompt": ASKED, "earlier_messages": '[{"role": "user", "content": "a"}]'}
    path.write_bytes(lines([{"doc": doc, "resps": [["42"]]}] * 2))
    return of_file(path, lambda: harness.responses(path), 10_000)


# Checkpoints.


class Two(nnx.Module):
    def __init__(self) -> None:
        self.one = nnx.Linear(2, 3, rngs=nnx.Rngs(0))


@target("the identity of checkpoints")
def _(folder: Path) -> Target:
    path = folder / "checkpoints" / "run.json"
    run = {"rows": "a", "eval_rows": "b", "model": "c", "patience": 0, "keep": "last", "steps": 8}
    checkpoints.claim(path.parent, run)
    (path.parent / "last" / "5").mkdir(parents=True)
    seed = path.read_bytes()

    def read(data: bytes) -> None:
        (path.parent / "last" / "5").mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        runs.is_interrupted(folder)
        checkpoints.claim(path.parent, run)

    return Target(read, seed, 5000)


@target("the best weights")
def _(folder: Path) -> Target:
    model = Two()
    checkpoints.save_best(folder, model, 5, 0.5)

    def read() -> None:
        told(checkpoints.listing(folder))
        checkpoints.load_best(folder, Two())

    return of_file(folder / "best.safetensors", read, 300)


@target("metrics")
def _(folder: Path) -> Target:
    path = folder / "metrics.jsonl"
    line = {"step": 1, "loss": 0.5, "grad_norm": 1.0, "tokens_per_second": 9.5}
    path.write_bytes(lines([line, {"step": 1, "eval_loss": 0.7}, line | {"step": 2}]))

    return of_file(path, lambda: page._curves(folder), 60)


# Kaggle.


@target("a notebook for Kaggle")
def _(folder: Path) -> Target:
    import nbformat

    path = folder / "x.ipynb"
    cells = [
        nbformat.v4.new_code_cell(
            "STEPS: int = 5\nNAME: str = 'a'", metadata={"tags": ["parameters"]}
        ),
        nbformat.v4.new_markdown_cell("# Title"),
        nbformat.v4.new_code_cell("print(STEPS)", outputs=[]),
    ]
    path.write_text(nbformat.writes(nbformat.v4.new_notebook(cells=cells)))

    def read() -> None:
        kinds = kernel.kinds_of(path)
        own = embedding.stripped(embedding.read(path))
        kernel._notebook(own, {"STEPS": 7} if "STEPS" in kinds else {}, "one")
        kernel._text(own)

    return of_file(path, read, 200)


@target("the list of a kernel's output")
def _(folder: Path) -> Target:
    made = session.keep(trained(folder / "kept"), folder / "runs" / "one")
    spare = shutil.copytree(made, folder / "spare")
    path = made / session.OUTPUT
    seed = path.read_bytes()

    def read(data: bytes) -> None:
        shutil.copytree(spare, made, dirs_exist_ok=True)
        path.write_bytes(data)
        session.check(made)
        pulling.check_replaceable(made)
        session.keep(made, spare)

    return Target(read, seed, 1000)


@target("names in a kernel's output")
def _(folder: Path) -> Target:
    inside = folder / "output"

    def read(data: bytes) -> None:
        path = Path(
            os.path.normpath(inside / pulling.safe("me/kernel", data.decode(errors="replace")))
        )
        assert path.is_relative_to(inside) and path != inside

    return Target(read, b"runs/x/./run.json", 10_000)


@target("kaggle.json")
def _(folder: Path) -> Target:
    run = folder / "runs" / "one"
    submission.Submission(run, "me/first", 3, "https://www.kaggle.com/code/me/first").record()

    def read() -> None:
        found = submission.find("one")
        assert type(found.version) is int and type(found.handle) is type(found.url) is str
        watching.spent(found)

    return of_file(run / "kaggle.json", read, 5000)


@target("the log of a kernel")
def _(folder: Path) -> Target:
    path = folder / "runs" / "one" / "kaggle.jsonl"
    path.parent.mkdir(parents=True)
    event = {"version": 3, "stream_name": "stderr", "time": 60.5, "data": "a\n"}
    path.write_bytes(lines([event, event | {"time": None}]))
    pushed = submission.Submission(path.parent, "me/one", 3, "")

    def read() -> None:
        watching.spent(pushed)
        watching._end(pushed, "ERROR", "", lambda line: None)

    return of_file(path, read, 5000)


@target("the plan of a kernel")
def _(folder: Path) -> Target:
    run = trained(folder)
    path = run / "kernel" / "plan.json"
    plan = {"run_id": "one", "source": "quickstart", "steps": [], "values": {"STEPS": 8}}
    files.write_json(path, {**plan, "accelerator": "TpuV5E8"})
    files.write_json(path.with_name("kernel-metadata.json"), {"id": "me/one"})
    pushed = submission.Submission(run, "me/one", 3, "")

    def read() -> None:
        watching._session(pushed)
        submission.plan_of(path.parent)

    return of_file(path, read, 5000)


@target("the metadata of a kernel")
def _(folder: Path) -> Target:
    path = folder / "kernel" / "kernel-metadata.json"
    plan = {"run_id": "one", "source": "quickstart", "steps": [], "values": {"STEPS": 8}}
    files.write_json(path.with_name("plan.json"), {**plan, "accelerator": "TpuV5E8"})
    files.write_json(path, {"id": "me/one", "title": "one", "kernel_sources": []})
    return of_file(
        path, lambda: submission._prepared(path.parent, path.name, submission._Named), 5000
    )


@target("the plan that a killed pull left")
def _(folder: Path) -> Target:
    path = folder / ".pull--1" / scratch._OLD / "kernel" / "plan.json"
    files.write_json(path, {"run_id": "one"})
    return of_file(path, lambda: scratch._run_of(folder / ".pull--1"), 5000)


@target("the mark of an input")
def _(folder: Path) -> Target:
    path = folder / place.MARK
    files.write_json(path, {"handle": "me/data/1"})
    return of_file(path, lambda: place._marked(folder, "me/data/1"), 5000)


# Stores.


def stored(folder: Path) -> Path:
    traces = store.TraceStore(folder / "traces")
    for some_of in (TRACES[:3], TRACES[3:6]):
        traces.add(some_of, NOW)
    traces.delete([TRACES[0].id], NOW)
    return traces.folder


def whole(folder: Path) -> None:
    traces = store.TraceStore(folder)
    traces.shards()
    found = Contents(folder)
    list(found.lines(found.table))
    found.take(range(len(found.table)))
    for line in store.Verification(folder):
        assert line.isprintable(), line


def _stored(pattern: str, times: int) -> Made:
    def made(folder: Path) -> Target:
        there = stored(folder)
        path = min(there.glob(pattern))
        return of_file(path, partial(whole, there), times)

    return made


for _what, _pattern in {
    "a shard": "traces-*.jsonl",
    "a deletion": "deleted-*.jsonl",
    "an index": ".traces-*.index",
    "the record of shards": ".held.json",
}.items():
    TARGETS[f"{_what} of a store"] = _stored(_pattern, 1000)


@target("a shard by hand")
def _(folder: Path) -> Target:
    there = stored(folder)
    path = there / "traces-by-hand.jsonl"
    path.write_bytes(min(there.glob("traces-*.jsonl")).read_bytes())
    min(there.glob("traces-*.jsonl")).unlink()
    (there / ".held.json").unlink()
    return of_file(path, partial(whole, there), 500)


@target("deletions by hand")
def _(folder: Path) -> Target:
    there = stored(folder)
    path = there / "deleted-by-hand.jsonl"
    path.write_bytes(lines([{"id": TRACES[1].id, "deleted_at": NOW}]))
    return of_file(path, partial(whole, there), 1000)


@target("a merge of shards")
def _(folder: Path) -> Target:
    there = stored(folder)
    before = sorted(there.glob("traces-*.jsonl"))
    content = b"".join(path.read_bytes() for path in before)
    into = there / "traces-by-hand.jsonl"
    into.write_bytes(content)
    path = there / ".merge.json"
    path.write_bytes(told({"into": into.name, "replaced": [one.name for one in before]}))
    return of_file(path, partial(whole, there), 1000)


# The tests.


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.setenv("TUNIX_RT_HOME", str(folder))
    monkeypatch.chdir(folder)
    monkeypatch.setattr(os, "fsync", lambda file: None)  # what is written here is thrown away
    monkeypatch.setattr(parameters, "declared", cache(parameters.declared))  # ours do not change
    (tmp_path / "beside").write_text("kept")
    yield folder
    assert {path.name for path in tmp_path.iterdir()} == {"folder", "beside"}
    assert (tmp_path / "beside").read_text() == "kept"


WRITES = ("open", "os.remove", "os.rename", "os.mkdir", "os.rmdir", "shutil.rmtree")
inside: list[str] = []  # the folders that may be written to, while a target reads


def _watch(event: str, given: tuple[Any, ...]) -> None:
    """Refuses what is written outside; Python calls this before it opens or removes a file."""
    if not inside or event not in WRITES or not isinstance(given[0], str | bytes):
        return
    if event == "open" and not (given[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
        return
    path = os.path.normpath(Path.cwd() / os.fsdecode(given[0]))
    if not path.startswith(tuple(inside)):
        raise AssertionError(f"{event} of {path}, which is outside")


sys.addaudithook(_watch)


@pytest.fixture
def watched(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MPLCONFIGDIR", str(folder))
    cached = sys.pycache_prefix or str(Path(__file__).parents[2])
    inside.extend([str(folder), tempfile.gettempdir() + "/tmp", "/dev/null", cached])
    yield
    inside.clear()


@pytest.mark.fuzz
@pytest.mark.filterwarnings("ignore")  # of nbformat and NumPy, about what is damaged
@pytest.mark.parametrize("name", TARGETS)
def test_every_damaged_copy_is_read_or_refused_in_a_line(
    name: str, folder: Path, watched: None
) -> None:
    target = TARGETS[name](folder)
    target.read(target.seed)
    endure(target.read, target.seed, target.times)


FOUND = [  # what once ended in a traceback: a target, a text of its file, another text, the reason
    ("--set STYLE", b"numbered", b"n" * 5000, "unknown 'nnn"),
    ("a dataset's manifest, sealed again", b'"in_store"', b'"in"', "in_store: Field required"),
    ("a dataset's manifest, sealed again", b'"tasks"', b'"task"', "tasks: Field required"),
    ("a job", b"data.jsonl", b"d" * 300, "dataset.path: File name too long"),
    ("a notebook for Kaggle", b'"cell_type"', b'"type"', "is not a notebook"),
    (
        "a notebook for Kaggle",
        b": str",
        b": str" + b"[" * 5000,
        "the cell of parameters is not Python",
    ),
    ("a notebook for Kaggle", b"int = 5", b"int = five", "STEPS: five: expected a plain value"),
    ("a rendered manifest", b'"files"', b'"file"', "was altered after it was rendered"),
    ("a rendered manifest", b'.npy": "', b'.npy": "\x7f', "was altered after it was rendered"),
    ("a baseline", b'"name": "a"', b'"name": "\x7f"', r"name: '\x7f' is unsafe"),
    ("judgements", b'"score": 1.0', b'"score": "x"', "something other than judgements"),
    ("answers that are kept", b'"text": "a"', b'"text": "\xff"', "is damaged, remove it"),
    ("kaggle.json", b'"version": 3', b'"version": "x"', "version: Input should be a valid int"),
    ("metrics", b'"step": 1', b'"stop": 1', "step: Field required"),
    ("predictions", b'"prompt": "', b'"prompt": "?', "prompt: "),
    ("predictions", b'"wrong_steps": {"', b'"wrong_steps": {"x', "wrong_steps."),
    ("rendered examples", b"'start'", b"'stars'", "train.npy: is damaged, run 3_render again"),
    ("rendered tokens", b"'shape': (", b"'shape': ((", "train_tokens.npy: is damaged"),
    ("rendered tokens", b"'shape': (", b"'shape': (9", "train_tokens.npy: is damaged"),
    ("samples of the harness", b'{"doc"', b'{"a":' * 9000 + b'{"doc"', "is no logged sample"),
    ("the best weights", b"eval_loss", b"eval_less", "best.safetensors: cannot be read"),
    ("the identity of checkpoints", b'"run"', b'"ran"', "run.json: is damaged"),
    ("the list of a kernel's output", b"{", b'{"\x7f": "0",', "is missing, but"),
    ("the log of a kernel", b'"version"', b'"version', "not a JSON object"),
    ("the log of a kernel", b"60.5", b"1e999", "time: Input should be a finite number"),
    ("the mark of an input", b'"handle"', b'"handles"', "is not attached, but None is"),
    ("the metadata of a kernel", b'"id"', b'"ids"', "id: Field required"),
    ("the page of a run", b'"steps_right"', b'"steps_write"', "steps_right: Field required"),
    ("the plan of a kernel", b'"accelerator"', b'"accelerate"', "accelerator: Field required"),
    ("the result of build", b'"folder"', b'"folders"', "inputs.generate.folder: Field required"),
    ("the result of build", b"1_generate", b"1\x7fgenerate", "inputs: generate: is no path"),
    ("the result of build", b"1_generate", b"1" * 300, "inputs: generate: is no path"),
    ("the page of a run", b'"strict_format"', b'"strict"', "damaged: KeyError: 'strict_format'"),
    ("the page of a run", b'"interval"', b'"intervals"', "interval: Field required"),
    ("the page of a run", b'"ran_on": 0.0', b'"ran_on": "x"', "before.ran_on: Input should be a"),
    ("the result of evaluate", b'"n_scored"', b'"scored"', "before.n_scored: Field required"),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "old", "new", "reason"), FOUND)
def test_what_once_ended_in_a_traceback(
    name: str, old: bytes, new: bytes, reason: str, folder: Path
) -> None:
    target = TARGETS[name](folder)
    assert old in target.seed
    with pytest.raises(InputError) as told_of:
        target.read(target.seed.replace(old, new))
    message = str(told_of.value)
    assert reason in message and message.isprintable() and len(message) < 2000


def test_damaged_numbers_of_an_arrow_file_do_not_kill_the_process(folder: Path) -> None:
    target = TARGETS["Arrow"](folder)
    place = target.seed.rindex(b"17 + 25 #### 42") - 4  # inside the offsets of the texts
    for at in range(place - 200, place):
        data = bytearray(target.seed)
        data[at : at + 4] = b"\xff\xff\xff\x7f"
        try:
            target.read(bytes(data))
        except InputError as error:
            assert str(error).isprintable()


def test_a_key_and_a_list_that_are_no_text_are_read(folder: Path) -> None:
    for name in ("the key of a step", "the list of what was skipped"):
        TARGETS[name](folder).read(b"\xff\x1b[0m\n")
        shutil.rmtree(folder / "runs")


def test_a_damaged_list_removes_nothing_beside_the_run(folder: Path) -> None:
    made = session.keep(trained(folder / "kept"), folder / "runs" / "one")
    files.write_json(made / session.OUTPUT, {"../../../beside": "0", "gone": "0"})
    session.keep(folder / "kept" / "runs" / "one", made)
    session.check(made)
