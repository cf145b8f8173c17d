"""The sections of the panel, without a browser: what they show, what they write, what they refuse."""

import socket
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NOW, some
from tests.helpers.run_folders import evaluated
from tests.panel.test_parts import until
from tunix_rt_nb import dataset, panel, runs, store, train
from tunix_rt_nb.common import InputError, files
from tunix_rt_nb.panel import chains, datasets, run, server
from tunix_rt_nb.panel.datasets import Datasets
from tunix_rt_nb.panel.job import JobDraft
from tunix_rt_nb.panel.results import Results
from tunix_rt_nb.panel.run import Run
from tunix_rt_nb.panel.traces import Traces
from tunix_rt_nb.trace import Trace


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty home."""
    monkeypatch.setenv("TUNIX_RT_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def traces(home: Path) -> store.TraceStore:
    own = Trace.of("<b>Mine?</b>", [("think", "2 + 2 = 5.")], "5")
    opened = store.TraceStore(home / "data" / "traces")
    opened.add([*some("arithmetic", 9, 1), *some("aiw", 4, 1, "medium"), own], NOW)
    return opened


@pytest.fixture
def built(traces: store.TraceStore) -> Path:
    spec = dataset.DatasetSpec.of(dataset_name="sums", dataset_version="v1", eval_fraction=0.3)
    return dataset.build(traces, spec, dataset.versions.home())


def test_the_notebook_of_the_panel_begins_like_the_others_and_shows_it() -> None:
    cells = files.read_json(server.NOTEBOOK)["cells"]
    first = files.read_json(runs.notebook_of("generate"))["cells"][1]
    assert cells[1]["source"] == first["source"]
    assert "".join(cells[-1]["source"]) == "panel.show()"
    assert [cell.get("outputs", []) for cell in cells] == [[]] * len(cells)


def test_the_panel_has_a_tab_for_each_stop_of_the_road(home: Path) -> None:
    tabs = panel.show().children[1]
    assert tabs.titles == ("Status", "Traces", "Datasets", "Job", "Run", "Runs")


@pytest.mark.parametrize("kind", [Traces, Datasets, Results])
def test_where_there_is_nothing_it_says_what_to_do(home: Path, kind: Any) -> None:
    section = kind()
    section.refresh()
    line = next(w for w in section.widget.children if "trnb-told" in w._dom_classes)
    until(lambda: "in the tab Run" in line.value)


def shown(section: Traces) -> list[str]:
    return [line.description for line in section._list.children]


def test_traces_are_listed_page_by_page_and_one_is_read(traces: store.TraceStore) -> None:
    section = Traces()
    section.refresh()
    until(lambda: len(shown(section)) == 8)
    assert "1 to 8 of 14 traces" in section._count.value
    section._older.click()
    until(lambda: len(shown(section)) == 6)
    section._list.children[1].click()
    stored = traces.newest(1, 9)[0]
    assert stored.trace.id[:8] in section._read.value


def test_traces_are_filtered_by_task_difficulty_and_text(traces: store.TraceStore) -> None:
    section = Traces()
    section.refresh()
    until(lambda: shown(section))
    section._task.value = "aiw"
    until(lambda: len(shown(section)) == 4)
    section._level.value = "easy"
    until(lambda: "No trace fits" in section._count.value)
    section._task.value, section._level.value = "own", ""
    until(lambda: len(shown(section)) == 1)
    section._task.value, section._text.value = "", "MINE"
    until(lambda: shown(section) == ["own · <b>Mine?</b>"])
    until(lambda: "&lt;b&gt;Mine?" in section._read.value)


def test_a_folder_that_is_none_is_refused_in_one_line(home: Path) -> None:
    section = Traces()
    section.refresh()
    until(lambda: section._store.options)
    section._folder.value = "no-such-folder"
    until(lambda: "no-such-folder: is not a folder" in section._work.line.value)


def test_a_dataset_is_shown_and_exported(built: Path, home: Path) -> None:
    section = Datasets()
    section.refresh()
    until(lambda: "to train on" in section._about.value)
    assert "The card" in section._about.value
    until(lambda: section._to.value)
    section._kind.value = ".csv"
    path = home / "data" / "exports" / "sums-v1-train-tunix_sft.csv"
    assert section._to.value == str(path)
    section._button.click()
    until(lambda: "Download" in section._exported.line.value)
    assert path.stat().st_size > 0


def test_what_the_exporter_refuses_is_told(built: Path) -> None:
    with pytest.raises(InputError, match="ending is unknown"):
        datasets.export(built, "x.doc")
    with pytest.raises(InputError, match="File: is empty"):
        datasets.export(built, " ")


def test_the_funnel_shows_only_stages_that_left_something_out() -> None:
    found = datasets.funnel(
        [
            {"sieve": "in the store", "traces": 10},
            {"sieve": "match the filters", "traces": 10},
            {"sieve": "selected", "traces": 8},
            {"sieve": "to train on", "traces": 8},
        ]
    )
    assert "match the filters" not in found
    assert "−2" in found


def test_a_job_is_previewed_as_it_changes_and_generated(built: Path, home: Path) -> None:
    used: list[Path] = []
    section = JobDraft(used.append)
    section.refresh()
    until(lambda: "learning_rate: 0.004" in section._yaml.value)
    section._numbers["num_epochs"].value = "2"
    until(lambda: "num_epochs: 2" in section._yaml.value)
    section._button.click()
    until(lambda: used)
    job = train.load_job(used[0])
    assert (job.training.num_epochs, job.dataset.path) == (2, str(built))
    section._numbers["batch_size"].value = "two"
    until(lambda: "Batch size: expected a whole number" in section._shown.line.value)


def test_another_model_gets_the_settings_that_fit_it(built: Path) -> None:
    section = JobDraft(print)
    section._model.value = "gemma3-1b"
    assert section._numbers["learning_rate"].value == "2e-05"


def test_a_draft_goes_beside_the_run_that_holds_its_dataset(built: Path, home: Path) -> None:
    assert train.draft_job("sums-v1").output.output_dir == str(home / "runs" / "sums-v1")
    evaluated(home, "sums-v1")
    assert train.draft_job(str(built)).output.output_dir == str(home / "runs" / "sums-v1-job")
    with pytest.raises(InputError, match="model_id: unknown"):
        train.draft_job("sums-v1", "no-such-model")


def test_the_traces_of_a_dataset_are_found(built: Path, traces: store.TraceStore) -> None:
    assert store.store_of(built) == traces.folder
    assert store.traces_of(built) is None  # no run built it
    assert store.stores() == [traces.folder]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("STEPS", "settings: expected NAME=VALUE, found 'STEPS'"),
        ("LEARNING_RAT=3", "unknown 'LEARNING_RAT', did you mean LEARNING_RATE?"),
        ("STEPS=0", "STEPS: expected a whole number from 1, found 0"),
        ("STEPS=20\nsteps=30", "settings: STEPS is set twice"),
        ("TRACES={", "settings: TRACES: "),
    ],
)
def test_a_wrong_setting_is_told_at_once(home: Path, text: str, told: str) -> None:
    section = Run()
    section._settings.value = text
    until(lambda: "alert" in section._checked.line.value)
    assert run.parts.safe(told) in section._checked.line.value
    section._start.click()
    until(lambda: not section._start.disabled and "alert" in section._checked.line.value)
    assert chains.started() == []


def test_settings_are_read_by_the_types_of_their_parameters() -> None:
    found = runs.read_settings(["steps=20", 'TRACES={"aiw": 3}', "MODEL=1e3", "X=1"], "settings")
    assert found == {"STEPS": 20, "TRACES": {"aiw": 3}, "MODEL": "1e3", "X": "1"}


@pytest.mark.parametrize(
    ("lines", "running", "marks"),
    [
        ([], True, "… . . . ."),
        (["  1_generate   0.4 s"], True, "✓ … . . ."),
        (["  1_generate   skipped, nothing changed", "  2_build   0/8 s"], True, "✓ … . . ."),
        (["  4_train   what it will take: 7 s", "tunix-rt-nb: stopped"], False, ". . . ✗ ."),
        (["  2_build   2 s", "tunix-rt-nb: 3_render.ipynb: stopped"], False, ". ✓ ✗ . ."),
    ],
)
def test_the_steps_of_a_chain_are_marked(lines: list[str], running: bool, marks: str) -> None:
    items = run.progress(lines, running).split("</li>")[:-1]
    assert [next((m for m in "✓…✗" if m in item), ".") for item in items] == marks.split()


def test_the_end_of_a_chain_is_told_in_one_line() -> None:
    assert "alert" in run.state(["tunix-rt-nb: STEPS: is <0"], False, False)
    assert "is &lt;0" in run.state(["tunix-rt-nb: STEPS: is <0"], False, False)
    assert "Finished. Everything is in x" in run.state(["Everything is in x"], False, False)
    assert "stopped, start it again" in run.state(["a", "Aborted!"], False, True)
    assert "Stopping" in run.state(["a"], True, True)
    assert run.state([], False, False) == ""


def test_of_a_line_that_was_overwritten_the_last_text_is_shown(home: Path) -> None:
    log = home / "runs" / ".panel" / "x.log"
    log.parent.mkdir(parents=True)
    log.write_bytes(b"one\rtwo\r\n\x1b[31mthree\x1b[0m\n\xff\n")
    assert chains.told("x") == ["two", "three", "\ufffd"]
    assert chains.told("no-such-run") == []
    assert not chains.is_running("x")


def test_two_runs_are_compared_item_by_item_and_a_report_is_opened(home: Path) -> None:
    evaluated(home, "five", 5)
    evaluated(home, "nine", 9)
    section = Results()
    section.refresh()
    until(lambda: section._b.options)
    assert "five" in section._all.value
    section._a.value, section._b.value = "five", "nine"
    section._button.click()
    until(lambda: "4 items gained, 0 lost" in section._verdict.value)
    until(lambda: "B gained this item" in section._answers.value)
    section._run.value = "nine"
    section._write.click()
    until(lambda: "<iframe" in section._page.value)
    assert 'sandbox srcdoc="' in section._page.value
    assert (home / "runs" / "nine" / "report.html").exists()


def test_at_first_two_different_runs_are_compared(home: Path) -> None:
    evaluated(home, "five", 5)
    section = Results()
    section.refresh()
    until(lambda: section._b.value == "five")
    evaluated(home, "nine", 9)
    section.refresh()
    until(lambda: {section._a.value, section._b.value} == {"five", "nine"})


def test_a_job_is_drafted_for_one_of_two_datasets_with_the_same_name(
    built: Path, traces: store.TraceStore, home: Path
) -> None:
    """Each run of a profile calls its dataset the same, whatever it holds."""
    spec = dataset.DatasetSpec.of(dataset_name="sums", dataset_version="v1", eval_fraction=0.5)
    other = dataset.build(traces, spec, home / "runs" / "half" / "2_build")
    section = JobDraft(print)
    section.refresh()
    assert dict(section._folder.options) == {
        "sums-v1": str(built),
        "sums-v1 (run half)": str(other),
    }
    section._folder.value = str(other)
    until(lambda: f"path: {other}" in section._yaml.value)


def test_a_job_that_no_run_would_take_by_its_name_is_refused(built: Path, home: Path) -> None:
    section = JobDraft(print)
    section.refresh()
    section._to.value = "job.txt"
    section._button.click()
    until(lambda: "expected one with .yaml" in section._written.line.value)
    assert not (home / "job.txt").exists()


def test_nothing_of_another_folder_is_left_beside_an_error(traces: store.TraceStore) -> None:
    section = Traces()
    section.refresh()
    until(lambda: shown(section))
    section._store.value = ""
    section._folder.value = "no-such-folder"
    until(lambda: "is not a folder" in section._work.line.value)
    assert section._found.layout.display == section._filters.layout.display == "none"


def test_a_chain_from_a_later_step_to_an_earlier_one_is_refused(home: Path) -> None:
    section = Run()
    section._from.value, section._to.value = "evaluate", "build"
    until(lambda: "5_evaluate comes after 2_build" in section._checked.line.value)


def test_the_form_holds_what_the_watched_chain_was_started_with(home: Path) -> None:
    """Or else who starts a stopped chain again would start another one."""
    log = home / "runs" / ".panel" / "mine.log"
    log.parent.mkdir(parents=True)
    log.write_text("tunix-rt-nb: 4_train.ipynb: stopped, run again to go on\n")
    asked = {"run": "mine", "to": "train", "from": "nowhere", "settings": "STEPS=20"}
    files.write_json(log.with_suffix(".json"), {"process": 1, "form": asked})
    section, typed = Run(), Run()
    section.refresh()
    assert (section._run.value, section._settings.value) == ("mine", "STEPS=20")
    assert (section._from.value, section._to.value) == ("generate", "train")
    typed._settings.value = "STEPS=30"
    typed.refresh()
    assert (typed._run.value, typed._settings.value) == ("", "STEPS=30")
    section.use(home / "job.yaml")
    assert (section._run.value, section._settings.value) == ("", "")
    assert chains.asked("no-such-run") == {}


def test_a_port_that_is_taken_is_told_in_one_line(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"panel: 127.0.0.1:{port}: .* give another --port"):
            panel.serve(print, port=port)


@pytest.mark.slow
def test_a_chain_that_is_refused_says_so_and_leaves_no_run(home: Path) -> None:
    """The command itself checks what a form cannot: whether files and tasks exist."""
    chains.start("x", ["--set", 'TRACES={"no_such_task": 1}', "--run-id", "x", "--", "quickstart"])
    with pytest.raises(InputError, match="x: is running, stop it first"):
        chains.start("x", [])
    until(lambda: not chains.is_running("x"), 60)
    assert chains.told("x")[-1].startswith("tunix-rt-nb: TRACES: unknown 'no_such_task'")
    assert chains.started() == ["x"]
    assert files.folders(home / "runs") == []
    chains.stop("x")
