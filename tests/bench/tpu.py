"""A train step on TPUs, compiled without one: memory and arithmetic, ours and Tunix's.

On a Kaggle v5e-8: Gemma 3 1B, all weights, on both sides with the same weights (bfloat16),
optimiser, remat and mesh and as many tokens a step. Ours are packed; of plain Tunix's rows, which
are padded to the longest example, `FILL` is taken to be tokens. Half of the tokens are trained.
"""

import sys
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from tunix.sft import peft_trainer

from tests.bench import plain, training
from tests.bench.measure import Line
from tests.bench.traces import process
from tunix_rt_nb import models
from tunix_rt_nb.common import files
from tunix_rt_nb.models import chips
from tunix_rt_nb.train import preflight
from tunix_rt_nb.train.optimizer import optimizer
from tunix_rt_nb.train.preflight import aot
from tunix_rt_nb.train.preflight.ask import Fit
from tunix_rt_nb.train.step import lower, lowered, states

TOPOLOGY = "v5e:2x4"
ONE = "v5e:1x1"
ROWS = 8  # of more, plain Tunix does not fit
LENGTH = 2048
TRAINED = 0.5
PACKED = 0.97
FILL = 0.4
REMAT = "decoder"
WHOLE = 32  # rows of the step that plain Tunix cannot take


def plan(rows: int) -> preflight.Training:
    """Ours."""
    return preflight.Training.of(
        model="gemma3-1b",
        weights="bfloat16",
        remat=REMAT,
        length=LENGTH,
        trained=TRAINED,
        fill=PACKED,
        config={"batch_size": rows, "dtype": "bfloat16"},
    )


def tpu_hbm() -> Iterator[Line]:
    """Measure what a step, and one of 65,536 tokens, takes of a chip beside weights and optimiser."""
    size, peer = (_figures()[side]["parts"]["temporaries"] / 2**20 for side in ("ours", "plain"))
    yield Line(f"tpu_hbm {ROWS} x {LENGTH}, temporaries", size, "MiB", peer, peer / size)
    whole = _figures()["whole"]
    yield Line(f"tpu_hbm {WHOLE} x {LENGTH}, all", whole["needed"] / 2**20, "MiB")


def tpu_flops() -> Iterator[Line]:
    """Operations a token of an example."""
    ours, theirs = (
        _figures()[side]["flops"] * 8 / (ROWS * LENGTH * fill) / 1e9
        for side, fill in (("ours", PACKED), ("plain", FILL))
    )
    yield Line(f"tpu_flops {ROWS} x {LENGTH}", ours, "GFLOP/token", theirs, theirs / ours)


def tpu_cpu() -> Iterator[Line]:
    """A step of the quickstart's model by both compilers: one chip's and the processor's."""
    for remat, sides in _compiled("both", ONE).items():
        for side, fit in ((side, Fit(*told)) for side, told in sides.items()):
            name = f"tpu_cpu {side}, remat {remat}"
            yield Line(f"{name}: operations", fit.flops / 1e9, "GFLOP")
            yield Line(f"{name}: temporaries", fit.parts["temporaries"] / 2**20, "MiB")


@cache
def _figures() -> dict[str, Mapping[str, Any]]:
    """Each compiled once, for both benchmarks."""
    ours, whole = (preflight.train(plan(rows)) for rows in (ROWS, WHOLE))
    return {"ours": ours, "whole": whole, "plain": _compiled("plain", TOPOLOGY)}


def _compiled(which: str, topology: str) -> dict[str, Any]:
    """Return what a process has found that may compile for a topology."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "figures.json"
        process(["-m", "tests.bench.tpu", which, str(out)], preflight.environment(topology))
        return files.read_json(out)


def both() -> dict[str, dict[str, Fit]]:
    """The step of the quickstart's model, with and without recomputation."""
    with training.quickstart(training.LENGTH) as home:
        shape = {"model": str(training.create(home, 0)), "length": training.LENGTH}
        how = {"topology": ONE, "config": {"batch_size": 128}}
        return {
            remat: on_both(preflight.Training.of(remat=remat, **shape, **how))
            for remat in ("none", "decoder")
        }


def on_both(plan: preflight.Training) -> dict[str, Fit]:
    """Return what the step of a model takes by the compilers for a chip and for the processor."""
    there = aot.train(plan, lambda line: None)["fit"]
    model, _ = models.load(Path(plan.model), remat=plan.remat)
    step = lowered(model, aot.batch(plan, plan.config.batch_size), plan.config)
    here, _ = aot.fit(step, {}, "state", 2**40)
    return {"chip": Fit(**there), "processor": here}


def plain_tunix() -> dict[str, Any]:
    """Plain Tunix's step."""
    settings = plan(ROWS)

    def make(model: nnx.Module) -> plain.Trainer:
        config = peft_trainer.TrainingConfig(eval_every_n_steps=1)
        made = plain.Trainer(model, optimizer(settings.config), config)
        return made.with_gen_model_input_fn(plain.model_input)

    tokens = jax.ShapeDtypeStruct((ROWS, LENGTH), jnp.int32)
    batch = peft_trainer.TrainingInput(input_tokens=tokens, input_mask=tokens)
    step = lower(*states(aot.base(settings, aot.mesh(TOPOLOGY)), make), batch)
    found, _ = aot.fit(step, {}, "state", chips.of(TOPOLOGY).memory)
    return found._asdict()


if __name__ == "__main__":
    aot.constrain()
    which, out = sys.argv[1:]
    files.write_json(Path(out), {"both": both, "plain": plain_tunix}[which]())
