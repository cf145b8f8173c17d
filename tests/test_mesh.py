"""The same training and the same answers on one device and on eight, however they are arranged.

Eight devices are eight threads of the processor, in a process of their own.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.test_training import TOKENIZER
from tunix_rt_nb import models

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

TRAIN = """
import json, sys
from pathlib import Path
import jax, jax.numpy as jnp, numpy as np
from tests.test_loss import drawn, plain
from tests.test_training import CONFIG, EXAMPLES, InputError, models, lora, rows, sft
from tests.test_sampling import GEMMA, PROMPTS, TOKENIZER
from tunix_rt_nb import loss, sampling

base, out, tp = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
many, held_out = rows(EXAMPLES * 3), rows(EXAMPLES[:9])
found = {}
for kind, accumulation in (("full", 1), ("lora", 2)):
    model, _ = models.load(base, tp)
    if kind == "lora":
        model = lora.apply(model, 8, 16.0)
    shape = {"batch_size": 16 // accumulation, "accumulation": accumulation}
    config = CONFIG.model_copy(update={"steps": 3, "checkpoint_every": 2, **shape})
    metrics = sft.train(model, many, held_out, config, out / kind)
    found[kind] = [line.get("loss", line.get("eval_loss")) for line in metrics]

hidden, embedding, targets = drawn(8, 9, 32, 0)
with models.devices_of(model), jax.numpy_dtype_promotion("strict"):
    value, slopes = jax.jit(jax.value_and_grad(loss.cross_entropy, (0, 1)))(
        hidden, embedding, targets
    )
theirs, their_slopes = jax.value_and_grad(plain, (0, 1))(hidden, embedding, targets)
difference = max(float(jnp.abs(a - b).max()) for a, b in zip(slopes, their_slopes, strict=True))
found["loss"] = [float(value - theirs) / 72, difference]
how = {"batch_size": 8, "temperature": 0.5}
answers = sampling.generate(models.load(base, tp)[0], TOKENIZER, PROMPTS[:11], GEMMA.stops, 6, **how)
found["answers"] = [answer.text for answer in answers]
found["devices"] = list(models.mesh_of(model).devices.shape)
if jax.device_count() > tp:
    try:
        sft.train(model, many, held_out, CONFIG.model_copy(update={"batch_size": 3}), out / "odd")
    except InputError as error:
        found["odd"] = str(error)
print(json.dumps(found))
"""


def trained(folder: Path, out: Path, devices: int, tp: int) -> dict[str, list[float]]:
    flags = {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}
    command = [sys.executable, "-W", "ignore", "-c", TRAIN, str(folder), str(out), str(tp)]
    done = subprocess.run(command, env={**os.environ, **flags}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_losses_and_answers_are_the_same_on_every_mesh(tmp_path: Path) -> None:
    folder = models.create("tiny", TOKENIZER, seed=0, folder=tmp_path / "model")
    one, eight, four_by_two = (
        trained(folder, tmp_path / f"{devices}-{tp}", devices, tp)
        for devices, tp in ((1, 1), (8, 1), (8, 2))
    )
    assert [found["devices"] for found in (one, eight, four_by_two)] == [[1, 1], [8, 1], [4, 2]]
    for found in (one, eight, four_by_two):
        for kind in ("full", "lora"):
            assert len(found[kind]) == 5
            assert found[kind] == pytest.approx(one[kind], abs=1e-5)
        np.testing.assert_allclose(found["loss"], 0.0, atol=1e-5)
        assert found["answers"] == one["answers"]
    assert eight["odd"] == ("batch_size: 3 rows do not divide over 8 devices, use a multiple of 8")


def test_devices_that_cannot_be_arranged_are_an_error() -> None:
    with pytest.raises(models.InputError, match="tp: 3 does not divide the 1 devices"):
        models.mesh(3)
