"""A watch on a kernel: reports of its state and of new lines in its log, until the kernel ends."""

import math
import time
from typing import Any

import requests

from tunix_rt_nb.common import files, printable
from tunix_rt_nb.kaggle import account, kernel, version
from tunix_rt_nb.kaggle.account import Told
from tunix_rt_nb.kaggle.submission import Submission, plan_of

EVERY = 15.0  # seconds between two requests for the state
TRIES = 12  # tries of a request; with the pauses between them they take about ten minutes
_AGAIN = 900  # seconds of the session between two reports of the time left


def watch(pushed: Submission, told: Told = print) -> bool:
    """Report each change of state and each line of the log once, until the kernel ends.

    A later call continues after the last line that an earlier one reported.

    Args:
      pushed: the kernel and its run folder, where the reported lines are recorded.
      told: called with each line of the report.

    Returns:
      True if the kernel has completed, False if it failed or was cancelled.

    Raises:
      InputError: there is no such kernel, there are no credentials, or Kaggle does not answer.
    """
    api = account.login()
    known = version.of(api, pushed.handle, pushed.version)
    pushed = pushed._replace(version=known.number)
    before = ""
    while True:
        state, failure = known.state(TRIES)
        if state != before:
            told(f"{pushed.handle}: {state.lower()}{spent(pushed)}")
        before = state
        if state != "QUEUED":
            _read(known, pushed, state, told)
        if not version.is_under_way(state):
            return _end(pushed, state, failure, told)
        time.sleep(EVERY)


def spent(pushed: Submission) -> str:
    """Describe the time that a kernel has used and has left, as far as its log tells.

    Returns:
      A text such as `, 1:02 h used, 7:58 h left`; empty if the log has no times.
    """
    used = _used(pushed)
    return f", {_clock(used)} h used, {_clock(_session(pushed) - used)} h left" if used else ""


def _used(pushed: Submission) -> float:
    """Return the latest time in the reported part of the log, in seconds; 0 if it has no times."""
    return max((event["time"] or 0.0 for event in pushed.log()), default=0.0)


def _session(pushed: Submission) -> float:
    """Return the length in seconds of a session on the kernel's machine.

    If the run folder has no `plan.json`, which names the machine, assume TpuV5E8.
    """
    folder = pushed.run_dir / "kernel"
    there = (folder / "plan.json").exists()
    name = plan_of(folder)["accelerator"] if there else "TpuV5E8"
    return 3600.0 * kernel.accelerator(name).hours


def _clock(seconds: float) -> str:
    minutes = max(0, int(seconds)) // 60
    return f"{minutes // 60}:{minutes % 60:02}"


def _read(known: version.Version, pushed: Submission, state: str, told: Told) -> None:
    """Record and report the log until it ends or the connection breaks; skip recorded lines.

    Args:
      known: the kernel's version.
      pushed: the kernel and its run folder.
      state: the state of the version; if it is RUNNING, report the time left now and then, too.
      told: called with each line of the report.
    """
    old, last = pushed.log(), _used(pushed)
    files.write_lines(pushed.run_dir / "kaggle.jsonl", old)
    try:
        with (pushed.run_dir / "kaggle.jsonl").open("ab") as log:
            for k, found in enumerate(known.events()):
                if k < len(old):
                    continue
                event = {"version": known.number, **_event(found)}
                log.write(files.json_line(event))
                log.flush()
                told(_line(event))
                now = event["time"] or 0.0
                if state == "RUNNING" and now // _AGAIN > last // _AGAIN:
                    told(f"{known.handle}: running{spent(pushed)}")
                last = max(last, now)
    except (requests.RequestException, ValueError):
        pass  # if Kaggle does not answer or grant access, the next request for the state says so


def _event(found: Any) -> dict[str, Any]:
    """Convert a line of Kaggle's log to a record.

    Args:
      found: the line; it should be a dict, but Kaggle may send any JSON value.

    Returns:
      stream_name: such as `stdout`; empty if the line has none.
      time: seconds since the start; None if the line has no finite number.
      data: the text of the line.
    """
    given = found if isinstance(found, dict) else {"data": found}
    text = given.get("data")
    try:
        seconds = float(given.get("time"))  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        seconds = math.nan
    return {
        "stream_name": printable(str(given.get("stream_name") or "")),
        "time": seconds if math.isfinite(seconds) else None,
        "data": printable("" if text is None else str(text)),
    }


def _line(event: dict[str, Any]) -> str:
    text = str(event["data"]).rstrip("\n")
    return text if event["time"] is None else f"[{_clock(event['time'])}] {text}"


def _end(pushed: Submission, state: str, failure: str, told: Told) -> bool:
    name = pushed.run_dir.name
    if state == "COMPLETE":
        told(f"complete: tunix-rt-nb kaggle pull {name}")
        return True
    told(f"{state.lower()}: {failure or 'Kaggle gives no reason'}")
    errors = [event for event in pushed.log() if event["stream_name"] == "stderr"]
    for event in errors[-5:]:  # its last lines
        told(_line(event))
    if not pushed.log():
        told(f"its log is empty, see {pushed.url}")
    return False
