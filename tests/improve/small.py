"""A small model that makes attempts of its own."""

from pathlib import Path
from typing import Any, NamedTuple

from tests.conftest import NOW
from tests.helpers.gemma import shallow
from tunix_rt_nb import dataset, models, render, train
from tunix_rt_nb.improve import Prompts, Rounds, Settings
from tunix_rt_nb.store import TraceStore
from tunix_rt_nb.trace import Trace

SIDES = ("train", "eval")


class Small(NamedTuple):
    """A model of one layer, fine-tuned for moments on sums of digits, and its data.

    Attributes:
      model: the folder of the fine-tuned model.
      rendered: the folder of the data.
      traces: all traces of the data, with the answer but without steps.
    """

    model: Path
    rendered: Path
    traces: list[tuple[str, Trace]]


def small(folder: Path, steps: int = 60) -> Small:
    """Make and fine-tune the model; it answers some sums right, and others not."""
    sums = [
        Trace.of(f"What is {a} + {b}?", [("sum", f"{a}+{b}={a + b}.")], f"{a + b}")
        for a in range(10)
        for b in range(3)
    ]
    store = TraceStore(folder / "traces")
    store.add(sums, NOW)
    built = dataset.build(store, dataset.DatasetSpec.of(dataset_name="sums"), folder)
    tokenizer = render.tokenizer_for("tiny", built, 320, "gemma", "numbered")
    render.render_dataset(built, folder / "rendered", tokenizer, max_length=64)
    model, _ = models.load(shallow(folder / "base", tokenizer))
    length = render.pack_full(render.load(folder / "rendered", "train"), 64).length
    rows, held_out = (render.pack(render.load(folder / "rendered", s), length) for s in SIDES)
    config = train.SftConfig.of(
        steps=steps, batch_size=8, learning_rate=8e-3, warmup_steps=5, eval_every=steps
    )
    train.fine_tune(model, rows, held_out, config, folder)
    models.save(model, tokenizer, folder / "model")
    asked = [(n, Trace.of(t.prompt, [], t.final_answer)) for n, t in dataset.load(built, "train")]
    return Small(folder / "model", folder / "rendered", asked)


def rounds(of: Small, folder: Path, settings: Settings, **how: Any) -> Rounds:
    """The rounds of a model that asks the prompts of its data; `how` may change the training."""
    model, start = (models.load(of.model)[0] for _ in range(2))
    parameters = {"BATCH_SIZE": 4, "CHECKPOINT_EVERY": 2, **how}
    config = settings.training(parameters, 0.01)
    prompts = Prompts(of.traces, [], ["easy"], [])
    return Rounds.of(
        model, start, prompts, of.rendered, settings, config, folder / "rounds", batch_size=8
    )


def improved(of: Small, folder: Path, settings: Settings, **how: Any) -> Rounds:
    """The rounds of `rounds`, once the model has learned from all of them."""
    made = rounds(of, folder, settings, **how)
    held_out = render.pack(render.load(of.rendered, "eval"), made.length)
    train.learn(made.model, made, held_out, made.config, folder, how.get("report", lambda line: 0))
    return made
