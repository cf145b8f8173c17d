"""The same training and the same answers on one device and on eight, however they are arranged.

Eight devices are eight threads of the processor, in a process of their own.
"""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from tests.helpers.gemma import GEMMA3, checkpoint
from tests.models.test_attention import turned
from tests.models.test_sampling import GEMMA, PROMPTS
from tests.train.test_loss import drawn, plain
from tests.train.test_sft import CONFIG, EXAMPLES, LENGTH, TOKENIZER, rows
from tunix_rt_nb import models, train
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.models import lora, sampling
from tunix_rt_nb.render.examples import Examples
from tunix_rt_nb.render.packing import Rows
from tunix_rt_nb.train import checkpoints, loss
from tunix_rt_nb.train.logits import cross_entropy

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SMALL = {**GEMMA3, "num_hidden_layers": 1}
KINDS: dict[
    int, dict[str, dict[str, Any]]
] = {  # of training, by the devices that share the width of a layer
    1: {"full": {"accumulation": 2}},
    2: {
        "full": {"accumulation": 2},
        "adafactor": {"optimizer": "adafactor"},
        "lora": {"optimizer": "muon"},
    },
}
MANY, HELD_OUT = rows(EXAMPLES * 2), rows(EXAMPLES[:9])

FLAGS = (  # threads may wait long for each other; compiling takes longer than what is compiled
    "--xla_force_host_platform_device_count=8"
    " --xla_cpu_collective_call_terminate_timeout_seconds=600"
    " --xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
)


class Interrupted(Exception):
    pass


def interrupt(line: train.MetricsLine) -> None:
    if line["step"] == 2:
        raise Interrupted


def run_training(base: Path, tp: int, kind: str, out: Path, cut: bool = False) -> list[float]:
    """The losses of a training on all devices; of one that is cut off and goes on, too."""
    model, _ = models.load(base, tp)
    if kind == "lora":
        model = lora.apply(model, 8, 16.0, ".*gate_proj")  # few, as Muon compiles for long
    how = KINDS[2][kind]
    shape = {"batch_size": 16 // how.get("accumulation", 1), **how}
    config = CONFIG.model_copy(update={"steps": 3, "checkpoint_every": 1, "eval_every": 3, **shape})
    if cut:
        try:
            train.fine_tune(model, MANY, HELD_OUT, config, out, interrupt)
        except Interrupted:
            return run_training(base, tp, kind, out)
    metrics = train.fine_tune(model, MANY, HELD_OUT, config, out)
    weights = b"".join(np.asarray(x).tobytes() for x in checkpoints.trained(model).values())
    (out / "weights").write_bytes(weights)
    return [line.get("loss", line.get("eval_loss", float("nan"))) for line in metrics]


def measure(base: Path, out: Path, tp: int) -> dict[str, Any]:
    """Return what is to be the same on all devices that there are."""
    found: dict[str, Any] = {}
    for kind in KINDS[tp if jax.device_count() > 1 else 2]:
        found[kind] = run_training(base, tp, kind, out / kind)
    model, tokenizer = models.load(base, tp)
    found["devices"] = list(models.mesh_of(model).devices.shape)
    hidden, embedding, targets = drawn(8, 9, 32, 0)
    with models.devices_of(model), jax.numpy_dtype_promotion("strict"):
        value, slopes = jax.jit(jax.value_and_grad(cross_entropy, (0, 1)))(
            hidden, embedding, targets
        )
    theirs, their_slopes = jax.value_and_grad(plain, (0, 1))(hidden, embedding, targets)
    difference = max(float(jnp.abs(a - b).max()) for a, b in zip(slopes, their_slopes, strict=True))
    found["loss"] = [float(value - theirs) / 72, difference]
    prompts = PROMPTS[:11]
    answers = sampling.generate(
        model, tokenizer, prompts, GEMMA.stops, 6, batch_size=8, temperature=0.5
    )
    found["answers"] = [answer.text for answer in answers]
    return found


def apart(base: Path) -> dict[str, Any]:
    """Tell whether examples that share a row are as they are alone: their gradients and states."""
    model, _ = models.load(base, 2)
    each = np.arange(16)
    alone = Rows(Examples.of(EXAMPLES[:16]), LENGTH, order=each, ends=each + 1)
    pairs = replace(alone, ends=each[::2] + 2)
    other = [turned(e) if k % 2 else e for k, e in enumerate(EXAMPLES[:16])]
    slope = nnx.jit(nnx.grad(lambda model, batch: loss.sums(model, batch)[0]))
    states = nnx.jit(loss._hidden)
    with models.devices_of(model):
        together, apart = (
            jax.tree.leaves(slope(model, rows.take(np.arange(len(rows)))))
            for rows in (pairs, alone)
        )
        before, after = (
            np.asarray(states(model, rows.take(np.arange(8))))
            for rows in (pairs, replace(pairs, examples=Examples.of(other)))
        )
    firsts = [(k, slice(len(EXAMPLES[2 * k]))) for k in range(8)]
    return {
        "gradients": max(
            float(jnp.abs(a - b).max() / jnp.abs(b).max())
            for a, b in zip(together, apart, strict=True)
        ),
        "same": all(np.array_equal(before[place], after[place]) for place in firsts),
        "other": not np.array_equal(before, after),
    }


def on_eight(base: Path, out: Path) -> dict[str, Any]:
    """All that is measured on eight devices."""
    found: dict[str, Any] = {str(tp): measure(base, out / str(tp), tp) for tp in (1, 2)}
    found["apart"] = apart(base)
    run_training(base, 2, "full", out / "cut", cut=True)
    whole, cut = ((out / name / "weights").read_bytes() for name in ("2/full", "cut"))
    found["resumed"] = whole == cut
    model, _ = models.load(base, 1)
    try:
        train.fine_tune(
            model, MANY, HELD_OUT, CONFIG.model_copy(update={"batch_size": 3}), out / "odd"
        )
    except InputError as error:
        found["odd"] = str(error)
    return found


def test_training_and_answers_are_the_same_on_every_mesh(tmp_path: Path) -> None:
    base = checkpoint(tmp_path / "model", SMALL, TOKENIZER)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.train.test_mesh", str(base), str(tmp_path)],
        env={**os.environ, "XLA_FLAGS": FLAGS},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    eight = json.loads(done.stdout.splitlines()[-1])
    one = measure(base, tmp_path / "one", 1)
    assert [found["devices"] for found in (one, eight["1"], eight["2"])] == [[1, 1], [8, 1], [4, 2]]
    for found in (eight["1"], eight["2"]):
        for kind in KINDS[found["devices"][1]]:
            assert len(found[kind]) == 5
            assert found[kind] == pytest.approx(one[kind], abs=1e-5), kind
        np.testing.assert_allclose(found["loss"], 0.0, atol=1e-5)
        assert found["answers"] == one["answers"]
    assert eight["apart"]["gradients"] < 1e-5
    assert eight["apart"]["same"]
    assert eight["apart"]["other"]
    assert eight["resumed"]
    assert eight["odd"] == ("batch_size: 3 rows do not divide over 8 devices, use a multiple of 8")


def test_devices_that_cannot_be_arranged_are_an_error() -> None:
    with pytest.raises(InputError, match="tp: 3 does not divide the number of devices, 1"):
        models.mesh(3)


if __name__ == "__main__":
    print(json.dumps(on_eight(*map(Path, sys.argv[1:]))))
