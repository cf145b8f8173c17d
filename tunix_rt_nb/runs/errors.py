"""What a step that failed, or ended before its time, raises."""

import signal


class StepFailed(Exception):
    """The error for a notebook with a cell that raised, or whose kernel died.

    The message says what failed, and where the executed notebook or its log is.

    Attributes:
      code: the exit code of a command that ends with this error.
      state: the state of the run after it, as in `State`.
    """

    code = 1
    state = "failed"

    def _render_traceback_(self) -> list[str]:
        """Return what a notebook shows of this error: one line."""
        return [f"{type(self).__name__}: {self}"]


class StepUnfinished(StepFailed):
    """The error for a notebook that was stopped, such as at its deadline. Run it again to go on.

    Args:
      message: what was stopped.
      state: the state of the run: `stopped`, `timeout` or `cancelled`.
    """

    def __init__(self, message: str, state: str = "stopped") -> None:
        super().__init__(message)
        self.state = state


class StepStopped(StepUnfinished):
    """The error for a run that SIGINT (Ctrl-C) or SIGTERM stopped. Run it again to go on.

    Args:
      message: what was stopped.
      number: the number of the signal.
    """

    def __init__(self, message: str, number: int = signal.SIGINT) -> None:
        super().__init__(message)
        self.code = 128 + number
