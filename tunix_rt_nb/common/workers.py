"""Work that several processes share."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

Job = TypeVar("Job")
Result = TypeVar("Result")

_ALONE = 0.3  # seconds until there is more to do than to start processes
_MOST = 8  # processes; the one that hands out the work keeps up with no more


def processes() -> int:
    """How many processes this machine has cores for."""
    return min(_MOST, len(os.sched_getaffinity(0)))


def ordered(
    work: Callable[[Job], Result], jobs: Iterable[Job], processes: int = 1
) -> Iterator[Result]:
    """What comes of each job, in the order of the jobs, whatever the number of processes.

    No more jobs are taken than there are processes at work, so that any number fits into memory.

    Args:
      work: a function of a module, or a `partial` of one; it and the jobs are sent to processes.

    Raises:
      RuntimeError: a process was killed.

    Example:
      >>> list(ordered(abs, [-1, 2]))
      [1, 2]
    """
    jobs = iter(jobs)
    deadline = time.monotonic() + _ALONE
    for job in jobs:
        yield work(job)
        if processes > 1 and time.monotonic() > deadline:
            break
    busy: deque[Connection] = deque()
    try:
        for job in jobs:
            if len(busy) < processes:
                _send(worker := _start(work), job)
                busy.append(worker)
            else:
                result = _receive(worker := busy.popleft())
                _send(worker, job)
                busy.append(worker)
                yield result
        while busy:
            yield _receive(busy[0])
            busy.popleft().close()
    finally:
        for worker in busy:
            worker.close()


def _start(work: Callable[[Any], Any]) -> "Connection":
    import multiprocessing

    context = multiprocessing.get_context("spawn")  # a notebook's threads do not survive a fork
    ours, its = context.Pipe()
    context.Process(target=_serve, args=(work, its), daemon=True).start()
    its.close()  # so that each notices when the other is gone
    return ours


def _serve(work: Callable[[Any], Any], caller: "Connection") -> None:
    """Works as long as there is somebody to work for."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the caller gets it too, and then is gone
    try:
        while True:
            caller.send(_tried(work, caller.recv()))
    except (EOFError, OSError):
        return


def _tried(work: Callable[[Any], Any], job: Any) -> Any:
    try:
        return work(job)
    except Exception as error:
        return error


def _send(worker: "Connection", job: Any) -> None:
    try:
        worker.send(job)
    except OSError:
        raise _killed() from None


def _receive(worker: "Connection") -> Any:
    try:
        result = worker.recv()
    except (EOFError, OSError):
        raise _killed() from None
    if isinstance(result, Exception):
        raise result
    return result


def _killed() -> RuntimeError:
    return RuntimeError("a process that shared the work was killed, perhaps for want of memory")
