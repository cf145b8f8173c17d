"""A train step on TPUs, compiled without one: memory and arithmetic, ours and Tunix's.

On a Kaggle v5e-8: Gemma 3 1B, all weights, on both sides with the same weights (bfloat16), optimiser, remat and mesh
and as many tokens a step. Ours are packed; of plain Tunix's rows, which are padded to the longest
example, `FILL` is taken to be tokens. Half of the tokens are trained.
"""

import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from tunix.sft import peft_trainer

from tests.bench import plain
from tests.bench.measure import Line
from tests.bench.traces import process
from tests.test_training import TOKENIZER
from tunix_rt_nb import aot, chips, files, models, plans, preflight
from tunix_rt_nb.optimizer import optimizer
from tunix_rt_nb.step import lower, lowered, states

TOPOLOGY = "v5e:2x4"
ONE = "v5e:1x1"
ROWS = 8  # of more, plain Tunix does not fit
LENGTH = 2048
TRAINED = 0.5
PACKED = 0.97
FILL = 0.4
REMAT = "decoder"
WHOLE = 32  # rows of the step that plain Tunix cannot take


def plan(rows: int) -> plans.Training:
    """Ours."""
    return plans.Training.of(
        model="gemma3-1b",
        weights="bfloat16",
        remat=REMAT,
        length=LENGTH,
        trained=TRAINED,
        fill=PACKED,
        config={"batch_size": rows, "dtype": "bfloat16"},
    )


def tpu_hbm() -> Iterator[Line]:
    """What a step takes of a chip beside weights and optimiser; and a step of 65,536 tokens."""
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
    """A step of the quickstart's model, by the compilers for one chip and for the processor."""
    for remat, sides in _compiled("both", ONE).items():
        for side, fit in sides.items():
            name = f"tpu_cpu {side}, remat {remat}"
            yield Line(f"{name}: operations", fit["flops"] / 1e9, "GFLOP")
            yield Line(f"{name}: temporaries", fit["parts"]["temporaries"] / 2**20, "MiB")


@cache
def _figures() -> dict[str, dict[str, Any]]:
    """Each compiled once, for both benchmarks."""
    ours, whole = (preflight.train(plan(rows)) for rows in (ROWS, WHOLE))
    return {"ours": ours, "whole": whole, "plain": _compiled("plain", TOPOLOGY)}


def _compiled(which: str, topology: str) -> dict[str, Any]:
    """What a process has found that may compile for a topology."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "figures.json"
        process(["-m", "tests.bench.tpu", which, str(out)], preflight.environment(topology))
        return files.read_json(out)


def both() -> dict[str, dict[str, Any]]:
    """The same step for one chip and for the processor, with and without recomputation."""
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        base = models.create("tiny", TOKENIZER, seed=0, folder=Path(folder))
        for remat in ("none", "decoder"):
            settings = plans.Training.of(
                model=str(base),
                topology=ONE,
                length=256,
                remat=remat,
                config={"batch_size": 128, "dtype": "float32"},
            )
            there = aot.train(settings, lambda line: None)["fit"]
            model, _ = models.load(base, remat=remat)
            step = lowered(model, aot.batch(settings, 128), settings.config)
            here, _ = aot.fit(step, {}, "state", 2**40)
            found[remat] = {"chip": there, "processor": here._asdict()}
    return found


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
