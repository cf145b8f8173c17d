"""Training that ends itself in time, and goes on another time."""

import time
from pathlib import Path

import nbformat
import pytest

from tests.helpers.gemma import shallow
from tests.train.test_sft import CONFIG, EXAMPLES, TOKENIZER, rows
from tunix_rt_nb import models, train
from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError, OutOfTime
from tunix_rt_nb.runs import chain
from tunix_rt_nb.train import checkpoints

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

# Two batches a step: it must not end between them.
SHORT = CONFIG.model_copy(update={"accumulation": 2, "steps": 2})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shallow(tmp_path_factory.mktemp("model"), TOKENIZER)


def run_training(folder: Path, out: Path) -> str:
    """Trains, and returns the hash of the weights."""
    model, _ = models.load(folder)
    train.fine_tune(model, rows(), rows(EXAMPLES[:9]), SHORT, out)
    return files.sha256(models.save(model, TOKENIZER, out / "model") / "model.safetensors")


def test_when_its_time_is_over_it_ends_after_a_step_and_later_goes_on_to_the_same_weights(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNIX_RT_DEADLINE", str(time.time() + 3600))
    whole = run_training(folder, tmp_path / "whole")
    monkeypatch.setenv("TUNIX_RT_DEADLINE", str(time.time()))
    out = tmp_path / "cut"
    with pytest.raises(OutOfTime, match="at its deadline after step 1 of 2, its checkpoint"):
        run_training(folder, out)
    assert checkpoints.listing(out / "checkpoints")[-1] == {"checkpoint": "last", "step": 1}
    assert not (out / "model").exists()
    assert run_training(folder, out) == whole  # the last step is the end, in time or not
    lines = list(files.read_lines(out / "metrics.jsonl"))
    assert [line["step"] for line in lines if "loss" in line] == [1, 2]


def test_a_deadline_that_is_no_time_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNIX_RT_DEADLINE", "tomorrow")
    with pytest.raises(InputError, match="DEADLINE: expected seconds since 1970, found 'tomorrow'"):
        run_training(folder, tmp_path)


def test_a_notebook_that_ended_itself_in_time_has_not_failed(tmp_path: Path) -> None:
    cell = "from tunix_rt_nb.common.errors import OutOfTime\nprint('heard')\nraise OutOfTime('step 1 of 3')"
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell)],
        metadata={"kernelspec": {"name": "python3", "display_name": "", "language": "python"}},
    )
    nbformat.write(notebook, tmp_path / "in.ipynb")
    with pytest.raises(chain.StepUnfinished, match="^in.ipynb: step 1 of 3$"):
        chain.execute(tmp_path / "in.ipynb", tmp_path / "out.ipynb", {})
