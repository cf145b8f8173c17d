import os
import subprocess
import sys

import jax
import pytest

from tunix_rt_nb import models

TOLD = "from tunix_rt_nb import models; print(models.describe_devices())"


def test_devices_are_told_by_number_and_kind() -> None:
    [device, *_] = jax.devices()
    kind = f"{device.platform}:{device.device_kind}"
    assert models.describe_devices() == f"{jax.device_count()} x {kind}"


@pytest.mark.slow
def test_every_device_is_counted() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", TOLD],
        env={
            **os.environ,
            "JAX_PLATFORMS": "cpu",
            "XLA_FLAGS": "--xla_force_host_platform_device_count=3",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "3 x cpu:cpu\n"
