"""The place of a process, from the variables of those who launch several."""

import re

import pytest

from tunix_rt_nb.common import InputError
from tunix_rt_nb.host import launch
from tunix_rt_nb.host.launch import ADDRESS, COUNT, NUMBER, Place, place

SLURM = {"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "2"}
TPUS = {"TPU_WORKER_HOSTNAMES": "a,b", "TPU_WORKER_ID": "1"}
HAND = {ADDRESS: "host:1234", COUNT: "3", NUMBER: "2"}


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, Place(0, 1)),
        (SLURM, Place(2, 4)),
        ({"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"}, Place(0, 1)),
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, Place(0, 1)),  # a batch script, not a task
        ({"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1"}, Place(1, 2)),
        (TPUS, Place(1, 2)),
        ({"TPU_WORKER_HOSTNAMES": "localhost", "TPU_WORKER_ID": "0"}, Place(0, 1)),
        ({"TPU_PROCESS_ADDRESSES": "a:1,b:1,c:1", "TPU_WORKER_ID": "2"}, Place(2, 3)),
        ({**TPUS, "MEGASCALE_NUM_SLICES": "3", "MEGASCALE_SLICE_ID": "2"}, Place(5, 6)),
        ({"MEGASCALE_NUM_SLICES": "2", "MEGASCALE_SLICE_ID": "1"}, Place(1, 2)),
        (HAND, Place(2, 3)),
        ({**SLURM, **HAND}, Place(2, 3)),  # what is set by hand counts
        ({**SLURM, **HAND, COUNT: "1", NUMBER: "0"}, Place(0, 1)),
        ({**SLURM, ADDRESS: "host:1234"}, Place(2, 4)),
    ],
)
def test_each_launcher_tells_the_place_of_a_process(
    environment: dict[str, str], found: Place
) -> None:
    assert place(environment) == found


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({**SLURM, "SLURM_PROCID": "4"}, "SLURM_PROCID: is 4, expected 0 to 3"),
        ({**SLURM, "SLURM_STEP_NUM_TASKS": "2x"}, "SLURM_STEP_NUM_TASKS: expected a whole number"),
        ({**HAND, "JAX_NUM_PROCESSES": "0"}, "JAX_NUM_PROCESSES: is 0, expected 1 to 1048575"),
        ({**TPUS, "TPU_WORKER_ID": "-1"}, "TPU_WORKER_ID: expected a whole number, found '-1'"),
        ({ADDRESS: "host:1"}, "JAX_NUM_PROCESSES: is missing, but JAX_COORDINATOR_ADDRESS is"),
        ({COUNT: "3"}, "JAX_PROCESS_ID: is missing, expected 0 to 2"),
        ({"TPU_WORKER_HOSTNAMES": "a,b"}, "TPU_WORKER_ID: is missing, expected 0 to 1"),
    ],
)
def test_a_variable_that_is_wrong_is_named(environment: dict[str, str], says: str) -> None:
    with pytest.raises(InputError, match=re.escape(says)):
        place(environment)


def test_this_process_is_alone() -> None:
    assert launch.place() == Place(0, 1)
