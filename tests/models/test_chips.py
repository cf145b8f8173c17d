import subprocess
import sys

import pytest

from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.models import chips


def test_an_unknown_topology_is_told_the_nearest() -> None:
    with pytest.raises(InputError, match="topology: unknown 'v5e:2x5', did you mean v5e:2x"):
        chips.of("v5e:2x5")


@pytest.mark.parametrize("topology", chips.TOPOLOGIES)
def test_a_topology_has_as_many_chips_as_its_name_says(topology: str) -> None:
    told = chips.TOPOLOGIES[topology].rpartition("-")[2]
    cores = 2 if topology.startswith("v5p") else 1  # of a v5p the cloud counts cores
    assert chips.count(topology) * cores == int(told)


@pytest.mark.slow
def test_libtpu_says_nothing_where_there_is_no_tpu() -> None:
    pytest.importorskip("libtpu")
    code = "from tunix_rt_nb import models; import jax; print(jax.default_backend())"
    environment = {"PATH": "/usr/bin"}  # JAX looks for every kind of device
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("cpu\n", "")
