"""A feed that records figures of its own, in a run that is stopped and goes on."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.gemma import shallow
from tests.train.test_sft import CONFIG, EXAMPLES, TOKENIZER, events, rows
from tunix_rt_nb import models, train
from tunix_rt_nb.common import InputError, files
from tunix_rt_nb.train.batches import Batch, Batches

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.slow]


PAUSE = 0.1  # seconds that the feed takes for a batch


class Telling(Batches):
    """Batches that record a figure before every fourth step, and which of them were asked for."""

    def __init__(self, name: str = "one") -> None:
        c = CONFIG
        super().__init__(rows(), c.batch_size, c.accumulation, c.steps, c.seed)
        self.name, self.asked = name, list[int]()

    def __getitem__(self, k: int) -> Batch:
        self.asked.append(k)
        time.sleep(PAUSE)
        return super().__getitem__(k)

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "name": self.name}

    def figures(self, step: int) -> Mapping[str, float]:
        return {} if step % 4 else {"round": step // 4 + 1, "reward": step / 8}


class Interrupted(Exception):
    pass


def learn(base: Path, out: Path, feed: Telling, until: int = 99) -> list[Any]:
    def report(line: train.MetricsLine) -> None:
        if line["step"] == until and "loss" in line:
            raise Interrupted

    model, _ = models.load(base)
    return list(train.learn(model, feed, rows(EXAMPLES[:9]), CONFIG, out, report))


def test_figures_are_recorded_once_before_their_step_though_a_run_is_stopped_and_goes_on(
    tmp_path: Path,
) -> None:
    base, out = shallow(tmp_path / "base", TOKENIZER), tmp_path / "out"
    with pytest.raises(Interrupted):
        learn(base, out, Telling(), until=5)  # its checkpoint is that of step 3
    with pytest.raises(InputError, match="with name one and cannot resume it with name two"):
        learn(base, out, Telling("two"))
    going_on = Telling()
    lines = learn(base, out, going_on)
    assert going_on.asked == [3, 4, 5, 6, 7]
    told = [line for line in lines if "round" in line]
    assert told == [
        {"step": 0, "round": 1, "reward": 0.0},
        {"step": 4, "round": 2, "reward": 0.5},
    ]
    assert lines == list(files.read_lines(out / "metrics.jsonl"))
    assert [line["step"] for line in lines if "loss" in line] == list(range(1, 9))
    speed = train.summary(lines)["tokens_per_second"]  # it counts the pauses
    tokens = sum(map(len, EXAMPLES)) * CONFIG.batch_size / len(rows())
    assert 0 < speed < tokens / PAUSE
    board = [
        (event.step, value.tag, round(value.simple_value, 3))
        for path in sorted((out / "tensorboard").iterdir())
        for event in events(path)
        for value in event.summary.value
        if value.tag in ("round", "reward")
    ]
    assert set(board) == {(0, "round", 1), (0, "reward", 0), (4, "round", 2), (4, "reward", 0.5)}
