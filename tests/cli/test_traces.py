import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.conftest import NOW
from tunix_rt_nb import runs, tasks
from tunix_rt_nb.cli import display, main
from tunix_rt_nb.host import paths
from tunix_rt_nb.store.scores import score, summary
from tunix_rt_nb.store.shards import Stored
from tunix_rt_nb.store.store import TraceStore
from tunix_rt_nb.trace.trace import Earlier, Trace

EXAMPLE = paths.PROJECT / "data/traces/example.jsonl"
SKIP = "--skip-bad (in a notebook: SKIP_BAD) leaves bad lines out"
GOOD = '{"prompt": "p", "steps": [{"i": 0, "type": "s", "content": "t"}], "final_answer": "a"}'


@pytest.fixture(scope="module")
def traces() -> list[Trace]:
    """Of two tasks only, which takes less time than of all."""
    return [t for name in ("high_card_duel", "arithmetic") for t in tasks.draw(name, 40, seed=7)]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUNIX_RT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def invoke(*arguments: object, stdin: str | bytes = "") -> Result:
    return CliRunner().invoke(main, ["traces", *map(str, arguments)], input=stdin)


def told(*arguments: object) -> str:
    result = invoke(*arguments)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def bad(*arguments: object, stdin: str | bytes = "") -> str:
    """The one line that a command ends with for bad input."""
    result = invoke(*arguments, stdin=stdin)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("tunix-rt-nb: ")
    return result.stderr.removeprefix("tunix-rt-nb: ").rstrip("\n")


def test_what_is_imported_is_listed_and_shown() -> None:
    assert told("import", EXAMPLE).startswith("2 new traces, 0 already there: ")
    assert json.loads(told("import", EXAMPLE, "--json")) == {"new": 0, "known": 2, "deleted": 0}
    lines = told("list").splitlines()
    assert len(lines) == 2
    assert "A train leaves at 9:40" in lines[0] + lines[1]
    [first, second] = json.loads(told("list", "--json"))
    assert {"id", "created_at", "prompt", "steps", "final_answer", "meta"} < set(first)
    assert json.loads(told("list", "--offset", 1, "--json")) == [second]
    assert json.loads(told("list", "--where", "source=by hand", "--limit", 1, "--json")) == [first]
    assert json.loads(told("list", "--where", "source!=by hand", "--json")) == []
    checks = {"steps": [None] * len(first["steps"]), "end": None, "answer": None}
    checks["unchecked"] = [*range(len(first["steps"]))]
    assert json.loads(told("show", first["id"], "--json")) == {**first, "checks": checks}
    shown = told("show", first["id"][:9])
    assert all(step["content"] in shown for step in first["steps"])


def test_steps_are_ticked_or_crossed(store: TraceStore) -> None:
    right = store.newest(1, filters={"task": "arithmetic"})[0].trace
    steps = [(step.type, step.content) for step in right.steps]
    steps[1] = ("tens", "Tens: 1 + 1 = 3.\x1b[31m")
    wrong = Trace.of(right.prompt, steps, right.final_answer, right.meta)
    store.add([wrong], NOW)
    shown = told("show", right.id, "--store", store.folder)
    assert shown.count("✓") == len(steps) + 1
    crossed = told("show", wrong.id, "--store", store.folder)
    assert "✗   2. Tens: 1 + 1 = 3.\ufffd[31m\n       expected " in crossed
    compared = told("compare", right.id, wrong.id, "--store", store.folder)
    assert "~ Tens: 1 + 1 = 3." in compared
    assert f"{(len(steps) - 1) / len(steps):.0%} of the steps right, answer right" in compared
    both = json.loads(told("compare", right.id, wrong.id, "--store", store.folder, "--json"))
    assert [row["mark"] for row in both["rows"]] == ["=", "=", "~", *"=" * (len(steps) - 1)]
    assert both["a"]["steps_verified"] == 1.0
    assert both["b"]["details"]["criteria"] == "baseline"
    for side, trace in (("a", right), ("b", wrong)):
        payload = json.loads(trace.canonical())
        assert both[side].items() >= {**payload, "id": trace.id, "created_at": NOW}.items()
    assert f"from   {NOW}" in compared
    assert "meta   {" in compared and '"task": "arithmetic"' in compared


def test_verify_lists_what_is_wrong_and_ends_with_one(store: TraceStore) -> None:
    assert "nothing wrong" in told("verify", "--store", store.folder)
    right = store.newest(1, filters={"task": "arithmetic"})[0].trace
    store.add([Trace.model_validate({**right.model_dump(), "final_answer": "-1"})], NOW)
    result = invoke("verify", "--store", store.folder)
    assert result.exit_code == 1
    assert re.match(
        r".*traces-\w+\.jsonl:1: trace [0-9a-f]{8}: answer: '-1' is wrong\n", result.stdout
    )
    found = json.loads(invoke("verify", "--store", store.folder, "--json").stdout)
    assert len(found["wrong"]) == 1
    assert found["traces"] == found["checked"] == store.count()


def test_sums_of_ones_own_traces_are_checked_and_counted(tmp_path: Path) -> None:
    steps = ["48/2 = 24 clips", "Add both.", "48 + 24 = 73"]
    file = tmp_path / "own.jsonl"
    trace = Trace.of("How many?", [("s", text) for text in steps], "73")
    file.write_text(json.dumps(trace.model_dump()) + "\n" + GOOD)
    told("import", "--as", "trace", file)  # what is wrong in it is no reason to refuse it
    result = invoke("verify")
    assert result.exit_code == 1
    assert f".jsonl:1: trace {trace.id[:8]}: step 3: 48 + 24 is 72, not 73\n" in result.stdout
    assert (
        "2 traces, 0 of them of known tasks; steps of the others: 1 right, 1 wrong, 2 not"
        " checkable: 1 wrong in "
    ) in result.stdout
    counts = json.loads(invoke("verify", "--json").stdout)["steps"]
    assert counts == {"right": 1, "wrong": 1, "unchecked": 2}
    shown = told("show", trace.id)
    assert "✓   1. 48/2 = 24 clips\n·   2. Add both.\n✗   3. 48 + 24 = 73\n" in shown
    assert "       48 + 24 is 72, not 73\n· Answer: 73" in shown
    assert told("score", trace.id).endswith(", 50% of the steps right\n")
    [row] = [line for line in told("score").splitlines() if line.startswith("own ")]
    assert row.endswith(", 50.00% of the steps right")


def test_the_messages_before_a_prompt_are_shown() -> None:
    chat = Earlier("Be brief.", (("How old\nis she?", "7"),))
    trace = Trace.of("In 4 years?", [], "11", {"a": 1, "earlier_messages": chat.messages()})
    shown = display.page(Stored(trace, NOW), tasks.check(trace))
    assert shown == (
        f'{trace.id}  {NOW}\n{{"a": 1}}\n\nsystem: Be brief.\nuser: How old\n  is she?\n'
        "assistant: 7\n\nIn 4 years?\n\n· Answer: 11"
    )


def test_delete_compact_and_import_again(store: TraceStore, tmp_path: Path) -> None:
    at = ("--store", store.folder)
    ids = [stored.trace.id for stored in store.newest(2)]
    n = store.count()
    assert "does not exist in" in bad("delete", ids[0], "ffffffff", *at)
    assert told("delete", ids[0], ids[1][:13], *at).split() == ids
    copy = tmp_path / "copy.jsonl.gz"
    copy.write_bytes(gzip.compress(store.shards()[0].read_bytes()))
    assert json.loads(told("import", copy, *at, "--json")) == {
        "new": 0,
        "known": n - 2,
        "deleted": 2,
    }
    assert "2 deleted earlier" in told("import", copy, *at)
    assert told("compact", *at) == "1 shards became 1, 2 deleted traces left out\n"
    assert json.loads(told("list", "--limit", n, "--json", *at))[-1]["id"] not in ids
    assert "was deleted" in bad("show", ids[0], *at)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "holds no records, expected JSON lines"),
        (b"\n\n", "holds no records, expected JSON lines"),
        (b"\x7fELF\x00\x01\xff\xfe", "1: not a JSON object"),
        (GOOD.encode()[:40], "1: not a JSON object: "),
        (GOOD.encode().replace(b'"p"', b"5"), "1: prompt: expected str, got int"),
        (GOOD.encode().replace(b'"i": 0', b'"i": 1'), "1: steps.0.i: is 1, expected 0"),
        (GOOD.encode().replace(b'"p"', b'"\xff"'), "1: not a JSON object: it is not UTF-8"),
        (GOOD.encode().replace(b"0", b"9" * 3_000_000), "integer value out of"),
        (gzip.compress(GOOD.encode(), mtime=0)[:-12], "1: gzip data is cut off or damaged: "),
        (
            GOOD.encode().replace(b'"t"', b'"' + b"t" * (20 << 20) + b'"'),
            "1: trace: may take 1 MiB",
        ),
    ],
)
def test_a_bad_file_is_one_clear_line(tmp_path: Path, content: bytes, says: str) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_bytes(content)
    told("import", EXAMPLE)
    found = bad("import", file)
    assert found.startswith(f"{file}:")
    assert says in found
    assert "\n" not in found
    assert len(json.loads(told("list", "--json"))) == 2


def test_every_bad_line_of_every_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_text("{\n" + GOOD + "\n[]\n")
    lines = bad("import", file, tmp_path / "none", "-", stdin=b"\x1f\x8b\x00").split("\n")
    assert lines[0].startswith(f"{file}:1: not a JSON object")
    assert lines[1].startswith(f"{file}:3: expected an object such as ")
    assert lines[1].endswith(", found a list")
    assert lines[2] == f"{tmp_path / 'none'}: cannot be read: No such file or directory"
    assert lines[3].startswith("-:1: gzip data is cut off") or "-: cannot be read" in lines[3]
    assert lines[4:] == [f"4 bad lines; nothing was imported; {SKIP}"]


def test_bad_lines_are_left_out_listed_and_counted(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text(GOOD + "\n{\n")
    result = invoke("import", file, "--skip-bad")
    assert result.exit_code == 0
    assert result.stderr.startswith(
        f"{file}: 1 trace, 1 line skipped\nskipped {file}:2: not a JSON"
    )
    assert result.stdout.startswith("1 new trace, 0 already there: ")
    listed = home / "data" / "traces" / "skipped.txt"
    assert listed.read_text().startswith(f"{file}:2: not a JSON object: ")
    assert told("verify").startswith("1 trace, 0 of them of known tasks")


def test_standard_input_and_other_forms_are_read() -> None:
    record = json.dumps({"question": "q", "answer": "One.\n#### 1", "level": 3})
    assert invoke("import", "-", "--as", "gsm8k", stdin=record).exit_code == 0
    [stored] = json.loads(told("list", "--where", "imported.level>=3", "--json"))
    assert (stored["final_answer"], stored["meta"]) == ("1", {"imported": {"level": 3}})
    assert "answer: has no final answer" in bad(
        "import", "-", "--as", "gsm8k", stdin=record.replace("####", "")
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["list", "--where", "x"], "--where: expected PATH=VALUE, found 'x'"),
        (["list", "--where", "x<a"], "filters: x: '<' cannot take 'a'"),
        (["list", "--store", "/nowhere"], "--store: /nowhere is not a folder"),
        (["show", "0"], "id: '0' does not exist in "),
        (["show", "what"], "id: 'what' is neither an id nor the beginning of one"),
        (["import", "nowhere.jsonl"], "nowhere.jsonl: cannot be read: No such file"),
        (["import", str(EXAMPLE), "--store", "/proc/x"], "/proc/x: cannot be written: No such"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(arguments: list[str], says: str) -> None:
    assert says in bad(*arguments)


def test_an_empty_store_is_listed_verified_scored_and_compacted() -> None:
    assert told("list") == ""
    assert told("list", "--json") == "[]\n"
    assert told("score", "--json") == "[]\n"
    assert "0 traces" in told("verify")
    assert told("compact") == "0 shards became 0, 0 deleted traces left out\n"


def test_without_traces_of_ones_own_those_of_the_newest_run_are_read(
    home: Path, store: TraceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = home / "runs" / "quickstart" / runs.stem("generate")
    run.mkdir(parents=True)
    (run / "result.json").write_text("{}")
    store.folder.rename(run / "traces")
    assert len(json.loads(told("list", "--limit", 5, "--json"))) == 5
    told("import", EXAMPLE)
    assert len(json.loads(told("list", "--limit", 5, "--json"))) == 2
    assert TraceStore(run / "traces").count() > 5


def test_the_baseline_score_is_half_for_steps_and_half_for_their_length(
    store: TraceStore,
) -> None:
    short = Trace.of("p", [("a", "x" * 100), ("a", "x" * 151)], "a")
    assert score(short, NOW) == {
        "score": 22.55,
        "details": {
            "step_count": 2,
            "avg_step_length": 125.5,
            "total_chars": 251,
            "step_score": 10.0,
            "length_score": 12.55,
            "criteria": "baseline",
            "scored_at": NOW,
        },
        "steps_verified": None,
        "answer_verified": None,
    }
    full = Trace.of("p", [("a", "x" * 600)] * 11, "a")
    assert score(full, NOW)["score"] == 100.0
    rows = summary((stored.trace, score(stored.trace, NOW)) for stored in store)
    assert sum(row["traces"] for row in rows) == store.count()
    assert all(row["steps_verified"] == row["answers_verified"] == 1.0 for row in rows)
    store.add([short], NOW)
    scored = json.loads(told("score", "--store", store.folder, "--json"))
    assert {"id": short.id, **score(short, NOW)} in [
        {**one, "details": {**one["details"], "scored_at": NOW}} for one in scored
    ]
    assert f"{short.id}  22.55\n" == told("score", short.id, "--store", store.folder)
    assert "\nown " in told("score", "--store", store.folder)


def test_a_scored_trace_of_a_foreign_prompt_counts_as_wrong() -> None:
    trace = Trace.of("What is love?", [("add", "1+1=2.")], "2", {"task": "arithmetic"})
    found = score(trace, NOW)
    assert (found["steps_verified"], found["answer_verified"]) == (0.0, False)


def test_a_reader_that_stops_early_is_no_error(store: TraceStore) -> None:
    command = f"{sys.executable} -m tunix_rt_nb.cli traces list --limit 900 --store {store.folder}"
    result = subprocess.run(
        ["bash", "-c", f"{command} | head -1"], capture_output=True, text=True, env={**os.environ}
    )
    assert len(result.stdout.splitlines()) == 1
    assert "Broken pipe" not in result.stderr
    assert "Traceback" not in result.stderr


def test_a_trace_without_steps_scores_nothing(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps({"question": "Who?", "answer": "Ann"}) + "\n")
    told("import", path, "--store", tmp_path / "s")
    result = invoke("score", "--store", tmp_path / "s")
    assert (result.exit_code, result.exception) == (0, None), result.output
    assert "0.0" in result.output.splitlines()[-1]


def test_shards_of_many_machines_join_to_what_one_machine_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    how = ("high_card_odds", "-n", 60, "--seed", 5, "--grain", "coarse", "--mistakes", 0.5)
    parts = ("--shards", tmp_path / "parts")
    for index in range(3):
        monkeypatch.setenv("JOB_COMPLETION_INDEX", str(index))
        path = Path(told("generate", *how, *parts, "--shard", "auto/3").strip())
        assert path.name.startswith(f"high_card_odds-easy-coarse-mistakes0.5-seed5-n60-{index}-")
    single, joined = tmp_path / "single", tmp_path / "joined"
    assert told("generate", *how, "--store", single).startswith("60 new traces")
    assert json.loads(told("generate", *how, *parts, "--store", joined, "--json"))["new"] == 60
    drawn = [stored.trace for stored in TraceStore(joined)]
    assert drawn == [stored.trace for stored in TraceStore(single)]
    assert told("verify", "--store", joined).startswith("60 traces, 60 of them of known tasks")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ("--shard", "3/2", "--shards", "p"),
            "--shard: '3/2', expected K/N with K from 0 to N - 1",
        ),
        (("--shard", "0/0", "--shards", "p"), "--shard: '0/0', expected K/N"),
        (("--shard", "-1/4", "--shards", "p"), "--shard: '-1/4', expected K/N"),
        (("--shard", "0/4"), "--shard: expected --shards FOLDER to write to, and no --store"),
        (("--shards", "p"), "p: has no shards of arithmetic-easy-fine-mistakes0.0-seed0-n9"),
        (("--mistakes", "2"), "mistakes: is 2.0, expected a share from 0.0 to 1.0"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_one_line(
    arguments: tuple[str, ...], line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = bad("generate", "arithmetic", "-n", 9, *arguments)
    assert found.startswith(line)
    assert "\n" not in found
    assert list(tmp_path.glob("p/*")) == []
