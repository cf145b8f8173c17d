"""What a process frees stays with it."""

import os
import platform
import subprocess
import sys

import pytest

from tunix_rt_nb.runs import execution

STEPS = """
import resource
import jax
import jax.numpy as jnp

step = jax.jit(lambda x: x + 1)
x = jnp.ones(2**24)
given = []
for _ in range(60):  # on a busy machine some steps begin before the last one has freed
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    step(x).block_until_ready()
    given.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(min(given[3:]))
"""


def pages() -> int:
    """How many pages the system gives to a step of 64 MiB that has run before."""
    done = subprocess.run([sys.executable, "-c", STEPS], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is for glibc")
def test_a_step_takes_the_memory_that_the_one_before_has_freed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in execution._MALLOC:
        monkeypatch.delenv(name, raising=False)
    given = pages()
    execution._keep_freed()
    assert pages() < 100 < given


def test_what_is_set_already_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in execution._MALLOC:
        monkeypatch.setenv(name, "4")
    execution._keep_freed()
    assert {os.environ[name] for name in execution._MALLOC} == {"4"}
