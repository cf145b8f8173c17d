"""Training the quickstart's model on its traces: packed, and padded as plain Tunix trains."""

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from statistics import fmean, median, stdev

import numpy as np
from flax import nnx

from tests.bench import plain
from tests.bench.measure import Line
from tunix_rt_nb import dataset, models, render, tasks, train
from tunix_rt_nb.render.examples import Examples
from tunix_rt_nb.render.packing import pack
from tunix_rt_nb.store.store import TraceStore
from tunix_rt_nb.train.optimizer import optimizer

TRACES = {"high_card_duel": 1200, "arithmetic": 2400}  # what the notebooks draw
LENGTH = 256
BATCHES = (2, 8)  # rows a step; the notebooks take 2
REPEATS = 3
STEPS = 60
WARM = 10  # steps that are not counted; the first one compiles
SEEDS = (0, 1, 2)
LOSS_STEPS = 400
TABLE = [(batch, length) for length in (256, 512, 1024, 2048) for batch in (2, 4, 8)]
TABLE_STEPS = 10
TABLE_WARM = 3


class Clock:
    """Notes when steps were over; the report of a training run."""

    def __init__(self) -> None:
        self._times: list[float] = []

    def __call__(self, line: train.MetricsLine) -> None:
        if "loss" in line:
            self.tick()

    def tick(self) -> None:
        self._times.append(time.perf_counter())

    def step(self, warm: int = WARM) -> float:
        """Median seconds of a step after the first ones.

        The last one does not count: Tunix reports it together with the one before.
        """
        return float(np.median(np.diff(self._times[warm:-1])))


def train_tiny() -> Iterator[Line]:
    """Tokens of examples a second, padding not counted; and the loss after as many of them."""
    with quickstart(LENGTH) as home:
        create(home, 0)
        rows = pack(render.load(home / "rendered", "train"), LENGTH)
        yield Line(f"train_tiny, rows of {LENGTH}: how full", 100 * rows.fill, "%")
        for batch in BATCHES:
            config = settings(STEPS, batch)
            runs = [(_ours(home, config), _theirs(home, config)) for _ in range(REPEATS)]
            speed, peer = (median(run[k] for run in runs) for k in (0, 1))
            yield Line(f"train_tiny {batch} x {LENGTH}", speed, "tokens/s", peer, speed / peer)
        yield from _losses(home)


def train_table() -> Iterator[Line]:
    """A step by its rows and their length."""
    with quickstart(LENGTH) as home:
        create(home, 0)
        for batch, length in TABLE:
            config = settings(TABLE_STEPS, batch)
            clock = Clock()
            tokens = ours(home, models.load(home / "model-0")[0], config, length, clock)
            seconds = clock.step(TABLE_WARM)
            yield Line(f"step {batch} x {length}", 1000 * seconds, "ms")
            yield Line(f"step {batch} x {length}, speed", tokens / seconds, "tokens/s")


def quickstart(length: int) -> AbstractContextManager[Path]:
    """A folder with the notebooks' own dataset, rendered with its tokenizer."""
    return rendered(length, TRACES, ["easy"])


@contextmanager
def rendered(length: int, traces: Mapping[str, int], difficulties: Sequence[str]) -> Iterator[Path]:
    """A folder with a dataset, rendered with a tokenizer of its own."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        store = TraceStore(home / "store")
        for name, n in traces.items():
            store.add(tasks.mixture(name, n, 0, difficulties, "fine", 0.0), "2026-01-01")
        spec = dataset.DatasetSpec.of(
            dataset_name="bench", selection_strategy="random", seed=0, eval_fraction=0.25
        )
        source = dataset.build(store, spec, home)
        tokenizer = render.tokenizer_for("tiny", source, 640, "gemma", "numbered")
        render.render_dataset(source, home / "rendered", tokenizer, max_length=length)
        yield home


def settings(steps: int, batch: int, seed: int = 0) -> train.SftConfig:
    """The notebooks' settings, with no checkpoint and no look at the held-out loss on the way."""
    return train.SftConfig.of(
        steps=steps,
        batch_size=batch,
        learning_rate=4e-3,
        seed=seed,
        checkpoint_every=steps,
        eval_every=steps,
    )


def ours(
    home: Path, model: nnx.Module, config: train.SftConfig, length: int, report: Clock
) -> float:
    """Trains on packed rows; tokens that a step has on average."""
    rows = pack(render.load(home / "rendered", "train"), length)
    eval_rows = pack(render.load(home / "rendered", "eval", 1), length)
    with tempfile.TemporaryDirectory(dir=home) as folder:
        train.fine_tune(model, rows, eval_rows, config, Path(folder), report)
    return rows.fill * length * config.batch_size


def theirs(
    home: Path, model: nnx.Module, config: train.SftConfig, length: int, report: Clock
) -> float:
    """Trains on padded rows, as many and as long; tokens that a step has on average."""
    examples = render.load(home / "rendered", "train")
    inputs = plain.batches(examples, length, config.batch_size, config.steps, config.seed)
    plain.train(model, inputs, optimizer(config), report.tick)
    return _mean_length(examples) * config.batch_size


def _ours(home: Path, config: train.SftConfig) -> float:
    clock = Clock()
    return ours(home, models.load(home / "model-0")[0], config, LENGTH, clock) / clock.step()


def _theirs(home: Path, config: train.SftConfig) -> float:
    clock = Clock()
    return theirs(home, models.load(home / "model-0")[0], config, LENGTH, clock) / clock.step()


def create(home: Path, seed: int) -> Path:
    """The quickstart's model, before training."""
    tokenizer = render.load_tokenizer(home / "rendered")
    return models.create("tiny", tokenizer, seed, home / f"model-{seed}")


def _losses(home: Path) -> Iterator[Line]:
    """The held-out loss when both have seen as many tokens, in as many steps.

    A packed row has the tokens of about three examples. So that a step sees as many tokens on
    both sides, and the learning rate falls alike, plain Tunix gets so many more rows a step.
    """
    examples = render.load(home / "rendered", "train")
    rows = pack(examples, LENGTH)
    a_step = BATCHES[0] * rows.fill * LENGTH
    more = round(a_step / _mean_length(examples))
    eval_rows = pack(render.load(home / "rendered", "eval"), LENGTH)
    found: list[tuple[float, float]] = []
    for seed in SEEDS:
        config, base = settings(LOSS_STEPS, BATCHES[0], seed), create(home, seed)
        packed, padded = models.load(base)[0], models.load(base)[0]
        train.fine_tune(packed, rows, eval_rows, config, home / f"run-{seed}")
        inputs = plain.batches(examples, LENGTH, more, LOSS_STEPS, seed)
        plain.train(padded, inputs, optimizer(config))
        found.append(
            (train.held_out_loss(packed, eval_rows), train.held_out_loss(padded, eval_rows))
        )
    mine, peers = zip(*found, strict=True)
    name = f"train_tiny, loss after {LOSS_STEPS * a_step:,.0f} tokens"
    yield Line(name, fmean(mine), "nats", fmean(peers), fmean(peers) / fmean(mine))
    for side, losses in (("ours", mine), ("plain Tunix", peers)):
        yield Line(f"{name}, spread of {side}", stdev(losses), "nats")


def _mean_length(examples: Examples) -> float:
    return float(examples.index["length"].mean())
