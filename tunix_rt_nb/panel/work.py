"""Work behind a button: in a thread, so that the page stays alive, and told in one line."""

import threading
from collections.abc import Callable
from typing import Any

from tunix_rt_nb.panel.parts import Widget, html, safe, told

Job = Callable[[], str | None]


class Work:
    """A line that tells what is being done, and the thread that does it.

    It does one thing at a time. Of what it is asked meanwhile, it does the last. Its buttons are
    disabled as long as it works.

    Args:
      buttons: the buttons.
    """

    def __init__(self, *buttons: Widget) -> None:
        self.line = html()
        self.line.add_class("trnb-told")
        self._buttons = buttons
        self._lock = threading.Lock()
        self._busy = False
        self._next: tuple[str, Job] | None = None

    def __call__(self, doing: str, job: Job) -> None:
        """Do a job in the thread.

        Args:
          doing: what is told meanwhile; empty to tell nothing, for what is soon done.
          job: the function; it returns the HTML to tell at the end, or None to tell nothing.
        """
        with self._lock:
            self._next = doing, job
            if self._busy:
                return
            self._busy = True
        for button in self._buttons:
            button.disabled = True
        if doing:
            self._tell(f"{safe(doing)} …", "muted")
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while job := self._take():
            try:
                self._tell(job() or "")
            except Exception as error:  # whatever it is, it belongs into the page
                self.fail(told(error))

    def _take(self) -> Job | None:
        """Return the job to do next; None, and the buttons are free again, if there is none."""
        with self._lock:
            asked, self._next = self._next, None
            self._busy = bool(asked)
        if asked:
            return asked[1]
        for button in self._buttons:
            button.disabled = False
        return None

    def fail(self, text: str) -> None:
        """Tell an error."""
        self._tell(safe(text), "bad", "alert")

    def clear(self) -> None:
        """Tell nothing any more."""
        self._tell("")

    def _tell(self, text: str, colour: str = "", role: str = "status") -> None:
        kind = f' class="trnb-{colour}"' if colour else ""
        self.line.value = f'<p role="{role}"{kind}>{text}</p>' if text else ""


def on_change(function: Callable[[], Any], *inputs: Widget) -> None:
    """Call a function whenever the value of one of some inputs changes."""
    for one in inputs:
        one.observe(lambda _: function(), names="value")
