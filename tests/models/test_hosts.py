"""Tests of `hosts` in a single process; `tests/train/test_hosts.py` starts several."""

from pathlib import Path

import jax
import numpy as np
import pytest

from tunix_rt_nb import models
from tunix_rt_nb.common import InputError
from tunix_rt_nb.models import hosts


def test_one_process_is_the_first_and_joins_no_others() -> None:
    hosts.join()
    assert hosts.is_first()
    assert not hosts.is_one_of_several()
    models.check_processes("training")


def test_one_process_does_all_work_itself() -> None:
    assert hosts.first(lambda: Path("x")) == Path("x")  # nothing is sent, so it may be anything
    with pytest.raises(InputError, match="^wrong$"):
        hosts.first(lambda: (_ for _ in ()).throw(InputError("wrong")))
    hosts.agree({"rows": object()})


def test_one_process_puts_and_reads_whole_arrays() -> None:
    mesh = models.mesh()
    values = np.arange(6.0, dtype=np.float32).reshape(3, 2)
    held = hosts.put(values, jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("fsdp")))
    assert np.array_equal(hosts.whole(held), values)
    assert np.array_equal(hosts.gathered({"x": held})["x"], values)
    batch = {"tokens": values}
    assert hosts.placed(batch, mesh) is batch  # Tunix puts it


def test_one_process_reads_its_own_vote() -> None:
    ballot = hosts.Ballot(models.mesh())
    assert [ballot.highest(turn, number) for turn, number in ((0, 0), (0, 2), (1, 1))] == [0, 2, 1]
