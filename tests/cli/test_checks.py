"""Parameters that are refused before the first notebook of a run starts."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.conftest import NOW
from tests.helpers.gemma import GEMMA3, checkpoint
from tunix_rt_nb import dataset, runs, tasks
from tunix_rt_nb.cli import main
from tunix_rt_nb.cli.checks import check_run
from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.runs.parameters import load_profile, profile_names, resolve
from tunix_rt_nb.store.store import TraceStore


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUNIX_RT_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.jsonl").write_text("{}\n")
    (tmp_path / "mine.gguf").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    return tmp_path


def built(home: Path, eval_fraction: float = 0.5) -> str:
    """The folder of a dataset of twenty traces."""
    store = TraceStore(home / "traces")
    store.add(tasks.draw("arithmetic", 20, 0), NOW)
    spec = dataset.DatasetSpec.of(dataset_name="sums", eval_fraction=eval_fraction)
    return str(dataset.build(store, spec, home / "data" / "datasets"))


def check(first: str = runs.STEPS[0], last: str = runs.STEPS[-1], **values: Any) -> None:
    check_run(resolve(values), first, last)


def refused(first: str = runs.STEPS[0], last: str = runs.STEPS[-1], **values: Any) -> str:
    with pytest.raises(InputError) as error:
        check(first, last, **values)
    assert str(error.value).isprintable()
    return str(error.value)


@pytest.mark.parametrize("name", profile_names())
def test_the_profiles_that_ship_pass(name: str) -> None:
    check_run(resolve(load_profile(name)))
    check_run(resolve(load_profile(name)), here=False)


@pytest.mark.parametrize(
    ("step", "values", "says"),
    [
        ("generate", {"TRACES": {"chess": 3}}, "TRACES: unknown 'chess'"),
        ("generate", {"TRACES": {"arithmetik": 3}}, "TRACES: unknown 'arithmetik', did you mean ar"),
        ("generate", {"TRACES": {"high_card_odds": 10_000}}, "TRACES: 10000 traces of high_card_odds (easy)"),
        (
            "generate",
            {"TRACES": {"aiw": 1}, "DIFFICULTIES": ["easy", "hard"]},
            "TRACES: 1 of aiw, expected one or more for each of DIFFICULTIES",
        ),
        ("generate", {"IMPORT": ["none.jsonl"]}, "IMPORT: none.jsonl does not exist"),
        ("generate", {"IMPORT": ["mine.jsonl", "empty"]}, "IMPORT: empty: holds no data files"),
        ("build", {"DATASET": "none"}, "DATASET: none: has no manifest.json"),
        ("build", {"DATASET": "me/sums/3"}, "DATASET: me/sums/3: is not attached"),
        ("build", {"EVAL_SETS": ["core"]}, "EVAL_SETS: unknown 'core', did you mean core-v1"),
        ("build", {"EVAL_SETS": ["mine.jsonl"]}, "EVAL_SETS: mine.jsonl:1: "),
        ("build", {"SPEC": {"tag": []}}, "SPEC: tag: "),
        ("build", {"SPEC": {"tags": "a"}}, "SPEC: tags: "),
        ("build", {"STRATEGY": "custom"}, "SPEC: condition: selection_strategy custom needs a"),
        (
            "build",
            {"STRATEGY": "custom", "SPEC": {"condition": "steps >"}},
            "SPEC: condition: is not valid SQL",
        ),
        ("build", {"SPEC": {"parent_dataset_id": "x-v1"}}, "SPEC: parent_dataset_id: unknown 'x-v1'"),
        ("build", {"FILTERS": {"task": {"~": 1}}}, "FILTERS: task: unknown '~'"),
        ("build", {"FILTERS": {"step_count": "many"}}, "FILTERS: step_count: '=' cannot take 'many'"),
        ("render", {"MODEL": "gemma3-1b-tt"}, "MODEL: unknown 'gemma3-1b-tt', did you mean gemma3-1b"),
        ("render", {"MODEL": "models/mine/v1"}, "MODEL: models/mine/v1 does not exist"),
        ("train", {"MODEL": "none.gguf"}, "MODEL: none.gguf does not exist"),
        ("train", {"MODEL": "."}, "MODEL: .: is not a model folder, it has no config.json"),
        ("train", {"TOPOLOGY": "v5e:2x4", "TP": 3}, "TP: 3 does not divide the 8 chips of v5e:2x4"),
        ("evaluate", {"EVAL_SET": "core"}, "EVAL_SET: unknown 'core', did you mean core-v1?"),
        ("evaluate", {"EVAL_SET": "none.jsonl"}, "EVAL_SET: none.jsonl: cannot be read"),
        ("evaluate", {"EVAL_SET": "mine.jsonl"}, "EVAL_SET: mine.jsonl:1: "),
        ("evaluate", {"BASELINE": "none"}, "none.json does not exist, make it from a run"),
        ("evaluate", {"SAMPLES": 3}, "TEMPERATURE: is 0, which gives equal SAMPLES"),
        ("evaluate", {"JUDGE": "localhost"}, "JUDGE: address is invalid, expected one like h"),
    ],
)  # fmt: skip
def test_what_a_step_cannot_work_with_is_refused_if_that_step_will_run(
    step: str, values: dict[str, Any], says: str
) -> None:
    told = refused(**values)
    assert says in told and told.split(":")[0] in resolve({})[step]
    assert refused(step, step, **values) == told
    named = {other for other, given in resolve({}).items() if values.keys() & given.keys()}
    for other in runs.STEPS:
        if other not in {step, *named}:
            check(other, other, **values)


def test_what_is_there_passes(home: Path) -> None:
    model = checkpoint(home / "models" / "mine", GEMMA3)
    check(IMPORT=["mine.jsonl"], TRACES={}, MODEL=str(model), EVAL_SET="core-v1")
    check(MODEL="mine.gguf", SAMPLES=2, TEMPERATURE=0.5, JUDGE="http://127.0.0.1:8000/v1")
    check(TOPOLOGY="v5e:2x4", TP=2, STRATEGY="custom", SPEC={"condition": "step_count > 3"})
    card = {"primary_score": 0.5, "items_sha256": "x", "form_sha256": "y"}
    runs.baseline.write(runs.baseline.take("half", card))
    check(BASELINE="half")


def test_something_has_to_be_held_out_if_it_will_be_asked() -> None:
    says = "EVAL_FRACTION: is 0, so no items are held out, use one above 0"
    assert refused(EVAL_FRACTION=0) == refused(SPEC={"eval_fraction": 0}) == says
    assert refused(EVAL_FRACTION=0, EVAL_SET="core-v1") == says
    assert refused(last="train", EVAL_FRACTION=0) == says
    check(last="render", EVAL_FRACTION=0)
    check(first="render", EVAL_FRACTION=0)


def test_a_dataset_that_is_taken_as_it_is_needs_no_traces_but_held_out_ones(home: Path) -> None:
    check(DATASET=built(home), TRACES={}, SPEC={"parent_dataset_id": "x"}, EVAL_SETS=["x"])
    whole = built(home / "other", eval_fraction=0)
    says = "DATASET: has no held-out items, the held-out loss and the evaluation need some"
    assert refused(DATASET=whole) == refused(DATASET=whole, EVAL_SET="core-v1") == says
    check(DATASET=whole, last="render")
    manifest = Path(whole) / "manifest.json"
    files.write_json(manifest, {**files.read_json(manifest), "split": {}})
    assert "which was altered after the build" in refused(DATASET=whole)


def test_a_dataset_may_follow_an_earlier_one(home: Path) -> None:
    check(SPEC={"parent_dataset_id": Path(built(home)).name})


def test_files_that_are_attached_on_kaggle_are_not_looked_for_here(home: Path) -> None:
    there = "/kaggle/input/mine/set.jsonl"
    values = {"IMPORT": [there], "EVAL_SETS": [there], "EVAL_SET": there, "BASELINE": there}
    for name, value in values.items():
        check_run(resolve({name: value}), here=False)
        assert refused(**{name: value}).startswith(f"{name}: ")
    card = {"primary_score": 0.5, "items_sha256": "x", "form_sha256": "y"}
    runs.baseline.write(runs.baseline.take("half", card))
    with pytest.raises(InputError, match="^BASELINE: half is on this machine only, pull the run"):
        check_run(resolve({"BASELINE": "half"}), here=False)


@pytest.mark.parametrize("command", [["run"], ["kaggle", "prepare", "--kernel", "me/tunix-rt-x"]])
@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("TRACES={chess: 3}", "TRACES: unknown 'chess'"),
        ("EVAL_FRACTION=0", "EVAL_FRACTION: is 0, so no items are held out"),
        ("LEARNING_RATE=nan", "LEARNING_RATE: expected a finite number from 0 and up to 1, found"),
        ("STYLE=tag", "STYLE: unknown 'tag', did you mean tags?"),
        ("STEPZ=1", "parameter: unknown 'STEPZ', did you mean STEPS?"),
        ("STEPS={", "--set: STEPS: is not YAML"),
    ],
)
def test_nothing_is_begun_with_a_wrong_value(
    home: Path, command: list[str], setting: str, says: str
) -> None:
    told = CliRunner().invoke(main, [*command, "--set", setting])
    assert told.exit_code == 2, told.output
    assert told.stderr.startswith(f"tunix-rt-nb: {says}") and told.stderr.count("\n") == 1
    assert not (home / "runs").exists()


@pytest.mark.slow
def test_the_checks_load_neither_jax_nor_papermill() -> None:
    code = (
        "import sys\nfrom tunix_rt_nb.cli.checks import check_run\n"
        "from tunix_rt_nb.runs.parameters import resolve\n"
        "check_run(resolve({'EVAL_SET': 'core-v1', 'TOPOLOGY': 'v5e:2x4'}))\n"
        "print([name for name in ('jax', 'flax', 'tunix', 'pandas', 'papermill', 'nbformat') if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
