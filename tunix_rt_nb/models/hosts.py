"""Processes that train one model together, on one host or many: they join, agree and take turns.

Each process runs the same program on the same data. The devices of all form one mesh, so whatever
is computed on the mesh, or read from it, has to be called by every process, in the same order.
Files are written by the first process alone. In a single process nothing here does anything.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import NamedSharding, PartitionSpec

from tunix_rt_nb.common import InputError, files, one_line
from tunix_rt_nb.host import launch

T = TypeVar("T")
_WAIT = 600  # seconds to wait for the others at the start, as they may have to be scheduled first
_END = 60  # seconds to wait for them at the end; if one fails, the others end after this time


def join() -> None:
    """Join the processes that were launched together with this one; see `launch.is_given`.

    Call it before JAX is used, because JAX looks for its devices only once. Afterwards, all
    processes have to end within a minute of each other.

    Raises:
      InputError: a variable of the launcher is wrong, or the processes do not find each other.
    """
    here = launch.place()
    if not launch.is_given() or jax.distributed.is_initialized():
        return
    try:  # JAX finds the address by itself
        jax.distributed.initialize(
            num_processes=here.processes,
            process_id=here.process,
            initialization_timeout=_WAIT,
            shutdown_timeout_seconds=_END,
        )
    except (RuntimeError, ValueError) as error:
        told = f"process {here.process} of {here.processes}: cannot join the others"
        hint = f"perhaps {launch.ADDRESS} has to name HOST:PORT of process 0"
        raise InputError(f"{told}: {one_line(str(error), 300)} {hint}") from None


def is_first() -> bool:
    """Tell whether this process is the one that writes files."""
    return bool(jax.process_index() == 0)


def is_one_of_several() -> bool:
    """Tell whether JAX spans several processes."""
    return bool(jax.process_count() > 1)


def check_joined() -> None:
    """Raise `InputError` if JAX spans several processes that have not joined, as on a TPU slice."""
    if is_one_of_several() and not jax.distributed.is_initialized():
        raise InputError(
            f"training: this is one of {jax.process_count()} processes that have not joined: set"
            f" {launch.ADDRESS}, {launch.COUNT} and {launch.NUMBER} in each"
        )


def first(work: Callable[[], T]) -> T:
    """Do some work in the first process alone; return its result in every process.

    The others wait, so they find what it wrote.

    Args:
      work: returns what JSON can hold.

    Raises:
      InputError: the work raised one. Each process raises it.
      RuntimeError: the work raised another error, in the first process; there it is raised as it
        is.
    """
    if not is_one_of_several():
        return work()
    told: dict[str, Any] = {}
    failed: Exception | None = None
    if is_first():
        try:
            told = {"result": work()}
        except Exception as error:
            failed, told = error, {"error": str(error), "is_input": isinstance(error, InputError)}
    told = _sent(told)
    if failed:
        raise failed
    if "error" in told:
        raise (InputError if told["is_input"] else RuntimeError)(told["error"])
    result: T = told["result"]
    return result


def _sent(value: Any) -> Any:
    """Return in every process the value of the first, which JSON can hold."""
    content = np.frombuffer(json.dumps(value).encode(), np.uint8)
    size = int(multihost_utils.broadcast_one_to_all(np.int32(content.size)))
    room = 1 << size.bit_length()  # few sizes, because each is compiled
    padded = np.resize(content, room) if is_first() else np.zeros(room, np.uint8)
    sent = np.asarray(multihost_utils.broadcast_one_to_all(padded))
    return json.loads(sent[:size].tobytes())


def agree(given: Mapping[str, Any]) -> None:
    """Check that every process was given the same values.

    Args:
      given: name -> what JSON can hold. All processes have the same names.

    Raises:
      InputError: two processes differ. Each process raises it, with the first name in which any
        differs.
    """
    if not is_one_of_several():
        return
    digests = [np.frombuffer(bytes.fromhex(files.digest(x)), np.uint8) for x in given.values()]
    found = multihost_utils.process_allgather(np.stack(digests))  # [processes, names, 32]
    differs = np.argwhere((found != found[0]).any(axis=2).T)
    if len(differs):
        name, process = differs[0]
        raise InputError(
            f"{list(given)[name]}: process {process} has another than process 0: give all"
            " processes the same data and settings"
        )


def put(values: np.ndarray, sharding: jax.sharding.Sharding) -> jax.Array:
    """Put an array onto devices; each process puts what its own devices hold.

    Args:
      values: the whole array, the same in every process.
      sharding: which device holds what.
    """
    if sharding.is_fully_addressable:
        return jax.device_put(values, sharding)
    # `device_put` would send all values to all processes, to see whether they are the same.
    return jax.make_array_from_callback(values.shape, sharding, lambda index: values[index])


def placed(batch: dict[str, Any], mesh: jax.sharding.Mesh) -> dict[str, Any]:
    """Put the rows of a batch onto the devices of several processes; leave it alone in one.

    Tunix would take the rows of each process for other rows, and train on all of them.

    Args:
      batch: name -> array [rows, ...], the same in every process.
      mesh: the mesh of all devices.
    """
    if not is_one_of_several():
        return batch

    def sharded(values: np.ndarray) -> jax.Array:
        # As Tunix does, let every device have all rows if they do not divide.
        divide = values.shape[0] % mesh.shape["fsdp"] == 0
        return put(values, NamedSharding(mesh, PartitionSpec("fsdp" if divide else None)))

    return {name: sharded(values) for name, values in batch.items()}


def whole(values: jax.Array) -> np.ndarray:
    """Read an array from the devices, also if other processes hold parts of it."""
    if values.is_fully_addressable or values.is_fully_replicated:
        return np.asarray(values)
    return np.asarray(multihost_utils.process_allgather(values, tiled=True))


def gathered(named: Mapping[str, jax.Array]) -> dict[str, np.ndarray]:
    """Read arrays from the devices of all processes, for the first one to write.

    Returns:
      The arrays by name; nothing in the other processes, which spares the memory for it.
    """
    found = {}
    for name, values in named.items():
        read = whole(values)  # in every process, as each holds parts of it
        if is_first():
            found[name] = read
    return found


class Ballot:
    """The highest of the numbers that processes vote for, turn by turn.

    A single process reads its own number. Several read the highest of the turn before: the votes
    of this turn are counted behind the step that the devices are working on, and to wait for them
    would keep the devices waiting for the next step.

    Args:
      mesh: the mesh of all devices.
    """

    def __init__(self, mesh: jax.sharding.Mesh) -> None:
        self._by_device = NamedSharding(mesh, PartitionSpec(mesh.axis_names))
        self._turn, self._highest, self._counted = -1, 0, None

    def highest(self, turn: int, number: int) -> int:
        """Return the highest number; a process can ask for a turn several times, but votes once.

        Args:
          turn: the number of the turn, the same in every process.
          number: what this process votes for, from 0.
        """
        if not is_one_of_several():
            return number
        if turn != self._turn:
            if self._counted is not None:
                self._highest = int(self._counted)
            vote = np.array([number])
            size = (self._by_device.num_devices,)
            self._counted = _most(
                jax.make_array_from_callback(size, self._by_device, lambda _: vote)
            )
            self._turn = turn
        return self._highest


_most = jax.jit(jnp.max)
