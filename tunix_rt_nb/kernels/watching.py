"""A kernel's state and log as they come, until it ends."""

import time
from collections.abc import Callable
from typing import Any

import requests

from tunix_rt_nb import files
from tunix_rt_nb.kernels import account, submission
from tunix_rt_nb.kernels.submission import Submission
from tunix_rt_nb.text import printable

EVERY = 15.0  # seconds between two looks at the state
SESSION = 9 * 3600  # seconds
_UNDER_WAY = ("QUEUED", "RUNNING", "NEW_SCRIPT", "CANCEL_REQUESTED")
_LAST = 5  # lines that are told of a kernel that failed

Told = Callable[[str], None]


def watch(pushed: Submission, told: Told = print) -> bool:
    """Tells each change of state and each line of the log once, until the kernel ends.

    Ended and begun again, it goes on with the line after the last one told.

    Returns:
      Whether the kernel has completed.

    Raises:
      InputError: no such kernel, no credentials, or no answer.
    """
    api = account.login()
    before = ""
    while True:
        state, failure = submission.state(api, pushed)
        if state != before:
            told(f"{pushed.handle}: {state.lower()}{spent(pushed)}")
        before = state
        if state != "QUEUED":
            _read(api, pushed, told)
        if state not in _UNDER_WAY:
            return _end(pushed, state, failure, told)
        time.sleep(EVERY)


def spent(pushed: Submission) -> str:
    """The time that a kernel has used and has left of its nine hours, as far as its log tells.

    Returns:
      As `, 1:02 h used, 7:58 h left`, or nothing.
    """
    used = max((float(event.get("time") or 0) for event in submission.log(pushed)), default=0.0)
    return f", {_clock(used)} h used, {_clock(SESSION - used)} h left" if used else ""


def _clock(seconds: float) -> str:
    minutes = max(0, int(seconds)) // 60
    return f"{minutes // 60}:{minutes % 60:02}"


def _read(api: Any, pushed: Submission, told: Told) -> None:
    """Reads the log to its end, or to where the connection breaks; what is known is passed over."""
    known = submission.log(pushed)
    files.write_lines(pushed.run_dir / "kaggle.jsonl", known)
    try:
        with (pushed.run_dir / "kaggle.jsonl").open("ab") as log:
            for k, event in enumerate(api.kernels_logs_stream(pushed.handle)):
                if k < len(known):
                    continue
                log.write(files.json_line(event))
                log.flush()
                told(_line(event))
    except (requests.RequestException, ValueError):
        pass  # the state is asked for next, which tells whether Kaggle is there and lets one in


def _line(event: dict[str, Any]) -> str:
    text = printable(str(event.get("data") or "").rstrip("\n"))
    used = event.get("time")
    return f"[{_clock(float(used))}] {text}" if isinstance(used, int | float) else text


def _end(pushed: Submission, state: str, failure: str, told: Told) -> bool:
    name = pushed.run_dir.name
    if state == "COMPLETE":
        told(f"complete: tunix-rt-nb kaggle pull {name}")
        return True
    told(f"{state.lower()}: {failure or 'Kaggle gives no reason'}")
    errors = [e for e in submission.log(pushed) if e.get("stream_name") == "stderr"]
    for event in errors[-_LAST:]:
        told(_line(event))
    if not submission.log(pushed):
        told(f"its log is empty, see {pushed.url}")
    return False
