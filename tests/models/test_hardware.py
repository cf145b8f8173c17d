import os
import subprocess
import sys

import jax
import pytest

from tunix_rt_nb import models

TOLD = (
    "import sys; from tunix_rt_nb import models\n"
    "print(models.describe_devices(), 'jax' in sys.modules)"
)


def test_devices_are_told_by_number_and_kind() -> None:
    [device, *_] = jax.devices()
    kind = f"{device.platform}:{device.device_kind}"
    assert models.describe_devices() == f"{jax.device_count()} x {kind}"


@pytest.mark.slow
@pytest.mark.parametrize("asks_jax", [True, False])
def test_every_device_is_counted_with_and_without_jax(asks_jax: bool) -> None:
    if not asks_jax and jax.default_backend() != "cpu":
        pytest.skip("only JAX knows this machine's devices")
    given = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    choice = {"JAX_PLATFORMS": "cpu"} if asks_jax else {}
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=3"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", TOLD],
        env={**given, **choice, **flags},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"3 x cpu:cpu {asks_jax}\n"
    assert done.stderr == ""
