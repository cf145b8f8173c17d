"""Training that a signal stops: it writes a checkpoint, says so, and goes on to the same weights."""

import os
import signal
import threading
from pathlib import Path

import pytest

from tests.helpers.gemma import shallow
from tests.train.test_sft import CONFIG, EXAMPLES, TOKENIZER, rows
from tunix_rt_nb import models, train
from tunix_rt_nb.common import InputError, files
from tunix_rt_nb.train import checkpoints
from tunix_rt_nb.train.config import check_shares
from tunix_rt_nb.train.sft import Stopped

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.slow]

# Two batches a step, between which it must not end, and no checkpoint before the last step.
CUT = CONFIG.model_copy(update={"accumulation": 2, "steps": 6, "checkpoint_every": 400})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shallow(tmp_path_factory.mktemp("model"), TOKENIZER)


def run_training(folder: Path, out: Path, at: int = -1, number: int = 0) -> str:
    """Trains, and returns the hash of the weights; it gets a signal in the step after one."""
    model, _ = models.load(folder)

    def report(line: train.MetricsLine) -> None:
        if line["step"] == at and ("loss" in line or not at):
            os.kill(os.getpid(), number)

    train.fine_tune(model, rows(), rows(EXAMPLES[:9]), CUT, out, report)
    return files.sha256(models.save(model, TOKENIZER, out / "model") / "model.safetensors")


def test_training_that_signals_stop_ends_in_the_weights_of_one_that_none_did(
    folder: Path, tmp_path: Path
) -> None:
    handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    whole = run_training(folder, tmp_path / "whole")
    out = tmp_path / "cut"
    with pytest.raises(Stopped, match=r"^stopped at step 0 of 6, run again to go on$"):
        run_training(folder, out, at=0, number=signal.SIGINT)
    assert not checkpoints.listing(out / "checkpoints")
    for at, number in ((1, signal.SIGINT), (3, signal.SIGTERM), (5, signal.SIGINT)):
        with pytest.raises(Stopped, match=rf"^stopped at step {at + 1} of 6, run again") as raised:
            run_training(folder, out, at, number)
        assert len(raised.value._render_traceback_()) == 1
        last = [c for c in checkpoints.listing(out / "checkpoints") if c["checkpoint"] == "last"][
            -1
        ]
        assert last == {"checkpoint": "last", "step": at + 1}
    assert run_training(folder, out) == whole
    lines = list(files.read_lines(out / "metrics.jsonl"))
    assert [line["step"] for line in lines if "loss" in line] == [1, 2, 3, 4, 5, 6]
    assert {n: signal.getsignal(n) for n in handlers} == handlers


def test_a_second_signal_stops_at_once(folder: Path, tmp_path: Path) -> None:
    model, _ = models.load(folder)

    def report(line: train.MetricsLine) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train.fine_tune(model, rows(), rows(EXAMPLES[:9]), CUT, tmp_path, report)


def test_training_in_a_thread_gets_no_signals(folder: Path, tmp_path: Path) -> None:
    thread = threading.Thread(target=run_training, args=(folder, tmp_path))
    thread.start()
    thread.join()
    assert (tmp_path / "model/model.safetensors").exists()


def test_there_are_at_least_five_checkpoints() -> None:
    def every(**parameters: int) -> int:
        given = {"MODEL": "tiny", "STEPS": 10, **parameters}
        return train.SftConfig.of_parameters(given, rows=7).checkpoint_every

    assert every(CHECKPOINT_EVERY=400) == 2
    assert every(CHECKPOINT_EVERY=1) == 1
    assert every(STEPS=2400, CHECKPOINT_EVERY=400) == 400
    assert every(STEPS=2000, CHECKPOINT_EVERY=401) == 400
    assert every(STEPS=3, CHECKPOINT_EVERY=400) == 1
    assert every(EPOCHS=40, BATCH_SIZE=7, CHECKPOINT_EVERY=400) == 8


@pytest.mark.parametrize(
    ("tp", "says"), [(1, "over 4 chips, use a multiple of 4"), (2, "over 4 groups of 2 chips (tp)")]
)
def test_rows_that_do_not_divide_are_told_in_groups_and_devices(tp: int, says: str) -> None:
    with pytest.raises(InputError) as raised:
        check_shares(3, groups=4, tp=tp, devices="chips")
    assert f"batch_size: 3 rows do not divide {says}" in str(raised.value)
