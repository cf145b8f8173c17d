"""A chain of the notebooks: its settings, its start, what it tells, and its stop."""

import re
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from traitlets import TraitError

from tunix_rt_nb import runs, train
from tunix_rt_nb.common import InputError, check_name, one_line
from tunix_rt_nb.host import paths
from tunix_rt_nb.panel import chains, parts
from tunix_rt_nb.panel.parts import widgets
from tunix_rt_nb.panel.work import Work, on_change

_LINES, _SECONDS = 14, 0.5  # of the log that are shown, and between two looks at it
_ENDED = re.compile(r"(\d_\w+)\s+(skipped|taken|[\d.,]+ s\b|\d+ min\b).*")
_WHOLE, _FAILED = "Everything is in", ("tunix-rt-nb: ", "Error: ")  # lines that tell the end
_INTERRUPTED = ("Aborted!", "KeyboardInterrupt")  # the last line if it was stopped as it started
_STOPPED = "stopped, start it again to go on"


class Run:
    """A profile with settings, the buttons that start and stop it, and the chain that is watched.

    A chain is watched as long as its command runs, whichever page started it.
    """

    title = "Run"

    def __init__(self) -> None:
        names = runs.parameters.profile_names()
        self._profile = parts.field(
            *(widgets.Combobox, "Profile or job"),
            wide=True,
            options=names,
            value="quickstart",
            continuous_update=False,
        )
        self._run = parts.field(
            widgets.Text, "Name of the run", wide=True, placeholder="by default the profile's"
        )
        steps = [(runs.stem(step), step) for step in runs.STEPS]
        self._from = parts.field(widgets.Dropdown, "From", options=steps)
        self._to = parts.field(widgets.Dropdown, "To", options=steps, value=runs.LAST)
        self._settings = parts.field(
            *(widgets.Textarea, "Settings, one a line"),
            wide=True,
            rows=4,
            placeholder="STEPS=200\nLEARNING_RATE=0.003",
        )
        self._form = {
            "profile": self._profile,
            "run": self._run,
            "from": self._from,
            "to": self._to,
            "settings": self._settings,
        }
        self._recalled = self._filled()
        self._start = parts.button("Start", self._begin, main=True)
        self._stop = parts.button("Stop", self._interrupt)
        self._watched = parts.field(widgets.Dropdown, "Watch", wide=True)
        self._steps, self._state, self._log, self._others = (parts.html() for _ in range(4))
        self._checked, self._looked = Work(), Work()
        self._shown = parts.stack(
            parts.heading("The chain"),
            parts.row(self._watched),
            self._steps,
            self._state,
            self._log,
        )
        self._follower: threading.Thread | None = None
        self._stops = 0
        self.widget = parts.stack(
            parts.lead("The notebooks, one after the other; what has not changed is skipped."),
            parts.row(self._profile, self._run, self._from, self._to),
            parts.row(self._settings),
            self._checked.line,
            parts.row(self._start, self._stop),
            self._shown,
            self._others,
        )
        self._stop.disabled = True
        on_change(self._check, *self._form.values())
        on_change(self._recall, self._watched)
        on_change(self._follow, self._watched)
        self._check()

    def refresh(self) -> None:
        """Check the settings, list the chains again, and watch one that runs."""
        self._check()
        self._list()
        self._follow()
        self._looked("", self._elsewhere)

    def use(self, job: Path) -> None:
        """Make the job in a file the next to start; it names its run and has settings."""
        self._profile.value, self._run.value, self._settings.value = str(job), "", ""

    def _filled(self) -> dict[str, str]:
        return {name: one.value for name, one in self._form.items()}

    def _recall(self) -> None:
        """Fill the form with what the watched chain was started with, unless something was typed.

        So who comes back to a chain that was stopped can start it again, and it goes on.
        """
        if not self._watched.value or self._filled() != self._recalled:
            return
        for name, value in chains.asked(self._watched.value).items():
            if name in self._form:
                with suppress(TraitError):  # a step that there is not
                    self._form[name].value = value
        self._recalled = self._filled()

    def _list(self, run: str = "") -> None:
        known = chains.started()
        running = [name for name in known if chains.is_running(name)]
        parts.reveal(self._shown, bool(known))
        parts.choose(self._watched, [(name, name) for name in known])
        if run or (running and self._watched.value not in running):
            self._watched.value = run or running[0]

    def _elsewhere(self) -> None:
        """Tell of runs that no panel started; only where they were started can they be stopped."""
        rows = runs.registry.listing({"state": "running"})
        others = [row for row in rows if not chains.is_running(row["run"])]
        told = ", ".join(f"{row['run']} in {row['step']}" for row in others)
        also = f"Also running, started elsewhere: {parts.safe(told)}."
        self._others.value = f'<p class="trnb-muted">{also}</p>' if others else ""

    def _lines(self) -> list[str]:
        return [line.strip() for line in self._settings.value.splitlines() if line.strip()]

    def _named(self) -> str:
        """Check the settings, and return the name of the run.

        Raises:
          InputError: a setting is wrong, or the name of the run is unsafe.
        """
        profile, run = self._profile.value.strip(), self._run.value.strip()
        values = runs.parameters.load_profile(profile)
        given = runs.read_settings(self._lines(), "settings")
        _check_once(self._lines())
        if "runner" in values:
            job = train.load_job(Path(profile))
            if run:
                raise InputError("Name of the run: the job names it already, in output.output_dir")
            runs.parameters.resolve(job.and_settings(given))
            return Path(job.output.output_dir).name
        runs.parameters.resolve(values | given)
        if runs.STEPS.index(self._from.value) > runs.STEPS.index(self._to.value):
            first, last = runs.stem(self._from.value), runs.stem(self._to.value)
            raise InputError(f"From: {first} comes after {last}")
        return check_name("Name of the run", run or Path(profile).stem)

    def _check(self) -> None:
        self._checked("", self._promise)

    def _promise(self) -> str:
        run = self._named()
        return f'<span class="trnb-muted">Works in {parts.safe(paths.home() / "runs" / run)}</span>'

    def _begin(self) -> None:
        self._start.disabled = True
        self._checked("Starting", self._start_chain)

    def _start_chain(self) -> str:
        try:
            told, run = self._promise(), self._named()
            chains.start(run, self._arguments(), self._filled())
        except Exception:
            self._start.disabled = False
            raise
        self._stops, self._recalled = 0, self._filled()
        self._list(run)
        self._follow()
        return told

    def _arguments(self) -> list[str]:
        given = [part for line in self._lines() for part in ("--set", line)]
        run = self._run.value.strip()
        named = ["--run-id", run] if run else []
        steps = ["--from", self._from.value, "--to", self._to.value]
        return [*given, *named, *steps, "--", self._profile.value.strip()]

    def _interrupt(self) -> None:
        self._stops += 1
        self._stop.description = "Stop at once"
        chains.stop(self._watched.value)

    def _follow(self) -> None:
        """Show the watched chain, and go on in a thread as long as it runs."""
        if self._follower and self._follower.is_alive():
            return
        self._follower = threading.Thread(target=self._until_its_end, daemon=True)
        self._follower.start()

    def _until_its_end(self) -> None:
        while self._look():
            time.sleep(_SECONDS)

    def _look(self) -> bool:
        """Show what the watched chain told; return True while it runs."""
        run = self._watched.value
        if not run:
            return False
        running = chains.is_running(run)  # before its log is read, which then is whole
        lines = chains.told(run)
        self._start.disabled = running
        self._stop.disabled = not running
        if not running:
            self._stop.description = "Stop"
        self._steps.value = progress(lines, running)
        self._state.value = state(lines, running, self._stops > 0)
        shown = parts.safe("\n".join(lines[-_LINES:]))
        self._log.value = parts.box(f"<pre>{shown}</pre>", "What the chain tells") if shown else ""
        return running


def _check_once(lines: Sequence[str]) -> None:
    """Raise `InputError` if a parameter is set twice, because only its last value would count."""
    names = [line.partition("=")[0].strip().upper() for line in lines]
    twice = [name for k, name in enumerate(names) if name in names[:k]]
    if twice:
        raise InputError(f"settings: {one_line(twice[0])} is set twice")


def progress(lines: Sequence[str], running: bool) -> str:
    """Return HTML with the steps: done, at work, failed or still to come.

    Args:
      lines: what the chain told so far.
      running: True if it runs.

    Example:
      >>> "1_generate ✓" in progress(["  1_generate   0.4 s"], running=True)
      True
    """
    states = dict.fromkeys(map(runs.stem, runs.STEPS), "waiting")
    for line in lines:
        name = line.removeprefix(_FAILED[0]).split()[0].partition(".ipynb:")[0]  # or its problem
        if name in states:
            states[name] = "done" if _ENDED.fullmatch(line.strip()) else "running"
    if running and "running" not in states.values():
        begun = [name for name, state in states.items() if state == "done"]
        after = [*states][[*states].index(begun[-1]) + 1 :] if begun else [*states]
        states |= dict.fromkeys(after[:1], "running")
    if not running:
        states = {name: "ended" if was == "running" else was for name, was in states.items()}
    marks = {"done": " ✓", "running": " …", "ended": " ✗", "waiting": ""}
    usual = runs.STEPS.index(runs.LAST) + 1  # a later step is shown once it has begun
    items = [
        f'<li class="trnb-{state}">{parts.safe(name)}{marks[state]}</li>'
        for k, (name, state) in enumerate(states.items())
        if k < usual or state != "waiting"
    ]
    return f'<ol class="trnb-steps">{"".join(items)}</ol>'


def state(lines: Sequence[str], running: bool, stopping: bool) -> str:
    """Return HTML that tells in one line how a chain is doing.

    Args:
      lines: what the chain told so far.
      running: True if it runs.
      stopping: True if it was asked to stop.
    """
    last = lines[-1] if lines else ""
    if running:
        doing = "Stopping …" if stopping else "Running …"
        last = " ".join(last.removeprefix(_FAILED[0]).split())
        return f'<p role="status">{doing} {parts.safe(last)}</p>'
    if not lines:
        return ""
    if any(line.startswith(_WHOLE) for line in lines):
        return f'<p role="status">Finished. {parts.safe(last)}</p>'
    failed = next((line for line in reversed(lines) if line.startswith(_FAILED)), last)
    text = _STOPPED if last in _INTERRUPTED else failed.removeprefix(_FAILED[0])
    return f'<p role="alert" class="trnb-bad">{parts.safe(text)}</p>'
