"""What is printed is safe for a terminal, whatever the files say."""

import gzip
import json
import re
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, strategies as st

from tests.conftest import NOW, some
from tests.helpers.run_folders import evaluated
from tunix_rt_nb import dataset
from tunix_rt_nb.cli import main, terminal
from tunix_rt_nb.common import escaped, files, printable
from tunix_rt_nb.dataset import folder
from tunix_rt_nb.host.paths import PACKAGE
from tunix_rt_nb.runs import promoted
from tunix_rt_nb.store.store import TraceStore
from tunix_rt_nb.trace.trace import Trace

CONTROLS = [*range(0x20), *range(0x7F, 0xA0), 0x202E, *range(0x2066, 0x206A), 0x2028, 0xE0041]
EVIL = "".join(map(chr, CONTROLS)) + "\x1b[2J\x1b]0;title\x07\x9b31mred"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store, a dataset, a run and a model whose every text is evil."""
    monkeypatch.setenv("TUNIX_RT_HOME", str(tmp_path))
    store = TraceStore(tmp_path / "data" / "traces")
    steps = [("reason", f"2 + 2 = 4{EVIL}"), ("reason", EVIL + "5")]
    store.add(
        [Trace.of(f"{n}{EVIL}", steps, f"4{EVIL}", {EVIL: EVIL, "task": EVIL}) for n in "ab"], NOW
    )
    store.add(some("arithmetic", 9, seed=1), NOW)
    spec = dataset.DatasetSpec.of(dataset_name="d", near_duplicates=None, tags=[EVIL])
    reseal(dataset.build(store, spec, dataset.versions.home()))
    run = evaluated(tmp_path, "one")
    (run.parent / "evil\x1b[31m\x9b\u202e\n" / "1_generate").mkdir(parents=True)
    promoted.promote(run)
    told = files.read_json(run / "run.json")
    told["parameters"]["train"] = {"MODEL": EVIL, EVIL: EVIL}
    files.write_json(run / "run.json", told)
    version = tmp_path / "models" / "one" / "v1" / "version.json"
    files.write_json(version, {**files.read_json(version), "run": EVIL, "base": EVIL})
    return tmp_path


def reseal(built: Path) -> None:
    """Puts evil text into a manifest, and the seal that fits."""
    manifest: Any = files.read_json(built / "manifest.json")
    manifest["tokens"]["unit"] = manifest["selection_strategy"] = EVIL
    manifest["rejected"][EVIL] = 1
    manifest["tasks"][EVIL] = {"train": 1, "eval": 1}
    files.write_json(built / "manifest.json", folder.sealed(manifest))


def tool(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def assert_safe(told: Result, fails: bool = False) -> None:
    assert told.exit_code == (2 if fails else 0), told.output
    for text in (told.stdout, told.stderr):
        assert text.replace("\n", "").isprintable()
    if fails:
        assert len(told.stderr.splitlines()) == 1 and not told.stdout


def commands(home: Path) -> list[list[str]]:
    store = TraceStore(home / "data" / "traces")
    ids = [stored.trace.id for stored in store.newest(20, 0, {}) if EVIL in stored.trace.prompt]
    return [
        *(["traces", "list"], ["traces", "show", ids[0]], ["traces", "compare", *ids]),
        *(["traces", "score"], ["datasets", "list"], ["datasets", "show", "d-v1"]),
        *(["runs", "list"], ["runs", "leaderboard"], ["runs", "show", "one"]),
        *(["runs", "show", "evil\x1b[31m\x9b\u202e\n"], ["models", "list"]),
    ]


@pytest.mark.slow
def test_no_text_of_a_file_reaches_the_terminal_as_it_is(home: Path) -> None:
    for command in commands(home):
        assert_safe(tool(*command))
        found = tool(*command, "--json")
        assert_safe(found)
        json.loads(found.stdout)
    assert_safe(tool("models", "show", "one"))
    assert json.loads(tool("models", "show", "one").stdout)["run"] == EVIL
    [shown] = [c for c in commands(home) if c[:2] == ["traces", "show"]]
    assert json.loads(tool(*shown, "--json").stdout)["final_answer"].endswith("red")


def test_messages_and_graded_answers_are_safe_too(home: Path) -> None:
    bad = home / "bad\x1b[31m\u202e.jsonl"
    bad.write_text(json.dumps({"answer": EVIL, "expected": "1", "x": 1}))
    assert_safe(tool("grade", "--file", str(bad)), fails=True)
    bad.write_text(json.dumps({"answer": EVIL, "expected": "1"}))
    assert_safe(tool("grade", "--file", str(bad)))
    assert_safe(tool("grade", EVIL.replace("\0", ""), "1"))
    assert_safe(tool("traces", "show", "\x1b[31m"), fails=True)
    refused = tool("traces", "list", "--store", str(bad))
    assert refused.exit_code == 2 and refused.stderr.replace("\n", "").isprintable()


@given(st.text())
def test_escaped_json_is_the_same_json_and_printable(text: str) -> None:
    shown = escaped(json.dumps({text: [text]}, ensure_ascii=False, indent=2))
    assert json.loads(shown) == {text: [text]}
    assert shown.replace("\n", "").isprintable()


def test_only_one_module_prints() -> None:
    prints = re.compile(r"\b(click\.(echo|secho|echo_via_pager)|print|sys\.std(out|err)\.write)\(")
    found = {p.name for p in (PACKAGE / "cli").glob("*.py") if prints.search(p.read_text())}
    assert found == {"terminal.py"}


@pytest.mark.parametrize(
    ("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb"), ("TERM", "xterm")]
)
def test_colours_are_on_terminals_only_and_never_the_only_sign(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    for other in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, value)
    text = f"✓ right\n✗ wrong\n  ✓ inside\n{EVIL}"

    def shown(color: bool) -> tuple[str, str]:
        @click.command()
        def command() -> None:
            terminal.echo(text)
            terminal.warn("w")
            terminal.fail("f")

        told = CliRunner().invoke(command, color=color)
        return told.stdout, told.stderr

    plain = shown(color=False)
    assert plain == (f"{printable(text)}\n", "w\ntunix-rt-nb: f\n")
    told, errors = shown(color=True)
    assert (click.unstyle(told), click.unstyle(errors)) == plain
    if value != "xterm":
        assert (told, errors) == plain
        return
    green, red = click.style("✓", fg="green"), click.style("✗", fg="red")
    assert told.startswith(f"{green} right\n{red} wrong\n  ✓ inside\n")
    assert (
        errors
        == click.style("w", fg="yellow") + "\n" + click.style("tunix-rt-nb:", fg="red") + " f\n"
    )
    assert told.count("\x1b") == 4  # none of the text's own


def test_figures_in_text_are_rounded_and_whole_in_json(home: Path) -> None:
    told = tool("runs", "show", "one").stdout
    assert not re.search(r"\d\.\d{5}", told)
    found = json.loads(tool("runs", "show", "one", "--json").stdout)
    assert len(str(found["low"])) > 12


def test_a_damaged_folder_is_a_row_in_every_list_and_one_line_when_shown(home: Path) -> None:
    (home / "runs" / "one" / "1_generate" / "result.json").write_text("[" * 100_000)
    (home / "models" / "one" / "v1" / "version.json").write_text("[" * 100_000)
    told = tool("runs", "list")
    assert_safe(told)
    assert "1_generate/result.json: is not JSON (is nested too deep)" in told.stdout
    assert "version.json: is not JSON (is nested too deep)" in tool("models", "list").stdout
    assert_safe(tool("runs", "show", "one"), fails=True)
    assert "one: damaged: 1_generate/result.json: is not JSON" in tool("runs", "show", "one").stderr
    assert_safe(tool("models", "show", "one"), fails=True)
    for command in ("datasets", "traces", "models"):
        assert tool(command, "list").exit_code == 0


def test_a_manifest_of_another_shape_is_one_line_when_shown(home: Path) -> None:
    path = dataset.versions.home() / "d-v1" / "manifest.json"
    manifest: Any = files.read_json(path)
    for field in ("tokens", "rejected", "tasks", "considered", "split"):
        files.write_json(path, folder.sealed({**manifest, field: [1]}))
        assert_safe(tool("datasets", "show", "d-v1"), fails=True)


def test_a_scorecard_of_another_shape_is_one_line_when_shown(home: Path) -> None:
    path = home / "runs" / "one" / "5_evaluate" / "result.json"
    told = files.read_json(path)
    cards: list[Any] = [[], {"primary_score": 1.0}, {**told["before"], "category_scores": [1]}]
    for card in cards:
        files.write_json(path, {**told, "before": card})
        assert_safe(tool("runs", "show", "one"), fails=True)


@pytest.mark.slow
def test_an_import_that_is_refused_stops_after_a_thousand_bad_lines(home: Path) -> None:
    path = home / "bomb.jsonl.gz"
    with gzip.open(path, "wb") as file:
        for _ in range(16):
            file.write(b"x\n" * (1 << 19))
    told = tool("traces", "import", str(path)).stderr.splitlines()
    assert len(told) == 21 and "stopped after 1,000 bad lines; nothing was imported" in told[-1]
    told = tool("traces", "import", "--skip-bad", str(path)).stderr.splitlines()
    assert len(told) == 1 and "none of its first 30,000 records can be read" in told[0]


@pytest.mark.slow
def test_a_line_that_unpacks_to_far_more_than_a_trace_ends_the_import(home: Path) -> None:
    path = home / "line.jsonl.gz"
    with gzip.open(path, "wb") as file:
        for _ in range(80):
            file.write(b"x" * (1 << 20))
    for skip in ([], ["--skip-bad"]):
        told = tool("traces", "import", *skip, str(path))
        assert_safe(told, fails=True)
        assert "line.jsonl.gz:1: takes over 67,108,864 bytes" in told.stderr


@pytest.mark.parametrize(
    ("name", "content", "key"),
    [
        ("x.jsonl", '{"question": "a: b", "question": "c", "answer": "1"}', "question"),
        ("x.jsonl", '{"prompt": "a", "steps": [], "prompt": "b", "final_answer": "1"}', "prompt"),
        ("x.json", '[{"question": "a", "answer": "1", "meta": {"k": 1, "k": 2}}]', "k"),
        ("x.csv", "question,answer,answer\na,1,2\n", "answer"),
    ],
)
def test_a_key_that_stands_twice_in_a_record_is_named(
    home: Path, name: str, content: str, key: str
) -> None:
    (home / name).write_text(content)
    told = tool("traces", "import", str(home / name))
    assert_safe(told, fails=True)
    assert f"{name}:1: " in told.stderr and f"'{key}' appears twice" in told.stderr
