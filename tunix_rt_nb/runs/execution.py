"""The execution of one notebook by papermill, in a kernel that a signal stops with care."""

import contextlib
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunix_rt_nb.common import InputError, live
from tunix_rt_nb.runs.ending import TIMEOUT
from tunix_rt_nb.runs.errors import StepFailed, StepStopped, StepUnfinished
from tunix_rt_nb.runs.watching import Watch, engine

if TYPE_CHECKING:
    from jupyter_client.manager import KernelManager

_MALLOC = {  # for glibc; other C libraries ignore it
    "MALLOC_ARENA_MAX": "1",  # one arena for all threads, because only the first can be large
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**40),
}
_OFTEN = 1.0  # seconds between two looks at what may end the run
_PATIENCE = 60.0  # seconds until a kernel that should end is killed


class _Stop:
    """What stops a run while a notebook is executed: a signal, or `ending`.

    The first signal interrupts the kernel, as Jupyter's stop button does. So training can write a
    checkpoint. A second signal kills the kernel. `ending` interrupts it too, and kills it if it has
    not ended after `_PATIENCE`.

    Attributes:
      number: the number of the first signal, SIGINT if there was none; 0 if nothing stops the run.
    """

    def __init__(self, notebook: str, terminal: int, ending: Callable[[], str] = str) -> None:
        self.number = 0
        self.kernel: KernelManager | None = None
        self._notebook, self._terminal, self._ending = notebook, terminal, ending
        self._state, self._since = "", 0.0

    def __call__(self, number: int, frame: object) -> None:
        """Handle a signal."""
        if self.number:
            self._send(signal.SIGKILL)
        else:
            self.number = number
            self._tell(f"stopping {self._notebook}, once more to stop at once")
            self._send(signal.SIGINT)

    def look(self) -> None:
        """Stop the notebook if `ending` says so. Call it every second, in any thread."""
        if not self.number:
            self._state = self._ending()
            if self._state:
                self.number, self._since = signal.SIGINT, time.monotonic()
                self._tell(f"{self._state}, stopping {self._notebook}")
                self._send(signal.SIGINT)
        elif self._state and time.monotonic() > self._since + _PATIENCE:
            self._send(signal.SIGKILL)

    def check(self, **of_cell: Any) -> None:
        """Raise an error if the run is to stop; a kernel between two cells ignores a signal."""
        if self.number:
            raise self.error()

    def error(self, told: str = "") -> StepUnfinished:
        """Return the error of the stopped notebook; `told` is what the notebook itself told."""
        told = told or "stopped, run again to go on"
        if self._state:
            return StepUnfinished(f"{self._notebook}: {self._state}: {told}", self._state)
        return StepStopped(f"{self._notebook}: {told}", self.number)

    def _tell(self, told: str) -> None:
        # On a terminal this takes the place of the line that tells progress.
        start = "\r\x1b[K" if os.isatty(self._terminal) else "\n"
        os.write(self._terminal, f"{start}tunix-rt-nb: {told}\n".encode())

    def _send(self, number: int) -> None:
        process = getattr(self.kernel and self.kernel.provisioner, "pid", None)
        if process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process, number)  # the kernel leads the group of its processes


@contextlib.contextmanager
def _handling(handler: Callable[[int, Any], None]) -> Iterator[None]:
    """Handle SIGINT and SIGTERM within a `with` block; threads other than the first cannot."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {n: signal.signal(n, handler) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier or signal.SIG_DFL)


def _keep_freed() -> None:
    """Set environment variables that make new child processes keep the memory that they free.

    A train step on a CPU allocates and frees hundreds of megabytes. By default the C library
    returns this memory to the system each time, and gets it back page by page, filled with zeros.
    For Gemma 3 270M, these exchanges take a sixth of the time of a train step. The C library reads
    the variables when a process starts, so they do not affect a notebook that already runs. A
    variable that is already set keeps its value.

    Source: mallopt(3).
    """
    for name, value in _MALLOC.items():
        os.environ.setdefault(name, value)


@contextlib.contextmanager
def _stderr_to(path: Path) -> Iterator[int]:
    """Redirect the stderr of this process and its children to a file, within a `with` block.

    Yields:
      A file descriptor for what is still to be told to the terminal.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with path.open("wb") as log:
            os.dup2(log.fileno(), 2)
        yield saved
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def _write_log(state: str) -> None:
    """Write a line to stderr, which `_stderr_to` sends to the log."""
    with contextlib.suppress(OSError):  # a full disk stops what is written next, not this thread
        os.write(2, f"{state}\n".encode())


def execute(
    notebook: Path,
    output: Path,
    parameters: Mapping[str, Any],
    echo: bool = False,
    on_progress: Callable[[str], None] = lambda state: None,
    ending: Callable[[], str] = str,
) -> None:
    """Execute one notebook with papermill. Keep the executed copy, even if a cell fails.

    What papermill and the kernel write to stderr goes into a log next to the copy, with a line
    about its progress every ten seconds. SIGINT and SIGTERM stop the notebook; see `_Stop`.

    Args:
      notebook: the notebook to execute.
      output: the path of the executed copy.
      parameters: parameters by name; they override those of the notebook.
      echo: also print here what the notebook prints.
      on_progress: called every second with what the notebook is doing, in another thread. Stderr is
        the log then.
      ending: called every second, in another thread. If it returns a state, such as `timeout`, the
        notebook is stopped. By default it returns an empty text.

    Raises:
      InputError: a cell raised an `InputError`, which means bad input; the message is repeated.
      StepUnfinished: the notebook stopped itself, at its deadline or because its kernel was
        interrupted, or `ending` said so; `StepStopped` if this process got the signal.
      StepFailed: a cell raised any other error, or the kernel died.
    """
    from nbclient.exceptions import DeadKernelError
    from papermill import PapermillExecutionError

    log = output.with_suffix(".log")
    _keep_freed()
    watch = Watch(on_progress, _write_log)
    with (
        _stderr_to(log) as terminal,
        _handling(stop := _Stop(notebook.name, terminal, ending)),
        live.ticking(stop.look, _OFTEN),
        watch.running,
    ):
        stop.look()
        stop.check()
        try:
            _papermill(notebook, output, parameters, echo, stop, watch)
        except StepUnfinished:
            raise
        except PapermillExecutionError as error:
            raise _told(error, notebook, output, stop) from None
        except DeadKernelError:
            stop.check()
            raise StepFailed(
                f"{notebook.name} failed: its kernel died, perhaps because memory ran out"
                f" (see {log})"
            ) from None
        except RuntimeError:  # the signal came while the kernel was starting
            stop.check()
            raise


def _papermill(
    notebook: Path,
    output: Path,
    parameters: Mapping[str, Any],
    echo: bool,
    stop: _Stop,
    watch: Watch,
) -> None:
    import papermill
    from jupyter_client.manager import AsyncKernelManager
    from papermill.engines import papermill_engines

    class Kernel(AsyncKernelManager):
        """A kernel that `stop` can reach. It has time to end, so no stack trace of a kill."""

        def __init__(self, **how: Any) -> None:
            super().__init__(**how)
            self.shutdown_wait_time = _PATIENCE
            stop.kernel = self

    def at_cell(**of_cell: Any) -> None:
        stop.check()
        watch.at_cell(**of_cell)

    def literal(path: Path) -> str:
        return str(path).replace("{", "{{").replace("}", "}}")  # papermill formats the path

    papermill_engines.register("watched", engine(watch))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        papermill.execute_notebook(
            literal(notebook),
            literal(output),
            parameters=dict(parameters),
            kernel_name="python3",
            progress_bar=False,
            stdout_file=sys.stdout if echo else None,
            kernel_manager_class=Kernel,
            on_cell_start=at_cell,
            engine_name="watched",
        )


def _told(error: Any, notebook: Path, output: Path, stop: _Stop) -> Exception:
    """Return the error to raise for a cell that raised one.

    Args:
      error: papermill's error, with the name and the message of that of the cell.
      notebook: the notebook that was executed.
      output: the executed copy.
      stop: says whether it was stopped.
    """
    told = "\n".join(" ".join(line.split()) for line in str(error.evalue).splitlines())
    if stop.number:
        return stop.error(told if error.ename == "Stopped" else "")
    if error.ename in ("OutOfTime", "Stopped"):
        state = TIMEOUT if error.ename == "OutOfTime" else "stopped"
        return StepUnfinished(f"{notebook.name}: {told}", state)
    if error.ename == "InputError":
        return InputError(f"{notebook.name} failed: {told} (see {output})")
    return StepFailed(f"{notebook.name} failed: {error.ename}: {told} (see {output})")
